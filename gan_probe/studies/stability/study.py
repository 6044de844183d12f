"""Would it come out the same if it were trained again? The verb ``stability`` as a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from gan_probe.config import CHANNEL_POOLING
from gan_probe.critics.critic import Critic, Forward
from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet, fit_channels
from gan_probe.images.nulls import null_images
from gan_probe.scoring.controls import random_inits, statistic_rows
from gan_probe.scoring.engines import LOCAL, Engine, Wanted
from gan_probe.stats.agreement import agreement_with_others
from gan_probe.stats.beside import RANDOM_CRITICS
from gan_probe.stats.regression import linear_share
from gan_probe.stats.similarity import similarities
from gan_probe.stats.splits import halves
from gan_probe.studies.base import quiet
from gan_probe.studies.stability.calibrations import NULL, left_out, make_panel
from gan_probe.studies.stability.result import (
    STATISTICS_OUT,
    Comparison,
    StabilityResult,
    alignment_levels,
    compare_runs,
)
from gan_probe.training import RunFolder
from gan_probe.types import Labels, OnPart, Warn
from gan_probe.version import VERSION
from synthetic import sample_id

MAX_ROUNDS = 10  # of choosing snapshots; two or three are enough
N_NULLS = 40  # ten of each kind
TRAINED = "trained critics"

Embeddings = list[npt.NDArray[np.float32]]


def stability(
    critics: Mapping[str, Critic],
    data: ImageSet,
    *,
    against: Mapping[str, Critic] | None = None,
    controls: bool = True,
    nulls: bool = False,
    skip_diverged: bool = False,
    batch_size: int | None = None,
    seed: int = 0,
    engine: Engine = LOCAL,
    on_step: OnPart = quiet,
) -> StabilityResult:
    """Return how far the scores and embeddings of several trainings agree, beside randomly initialised critics.

    Parameters
    ----------
    critics : mapping of str to Critic
        By name, at least three.
    data : ImageSet
        With labels: the panel. Alignments are fitted on half of each class, and everything is measured on the other
        half. Seen classes are those of every critic's training; where the critics know none, those that ``data`` calls
        seen.
    against : mapping of str to Critic, optional
        The same runs of another training, by the same names: does the reproducible fraction differ?
    controls : bool
        Ask the same of randomly initialised critics, and of the scores with image statistics regressed out.
    nulls : bool
        Add images with nothing in them as a class of their own: see `with_nulls`.
    skip_diverged : bool
        Leave critics out whose scores are not finite or all the same, with a warning, in place of raising.
    batch_size : int, optional
    seed : int
    engine : Engine
        Who passes the images through the critics.
    on_step : callable, optional
        Called with the name of each critic when it has scored, and of each part when it has been compared.

    Raises
    ------
    InputError
        For fewer than three critics, the same one twice, other names in ``against``, data without labels, images that
        do not fit, or a critic that diverged.
    """
    _check_labels(data)
    data = with_nulls(data, seed=seed) if nulls else data
    warnings = [*data.warnings, *_differences(critics)]
    tell, how = on_step, partial(engine.run, batch_size=batch_size)
    labels, seen = data.table["label"].astype(str).to_numpy(), seen_rows(critics, data.table)
    kept, scores, embeddings = _look(
        critics, data, skip_diverged=skip_diverged, run=how, warn=warnings.append, tell=tell
    )
    panel = make_panel(labels, seen, seed=seed)
    warnings += [f"the alignment level {name!r} is left out: {why}" for name, why in left_out(panel).items()]
    levels = alignment_levels(scores, labels, seen=seen, seed=seed)
    agreement = dict(zip(kept, agreement_with_others(scores[:, panel.fit]).tolist(), strict=True))
    tell("scores")
    looks, others, explained, beside_random = {TRAINED: (scores, embeddings)}, {}, None, None
    if controls:
        inits, notes = random_inits(critics)
        warnings.extend(notes)
        by_name = {name: other for name, other in zip(critics, inits, strict=False) if name in kept}
        if by_name:
            looks[RANDOM_CRITICS] = _look(
                by_name,
                data,
                skip_diverged=False,
                run=how,
                warn=lambda _: None,
                tell=lambda name: tell(f"control of {name}"),
            )[1:]
            others[RANDOM_CRITICS] = alignment_levels(looks[RANDOM_CRITICS][0], labels, seen=seen, seed=seed)
            beside_random = compare_runs(scores, looks[RANDOM_CRITICS][0], labels, of=RANDOM_CRITICS, seed=seed)
        others |= {
            STATISTICS_OUT: alignment_levels(
                scores, labels, seen=seen, regressors=statistic_rows(data.images), seed=seed
            ),
        }
    comparisons = []
    if against is not None:
        _check_pairs(critics, against)
        beside, theirs, _ = _look(against, data, skip_diverged=skip_diverged, run=how, warn=warnings.append, tell=tell)
        both = [name for name in kept if name in beside]
        ours, theirs = scores[[kept.index(name) for name in both]], theirs[[beside.index(name) for name in both]]
        comparisons = _compared(ours, theirs, data, labels=labels, seed=seed)
    if controls:
        explained = linear_share(scores, statistic_rows(data.images))
    alike = {name: similarities(*both, labels, panel.fit, seed=seed) for name, both in looks.items()}
    tell("embeddings and clusters")
    shown = pd.DataFrame(
        {"sample_id": data.table["sample_id"], "label": labels, "half": np.where(panel.fit, "fit", "report")}
    )
    provenance = {
        "runs": kept,
        "critic_hashes": [critics[name].hash for name in kept],
        "steps": sorted({critics[name].config.step for name in kept}),
        "data_source": str(data.source),
        "data_fingerprint": data.fingerprint,
        "seed": seed,
        "images": len(labels),
        "version": VERSION,
    }
    classes = tuple(np.unique(labels))
    return StabilityResult(
        levels=levels,
        others=others,
        similarities=alike,
        runs=tuple(kept),
        classes=classes,
        panel=shown,
        provenance=provenance,
        warnings=warnings,
        agreement=agreement,
        comparisons=comparisons,
        beside_random=beside_random,
        explained=explained,
    )


def _check_labels(data: ImageSet) -> None:
    if "label" not in data.table:
        raise InputError(f"{data.source} has no labels; stability is about classes. Add a label column or folders.")


def _check_pairs(critics: Mapping[str, Critic], against: Mapping[str, Critic]) -> None:
    lonely = sorted(set(critics) ^ set(against))
    if lonely:
        raise InputError(
            "both trainings must have the same runs, by name, to be compared in pairs; only one of them has"
            f" {', '.join(lonely[:5])}{', ...' if len(lonely) > 5 else ''}."
        )
    same = [name for name in critics if critics[name].hash == against[name].hash]
    if same:
        raise InputError(f"both trainings have the same critic {same[0]}; there is nothing to compare.")


def _compared(
    here: npt.NDArray[np.float32],
    there: npt.NDArray[np.float32],
    data: ImageSet,
    *,
    labels: Labels,
    seed: int,
) -> list[Comparison]:
    return [
        compare_runs(here, there, labels, alignment="raw", seed=seed),
        compare_runs(here, there, labels, alignment="affine", seed=seed),
        compare_runs(
            here,
            there,
            labels,
            alignment="affine",
            regressors=statistic_rows(data.images),
            of=f"affine, {STATISTICS_OUT}",
            seed=seed,
        ),
    ]


def _differences(critics: Mapping[str, Critic]) -> list[str]:
    """Return in what the runs differ beyond their weights; raise where two are the same."""
    hashes = pd.Series({name: critic.hash for name, critic in critics.items()}, dtype=object)
    for _, same in hashes.groupby(hashes):
        if len(same) > 1:
            raise InputError(f"{' and '.join(same.index)} are the same critic; their agreement says nothing.")
    found = {
        what: sorted({str(getattr(critic.config, what)) for critic in critics.values()})
        for what in ("data_fingerprint", "network", "step")
    }
    return [f"the runs differ in {what}: {', '.join(values)}." for what, values in found.items() if len(values) > 1]


def seen_rows(critics: Mapping[str, Critic], table: pd.DataFrame) -> npt.NDArray[np.bool_] | None:
    """Return which images are of classes that every critic was trained on; None where nothing says so."""
    known = [set(critic.config.training_classes) for critic in critics.values()]
    if known and all(known):
        return table["label"].isin(set.intersection(*known)).to_numpy()
    return table["seen"].eq(True).to_numpy() if "seen" in table else None


def _look(
    critics: Mapping[str, Critic],
    data: ImageSet,
    *,
    skip_diverged: bool,
    run: Callable[..., list[Forward]],
    warn: Warn,
    tell: Callable[[str], None],
) -> tuple[list[str], npt.NDArray[np.float32], Embeddings]:
    """Return the names of the critics that did not diverge, their scores, and their embeddings if all have layers."""
    if len(set(data.table["sample_id"])) == 1:
        raise InputError(f"all images in {data.source} are equal; there is nothing that runs could agree on.")
    scores, embeddings = {}, []
    for name, critic in critics.items():
        images = data.with_channels(critic.config.image_shape[2]).images
        values, rows = run([critic], images, Wanted(None, CHANNEL_POOLING))[0][:2]
        if not np.isfinite(values).all() or values.std() == 0:
            if not skip_diverged:
                raise InputError(
                    f"{name} diverged: its scores are not finite or all the same. Leave it out: --skip-diverged."
                )
            warn(f"{name} diverged and is left out.")
            continue
        scores[name] = values
        if rows is not None:
            embeddings.append(rows)
        tell(name)
    if len(embeddings) < len(scores):
        warn("embeddings are not compared: not every critic shows its layers.")
        embeddings = []
    stacked = np.stack(list(scores.values())) if scores else np.empty((0, len(data)), np.float32)
    return list(scores), stacked, embeddings


def at_step(runs: Mapping[str, Path], step: int) -> dict[str, Path]:
    """Return the snapshot of each run at a step.

    Raises
    ------
    InputError
        Where a run has none, with the steps that all of the runs have.
    """
    found = {name: RunFolder(run).snapshots() for name, run in runs.items()}
    shared = set.intersection(*(set(steps) for steps in found.values()))
    for name, steps in found.items():
        if step not in steps:
            listed = (
                f"Steps that all runs have: {', '.join(map(str, sorted(shared)))}."
                if shared
                else ("The runs have no step in common; train them with the same --steps and --set n_snapshots=N.")
            )
            raise InputError(f"{name} has no snapshot of step {step}. {listed}")
    return {name: steps[step] for name, steps in found.items()}


def agreed_snapshots(
    runs: Mapping[str, Path],
    data: ImageSet,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    batch_size: int | None = None,
) -> dict[str, Path]:
    """Return the late snapshot of each run that agrees best with the other runs, found without labels.

    Late ones are those of the second half of the steps. Each run begins with its last; then, run by run, the snapshot
    with the highest rank correlation with the others' mean is taken, until nothing changes.

    Parameters
    ----------
    runs : mapping of str to path
        Run folders, at least two.
    data : ImageSet
        With labels, which only say which half of the images `stability` fits on; scores of that half are compared.
    seed : int
        That of `stability`.
    device, batch_size
        Of the scoring.

    Raises
    ------
    InputError
        For fewer than two runs, or a run without snapshots.
    """
    if len(runs) < 2:
        raise InputError("agreement is about several runs; give at least two.")
    _check_labels(data)
    fit = halves(data.table["label"].astype(str).to_numpy(), seed=seed)
    paths, scores = {}, {}
    for name, run in runs.items():
        paths[name] = list(RunFolder(run).late_snapshots().values())
        critics = [Critic.load(path, device) for path in paths[name]]
        images = fit_channels(data.images[fit], critics[0].config.image_shape[2])
        scores[name] = np.stack([found.scores for found in LOCAL.run(critics, images, batch_size=batch_size)])
    chosen = {name: len(paths[name]) - 1 for name in runs}
    for _ in range(MAX_ROUNDS):
        before = dict(chosen)
        for name in runs:
            others = [scores[other][chosen[other]] for other in runs if other != name]
            agreements = [agreement_with_others(np.stack([row, *others]))[0] for row in scores[name]]
            chosen[name] = int(np.argmax(agreements))
        if chosen == before:
            break
    return {name: paths[name][number] for name, number in chosen.items()}


def with_nulls(data: ImageSet, *, seed: int = 0) -> ImageSet:
    """Return the images and 40 more of class "null": ten each of blank, noise, phase-scrambled and pixel-shuffled ones.

    They are made from ten images of ``data``, so that blanks have their mean colours, scrambled ones their spectra, and
    shuffled ones their pixels.

    Raises
    ------
    InputError
        When a class has that name already.
    """
    if (data.table["label"].astype(str) == NULL).any():
        raise InputError(f"{data.source} has a class {NULL!r} already; rename it, or leave --nulls away.")
    rng = np.random.default_rng(seed)
    chosen = data.images[np.sort(rng.choice(len(data), N_NULLS // 4, replace=len(data) < N_NULLS // 4))]
    made = null_images(chosen, seed)
    images = np.concatenate(list(made.values()))
    rows = pd.DataFrame(
        {
            "sample_id": [sample_id(image) for image in images],
            "path": [f"{kind}#{i}" for kind, some in made.items() for i in range(len(some))],
            "label": NULL,
        }
    )
    table = pd.concat([data.table.astype({"label": str}), rows], ignore_index=True)
    return ImageSet(np.concatenate([data.images[:], images]), table, data.source, data.warnings, data.n_skipped)
