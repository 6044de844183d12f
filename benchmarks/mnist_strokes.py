"""MNIST labelled by digit and stroke ("thick 7", "thin 3"), for the gallery's page of latent arithmetic.

python benchmarks/mnist_strokes.py mnist.npz mnist-strokes.npz
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

N_IMAGES = 8000


def thick_and_thin(path: Path, out: Path) -> None:
    """Write digits labelled by name and stroke: the third with the most ink, and the third with the least."""
    with np.load(path) as archive:
        images, digits = archive["x_train"], archive["y_train"]
    ink = images.reshape(len(images), -1).mean(1)
    labels = np.full(len(images), "", dtype="<U12")
    for digit in range(10):
        rows = np.flatnonzero(digits == digit)
        low, high = np.quantile(ink[rows], [1 / 3, 2 / 3])
        labels[rows[ink[rows] < low]] = f"thin {digit}"
        labels[rows[ink[rows] > high]] = f"thick {digit}"
    chosen = np.random.default_rng(0).permutation(np.flatnonzero(labels != ""))[:N_IMAGES]
    np.savez(out, x=images[chosen], y=labels[chosen])


if __name__ == "__main__":
    thick_and_thin(Path(sys.argv[1]), Path(sys.argv[2]))
