"""Tables beside images: metadata in Parquet, CSV or JSON lines. Classes, names and splits are text, as written."""

from __future__ import annotations

import json
import re
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gan_probe.errors import InputError
from gan_probe.images.readers.files import foreign, list_folder
from gan_probe.images.readers.formats import is_picture

TEXT = ("file_name", "label", "split")  # read as written: 007, NA, 1.0 and true are names
# How columns are read, for the docs.
COLUMNS: tuple[tuple[str, str], ...] = (
    ("`file_name`", "text, as written; leads from the folder, or is a whole path; backslashes are tried as slashes;"
     " a blank one counts as a broken picture"),
    ("`label`, `split`", "text, as written: 007, NA, None, 1.0, true, 2020-01-01; a blank label is"
     " `(no label)`, and is said"),
    ("`seen`", "true or false, 1 or 0, yes or no; anything else is refused"),
    ("all others", "numbers or true and false where nothing is lost by it, else text as written (007, NA)"),
    ("an index that pandas wrote", "a column where it has a name; else passed over, and rows stay in their order"),
    ("headers", "without the blanks around them; the four above in any case of letters; two of one name are refused"),
)  # fmt: skip
KNOWN = (*TEXT, "seen", "sample_id")  # columns with a meaning; found whatever blanks and capitals their header has
STYLEGAN = "dataset.json"
UNNAMED_INDEX = re.compile(r"__index_level_\d+__")  # what pandas calls it in a file
OTHER_LABELS = (  # what may be meant for label
    "labels", "class", "classes", "class_name", "category", "target", "y", "fine_label", "coarse_label",
)  # fmt: skip


def read_metadata(folder: Path) -> tuple[pd.DataFrame | None, tuple[str, ...]]:
    """Return a folder's metadata, or None where it has none, and what is to be said of it.

    Of several files the first of `METADATA` is read; others are compared with it.

    Raises
    ------
    InputError
        When a file cannot be read, or has two columns of one name.
    """
    found = metadata_files(folder)
    if not found:
        return None, ()
    first, *others = found
    table = _read(first)
    said = [f"{other.name} is not read, and says otherwise than {first.name}." for other in others
            if not _agree(table, other)]  # fmt: skip
    return table, (*said, *label_meant(table, first.name))


def label_meant(table: pd.DataFrame, name: str) -> tuple[str, ...]:
    """Return a word on a column that may be meant for the label, of a table that has none."""
    meant = [str(column) for column in table.columns if str(column).strip().lower() in OTHER_LABELS]
    if "label" in table or not meant:
        return ()
    return (f"{name} has no column label; if {meant[0]} is meant, call it label.",)


def metadata_files(folder: Path) -> list[Path]:
    """Return the metadata files in a folder, in whatever case of letters, in the order of `METADATA`."""
    by_name = {path.name.lower(): path for path in sorted(folder.iterdir(), reverse=True) if path.is_file()}
    found = [by_name[name] for name in METADATA if name in by_name]
    return [file for file in found if file.name.lower() != STYLEGAN or _lists_labels(file)]


def _read(file: Path) -> pd.DataFrame:
    with foreign(f"{file} cannot be read"):
        return named_columns(METADATA[file.name.lower()](file), file)


def _agree(table: pd.DataFrame, file: Path) -> bool:
    """Return whether another metadata file names the same files with the same classes and splits."""
    try:
        other = _read(file)
    except InputError:
        return False
    if len(other) != len(table):
        return False
    return all(
        name in table and name in other and as_text(table[name]).equals(as_text(other[name]))
        for name in TEXT
        if name in table or name in other
    )


def as_text(column: pd.Series) -> pd.Series:
    """Return a column as text: bytes decoded, and None where a value is missing."""
    if column.dtype != object:
        return column.astype(str).astype(object).where(column.notna(), None)
    texts = [v.decode("utf-8", "backslashreplace") if isinstance(v, bytes) else str(v) for v in column]
    return pd.Series(texts, index=column.index, dtype=object).where(column.notna(), None)


def named_columns(table: pd.DataFrame, origin: Path) -> pd.DataFrame:
    """Return a table whose headers have no blanks around them, known ones in lower case.

    Raises
    ------
    InputError
        When two columns then have the same name.
    """
    headers = [str(name).strip() for name in table.columns]
    exact = set(headers)
    headers = [h.lower() if h.lower() in KNOWN and h.lower() not in exact else h for h in headers]
    doubled = [name for name, count in Counter(headers).items() if name and count > 1]
    if doubled:
        raise InputError(f"{origin} has more than one column {doubled[0]!r}. Rename or remove one.")
    return table.set_axis(headers, axis="columns")


# --- CSV ---------------------------------------------------------------------------------------------------------


def read_csv(file: Path) -> pd.DataFrame:
    """Return a CSV file: what is text as written, numbers where a column has nothing else, None for blanks."""
    header = _rows(file, header=None, nrows=1, dtype=str, keep_default_na=False)
    named_columns(header.set_axis(header.iloc[0], axis="columns"), file)  # pandas would rename what is there twice
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            written, guessed = _rows(file, dtype=str, keep_default_na=False), _rows(file)
        except pd.errors.ParserWarning as error:
            raise InputError(f"{file}: rows are longer than its header. Name each column; quote commas.") from error
    columns = {}
    for name in written:
        is_text = str(name).strip().lower() in TEXT or not _is_plain(written[name], guessed[name])
        columns[name] = written[name].where(written[name] != "") if is_text else guessed[name]
    return pd.DataFrame(columns, index=written.index)


