"""Data sets that do not fit in memory: looked through once, then fetched batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet, LazyImages, fit_channels
from gan_probe.images.readers.decode import Decoded
from gan_probe.images.readers.entries import Decode, Entries
from gan_probe.images.readers.files import Stamp, foreign, printable, stamp_of
from gan_probe.images.readers.reading import check_sizes, converted, keep_split, name_rows
from gan_probe.images.readers.table import find_entries, find_reader
from gan_probe.images.threads import on_threads
from gan_probe.types import Images, Progress
from synthetic import sample_id


def stream_images(
    path: str | Path, *, size_px: int | None = None, split: str | None = None, progress: Progress = iter
) -> ImageSet:
    """Return the images at ``path`` without keeping their pixels: as `read_images`, with `LazyImages` for the array.

    Every image is decoded once, to name it by its content; a broken one is an error. A file that is replaced or
    written to afterwards is an error when an image of it is fetched.

    Parameters
    ----------
    path : path
        A folder of image files, a Parquet file (its encoded bytes are kept), or a ``.npy`` file.
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
    with foreign(f"{printable(path)} cannot be streamed"):
        entries = find_entries(path, split, streamed=True)
    if entries.array is not None and size_px is not None and entries.array.shape[1:3] != (size_px, size_px):
        height, width = entries.array.shape[1:3]
        raise InputError(f"{printable(path)} holds {width}x{height} pixels; an array is not resized on the way.")
    sources = _watched(entries)
    seen = list(progress(on_threads(partial(_look, entries.decode, size_px), sources)))
    if not seen:
        raise InputError(f"{printable(path)} holds no images.")
    shapes, ids = [shape for shape, _, _ in seen], [sample for _, sample, _ in seen]
    check_sizes(shapes, path)
    n_channels = max(shape[2] for shape in shapes)
    fetch = partial(_fetch, entries.decode, size_px, n_channels)
    lazy = LazyImages(sources, fetch, (*shapes[0][:2], n_channels))
    entries = replace(entries, warnings=(*entries.warnings, *converted(notes for _, _, notes in seen)))
    return keep_split(name_rows(lazy, entries, path, ids=ids), split)


# What is fetched lazily must be picklable: trainings side by side each get it.


@dataclass(frozen=True)
class Watched:
    """One image of a stream: its name, what decodes it, and the file it comes from as it was when it was looked at."""

    name: str
    source: Any
    file: Path | None
    stamp: Stamp | None

    def decode(self, decode: Decode, size_px: int | None) -> Decoded:
        """Return the image decoded.

        Raises
        ------
        InputError
            When it cannot be, or its file is another one by now; it is named.
        """
        try:
            found = decode(self.source, size_px)
        except (InputError, OSError) as error:
            self._check()
            raise InputError(f"{self.name}: {error}") from error
        self._check()
        return found

    def _check(self) -> None:
        if self.file is not None and (not self.file.is_file() or stamp_of(self.file) != self.stamp):
            raise InputError(
                f"{printable(self.file)} was replaced or changed while its images were streamed (image {self.name})."
                " Leave it as it is while a command runs, and start again."
            )


def _watched(entries: Entries) -> list[Watched]:
    if entries.file is not None:
        rows = zip(entries.names, entries.sources, strict=True)
        return [Watched(name, source, entries.file, entries.stamp) for name, source in rows]
    files = [source if isinstance(source, Path) and source.is_file() else None for source in entries.sources]
    stamps = [None if file is None else stamp_of(file) for file in files]
    return [Watched(*row) for row in zip(entries.names, entries.sources, files, stamps, strict=True)]


def _look(decode: Decode, size_px: int | None, source: Watched) -> tuple[tuple[int, ...], str, tuple[str, ...]]:
    """Return an image's shape, its id, and what was converted."""
    image, notes = source.decode(decode, size_px)
    return image.shape, sample_id(image), notes


def _fetch(decode: Decode, size_px: int | None, n_channels: int, source: Watched) -> Images:
    return np.asarray(fit_channels(source.decode(decode, size_px)[0], n_channels))


def size_in_memory(path: str | Path, size_px: int | None = None) -> int:
    """Return about how many bytes the images at ``path`` take as an array; 0 where that is not known beforehand."""
    path = Path(path)
    reader = find_reader(path)
    if reader.title == ".npy":
        return (path if path.is_file() else path / "images.npy").stat().st_size
    if reader.title != "a folder of images":
        return 0
    with foreign(f"{printable(path)} cannot be read as a data set"):
        entries = reader.entries(path, None)
    return len(entries.sources) * entries.decode(entries.sources[0], size_px)[0].size
