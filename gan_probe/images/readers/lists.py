"""Lists of paths: CSV and Parquet tables that name picture files, and lines on standard input."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TextIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gan_probe.errors import InputError
from gan_probe.images.readers.entries import Entries, Refusal, decode_entry
from gan_probe.images.readers.files import printable
from gan_probe.images.readers.metadata import label_meant, named_columns, read_csv, read_parquet

STDIN = Path("-")
NAMES = ("file_name", "path")  # columns that may hold the paths, the first of them that is there


def is_list(path: Path) -> bool:
    """Return whether a path is a table that names pictures: CSV, or Parquet without a column of them."""
    if not path.is_file() or path.suffix.lower() not in (".csv", ".parquet"):
        return False
    if path.suffix.lower() == ".csv":
        return True
    try:
        columns = [name.strip().lower() for name in pq.read_schema(path).names]
    except (pa.ArrowException, OSError):
        return False  # the reader of Parquet says what is wrong with it
    return "image" not in columns and any(name in columns for name in NAMES)


def read_list(path: Path, split: str | None) -> Entries:
    """Return the pictures that a table names; paths lead from the table's own folder, or are whole.

    Raises
    ------
    InputError
        When it has no column of paths, or no row.
    """
    table = named_columns((read_csv if path.suffix.lower() == ".csv" else read_parquet)(path), path)
    column = next((name for name in NAMES if name in table), None)
    if column is None:
        raise InputError(
            f"{printable(path)} has no column {' or '.join(NAMES)} that names picture files. Columns:"
            f" {', '.join(map(str, table.columns))}."
        )
    found = _entries(["" if pd.isna(n) else str(n) for n in table[column]], path.parent, table.drop(columns=column))
    return replace(found, warnings=label_meant(table, printable(path.name)))


def read_stdin(path: Path, split: str | None) -> Entries:
    """Return the pictures whose paths stand on standard input, one a line; they lead from the working folder.

    Raises
    ------
    InputError
        When there are none.
    """
    return _entries([name for name in _lines(sys.stdin) if name.strip()], Path(), pd.DataFrame())


@lru_cache(maxsize=1)
def _lines(stream: TextIO) -> list[str]:
    """Return the lines of a stream, which can be read only once: sizes are looked at before pictures are."""
    return [line.rstrip("\r\n") for line in stream]


def _entries(names: list[str], folder: Path, table: pd.DataFrame) -> Entries:
    if not names:
        raise InputError("the list names no pictures. Give one path a line, or a table with a column file_name.")
    return Entries(
        sources=[folder / name if name.strip() else Refusal("this row names no file.") for name in names],
        names=[printable(name) or "(no file_name)" for name in names],
        table=table.reset_index(drop=True) if len(table.columns) else pd.DataFrame(index=range(len(names))),
        decode=decode_entry,
    )