def _rows(file: Path, **how: Any) -> pd.DataFrame:
    return pd.read_csv(file, skipinitialspace=True, index_col=False, encoding="utf-8-sig", low_memory=False, **how)


def _is_plain(written: pd.Series, guessed: pd.Series) -> bool:
    """Return whether a column is numbers, or true and false, that lose nothing when they are read as such."""
    if pd.api.types.is_bool_dtype(guessed):
        return True
    if not pd.api.types.is_numeric_dtype(guessed):
        return False
    loses = r"\s*[+-]?(0\d|\d{17,})"  # zeros in front, and more digits than a float holds
    is_blank = written.str.strip() == ""
    return not written.str.match(loses).any() and (bool(guessed.notna().any()) or bool(is_blank.all()))


# --- JSON lines --------------------------------------------------------------------------------------------------


def _jsonl(file: Path) -> pd.DataFrame:
    """Return a file of JSON lines, one object a row."""
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{file}, line {number} is not JSON: {error}.") from error
        if not isinstance(row, dict):
            raise InputError(f"{file}, line {number} is not an object {{...}}.")
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return pd.DataFrame({name: json_column(name, [row.get(name) for row in rows]) for name in names})


def json_column(name: str, values: list[Any]) -> pd.Series:
    """Return values as numbers or true and false where all of them are, else as text."""
    kinds = {type(value) for value in values if value is not None}
    if name.strip().lower() not in TEXT and (kinds <= {int, float} or (kinds == {bool} and None not in values)):
        return pd.Series(values)
    texts = [v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values]
    return pd.Series(texts, dtype=object)


# --- JSON of StyleGAN --------------------------------------------------------------------------------------------


def _lists_labels(file: Path) -> bool:
    """Return whether a ``dataset.json`` is one that StyleGAN's dataset_tool writes, with labels or null for them."""
    try:
        told = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    if told == {"labels": None}:
        return True
    rows = told.get("labels") if isinstance(told, dict) else None
    return isinstance(rows, list) and bool(rows) and all(_is_pair(row) for row in rows)


def _is_pair(row: Any) -> bool:
    return isinstance(row, list) and len(row) == 2 and isinstance(row[0], str)


def _stylegan(file: Path) -> pd.DataFrame:
    """Return ``{"labels": [["00000/img00000000.png", 6], ...]}`` as a table; folders are parts, and no classes.

    Where labels are null, all pictures below the folder are named, without one.

    References
    ----------
    Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data"; ``dataset_tool.py`` of its code.
    """
    rows = json.loads(file.read_text(encoding="utf-8-sig"))["labels"]
    if rows is None:
        rows = [[name, None] for name in list_folder(file.parent).files if is_picture(name)]
    several = next((label for _, label in rows if isinstance(label, list | dict)), None)
    if several is not None:
        raise InputError(
            f"{file} gives an image {json.dumps(several)[:60]} for a label, and one class is wanted. Write a"
            " metadata.csv with file_name and label."
        )
    names = pd.Series([name for name, _ in rows], dtype=object)
    return pd.DataFrame({"file_name": names, "label": json_column("label", [label for _, label in rows])})


# --- Parquet -----------------------------------------------------------------------------------------------------


def read_parquet(file: Path) -> pd.DataFrame:
    """Return a Parquet file; labels that are numbers of named classes (Hugging Face) by their names."""
    return as_frame(pq.read_table(file))


def as_frame(table: pa.Table) -> pd.DataFrame:
    """Return an Arrow table as read_parquet returns the file that it came from: rows numbered in their order.

    An index that pandas wrote is a column where it has a name, and nothing where it only numbers rows.
    """
    unnamed = [name for name in table.column_names if UNNAMED_INDEX.fullmatch(name)]
    frame = table.drop_columns(unnamed).to_pandas(ignore_metadata=True)
    for name in set(TEXT) & set(table.column_names):
        if pa.types.is_integer(table.schema.field(name).type) and table[name].null_count:
            frame[name] = table[name].to_pandas(integer_object_nulls=True).to_numpy()  # 7 beside a null stays 7
    classes = _class_names(table.schema)
    if classes and "label" in frame:
        known = dict(enumerate(classes))
        frame["label"] = frame["label"].map(lambda code: known.get(code, None if code == -1 else code))
    return frame


def _class_names(schema: pa.Schema) -> list[str]:
    """Return the names of classes that a file of Hugging Face datasets gives its integer labels, or none."""
    try:
        told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        label = told["info"]["features"]["label"]
        return list(label["names"]) if label["_type"] == "ClassLabel" else []
    except (ValueError, LookupError, TypeError):
        return []


METADATA: dict[str, Callable[[Path], pd.DataFrame]] = {
    "metadata.parquet": read_parquet,  # it keeps types
    "metadata.csv": read_csv,
    "metadata.jsonl": _jsonl,
    STYLEGAN: _stylegan,
}
