"""A process of two: its first training fails on rank 0 alone, and no second one begins in either.

Started by test_ranks.py as torchrun does: ``lonely_failure.py OUT``.
"""

import sys
from pathlib import Path

import numpy as np

from gan_probe.config import TrainConfig
from gan_probe.errors import ConfigError
from gan_probe.images.image_set import from_arrays
from gan_probe.training import train


def fail(step: int, row: object) -> None:
    """End the training of the one rank that tells of its steps."""
    raise OSError("no room")


if __name__ == "__main__":
    out = Path(sys.argv[1])
    images = from_arrays(np.random.default_rng(0).integers(0, 256, (40, 16, 16, 1), dtype=np.uint8))
    config = TrainConfig(network="mlp", steps=200, batch_size=8, n_snapshots=0, precision="fp32")
    try:
        train(images, out / "one", config, on_step=fail)
    except (OSError, RuntimeError) as error:
        print(type(error).__name__, file=sys.stderr)
    try:
        train(images, out / "two", config)
    except ConfigError as error:
        print(error, file=sys.stderr)
