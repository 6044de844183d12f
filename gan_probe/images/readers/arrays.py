"""Images as arrays: ``.npy`` mapped or fetched row by row, ``.npz`` with whatever labels lie beside its images."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gan_probe.errors import InputError
from gan_probe.images.readers.decode import Decoded, resize_array
from gan_probe.images.readers.entries import Decode, Entries
from gan_probe.images.readers.files import stamp_of
from gan_probe.images.readers.metadata import metadata_files, read_metadata
from gan_probe.types import Images
from synthetic.files import is_ours

IMAGES = ("x", "images", "arr_0")  # names of arrays in .npz, in any case of letters
LABELS = ("y", "label", "labels")
PARTS = ("train", "validation", "val", "valid", "dev", "test")  # of x_train, ...; others follow in the file's order


def check_array(array: npt.NDArray[Any], origin: Path) -> Images:
    """Return ``array`` as (n, h, w, c) uint8.

    Raises
    ------
    InputError
        When it is none.
    """
    if array.dtype != np.uint8:
        raise InputError(f"{origin}: images must be uint8 (0..255), got {array.dtype}. Scale and convert them first.")
    if array.ndim == 3 and array.shape[-1] == 3:
        raise InputError(f"{origin}: {array.shape} is one RGB image, or grey ones 3 pixels wide; give (n, h, w, 3).")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3) or 0 in array.shape[1:]:
        raise InputError(f"{origin}: images must be (n, h, w), (n, h, w, 1) or (n, h, w, 3), got {array.shape}.")
    return array


def _entries(array: Images, table: pd.DataFrame | None, origin: Path, decode: Decode, **more: Any) -> Entries:
    table = pd.DataFrame(index=range(len(array))) if table is None else table
    if len(table) != len(array):
        raise InputError(f"{origin}: {len(array)} images but {len(table)} rows of metadata.")
    names = table["file_name"].tolist() if "file_name" in table else [f"{origin.name}#{i}" for i in range(len(array))]
    rest = table.drop(columns="file_name", errors="ignore")
    return Entries(sources=range(len(array)), names=names, table=rest, decode=decode, array=array, **more)


# --- .npy --------------------------------------------------------------------------------------------------------


def read_npy(path: Path, split: str | None) -> Entries:
    """Return the rows of ``.npy``, or of ``images.npy`` in a folder beside its metadata."""
    file = (path if path.is_file() else path / "images.npy").resolve()
    stamp = stamp_of(file)
    with np.errstate(over="ignore"):  # a header may claim more than there are addresses; that is refused
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    images = check_array(array, path)
    fetch = partial(_fetch, (file, array.offset, images.shape[1:])) if array.flags.c_contiguous else _fetch_no_row
    table, said = read_metadata(path) if path.is_dir() else (None, ())
    if table is None and path.is_dir() and is_ours(path / "dataset.json"):
        said = (*said, f"{path} is a data set of gan-probe synth, and its metadata are gone: no labels are known.")
    if path.is_file() and path.name.lower() == "images.npy" and (beside := metadata_files(path.parent)):
        said = (f"{beside[0].name} beside {path.name} was not read. To read both, give their folder.",)
    return _entries(images, table, path, fetch, file=file, stamp=stamp, warnings=said)


def _fetch(array: tuple[Path, int, tuple[int, ...]], row: int, size_px: int | None) -> Decoded:
    """Return one row of a ``.npy`` file. It is not mapped: a map of a file that is cut short ends the process."""
    file, offset, shape = array  # where its rows begin in the file, and the shape of one
    n_bytes = int(np.prod(shape))
    with file.open("rb") as opened:
        opened.seek(offset + row * n_bytes)
        content = opened.read(n_bytes)
    if len(content) != n_bytes:
        raise InputError(f"{file} ends before image {row}: it was cut short.")
    return resize_array(np.frombuffer(content, np.uint8).reshape(shape), size_px), ()


def _fetch_no_row(row: int, size_px: int | None) -> Decoded:
    raise InputError("an array in Fortran order cannot be fetched row by row. Save it with np.ascontiguousarray.")


# --- .npz --------------------------------------------------------------------------------------------------------


def read_npz(path: Path, split: str | None) -> Entries:
    """Return the rows of ``.npz``: ``x`` or ``images``, with ``y``, ``classes``, ``seen``, ``split`` if any; or parts.

    Raises
    ------
    InputError
        When it has no such array, or labels that are not one for each image.
    """
    with np.load(path, allow_pickle=False) as archive:
        keys = {key.lower(): key for key in reversed(archive.files)}  # of x and X the first
        parts = _find_parts(archive, keys)
        images, columns, used = _parts(archive, keys, parts, path) if parts else _one(archive, keys, path)
        if "classes" in keys and "label" in columns:
            named = _named(columns["label"], archive[keys["classes"]], path)
            columns["label"] = columns["label"] if named is None else named
            used |= {"classes"} if named is not None else set()
        unread = {key: _header(archive, key) for key in archive.files if key not in {keys[name] for name in used}}
    left_out = {key: shape for key, (shape, dtype) in unread.items() if _may_be_images(key, shape, dtype)}
    said = [f"array {key} {shape} was not looked at." for key, (shape, _) in unread.items() if key not in left_out]
    said += [f"left out {shape[0]} images in the array {key} {shape}." for key, shape in left_out.items()]
    table = pd.DataFrame(columns, index=range(len(images)))
    n_left_out = sum(shape[0] for shape in left_out.values())
    return _entries(images, table, path, partial(_row, images), warnings=tuple(said), n_left_out=n_left_out)


_Found = tuple[Images, dict[str, Any], set[str]]  # images, columns, and the names (in lower case) of what was read


def _one(archive: Mapping[str, Any], keys: Mapping[str, str], path: Path) -> _Found:
    name = next((name for name in IMAGES if name in keys), None)
    if name is None:
        raise InputError(f"{path} has no array named x or images. Arrays: {', '.join(sorted(keys.values()))}.")
    images, columns, used = check_array(archive[keys[name]], path), dict[str, Any](), {name}
    for label in LABELS:
        if label in keys:
            found = _labels(archive, keys[label], len(images), path)
            if not np.array_equal(columns.setdefault("label", found), found):
                raise InputError(
                    f"{path} holds labels twice, and they differ: {', '.join(keys[n] for n in LABELS if n in keys)}."
                    " Keep one of them."
                )
            used.add(label)
    if name == "arr_0" and "label" not in columns and "arr_1" in keys:  # what np.savez(file, images, labels) makes
        shape, _ = _header(archive, keys["arr_1"])
        if shape in ((len(images),), (len(images), 1)):
            columns["label"] = _labels(archive, keys["arr_1"], len(images), path)
            used.add("arr_1")
    if "seen" in keys:
        columns["seen"] = _labels(archive, keys["seen"], len(images), path)
        used.add("seen")
    if "split" in keys:
        columns["split"] = _labels(archive, keys["split"], len(images), path).astype(str)
        used.add("split")
    return images, columns, used


def _find_parts(archive: Any, keys: Mapping[str, str]) -> list[str]:
    """Return train, test, ... where a file holds ``x_train``, or some of them and no array for all images."""
    parts = [key.removeprefix("x_") for key in reversed(list(keys)) if key.startswith("x_")]  # in the file's order
    parts = [part for part in parts if part in PARTS or _may_be_images(part, *_header(archive, keys[f"x_{part}"]))]
    if "train" not in parts and (not set(parts) & set(PARTS) or set(IMAGES) & keys.keys()):
        return []
    return sorted(parts, key=lambda part: PARTS.index(part) if part in PARTS else len(PARTS))


def _parts(archive: Mapping[str, Any], keys: Mapping[str, str], parts: list[str], path: Path) -> _Found:
    """Return ``x_train``, ``x_test`` and so on as one, with a split each; labels where there are any."""
    found = [check_array(archive[keys[f"x_{part}"]], path) for part in parts]
    columns: dict[str, Any] = {"split": np.repeat(parts, [len(images) for images in found])}
    labelled = [part for part in parts if f"y_{part}" in keys]
    if labelled:
        labels = [
            _labels(archive, keys[f"y_{part}"], len(images), path) if part in labelled
            else np.full(len(images), None, dtype=object)
            for part, images in zip(parts, found, strict=True)
        ]  # fmt: skip
        columns["label"] = np.concatenate(labels)
    return np.concatenate(found), columns, {f"x_{p}" for p in parts} | {f"y_{p}" for p in labelled}


def _labels(archive: Mapping[str, Any], key: str, n: int, path: Path) -> npt.NDArray[Any]:
    labels = archive[key]
    if labels.shape not in ((n,), (n, 1)):
        raise InputError(f"{path}: {key} must hold one value for each of {n} images, ({n},), got {labels.shape}.")
    return np.char.decode(labels, "utf-8").ravel() if labels.dtype.kind == "S" else labels.ravel()


def _named(labels: npt.NDArray[Any], classes: npt.NDArray[Any], path: Path) -> npt.NDArray[Any] | None:
    """Return whole numbers as the names of their classes, in the order of ``classes``; None for other labels."""
    missing = pd.isna(labels)
    present = labels[~missing].tolist()
    if not all(isinstance(label, int | float) and label == round(label) for label in present):
        return None
    codes = pd.Series(present, dtype=np.intp)
    if len(codes) and (codes.min() < 0 or codes.max() >= len(classes)):
        raise InputError(f"{path}: labels must be from 0 to {len(classes) - 1}: it names {len(classes)} classes.")
    named = np.full(len(labels), None, dtype=object)
    named[~missing] = classes.astype(str)[codes.to_numpy()]
    return named


def _header(archive: Any, key: str) -> tuple[tuple[int, ...], np.dtype]:
    """Return an array's shape and type without reading it; of what is no array, none."""
    if f"{key}.npy" not in archive.zip.namelist():
        return (), np.dtype(object)
    with archive.zip.open(f"{key}.npy") as opened:
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(np.lib.format.read_magic(opened), np.lib.format.read_array_header_2_0)
        shape, _, dtype = read(opened)
    return shape, dtype


def _may_be_images(key: str, shape: tuple[int, ...], dtype: np.dtype) -> bool:
    return dtype == np.uint8 and len(shape) in (3, 4) and not key.lower().startswith("mask")


def _row(array: Images, row: int, size_px: int | None) -> Decoded:
    return resize_array(array[row], size_px), ()
