"""MNIST: how many labels a critic's features need, and where fine-tuning beats training from scratch.

python benchmarks/probe_mnist.py DATA.npz [--run RUN] [--draws 30]

DATA.npz holds MNIST as ``x_train``, ``y_train``, ``x_test``, ``y_test``. The critic is trained without labels on the
60,000 training images, resized to 32 pixels. Labels are drawn from 10,000 of them, settings chosen on 2,000 others, and
errors measured on the 10,000 test images. Writes ``reports/probe-mnist`` and ``benchmarks/records/probe-mnist.json``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import record

from gan_probe import TrainConfig, train
from gan_probe.estimators import CriticClassifier
from gan_probe.images.image_set import ImageSet
from gan_probe.images.readers.reading import read_images
from gan_probe.stats.splits import split_rows
from gan_probe.studies.probe import result as probing
from gan_probe.studies.probe.study import probe

# Chosen among n_critic 1, 2, 5, 10 (14.2, 11.8, 10.5, 10.1 % error with 100 labels on 5,000 training images that no
# label was drawn from, after 2,000 to 2,700 critic updates, one seed each) and penalty_weight 1, 10, 50 (10 is best).
RECIPE = TrainConfig(steps=2500, n_critic=6, batch_size=64, latent_dim=64, n_snapshots=0)
MAX_POOL = 10_000
PER_CLASS = (1, 2, 5, 10, 20, 50, 100)  # then all
FINETUNED = (1, 2, 5, 10, 50, 100)
N_FINETUNED = 5  # draws


def pool_of(data: ImageSet) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels, and the rows that labels are drawn from: those of the probe."""
    labels = data.table["label"].astype(str).to_numpy()
    return labels, split_rows(labels, data.table["split"].to_numpy(), max_pool=MAX_POOL).pool


def finetuning(data: ImageSet, run: Path) -> list[dict[str, object]]:
    """Return errors of a frozen probe, the critic fine-tuned, and the same network from scratch, on the same draws."""
    labels, pool = pool_of(data)
    test = np.flatnonzero(data.table["split"] == "test")
    rows = data.images.reshape(len(data), -1)
    kinds: dict[str, dict[str, Any]] = {
        "frozen probe": {"critic": str(run)},
        "fine-tuned": {"critic": str(run), "mode": "finetune"},
        "from scratch": {"critic": None, "mode": "finetune"},
    }
    results = []
    for per_class in FINETUNED:
        errors: dict[str, list[float]] = {name: [] for name in kinds}
        for draw in range(N_FINETUNED):
            drawn = probing.draw_labels(labels, pool, per_class, np.random.default_rng((0, per_class, draw)))
            for name, options in kinds.items():
                model = CriticClassifier(**options, random_state=draw, image_shape=(32, 32, 1))
                model.fit(rows[drawn], labels[drawn])
                errors[name].append(1 - model.score(rows[test], labels[test]))
        gain = np.subtract(errors["from scratch"], errors["fine-tuned"])
        row = {"labels_per_class": per_class, "errors": errors, "fine_tuned_better_by": record.spread(gain.tolist())}
        print(row, flush=True)
        results.append(row)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--run", type=Path, default=Path("runs/mnist"), help="run folder; a finished one is used")
    parser.add_argument("--draws", type=int, default=30)
    arguments = parser.parse_args()
    data = read_images(arguments.data, size_px=32)
    training = data.take((data.table["split"] == "train").to_numpy())
    critic = train(training, arguments.run, RECIPE, resume=True)
    per_class = (*PER_CLASS, probing.label_counts(*pool_of(data))[-1])
    result = probe(critic, data, per_class=per_class, n_draws=arguments.draws, max_pool=MAX_POOL)
    command = "python benchmarks/probe_mnist.py mnist.npz"
    title = "MNIST: how many labels a critic's features need"
    result.save(Path("reports/probe-mnist"), title=title, command=command, overwrite=True)
    print("\n".join(result.findings()), flush=True)
    hundred = next(o for o in result.of(probing.CRITIC, "linear") if o.per_class == 10)
    low, high = hundred.interval()
    record.save(
        "probe-mnist",
        {
            "what": "MNIST test error with few labels, features of a critic trained without labels",
            "recipe": RECIPE.as_dict(),
            "error_at_100_labels": {"linear": 1 - hundred.accuracy(), "ci_low": 1 - high, "ci_high": 1 - low},
            "n_draws": hundred.n_draws,
            "findings": result.findings(),
            "fine_tuning": finetuning(data, arguments.run),
        },
    )


if __name__ == "__main__":
    main()
