"""Pixels from factors: exact masks, colour, texture and noise, in bulk.

Randomness is counter based (Philox): image ``i`` reads its own block of the stream that the seed and the spec's name
select, so it is the same whether it is drawn alone, in a batch, or in a larger data set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from synthetic.shapes import SHAPES, Coordinates, Inside
from synthetic.spec import FACTORS, Choice, Spec, Uniform
from synthetic.surfaces import BACKGROUNDS, TEXTURES

CHUNK = 256  # images whose masks are computed together: 4 MB of coordinates at 64 px
GEOMETRY = ("shape", "size", "rotation_deg", "x", "y")


class _Stream:
    """One block of random 64-bit words for every (image, purpose)."""

    FACTORS, NOISE = 0, 1

    def __init__(self, spec_name: str, seed: int) -> None:
        name_key = int.from_bytes(hashlib.sha256(spec_name.encode()).digest()[:8], "little")
        self._bits = np.random.Philox(key=np.array([seed, name_key], dtype=np.uint64))
        self._state: Any = self._bits.state

    def words(self, image: int, purpose: int, n: int) -> npt.NDArray[np.uint64]:
        """Return the first ``n`` words of the block."""
        self._state["state"]["counter"][:] = (0, 0, image, purpose)
        self._state["buffer_pos"] = 4  # nothing buffered: start at the counter
        self._bits.state = self._state
        return self._bits.random_raw(n)


@cache
def _normal_quantiles() -> npt.NDArray[np.float32]:
    """Return 65,536 equally likely standard normal values: 16 random bits pick one.

    The largest is 4.3 standard deviations. In 8-bit images, where noise of 0.03 spans 8 grey levels, nothing of this
    can be seen; it is twice as fast as exact sampling.
    """
    return ndtri((np.arange(65536) + 0.5) / 65536).astype(np.float32)


def draw_factors(spec: Spec, indices: Sequence[int], seed: int) -> dict[str, list[Any]]:
    """Return one list per factor of `FACTORS`: the value that each image of ``indices`` has.

    Image ``i`` is of type ``i % len(spec.types)``.
    """
    stream = _Stream(spec.name, seed)
    columns: dict[str, list[Any]] = {name: [] for name in FACTORS}
    for i in indices:
        values = {name: spec.types[i % len(spec.types)].value(name) for name in FACTORS}
        if any(isinstance(v, Uniform | Choice) for v in values.values()):
            words = stream.words(i, _Stream.FACTORS, len(FACTORS))
            uniforms = dict(zip(FACTORS, (words >> np.uint64(11)) * 2.0**-53, strict=True))
            for name, value in values.items():
                if isinstance(value, Uniform):
                    values[name] = value.low + (value.high - value.low) * float(uniforms[name])
                elif isinstance(value, Choice):
                    values[name] = value.values[int(uniforms[name] * len(value.values))]
        for name, value in values.items():
            columns[name].append(value)
    return columns


def _pixel_grid(side_px: int) -> tuple[Coordinates, Coordinates]:
    """Return the x (right) and y (up) of every pixel's centre, in pixels from the image's centre, each (1, side**2)."""
    axis = np.arange(side_px, dtype=np.float32) - (side_px - 1) / 2
    x, y = np.meshgrid(axis, -axis)
    return x.reshape(1, -1), y.reshape(1, -1)


def _shape_coordinates(columns: Mapping[str, Sequence[Any]], side_px: int) -> tuple[Coordinates, Coordinates]:
    """Return each pixel's position in the turned frame of its image's shape, in pixels, two arrays (n, side**2)."""
    x, y = _pixel_grid(side_px)
    across, down, turn = (np.asarray(columns[k], dtype=np.float32)[:, None] for k in ("x", "y", "rotation_deg"))
    x, y = x - across * side_px, y + down * side_px
    if not turn.any():
        return x, y
    cos, sin = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    return (cos * x + sin * y).astype(np.float32), (cos * y - sin * x).astype(np.float32)


def draw_masks(columns: Mapping[str, Sequence[Any]], side_px: int, sizing: str) -> Inside:
    """Return which pixels each image's shape covers, a boolean array (n, side_px, side_px). Pixels are in or out."""
    shapes = np.asarray(columns["shape"])
    sizes = np.asarray(columns["size"], np.float32)
    u, v = _shape_coordinates(columns, side_px)
    masks = np.empty((len(shapes), side_px * side_px), dtype=np.bool_)
    for name in np.unique(shapes):
        rows = shapes == name
        inside, area = SHAPES[str(name)]
        box_px = sizes[rows, None] * side_px / (np.sqrt(area) if sizing == "area" else 1.0)
        masks[rows] = inside(u[rows] / box_px, v[rows] / box_px)
    return masks.reshape(-1, side_px, side_px)


