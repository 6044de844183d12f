"""Which pooling of a critic's layers serves classification: on development data, several trainings each.

OMP_NUM_THREADS=1 python benchmarks/poolings.py CLOTHING.npz

Data: ``jitter-dev``, scikit-learn's digits, and of the photos of garments the parts train and validation (the part test
is for reports). 32 pixels, 300 steps of `compact`, whose training sees no labels. A linear probe (`fit_best`) learns
from 5, 20 and, where there are so many, 100 labels a class, drawn five times, and is tested on images that no training
saw.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import record
import torch
from sklearn.datasets import load_digits

from gan_probe import TrainConfig, train
from gan_probe.critics.features import POOLINGS
from gan_probe.images.image_set import ImageSet, hold_out
from gan_probe.images.readers.decode import resize_array
from gan_probe.images.readers.reading import read_images
from gan_probe.stats.linear import fit_best
from synthetic import make_dataset, sample_id

SIDE_PX, LABELS, DRAWS, SEEDS = 32, (5, 20, 100), 5, (0, 1, 2)


def image_set(images: np.ndarray, labels: Any, name: str) -> ImageSet:
    small = np.stack([resize_array(image, SIDE_PX) for image in images])
    return ImageSet(small, pd.DataFrame({"sample_id": [*map(sample_id, small)], "label": list(labels)}), Path(name))


def development_sets(clothing: Path) -> dict[str, tuple[ImageSet, ImageSet]]:
    """Return images to train on and others to probe, by data set."""
    garments = read_images(clothing, size_px=SIDE_PX)
    split = garments.table["split"]
    dev = make_dataset("jitter-dev", per_class=200, seed=0)
    digits = load_digits()
    pixels = (digits.images * (255 / 16)).round().astype(np.uint8)[..., None]
    halves = {
        "jitter-dev": hold_out(image_set(dev.images, dev.table["label"], "jitter-dev"), 0.5),
        "digits": hold_out(image_set(pixels, digits.target.astype(str), "digits"), 0.5),
        "garments": (garments.take((split == "train").to_numpy()), garments.take((split == "validation").to_numpy())),
    }
    return halves


def accuracies(rows: np.ndarray, labels: np.ndarray, n: int) -> list[float]:
    rng, found = np.random.default_rng(0), []
    for _ in range(DRAWS):
        drawn = np.concatenate(
            [rng.choice(np.flatnonzero(labels == name), n, replace=False) for name in np.unique(labels)]
        )
        rest = np.setdiff1d(np.arange(len(labels)), drawn)
        found.append(float((fit_best(rows[drawn], labels[drawn]).predict(rows[rest]) == labels[rest]).mean()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clothing", type=Path)
    torch.set_num_threads(1)
    table: dict[str, Any] = {}
    for name, (seen, others) in development_sets(parser.parse_args().clothing).items():
        labels = others.table["label"].to_numpy()
        fewest = int(others.table["label"].value_counts().min())
        for seed in SEEDS:
            with tempfile.TemporaryDirectory() as folder:
                critic = train(seen, Path(folder) / "run", TrainConfig(seed=seed, n_snapshots=0, precision="fp32"))
            for pooling in POOLINGS:
                rows = critic.embed(others.images, pooling=pooling)
                for n in (n for n in LABELS if n < fewest):
                    found = table.setdefault(name, {}).setdefault(f"{n} labels", {}).setdefault(pooling, [])
                    found.append(float(np.mean(accuracies(rows, labels, n))))
                    print(name, seed, pooling, rows.shape[1], n, round(found[-1], 4), flush=True)
    spread = {
        name: {n: {pooling: record.spread(values) for pooling, values in by.items()} for n, by in of.items()}
        for name, of in table.items()
    }
    record.save("poolings", {"what": "accuracy of a linear probe by pooling, over trainings", "accuracy": spread})


if __name__ == "__main__":
    main()
