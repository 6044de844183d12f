"""Where shapes lie: coordinates of pixels, in the image's frame and in the shape's, and exact masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synthetic.shapes import SHAPES, Coordinates, Inside

GEOMETRY = ("shape", "size", "rotation_deg", "x", "y")  # the factors that a mask follows from


def pixel_grid(size_px: int) -> tuple[Coordinates, Coordinates]:
    """Return the x (right) and y (up) of every pixel's centre, in pixels from the image's centre, each (1, side**2)."""
    axis = np.arange(size_px, dtype=np.float32) - (size_px - 1) / 2
    x, y = np.meshgrid(axis, -axis)
    return x.reshape(1, -1), y.reshape(1, -1)


def shape_coordinates(columns: Mapping[str, Sequence[Any]], size_px: int) -> tuple[Coordinates, Coordinates]:
    """Return each pixel's position in the turned frame of its image's shape, in pixels, two arrays (n, side**2)."""
    x, y = pixel_grid(size_px)
    across, down, turn = (np.asarray(columns[k], dtype=np.float32)[:, None] for k in ("x", "y", "rotation_deg"))
    x, y = x - across * size_px, y + down * size_px
    if not turn.any():
        return x, y
    cos, sin = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    return (cos * x + sin * y).astype(np.float32), (cos * y - sin * x).astype(np.float32)


def draw_masks(columns: Mapping[str, Sequence[Any]], size_px: int, sizing: str) -> Inside:
    """Return which pixels each image's shape covers, a boolean array (n, size_px, size_px). Pixels are in or out."""
    shapes = np.asarray(columns["shape"])
    sizes = np.asarray(columns["size"], np.float32)
    u, v = shape_coordinates(columns, size_px)
    masks = np.empty((len(shapes), size_px * size_px), dtype=np.bool_)
    for name in np.unique(shapes):
        rows = shapes == name
        inside, area = SHAPES[str(name)]
        box_px = sizes[rows, None] * size_px / (np.sqrt(area) if sizing == "area" else 1.0)
        masks[rows] = inside(u[rows] / box_px, v[rows] / box_px)
    return masks.reshape(-1, size_px, size_px)
