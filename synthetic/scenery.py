"""What is drawn at random around a shape: clutter behind it, a bar in front of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from synthetic.geometry import draw_masks, pixel_grid
from synthetic.shapes import Inside
from synthetic.stream import Stream

CLUTTER_SHAPES = ("square", "circle", "triangle", "cross")  # their order is part of the file format
MAX_PIECES = 40  # at clutter 1
PIECE_SIZE = (0.05, 0.14)  # root of a piece's area, share of the side
PIECE_LEVEL = (0.25, 1.0)  # of each channel on its own
BAR_LEVEL = 128  # neutral grey

Images = npt.NDArray[np.uint8]


def add_scenery(
    images: Images, masks: Inside, columns: Mapping[str, Sequence[Any]], *, indices: Sequence[int], stream: Stream
) -> None:
    """Paint clutter behind the shapes and bars in front of them, in place; masks lose the pixels that bars hide.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, size_px, size_px, 3)
    masks : ndarray of bool, shape (n, size_px, size_px)
    columns : mapping
        ``clutter`` and ``occlusion`` of each image.
    indices : sequence of int
        The images' places in the data set: what is random follows from these.
    stream : Stream
    """
    for row, (amount, share) in enumerate(zip(columns["clutter"], columns["occlusion"], strict=True)):
        if amount:
            uniforms = stream.uniforms(indices[row], stream.CLUTTER, 8 * MAX_PIECES)
            _paint_clutter(images[row], masks[row], uniforms, amount)
        if share:
            angle, start = stream.uniforms(indices[row], stream.OCCLUSION, 2).tolist()
            hidden = bar(masks[row], share, angle_deg=180 * angle, start=start)
            images[row][hidden] = BAR_LEVEL
            masks[row][hidden] = False


def _paint_clutter(image: Images, mask: Inside, uniforms: npt.NDArray[np.floating], amount: float) -> None:
    """Paint the first ``amount * MAX_PIECES`` pieces, later ones above earlier ones, wherever ``mask`` is false."""
    pieces = uniforms.reshape(MAX_PIECES, 8)[: round(amount * MAX_PIECES)]
    if not len(pieces):
        return
    columns: dict[str, Any] = {
        "shape": [CLUTTER_SHAPES[int(u * len(CLUTTER_SHAPES))] for u in pieces[:, 0]],
        "x": pieces[:, 1] - 0.5,
        "y": pieces[:, 2] - 0.5,
        "size": np.interp(pieces[:, 3], (0, 1), PIECE_SIZE),
        "rotation_deg": 360 * pieces[:, 4],
    }
    covered = draw_masks(columns, len(image), "area")[::-1]
    colours = np.rint(255 * np.interp(pieces[::-1, 5:], (0, 1), PIECE_LEVEL)).astype(np.uint8)
    visible = covered.any(0) & ~mask
    image[visible] = colours[covered.argmax(0)[visible]]  # the first that covers a pixel, now that the last is first


def bar(mask: Inside, share: float, *, angle_deg: float, start: float) -> Inside:
    """Return which pixels of the image a straight bar covers that hides ``share`` of a mask's pixels, rounded down.

    Parameters
    ----------
    mask : ndarray of bool, shape (size_px, size_px)
    share : float
        From 0 to 1. Of two bars that differ in this only, the broader covers the narrower.
    angle_deg : float
        Direction across the bar, counter-clockwise from the x axis.
    start : float
        From 0 to 1: where the bar lies, from one edge of the mask to the other.

    Returns
    -------
    ndarray of bool, shape (size_px, size_px)
    """
    x, y = pixel_grid(len(mask))
    turn = math.radians(angle_deg)
    across = (math.cos(turn) * x.astype(np.float64) + math.sin(turn) * y).reshape(mask.shape)
    inside = np.sort(across[mask])
    n_hidden = int(share * len(inside))
    if not n_hidden:
        return np.zeros_like(mask)
    first = int(start * (len(inside) - n_hidden + 1))
    return (across >= inside[first]) & (across <= inside[first + n_hidden - 1])
