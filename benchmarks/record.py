"""How a benchmark keeps its results: the command, the commit, the machine, every value, median and range."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from gan_probe.device import environment, has_native_bf16, resolve_device

RECORDS = Path(__file__).parent / "records"


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return n, median, smallest, largest and all values."""
    return {
        "n": len(values),
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "values": [round(v, 4) if isinstance(v, float) else v for v in values],
    }


def paired_ratios(a: Callable[[], Any], b: Callable[[], Any], n: int) -> list[float]:
    """Return time(a) / time(b) for ``n`` pairs run in turn, so that a change of the machine's speed hits both."""
    a(), b()
    ratios = []
    for _ in range(n):
        start = perf_counter()
        a()
        middle = perf_counter()
        b()
        ratios.append((middle - start) / (perf_counter() - middle))
    return ratios


def paired(a: Callable[[], Any], b: Callable[[], Any], n: int) -> dict[str, Any]:
    """Return time(a) / time(b) as `spread`, by the processor's time and by the clock, of ``n`` pairs run in turn.

    The processor's time of this process is what a busy machine changes least.
    """
    a(), b()
    found: dict[str, list[float]] = {"cpu": [], "wall": []}
    for _ in range(n):
        marks = [(process_time(), perf_counter())]
        for action in (a, b):
            action()
            marks.append((process_time(), perf_counter()))
        start, middle, end = marks
        for which, name in enumerate(found):
            found[name].append((middle[which] - start[which]) / (end[which] - middle[which]))
    return {name: spread(values) for name, values in found.items()}


def save(name: str, results: Mapping[str, Any], *, shown: bool = True) -> None:
    """Write ``records/<name>.json`` and print it, unless it is not to be ``shown``."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    record = {
        "command": f"python benchmarks/{Path(sys.argv[0]).name} {' '.join(sys.argv[1:])}".strip(),
        "commit": commit.stdout.strip(),
        "environment": environment() | {"native_bf16": has_native_bf16(resolve_device("auto"))},
        **results,
    }
    text = json.dumps(record, indent=1) + "\n"
    (RECORDS / f"{name}.json").write_text(text)
    if shown:
        print(text)
