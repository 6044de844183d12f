"""Encoded pictures in a column of a Parquet file, as Hugging Face datasets have them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gan_probe.errors import InputError
from gan_probe.images.readers.entries import Entries, Refusal, decode_entry
from gan_probe.images.readers.files import printable
from gan_probe.images.readers.metadata import label_meant, named_columns, read_parquet


def read_parquet_images(path: Path, split: str | None) -> Entries:
    """Return the encoded images of a Parquet file, or of ``images.parquet`` in a folder.

    Raises
    ------
    InputError
        When it has no column of them.
    """
    file = path if path.is_file() else path / "images.parquet"
    return encoded_entries(read_parquet(file), file, origin=path)


def encoded_entries(rows: pd.DataFrame, file: Path, *, first: int = 0, origin: Path | None = None) -> Entries:
    """Return rows of a Parquet file that begin with its row ``first`` as entries.

    Raises
    ------
    InputError
        When they have no column of encoded images.
    """
    table, path = named_columns(rows, file), origin or file
    if "image" not in table:
        raise InputError(f"{path} has no column image. Columns: {', '.join(table.columns)}.")
    cells = table["image"].tolist()
    if not any(isinstance(cell, dict) for cell in cells):
        raise InputError(f"{path}: the column image must hold structs {{bytes, path}} with the encoded image in bytes.")
    named = table["file_name"].tolist() if "file_name" in table else None
    return Entries(
        sources=[_encoded(cell) for cell in cells],
        names=cell_names(cells, file, first=first, named=named),
        table=table.drop(columns=["image", "mask", "file_name"], errors="ignore"),
        decode=decode_entry,
        origin=file,
        warnings=label_meant(table, printable(file.name)),
    )


def cell_names(cells: Sequence[Any], file: Path, *, first: int = 0, named: Sequence[Any] | None = None) -> list[str]:
    """Return what each image goes by: the path in its cell, its ``file_name`` beside it, or the row of the file."""
    paths = [cell.get("path") if isinstance(cell, dict) else None for cell in cells]
    beside = [None if pd.isna(name) else name for name in named or [None] * len(paths)]
    rows = enumerate(zip(paths, beside, strict=True), start=first)
    return [str(path or name or f"{file.name}#{row}") for row, (path, name) in rows]


def _encoded(cell: Any) -> bytes | Refusal:
    if isinstance(cell, dict) and isinstance(cell.get("bytes"), bytes):
        return cell["bytes"]
    if isinstance(cell, dict) and cell.get("path"):
        return Refusal("its cell holds a path and no bytes; give the folder of the pictures.")
    return Refusal("its cell is empty.")
