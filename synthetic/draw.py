"""Pixels from factors: exact masks, colour, texture and noise, in bulk.

Randomness is counter based (`synthetic.stream`): image ``i`` reads its own block of the stream that the seed and the
spec's name select, so it is the same whether it is drawn alone, in a batch, or in a larger data set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from synthetic.geometry import GEOMETRY, draw_masks, pixel_grid, shape_coordinates
from synthetic.scenery import add_scenery
from synthetic.shapes import Coordinates, Inside
from synthetic.spec import FACTORS, Choice, Spec, Uniform
from synthetic.stream import Stream
from synthetic.surfaces import ARRANGEMENTS, BACKGROUNDS, NOISE_KINDS, TEXTURES

CHUNK = 256  # images whose masks are computed together: 4 MB of coordinates at 64 px


def draw_factors(spec: Spec, indices: Sequence[int], seed: int) -> dict[str, list[Any]]:
    """Return one list per factor of `FACTORS`: the value that each image of ``indices`` has.

    Image ``i`` is of type ``i % len(spec.types)``.
    """
    stream = Stream(spec.name, seed)
    fixed = [[kind.value(name) for name in FACTORS] for kind in spec.types]
    varying = [[k for k, v in enumerate(values) if isinstance(v, Uniform | Choice)] for values in fixed]
    rows = []
    for i in indices:
        kind = i % len(spec.types)
        values = fixed[kind]
        if varying[kind]:
            values = values.copy()
            uniforms = stream.uniforms(i, Stream.FACTORS, varying[kind][-1] + 1).tolist()
            for k in varying[kind]:
                values[k] = _drawn(values[k], uniforms[k])
        rows.append(values)
    return {name: list(column) for name, column in zip(FACTORS, zip(*rows, strict=True), strict=True)}


def _drawn(value: Uniform | Choice, uniform: float) -> Any:
    """Return the value that ``uniform`` in [0, 1) picks."""
    if isinstance(value, Uniform):
        return value.low + (value.high - value.low) * uniform
    return value.values[int(uniform * len(value.values))]


def draw_images(
    spec: Spec, indices: Sequence[int], seed: int, columns: Mapping[str, Sequence[Any]] | None = None
) -> tuple[npt.NDArray[np.uint8], Inside]:
    """Return images (n, size_px, size_px, 3) uint8 and their exact masks (n, size_px, size_px) bool.

    From back to front: background, clutter, shape, bar. Values above white or below black are clipped, or wrapped
    around where ``spec.overflow`` says so. (The article's code wraps: its (0.85, +1), 1.05 in blue, is nearly black.)

    Parameters
    ----------
    spec, indices, seed
        Image ``i`` depends on these three only. ``indices`` may repeat.
    columns : mapping, optional
        Factors to use in place of ``draw_factors(spec, indices, seed)``, for sweeping one with the rest fixed.
    """
    columns = draw_factors(spec, indices, seed) if columns is None else columns
    stream, side = Stream(spec.name, seed), spec.size_px
    images = np.empty((len(indices), side, side, 3), dtype=np.uint8)
    masks = np.empty((len(indices), side, side), dtype=np.bool_)
    for start in range(0, len(indices), CHUNK):
        rows = slice(start, start + CHUNK)
        chunk = {name: values[rows] for name, values in columns.items()}
        _draw_chunk(images[rows], masks[rows], chunk, indices=indices[rows], stream=stream, spec=spec)
        add_scenery(images[rows], masks[rows], chunk, indices=indices[rows], stream=stream)
    return images, masks


def _draw_chunk(
    images: npt.NDArray[np.uint8],
    masks: Inside,
    columns: Mapping[str, Sequence[Any]],
    *,
    indices: Sequence[int],
    stream: Stream,
    spec: Spec,
) -> None:
    """Paint backgrounds and shapes into ``images`` and ``masks``."""
    side = images.shape[1]
    flat_images = images.reshape(len(images), -1)  # a view
    geometries = list(zip(*(columns[name] for name in GEOMETRY), strict=True))
    unique = {g: k for k, g in enumerate(dict.fromkeys(geometries))}
    unique_masks = draw_masks(dict(zip(GEOMETRY, zip(*unique, strict=True), strict=True)), side, spec.sizing)
    covered = [_channel_positions(mask) for mask in unique_masks]
    to_bytes = OVERFLOW[spec.overflow]
    masks[:] = unique_masks[[unique[g] for g in geometries]]
    patterns = _patterns(columns, masks)
    painted = zip(*(columns[name] for name in ("background", "base", "sign", "noise", "noise_kind")), strict=True)
    for row, (background, base, sign, noise, noise_kind) in enumerate(painted):
        positions = covered[unique[geometries[row]]]
        flat_images[row] = _background(background, side)
        level = _noise(stream, indices[row], positions, kind=noise_kind, size_px=side)
        level *= np.float32(noise * 255)
        level += _colours(base, sign, len(positions) // 3)
        if patterns is not None:
            level += 255 * patterns[row].repeat(3)[positions]
        flat_images[row][positions] = to_bytes(level)


def _channel_positions(mask: Inside) -> npt.NDArray[np.intp]:
    """Return where the channels of the covered pixels lie in an image made flat, three for each pixel."""
    return (3 * np.flatnonzero(mask)[:, None] + np.arange(3)).ravel()


@lru_cache(maxsize=256)
def _colours(base: float, sign: int, n_pixels: int) -> npt.NDArray[np.float32]:
    """Return the colour's three channels, 0 to 255 and beyond, once for each pixel, (3 * n_pixels,)."""
    return np.tile(255 * (base + sign * np.array([0.0, 0.1, 0.2])), n_pixels).astype(np.float32)


def _noise(
    stream: Stream, image: int, positions: npt.NDArray[np.intp], *, kind: str, size_px: int
) -> npt.NDArray[np.float32]:
    """Return noise of variance 1 at ``positions`` of an image made flat."""
    taps = NOISE_KINDS[kind]
    if taps is None:
        return stream.normals(image, len(positions))
    field = stream.normals(image, 3 * size_px**2).reshape(size_px, size_px, 3)
    for axis, (before, here, after) in zip((1, 0), taps, strict=True):  # across, then down; opposite edges meet
        field = before * np.roll(field, 1, axis) + here * field + after * np.roll(field, -1, axis)
    return field.ravel()[positions]


def _patterns(columns: Mapping[str, Sequence[Any]], masks: Inside) -> Coordinates | None:
    """Return what texture and arrangement add at every pixel, (n, side**2), or None when all are plain."""
    textures, arrangements = np.asarray(columns["texture"]), np.asarray(columns["arrangement"])
    if (textures == "plain").all() and (arrangements == "plain").all():
        return None
    u, v = np.broadcast_arrays(*shape_coordinates(columns, masks.shape[-1]))
    offsets = np.empty(u.shape, dtype=np.float32)
    for name in np.unique(textures):
        rows = textures == name
        contrast = np.asarray(columns["texture_contrast"], np.float32)[rows, None]
        offsets[rows] = contrast * TEXTURES[str(name)](u[rows], v[rows])
    for row in np.flatnonzero(arrangements != "plain").tolist():
        inside = masks[row].ravel()
        field = ARRANGEMENTS[columns["arrangement"][row]](u[row][inside], v[row][inside])
        offsets[row][inside] += columns["arrangement_contrast"][row] * _two_halves(field)
    return offsets


def _two_halves(field: Coordinates) -> Coordinates:
    """Return +1 for the higher half of the values and -1 for the lower; the middle one of an odd number gets 0."""
    n, half = len(field), len(field) // 2
    order = np.argsort(field, kind="stable")
    halves = np.zeros(n, dtype=np.float32)
    halves[order[:half]] = -1
    halves[order[n - half :]] = 1
    return halves


@cache
def _background(name: str, size_px: int) -> npt.NDArray[np.uint8]:
    """Return the background made flat, (side * side * 3,)."""
    level = 255 * BACKGROUNDS[name](*pixel_grid(size_px)).ravel()
    return _to_bytes(level).repeat(3)


def _to_bytes(level: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return levels as 0..255, rounded, clipped at both ends. Overwrites ``level``."""
    level += 0.5
    np.clip(level, 0, 255, out=level)
    return level.astype(np.uint8)


def _wrapped(level: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return levels as 0..255, rounded, the 256th again 0. Overwrites ``level``."""
    level += 0.5
    return np.mod(np.floor(level, out=level), 256, out=level).astype(np.uint8)


OVERFLOW = {"clip": _to_bytes, "wrap": _wrapped}
