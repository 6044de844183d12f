"""Many images at once, on threads: decoding and encoding release the interpreter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")

AT_A_TIME = 32


def on_threads(function: Callable[[S], T], items: Sequence[S]) -> Iterator[T]:
    """Yield what a function makes of each item, in order, on all cores.

    A thread takes some items at a time: to hand over small pictures one by one takes as long as to decode them.

    Parameters
    ----------
    function : callable
        What it raises is raised here; items that are not begun then are left.
    items : sequence

    Examples
    --------
    >>> list(on_threads(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    n_threads = os.cpu_count() or 1
    size = max(1, min(AT_A_TIME, len(items) // (4 * n_threads)))
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    pool = ThreadPoolExecutor(n_threads)
    try:
        for found in pool.map(lambda part: [function(item) for item in part], parts):
            yield from found
    finally:
        pool.shutdown(cancel_futures=True)
