"""Would it come out the same if it were trained again? The verb ``stability`` as a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from gan_probe.config import CHANNEL_POOLING
from gan_probe.critics.critic import Critic, Forward
from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet, fit_channels
from gan_probe.images.nulls import null_images
from gan_probe.scoring.controls import random_inits, statistic_rows, together
from gan_probe.scoring.engines import LOCAL, Engine, Wanted
from gan_probe.scoring.table import CRITIC_ROWS, ScoreTable, Source, in_one_order
from gan_probe.stats.agreement import agreement_with_others
from gan_probe.stats.beside import RANDOM_CRITICS, RANDOM_INIT, numbered
from gan_probe.stats.regression import linear_share, standardised
from gan_probe.stats.similarity import similarities
from gan_probe.stats.splits import halves
from gan_probe.studies.base import quiet
from gan_probe.studies.stability.calibrations import NULL, left_out, make_panel
from gan_probe.studies.stability.result import (
    MIN_RUNS,
    STATISTICS_OUT,
    Comparison,
    StabilityResult,
    alignment_levels,
    compare_runs,
)
from gan_probe.training import RunFolder
from gan_probe.types import Labels, OnPart, Scores, Warn
from gan_probe.version import VERSION
from synthetic import sample_id

MAX_ROUNDS = 10  # of choosing snapshots; two or three are enough
N_NULLS = 40  # ten of each kind
TRAINED = "trained critics"

Embeddings = list[npt.NDArray[np.float32]]


class Look(NamedTuple):
    """What several critics say of the same images: names, scores (critics, n), embeddings; none where one has none."""

    names: list[str]
    scores: npt.NDArray[np.float32]
    embeddings: Embeddings


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
    notes_of_critics = dict.fromkeys(note for critic in critics.values() for note in critic.notes)
    one, channels = data.take(np.arange(1)), sorted({critic.config.image_shape[2] for critic in critics.values()})
    of_data = dict.fromkeys(word for n in channels for word in one.with_channels(n).warnings)
    warnings = [*of_data, *_differences(critics), *(f"critics were {note}" for note in notes_of_critics)]
    tell, how = on_step, partial(engine.run, batch_size=batch_size)
    labels, seen = data.table["label"].astype(str).to_numpy(), seen_rows(critics, data.table)
    own = _look(critics, data, skip_diverged=skip_diverged, run=how, warn=warnings.append, tell=tell)
    inits, comparisons = None, []
    if controls:
        made, notes = random_inits(critics)
        warnings.extend(notes)
        if by_name := {name: other for name, other in zip(critics, made, strict=False) if name in own.names}:
            try:
                inits = _look(
                    by_name, data, skip_diverged=False, run=how, warn=lambda _: None,
                    tell=lambda name: tell(f"control of {name}"),
                )  # fmt: skip
            except InputError:
                warnings.append(
                    "no randomly initialised critics stand beside these: one scores every image the same, or not by"
                    " finite numbers."
                )
    if against is not None:
        _check_pairs(critics, against)
        beside = _look(against, data, skip_diverged=skip_diverged, run=how, warn=warnings.append, tell=tell)
        both = [name for name in own.names if name in beside.names]
        ours, theirs = (look.scores[[look.names.index(name) for name in both]] for look in (own, beside))
        comparisons = _compared(ours, theirs, data, labels=labels, seed=seed)
    provenance = {
        "runs": own.names,
        "critic_hashes": [critics[name].hash for name in own.names],
        "steps": sorted({critics[name].config.step for name in own.names}),
        "data_source": str(data.source),
        "data_fingerprint": data.fingerprint,
    }
    return _result(
        own, inits, data.table["sample_id"], labels,
        seen=seen, statistics=statistic_rows(data.images) if controls else None, comparisons=comparisons,
        provenance=provenance, warnings=warnings, seed=seed, tell=tell,
    )  # fmt: skip


def stability_of_scores(
    tables: Mapping[str, ScoreTable], *, controls: bool = True, seed: int = 0, on_step: OnPart = quiet
) -> StabilityResult:
    """Return what `stability` does, of score tables, one a training: nothing is scored again.

    Of folders of scores the sample is compared, which is of the same images whoever scored them. Randomly initialised
    critics are those beside the first table, as many as there are; image statistics are those in the table.

    Parameters
    ----------
    tables : mapping of str to ScoreTable
        By name, at least three, of the same labelled images.
    controls : bool
        Ask the same of randomly initialised critics, and of the scores with image statistics regressed out.
    seed : int
    on_step : callable, optional
        Called with the name of each part when it has been compared.

    Raises
    ------
    InputError
        For fewer than three tables, the same critic twice, other images, or images without labels.
    """
    names, found = list(tables), in_one_order(list(tables.values()))
    hashes = {name: str(run.provenance.get("critic_hash", name)) for name, run in zip(names, found, strict=True)}
    _check_different(hashes)
    first = found[0].table
    if "label" not in first:
        raise InputError("these scores have no labels; stability is about classes. Score images that have some.")
    warnings = list(dict.fromkeys(str(w) for run in found for w in run.provenance.get("warnings", [])))
    own = Look(names, np.stack([run.scores for run in found]).astype(np.float32), _embeddings(found, warnings.append))
    inits, statistics = _controls_of(found[0], has_rows=bool(own.embeddings)) if controls else (None, None)
    if controls and inits is None:
        warnings.append("no randomly initialised control: there are fewer than three beside them, or with gaps.")
    provenance = {
        "runs": names,
        "critic_hashes": list(hashes.values()),
        "steps": sorted({run.provenance.get("step", 0) for run in found}),
        "data_source": str(found[0].provenance.get("data_source", "")),
        "data_fingerprint": str(found[0].provenance.get("data_fingerprint", "")),
    }
    seen = first["seen"].to_numpy(dtype=bool) if "seen" in first else None
    return _result(
        own, inits, first["sample_id"], first["label"].astype(str).to_numpy(),
        seen=seen, statistics=statistics, comparisons=[], provenance=provenance, warnings=warnings, seed=seed,
        tell=on_step,
    )  # fmt: skip


def _embeddings(tables: Sequence[ScoreTable], warn: Warn) -> Embeddings:
    """Return the critics' embeddings; none, with a word, where they are missing or of different layers or pooling."""
    kinds = {(tuple(run.provenance.get("layers", ())), run.provenance.get("pooling")) for run in tables}
    if len(kinds) > 1 or any(CRITIC_ROWS not in run.sources for run in tables):
        warn("embeddings are not compared: not every table has one, or they are of different layers or pooling.")
        return []
    return [_rows(run, CRITIC_ROWS) for run in tables]


