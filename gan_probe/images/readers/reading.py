"""`read_images`: images with what is known of each, decoded and in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gan_probe.errors import InputError
from gan_probe.images.image_set import NO_LABEL, ImageSet, LazyImages, from_arrays
from gan_probe.images.readers.arrow import is_dataset, read_dataset
from gan_probe.images.readers.decode import Decoded, resize_array
from gan_probe.images.readers.entries import N_NAMED, Decode, Entries, some
from gan_probe.images.readers.files import foreign, printable
from gan_probe.images.readers.metadata import as_text
from gan_probe.images.readers.table import find_entries
from gan_probe.images.threads import on_threads
from gan_probe.names import set_aside
from gan_probe.places import DATA, hint
from gan_probe.types import Images, OneImage, Progress
from synthetic import sample_id

# What options do to what is read, for the docs.
OPTIONS: tuple[tuple[str, str], ...] = (
    ("`--size N` (`size_px=N`)", "every image becomes a square of N pixels (Lanczos), N from 4 to 4096;"
     " without it images must have one size"),
    ("`--split NAME` (`split=`)", "only rows whose `split` is this; refused where there is none such"),
    ("`skip_bad=True`; every verb but `train` and `settle`", "what is broken is left out, counted and named:"
     " exit code 5; without it, it is refused"),
    ("`train --stream` (`stream_images`)", "images are fetched as they are wanted; a broken one is refused, and so is a"
     " file that is replaced or written to meanwhile"),
)  # fmt: skip


def read_images(
    path: str | Path,
    *,
    size_px: int | None = None,
    split: str | None = None,
    skip_bad: bool = False,
    progress: Progress = iter,
) -> ImageSet:
    """Return the images at ``path``. What is converted, left out or not looked at is told in its ``warnings``.

    Parameters
    ----------
    path : path
        - A folder with ``metadata.parquet``, ``.csv`` or ``.jsonl`` that has a ``file_name`` column (and, if it likes,
          ``label``, ``split``, ``seen``, ``factor.*`` and columns of its own).
        - A folder of images; those in sub-folders are labelled by the name of the sub-folder.
        - A folder with ``images.npy`` or ``images.parquet``, as `synthetic.write_dataset` makes them.
        - ``.npy``: (n, h, w), (n, h, w, 1) or (n, h, w, 3), uint8.
        - ``.npz``: ``x`` or ``images`` as above, and if it likes ``y``, ``classes``, ``split``; or ``x_train``,
          ``y_train``, ``x_test``, ``y_test``.
        - ``.parquet``: an ``image`` column of ``{bytes, path}``; a folder that `datasets.Dataset.save_to_disk` wrote.
    size_px : int, optional
        Resize every image to a square of this side (Lanczos). Without it images of differing sizes are an error.
    split : str, optional
        Keep only rows whose ``split`` is this.
    skip_bad : bool
        Leave out what is not a readable image (a file, a cell, a folder that may not be listed), with a warning, in
        place of raising. Files of kinds that are not read are left out in any case; ``n_skipped`` counts both.
    progress : callable, optional
        Wraps what is iterated over, for a progress bar.

    Raises
    ------
    InputError
        When there is nothing to read, a file is broken, or sizes differ.
    """
    path = Path(path)
    if size_px is not None and not 4 <= size_px <= 4096:
        raise InputError(f"the size must be from 4 to 4096 pixels, got {size_px}.")
    kind = "a data set" if path.is_dir() else path.suffix
    with foreign(f"{printable(path)} cannot be read as {kind}"):
        entries = find_entries(path, split)
        origin = entries.origin or path
        if entries.array is not None:
            found = _whole(entries, origin, size_px)
        else:
            found = _decoded(entries, origin, size_px, skip_bad=skip_bad, progress=progress)
    found = keep_split(found, split)
    if not len(found):
        raise InputError(f"{printable(path)} holds no images.")
    return found


def read_named(path: str | Path, names: Sequence[str], *, size_px: int | None = None) -> list[OneImage]:
    """Return some of the images at ``path``, by their names, each with its own channels; no other is decoded or kept.

    Raises
    ------
    InputError
        When there is no image of that name, or it cannot be read.
    """
    path = Path(path)
    with foreign(f"{printable(path)} cannot be read as a data set"):
        entries = find_entries(path, None)
    places = {name: row for row, name in enumerate(entries.names)}
    unknown = [name for name in names if name not in places]
    if unknown:
        raise InputError(
            f"{printable(path)} holds no images of {len(unknown)} of {len(names)} names: {some(unknown)}. Name the data"
            " set that they are of."
        )
    rows = [places[name] for name in names]
    if entries.array is not None:
        chosen = (np.array(entries.array[row]) for row in rows)
        return [i if size_px is None or i.shape[:2] == (size_px, size_px) else resize_array(i, size_px) for i in chosen]
    found = list(on_threads(partial(attempt, entries.decode, size_px), [entries.sources[row] for row in rows]))
    broken = [f"{name}: {why}" for name, why in zip(names, found, strict=True) if isinstance(why, InputError)]
    if broken:
        raise InputError(f"{len(broken)} images in {printable(path)} cannot be read: {some(broken)}")
    return [one[0] for one in found if not isinstance(one, InputError)]


def as_images(data: object, *, image_shape: tuple[int, int, int] | None = None) -> ImageSet:
    """Return a set of images as it is, or what lies at a path, or in an array, as one.

    Parameters
    ----------
    data : ImageSet, path, ndarray or `datasets.Dataset`
    image_shape : tuple of int, optional
        What a critic takes: images at a path are resized to it, where it is square.

    Raises
    ------
    InputError
        For anything else, and see `read_images` and `gan_probe.images.image_set.from_arrays`.
    """
    if isinstance(data, ImageSet):
        return data
    side = image_shape[0] if image_shape is not None and image_shape[0] == image_shape[1] else None
    if isinstance(data, str | Path):
        return read_images(data, size_px=side)
    if isinstance(data, np.ndarray):
        return from_arrays(data)
    if is_dataset(data):
        return _decoded(read_dataset(data), Path("Dataset"), side, skip_bad=False, progress=iter)
    raise InputError(
        f"images are an ImageSet (gan_probe.read_images, from_arrays, from_synthetic), a path, an array or a"
        f" datasets.Dataset; got {type(data).__name__}."
    )


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
    """Return images that lie as one array; of a file, a copy, so that nobody changes them under their names."""
    from gan_probe.device import memory_bytes  # which loads torch

    array, warnings = entries.array, entries.warnings
    assert array is not None
    if size_px is not None and array.shape[1:3] != (size_px, size_px):
        images = np.stack([resize_array(image, size_px) for image in array])
    elif array.nbytes > memory_bytes() / 2:
        images = np.ascontiguousarray(array)
        warnings = (*warnings, f"{origin} is larger than half of the memory and stays on disk: leave it unchanged.")
    else:
        images = np.array(array, order="C")
    return name_rows(images, replace(entries, warnings=warnings), origin)


def attempt(decode: Decode, size_px: int | None, source: Any) -> Decoded | InputError:
    """Return an image decoded, or why it cannot be."""
    try:
        return decode(source, size_px)
    except InputError as error:
        return error


def _decoded(entries: Entries, origin: Path, size_px: int | None, *, skip_bad: bool, progress: Progress) -> ImageSet:
    decoded = on_threads(partial(attempt, entries.decode, size_px), entries.sources)
    results = [next(decoded) for _ in progress(entries.sources)]
    kept = np.array([not isinstance(r, InputError) for r in results], dtype=bool)
    bad = [f"{n}: {r}" for n, r in zip(entries.names, results, strict=True) if isinstance(r, InputError)]
    if bad and (not skip_bad or not kept.any()):
        raise InputError(
            f"{len(bad)} of {len(results)} files in {printable(origin)} cannot be read as images. First: "
            f"{'; '.join(bad[:N_NAMED])} Mend or remove them.{hint(origin, DATA)}"
        )
    skipped = [f"skipped {len(bad)} of {len(results)} files: {'; '.join(bad[:N_NAMED])}"] if bad else []
    good = [r for r in results if not isinstance(r, InputError)]
    results.clear()
    notes, shapes = converted(note for _, note in good), [array.shape for array, _ in good]
    check_sizes(shapes, origin)
    n_channels = max(shape[2] for shape in shapes)
    n_grey = sum(shape[2] < n_channels for shape in shapes)
    grey = [f"{n_grey} grey images were repeated into three channels."] if n_grey else []
    ids = [sample_id(array) for array, _ in good]
    images = np.empty((len(good), *shapes[0][:2], n_channels), np.uint8)
    for row in range(
        len(good) - 1, -1, -1
    ):  # each is given up as soon as it has its place: memory for one set, not two
        images[row] = good.pop()[0]
    kept_entries = replace(
        entries,
        names=[name for name, keep in zip(entries.names, kept, strict=True) if keep],
        table=entries.table[kept].reset_index(drop=True),
        warnings=(*skipped, *entries.warnings, *notes, *grey),
        n_left_out=entries.n_left_out + len(bad),
    )
    return name_rows(images, kept_entries, origin, ids=ids)


def converted(notes: Iterable[tuple[str, ...]]) -> list[str]:
    """Return how many images were converted in which way, a sentence each."""
    counts = Counter(note for of_one in notes for note in of_one)
    return [f"{count} images were {note}." for note, count in counts.items()]


def check_sizes(shapes: Sequence[tuple[int, ...]], origin: Path) -> None:
    """Raise unless all images have the same height and width."""
    sizes = Counter(f"{shape[1]}x{shape[0]}" for shape in shapes)
    if len(sizes) > 1:
        listed = ", ".join(f"{size} ({count})" for size, count in sizes.most_common(N_NAMED))
        raise InputError(
            f"images in {printable(origin)} differ in size: {listed}{', ...' if len(sizes) > N_NAMED else ''}."
            " Resize them all with --size N (in Python: size_px=N)."
        )


def name_rows(
    images: Images | LazyImages, entries: Entries, origin: Path, *, ids: Sequence[str] | None = None
) -> ImageSet:
    """Return images and what is known about them as a set: with ids, names, labels as text, and warnings.

    An image's id is that of its own channels, before they become those of the set: it follows from the image alone.
    """
    table, warnings = set_aside(_without_names(entries), ["sample_id", "path"]), list(entries.warnings)
    if "label" in table:
        missing = table["label"].isna()
        table["label"] = as_text(table["label"]).where(~missing, NO_LABEL).astype(str)
        if missing.any():
            warnings.append(f"{int(missing.sum())} images have no label.")
    if "seen" in table:
        table["seen"] = _is_seen(table["seen"], origin)
    ids = [sample_id(image) for image in np.asarray(images)] if ids is None else list(ids)
    table.insert(0, "sample_id", ids)
    table.insert(1, "path", list(entries.names))
    repeats = len(ids) - len(set(ids))
    if repeats:
        warnings.append(f"{repeats} images are copies of others, pixel for pixel.")
    return ImageSet(images, table, origin, tuple(warnings), entries.n_left_out)


def _without_names(entries: Entries) -> pd.DataFrame:
    """Return the table without the columns ``sample_id`` and ``path`` where they say what is said anew."""
    table = entries.table
    if "sample_id" in table and table["sample_id"].astype(str).str.fullmatch(OUR_ID).all():
        table = table.drop(columns="sample_id")
    if "path" in table and table["path"].astype(str).tolist() == list(entries.names):
        table = table.drop(columns="path")
    return table


def _is_seen(column: pd.Series, origin: Path) -> pd.Series:
    """Return the column ``seen`` as true and false; as text "no" would count as true."""
    if column.dtype == bool:
        return column
    meant = column.map(lambda value: SEEN.get(str(value).strip().lower()))
    if meant.isna().any():
        wrong = column[meant.isna()].tolist()[0]
        raise InputError(f"the column seen of {printable(origin)} must hold true or false in each row, got {wrong!r}.")
    return meant.astype(bool)


OUR_ID = "[0-9a-f]{16}"  # see `synthetic.sample_id`
SEEN = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False, "yes": True, "no": False}
