"""Every reader in one table: what it takes, what entries there are, how one is decoded.

To add one: a function from a path to `Entries`, one row in ``READERS`` and its word in ``ACCEPTED``. Reading,
streaming, help and messages follow from the row.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from gan_probe.errors import InputError
from gan_probe.images.readers import ACCEPTED
from gan_probe.images.readers.decode import decode_image, resize_array
from gan_probe.types import Images

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
NOT_DATA = ("contact-sheet.png",)  # pictures of a data set that lie beside its images

Decode = Callable[[Any, int | None], tuple[Images, str]]  # a source and a size to pixels and, where converted, a word


@dataclass(frozen=True)
class Entries:
    """The images at a path, none of them decoded yet.

    Attributes
    ----------
    sources : sequence
        What ``decode`` needs of each image.
    names : sequence of str
    table : DataFrame
        One row an image: what is known of it.
    decode : callable
        A source and a size in pixels (or None) to (h, w, c) uint8 and a word on what was converted; picklable.
    array : ndarray, optional
        All images at once, where they lie so: mapped into memory, or read already.
    origin : path, optional
        The file in a folder that holds them all.
    """

    sources: Sequence[Any]
    names: Sequence[str]
    table: pd.DataFrame
    decode: Decode
    array: Images | None = None
    origin: Path | None = None


@dataclass(frozen=True)
class Reader:
    """One way in which images lie.

    Attributes
    ----------
    title : str
        One of `ACCEPTED`.
    matches : callable
        Whether it reads what lies at a path.
    entries : callable
        A path, and a split or None, to `Entries`; rows of other splits may be left in.
    can_stream : bool
        Whether images can be fetched one by one without holding all.
    """

    title: str
    matches: Callable[[Path], bool]
    entries: Callable[[Path, str | None], Entries]
    can_stream: bool = True


def find_reader(path: Path, *, streamed: bool = False) -> Reader:
    """Return the reader of what lies at a path.

    Raises
    ------
    InputError
        When there is nothing, or nothing that is known; with what is accepted.
    """
    readers = [reader for reader in READERS if reader.can_stream or not streamed]
    titles = ", ".join(title for title in ACCEPTED if any(reader.title == title for reader in readers))
    if not path.exists():
        raise InputError(f"{path} does not exist. Give {', '.join(ACCEPTED[:-1])} or {ACCEPTED[-1]}.")
    for reader in readers:
        if reader.matches(path):
            return reader
    what = "cannot be streamed" if streamed else "is not a kind of file that is known"
    raise InputError(f"{path} {what}. Accepted: {titles}.")


# --- folders -----------------------------------------------------------------------------------------------------


def _folder(folder: Path, split: str | None) -> Entries:
    """Return the image files of a folder.

    Raises
    ------
    InputError
        When there are none.
    """
    table = read_metadata(folder)
    if table is None:
        table = _list_images(folder)
    elif "file_name" not in table:
        raise InputError(f"the metadata in {folder} has no column file_name. Columns: {', '.join(table.columns)}.")
    if split is not None and "split" in table:
        table = table[table["split"].astype(str) == split].reset_index(drop=True)
    if table.empty:
        raise InputError(
            f"{folder} holds no images{f' of split {split!r}' if split else ''}."
            f" Accepted: {', '.join(IMAGE_SUFFIXES)}, in the folder or in one sub-folder for each class."
        )
    names = table["file_name"].astype(str).tolist()
    sources = [inside(folder, name) for name in names]
    return Entries(sources, names, table.drop(columns="file_name"), decode_image)


def inside(folder: Path, name: str) -> Path:
    """Return ``folder/name``, unless the name leads out of the folder."""
    target = Path(os.path.normpath(folder / name))
    if not target.is_relative_to(os.path.normpath(folder)):
        raise InputError(f"the metadata in {folder} names a file outside of the folder: {name!r}.")
    return target


def read_metadata(folder: Path) -> pd.DataFrame | None:
    """Return a folder's metadata, or None where it has none. Parquet is preferred: it keeps types."""
    for name, read in (("metadata.parquet", pd.read_parquet), ("metadata.csv", pd.read_csv)):
        if (folder / name).is_file():
            try:
                return read(folder / name)
            except (ValueError, OSError, pa.ArrowInvalid) as error:
                raise InputError(f"{folder / name} cannot be read: {error}.") from error
    return None


def _list_images(folder: Path) -> pd.DataFrame:
    """Return ``file_name`` and, where images lie in sub-folders, ``label``, sorted by name."""
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.name not in NOT_DATA)
    relative = [p.relative_to(folder) for p in files]
    relative = [p for p in relative if not any(part.startswith(".") for part in p.parts)]
    table = pd.DataFrame({"file_name": [p.as_posix() for p in relative]})
    if relative and all(len(p.parts) > 1 for p in relative):
        table["label"] = [p.parts[-2] for p in relative]
    return table


# --- arrays ------------------------------------------------------------------------------------------------------


def open_npy(path: Path) -> Images:
    """Return a ``.npy`` file as (n, h, w, c) uint8, mapped into memory, not read."""
    return check_array(np.load(path, mmap_mode="r", allow_pickle=False), path)


