"""The article's experiment over seeds: how many of its 45 pairs one critic's score separates, step by step.

python benchmarks/article.py [--seeds 0,1,2,3,4] [--test article-test] [--average 0.997] [--preset compact]

The critic that counts is the one that the training leaves: the average of the last step. Nothing is chosen by looking
at the test set; the recipe's settings were chosen on ``article-dev``, whose other eight types are not in
``article-test``.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import record

from gan_probe.config import preset
from gan_probe.critics.critic import Critic
from gan_probe.images.image_set import from_synthetic
from gan_probe.scoring.score import score
from gan_probe.stats.auroc import n_separated, separate
from gan_probe.studies.separation.analysis import analyse
from gan_probe.training import RunFolder, train
from synthetic import make_dataset


def one_seed(seed: int, test: str, average: float, *, recipe: str, folder: Path) -> dict[str, Any]:
    run = folder / f"run-{seed}"
    test_set = from_synthetic(make_dataset(test, seed=seed))
    labels = test_set.table["label"].astype(str).to_numpy()
    config = replace(preset(recipe), seed=seed, critic_average=average)
    train(from_synthetic(make_dataset("article-train", seed=seed)), run, config)
    curve = {
        int(snapshot.name.removeprefix("step-")): n_separated(
            separate(Critic.load(snapshot).score(test_set.images), labels)
        )
        for snapshot in sorted((run / "snapshots").iterdir())
    }
    analysis = analyse(score(Critic.load(run), test_set, embeddings=False), clusters=False)
    result = {
        "seed": seed,
        "n_separated": n_separated(analysis.critic_pairs),
        "missed": [f"{p.a} / {p.b}: {p.auroc:.3f}" for p in analysis.critic_pairs if not p.separated],
        "by_step": curve,
        "random_init": analysis.random_init_counts(),
        "scalars": {n: n_separated(p) for n, p in analysis.controls.baselines.items()},
        "training_s": float(RunFolder(run).read_metrics()["elapsed_s"].iloc[-1]),
    }
    print(result, flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--test", default="article-test")
    parser.add_argument("--average", type=float, default=preset("compact").critic_average, help="0: the last weights")
    parser.add_argument("--preset", default="compact")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            one_seed(int(s), arguments.test, arguments.average, recipe=arguments.preset, folder=Path(folder))
            for s in arguments.seeds.split(",")
        ]
    name = arguments.test if arguments.preset == "compact" else f"{arguments.test}-{arguments.preset}"
    record.save(
        name if arguments.average else f"{name}-no-average",
        {
            "what": f"pairs of {arguments.test}, of 45, at AUROC >= 0.99 by one score; preset {arguments.preset}",
            "n_separated": record.spread([row["n_separated"] for row in rows]),
            "random_init": record.spread([n for row in rows for n in row["random_init"]]),
            "seeds": rows,
        },
    )


if __name__ == "__main__":
    main()
