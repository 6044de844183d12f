"""How far one gets on the harder data sets: pixels, image statistics, HOG, k-means patches, and trained critics.

OMP_NUM_THREADS=1 python benchmarks/hard_sets.py [--seeds 0,1,2] [--per-class 40] [--sets jitter-test,...] [--runs DIR]

Accuracy is that of a ridge classifier on standardised columns, its penalty chosen on the training folds, in 5-fold
cross-validation; k-means clusters the pixels' components into as many clusters as there are classes. Each seed draws
other images, and trains another critic on the set's two seen classes (the default recipe; its embedding by the pooling
"mean", for things lie anywhere) beside one with random weights. Trainings in DIR that are finished are not done again.
``texture-shape-test`` is asked three times: for both cues, for the shape alone, for the texture alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch
from sklearn.cluster import KMeans
from sklearn.linear_model import RidgeClassifierCV
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gan_probe import TrainConfig, train
from gan_probe.images.image_set import from_synthetic
from gan_probe.scoring.controls import PROBED, measure_statistics
from gan_probe.scoring.image_statistics import pixel_components
from synthetic import make_dataset

# Name of the data set and the column that is asked for.
QUESTIONS = (
    ("article-test", "label"),
    ("jitter-test", "label"),
    ("equal-area-test", "label"),
    ("equal-colour-test", "label"),
    ("equal-noise-test", "label"),
    ("texture-shape-test", "label"),
    ("texture-shape-test", "factor.shape"),
    ("texture-shape-test", "factor.texture"),
    ("occluded-test", "label"),
    ("cluttered-test", "label"),
)
PENALTIES = np.logspace(-1, 5, 7)

# Images (n, h, w, c) uint8 and a seed in, rows (n, d) out.
CONTROLS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "pixels": lambda images, seed: pixel_components(images, seed=seed),
    "regressors": lambda images, seed: np.column_stack(list(measure_statistics(images).values())),
    "hog": lambda images, seed: PROBED["hog"](images, seed)(images),
    "kmeans_patches": lambda images, seed: PROBED["kmeans_patches"](images, seed)(images),
}


def critic_rows(name: str, images: np.ndarray, seed: int, runs: Path) -> dict[str, np.ndarray]:
    """Return the embedding of a critic trained on the seen classes of a set, and of one with random weights."""
    seen = from_synthetic(make_dataset(name.replace("-test", "-train"), seed=seed))
    config = TrainConfig(seed=seed, n_snapshots=0, precision="fp32")
    critic = train(seen, runs / f"{name}-{seed}", config, resume=True)
    random_init = critic.random_init(seed)
    return {"critic": critic.embed(images, pooling="mean"), "random_init": random_init.embed(images, pooling="mean")}


def accuracy(rows: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """Return the cross-validated accuracy of a linear probe, 0 to 1."""
    probe = make_pipeline(StandardScaler(), RidgeClassifierCV(PENALTIES))
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    return float(cross_val_score(probe, rows, labels, cv=folds).mean())


def clustering(rows: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """Return the adjusted Rand index of k-means against the labels: 0 is chance, 1 is the same partition."""
    found = KMeans(len(set(labels)), n_init=10, random_state=seed).fit_predict(rows)
    return float(adjusted_rand_score(labels, found))


def measure(name: str, seeds: list[int], per_class: int, runs: Path) -> dict[str, dict[str, object]]:
    """Return for each column asked for its chance level and the spread over seeds of every number."""
    columns = [column for asked, column in QUESTIONS if asked == name]
    values: dict[str, dict[str, list[float]]] = {column: {} for column in columns}
    chance = {}
    for seed in seeds:
        data = make_dataset(name, per_class=per_class, seed=seed)
        rows = {control: encode(data.images, seed) for control, encode in CONTROLS.items()}
        rows |= critic_rows(name, data.images, seed, runs)
        for column in columns:
            labels = data.table[column].to_numpy(str)
            chance[column] = 1 / len(set(labels))
            found = {source: accuracy(rows[source], labels, seed) for source in rows}
            found["pixels, k-means ARI"] = clustering(rows["pixels"], labels, seed)
            for key, value in found.items():
                values[column].setdefault(key, []).append(value)
    return {
        column: {"chance": round(chance[column], 4)} | {key: _spread(v) for key, v in found.items()}
        for column, found in values.items()
    }


def _spread(values: list[float]) -> dict[str, object]:
    return {"mean": round(float(np.mean(values)), 4)} | record.spread([round(v, 4) for v in values])


def print_table(results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Print Markdown: the mean over seeds, and smallest to largest."""
    for name, questions in results.items():
        for column, found in questions.items():
            asked = "" if column == "label" else f", {column.removeprefix('factor.')} alone"
            cells = [f"{found['chance']:.2f}"] + [
                "{:.2f} ({:.2f} to {:.2f})".format(*(round(v[k], 2) + 0.0 for k in ("mean", "min", "max")))
                for key, v in found.items()
                if key != "chance"
            ]
            print(f"| `{name}`{asked} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--per-class", type=int, default=40)
    parser.add_argument("--sets", default=",".join(dict.fromkeys(name for name, _ in QUESTIONS)))
    parser.add_argument("--runs", type=Path, default=Path("runs/hard-sets"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    seeds = [int(seed) for seed in options.seeds.split(",")]
    results: dict[str, Any] = {}
    for name in options.sets.split(","):
        results[name] = measure(name, seeds, options.per_class, options.runs)
        record.save(
            "hard-sets",
            {
                "what": "5-fold cross-validated accuracy of linear probes, ARI of k-means; other images each seed",
                "per_class": options.per_class,
                "seeds": seeds,
                "sets": results,
            },
            shown=False,
        )
    print_table(results)


if __name__ == "__main__":
    main()
