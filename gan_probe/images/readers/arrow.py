"""Data sets of Hugging Face ``datasets``: what ``save_to_disk`` wrote, and ``Dataset`` itself. Needs only pyarrow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from gan_probe.errors import InputError
from gan_probe.images.readers.entries import Entries
from gan_probe.images.readers.metadata import as_frame
from gan_probe.images.readers.parquet import encoded_entries

STATE, SPLITS = "state.json", "dataset_dict.json"


def is_saved(path: Path) -> bool:
    """Return whether a path is a folder that `datasets.Dataset.save_to_disk`, or that of a DatasetDict, wrote."""
    return (path / STATE).is_file() or (path / SPLITS).is_file()


def saved_files(folder: Path) -> list[tuple[Path, str | None]]:
    """Return the Arrow files of such a folder, in order, each with its split where there are splits.

    Raises
    ------
    InputError
        When the folder's own list cannot be read, or leads out of it.
    """
    if (folder / SPLITS).is_file():
        splits = [str(name) for name in _told(folder / SPLITS, "splits")]
        return [(file, name) for name in splits for file, _ in saved_files(folder / _plain(name, folder))]
    names = [entry["filename"] for entry in _told(folder / STATE, "_data_files")]
    return [(folder / _plain(name, folder), None) for name in names]


def _told(file: Path, key: str) -> list[Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))[key]
        return list(found)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{file} is not what datasets writes ({error}). Save the data set again.") from error


def _plain(name: object, folder: Path) -> str:
    if not isinstance(name, str) or name in ("", ".", "..") or Path(name).name != name:
        raise InputError(f"{folder} names the file {name!r}, which leads out of it. Save the data set again.")
    return name


def open_arrow(file: Path) -> pa.Table:
    """Return an Arrow file, mapped: its pictures are read when they are wanted."""
    return pa.ipc.open_stream(pa.memory_map(str(file))).read_all()


def entries_of(table: pa.Table, file: Path, *, split: str | None = None, first: int = 0) -> Entries:
    """Return rows of an Arrow table, which begin with row ``first`` of a file, as entries."""
    frame = as_frame(table)
    if split is not None:
        frame["split"] = split
    return encoded_entries(frame, file, first=first)


def files_of_split(folder: Path, split: str | None) -> list[tuple[Path, str | None]]:
    """Return those of `saved_files` that may hold a split, or all.

    Raises
    ------
    InputError
        When there is no such split.
    """
    files = [(file, name) for file, name in saved_files(folder) if split is None or name in (None, split)]
    if not files:
        known = ", ".join(dict.fromkeys(str(name) for _, name in saved_files(folder)))
        raise InputError(f"{folder} has no split {split!r}. Splits: {known}.")
    return files


def read_saved(folder: Path, split: str | None) -> Entries:
    """Return the images of a folder that ``save_to_disk`` wrote; of its splits, one or all."""
    files = files_of_split(folder, split)
    parts = [entries_of(open_arrow(file), file, split=name) for file, name in files]
    return Entries(
        sources=[source for part in parts for source in part.sources],
        names=[name for part in parts for name in part.names],
        table=pd.concat([part.table for part in parts], ignore_index=True),
        decode=parts[0].decode,
        origin=folder,
        warnings=parts[0].warnings,
    )


def is_dataset(data: object) -> bool:
    """Return whether something is a `datasets.Dataset`, by what it can do."""
    return all(hasattr(data, name) for name in ("with_format", "features", "num_rows"))


def read_dataset(data: Any) -> Entries:
    """Return the images of a `datasets.Dataset` as they are chosen and ordered in it.

    Raises
    ------
    InputError
        When it has no column ``image`` of pictures.
    """
    return entries_of(data.with_format("arrow")[:], Path("Dataset"))


def slices(file: Path, split: str | None, span: tuple[int, int], size: int) -> Iterator[Entries]:
    """Yield some rows of an Arrow file as entries, so many at a time."""
    table = open_arrow(file)
    for first in range(*span, size):
        rows = table.slice(first, min(size, span[1] - first))
        yield entries_of(rows, file, split=split, first=first)