def draw_images(
    spec: Spec, indices: Sequence[int], seed: int, columns: Mapping[str, Sequence[Any]] | None = None
) -> tuple[npt.NDArray[np.uint8], Inside]:
    """Return images (n, side_px, side_px, 3) uint8 and their exact masks (n, side_px, side_px) bool.

    Values above white or below black are clipped. (The article's code writes (0.85, +1) as 1.05 in the blue channel,
    which wraps around to nearly black in 8 bits; here it is white.)

    Parameters
    ----------
    spec, indices, seed
        Image ``i`` depends on these three only.
    columns : mapping, optional
        Factors to use in place of ``draw_factors(spec, indices, seed)``, for sweeping one with the rest fixed.
    """
    columns = draw_factors(spec, indices, seed) if columns is None else columns
    stream, side = _Stream(spec.name, seed), spec.side_px
    images = np.empty((len(indices), side * side, 3), dtype=np.uint8)
    masks = np.empty((len(indices), side, side), dtype=np.bool_)
    for start in range(0, len(indices), CHUNK):
        rows = slice(start, min(start + CHUNK, len(indices)))
        chunk = {name: values[rows] for name, values in columns.items()}
        geometries = list(zip(*(chunk[name] for name in GEOMETRY), strict=True))
        unique = {g: k for k, g in enumerate(dict.fromkeys(geometries))}
        unique_columns = dict(zip(GEOMETRY, zip(*unique, strict=True), strict=True))
        unique_masks = draw_masks(unique_columns, side, spec.sizing)
        covered = [np.flatnonzero(mask) for mask in unique_masks]
        patterns = _patterns(chunk, side)
        for row, geometry in enumerate(geometries):
            masks[start + row] = unique_masks[unique[geometry]]
            pixels = covered[unique[geometry]]
            factors = {name: values[row] for name, values in chunk.items()}
            images[start + row] = _background(factors["background"], side)
            pattern = None if patterns is None else patterns[row, pixels]
            images[start + row][pixels] = _surface(factors, pattern, stream, indices[start + row], len(pixels))
    return images.reshape(-1, side, side, 3), masks


def _patterns(columns: Mapping[str, Sequence[Any]], side_px: int) -> Coordinates | None:
    """Return the texture's offset at every pixel, (n, side**2), or None when every texture is plain."""
    textures = np.asarray(columns["texture"])
    if (textures == "plain").all():
        return None
    u, v = np.broadcast_arrays(*_shape_coordinates(columns, side_px))
    offsets = np.empty(u.shape, dtype=np.float32)
    for name in np.unique(textures):
        rows = textures == name
        contrast = np.asarray(columns["texture_contrast"], np.float32)[rows, None]
        offsets[rows] = contrast * TEXTURES[str(name)](u[rows], v[rows])
    return offsets


@cache
def _background(name: str, side_px: int) -> npt.NDArray[np.uint8]:
    level = BACKGROUNDS[name](*_pixel_grid(side_px))
    return np.repeat(_to_bytes(level.reshape(-1, 1)), 3, axis=1)


def _surface(
    factors: Mapping[str, Any], pattern: Coordinates | None, stream: _Stream, image: int, n_pixels: int
) -> npt.NDArray[np.uint8]:
    """Return the colours of the covered pixels, (n_pixels, 3) uint8: base colour, texture, noise."""
    colour = factors["base"] + factors["sign"] * np.array([0.0, 0.1, 0.2], dtype=np.float32)
    n_words = -(-n_pixels * 3 // 4)
    bits = stream.words(image, _Stream.NOISE, n_words).view(np.uint16)[: n_pixels * 3]
    level = _normal_quantiles()[bits].reshape(n_pixels, 3)
    level *= np.float32(factors["noise"])
    level += colour.astype(np.float32)
    if pattern is not None:
        level += pattern[:, None]
    return _to_bytes(level)


def _to_bytes(level: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return levels in [0, 1] as 0..255, rounded, clipped at both ends. Overwrites ``level``."""
    level *= 255
    level += 0.5
    np.clip(level, 0, 255, out=level)
    return level.astype(np.uint8)
