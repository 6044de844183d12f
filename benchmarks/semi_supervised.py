"""MNIST with few labels and all images: the critic as a classifier of its classes and fakes, trained on both at once.

OMP_NUM_THREADS=1 python benchmarks/semi_supervised.py DATA.npz [--per-class 10] [--steps 7000] [--seeds 3]

DATA.npz holds digits as ``x_train``, ``y_train``, ``x_test``, ``y_test``. Each seed draws other labels and other
weights; the recipe is `semi-supervised` with more steps. Beside it the control that decides: the same network, labels
and pseudo-labels without a generator. Of the training images 5,000 are left out, and settings were chosen on them;
errors are those of the 10,000 test images. Trainings that are finished are not done again, so that several processes
may each do a part first (``--only``). Writes ``benchmarks/records/semi-supervised.json``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch

from gan_probe import train
from gan_probe.config import preset
from gan_probe.critics.critic import Critic
from gan_probe.images.image_set import ImageSet
from gan_probe.images.readers.few_labels import with_few_labels
from gan_probe.images.readers.reading import read_images

N_VALIDATION = 5000
# What is trained: changes to the recipe.
KINDS: dict[str, dict[str, Any]] = {"game": {}, "without a generator": {"without_generator": True}}


def error(critic: Critic, data: ImageSet) -> float:
    """Return the share of images that the critic gives another class."""
    return round(float(np.mean(critic.predict(data.images) != data.table["label"].astype(str).to_numpy())), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--per-class", type=int, default=10)
    parser.add_argument("--steps", type=int, default=7000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=list(KINDS))
    parser.add_argument("--runs", type=Path, default=Path("runs/semi-supervised"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = read_images(arguments.data, size_px=32)
    is_training = (data.table["split"] == "train").to_numpy()
    order = np.random.default_rng(0).permutation(np.flatnonzero(is_training))
    validation, training = data.take(np.sort(order[:N_VALIDATION])), data.take(np.sort(order[N_VALIDATION:]))
    test = data.take(~is_training)
    config = preset("semi-supervised").updated({"steps": arguments.steps, "n_snapshots": 1, "precision": "fp32"})
    kinds = [arguments.only] if arguments.only else list(KINDS)
    rows: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    for kind in kinds:
        for seed in range(arguments.seeds):
            before = time.process_time()
            run = arguments.runs / f"{kind.replace(' ', '-')}-{arguments.per_class}-{arguments.steps}-{seed}"
            labelled = with_few_labels(training, str(arguments.per_class), seed=seed)
            critic = train(labelled, run, config.updated({"seed": seed, **KINDS[kind]}), resume=True)
            spent = round(time.process_time() - before)
            errors = {"validation": error(critic, validation), "test": error(critic, test)}
            rows[kind].append({"seed": seed, "cpu_s": spent, **errors})
            print(kind, rows[kind][-1], flush=True)
    if arguments.only:
        return
    record.save(
        "semi-supervised",
        {
            "what": "test error of a critic trained with few labels and all images; other labels and weights each seed",
            "recipe": config.as_dict(),
            "labels_per_class": arguments.per_class,
            "n_training": len(training),
            "test_error": {kind: record.spread([row["test"] for row in found]) for kind, found in rows.items()},
            "runs": rows,
        },
        shown=False,
    )


if __name__ == "__main__":
    main()
