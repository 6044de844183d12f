"""Clusters found and chosen without labels: the rule of choice, and the critic beside its controls; development data.

OMP_NUM_THREADS=1 python benchmarks/clusters.py CLOTHING.npz --work DIR

Data and trainings are those of ``poolings.py``, images that no training saw. "rules": of each critic's embedding the
clustering that is chosen by `stable_bits` over two spaces, and the one that was chosen before: as they are, k by
silhouette, the stablest of the three methods, of equals (within 0.02) the finest. "controls": by `stable_bits`, in the
embeddings of randomly initialised critics (one for each training), and in pixels, HOG and k-means patches.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch
from poolings import SEEDS, development_sets

from gan_probe import Critic, TrainConfig, train
from gan_probe.scoring.controls import PROBED
from gan_probe.stats import clustering
from gan_probe.stats.clustering import PLAIN, Clustering, cluster, prepare

TIED = 0.02
MEASURES = ("accuracy", "ari", "ami")


def chosen(rows: np.ndarray, labels: np.ndarray, *, standardise: bool = True) -> Clustering:
    return next(c for c in cluster(rows, labels, standardise=standardise) if c.is_chosen)


def chosen_before(rows: np.ndarray, labels: np.ndarray) -> Clustering:
    prepared = prepare(rows)
    found = []
    for method, k in (
        ("k-means", clustering._k_by_silhouette(prepared, 0)),
        ("Gaussian mixture", clustering._k_by_bic(prepared, 0)),
        ("HDBSCAN", 0),
    ):
        fit = clustering.METHODS[method][0]
        given = fit(prepared, k, 0)(prepared).astype(np.intp)
        n = len(set(given.tolist()) - {clustering.NOISE})
        stability = clustering.resampled(fit, prepared, k)
        found.append(Clustering(method, PLAIN, n, clustering.agreement(given, labels), 0.0, stability, given))
    blind = [c for c in found if c.k > 1]
    most = max(c.stability for c in blind)
    return max((c for c in blind if c.stability >= most - TIED), key=lambda c: (c.k, c.stability))


def sources(critic: Critic, images: np.ndarray, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    yield "critic", critic.embed(images)
    yield "random_init", critic.random_init(seed).embed(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clothing", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rules: dict[str, Any] = {}
    controls: dict[str, Any] = {}

    def keep(table: dict[str, Any], data: str, name: str, c: Clustering) -> None:
        entry = table.setdefault(data, {}).setdefault(name, {m: [] for m in (*MEASURES, "k")})
        for measure in MEASURES:
            entry[measure].append(c.agreement[measure].value)
        entry["k"].append(c.k)
        print(data, name, c.method, c.space, c.k, *(round(entry[m][-1], 3) for m in MEASURES), flush=True)

    for data, (seen, others) in development_sets(given.clothing).items():
        labels = others.table["label"].to_numpy().astype(str)
        for seed in SEEDS:
            config = TrainConfig(seed=seed, n_snapshots=0, precision="fp32")
            critic = train(seen, given.work / f"{data}-{seed}", config, resume=True)
            for name, rows in sources(critic, others.images, seed):
                found = chosen(rows, labels)
                keep(controls, data, name, found)
                if name == "critic":
                    keep(rules, data, "stable bits", found)
                    keep(rules, data, "before", chosen_before(rows, labels))
        for name in ("pixels", "hog", "kmeans_patches"):
            rows = PROBED[name](others.images, 0)(others.images)
            keep(controls, data, name, chosen(rows, labels, standardise=False))

    def spread(table: dict[str, Any]) -> dict[str, Any]:
        return {
            data: {name: {m: record.spread(v) for m, v in entry.items()} for name, entry in of.items()}
            for data, of in table.items()
        }

    what = "agreement of clusters chosen without labels with the classes, over trainings"
    record.save("clusters", {"what": what, "rules": spread(rules), "controls": spread(controls)}, shown=False)


if __name__ == "__main__":
    main()
