"""What lies inside a shape (textures, arrangements, kinds of noise) and behind it (backgrounds), one table each."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from synthetic.shapes import Coordinates

Surface = Callable[[Coordinates, Coordinates], Coordinates]
PERIOD_PX = 8.0


def uniform(x_px: Coordinates, y_px: Coordinates) -> Coordinates:
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
TEXTURES: dict[str, Surface] = {"plain": uniform, "stripes": stripes, "checks": checks, "dots": dots}


def in_halves(x_px: Coordinates, y_px: Coordinates) -> Coordinates:
    """Return a field whose higher half is the right half of the shape."""
    return x_px


def in_bands(x_px: Coordinates, y_px: Coordinates) -> Coordinates:
    """Return a field whose higher half is a vertical band in the middle."""
    return -np.abs(x_px)


def in_quarters(x_px: Coordinates, y_px: Coordinates) -> Coordinates:
    """Return a field whose higher half is two opposite quarters."""
    return x_px * y_px


def in_core(x_px: Coordinates, y_px: Coordinates) -> Coordinates:
    """Return a field whose higher half is a disc in the middle."""
    return -(x_px * x_px + y_px * y_px)


def in_sectors(x_px: Coordinates, y_px: Coordinates) -> Coordinates:
    """Return a field whose higher half is every other of six sectors."""
    return np.cos(3 * np.arctan2(y_px, x_px))


# How two colours share a shape: the half of its pixels where the field is higher, and the other half, so that the mean
# colour is that of the plain shape. Coordinates turn with the shape.
ARRANGEMENTS: dict[str, Surface] = {
    "plain": uniform,
    "halves": in_halves,
    "bands": in_bands,
    "quarters": in_quarters,
    "core": in_core,
    "sectors": in_sectors,
}

_ALIKE, _OPPOSED = (1 / 6**0.5, 2 / 6**0.5, 1 / 6**0.5), (-1 / 6**0.5, 2 / 6**0.5, -1 / 6**0.5)

# Weights of three neighbouring pixels, across and down, by which white noise is mixed; their squares sum to 1 each way,
# so that every kind has the variance of white noise. The power of "smooth" is at low frequencies, that of "fine", which
# is "smooth" times a chequerboard, at high ones. None: no mixing.
NOISE_KINDS: dict[str, tuple[tuple[float, ...], tuple[float, ...]] | None] = {
    "white": None,
    "smooth": (_ALIKE, _ALIKE),
    "fine": (_OPPOSED, _OPPOSED),
    "rows": (_ALIKE, _OPPOSED),
    "columns": (_OPPOSED, _ALIKE),
}

# The grey level behind the shape, in [0, 1]. Coordinates are the image's own.
BACKGROUNDS: dict[str, Surface] = {
    "white":    lambda x_px, y_px: np.ones_like(x_px),
    "grey":     lambda x_px, y_px: np.full_like(x_px, 0.5),
    "black":    lambda x_px, y_px: np.zeros_like(x_px),
    "gradient": lambda x_px, y_px: (0.5 + 0.5 * np.tanh(x_px / 32)).astype(np.float32),
    "stripes":  lambda x_px, y_px: 0.75 + 0.25 * stripes(x_px, y_px),
    "checks":   lambda x_px, y_px: 0.75 + 0.25 * checks(x_px, y_px),
}  # fmt: skip
