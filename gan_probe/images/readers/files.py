"""What the file system says: which files lie in a folder, how their names read, and whether one was replaced."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gan_probe.errors import GanProbeError, InputError

# What systems and programs leave in folders: passed over without a word, as are names that begin with "._".
LITTER = ("thumbs.db", "desktop.ini", ".ds_store", "__macosx", ".ipynb_checkpoints", ".git", ".cache")

Stamp = tuple[int, int, int, int]  # device, inode, size, time of the last change


def printable(name: str | Path) -> str:
    r"""Return a name as text that every file and terminal takes: bytes that are not UTF-8 stand as ``\xe9``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@contextmanager
def foreign(what: str) -> Iterator[None]:
    """Turn whatever a decoder or parser raises into an `InputError` that begins with ``what``: the room's boundary.

    Raises
    ------
    InputError
        For every exception but our own.
    """
    try:
        yield
    except GanProbeError:
        raise
    except MemoryError as error:
        raise InputError(f"{what}: it needs more memory than there is. {error}".rstrip()) from error
    except Exception as error:
        said = str(error) if isinstance(error, OSError | SyntaxError | ValueError) and str(error) else ""
        said = said or f"{type(error).__name__}: {error}"
        raise InputError(f"{what}: {said.rstrip('. ')}.") from error


def stamp_of(file: Path) -> Stamp:
    """Return what changes when a file is replaced or written to."""
    now = file.stat()
    return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns


@dataclass
class Listing:
    """What lies in a folder and below it; names are relative, with slashes.

    Attributes
    ----------
    files : list of str
        All but `LITTER`, in order; of folders that are linked in, too.
    unlisted : dict
        Folders that may not be listed, each with the reason.
    repeated : list of str
        Links to folders that are listed already, or that hold the folder itself.
    """

    files: list[str] = field(default_factory=list)
    unlisted: dict[str, str] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)


def list_folder(folder: Path) -> Listing:
    """Return every file in a folder and below it; links are followed, each folder is listed once."""
    found = Listing()
    ahead, links = [""], list[str]()
    seen = {_identity(parent) for parent in folder.absolute().resolve().parents}
    while ahead or links:
        is_link = not ahead
        below = links.pop(0) if is_link else ahead.pop()  # links last: what they lead to may be listed by its own name
        try:
            identity = _identity(folder / below)
            if identity in seen:
                found.repeated.append(below)
                continue
            seen.add(identity)
            with os.scandir(folder / below) as entries:
                for entry in entries:
                    _sort_in(entry, below, found, ahead=ahead, links=links)
        except OSError as error:
            found.unlisted[below or "."] = error.strerror or str(error)
        links.sort()
    found.files.sort(key=lambda name: name.split("/"))
    return found


def is_litter(name: str) -> bool:
    """Return whether a name, of a file or of a folder above it, is one that systems and programs leave behind."""
    return any(part.startswith("._") or part.lower() in LITTER for part in name.split("/"))


def _identity(folder: Path) -> tuple[int, int]:
    now = folder.stat()
    return now.st_dev, now.st_ino


def _sort_in(entry: os.DirEntry[str], below: str, found: Listing, *, ahead: list[str], links: list[str]) -> None:
    if is_litter(entry.name):
        return
    name = f"{below}/{entry.name}" if below else entry.name
    if not entry.is_dir():
        found.files.append(name)
    elif entry.is_symlink():
        links.append(name)
    else:
        ahead.append(name)
