"""Writes that happen whole or not at all, once, and never over anything else: the one room of writing.

What is written grows under a temporary name beside its place, is synced, and takes the place in one step of the
system. Who writes holds a lock beside it, so the second writer is told of the first.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
import secrets
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout, UnixFileLock

from synthetic.errors import InUseError

_RANDOM = r"[a-z0-9_]{8}"  # of `_beside`; tempfile, in older versions, used all of these
_TEMPORARY = re.compile(rf"\..+\.{_RANDOM}\.(tmp(\.\w+)?|old)")
OUR_SCHEMAS = ("gan_probe.", "synthetic.")
HANDOVER_S = 0.5  # that a writer may take to let go
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)  # a rename of a folder onto something that is there
_UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)  # of a call that a file system lacks
_held: ContextVar[frozenset[Path]] = ContextVar("held", default=frozenset())  # what this thread may write to


# --- who writes ---------------------------------------------------------------------------------------------------


@contextmanager
def hold(out: str | Path) -> Iterator[None]:
    """Keep other writers of ``out`` away until the end, and clear away what a killed one left beside it.

    The lock is ``.NAME.gan-probe-lock`` beside ``out``; the system lets go of it when its holder dies. What lies below
    ``out`` is not locked again.

    Raises
    ------
    InUseError
        When another process, or another thread, writes there: which one, and since when.
    """
    check_name_of(out)
    out = Path(out).resolve()
    if out in _held.get():
        yield
        return
    made = [folder for folder in out.parents if not folder.exists()]
    file = out.parent / f".{out.name}.gan-probe-lock"
    lock = FileLock(file, timeout=HANDOVER_S)
    token = _held.set(_held.get() | {out})
    try:
        with undisturbed():
            out.parent.mkdir(parents=True, exist_ok=True)
            _acquire(lock, file, out)
        _clear_away(out)
        yield
    finally:
        with undisturbed():
            _held.reset(token)
            if lock.is_locked:
                file.unlink(missing_ok=True)  # while it is held: who opened it meanwhile sees it gone, and tries anew
                lock.release()
            for folder in made:
                with suppress(OSError):  # something stands in it
                    folder.rmdir()


def check_name_of(out: str | Path) -> None:
    """Raise unless the name of an output is text: Parquet, safetensors and JSON know no other names.

    Raises
    ------
    OSError
        For bytes that are not UTF-8.
    """
    try:
        os.fspath(out).encode()
    except UnicodeEncodeError:
        shown = os.fsencode(out).decode("utf-8", "backslashreplace")
        raise OSError(errno.EILSEQ, "this name is not UTF-8, so no output can be written there", shown) from None


def _acquire(lock: BaseFileLock, file: Path, out: Path) -> None:
    try:
        lock.acquire()
    except Timeout:
        if not file.exists():  # no file can be made there
            raise FileNotFoundError(errno.ENOENT, "nothing can be written here", str(out.parent)) from None
        raise InUseError(f"{out} is being written by {_holder(file)}. Wait for it, or choose another --out.") from None
    if isinstance(lock, UnixFileLock):  # where a file system has no locks, filelock puts its own words there
        facts = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
        file.write_text(json.dumps(facts), encoding="utf-8")


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until the end: cleaning up that they cut short would leave what it was to remove."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals in the main thread alone
        return
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ours = {int(number): handler for number, handler in handlers.items() if callable(handler)}
    for number in ours:
        signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
        for number in came[:1]:
            signal.raise_signal(number)


def _holder(file: Path) -> str:
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        return f"process {facts['pid']} on {facts['host']} since {facts['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _now() -> str:
    return datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")


@contextmanager
def _hold_unless_within(out: Path) -> Iterator[None]:
    """Hold ``out``, unless this thread holds it, or a folder that it lies in."""
    if _held.get() & {out, *out.parents}:
        yield
        return
    with hold(out):
        yield


# --- what killed writers left -------------------------------------------------------------------------------------


def _clear_away(out: Path) -> None:
    """Remove what killed writers of ``out`` left; nobody else writes there now."""
    ours = re.compile(rf"\.{re.escape(out.name)}\.{_RANDOM}\.(tmp({re.escape(out.suffix)})?|old)")
    for path in list(out.parent.iterdir()):
        if not ours.fullmatch(path.name):
            continue
        if path.suffix == ".old" and not out.exists():
            path.rename(out)  # it was killed between the two renames of `_exchange`
        else:
            _remove(path)
    if out.is_dir() and _is_empty(out):
        for path in list(out.iterdir()):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_folder(folder: str | Path) -> None:
    """Remove a folder that `check_free` allows to be replaced; hold it first.

    It moves aside in one step, so a kill leaves no half of it in its place; the next `hold` clears the rest away.
    """
    path = Path(folder).resolve()
    aside = _beside(path, ".tmp")
    try:
        path.rename(aside)
    finally:
        with undisturbed():
            _remove(aside)


def _is_empty(folder: Path) -> bool:
    """Return whether nothing is in a folder but what writes left whose process was killed."""
    return all(_TEMPORARY.fullmatch(path.name) for path in folder.iterdir())


def remove_temporaries(folder: str | Path) -> None:
    """Remove what writes left below ``folder`` when their process was killed; hold it first."""
    for path in list(Path(folder).rglob(".*")):
        if _TEMPORARY.fullmatch(path.name):
            _remove(path)


# --- files --------------------------------------------------------------------------------------------------------


def write_atomically(path: str | Path, content: bytes | str, *, overwrite: bool = True) -> None:
    """Put ``content`` (text as UTF-8) in ``path``; a reader sees the old file or the new one, never a part."""
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def atomic_path(path: str | Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary name to write to; on success it becomes ``path``, on any error it is removed.

    Raises
    ------
    FileExistsError
        Without ``overwrite``, when something stands at ``path`` at the end.
    InUseError
        See `hold`.
    OSError
        For a device, a pipe or a folder, to which a link may lead: none is ever replaced.
    """
    path = Path(path).resolve()
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "this is no regular file, so nothing is written in its place", str(path))
    with _hold_unless_within(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(path, f".tmp{path.suffix}")
        try:
            temporary.touch(0o600, exist_ok=False)
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            _fsync(temporary)
            if overwrite:
                temporary.replace(path)
            else:
                _put_file(temporary, path)
        finally:
            with undisturbed():
                temporary.unlink(missing_ok=True)


def _beside(path: Path, suffix: str) -> Path:
    """Return a name that nothing has: known before anything has it, so a signal at any moment leaves nothing behind."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}{suffix}")


def _put_file(new: Path, path: Path) -> None:
    """Give a file its name, where nothing has it: a second link fails where something stands."""
    try:
        try:
            path.hardlink_to(new)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))  # no links here: claim the name first
            new.replace(path)
    except FileExistsError as error:
        raise FileExistsError(
            f"{path} appeared while this ran, so it is left alone. Choose another name, or replace it with --overwrite."
        ) from error


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


# --- folders ------------------------------------------------------------------------------------------------------


_OF_FILES = (
    ".csv",
    ".html",
    ".jpg",
    ".json",
    ".npy",
    ".npz",
    ".parquet",
    ".pdf",
    ".png",
    ".pt",
    ".tar",
    ".txt",
    ".zip",
)


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
    check_name_of(out)
    out = Path(out).resolve()
    if out.suffix.lower() in _OF_FILES and not out.exists():
        raise FileExistsError(
            f"a folder is written, and {out.name} is the name of a file: leave the suffix out, such as {out.stem}."
        )
    if out.is_dir() and _is_empty(out):
        return
    if out.is_dir() and is_ours(out / marker):
        if not overwrite:
            raise FileExistsError(
                f"{out} exists. Choose another folder, or replace this one with --overwrite (overwrite=True)."
            )
    elif out.exists():
        what = f"exists and holds no {marker} of this kind" if out.is_dir() else "is a file, and a folder is written"
        raise FileExistsError(f"{out} {what}, so it is left alone. Choose another folder.")


def is_ours(marker: Path) -> bool:
    """Return whether a file is JSON with a schema of ours; other programs write a ``config.json`` too."""
    try:
        schema = json.loads(marker.read_text(encoding="utf-8")).get("schema") if marker.is_file() else None
    except (OSError, ValueError, AttributeError, RecursionError):
        return False
    return str(schema).startswith(OUR_SCHEMAS)


@contextmanager
def atomic_folder(out: str | Path, *, marker: str, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty temporary folder; on success it becomes ``out``, on any error it is removed.

    With ``overwrite`` the old folder and the new one change places in one step, and then the old one goes: a kill at
    any moment leaves the one or the other, whole.

    Raises
    ------
    FileExistsError
        See `check_free`; it looks again at the end.
    InUseError
        See `hold`.
    """
    out = Path(out).resolve()
    check_free(out, marker=marker, overwrite=overwrite)
    with _hold_unless_within(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(out, ".tmp")
        try:
            temporary.mkdir(0o700)
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            _fsync(temporary / marker)
            _fsync(temporary)
            _put_folder(temporary, out, marker=marker, overwrite=overwrite)
        finally:
            with undisturbed():
                _remove(temporary)


def _put_folder(new: Path, out: Path, *, marker: str, overwrite: bool) -> None:
    """Give a folder its name; what has it goes to the name that ``new`` had, if it is of this kind."""
    try:
        new.rename(out)  # the system does this where nothing stands, or an empty folder, and nowhere else
        return
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        check_free(out, marker=marker, overwrite=overwrite)
    _exchange(new, out)
    if not is_ours(new / marker):  # it came between the look at it and the exchange
        _exchange(new, out)
        raise FileExistsError(f"{out} appeared while this ran, so it is left alone. Choose another folder.")


def _exchange(new: Path, out: Path) -> None:
    """Let two folders change names: in one step where system and file system can (Linux), else in two.

    A kill between the two leaves the old folder aside, as ``.NAME.xxxxxxxx.old``; the next `hold` puts it back.
    """
    try:
        _exchange_at_once(new, out)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        aside = new.with_suffix(".old")
        out.rename(aside)
        new.rename(out)
        aside.rename(new)


def _exchange_at_once(new: Path, out: Path) -> None:
    at_cwd, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE of renameat2(2); Python has no name for it
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, TypeError):  # another system, an old library
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
    if call(at_cwd, os.fsencode(new), at_cwd, os.fsencode(out), exchange):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(out))
