"""Real photos: what the preset `photos` learns, and whether the game adds anything. On validation images only.

OMP_NUM_THREADS=1 python benchmarks/photos.py CLOTHING.npz [--size 64] [--steps 600] [--seeds 3] [--runs runs/photos]
    [--candidates NAME ...] [--name photos]

Critics are trained without labels on the part ``train`` of the photos of garments. Labels are drawn from the same
part, the same draws for everything that is compared, and a linear probe (`fit_best`) is tested on the part
``validation``; the part ``test`` is not used. Trainings that are finished are not done again, so what was cut off goes
on. Writes ``benchmarks/records/NAME.json``; without candidates it compares what nobody trained.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch

from gan_probe import TrainConfig, train
from gan_probe.config import preset
from gan_probe.critics.critic import Critic
from gan_probe.images.image_set import ImageSet
from gan_probe.images.readers.reading import read_images
from gan_probe.scoring.controls import PROBED
from gan_probe.stats.linear import fit_best
from gan_probe.studies.probe.result import draw_labels, joined_layers, scaled_rows
from gan_probe.training import RunFolder

PER_CLASS, N_DRAWS = (1, 5, 10, 50), 10
# What differs from the preset. All take as many critic updates on batches of as many images, and the same batches.
CANDIDATES: dict[str, dict[str, Any]] = {
    "photos": {},
    "photos without generator": {"without_generator": True},
    "photos without auxiliary task": {"auxiliary": ""},
    "photos, network compact": {"network": "compact"},
}
UNTRAINED = {"randomly initialised": preset("photos").network, "randomly initialised, network compact": "compact"}


def recipe(change: Mapping[str, Any], *, steps: int, seed: int) -> TrainConfig:
    """Return the preset with a change."""
    return preset("photos").updated({"steps": steps, "seed": seed, "precision": "fp32", "n_snapshots": 1, **change})


def accuracies(rows: np.ndarray, data: ImageSet) -> dict[int, float]:
    """Return the mean accuracy on validation images, by labels a class."""
    labels, part = data.table["label"].astype(str).to_numpy(), data.table["split"].to_numpy()
    pool, tested = np.flatnonzero(part == "train"), np.flatnonzero(part == "validation")
    rows, found = scaled_rows(rows, pool), {}
    for n in PER_CLASS:
        drawn = [draw_labels(labels, pool, n, np.random.default_rng((n, draw))) for draw in range(N_DRAWS)]
        right = [fit_best(rows[d], labels[d]).predict(rows[tested]) == labels[tested] for d in drawn]
        found[n] = round(float(np.mean(right)), 4)
    return found


def probed(critic: Critic, data: ImageSet) -> dict[str, dict[int, float]]:
    """Return the accuracies of a critic's features: all layers, as `probe` puts them side by side, and its last one."""
    pool = np.flatnonzero(data.table["split"] == "train")
    layers = [critic.embed(data.images, layers=[layer]) for layer in critic.config.layers]
    return {"all layers": accuracies(joined_layers(layers, pool), data), "last layer": accuracies(layers[-1], data)}


def controls(training: ImageSet) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return what nobody trained; HOG once more as the network `oriented` sees images, with their mirror images."""
    hog, patches = (PROBED[name](training.images, 0) for name in ("hog", "kmeans_patches"))
    both = "hog, mean with the mirror image"
    return {"hog": hog, both: lambda x: (hog(x) + hog(np.flip(x, 2).copy())) / 2, "kmeans_patches": patches}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clothing", type=Path)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=preset("photos").steps)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/photos"))
    parser.add_argument("--candidates", nargs="*", choices=CANDIDATES, default=list(CANDIDATES))
    parser.add_argument("--name", default="photos")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = read_images(arguments.clothing, size_px=arguments.size)
    data = data.take((data.table["split"] != "test").to_numpy())
    training = data.take((data.table["split"] == "train").to_numpy())
    rows: list[dict[str, Any]] = []
    for name, encode in controls(training).items():
        rows.append({"candidate": name, "seed": 0, "accuracy": {"all layers": accuracies(encode(data.images), data)}})
        print(rows[-1], flush=True)
    for seed in range(arguments.seeds):
        for name, network in UNTRAINED.items():
            untrained = Critic.from_network(network, data.image_shape, seed=101 + seed)
            rows.append({"candidate": name, "seed": seed, "accuracy": probed(untrained, data)})
            print(rows[-1], flush=True)
        record.save(arguments.name, summary(rows, arguments, len(training)), shown=False)
        for name in arguments.candidates:
            change = CANDIDATES[name]
            run = arguments.runs / f"{name.replace(' ', '-')}-{seed}"
            before, is_new = time.process_time(), not (run / "critic").exists()
            critic = train(training, run, recipe(change, steps=arguments.steps, seed=seed), resume=True)
            health = RunFolder(run).read_health()
            rows.append(
                {
                    "candidate": name,
                    "seed": seed,
                    **({"cpu_s": round(time.process_time() - before)} if is_new else {}),
                    "accuracy": probed(critic, data),
                    "diversity": health[-1]["diversity"] if health else None,
                    "n_covered": health[-1].get("n_covered") if health else None,
                }
            )
            print(rows[-1], flush=True)
            record.save(arguments.name, summary(rows, arguments, len(training)), shown=False)


def summary(rows: list[dict[str, Any]], arguments: argparse.Namespace, n_training: int) -> dict[str, Any]:
    """Return what the record holds: every value, and what candidates have over one another on the same seeds."""
    names = list(dict.fromkeys(row["candidate"] for row in rows))
    by = {(row["candidate"], row["seed"]): row["accuracy"] for row in rows}

    def ahead(of: str, over: str, which: str, n: int) -> dict[str, Any] | None:
        seeds = [seed for seed in range(arguments.seeds) if (of, seed) in by and (over, seed) in by]
        return record.spread([by[of, s][which][n] - by[over, s][which][n] for s in seeds]) if seeds else None

    return {
        "command": f"python benchmarks/photos.py clothing.npz --size {arguments.size} --steps {arguments.steps}"
        f" --seeds {arguments.seeds} --name {arguments.name} --candidates"
        f" {' '.join(map(repr, arguments.candidates))}".rstrip(),
        "what": "accuracy of a linear probe on validation images by labels a class; mean of 10 draws, one value a seed",
        "recipe": recipe({}, steps=arguments.steps, seed=0).as_dict(),
        "size_px": arguments.size,
        "n_training": n_training,
        "n_draws": N_DRAWS,
        "accuracy": {
            name: {
                which: {
                    n: record.spread([found[which][n] for (other, _), found in by.items() if other == name])
                    for n in PER_CLASS
                }
                for which in next(found for (other, _), found in by.items() if other == name)
            }
            for name in names
        },
        "the game adds": {
            which: {n: ahead("photos", "photos without generator", which, n) for n in PER_CLASS}
            for which in ("all layers", "last layer")
        },
        "the task adds": {
            which: {n: ahead("photos", "photos without auxiliary task", which, n) for n in PER_CLASS}
            for which in ("all layers", "last layer")
        },
        "runs": rows,
    }


if __name__ == "__main__":
    main()
