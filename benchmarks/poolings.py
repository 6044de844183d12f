"""How a critic's layers are read out for classification: on development data, several trainings each.

OMP_NUM_THREADS=1 python benchmarks/poolings.py CLOTHING.npz --work DIR

Data: ``jitter-dev``, scikit-learn's digits, and of the photos of garments the parts train and validation (the part test
is for reports). 32 pixels, 300 steps of `compact`, whose training sees no labels; trainings in DIR are used again. A
linear classifier (`fit_best`) learns from 1, 5 and 20 labels a class, drawn three times, and is tested on the other
images, which no training saw. `READOUTS` are compared: poolings, alone and side by side; which layers; features
averaged over an image and its mirror image; whitening, on all images without their labels. "mean rank" is over data
sets and numbers of labels, 1 is the best; "mean accuracy" likewise.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import record
import torch
from sklearn.datasets import load_digits

from gan_probe import Critic, TrainConfig, train
from gan_probe.critics.features import pool, watched
from gan_probe.images.image_set import ImageSet, hold_out
from gan_probe.images.pixels import to_network
from gan_probe.images.readers.decode import resize_array
from gan_probe.images.readers.reading import read_images
from gan_probe.stats.linear import fit_best
from synthetic import make_dataset, sample_id

SIDE_PX, LABELS, DRAWS, SEEDS = 32, (1, 5, 20), 3, (0, 1, 2)
POOLED = ("mean", "std", "max", "grid4", "quadrants")
N_WHITE = 200  # directions that whitening keeps


class Readout(NamedTuple):
    """Poolings side by side, of all layers or of some."""

    poolings: tuple[str, ...]
    layers: slice = slice(None)
    mirrored: bool = False
    white: bool = False


WHOLE = ("mean", "std", "quadrants")  # what the pooling "pyramid" is
READOUTS: dict[str, Readout] = {
    "mean": Readout(("mean",)),
    "std": Readout(("std",)),
    "max": Readout(("max",)),
    "grid4": Readout(("grid4",)),
    "quadrants": Readout(("quadrants",)),
    "mean, std": Readout(("mean", "std")),
    "mean, std, max": Readout(("mean", "std", "max")),
    "mean, std, grid4": Readout(("mean", "std", "grid4")),
    "mean, quadrants": Readout(("mean", "quadrants")),
    "pyramid": Readout(WHOLE),
    "pyramid of the upper half": Readout(WHOLE, slice(2, None)),
    "pyramid of the last layer": Readout(WHOLE, slice(-1, None)),
    "pyramid with the mirror image": Readout(WHOLE, mirrored=True),
    "pyramid, whitened": Readout(WHOLE, white=True),
    "mean, std, whitened": Readout(("mean", "std"), white=True),
}


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
    return {
        "jitter-dev": hold_out(image_set(dev.images, dev.table["label"], "jitter-dev"), 0.5),
        "digits": hold_out(image_set(pixels, digits.target.astype(str), "digits"), 0.5),
        "garments": (garments.take((split == "train").to_numpy()), garments.take((split == "validation").to_numpy())),
    }


def pooled_layers(critic: Critic, images: np.ndarray) -> dict[str, list[np.ndarray]]:
    """Return the features of each layer by each pooling, from one pass."""
    layers, parts = critic.config.layers, []
    with torch.inference_mode(), watched(critic.module, layers) as caught:
        for start in range(0, len(images), 32):
            critic.module(to_network(images[start : start + 32]))
            parts.append({how: [pool(caught[name], how).numpy() for name in layers] for how in POOLED})
    return {how: [np.concatenate([p[how][i] for p in parts]) for i in range(len(layers))] for how in POOLED}


def whitened(rows: np.ndarray) -> np.ndarray:
    scaled = (rows - rows.mean(0)) / np.where(rows.std(0) > 0, rows.std(0), 1)
    left, sizes, _ = np.linalg.svd(scaled, full_matrices=False)
    kept = sizes[:N_WHITE]
    return left[:, :N_WHITE] * kept / np.sqrt(kept**2 + (sizes**2).mean())  # small directions are not blown up


def side_by_side(of: dict[str, list[np.ndarray]], how: Readout) -> np.ndarray:
    """Return poolings side by side; a layer without positions, which all of them leave as it is, once."""
    first, *others = how.poolings
    parts = list(of[first][how.layers])
    for other in others:
        parts += [p for p, q in zip(of[other][how.layers], of[first][how.layers], strict=True)
                  if p.shape != q.shape or (p != q).any()]  # fmt: skip
    return np.concatenate(parts, axis=1)


def readouts(critic: Critic, images: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    seen = pooled_layers(critic, images)
    turned = pooled_layers(critic, np.ascontiguousarray(images[:, :, ::-1]))
    for name, how in READOUTS.items():
        both = [side_by_side(of, how) for of in ((seen, turned) if how.mirrored else (seen,))]
        rows = np.mean(both, axis=0)
        yield name, whitened(rows) if how.white else rows


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
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    table: dict[str, Any] = {}
    for data, (seen, others) in development_sets(given.clothing).items():
        labels = others.table["label"].to_numpy()
        counts = [n for n in LABELS if n < others.table["label"].value_counts().min()]
        for seed in SEEDS:
            config = TrainConfig(seed=seed, n_snapshots=0, precision="fp32")
            critic = train(seen, given.work / f"{data}-{seed}", config, resume=True)
            for name, rows in readouts(critic, others.images):
                for n in counts:
                    found = table.setdefault(data, {}).setdefault(f"{n} labels", {}).setdefault(name, [])
                    found.append(float(np.mean(accuracies(rows, labels, n))))
                told = [round(table[data][f"{n} labels"][name][-1], 4) for n in counts]
                print(data, seed, name, rows.shape[1], *told, flush=True)
    means = pd.DataFrame({(d, n): {name: np.mean(v) for name, v in by.items()} for d, of in table.items()
                          for n, by in of.items()})  # fmt: skip
    ranks = means.rank(ascending=False).mean(axis=1).sort_values()
    overall = means.mean(axis=1).sort_values(ascending=False)
    spread = {
        data: {n: {name: record.spread(values) for name, values in by.items()} for n, by in of.items()}
        for data, of in table.items()
    }
    what = "accuracy of a linear classifier by readout, over trainings"
    summary = {"mean rank": ranks.round(2).to_dict(), "mean accuracy": overall.round(4).to_dict()}
    record.save("poolings", {"what": what, **summary, "accuracy": spread}, shown=False)


if __name__ == "__main__":
    main()
