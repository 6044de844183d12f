"""What is kept in files of ours, read back: a record, an array, a table: whole, from a regular file, or refused."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from gan_probe.errors import InputError

CHECKSUM = "checksum"
N_DIGITS = 16


def regular(file: Path) -> Path:
    """Return the file, if it is one: a pipe would be waited for, and a device never ends.

    Raises
    ------
    FileNotFoundError
        When nothing is there, or something else.
    """
    if not file.is_file():
        what = "it is no regular file" if file.exists() else "there is no such file"
        raise FileNotFoundError(errno.ENOENT, what, str(file))
    return file


def read_record(file: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises
    ------
    OSError
        When it cannot be read, or is none.
    ValueError
        When it is not JSON, or not an object.
    """
    try:
        record = json.loads(regular(file).read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{file.name} is nested too deeply") from None
    if not isinstance(record, dict):
        raise ValueError(f"{file.name} holds {type(record).__name__}, not an object")
    return record


def seal(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with a checksum of all that it says, as `check_seal` looks for it."""
    plain = json.loads(json.dumps(record))  # as it will be read
    return {**plain, CHECKSUM: _checksum(plain)}


def check_seal(record: Mapping[str, Any], file: Path) -> None:
    """Raise `InputError` where a record was changed since it was written. Older versions wrote no checksum."""
    renamed = CHECKSUM not in record and any(value == _checksum(record, name) for name, value in record.items())
    if renamed or record.get(CHECKSUM, _checksum(record)) != _checksum(record):
        raise InputError(
            f"{file} was changed since it was saved: what it says does not fit its checksum. Bring the old one back, or"
            " make it again; nothing in it is meant to be edited."
        )


def _checksum(record: Mapping[str, Any], of: str = CHECKSUM) -> str:
    rest = {name: value for name, value in record.items() if name != of}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:N_DIGITS]


def read_array(file: Path) -> npt.NDArray[Any]:
    """Return the array in a ``.npy`` file.

    Raises
    ------
    OSError
        When it cannot be read, or is none.
    ValueError
        When it is not such a file, or not whole.
    """
    try:
        return np.asarray(np.load(regular(file), allow_pickle=False))
    except (
        EOFError,
        SyntaxError,
        TypeError,
        KeyError,
        AttributeError,
        MemoryError,
    ) as error:  # of numpy, on damaged headers
        raise ValueError(f"{file.name} is not a whole .npy file ({error})") from error


def read_table(file: Path) -> pa.Table:
    """Return the table in a Parquet file; where its pages carry checksums, as ours do, they are looked at.

    Raises
    ------
    InputError
        When it cannot be read, or is not whole.
    """
    try:
        table = pq.read_table(regular(file), page_checksum_verification=True)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as Parquet: {' '.join(str(error).split()).rstrip('.')}.") from error
    return table