def _rows(table: ScoreTable, source: Source) -> npt.NDArray[np.float32]:
    return np.stack(table.table[source.column].to_list()).astype(np.float32)


def _controls_of(table: ScoreTable, *, has_rows: bool) -> tuple[Look | None, Scores | None]:
    """Return randomly initialised critics beside a table, None of fewer than three, and its image statistics."""
    scalars = table.scores_beside()
    rows = together({name: values for name, values in scalars.baselines.items() if np.isfinite(values).all()})
    statistics = None if rows is None else standardised(rows).T
    if len(scalars.random_init) < MIN_RUNS or not np.isfinite(scalars.random_init).all():
        return None, statistics
    sources = [s for s in table.sources if s.of == RANDOM_INIT and s.is_embedding] if has_rows else []
    scores = np.stack(scalars.random_init).astype(np.float32)
    return Look(numbered(len(scores)), scores, [_rows(table, source) for source in sources]), statistics


def _result(
    own: Look,
    inits: Look | None,
    samples: pd.Series,
    labels: Labels,
    *,
    seen: npt.NDArray[np.bool_] | None,
    statistics: Scores | None,
    comparisons: list[Comparison],
    provenance: Mapping[str, Any],
    warnings: list[str],
    seed: int,
    tell: OnPart,
) -> StabilityResult:
    """Return how far critics agree, and whatever stands beside it."""
    panel = make_panel(labels, seen, seed=seed)
    warnings += [f"the alignment level {name!r} is left out: {why}" for name, why in left_out(panel).items()]
    levels = alignment_levels(own.scores, labels, seen=seen, seed=seed)
    agreement = dict(zip(own.names, agreement_with_others(own.scores[:, panel.fit]).tolist(), strict=True))
    tell("scores")
    looks, others, beside_random = {TRAINED: own}, {}, None
    if inits is not None:
        looks[RANDOM_CRITICS] = inits
        others[RANDOM_CRITICS] = alignment_levels(inits.scores, labels, seen=seen, seed=seed)
        n = min(len(own.scores), len(inits.scores))
        if n < len(own.scores):
            warnings.append(
                f"randomly initialised critics stand beside {n} of the {len(own.scores)} trainings: what the training"
                f" added to agreement is that of {', '.join(own.names[:n])}."
            )
        beside_random = compare_runs(own.scores[:n], inits.scores[:n], labels, of=RANDOM_CRITICS, seed=seed)
    if statistics is not None and panel.fit.sum() < 2 * (len(statistics) + 1):
        warnings.append(
            f"image statistics are not regressed out: {len(statistics)} of them fit {int(panel.fit.sum())} images too"
            " well to leave anything."
        )
    elif statistics is not None:
        others[STATISTICS_OUT] = alignment_levels(own.scores, labels, seen=seen, regressors=statistics, seed=seed)
    alike = {
        name: similarities(look.scores, look.embeddings, labels, panel.fit, seed=seed) for name, look in looks.items()
    }
    if not any(alike.values()):
        warnings.append(f"embeddings and clusters are not compared: there are no embeddings, and {len(labels)} images.")
    tell("embeddings and clusters")
    return StabilityResult(
        levels=levels,
        others=others,
        similarities=alike,
        runs=tuple(own.names),
        classes=tuple(np.unique(labels)),
        panel=pd.DataFrame({"sample_id": samples, "label": labels, "half": np.where(panel.fit, "fit", "report")}),
        provenance={**provenance, "seed": seed, "images": len(labels), "version": VERSION},
        warnings=warnings,
        agreement=agreement,
        comparisons=comparisons,
        beside_random=beside_random,
        explained=None if statistics is None else linear_share(own.scores, statistics),
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
    _check_different({name: critic.hash for name, critic in critics.items()})
    found = {
        what: sorted({str(getattr(critic.config, what)) for critic in critics.values()})
        for what in ("data_fingerprint", "network", "step")
    }
    return [f"the runs differ in {what}: {', '.join(values)}." for what, values in found.items() if len(values) > 1]


def _check_different(hashes: Mapping[str, str]) -> None:
    """Raise where two runs are the same critic."""
    found = pd.Series(dict(hashes), dtype=object)
    for _, same in found.groupby(found):
        if len(same) > 1:
            raise InputError(f"{' and '.join(same.index)} are the same critic; their agreement says nothing.")


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
) -> Look:
    """Return what the critics that did not diverge say of the images; embeddings if all have layers."""
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
    return Look(list(scores), stacked, embeddings)


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
    warn: Warn = quiet,
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
    warn : callable, optional
        Told which snapshots are passed over.

    Raises
    ------
    InputError
        For fewer than two runs, or a run without snapshots, or without one whose scores are finite and differ. Those
        that are not are passed over.
    """
    if len(runs) < 2:
        raise InputError("agreement is about several runs; give at least two.")
    _check_labels(data)
    fit = halves(data.table["label"].astype(str).to_numpy(), seed=seed)
    paths, scores = {}, {}
    for name, run in runs.items():
        late = list(RunFolder(run).late_snapshots().values())
        critics = [Critic.load(path, device) for path in late]
        images = fit_channels(data.images[fit], critics[0].config.image_shape[2])
        found = np.stack([one.scores for one in LOCAL.run(critics, images, batch_size=batch_size)])
        usable = np.isfinite(found).all(1) & (np.ptp(found, axis=1) > 0)
        if not usable.any():
            raise InputError(f"{name} diverged: no late snapshot of it has finite scores that differ. Leave it out.")
        if not usable.all():
            left = ", ".join(path.name for path, is_usable in zip(late, usable, strict=True) if not is_usable)
            warn(f"snapshots of {name} are passed over, whose scores are not finite or all the same: {left}.")
        paths[name] = [path for path, is_usable in zip(late, usable, strict=True) if is_usable]
        scores[name] = found[usable]
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
