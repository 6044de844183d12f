"""What studies share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gan_probe.errors import InputError


@contextmanager
def noted(notes: list[str], what: str) -> Iterator[None]:
    """Run a part of the analysis; when its data does not allow it, note why and go on."""
    try:
        yield
    except InputError as error:
        notes.append(f"{what}: left out, {error}")
