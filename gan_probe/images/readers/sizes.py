"""Which sizes images have, as their files say before they are decoded, and the one size at which they are read."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from gan_probe.errors import InputError
from gan_probe.images.readers.files import foreign, printable
from gan_probe.images.readers.formats import allowed
from gan_probe.images.readers.table import find_entries
from gan_probe.images.threads import on_threads

Size = tuple[int, int]  # width and height, as files say them: before an EXIF orientation turns the picture


def image_sizes(path: str | Path, *, split: str | None = None) -> Counter[Size]:
    """Return how many images at a path have which width and height; what is no picture does not count.

    Raises
    ------
    InputError
        When there is nothing at the path that is read.
    """
    path = Path(path)
    with foreign(f"{printable(path)} cannot be read as a data set"):
        entries = find_entries(path, split)
    if entries.array is not None:
        height, width = entries.array.shape[1:3]
        return Counter({(width, height): len(entries.array)})
    return Counter(size for size in on_threads(_size_of, entries.sources) if size is not None)


def _size_of(source: Any) -> Size | None:
    """Return what a picture's header says, or None for what is none: reading it says why."""
    if not isinstance(source, Path | bytes) or (isinstance(source, Path) and not source.is_file()):
        return None  # a pipe would be waited for
    try:
        with (
            foreign("no picture"),
            Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=allowed()) as opened,
        ):
            return opened.size
    except InputError:
        return None


def common_side(sizes: Mapping[Size, int], sides: Sequence[int], *, at_most: int) -> int | None:
    """Return the side of the squares that images become, or None where they are squares of one such side already.

    Of the sides that a network takes, up to ``at_most``, it is the one nearest to the shorter side of the median image.

    Examples
    --------
    >>> common_side({(64, 64): 10}, (16, 32, 64, 128), at_most=64)
    >>> common_side({(640, 480): 6, (50, 40): 4}, (16, 32, 64, 128), at_most=64)
    64
    >>> common_side({(28, 28): 10}, (16, 32, 64, 128), at_most=64)
    32
    """
    if len(sizes) == 1 and next(iter(sizes)) in {(side, side) for side in sides}:
        return None
    shorter = sorted(min(size) for size, count in sizes.items() for _ in range(count))
    median = shorter[len(shorter) // 2] if shorter else at_most
    return min((side for side in sides if side <= at_most), key=lambda side: abs(math.log(side / median)))


def sizes_in_words(sizes: Mapping[Size, int]) -> str:
    """Return the most frequent size, and how many others there are.

    Examples
    --------
    >>> sizes_in_words({(28, 28): 1}), sizes_in_words({(28, 28): 1, (32, 20): 5, (9, 9): 1})
    ('28x28', '32x20 and 2 other sizes')
    """
    first, *others = sorted(sizes, key=lambda size: -sizes[size])
    more = f" and {len(others)} other sizes" if len(others) > 1 else " and another size" if others else ""
    return f"{first[0]}x{first[1]}{more}"
