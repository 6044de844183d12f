"""Pictures in a tar file as WebDataset lays them out: ``0001.png``, ``0001.cls``, ``0001.json`` are one sample.

Nothing is unpacked: a picture is read where it lies in the file.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from gan_probe.errors import InputError
from gan_probe.images.readers.decode import Decoded
from gan_probe.images.readers.entries import Entries, Refusal, decode_entry, some
from gan_probe.images.readers.files import is_litter, printable, stamp_of
from gan_probe.images.readers.formats import is_picture
from gan_probe.images.readers.metadata import json_column, label_meant, named_columns

MAX_BYTES = 2**28  # of one member that is read: more is a mistake or an attack
LABELS = ("cls", "label", "txt")  # members beside a picture that hold its class, the first of them that is there
HEADER = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Member:
    """Where the bytes of one picture lie in a tar file."""

    file: Path
    start: int
    n_bytes: int

    def read(self) -> bytes:
        """Return the bytes.

        Raises
        ------
        InputError
            When the file has become shorter.
        """
        with self.file.open("rb") as opened:
            opened.seek(self.start)
            content = opened.read(self.n_bytes)
        if len(content) != self.n_bytes:
            raise InputError(f"{printable(self.file.name)} ends before this picture does: it was cut short.")
        return content


@dataclass
class _Sample:
    pictures: dict[str, Member | Refusal] = field(default_factory=dict)  # by name
    beside: dict[str, Member] = field(default_factory=dict)  # by what follows the first dot


def read_tar(path: Path, split: str | None) -> Entries:
    """Return the pictures in a tar file, or a folder's ``images.tar``, each with what lies beside it under its key.

    Raises
    ------
    InputError
        When it is no tar file, is cut short, or holds no pictures.
    """
    path = path if path.is_file() else path / "images.tar"
    stamp, samples, others = stamp_of(path), dict[str, _Sample](), list[str]()
    for member in _members(path):
        if is_litter(member.name):
            continue
        key, kind = _key(member.name)
        where = Member(path, member.offset_data, member.size)
        if is_picture(member.name):
            why = _refused(member)
            samples.setdefault(key, _Sample()).pictures[member.name] = Refusal(why) if why else where
        elif kind in (*LABELS, "json") and member.isfile() and member.size <= MAX_BYTES:
            samples.setdefault(key, _Sample()).beside[kind] = where
        elif not member.isdir():
            others.append(printable(member.name))
    rows = [(name, source, sample) for sample in samples.values() for name, source in sample.pictures.items()]
    if not rows:
        raise InputError(f"{printable(path)} holds no pictures. In it: {some(others) or 'nothing'}.")
    table = named_columns(_table([_facts(sample, path, others) for *_, sample in rows]), path)
    said = (f"{len(others)} other members of {printable(path.name)} were not looked at: {some(others)}.",)
    return Entries(
        sources=[source for _, source, _ in rows],
        names=[f"{path.name}/{printable(name)}" for name, *_ in rows],
        table=table,
        decode=_decode,
        file=path,
        stamp=stamp,
        warnings=(*(said if others else ()), *label_meant(table, printable(path.name))),
    )


def _decode(source: Member | Refusal, size_px: int | None) -> Decoded:
    return decode_entry(source if isinstance(source, Refusal) else source.read(), size_px)


def _members(path: Path) -> Iterator[tarfile.TarInfo]:
    """Yield what a tar file holds; one that ends without its end mark was cut short."""
    with tarfile.open(path, "r:") as archive:  # uncompressed: what is compressed cannot be read at a place in it
        yield from archive
        end = archive.offset
    with path.open("rb") as opened:
        opened.seek(end)
        if opened.read(HEADER) != bytes(HEADER):
            raise InputError(f"{printable(path)} ends without the mark that tar files end with: it was cut short.")


def _refused(member: tarfile.TarInfo) -> str:
    if not member.isfile():
        return "it is a link or a device, and no file."
    if PurePosixPath(member.name).is_absolute() or ".." in PurePosixPath(member.name).parts:
        return "its name leads out of the archive. Pack it again with relative names."
    if member.size > MAX_BYTES:
        return f"it takes {member.size:,} bytes; at most {MAX_BYTES:,} are read."
    return ""


def _key(name: str) -> tuple[str, str]:
    """Return what the members of one sample share, and what follows: up to the first dot of the last part."""
    folder, slash, last = name.rpartition("/")
    key, _, kind = last.partition(".")
    return folder + slash + key, kind.lower()


def _facts(sample: _Sample, path: Path, others: list[str]) -> dict[str, Any]:
    """Return what lies beside a picture, as columns; what holds none is one of the ``others``."""
    facts: dict[str, Any] = {}
    if "json" in sample.beside:
        try:
            told = json.loads(sample.beside["json"].read())
        except (ValueError, RecursionError) as error:
            raise InputError(f"{printable(path)}: a member .json is not JSON ({error}).") from error
        if isinstance(told, dict):
            facts |= {k: v for k, v in told.items() if isinstance(v, str | int | float | bool)}
            if isinstance(told.get("label"), list | dict):
                others.append("a label in .json that is several values")
        else:
            others.append("a .json that holds no object")
    for kind in LABELS:
        if kind not in sample.beside:
            continue
        text = sample.beside[kind].read().decode("utf-8", "backslashreplace").strip()
        if str(facts.setdefault("label", text)) != text and kind == LABELS[0]:
            others.append("a .cls that says otherwise than the label in .json")
    return facts


def _table(facts: list[dict[str, Any]]) -> pd.DataFrame:
    names = dict.fromkeys(name for row in facts for name in row)
    columns = {name: json_column(name, [row.get(name) for row in facts]) for name in names}
    return pd.DataFrame(columns, index=range(len(facts)))
