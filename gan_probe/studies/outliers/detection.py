"""Which images are unlike real ones, by what a critic knows beside its score: its layers, chosen without outliers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gan_probe.errors import InputError
from gan_probe.names import check_name
from gan_probe.scoring.controls import MAX_DESCRIBED, SEEDS, random_inits
from gan_probe.scoring.reference import read_kept
from gan_probe.scoring.score import describe_origin
from gan_probe.scoring.views import BASELINES, baseline_viewers, viewer
from gan_probe.stats.auroc import auroc_ahead, placements
from gan_probe.stats.beside import RANDOM_INIT
from gan_probe.stats.conformal import FDR, MIN_REFERENCE
from gan_probe.stats.intervals import auroc_interval
from gan_probe.stats.novelty import (
    DETECTORS,
    MIN_REALS,
    ROWS,
    SCORE,
    Detector,
    FittedDetector,
    Scale,
    View,
    check_rows,
    fit_detector,
    unlike_together,
)
from gan_probe.studies.base import quiet
from gan_probe.studies.outliers.choice import DetectorChoice, choose_detectors
from gan_probe.studies.outliers.result import Novelty, OutlierResult, Placed, call_novel, stand_beside
from gan_probe.types import AnyLabels, Indices, OnPart, Rows, SomeMask, Values

if TYPE_CHECKING:
    from gan_probe.critics.critic import Critic
    from gan_probe.images.image_set import ImageSet

AUTO = "auto"
CANDIDATES = tuple(row for row in DETECTORS.values() if row.kind != ROWS)
OF_ROWS = tuple(row for row in DETECTORS.values() if row.kind == ROWS)
N_STRANGEST, N_NEAREST = 24, 3
NOT_CHOSEN = "named by the user"
CHOSEN = (
    "the best at telling reals from outliers made of reals, with those not certainly behind it where together they tell"
    " them better"
)

Seen = Mapping[View, Rows]


def detect_outliers(
    critic: Critic,
    data: ImageSet,
    reals: ImageSet,
    *,
    detector: str = AUTO,
    controls: bool = True,
    fdr: float = FDR,
    seed: int = 0,
    on_step: OnPart = quiet,
) -> OutlierResult:
    """Return which images are unlike real ones, by detectors on a critic's layers and score.

    Parameters
    ----------
    critic : Critic
    data : ImageSet
        To be judged.
    reals : ImageSet
        Images like those that the critic was trained on, none of them in ``data``. Where they are its training data,
        those that the training held out calibrate, and detectors are fitted on the others; else a random half each.
    detector : str
        A row of `gan_probe.stats.novelty.DETECTORS`, or "auto": chosen without outliers, see
        `gan_probe.studies.outliers.choice.choose_detectors`.
    controls : bool
        Measure the same detectors on randomly initialised critics, and detectors on pixels, HOG and k-means patches,
        where images of seen and of unseen classes are there.
    fdr : float
        Share of the images called outliers that may be called so wrongly, on average.
    seed : int
        Of the halves and of the outliers made of reals.
    on_step : callable
        Called with the name of each part that is done.

    Raises
    ------
    InputError
        For images of another size than the critic's, reals that are in the data, or too few reals.
    ConfigError
        For an unknown detector, with the nearest.
    """
    check_name("detector", detector, [AUTO, *(row.name for row in CANDIDATES)])
    data, reals = (images.with_channels(critic.config.image_shape[2]) for images in (data, reals))
    for images in (data, reals):
        critic.check_images(images.images)
    _check_apart(data, reals)
    fitting, calibration, notes = _split(critic, reals, seed)
    labels = fitting.table["label"].astype(str).to_numpy() if "label" in fitting.table else None
    choice, view = _chosen(critic, fitting, labels, detector=detector, seed=seed)
    on_step("choice")
    seen_by = {name: view(images.images) for name, images in (("fit", fitting), ("usual", calibration), ("new", data))}
    for views in seen_by.values():
        for rows in views.values():
            check_rows(rows)
    fitted = _fit_all(seen_by["fit"], labels, choice.used)
    if not fitted:
        raise InputError("; ".join(choice.notes) or f"the detector {detector!r} cannot be fitted on these reals.")
    used = [one for one in fitted.values() if one.detector in choice.used]
    title = " + ".join(one.detector.title for one in used)
    novelty = Novelty(
        names=tuple(one.detector.name for one in used),
        title=title,
        n_fitted=len(fitting),
        how=CHOSEN if choice.rows else NOT_CHOSEN,
        choice=choice.rows,
    )
    table = _with_seen(critic, data, reals).assign(critic_score=seen_by["new"][SCORE, ""][:, 0].astype(np.float32))
    unlike = unlike_together(used, seen_by["new"])
    result = call_novel(table, unlike, unlike_together(used, seen_by["usual"]), novelty=novelty, fdr=fdr)
    on_step("detectors")
    is_new = ~table["seen"].to_numpy(dtype=bool) if not math.isnan(result.auroc) else None
    if is_new is not None:
        result = _compare(
            result, _Compared(critic, fitting, data, labels, is_new, seed), fitted, new=seen_by["new"],
            unlike=unlike, controls=controls,
        )  # fmt: skip
        on_step("controls")
    result = _explain(result, used, seen_by, data=data, fitting=fitting)
    result.warnings.extend([*data.warnings, *notes, *choice.notes])
    result.warnings.extend(f"the critic was {note}" for note in critic.notes)
    return replace(result, provenance=_origin(critic, data, reals, calibration))


# --- reals ---------------------------------------------------------------------------------------------------------


def _check_apart(data: ImageSet, reals: ImageSet) -> None:
    n_shared = int(data.table["sample_id"].isin(set(reals.table["sample_id"])).sum())
    if n_shared:
        raise InputError(
            f"{n_shared} of the {len(data)} images are among the reals, pixel by pixel; what is judged must be other"
            " images than what it is compared with. Give other reals, or leave these images out of the data."
        )


def _split(critic: Critic, reals: ImageSet, seed: int) -> tuple[ImageSet, ImageSet, list[str]]:
    """Return the reals that detectors are fitted on, those that calibrate, and what is to be said of it.

    Neither the critic nor a detector saw those that calibrate.
    """
    if len(reals) < 2 * MIN_REALS:
        raise InputError(
            f"outliers are told by real images: {MIN_REALS} to fit a detector and {MIN_REFERENCE} others to calibrate"
            f" it, at least; got {len(reals)}. Give more (--reals)."
        )
    kept = read_kept(critic.source, critic.hash)
    is_kept = reals.table["sample_id"].isin(kept).to_numpy()
    is_training = critic.config.was_trained_on(reals)
    notes = []
    n_others = int((~is_kept).sum())
    if is_training or (is_kept.sum() >= MIN_REFERENCE and n_others >= MIN_REALS):
        if is_kept.sum() < MIN_REFERENCE:
            raise InputError(
                f"these reals are the images that the critic was trained on, and its training held out"
                f" {int(is_kept.sum())} of them; {MIN_REFERENCE} are needed to calibrate. Give real images that it was"
                " not trained on (--reals), or train with --set held_out=0.1."
            )
        calibrates = is_kept
    else:
        which, images = pd.factorize(reals.table["sample_id"])  # copies of an image stay together
        order = np.random.default_rng(seed).permutation(len(images))
        calibrates = np.isin(which, order[: len(images) // 2])
        notes.append(_of_half(int(calibrates.sum()), n_kept=int(is_kept.sum()), n_others=n_others))
    smallest = 1 / (int(calibrates.sum()) + 1)
    if smallest > 0.01:
        notes.append(
            f"{int(calibrates.sum())} reals calibrate, so no p-value is below {smallest:.3f}; 99 of them allow false"
            " alarms at 1 %."
        )
    return reals.take(~calibrates), reals.take(calibrates), notes


def _of_half(n_half: int, *, n_kept: int, n_others: int) -> str:
    """Return what is to be said where a random half of the reals calibrates."""
    if n_kept >= MIN_REFERENCE:
        return (
            f"the critic keeps all but {n_others} of these reals, too few to fit on: a random half ({n_half})"
            " calibrates."
        )
    if n_kept:
        return (
            f"the critic's training held out {n_kept} of these reals, so it may have been trained on others: a random"
            f" half ({n_half}) calibrates, and false alarms may be more than is said. Give others (--reals)."
        )
    return (
        f"the critic keeps none of these reals: a random half ({n_half}) calibrates, and must be images that it was not"
        " trained on."
    )


def _with_seen(critic: Critic, data: ImageSet, reals: ImageSet) -> pd.DataFrame:
    """Return the table of the data; ``seen`` says whether a label is one that the critic was trained on."""
    table = data.table.reset_index(drop=True)
    known = set(critic.config.training_classes)
    if not known and "label" in reals.table:
        known = set(reals.table["label"].astype(str))
    if "label" in table and known:
        return table.assign(seen=table["label"].astype(str).isin(known))
    return table


def _origin(critic: Critic, data: ImageSet, reals: ImageSet, calibration: ImageSet) -> dict[str, Any]:
    return {
        **describe_origin(critic, data),
        "reals_source": str(reals.source),
        "reals_fingerprint": reals.fingerprint,
        "n_calibration": len(calibration),
    }


# --- detectors -----------------------------------------------------------------------------------------------------


def _chosen(
    critic: Critic, fitting: ImageSet, labels: AnyLabels | None, *, detector: str, seed: int
) -> tuple[DetectorChoice, Any]:
    """Return the detectors to use, and what turns images into what they and the others see."""
    view = viewer(critic, [row.kind for row in CANDIDATES])
    if detector != AUTO:
        return DetectorChoice(used=(DETECTORS[detector],), rows=[]), view
    offered = {kind for kind, _ in view(fitting.images[:1])}
    candidates = [row for row in CANDIDATES if row.kind in offered]
    if labels is None or len(set(labels)) < 2:
        candidates = [row for row in candidates if row.method != "relative"]
    notes = [] if critic.config.layers else [f"{critic.config.network} shows no layers: only its score is used."]
    choice = choose_detectors(view, fitting.images, labels, candidates=candidates, seed=seed)
    return replace(choice, notes=(*notes, *choice.notes)), view


def _fit_all(reals: Seen, labels: AnyLabels | None, used: Sequence[Detector]) -> dict[str, FittedDetector]:
    """Return every detector that can be fitted; one of those used must be."""
    found = {}
    for row in CANDIDATES:
        try:
            found[row.name] = fit_detector(row, reals, labels)
        except InputError:
            if row in used:
                raise
    return found


@dataclass(frozen=True)
class _Compared:
    """What controls are compared on."""

    critic: Critic
    fitting: ImageSet
    data: ImageSet
    labels: AnyLabels | None
    is_new: SomeMask
    seed: int


def _compare(
    result: OutlierResult,
    on: _Compared,
    fitted: Mapping[str, FittedDetector],
    *,
    new: Seen,
    unlike: Values,
    controls: bool,
) -> OutlierResult:
    """Return the result with the AUROC of every detector and layer alone, and of the controls."""
    assert result.novelty is not None
    used = [fitted[name] for name in result.novelty.names]

    def placed(values: Values) -> Placed:
        return placements(values[on.is_new], values[~on.is_new])

    own = placed(unlike)
    rows = [_row("critic", "all that are used", own, is_used=True)] if len(used) > 1 else []
    by_name = {name: placed(one.unlike(new)) for name, one in fitted.items()}
    rows += [_row("critic", n, found, is_used=n in result.novelty.names) for n, found in by_name.items()]
    for one in used:
        if len(one.views) > 1:
            layers = zip(one.views, one.by_view(new), strict=True)
            rows += [_row("layer", f"{one.detector.name}: {layer}", placed(v)) for (_, layer), v in layers]
    groups, notes = _controls(on, [one.detector for one in used]) if controls else ({}, [])
    placements_of = {name: [placed(values) for values in found] for name, found in groups.items()}
    for name, seeds in placements_of.items():
        mean = (np.mean([s[0] for s in seeds], axis=0), np.mean([s[1] for s in seeds], axis=0))
        rows.append(_row("control", name, mean))
    score = by_name.get("score-low")
    is_score = result.novelty.names == ("score-low",)
    over_score = None if score is None or is_score else auroc_ahead(own, [score])
    novelty = replace(result.novelty, compared=rows, over_score=over_score)
    result.warnings.extend(notes)
    return replace(result, novelty=novelty, advantage=stand_beside(own, placements_of))


def _row(of: str, name: str, found: Placed, *, is_used: bool = False) -> dict[str, Any]:
    value = float(found[0].mean())
    low, high = auroc_interval(value, len(found[0]), len(found[1]))
    return {"of": of, "name": name, "auroc": value, "ci_low": low, "ci_high": high, "used": is_used}


def _controls(on: _Compared, used: Sequence[Detector]) -> tuple[dict[str, list[Values]], list[str]]:
    """Return how unlike reals the data is by each control, one array a seed, and what is to be said of it.

    Randomly initialised critics use the detectors that were chosen for the critic. What has no layers chooses its own,
    in the same way.
    """
    others, notes = random_inits(on.critic, SEEDS)
    found: dict[str, list[Values]] = {}
    said = list(notes)
    kinds = [row.kind for row in used]
    for other in others:
        view = viewer(other, kinds)
        reals = view(on.fitting.images)
        try:
            fitted = [fit_detector(row, reals, on.labels) for row in used]
        except InputError as error:
            said.append(f"no randomly initialised control: {error}")
            break
        found.setdefault(RANDOM_INIT, []).append(unlike_together(fitted, view(on.data.images)))
    is_many = len(on.data) + len(on.fitting) > MAX_DESCRIBED
    if is_many:
        said.append(f"HOG and k-means patches are left out: they are made for at most {MAX_DESCRIBED:,} images.")
    names = ("pixels",) if is_many else BASELINES
    for name, view in baseline_viewers(on.fitting.images, names, on.seed).items():
        try:
            choice = choose_detectors(view, on.fitting.images, on.labels, candidates=OF_ROWS, seed=on.seed)
            reals = view(on.fitting.images)
            fitted = [fit_detector(row, reals, on.labels) for row in choice.used]
            found[name] = [unlike_together(fitted, view(on.data.images))]
        except InputError as error:
            said.append(f"the control {name} is left out: {error}")
    return found, said


# --- the strangest images ------------------------------------------------------------------------------------------


def _explain(
    result: OutlierResult,
    used: Sequence[FittedDetector],
    seen_by: Mapping[str, Seen],
    *,
    data: ImageSet,
    fitting: ImageSet,
) -> OutlierResult:
    """Return the result with what is told of the strangest images: the most surprised layer, the nearest reals."""
    assert result.novelty is not None
    order = {sample: row for row, sample in enumerate(data.table["sample_id"])}
    rows = np.array([order[sample] for sample in result.table["sample_id"].head(N_STRANGEST)], dtype=np.intp)
    some = {view: found[rows] for view, found in seen_by["new"].items()}
    views = [view for one in used for view in one.views]
    surprises = np.concatenate([one.by_view(some) for one in used])  # (views, k)
    told_by = surprises.argmax(0)
    strangest, pictures = [], []
    for place, (row, number) in enumerate(zip(rows, told_by, strict=True)):
        view = views[number]
        nearest = _nearest(seen_by["fit"][view], seen_by["new"][view][row])
        strangest.append(
            {
                "place": place,
                "sample_id": str(data.table["sample_id"].iloc[row]),
                "layer": view[1] or view[0],
                "surprise": float(surprises[number, place]),
                "nearest": [str(fitting.table["sample_id"].iloc[real]) for real in nearest],
            }
        )
        pictures.append(np.concatenate([data.images[[row]], fitting.images[nearest]]))
    return replace(result, novelty=replace(result.novelty, strangest=strangest, pictures=np.stack(pictures)))


def _nearest(reals: Rows, row: Values) -> Indices:
    """Return the numbers of the reals that are most alike, in columns standardised on reals."""
    scale = Scale.of(reals)
    return np.argsort(((scale(reals) - scale(row[None])) ** 2).sum(1), kind="stable")[:N_NEAREST]
