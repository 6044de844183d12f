"""What makes scores survive a retraining better: each stabiliser against the same runs without it, pair by pair.

python benchmarks/stabilisers.py apart --data TRAIN --out FOLDER [--banks 10] RUN RUN ...
python benchmarks/stabilisers.py compare NAME --data TEST --panel REALS --base 'runs/half/run-*'
    [--variant 'SWA=runs/swa/run-*' ...]
python benchmarks/stabilisers.py level NAME --data TEST --base 'runs/seed-*'

``apart`` settles runs as ``gan-probe settle`` does, but each on a bank of its own generator, or in groups with a bank
each: what is left of the effect when the bank is not shared. ``compare`` takes every variant's runs in the order of the
base's, which must be of the same seeds, and adds what needs no training of its own: the last weights, an ensemble of
late snapshots, the late snapshot that agrees best, the run of three that agrees best. ``level`` is the base alone, at
every step that all runs have a snapshot of. Records: ``records/stabilisers-NAME.json``, ``records/levels-NAME.json``.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch

from gan_probe import read_images
from gan_probe.critics.critic import Critic
from gan_probe.critics.ensemble import EnsembleCritic
from gan_probe.images.image_set import ImageSet
from gan_probe.scoring.controls import SEEDS, statistic_rows
from gan_probe.stats.agreement import agreement_with_others, components
from gan_probe.stats.alignment import affine
from gan_probe.stats.auroc import auroc
from gan_probe.stats.intervals import jackknife_width
from gan_probe.stats.regression import linear_share
from gan_probe.studies.stability.calibrations import make_panel
from gan_probe.studies.stability.result import Comparison, alignment_levels, compare_runs
from gan_probe.studies.stability.study import agreed_snapshots
from gan_probe.training import RunFolder
from gan_probe.training.settle import fake_bank, settle
from gan_probe.training.step import effective_weights, new_state

N_GROUPINGS = 100
GROUP = 3


def runs_of(pattern: str) -> list[Path]:
    found = sorted(Path().glob(pattern))
    if not found:
        raise SystemExit(f"no runs: {pattern}")
    return found


def last_weights(run: Path) -> Critic:
    """The critic as it was trained, not the average that is saved; from the checkpoint."""
    critic, folder = Critic.load(run), RunFolder(run)
    config, _ = folder.read_config()
    state = new_state(config, critic.config.image_shape, torch.device("cpu"))
    folder.read_checkpoint(state)
    critic.module.load_state_dict(effective_weights(state.critic))
    return critic


def snapshot_ensemble(run: Path, panel: ImageSet) -> Critic:
    return EnsembleCritic.fit(
        {path.name: Critic.load(path) for path in RunFolder(run).late_snapshots().values()}, panel
    )


def scored(critics: Sequence[Critic], data: ImageSet) -> np.ndarray:
    return np.stack([critic.score(data.images) for critic in critics])


def rows_of(scores: np.ndarray, labels: np.ndarray, scalars: np.ndarray, seen: np.ndarray) -> dict[str, object]:
    def triple(levels: list[Any], name: str = "affine") -> list[float]:
        level = next(r for r in levels if r.alignment == name)
        return [round(float(x), 4) for x in (level.reproducible, level.ci_low, level.ci_high)]

    levels = alignment_levels(scores, labels)
    affine_level = next(r for r in levels if r.alignment == "affine")
    return {
        "n_runs": len(scores),
        "raw": triple(levels, "raw"),
        "affine": triple(levels),
        "monotone": triple(levels, "monotone"),
        "affine, image statistics regressed out": triple(alignment_levels(scores, labels, regressors=scalars)),
        "kendall_w": round(affine_level.kendall_w, 4),
        "mean AUROC of two classes": spread([mean_auroc(row, labels) for row in scores]),
        "AUROC of seen above unseen": spread([auroc(row[seen], row[~seen]) for row in scores]),
        "share of the score that is linear in image statistics": spread(
            [linear_share(row[None], scalars) for row in scores]
        ),
    }


def spread(values: Sequence[float]) -> list[float]:
    """Mean over runs, least and most."""
    return [round(float(x), 3) for x in (np.mean(values), min(values), max(values))]


def mean_auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Over all pairs of classes, each in its better direction."""
    rows = [scores[labels == name] for name in np.unique(labels)]
    return float(np.mean([max(a, 1 - a) for a in itertools.starmap(auroc, itertools.combinations(rows, 2))]))


def difference(found: Comparison) -> list[float]:
    return [round(x, 4) for x in (found.difference, found.ci_low, found.ci_high)]


