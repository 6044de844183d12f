import os
import subprocess
import sys

import pytest

CODE = """
import os, resource
import numpy as np
from gan_probe.memory import keep_freed_memory
if {is_kept}:
    keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def batch():
    for _ in range(3):
        np.ones(6 << 20, np.float64)  # 48 MiB, freed at once
batch()
before = faults()
batch()
print(faults() - before, os.environ.get("MALLOC_TRIM_THRESHOLD_", ""))
"""


def faults(*, is_kept: bool, **environment: str) -> tuple[int, str]:
    """Return how many pages three batches after the first fetched, and what the children of the process are told."""
    known = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_") and k != "GLIBC_TUNABLES"}
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(is_kept=is_kept)],
        env=known | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    n, _, told = done.stdout.strip().partition(" ")
    return int(n), told


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone has mallopt")
def test_what_was_freed_is_there_for_the_next_batch() -> None:
    (kept, told), (fetched, told_nothing) = faults(is_kept=True), faults(is_kept=False)
    assert kept < fetched / 10
    assert (told, told_nothing) == (str(1 << 29), "")


@pytest.mark.parametrize("environment", [{"MALLOC_ARENA_MAX": "2"}, {"GLIBC_TUNABLES": "glibc.malloc.arena_max=2"}])
def test_what_the_environment_says_of_memory_is_left_alone(environment: dict[str, str]) -> None:
    assert faults(is_kept=True, **environment)[1] == ""
