"""The smallest differences of noise, colour and size that critics tell, over trainings, beside random critics.

python benchmarks/detectable.py NAME=RUN,RUN,... [NAME=...] [--specs factors,jitter-test] [--bases 40] [--seed 0]

Each NAME is one kind of training, its RUNs are run folders of several seeds. A difference is null where no swept one is
told; medians, smallest and largest count it as larger than all.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Sequence
from typing import Any

import record

from gan_probe.critics.critic import Critic
from gan_probe.studies.factors.study import fitted, responses

FACTORS = ("noise", "base", "size")
UNTRAINED_SEEDS = range(101, 106)
Found = dict[str, dict[str, Any]]  # by question: where it starts, how far it was swept, and both differences


def ask(critic: Critic, spec: str, n_bases: int, seed: int) -> Found:
    """Return the smallest differences of one critic, by setting, factor and direction."""
    answers = responses(critic, fitted(spec, critic), only=FACTORS, controls=False, n_bases=n_bases, seed=seed)
    return {
        f"{r.setting}: {r.name}": {
            "from": r.swept[0],
            "largest": r.noticed.largest,
            "noticed": r.noticed.value,
            "separated": r.separated.value,
        }
        for r in answers
        if r.noticed is not None and r.separated is not None
    }


def spread(values: Sequence[float | None]) -> dict[str, Any]:
    """Return n, median, smallest, largest and all values, null where no swept difference is told."""
    numbers = [math.inf if v is None else v for v in values]
    ends = {"median": statistics.median(numbers), "min": min(numbers), "max": max(numbers)}
    return {
        "n": len(values),
        **{k: round(v, 6) if math.isfinite(v) else None for k, v in ends.items()},
        "values": list(values),
    }


def together(trained: Sequence[Found], random_init: Sequence[Found]) -> dict[str, Any]:
    """Return both differences of every question over trainings and over randomly initialised critics."""
    return {
        question: {
            "from": first["from"],
            "largest": first["largest"],
            **{
                what: {
                    "trained": spread([found[question][what] for found in trained]),
                    "random_init": spread([found[question][what] for found in random_init]),
                }
                for what in ("noticed", "separated")
            },
        }
        for question, first in trained[0].items()
    }


def print_table(results: dict[str, Any]) -> None:
    """Print Markdown: medians and ranges of the differences that are noticed."""

    def words(found: dict[str, Any], largest: float) -> str:
        low, middle, high = (
            f"{v:g}" if (v := found[k]) is not None else f"> {largest:g}" for k in ("min", "median", "max")
        )
        return middle if low == high else f"{middle} ({low} to {high})"

    for spec, groups in results.items():
        for question in next(iter(groups.values())):
            cells = [
                words(group[question]["noticed"][of], group[question]["largest"])
                for group in groups.values()
                for of in ("trained", "random_init")
            ]
            start = next(iter(groups.values()))[question]["from"]
            print(f"| `{spec}` | {question} | {start:g} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="+", metavar="NAME=RUN,RUN,...")
    parser.add_argument("--specs", default="factors")
    parser.add_argument("--bases", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    groups = {name: runs.split(",") for name, _, runs in (group.partition("=") for group in options.groups)}
    results: dict[str, dict[str, Any]] = {}
    for spec in options.specs.split(","):
        results[spec] = {}
        for name, runs in groups.items():
            critics = [Critic.load(run) for run in runs]
            twins = [critics[0].random_init(seed) for seed in UNTRAINED_SEEDS]
            trained, random_init = (
                [ask(critic, spec, options.bases, options.seed) for critic in several] for several in (critics, twins)
            )
            results[spec][name] = together(trained, random_init)
    record.save(
        "detectable",
        {
            "what": "smallest differences told at AUROC 0.75 (noticed) and 0.99 (separated); null: no swept one",
            "n_bases": options.bases,
            "seed": options.seed,
            "n_runs": {name: len(runs) for name, runs in groups.items()},
            "specs": results,
        },
    )
    print_table(results)


if __name__ == "__main__":
    main()
