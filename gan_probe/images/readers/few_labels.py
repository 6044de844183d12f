"""Few labels for many images: from a table, or some of those that the images have."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath

import numpy as np

from gan_probe.errors import InputError
from gan_probe.images.image_set import NO_LABEL, ImageSet
from gan_probe.images.readers.files import foreign, printable
from gan_probe.images.readers.metadata import as_text, named_columns, read_csv, read_parquet
from gan_probe.names import check_name

ALL = "all"
NAMES = ("sample_id", "path", "file_name")  # columns that may say which image a row is about, the first that is there


def with_few_labels(data: ImageSet, wanted: str | None, *, seed: int = 0) -> ImageSet:
    """Return images with the labels that are wanted; the others have none, `NO_LABEL`.

    Parameters
    ----------
    data : ImageSet
    wanted : str, optional
        None or "all": those that the images have; a whole number: so many of them a class; or a CSV or Parquet table
        with a column ``label`` and one of ``sample_id``, ``path``, ``file_name``.
    seed : int
        Of which are drawn.

    Raises
    ------
    InputError
        For a table that cannot be read, that names other images or one twice, or that mixes classes which the images
        have with others; and where a class has fewer labels than are wanted.
    """
    if wanted in (None, ALL):
        return data
    labels = _drawn(data, int(wanted), seed) if wanted.isdigit() else _read(data, Path(wanted))
    return replace(data, table=data.table.assign(label=labels))


def _drawn(data: ImageSet, per_class: int, seed: int) -> Sequence[str]:
    if not per_class:
        raise InputError("--labels 0 leaves no labels; give at least 1 a class, or leave it out to train without.")
    known = np.asarray(data.table.get("label", [])).astype(str)
    kept = np.full(len(data), NO_LABEL, dtype=object)
    for name in sorted(set(known) - {NO_LABEL}):
        rows = np.flatnonzero(known == name)
        if len(rows) < per_class:
            raise InputError(f"class {name!r} has {len(rows)} labels, and {per_class} a class are wanted. Want fewer.")
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])  # each class draws its own
        kept[rng.choice(rows, per_class, replace=False)] = name
    return [str(label) for label in kept]


def _read(data: ImageSet, file: Path) -> Sequence[str]:
    if not file.is_file():
        raise InputError(
            f"--labels {printable(file)} is no file. It takes a CSV or Parquet table (columns path and label), a whole"
            f" number (so many a class of the labels that the images have), or {ALL!r} (all that they have)."
        )
    with foreign(f"{printable(file)} cannot be read"):
        table = named_columns((read_parquet if file.suffix.lower() == ".parquet" else read_csv)(file), file)
    column = next((name for name in NAMES if name in table), None)
    if column is None or "label" not in table:
        raise InputError(
            f"{printable(file)} must have a column label and one of {', '.join(NAMES)}. Columns:"
            f" {', '.join(map(str, table.columns))}."
        )
    table = table[table["label"].notna()]
    names, given = as_text(table[column]).astype(str), as_text(table["label"]).astype(str)
    of_data = data.table["sample_id" if column == "sample_id" else "path"].astype(str)
    if column != "sample_id":
        names, of_data = names.map(_plain), of_data.map(_plain)
    strange = sorted(set(names) - set(of_data))
    if strange:
        raise InputError(
            f"{printable(file)} labels {len(strange)} images that {data.source} has not, such as"
            f" {printable(strange[0])!r}. Images go by the {'sample_id' if column == 'sample_id' else 'path'} that"
            f" gan-probe score writes, such as {printable(of_data.iloc[0])!r}."
        )
    doubled = of_data[of_data.duplicated() & of_data.isin(set(names))] if column != "sample_id" else of_data[:0]
    if len(doubled):
        raise InputError(
            f"{printable(file)} labels {printable(doubled.iloc[0])!r}, and several images go by that path. Name them by"
            " the column sample_id that gan-probe score writes."
        )
    _check_classes(data, given.tolist())
    found: dict[str, str] = {}
    for name, label in zip(names, given, strict=True):
        if found.setdefault(name, label) != label:
            raise InputError(f"{printable(file)} labels {printable(name)!r} twice: {found[name]!r} and {label!r}.")
    return [found.get(name, NO_LABEL) for name in of_data]


def _plain(path: str) -> str:
    return PurePath(path).as_posix()


def _check_classes(data: ImageSet, given: Sequence[str]) -> None:
    """Raise `ConfigError`, with the nearest, for a class that the images have not where others are theirs: a slip."""
    own = set(data.table["label"].astype(str)) - {NO_LABEL} if "label" in data.table else set()
    if own & set(given):
        for name in sorted(set(given)):
            check_name("class", name, sorted(own))
