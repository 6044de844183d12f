"""The gallery's pages of GANs on MNIST: perceptrons of 2014, DCGAN and its arithmetic, a collapse and its mending.

python benchmarks/mnist_gans.py mnist.npz

About 25 minutes on two cores. Runs go to ``runs/``, pages to ``reports/``.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np

N_IMAGES = 8000
COLLAPSE = (
    "--size 32 --objective non-saturating --steps 500 --batch-size 64 --set penalty=none --set n_critic=1"
    " --set beta1=0.5 --set decay_share=0 --set latent_dim=64 --set critic_average=0 --set learning_rate_generator=2e-3"
    " --set learning_rate_critic=2e-4"
)


def call(words: str) -> None:
    subprocess.run(["gan-probe", *shlex.split(words)], check=True)


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


def main() -> None:
    mnist = sys.argv[1]
    Path("runs").mkdir(exist_ok=True)
    train = f"train {mnist} --split train --overwrite"
    call(f"{train} --preset mlp-2014 --out runs/mnist-2014")
    call(f"{train} --preset mlp-2014 --network mlp --out runs/mnist-784-100-1")
    call(f"{train} --preset dcgan --size 32 --out runs/mnist-dcgan")
    for seed in range(3):
        for kernels in (0, 32):
            options = f"--set minibatch_kernels={kernels} --seed {seed} --out runs/kernels-{kernels}-seed-{seed}"
            call(f"{train} {COLLAPSE} {options}")
    thick_and_thin(Path(mnist), Path("runs/mnist-thick.npz"))
    page = "--overwrite --out reports"
    title = "MNIST with the perceptrons of 2014, and with a single layer"
    call(f"diagnose runs/mnist-2014 runs/mnist-784-100-1 {page}/mnist-2014 --title '{title}'")
    call(f"diagnose runs/mnist-dcgan {page}/mnist-dcgan --title 'MNIST with DCGAN'")
    equation = "thick 7 - thin 7 + thin 3 = thick 3"
    call(f"arithmetic runs/mnist-dcgan runs/mnist-thick.npz '{equation}' --size 32 {page}/mnist-arithmetic")
    runs = " ".join(f"runs/kernels-{kernels}-seed-{seed}" for kernels in (0, 32) for seed in range(3))
    title = "MNIST, a fast generator against a slow critic, without and with minibatch discrimination"
    call(f"diagnose {runs} {page}/collapse --title '{title}'")


if __name__ == "__main__":
    main()
