"""How work ends that does not come to its end: SIGTERM as an exception, and what an exception means in words."""

from __future__ import annotations

import _thread
import errno
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from gan_probe.errors import GanProbeError, InputError
from synthetic.errors import SpecError

TERMINATED = 128 + signal.SIGTERM  # the exit code that shells give a process that SIGTERM ended
NO_MEMORY = "out of memory. Use fewer or smaller images, or a smaller --batch-size."
# How torch, its libraries and the system say it; of these only Python's own MemoryError has a type.
_NO_MEMORY = ("out of memory", "allocate memory", "bad_alloc", "alloc_failed", "start new thread")


A_MOMENT_S = 0.01
UNDERSTOOD = (GanProbeError, SpecError, OSError, MemoryError, RuntimeError, ImportError)  # some of them: see `in_words`


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM): as an interruption it runs every clean-up and passes ``Exception``."""


@contextmanager
def terminable() -> Iterator[None]:
    """Raise `Terminated` on SIGTERM within, where nobody else handles it and signals can be handled at all.

    An interruption that comes while a finaliser or the callback of a weak reference runs, where Python would print and
    forget it, comes again.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _raise_terminated)
    before, sys.unraisablehook = sys.unraisablehook, _come_again(sys.unraisablehook)
    try:
        yield
    finally:
        sys.unraisablehook = before
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _come_again(otherwise: Callable[[Any], object]) -> Callable[[Any], None]:
    """Return a hook for exceptions that cannot be raised where they are: interruptions are sent again."""

    def hook(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            is_end = isinstance(unraisable.exc_value, Terminated)
            again = threading.Timer(A_MOMENT_S, _thread.interrupt_main, [signal.SIGTERM if is_end else signal.SIGINT])
            again.daemon = True
            again.start()  # at once it would be raised in this hook, and be forgotten, too
        else:
            otherwise(unraisable)

    return hook


def _raise_terminated(number: int, frame: object) -> NoReturn:
    raise Terminated


def in_words(error: BaseException) -> str | None:
    """Return what went wrong and what to do, as a sentence; None where it is a bug.

    Examples
    --------
    >>> in_words(OSError(28, "No space left on device", "run/critic"))
    'run/critic: No space left on device. Check the path, its permissions and the free space.'
    >>> in_words(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"))
    'out of memory. Use fewer or smaller images, or a smaller --batch-size.'
    """
    if isinstance(error, GanProbeError | SpecError):
        return str(error)
    if _is_of_memory(error):
        return NO_MEMORY
    if isinstance(error, FileExistsError) and error.errno is None:
        return str(error)  # ours
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        what = str(error.strerror or error).rstrip(".")
        return f"{where}{what}. Check the path, its permissions and the free space."
    return None


def _is_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    return isinstance(error, RuntimeError | ImportError) and any(word in str(error).lower() for word in _NO_MEMORY)


def exit_code(error: BaseException) -> int:
    """Return the exit code for an error that `in_words` understands."""
    return error.exit_code if isinstance(error, GanProbeError) else InputError.exit_code
