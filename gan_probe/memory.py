"""Let the C library keep memory that was freed, for the next batch."""

from __future__ import annotations

import ctypes
import os

# of glibc's mallopt(3): how much freed memory stays, and from what size a block is the system's, given back when freed
TRIM_THRESHOLD, MMAP_THRESHOLD = (-1, 1 << 29), (-3, 1 << 26)


def keep_freed_memory() -> None:
    """Keep up to 512 MiB of freed memory, in this process and in those that it starts.

    A network's maps are megabytes, freed after every batch. glibc hands them back to the system and fetches them page
    by page for the next one, or not, as its thresholds happen to move.
    Nothing is done where the environment says how (``MALLOC_...``, ``GLIBC_TUNABLES``), or with another C library.
    """
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for option, value in (TRIM_THRESHOLD, MMAP_THRESHOLD):
        mallopt(option, value)
    os.environ["MALLOC_TRIM_THRESHOLD_"], os.environ["MALLOC_MMAP_THRESHOLD_"] = (
        str(value) for _, value in (TRIM_THRESHOLD, MMAP_THRESHOLD)
    )
