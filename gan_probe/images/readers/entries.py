"""What a reader finds at a path before anything is decoded, and how it says what is wrong with one entry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gan_probe.errors import InputError
from gan_probe.images.readers.decode import Decoded, decode
from gan_probe.images.readers.files import Stamp
from gan_probe.types import Images

N_NAMED = 3  # how many offenders a message names

Decode = Callable[[Any, int | None], Decoded]  # a source and a size to pixels and words on what was converted


@dataclass(frozen=True)
class Refusal:
    """Stands in the place of an entry's source where there is nothing to decode: why."""

    why: str


@dataclass(frozen=True, kw_only=True)
class Entries:
    """The images at a path, none of them decoded yet.

    Attributes
    ----------
    sources : sequence
        What ``decode`` needs of each image.
    names : sequence of str
    table : DataFrame
        One row an image: what is known of it.
    decode : callable
        A source and a size in pixels (or None) to (h, w, c) uint8 and words on what was converted; picklable.
    array : ndarray, optional
        All images at once, where they lie so: mapped into memory, or read already.
    origin : path, optional
        The file in a folder that holds them all.
    file : path, optional
        The file from which ``decode`` fetches each of them, and ``stamp``, what it was when it was looked at.
    warnings : tuple of str
        What is to be said of the listing.
    n_left_out : int
        What may be images and is of a kind that is not read; ``warnings`` name it.
    """

    sources: Sequence[Any]
    names: Sequence[str]
    table: pd.DataFrame
    decode: Decode
    array: Images | None = None
    origin: Path | None = None
    file: Path | None = None
    stamp: Stamp | None = None
    warnings: tuple[str, ...] = ()
    n_left_out: int = 0


def decode_entry(source: Path | bytes | Refusal, size_px: int | None) -> Decoded:
    """Return one image file, or its bytes, decoded.

    Raises
    ------
    InputError
        When it is not a whole image, or is a `Refusal`.
    """
    if isinstance(source, Refusal):
        raise InputError(source.why)
    return decode(source, size_px)


def some(names: Sequence[str]) -> str:
    """Return the first few names, and an ellipsis where there are more."""
    return f"{', '.join(names[:N_NAMED])}{', ...' if len(names) > N_NAMED else ''}"
