"""`read_images`: an image folder, a data set made by `synthetic`, Parquet, ``.npy`` or ``.npz`` as one `ImageSet`."""

from __future__ import annotations

import io
import os
import tokenize
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image

from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet, LazyImages
from gan_probe.types import Images
from synthetic import sample_id

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
NOT_DATA = ("contact-sheet.png",)  # pictures of a data set that lie beside its images
MAX_PIXELS = 50_000_000  # of one image; more is a mistake or an attack
# What numpy, zipfile, pyarrow and pandas raise at files that are damaged, or not what their name says.
BROKEN = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, OSError, EOFError, RuntimeError, zipfile.BadZipFile,
    zlib.error, tokenize.TokenError, pa.ArrowException,
)  # fmt: skip
N_NAMED = 3  # how many offenders a message names


def read_images(
    path: str | Path, *, size_px: int | None = None, split: str | None = None, skip_bad: bool = False
) -> ImageSet:
    """Return the images at ``path``.

    Parameters
    ----------
    path : path
        - A folder with ``metadata.parquet`` or ``metadata.csv`` that has a ``file_name`` column (and, if it likes,
          ``label``, ``split``, ``seen``, ``factor.*`` and columns of its own).
        - A folder of images; those in sub-folders are labelled by the name of the sub-folder.
        - A folder with ``images.npy`` or ``images.parquet``, as `synthetic.write_dataset` makes them.
        - ``.npy``: (n, h, w), (n, h, w, 1) or (n, h, w, 3), uint8.
        - ``.npz``: ``x`` or ``images`` as above, and if it likes ``y``, ``classes``, ``split``; or ``x_train``,
          ``y_train``, ``x_test``, ``y_test``.
        - ``.parquet``: an ``image`` column of ``{bytes, path}``.
    size_px : int, optional
        Resize every image to a square of this side (Lanczos). Without it images of differing sizes are an error.
    split : str, optional
        Keep only rows whose ``split`` is this.
    skip_bad : bool
        Leave out files that are not readable images, with a warning, in place of raising.

    Raises
    ------
    InputError
        When there is nothing to read, a file is broken, or sizes differ.
    """
    path = Path(path)
    if size_px is not None and not 4 <= size_px <= 4096:
        raise InputError(f"the size must be from 4 to 4096 pixels, got {size_px}.")
    if not path.exists():
        raise InputError(f"{path} does not exist. Give a folder of images, or a .npy, .npz or .parquet file.")
    if path.is_dir() or path.suffix in _FILE_READERS:
        try:
            if path.is_dir():
                found = _read_folder(path, size_px, split, skip_bad)
            else:
                found = _FILE_READERS[path.suffix](path, size_px, skip_bad)
        except BROKEN as error:
            if isinstance(error, InputError):
                raise
            kind = "a data set" if path.is_dir() else path.suffix
            raise InputError(f"{path} cannot be read as {kind}: {type(error).__name__}: {error}.") from error
    else:
        raise InputError(f"{path} is not a kind of file that is known. Accepted: a folder, .npy, .npz, .parquet.")
    found = keep_split(found, split)
    if not len(found):
        raise InputError(f"{path} holds no images.")
    return found


def keep_split(found: ImageSet, split: str | None) -> ImageSet:
    """Return the rows of a split, or all.

    Raises
    ------
    InputError
        When there is no such split.
    """
    if split is None:
        return found
    if "split" not in found.table:
        raise InputError(f"{found.source} has no splits, so split {split!r} cannot be chosen.")
    rows = (found.table["split"].astype(str) == split).to_numpy()
    if not rows.any():
        known = ", ".join(sorted(map(str, found.table["split"].unique())))
        raise InputError(f"{found.source} has no split {split!r}. Known: {known}.")
    return found.take(rows)


# --- folders -----------------------------------------------------------------------------------------------------


def _read_folder(folder: Path, size_px: int | None, split: str | None, skip_bad: bool) -> ImageSet:
    if (folder / "images.npy").is_file():
        table = read_metadata(folder)
        return _from_arrays(open_npy(folder / "images.npy"), table, folder, size_px)
    if (folder / "images.parquet").is_file():
        return _read_parquet(folder / "images.parquet", size_px, skip_bad)
    return _decode_all(*folder_sources(folder, split), folder, size_px, skip_bad)


