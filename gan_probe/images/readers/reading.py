"""`read_images`: images with what is known of each, decoded and in memory."""

from __future__ import annotations

import os
import tokenize
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet, LazyImages
from gan_probe.images.readers.decode import resize_array
from gan_probe.images.readers.table import Decode, Entries, find_reader
from gan_probe.types import Images
from synthetic import sample_id

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
    reader = find_reader(path)
    try:
        entries = reader.entries(path, split)
        origin = entries.origin or path
        if entries.array is not None:
            found = _whole(entries, origin, size_px)
        else:
            found = _decoded(entries, origin, size_px, skip_bad)
    except BROKEN as error:
        if isinstance(error, InputError):
            raise
        kind = "a data set" if path.is_dir() else path.suffix
        raise InputError(f"{path} cannot be read as {kind}: {type(error).__name__}: {error}.") from error
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


def _whole(entries: Entries, origin: Path, size_px: int | None) -> ImageSet:
    """Return images that lie as one array."""
    array = entries.array
    assert array is not None
    if size_px is None or array.shape[1:3] == (size_px, size_px):
        images = np.ascontiguousarray(array)
    else:
        images = np.stack([resize_array(image, size_px) for image in array])
    return name_rows(images, entries.table, entries.names, origin)


def _attempt(decode: Decode, size_px: int | None, source: Any) -> tuple[Images, str] | InputError:
    try:
        return decode(source, size_px)
    except InputError as error:
        return error


def _decoded(entries: Entries, origin: Path, size_px: int | None, skip_bad: bool) -> ImageSet:
    names, table = entries.names, entries.table
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(partial(_attempt, entries.decode, size_px), entries.sources))
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
