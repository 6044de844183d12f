"""The boundary to foreign code: whatever somebody else's network, file or runtime raises becomes a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from gan_probe.errors import GanProbeError, InputError

MAX_TOLD = 300  # characters of a foreign message; some print whole graphs


@contextmanager
def foreign_code(what: str, *, advice: str = "") -> Iterator[None]:
    """Turn any exception of the block into `InputError`: "``what``: it raised TYPE: MESSAGE. ``advice``".

    Everything that is run and not ours goes through here: constructors, ``forward``, loading of a state, runtimes.
    Their exceptions have no common base. Our own errors pass as they are, and so does running out of memory, for which
    the command line has its own words; SystemExit and KeyboardInterrupt are no `Exception`.

    Parameters
    ----------
    what : str
        What went wrong, such as "the discriminator does not take 32x32x1 images".
    advice : str
        What to do.

    Raises
    ------
    InputError
        In place of whatever the block raised.

    Examples
    --------
    >>> with foreign_code("the file cannot be opened", advice="Export it anew."):
    ...     {}["graph"]
    Traceback (most recent call last):
    gan_probe.errors.InputError: the file cannot be opened: it raised KeyError: 'graph'. Export it anew.
    """
    try:
        yield
    except (GanProbeError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise InputError(f"{what}: it raised {told(error)}. {advice}".rstrip()) from error


def told(error: BaseException) -> str:
    """Return an exception as one line: its type and what it says, at most `MAX_TOLD` characters."""
    text = " ".join(str(error).split()).rstrip(".")
    text = text if len(text) <= MAX_TOLD else f"{text[:MAX_TOLD]} ..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
