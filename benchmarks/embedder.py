"""Images a second of `CriticEmbedder` in a pipeline against the bare forward pass, paired in one run.

python benchmarks/embedder.py

Bare: the network called on batches that already are float32 tensors in [-1, 1]. Beside it the same from uint8 images.
The pipeline takes rows of uint8 pixels, checks them, converts them, catches and pools every layer.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import record
import torch
from sklearn.pipeline import make_pipeline

from gan_probe import Critic
from gan_probe.estimators import CriticEmbedder
from gan_probe.images.pixels import to_network
from synthetic import make_dataset

BATCH, N_PAIRS = 128, 7


def ratios(network: str, images: np.ndarray, folder: Path) -> dict[str, object]:
    critic = Critic.from_network(network, images.shape[1:])
    critic.save(folder / network)
    rows = images.reshape(len(images), -1)
    pipeline = make_pipeline(CriticEmbedder(str(folder / network), batch_size=BATCH)).fit(rows[:2])
    batches = [to_network(images[s : s + BATCH]) for s in range(0, len(images), BATCH)]

    def bare() -> None:
        with torch.inference_mode():
            for batch in batches:
                critic.module(batch)

    def from_uint8() -> None:
        critic.score(images, batch_size=BATCH)

    return {
        "against_tensors": record.spread(record.paired_ratios(bare, lambda: pipeline.transform(rows), N_PAIRS)),
        "against_uint8": record.spread(record.paired_ratios(from_uint8, lambda: pipeline.transform(rows), N_PAIRS)),
    }


def main() -> None:
    small = make_dataset("jitter-test", per_class=26).images[:256]
    with tempfile.TemporaryDirectory() as folder:
        results = {name: ratios(name, small, Path(folder)) for name in ("compact", "residual")}
    record.save(
        "embedder",
        {"what": "images/s of CriticEmbedder in a pipeline over those of the bare forward pass, 64 px RGB", **results},
    )


if __name__ == "__main__":
    main()
