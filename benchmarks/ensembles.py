"""The aligned mean of several trainings against its rivals, at ranking images of unseen classes below seen ones.

python benchmarks/ensembles.py --hold-out data/mnist_28.npz runs/mnist-held-out
gan-probe train runs/mnist-held-out/train.npz --out runs/mnist-held-out --size 32 --steps 300 --runs 10
python benchmarks/ensembles.py --case NAME DATA PANEL RUN RUN ... [--case ...]

DATA and PANEL are what `gan_probe.read_images` reads, or PRESET@SEED,SEED,... of `synthetic`; PANEL ending in ``:seen``
is cut down to the classes that the first run was trained on. Every draw of five of the runs (three of fewer than eight)
is an ensemble, and on each all ways to rank are compared. Images are held fixed; the run is what is replicated:
intervals leave out each run in turn (jackknife).
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import record
from scipy.stats import t

from gan_probe import read_images
from gan_probe.critics.critic import Critic
from gan_probe.images.image_set import ImageSet, concatenate, from_synthetic
from gan_probe.stats.alignment import affine
from gan_probe.stats.auroc import auroc
from synthetic import make_dataset

OURS = "mean, aligned"
# (raw scores (members, images), aligned ones) -> higher = more like what was seen
RANKINGS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    OURS: lambda raw, aligned: aligned.mean(0),
    "mean, raw": lambda raw, aligned: raw.mean(0),
    "minus variance, raw (1810.01392)": lambda raw, aligned: -raw.var(0),
    "minus variance, aligned": lambda raw, aligned: -aligned.var(0),
    "mean minus variance, raw (WAIC)": lambda raw, aligned: raw.mean(0) - raw.var(0),
    "mean minus variance, aligned": lambda raw, aligned: aligned.mean(0) - aligned.var(0),
}
SINGLE = "one critic (mean over members)"
CONTROLS = (OURS, "minus variance, aligned")  # also asked of randomly initialised critics
UNSEEN_DIGITS = (7, 8, 9)


def read(source: str, size_px: int) -> ImageSet:
    name, at, seeds = source.partition("@")
    if not at:
        return read_images(source, size_px=size_px)
    return concatenate([from_synthetic(make_dataset(name, seed=int(seed))) for seed in seeds.split(",")])


def one_draw(raw: np.ndarray, random_init: np.ndarray, on_panel: np.ndarray, seen: np.ndarray) -> dict[str, float]:
    """Return the AUROC of seen above unseen for each way to rank; scores are (members, panel and data)."""
    aligned, control = affine(raw, on_panel)[:, ~on_panel], affine(random_init, on_panel)[:, ~on_panel]
    plain = raw[:, ~on_panel]
    ranked = {name: rank(plain, aligned) for name, rank in RANKINGS.items()}
    ranked |= {f"{name}, randomly initialised critics": RANKINGS[name](control, control) for name in CONTROLS}
    found = {name: auroc(values[seen], values[~seen]) for name, values in ranked.items()}
    return found | {SINGLE: float(np.mean([auroc(row[seen], row[~seen]) for row in plain]))}


def jackknife(draws: list[tuple[tuple[int, ...], float]], n_runs: int) -> list[float]:
    """Return mean and 95 % interval of a value over draws of runs, each run left out in turn."""
    mean = float(np.mean([value for _, value in draws]))
    without = np.array([np.mean([v for members, v in draws if run not in members]) for run in range(n_runs)])
    error = math.sqrt((n_runs - 1) / n_runs * ((without - without.mean()) ** 2).sum())
    width = float(t.ppf(0.975, n_runs - 1)) * error
    return [round(x, 4) for x in (mean, mean - width, mean + width)]


def draws(n_runs: int) -> Iterator[tuple[int, ...]]:
    return itertools.combinations(range(n_runs), 5 if n_runs >= 8 else 3)


def one_case(data_source: str, panel_source: str, runs: list[str]) -> dict[str, object]:
    critics = [Critic.load(run) for run in runs]
    height, _, channels = critics[0].config.image_shape
    classes = critics[0].config.training_classes
    data = read(data_source, height).with_channels(channels)
    panel = read(panel_source.removesuffix(":seen"), height).with_channels(channels)
    if panel_source.endswith(":seen"):
        panel = panel.take(panel.table["label"].isin(classes).to_numpy())
    images = np.concatenate([panel.images, data.images])
    on_panel = np.arange(len(images)) < len(panel)
    seen = data.table["label"].isin(classes).to_numpy()
    raw = np.stack([critic.score(images) for critic in critics]).astype(np.float64)
    twins = [critic.random_init(101 + number) for number, critic in enumerate(critics)]
    random_init = np.stack([twin.score(images) for twin in twins]).astype(np.float64)
    drawn = list(draws(len(runs)))
    found = [one_draw(raw[list(d)], random_init[list(d)], on_panel, seen) for d in drawn]
    rows = {}
    for name in found[0]:
        pairs = [(d, f[OURS] - f[name]) for d, f in zip(drawn, found, strict=True)]
        rows[name] = {
            "auroc": np.clip(
                jackknife([(d, f[name]) for d, f in zip(drawn, found, strict=True)], len(runs)), 0, 1
            ).tolist(),
            "range": [round(min(f[name] for f in found), 4), round(max(f[name] for f in found), 4)],
            "ours minus it": jackknife(pairs, len(runs)),
            "draws in which ours is better": round(float(np.mean([value > 0 for _, value in pairs])), 3),
        }
    return {
        "data": data_source,
        "panel": panel_source,
        "n_runs": len(runs),
        "members": len(drawn[0]),
        "n_draws": len(drawn),
        "n_seen": int(seen.sum()),
        "n_unseen": int((~seen).sum()),
        "n_panel": len(panel),
        "unseen_classes": sorted(set(data.table["label"].astype(str)) - set(classes)),
        "rankings": rows,
    }


def hold_out(mnist: str, folder: str) -> None:
    """Write MNIST without its last digits to train on, the same to align on, and all digits to test on."""
    data, rng, out = np.load(mnist), np.random.default_rng(0), Path(folder)
    seen = np.flatnonzero(data["y_train"] < min(UNSEEN_DIGITS))
    rng.shuffle(seen)
    test = np.concatenate([rng.choice(np.flatnonzero(data["y_test"] == k), 200, replace=False) for k in range(10)])
    out.mkdir(parents=True, exist_ok=True)
    for name, part, rows in (
        ("train", "train", seen[:6000]),
        ("panel", "train", seen[6000:6400]),
        ("test", "test", test),
    ):
        np.savez(out / f"{name}.npz", x=data[f"x_{part}"][rows], y=data[f"y_{part}"][rows].astype(str))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", nargs="+", action="append", metavar="WORD")
    parser.add_argument("--hold-out", nargs=2, metavar=("MNIST", "FOLDER"))
    arguments = parser.parse_args()
    if arguments.hold_out:
        hold_out(*arguments.hold_out)
        return
    cases = {name: one_case(data, panel, runs) for name, data, panel, *runs in arguments.case}
    record.save(
        "ensembles",
        {
            "what": "AUROC of seen above unseen images; triples are mean and 95 % interval (jackknife over runs)",
            **cases,
        },
    )


if __name__ == "__main__":
    main()
