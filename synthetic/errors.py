"""The errors that this package raises on purpose."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SpecError(ValueError):
    """A data set was described in a way that cannot be drawn; the message says how to mend it."""


class InUseError(FileExistsError):
    """Another process writes to the same place now; the message says which, and since when."""


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """Return the message for a name that is not in a table, with the nearest one that is.

    >>> unknown_name("shape", "sqare", ["square", "circle"])
    "unknown shape 'sqare'. Did you mean 'square'? Known: square, circle."
    """
    names = list(known)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}.{hint} Known: {', '.join(names)}."
