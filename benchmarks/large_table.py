"""A million scores of a hundred classes, with their controls, analysed whole: time and memory.

OMP_NUM_THREADS=2 python benchmarks/large_table.py [--images 1000000] [--classes 100]

The scores are drawn, not made by a critic: class means 0.3 standard deviations apart, controls that know half of it.
"""

from __future__ import annotations

import argparse
import resource
from time import perf_counter

import numpy as np
import pandas as pd
import record

from gan_probe.scoring.controls import STATISTICS
from gan_probe.scoring.table import ScoreTable
from gan_probe.studies.separation.analysis import analyse


def draw(n_images: int, n_classes: int) -> ScoreTable:
    rng = np.random.default_rng(0)
    classes = np.arange(n_images) % n_classes
    frame = pd.DataFrame(
        {
            "sample_id": [f"{i:016x}" for i in range(n_images)],
            "label": np.array([f"class-{c:03d}" for c in range(n_classes)])[classes],
            "seen": classes < n_classes // 2,
            "critic_score": (0.3 * classes + rng.normal(size=n_images)).astype(np.float32),
        }
    )
    for name in (*STATISTICS, "random_init.0", "random_init.1", "random_init.2"):
        frame[f"control.{name}"] = (0.15 * classes + rng.normal(size=n_images)).astype(np.float32)
    return ScoreTable(frame, {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--classes", type=int, default=100)
    arguments = parser.parse_args()
    table = draw(arguments.images, arguments.classes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    parts: list[tuple[str, float]] = []
    start = perf_counter()
    analysis = analyse(table, on_step=lambda part: parts.append((part, perf_counter())))
    seconds = perf_counter() - start
    ends = [*(t for _, t in parts[1:]), start + seconds]
    record.save(
        "large-table",
        {
            "what": f"analyse: {arguments.images:,} scores, {arguments.classes} classes, 10 controls, no embeddings",
            "within_a_minute": seconds < 60,
            "share_of_a_minute": round(seconds / 60, 2),
            "shares_of_the_time": {
                name: round((end - begin) / seconds, 2) for (name, begin), end in zip(parts, ends, strict=True)
            },
            "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
            "peak_gib_before": round(before / 2**20, 2),
            "n_pairs": len(analysis.pairs),
            "findings": analysis.findings(),
        },
    )


if __name__ == "__main__":
    main()
