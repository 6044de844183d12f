"""Five labels a class, snapshot by snapshot: a shrunken discriminant, ridge regression and the better of both.

OMP_NUM_THREADS=1 python benchmarks/few_labels.py DATA RUN [RUN ...]

Median and range over the runs; DATA is a set on which nothing is reported otherwise (``jitter-dev``).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import record
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gan_probe.critics.critic import Critic
from gan_probe.images.readers.reading import read_images
from gan_probe.stats.linear import fit_discriminant
from gan_probe.stats.margin import FEW, N_DRAWS, few_shot


def few_by_discriminant(rows: np.ndarray, labels: np.ndarray) -> float:
    return few_by(fit_discriminant, rows, labels)


def few_by_ridge(rows: np.ndarray, labels: np.ndarray) -> float:
    return few_by(make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=np.logspace(-2, 4, 7))).fit, rows, labels)


def few_by(fit: Callable[[np.ndarray, np.ndarray], Any], rows: np.ndarray, labels: np.ndarray) -> float:
    rng, found = np.random.default_rng(0), []
    for _ in range(N_DRAWS):
        by_class = [rng.choice(np.flatnonzero(labels == name), FEW, replace=False) for name in np.unique(labels)]
        drawn = np.concatenate(by_class)
        rest = np.setdiff1d(np.arange(len(labels)), drawn)
        found.append((fit(rows[drawn], labels[drawn]).predict(rows[rest]) == labels[rest]).mean())
    return float(np.mean(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    arguments = parser.parse_args()
    images = read_images(arguments.data)
    labels = images.table["label"].astype(str).to_numpy()
    steps = {}
    for snapshot in sorted(p.name for p in (arguments.runs[0] / "snapshots").iterdir()):
        rows = [Critic.load(run / "snapshots" / snapshot).embed(images.images) for run in arguments.runs]
        steps[int(snapshot.removeprefix("step-"))] = {
            "discriminant": record.spread([few_by_discriminant(r, labels) for r in rows]),
            "ridge": record.spread([few_by_ridge(r, labels) for r in rows]),
            "better": record.spread([float(np.nanmean(few_shot(r, labels, 0))) for r in rows]),
        }
    record.save("few-labels", {"what": f"{FEW} labels a class, {N_DRAWS} draws, by training step", "steps": steps})


if __name__ == "__main__":
    main()
