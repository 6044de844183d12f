"""What lies inside a shape (textures) and behind it (backgrounds): functions of coordinates, one table each."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from synthetic.shapes import Coordinates

Surface = Callable[[Coordinates, Coordinates], Coordinates]
PERIOD_PX = 8.0


def plain(x_px: Coordinates, y_px: Coordinates) -> Coordinates:
    """Return zeros: no texture."""
    return np.zeros_like(x_px)


def stripes(x_px: Coordinates, y_px: Coordinates) -> Coordinates:
    """Return a horizontal wave in [-1, 1], one period every 8 pixels."""
    return np.sin(2 * math.pi / PERIOD_PX * y_px)


def checks(x_px: Coordinates, y_px: Coordinates) -> Coordinates:
    """Return a chequerboard of -1 and +1, squares of 4 pixels."""
    return np.sign(np.sin(2 * math.pi / PERIOD_PX * (x_px + 0.25)) * np.sin(2 * math.pi / PERIOD_PX * (y_px + 0.25)))


def dots(x_px: Coordinates, y_px: Coordinates) -> Coordinates:
    """Return a lattice of smooth dots in [-1, 1], one every 8 pixels each way."""
    return (np.cos(2 * math.pi / PERIOD_PX * x_px) + np.cos(2 * math.pi / PERIOD_PX * y_px)) / 2


# Added to the colour inside the shape, times the factor ``texture_contrast``. Coordinates turn with the shape.
TEXTURES: dict[str, Surface] = {"plain": plain, "stripes": stripes, "checks": checks, "dots": dots}

# The grey level behind the shape, in [0, 1]. Coordinates are the image's own.
BACKGROUNDS: dict[str, Surface] = {
    "white":    lambda x_px, y_px: np.ones_like(x_px),
    "grey":     lambda x_px, y_px: np.full_like(x_px, 0.5),
    "black":    lambda x_px, y_px: np.zeros_like(x_px),
    "gradient": lambda x_px, y_px: (0.5 + 0.5 * np.tanh(x_px / 32)).astype(np.float32),
    "stripes":  lambda x_px, y_px: 0.75 + 0.25 * stripes(x_px, y_px),
    "checks":   lambda x_px, y_px: 0.75 + 0.25 * checks(x_px, y_px),
}  # fmt: skip
