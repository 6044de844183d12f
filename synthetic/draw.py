"""Pixels from factors: exact masks, colour, texture and noise, in bulk.

Randomness is counter based (Philox): image ``i`` reads its own block of the stream that the seed and the spec's name
select, so it is the same whether it is drawn alone, in a batch, or in a larger data set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
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

    def normals(self, image: int, n: int) -> npt.NDArray[np.float32]:
        """Return ``n`` standard normal values for the noise of an image."""
        bits = self.words(image, self.NOISE, -(-n // 4)).view(np.uint16)[:n]
        return np.take(_normal_quantiles(), bits)


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
    fixed = [[kind.value(name) for name in FACTORS] for kind in spec.types]
    varies = [any(isinstance(v, Uniform | Choice) for v in values) for values in fixed]
    rows = []
    for i in indices:
        kind = i % len(spec.types)
        values = fixed[kind]
        if varies[kind]:
            words = stream.words(i, _Stream.FACTORS, len(FACTORS))
            uniforms = (words >> np.uint64(11)) * 2.0**-53  # 53 random bits, evenly in [0, 1)
            values = [_drawn(value, u) for value, u in zip(values, uniforms.tolist(), strict=True)]
        rows.append(values)
    return {name: list(column) for name, column in zip(FACTORS, zip(*rows, strict=True), strict=True)}


def _drawn(value: Any, uniform: float) -> Any:
    """Return the value of a factor: fixed, or what ``uniform`` in [0, 1) picks."""
    if isinstance(value, Uniform):
        return value.low + (value.high - value.low) * uniform
    if isinstance(value, Choice):
        return value.values[int(uniform * len(value.values))]
    return value


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
    images = np.empty((len(indices), side * side * 3), dtype=np.uint8)
    masks = np.empty((len(indices), side, side), dtype=np.bool_)
    for start in range(0, len(indices), CHUNK):
        chunk = {name: values[start : start + CHUNK] for name, values in columns.items()}
        geometries = list(zip(*(chunk[name] for name in GEOMETRY), strict=True))
        unique = {g: k for k, g in enumerate(dict.fromkeys(geometries))}
        unique_masks = draw_masks(dict(zip(GEOMETRY, zip(*unique, strict=True), strict=True)), side, spec.sizing)
        covered = [_channel_positions(mask) for mask in unique_masks]
        patterns = _patterns(chunk, side)
        painted = zip(geometries, chunk["background"], chunk["base"], chunk["sign"], chunk["noise"], strict=True)
        for offset, (geometry, background, base, sign, noise) in enumerate(painted):
            row, positions = start + offset, covered[unique[geometry]]
            masks[row] = unique_masks[unique[geometry]]
            images[row] = _background(background, side)
            level = stream.normals(indices[row], len(positions))
            level *= np.float32(noise * 255)
            level += _colours(base, sign, len(positions) // 3)
            if patterns is not None:
                level += 255 * patterns[offset].repeat(3)[positions]
            images[row][positions] = _to_bytes(level)
    return images.reshape(-1, side, side, 3), masks


def _channel_positions(mask: Inside) -> npt.NDArray[np.intp]:
    """Return where the channels of the covered pixels lie in an image made flat, three for each pixel."""
    return (3 * np.flatnonzero(mask)[:, None] + np.arange(3)).ravel()


@lru_cache(maxsize=256)
def _colours(base: float, sign: int, n_pixels: int) -> npt.NDArray[np.float32]:
    """Return the colour's three channels, 0 to 255 and beyond, once for each pixel, (3 * n_pixels,)."""
    return np.tile(255 * (base + sign * np.array([0.0, 0.1, 0.2])), n_pixels).astype(np.float32)


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
    """Return the background made flat, (side * side * 3,)."""
    level = 255 * BACKGROUNDS[name](*_pixel_grid(side_px)).ravel()
    return _to_bytes(level).repeat(3)


def _to_bytes(level: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return levels as 0..255, rounded, clipped at both ends. Overwrites ``level``."""
    level += 0.5
    np.clip(level, 0, 255, out=level)
    return level.astype(np.uint8)
