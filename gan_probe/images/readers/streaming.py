"""Data sets that do not fit in memory: looked through once, then fetched batch by batch."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet, LazyImages, fit_channels
from gan_probe.images.readers.reading import check_sizes, keep_split, name_rows
from gan_probe.images.readers.table import Decode, find_reader
from gan_probe.types import Images, Progress
from synthetic import sample_id


def stream_images(
    path: str | Path, *, size_px: int | None = None, split: str | None = None, progress: Progress = iter
) -> ImageSet:
    """Return the images at ``path`` without keeping their pixels: as `read_images`, with `LazyImages` for the array.

    Every image is decoded once, to name it by its content; a broken one is an error.

    Parameters
    ----------
    path : path
        A folder of image files, a Parquet file (its encoded bytes are kept), or a ``.npy`` file (mapped into memory).
    size_px : int, optional
        Resize every image to a square of this side. Not for ``.npy``.
    split : str, optional
        Keep only rows whose ``split`` is this.
    progress : callable, optional
        Wraps the iterable of images.

    Raises
    ------
    InputError
        For another kind of file, a broken image, or images that differ in size.
    """
    path = Path(path)
    entries = find_reader(path, streamed=True).entries(path, split)
    if entries.array is not None and size_px is not None and entries.array.shape[1:3] != (size_px, size_px):
        height, width = entries.array.shape[1:3]
        raise InputError(f"{path} holds {width}x{height} pixels; an array is not resized on the way.")
    look = partial(_look, entries.decode, size_px)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        seen = list(progress(pool.map(look, entries.sources)))
    if not seen:
        raise InputError(f"{path} holds no images.")
    shapes = [shape for shape, *_ in seen]
    check_sizes(shapes, path)
    n_channels = max(shape[2] for shape in shapes)
    n_converted = sum(bool(note) for *_, note in seen)
    warnings = [f"{n_converted} images were converted on reading."] if n_converted else []
    fetch = partial(_fetch, entries.decode, size_px, n_channels)
    lazy = LazyImages(entries.sources, fetch, (*shapes[0][:2], n_channels))
    ids = [wide if n_channels == 3 else own for _, own, wide, _ in seen]
    return keep_split(name_rows(lazy, entries.table, entries.names, path, warnings, ids=ids), split)


# What is fetched lazily must be picklable: trainings side by side each get it.


def _look(decode: Decode, size_px: int | None, source: Any) -> tuple[tuple[int, ...], str, str, str]:
    """Return an image's shape, its id as it is and in three channels, and what was converted."""
    image, note = decode(source, size_px)
    return image.shape, sample_id(image), sample_id(fit_channels(image, 3)), note


def _fetch(decode: Decode, size_px: int | None, n_channels: int, source: Any) -> Images:
    return np.asarray(fit_channels(decode(source, size_px)[0], n_channels))


def size_in_memory(path: str | Path, size_px: int | None = None) -> int:
    """Return about how many bytes the images at ``path`` take as an array; 0 where that is not known beforehand."""
    path = Path(path)
    reader = find_reader(path)
    if path.suffix == ".npy":
        return path.stat().st_size
    if reader.title != "a folder of images":
        return 0
    entries = reader.entries(path, None)
    return len(entries.sources) * entries.decode(entries.sources[0], size_px)[0].size