def check_array(array: np.ndarray, origin: Path) -> Images:
    """Return ``array`` as (n, h, w, c) uint8."""
    if array.dtype != np.uint8:
        raise InputError(f"{origin}: images must be uint8 (0..255), got {array.dtype}. Scale and convert them first.")
    if array.ndim == 3 and array.shape[-1] == 3:
        raise InputError(f"{origin}: {array.shape} is one RGB image, or grey ones 3 pixels wide; give (n, h, w, 3).")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3) or 0 in array.shape[1:]:
        raise InputError(f"{origin}: images must be (n, h, w), (n, h, w, 1) or (n, h, w, 3), got {array.shape}.")
    return array


def _row_of(array: Images, row: int, size_px: int | None) -> tuple[Images, str]:
    return resize_array(array[row], size_px), ""


def _row_of_file(path: Path, row: int, size_px: int | None) -> tuple[Images, str]:
    return resize_array(np.asarray(_mapped(path)[row]), size_px), ""


_mapped = cache(open_npy)  # a file that is streamed is opened once in a process


def _array_entries(array: Images, table: pd.DataFrame | None, origin: Path, decode: Decode) -> Entries:
    table = pd.DataFrame(index=range(len(array))) if table is None else table
    if len(table) != len(array):
        raise InputError(f"{origin}: {len(array)} images but {len(table)} rows of metadata.")
    names = table["file_name"].tolist() if "file_name" in table else [f"{origin.name}#{i}" for i in range(len(array))]
    return Entries(range(len(array)), names, table.drop(columns="file_name", errors="ignore"), decode, array)


def _npy(path: Path, split: str | None) -> Entries:
    """Return the rows of ``.npy``, or of ``images.npy`` in a folder beside its metadata."""
    file = (path if path.is_file() else path / "images.npy").resolve()
    table = read_metadata(path) if path.is_dir() else None
    return _array_entries(open_npy(file), table, path, partial(_row_of_file, file))


def _npz(path: Path, split: str | None) -> Entries:
    """Return the rows of ``.npz``: ``x`` or ``images``, and if it likes ``y``, ``classes``, ``split``; or parts."""
    with np.load(path, allow_pickle=False) as archive:
        keys = set(archive.files)
        if "x_train" in keys:
            parts = [s for s in ("train", "validation", "test") if f"x_{s}" in keys]
            images = np.concatenate([check_array(archive[f"x_{s}"], path) for s in parts])
            columns: dict[str, Any] = {"split": np.repeat(parts, [len(archive[f"x_{s}"]) for s in parts])}
            if all(f"y_{s}" in keys for s in parts):
                columns["label"] = np.concatenate([archive[f"y_{s}"] for s in parts])
        else:
            name = next((k for k in ("x", "images", "arr_0") if k in keys), None)
            if name is None:
                raise InputError(f"{path} has no array named x or images. Arrays: {', '.join(sorted(keys))}.")
            images = check_array(archive[name], path)
            columns = {}
            for key in ("y", "label", "labels"):
                if key in keys:
                    columns["label"] = archive[key]
            if "split" in keys:
                columns["split"] = archive["split"].astype(str)
        if "classes" in keys and "label" in columns and np.issubdtype(columns["label"].dtype, np.integer):
            n_classes = len(archive["classes"])
            if columns["label"].min() < 0 or columns["label"].max() >= n_classes:
                raise InputError(f"{path}: labels must be from 0 to {n_classes - 1}: it names {n_classes} classes.")
            columns["label"] = archive["classes"].astype(str)[columns["label"]]
    table = pd.DataFrame(columns, index=range(len(images)))
    return _array_entries(images, table, path, partial(_row_of, images))


# --- Parquet -----------------------------------------------------------------------------------------------------


def _parquet(path: Path, split: str | None) -> Entries:
    """Return the encoded images of a Parquet file.

    Raises
    ------
    InputError
        When it has no such column.
    """
    file = path if path.is_file() else path / "images.parquet"
    table = pd.read_parquet(file)
    if "image" not in table:
        raise InputError(f"{path} has no column image. Columns: {', '.join(table.columns)}.")
    cells = table["image"].tolist()
    if not all(isinstance(c, dict) and isinstance(c.get("bytes"), bytes) for c in cells):
        raise InputError(f"{path}: the column image must hold structs {{bytes, path}} with the encoded image in bytes.")
    names = [str(c.get("path") or f"{file.name}#{i}") for i, c in enumerate(cells)]
    rest = table.drop(columns=["image", "mask", "file_name"], errors="ignore")
    return Entries([c["bytes"] for c in cells], names, rest, decode_image, origin=file)


READERS: tuple[Reader, ...] = (
    Reader(".npy", lambda p: p.suffix == ".npy" or (p / "images.npy").is_file(), _npy),
    Reader(".parquet", lambda p: p.suffix == ".parquet" or (p / "images.parquet").is_file(), _parquet),
    Reader(".npz", lambda p: p.suffix == ".npz", _npz, can_stream=False),
    Reader("a folder of images", lambda p: p.is_dir(), _folder),
)
