"""Data sets that do not fit in memory: looked through once, then fetched batch by batch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet, LazyImages, fit_channels
from gan_probe.images.readers.reading import (
    check_sizes,
    decode_image,
    folder_sources,
    keep_split,
    name_rows,
    open_npy,
    parquet_sources,
    read_metadata,
)
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
    if path.suffix == ".npy" or (path / "images.npy").is_file():
        return keep_split(_stream_array(path, size_px), split)
    if path.suffix == ".parquet" or (path / "images.parquet").is_file():
        file = path if path.is_file() else path / "images.parquet"
        found = _stream_encoded(*parquet_sources(file), path, size_px, progress)
    elif path.is_dir():
        found = _stream_encoded(*folder_sources(path, split), path, size_px, progress)
    else:
        raise InputError(f"{path} cannot be streamed. Accepted: a folder of images, .parquet, .npy.")
    return keep_split(found, split)


# What is fetched lazily must be picklable: trainings side by side each get it.


def _fetch_image(source: Path | bytes, size_px: int | None, n_channels: int) -> Images:
    return fit_channels(decode_image(source, size_px)[0], n_channels)


def _fetch_row(path: Path, row: int) -> Images:
    return np.asarray(_mapped(path)[row])


_mapped = cache(open_npy)


def _stream_array(path: Path, size_px: int | None) -> ImageSet:
    where = (path if path.is_file() else path / "images.npy").resolve()
    array = open_npy(where)
    if size_px is not None and array.shape[1:3] != (size_px, size_px):
        raise InputError(f"{path} holds {array.shape[2]}x{array.shape[1]} pixels; an array is not resized on the way.")
    table = read_metadata(path) if path.is_dir() else None
    table = pd.DataFrame(index=range(len(array))) if table is None else table
    names = table["file_name"].tolist() if "file_name" in table else [f"{path.name}#{i}" for i in range(len(array))]
    lazy = LazyImages(range(len(array)), partial(_fetch_row, where), array.shape[1:])
    ids = [sample_id(image) for image in array]
    return name_rows(lazy, table.drop(columns="file_name", errors="ignore"), names, path, ids=ids)


def _stream_encoded(
    sources: Sequence[Path | bytes],
    names: Sequence[str],
    table: pd.DataFrame,
    origin: Path,
    size_px: int | None,
    progress: Progress,
) -> ImageSet:
    def look(source: Path | bytes) -> tuple[tuple[int, ...], str, str, str]:
        image, note = decode_image(source, size_px)
        return image.shape, sample_id(image), sample_id(fit_channels(image, 3)), note

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        seen = list(progress(pool.map(look, sources)))
    shapes = [shape for shape, *_ in seen]
    check_sizes(shapes, origin)
    n_channels = max(shape[2] for shape in shapes)
    n_converted = sum(bool(note) for *_, note in seen)
    warnings = [f"{n_converted} images were converted on reading."] if n_converted else []
    fetch = partial(_fetch_image, size_px=size_px, n_channels=n_channels)
    lazy = LazyImages(sources, fetch, (*shapes[0][:2], n_channels))
    ids = [wide if n_channels == 3 else own for _, own, wide, _ in seen]
    return name_rows(lazy, table, names, origin, warnings, ids=ids)


def size_in_memory(path: str | Path, size_px: int | None = None) -> int:
    """Return about how many bytes the images at ``path`` take as an array; 0 where that is not known beforehand."""
    path = Path(path)
    if path.suffix == ".npy":
        return path.stat().st_size
    if not path.is_dir() or any((path / name).is_file() for name in ("images.npy", "images.parquet")):
        return 0
    files, _, _ = folder_sources(path, None)
    return len(files) * decode_image(files[0], size_px)[0].size
