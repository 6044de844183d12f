"""Histograms of oriented gradients of many images at once: what scikit-image gives, in an eighth of the time."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from gan_probe.types import Images, Rows

ORIENTATIONS = 9  # of 20 degrees each: which way along a line does not matter
CELLS_PER_BLOCK = 2
CLIPPED_AT, EPSILON = 0.2, 1e-5  # of the normalisation "L2-Hys"
LARGEST = 255  # difference of two grey levels


@lru_cache(maxsize=1)
def _bins() -> npt.NDArray[np.uint8]:
    """Return the orientation's bin of every gradient, by 511 * (down + 255) + across + 255."""
    down, across = np.mgrid[-LARGEST : LARGEST + 1, -LARGEST : LARGEST + 1]
    degrees = np.rad2deg(np.arctan2(down, across)) % 180
    return (degrees // (180 / ORIENTATIONS)).astype(np.uint8).ravel()


def _differences(images: Images) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return central differences down and across, (n, h, w, c), 0 at the border."""
    levels = images.astype(np.int32)
    down, across = np.zeros_like(levels), np.zeros_like(levels)
    down[:, 1:-1] = levels[:, 2:] - levels[:, :-2]
    across[:, :, 1:-1] = levels[:, :, 2:] - levels[:, :, :-2]
    return down, across


def oriented_gradients(images: Images, cell_px: int) -> Rows:
    """Return the descriptor of each image, (n, d): cells of so many pixels, in overlapping blocks of 2x2.

    Of several channels, each pixel counts by the one with the steepest gradient.

    References
    ----------
    Dalal and Triggs 2005, "Histograms of Oriented Gradients for Human Detection".
    """
    down, across = _differences(images)
    squared = down**2 + across**2
    steepest = squared.argmax(-1)[..., None]
    down, across, squared = (np.take_along_axis(a, steepest, -1)[..., 0] for a in (down, across, squared))
    n, rows, columns = len(images), images.shape[1] // cell_px, images.shape[2] // cell_px
    inside = (slice(None), slice(rows * cell_px), slice(columns * cell_px))  # what is left over belongs to no cell
    bins = _bins()[(2 * LARGEST + 1) * (down[inside] + LARGEST) + across[inside] + LARGEST]
    row, column = (np.arange(k * cell_px) // cell_px for k in (rows, columns))
    cell = (np.arange(n)[:, None, None] * rows + row[:, None]) * columns + column
    weights = np.sqrt(squared[inside], dtype=np.float64)
    counts = np.bincount((cell * ORIENTATIONS + bins).ravel(), weights.ravel(), n * rows * columns * ORIENTATIONS)
    cells = (counts / cell_px**2).reshape(n, rows, columns, ORIENTATIONS)
    blocks = sliding_window_view(cells, (CELLS_PER_BLOCK, CELLS_PER_BLOCK), axis=(1, 2))  # (n, ., ., bins, 2, 2)
    flat = np.moveaxis(blocks, 3, -1).reshape(*blocks.shape[:3], -1)
    return _normalised(np.minimum(_normalised(flat), CLIPPED_AT)).reshape(n, -1).astype(np.float32)


def _normalised(blocks: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return blocks / np.sqrt((blocks**2).sum(-1, keepdims=True) + EPSILON**2)
