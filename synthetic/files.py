"""Writes that happen whole or not at all: a temporary name beside the target, fsync, rename."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp(\.\w+)?")  # what tempfile makes of our prefix and suffix
OUR_SCHEMAS = ("gan_probe.", "synthetic.")


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_temporaries(folder: str | Path) -> None:
    """Remove what writes left below ``folder`` when their process was killed."""
    for path in Path(folder).rglob(".*.tmp*"):
        if not _TEMPORARY.fullmatch(path.name):
            continue  # somebody else's
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_atomically(path: str | Path, content: bytes | str) -> None:
    """Put ``content`` (text as UTF-8) in ``path``; a reader sees the old file or the new one, never a part."""
    path = Path(path)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name to write to; on success it becomes ``path``, on any error it is removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=f".tmp{path.suffix}", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        _fsync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_free(out: str | Path, *, marker: str, overwrite: bool) -> None:
    """Raise unless a folder may be made at ``out``.

    Parameters
    ----------
    out : path
        Accepted when it does not exist or is an empty folder.
    marker : str
        A JSON file with a ``schema`` of ours that every folder of this kind contains. ``overwrite`` replaces such
        folders only, so that a slip of the keyboard cannot delete anything else.

    Raises
    ------
    FileExistsError
        With what to do.
    """
    out = Path(out).resolve()
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.is_dir() and _is_ours(out / marker):
        if not overwrite:
            raise FileExistsError(
                f"{out} exists. Choose another folder, or replace this one with --overwrite (overwrite=True)."
            )
    elif out.exists():
        raise FileExistsError(
            f"{out} exists and holds no {marker} of this kind, so it is left alone. Choose another folder."
        )


def _is_ours(marker: Path) -> bool:
    """Return whether a file is JSON with a schema of ours; other programs write a ``config.json`` too."""
    try:
        schema = json.loads(marker.read_text(encoding="utf-8")).get("schema")
    except (OSError, ValueError, AttributeError):
        return False
    return str(schema).startswith(OUR_SCHEMAS)


@contextmanager
def atomic_folder(out: str | Path, *, marker: str, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty temporary folder; on success it becomes ``out``, on any error it is removed.

    Raises
    ------
    FileExistsError
        See `check_free`.
    """
    out = Path(out).resolve()
    check_free(out, marker=marker, overwrite=overwrite)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        _fsync(temporary / marker)
        _fsync(temporary)
        if out.exists():
            shutil.rmtree(out)
        temporary.rename(out)
    finally:
        if temporary.exists():
            shutil.rmtree(temporary)