def folder_sources(folder: Path, split: str | None) -> tuple[list[Path], list[str], pd.DataFrame]:
    """Return the image files of a folder, their names, and the table of what is known about them.

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
    return [inside(folder, name) for name in names], names, table.drop(columns="file_name")


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


# --- decoding ----------------------------------------------------------------------------------------------------


def decode_image(source: Path | bytes, size_px: int | None) -> tuple[Images, str]:
    """Return one image as (h, w, 1 or 3) uint8 and, where pixels were converted, a word that says how.

    Raises
    ------
    InputError
        When it is not a whole image.
    """
    if isinstance(source, Path) and not source.is_file():
        raise InputError(f"{source.name} is not a file.")
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise ValueError(f"{opened.width}x{opened.height} pixels are more than {MAX_PIXELS:,}")
            opened.load()
            image, note = _to_known_mode(opened)
    except (OSError, SyntaxError, ValueError, RuntimeError, Image.DecompressionBombError) as error:
        name = "bytes" if isinstance(source, bytes) else source.name
        raise InputError(f"{name} is not a readable image: {error}.") from error
    if size_px is not None and image.size != (size_px, size_px):
        image = image.resize((size_px, size_px), Image.Resampling.LANCZOS)
    array = np.asarray(image, dtype=np.uint8)
    return (array[..., None] if array.ndim == 2 else array), note


def _to_known_mode(image: Image.Image) -> tuple[Image.Image, str]:
    if image.mode in ("RGB", "L"):
        return image.copy(), ""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB"), "transparent, laid on white"
    if image.mode == "1":
        return image.convert("L"), ""
    if image.mode.startswith("I;16") or image.mode == "I":
        wide = np.asarray(image).astype(np.float64)
        return Image.fromarray(np.round(wide / 257).clip(0, 255).astype(np.uint8)), "16-bit, scaled to 8"
    if image.mode == "F":
        raise ValueError("floating-point pixels have no agreed range; save it with 8 bits a channel")
    return image.convert("RGB"), f"{image.mode}, converted to RGB"


def _decode_all(
    sources: Sequence[Path | bytes],
    names: Sequence[str],
    table: pd.DataFrame,
    origin: Path,
    size_px: int | None,
    skip_bad: bool,
) -> ImageSet:
    def decode(source: Path | bytes) -> tuple[Images, str] | InputError:
        try:
            return decode_image(source, size_px)
        except InputError as error:
            return error

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(decode, sources))
    bad = [f"{name}: {r}" for name, r in zip(names, results, strict=True) if isinstance(r, InputError)]
    if bad and (not skip_bad or len(bad) == len(results)):
        raise InputError(
            f"{len(bad)} of {len(results)} files in {origin} cannot be read as images. First: "
            f"{'; '.join(bad[:N_NAMED])} Mend or remove them."
        )
    good = [r for r in results if not isinstance(r, InputError)]
    warnings = [f"skipped {len(bad)} of {len(results)} files: {'; '.join(bad[:N_NAMED])}"] if bad else []
    for note, count in Counter(note for _, note in good if note).items():
        warnings.append(f"{count} images were {note}.")
    arrays = [array for array, _ in good]
    if len({array.shape[2] for array in arrays}) > 1:
        warnings.append(f"{sum(a.shape[2] == 1 for a in arrays)} grey images were repeated into three channels.")
        arrays = [np.repeat(a, 3, axis=-1) if a.shape[2] == 1 else a for a in arrays]
    check_sizes([a.shape for a in arrays], origin)
    kept = [not isinstance(r, InputError) for r in results]
    table = table[kept].reset_index(drop=True)
    images = np.stack(arrays)
    return name_rows(images, table, [n for n, k in zip(names, kept, strict=True) if k], origin, warnings, len(bad))


def check_sizes(shapes: Sequence[tuple[int, ...]], origin: Path) -> None:
    """Raise unless all images have the same height and width."""
    sizes = Counter(f"{shape[1]}x{shape[0]}" for shape in shapes)
    if len(sizes) > 1:
        listed = ", ".join(f"{size} ({count})" for size, count in sizes.most_common(N_NAMED))
        raise InputError(
            f"images in {origin} differ in size: {listed}{', ...' if len(sizes) > N_NAMED else ''}."
            " Resize them all with --size N (in Python: size_px=N)."
        )


def name_rows(
    images: Images | LazyImages,
    table: pd.DataFrame,
    names: Sequence[str],
    origin: Path,
    warnings: Sequence[str] = (),
    n_skipped: int = 0,
    *,
    ids: Sequence[str] | None = None,
) -> ImageSet:
    """Return images and what is known about them as a set: with ids, names, labels as text, and warnings."""
    table = table.drop(columns=["sample_id", "path"], errors="ignore")
    if "label" in table:
        missing = table["label"].isna()
        table["label"] = table["label"].astype(str).where(~missing, "(no label)")
        if missing.any():
            warnings = [*warnings, f"{int(missing.sum())} images have no label."]
    ids = [sample_id(image) for image in np.asarray(images)] if ids is None else list(ids)
    table.insert(0, "sample_id", ids)
    table.insert(1, "path", list(names))
    repeats = len(ids) - len(set(ids))
    if repeats:
        warnings = [*warnings, f"{repeats} images are copies of others, pixel for pixel."]
    return ImageSet(images, table, origin, tuple(warnings), n_skipped)


# --- single files ------------------------------------------------------------------------------------------------


def open_npy(path: Path) -> Images:
    """Return a ``.npy`` file as (n, h, w, c) uint8, mapped into memory, not read."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return _check_array(array, path)