def one_of_three(scores: np.ndarray, labels: np.ndarray) -> dict[str, object]:
    """Runs in groups of three; from each the one that agrees best with the other two, or any one."""
    panel = make_panel(labels)
    reported = labels[~panel.fit]

    def gain(numbers: np.ndarray) -> float:
        rng, found = np.random.default_rng(0), []
        for _ in range(N_GROUPINGS):
            groups = rng.permutation(numbers)[: GROUP * (len(numbers) // GROUP)].reshape(-1, GROUP)
            best = [group[agreement_with_others(scores[group][:, panel.fit]).argmax()] for group in groups]
            some = [rng.choice(group) for group in groups]
            best_share, any_share = (
                components(affine(scores[chosen], panel.fit)[:, ~panel.fit], reported).share for chosen in (best, some)
            )
            found.append(best_share - any_share)
        return float(np.mean(found))

    everyone = np.arange(len(scores))
    value, width = gain(everyone), jackknife_width([gain(np.delete(everyone, i)) for i in everyone])
    return {"affine minus base": [round(x, 4) for x in (value, value - width, value + width)], "of": "groups of three"}


def compare_all(name: str, data: ImageSet, panel: ImageSet, *, base: list[Path], variants: Mapping[str, str]) -> None:
    labels, scalars = data.table["label"].astype(str).to_numpy(), statistic_rows(data.images)
    seen = np.isin(labels, Critic.load(base[0]).config.training_classes)
    critics = {"base": [Critic.load(run) for run in base], "last weights": [last_weights(run) for run in base]}
    critics["ensemble of late snapshots"] = [snapshot_ensemble(run, panel) for run in base]
    chosen = agreed_snapshots({run.name: run for run in base}, data)
    critics["late snapshot that agrees best"] = [Critic.load(path) for path in chosen.values()]
    critics |= {title: [Critic.load(run) for run in runs_of(pattern)] for title, pattern in variants.items()}
    found = {title: scored(some, data) for title, some in critics.items()}
    rows = {}
    for title, scores in found.items():
        rows[title] = rows_of(scores, labels, scalars, seen)
        if title != "base":
            plain = compare_runs(scores, found["base"], labels, regressors=scalars)
            rows[title] |= {
                "affine minus base": difference(compare_runs(scores, found["base"], labels)),
                "affine, image statistics regressed out, minus base": difference(plain),
            }
        print(title, json.dumps(rows[title]), flush=True)
    rows["run of three that agrees best"] = one_of_three(found["base"], labels)
    twins = [critic.random_init(SEEDS[0] + i) for i, critic in enumerate(critics["base"])]
    rows["random_init"] = rows_of(scored(twins, data), labels, scalars, seen)
    record.save(
        f"stabilisers-{name}",
        {
            "what": "reproducible fraction over classes; triples are value and 95 % interval (runs and images)",
            "data": str(data.source),
            "base": [str(run) for run in base],
            "snapshots that agree best": {run: path.name for run, path in chosen.items()},
            "variants": rows,
        },
    )


def levels(name: str, data: ImageSet, base: list[Path]) -> None:
    """The base's runs at every step that all of them have a snapshot of."""
    labels, scalars = data.table["label"].astype(str).to_numpy(), statistic_rows(data.images)
    seen = np.isin(labels, Critic.load(base[0]).config.training_classes)
    steps = set.intersection(*(set(RunFolder(run).snapshots()) for run in base))
    rows = {}
    for step in sorted(steps):
        critics = [Critic.load(RunFolder(run).snapshot(step)) for run in base]
        rows[str(step)] = rows_of(scored(critics, data), labels, scalars, seen)
        print(step, json.dumps(rows[str(step)]), flush=True)
    record.save(f"levels-{name}", {"data": str(data.source), "base": [str(run) for run in base], "steps": rows})


def apart(data: ImageSet, out: Path, runs: list[Path], n_banks: int) -> None:
    for group in np.array_split(np.arange(len(runs)), n_banks):
        bank = fake_bank({runs[i].name: runs[i] for i in group})
        for i in group:
            settle(runs[i], data, bank, out / runs[i].name, resume=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    one, two, three = (verbs.add_parser(name) for name in ("apart", "compare", "level"))
    for sub in (one, two, three):
        sub.add_argument("--data", required=True)
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--banks", type=int)
    one.add_argument("runs", type=Path, nargs="+")
    for sub in (two, three):
        sub.add_argument("name")
        sub.add_argument("--base", required=True)
    two.add_argument("--panel", required=True)
    two.add_argument("--variant", action="append", default=[])
    arguments = parser.parse_args()
    data = read_images(arguments.data)
    if arguments.verb == "apart":
        apart(data, arguments.out, arguments.runs, arguments.banks or len(arguments.runs))
    elif arguments.verb == "level":
        levels(arguments.name, data, runs_of(arguments.base))
    else:
        variants = dict(variant.rsplit("=", 1) for variant in arguments.variant)
        compare_all(arguments.name, data, read_images(arguments.panel), base=runs_of(arguments.base), variants=variants)


if __name__ == "__main__":
    main()
