"""Shapes as point-in-shape tests on the unit box, and the table that names them.

A shape is a function of coordinates ``u`` (right) and ``v`` (up), each in [-0.5, 0.5] across the shape's own box;
it returns a boolean array of the same shape, true inside. To add a shape: one function and one row in ``SHAPES``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Coordinates = npt.NDArray[np.float32]
Inside = npt.NDArray[np.bool_]

RING_HOLE = 0.55  # inner radius over outer radius
CROSS_ARM = 0.36  # width of an arm over the width of the cross
STAR_NOTCH = 0.5  # radius of the inner corners over the radius of the points


def square(u: Coordinates, v: Coordinates) -> Inside:
    """Fill the whole box."""
    return np.maximum(np.abs(u), np.abs(v)) <= 0.5


def circle(u: Coordinates, v: Coordinates) -> Inside:
    """Touch the box on all four sides."""
    return u * u + v * v <= 0.25


def triangle(u: Coordinates, v: Coordinates) -> Inside:
    """Isosceles, as wide and as high as the box, point up."""
    return (v >= -0.5) & (2 * np.abs(u) <= 0.5 - v)


def ring(u: Coordinates, v: Coordinates) -> Inside:
    """A circle with a concentric hole."""
    r2 = u * u + v * v
    return (r2 <= 0.25) & (r2 >= 0.25 * RING_HOLE**2)


def cross(u: Coordinates, v: Coordinates) -> Inside:
    """A plus sign."""
    a, b = np.abs(u), np.abs(v)
    return (np.maximum(a, b) <= 0.5) & (np.minimum(a, b) <= CROSS_ARM / 2)


def _sector_angle(u: Coordinates, v: Coordinates, n: int) -> Coordinates:
    """Return each point's angle to the nearest of ``n`` rays (the first points up), in [0, pi/n] radians."""
    sector = 2 * math.pi / n
    angle = np.arctan2(u, v)
    return np.abs(angle - sector * np.round(angle / sector)).astype(np.float32)


def pentagon(u: Coordinates, v: Coordinates) -> Inside:
    """Regular, corners on the inscribed circle, one of them up."""
    return np.hypot(u, v) * np.cos(math.pi / 5 - _sector_angle(u, v, 5)) <= 0.5 * math.cos(math.pi / 5)


def star(u: Coordinates, v: Coordinates) -> Inside:
    """Five points on the inscribed circle, one of them up."""
    angle, r = _sector_angle(u, v, 5), np.hypot(u, v)
    # The edge from the point (radius 1/2, angle 0) to the notch (radius NOTCH/2, angle pi/5), as a half-plane test.
    notch_x, notch_y = STAR_NOTCH / 2 * math.sin(math.pi / 5), STAR_NOTCH / 2 * math.cos(math.pi / 5)
    x, y = r * np.sin(angle), r * np.cos(angle)
    return (0.5 - notch_y) * x + notch_x * y <= notch_x * 0.5


class Shape(NamedTuple):
    """How a shape is drawn, and the exact share of the unit box that it fills."""

    inside: Callable[[Coordinates, Coordinates], Inside]
    area: float


SHAPES: dict[str, Shape] = {
    "square":   Shape(square,   1.0),
    "circle":   Shape(circle,   math.pi / 4),
    "triangle": Shape(triangle, 0.5),
    "ring":     Shape(ring,     math.pi / 4 * (1 - RING_HOLE**2)),
    "cross":    Shape(cross,    CROSS_ARM * (2 - CROSS_ARM)),
    "pentagon": Shape(pentagon, 5 / 8 * math.sin(2 * math.pi / 5)),
    "star":     Shape(star,     5 / 4 * STAR_NOTCH * math.sin(math.pi / 5)),
}  # fmt: skip