def _check_array(array: np.ndarray, origin: Path) -> Images:
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


def _resize_array(array: Images, size_px: int | None) -> Images:
    if size_px is None or array.shape[1:3] == (size_px, size_px):
        return np.ascontiguousarray(array)
    resized = [
        np.asarray(
            Image.fromarray(a[..., 0] if a.shape[-1] == 1 else a).resize((size_px, size_px), Image.Resampling.LANCZOS)
        )
        for a in array
    ]
    return np.stack(resized).reshape(len(array), size_px, size_px, array.shape[-1])


def _from_arrays(array: Images, table: pd.DataFrame | None, origin: Path, size_px: int | None) -> ImageSet:
    table = pd.DataFrame(index=range(len(array))) if table is None else table
    if len(table) != len(array):
        raise InputError(f"{origin}: {len(array)} images but {len(table)} rows of metadata.")
    names = table["file_name"].tolist() if "file_name" in table else [f"{origin.name}#{i}" for i in range(len(array))]
    table = table.drop(columns="file_name", errors="ignore")
    return name_rows(_resize_array(array, size_px), table, names, origin)


def _read_npy(path: Path, size_px: int | None, skip_bad: bool) -> ImageSet:
    return _from_arrays(open_npy(path), None, path, size_px)


def _read_npz(path: Path, size_px: int | None, skip_bad: bool) -> ImageSet:
    with np.load(path, allow_pickle=False) as archive:
        keys = set(archive.files)
        if "x_train" in keys:
            parts = [s for s in ("train", "validation", "test") if f"x_{s}" in keys]
            images = np.concatenate([_check_array(archive[f"x_{s}"], path) for s in parts])
            columns: dict[str, Any] = {"split": np.repeat(parts, [len(archive[f"x_{s}"]) for s in parts])}
            if all(f"y_{s}" in keys for s in parts):
                columns["label"] = np.concatenate([archive[f"y_{s}"] for s in parts])
        else:
            name = next((k for k in ("x", "images", "arr_0") if k in keys), None)
            if name is None:
                raise InputError(f"{path} has no array named x or images. Arrays: {', '.join(sorted(keys))}.")
            images = _check_array(archive[name], path)
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
    return _from_arrays(images, pd.DataFrame(columns, index=range(len(images))), path, size_px)


def _read_parquet(path: Path, size_px: int | None, skip_bad: bool) -> ImageSet:
    return _decode_all(*parquet_sources(path), path, size_px, skip_bad)


def parquet_sources(path: Path) -> tuple[list[bytes], list[str], pd.DataFrame]:
    """Return the encoded images of a Parquet file, their names, and the table of what is known about them.

    Raises
    ------
    InputError
        When it has no such column.
    """
    table = pd.read_parquet(path)
    if "image" not in table:
        raise InputError(f"{path} has no column image. Columns: {', '.join(table.columns)}.")
    cells = table["image"].tolist()
    if not all(isinstance(c, dict) and isinstance(c.get("bytes"), bytes) for c in cells):
        raise InputError(f"{path}: the column image must hold structs {{bytes, path}} with the encoded image in bytes.")
    names = [str(c.get("path") or f"{path.name}#{i}") for i, c in enumerate(cells)]
    rest = table.drop(columns=["image", "mask", "file_name"], errors="ignore")
    return [c["bytes"] for c in cells], names, rest


_FILE_READERS: dict[str, Callable[[Path, int | None, bool], ImageSet]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".parquet": _read_parquet,
}
