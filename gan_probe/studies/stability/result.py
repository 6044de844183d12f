"""Do scores survive a retraining? Runs are aligned on one half of the images, and compared on the other.

A loss leaves a critic's shift, scale and even sign free (the gauge): that part of a disagreement between runs can be
removed. What is left, classes that one run ranks otherwise than another (the conflict), cannot.
To add an alignment: one function and one row in ``ALIGNMENTS``; in ``CALIBRATIONS`` where it must know which images
are real.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from gan_probe.errors import InputError
from gan_probe.stats.agreement import (
    MEASURES,
    WANTED,
    Components,
    class_means,
    components,
    measures,
    runs_needed,
    spearman_within,
)
from gan_probe.stats.alignment import ALIGNMENTS, affine
from gan_probe.stats.intervals import runs_and_images
from gan_probe.stats.regression import regressed_out
from gan_probe.stats.similarity import Similarity
from gan_probe.studies.base import StudyResult, plain
from gan_probe.studies.stability.calibrations import CALIBRATIONS, Panel, left_out, make_panel
from gan_probe.studies.stability.metrics import StabilityMetrics
from gan_probe.types import Indices, Labels, Mask, Scores

MIN_RUNS = 3
STATISTICS_OUT = "image statistics regressed out"
AGREED = 0.9  # lower end of the reproducible fraction's interval from which runs are said to agree
N_DRAWS = 100  # of images, for a standard error
LEAST = {"icc_2_1": -1.0, "icc_3_1": -1.0}  # else 0; the most is 1 for all measures


# --- alignments: (scores of all images, which images they may be fitted on) -> aligned scores of all images -----------


# --- all together ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AlignmentLevel:
    """How well runs agree after one alignment, on images that it was not fitted on.

    Attributes
    ----------
    alignment : str
        A row of `ALIGNMENTS` or `CALIBRATIONS`.
    reproducible, kendall_w, flip_rate, icc_2_1, icc_3_1, spearman_within : float
        See `gan_probe.stats.agreement`; the first is class / (class + class x run).
    intervals : dict of str to tuple of float
        95 % intervals of the first five, over new runs and new images; the alignment's own half is held fixed.
    components : Components
    means : ndarray, shape (runs, classes)
    """

    alignment: str
    reproducible: float
    kendall_w: float
    flip_rate: float
    icc_2_1: float
    icc_3_1: float
    spearman_within: float
    intervals: dict[str, tuple[float, float]]
    components: Components
    means: Scores

    @property
    def ci_low(self) -> float:
        """Lower end of the reproducible fraction's interval."""
        return self.intervals["reproducible"][0]

    @property
    def ci_high(self) -> float:
        """Upper end of it."""
        return self.intervals["reproducible"][1]


def alignment_levels(
    scores: Scores,
    labels: Labels,
    *,
    seen: Mask | None = None,
    regressors: Scores | None = None,
    seed: int = 0,
) -> list[AlignmentLevel]:
    """Return a level for each of `ALIGNMENTS`, then for each of `CALIBRATIONS` that the images allow, in their order.

    Parameters
    ----------
    scores : ndarray, shape (runs, images)
    labels : ndarray, shape (images,)
    seen : ndarray of bool, shape (images,), optional
        Which images are of classes that the critics were trained on. Without it there are no calibrations.
    regressors : ndarray, shape (k, images), optional
        Regressed out of the scores first.
    seed : int
        Of the halves, and of the images drawn for intervals.

    Raises
    ------
    InputError
        For fewer than three runs, fewer than two classes, a class with fewer than four images, or scores that are not
        finite, or all the same, in a run.
    """
    labels = np.asarray(labels).astype(str)
    _check(scores, labels)
    panel, scores = make_panel(labels, seen, seed=seed), scores.astype(np.float64)
    if regressors is not None:
        scores = regressed_out(scores, regressors, panel.fit)
    missing = left_out(panel)
    return [_level(name, scores, panel, seed) for name in (*ALIGNMENTS, *CALIBRATIONS) if name not in missing]


@dataclass(frozen=True)
class Comparison:
    """Whether the runs of one kind of training agree better than those of another.

    Attributes
    ----------
    of : str
        Of which scores: an alignment, and what was regressed out.
    here, there : float
        Class / (class + class x run) of both, not cut off at 0.
    difference, ci_low, ci_high : float
        ``here - there`` with its 95 % interval over new pairs of runs and new images, -1 to 1.
    """

    of: str
    here: float
    there: float
    difference: float
    ci_low: float
    ci_high: float


def compare_runs(
    here: Scores,
    there: Scores,
    labels: Labels,
    *,
    alignment: str = "affine",
    regressors: Scores | None = None,
    of: str = "",
    seed: int = 0,
) -> Comparison:
    """Return by how much the reproducible fraction of some runs exceeds that of others, run by run the same seeds.

    Parameters
    ----------
    here, there : ndarray, shape (runs, images)
        Row i of both are a pair, such as trainings of one seed; they are left out together.
    labels : ndarray, shape (images,)
    alignment : str
        A row of `ALIGNMENTS`.
    image statistics, seed
        As of `alignment_levels`.
    of : str
        In words; default: the alignment.

    Raises
    ------
    InputError
        As `alignment_levels`, and where the two have not the same number of runs.
    """
    labels = np.asarray(labels).astype(str)
    if len(here) != len(there):
        raise InputError(f"runs are compared in pairs; there are {len(here)} and {len(there)}.")
    panel, kinds = make_panel(labels, seed=seed), []
    for scores in (here, there):
        _check(scores, labels)
        wide = scores.astype(np.float64)
        kinds.append(wide if regressors is None else regressed_out(wide, regressors, panel.fit))
    reported = labels[~panel.fit]

    @cache
    def aligned(kind: int, runs: tuple[int, ...]) -> Scores:
        return ALIGNMENTS[alignment](kinds[kind][list(runs)], panel.fit)[:, ~panel.fit]

    def statistic(runs: Indices, images: Indices) -> Scores:
        both = [components(aligned(kind, tuple(runs.tolist()))[:, images], reported[images]).share for kind in (0, 1)]
        return np.array([*both, both[0] - both[1]])

    values, widths = runs_and_images(statistic, len(here), reported, n_draws=N_DRAWS, seed=seed)
    own, other, difference = (float(value) for value in values)
    width = float(widths[2])
    low, high = max(-1.0, difference - width), min(1.0, difference + width)
    return Comparison(of or alignment, own, other, difference, low, high)


def _level(name: str, scores: Scores, panel: Panel, seed: int) -> AlignmentLevel:
    labels = panel.labels[~panel.fit]

    @cache
    def aligned(runs: tuple[int, ...]) -> Scores:
        return _align(name, scores[list(runs)], panel)[:, ~panel.fit]

    def statistic(runs: Indices, images: Indices) -> Scores:
        return measures(aligned(tuple(runs.tolist()))[:, images], labels[images])

    values, widths = runs_and_images(statistic, len(scores), labels, n_draws=N_DRAWS, seed=seed)
    ends = {
        measure: (max(LEAST.get(measure, 0.0), float(value - width)), min(1.0, float(value + width)))
        for measure, value, width in zip(MEASURES, values, widths, strict=True)
    }
    everyone = aligned(tuple(range(len(scores))))
    found = components(everyone, labels)
    if found.reproducible == 0:
        ends["reproducible"] = (0.0, max(0.0, ends["reproducible"][1]))
    w, flips, two, three = (float(value) for value in values[1:])
    within = spearman_within(everyone, labels)
    return AlignmentLevel(
        name, found.reproducible, w, flips, two, three, within, ends, found, class_means(everyone, labels)
    )


def _align(name: str, scores: Scores, panel: Panel) -> Scores:
    """Return aligned scores of all images; calibrations start from `affine`, whose sign all runs share."""
    if name in ALIGNMENTS:
        return ALIGNMENTS[name](scores, panel.fit)
    return CALIBRATIONS[name](affine(scores, panel.fit), panel)


def lowest_agreement(levels: Sequence[AlignmentLevel]) -> str | None:
    """Return the first alignment after which the reproducible fraction is certainly `AGREED` or more; or None."""
    return next((level.alignment for level in levels if level.ci_low >= AGREED), None)


def _check(scores: Scores, labels: Labels) -> None:
    if scores.ndim != 2 or scores.shape[1] != len(labels):
        raise InputError(f"scores must be (runs, {len(labels)}), got {scores.shape}.")
    if len(scores) < MIN_RUNS:
        raise InputError(f"stability needs at least {MIN_RUNS} runs, got {len(scores)}. Train more, with other seeds.")
    names, counts = np.unique(labels, return_counts=True)
    if len(names) < 2:
        raise InputError("stability is about the differences of classes; the data has fewer than two.")
    if counts.min() < 4:
        raise InputError(f"class {str(names[counts.argmin()])!r} has {counts.min()} images; at least four are needed.")
    for number, row in enumerate(scores):
        if not np.isfinite(row).all():
            raise InputError(f"run {number + 1} has scores that are not finite numbers; leave it out.")
        if row.std() == 0:
            raise InputError(f"run {number + 1} scores every image the same; leave it out.")


@dataclass(frozen=True, kw_only=True)
class StabilityResult(StudyResult):
    """How far the scores of several trainings agree, and what stands beside it.

    Attributes
    ----------
    levels : list of AlignmentLevel
        Of the trained critics: see `alignment_levels`.
    others : dict of str to list of AlignmentLevel
        The same of randomly initialised critics, and of the trained ones with image statistics regressed out.
    similarities : dict of str to list of Similarity
        Of trained critics and, with controls, of randomly initialised ones: embeddings, and clusters found without
        labels.
    runs, classes : tuple of str
    agreement : dict of str to float
        Each run's rank correlation with the others on the half fitted on, found without labels.
    comparisons : list of Comparison
        With runs of another training, where there are some.
    explained : float, optional
        Share of a score's variance that is linear in the image statistics, mean over runs.
    panel : DataFrame
        ``sample_id``, ``label`` and ``half`` of each image: "fit" where alignments were fitted, "report" where
        everything was measured.
    provenance : dict
    warnings : list of str
    """

    study: ClassVar = "stability"

    levels: list[AlignmentLevel]
    others: dict[str, list[AlignmentLevel]]
    similarities: dict[str, list[Similarity]]
    runs: tuple[str, ...]
    classes: tuple[str, ...]
    panel: pd.DataFrame
    provenance: dict[str, Any]
    warnings: list[str]
    agreement: dict[str, float]
    comparisons: list[Comparison] = field(default_factory=list)
    explained: float | None = None

    @property
    def typical_run(self) -> str:
        """The run to keep where only one is kept: the one that agrees best with the others, found without labels."""
        return max(self.agreement, key=lambda name: self.agreement[name])

    def panel_record(self) -> dict[str, Any]:
        """Return what the runs were compared on: enough to see that another comparison used the same images."""
        counts = self.panel["half"].value_counts()
        return {
            "fingerprint": self.provenance["data_fingerprint"],
            "seed": self.provenance["seed"],
            "n_fitted": int(counts["fit"]),
            "n_reported": int(counts["report"]),
            "classes": list(self.classes),
        }

    def findings(self) -> list[str]:
        """Return what was found, in plain words."""
        return _sentences(self)

    def metrics(self) -> StabilityMetrics:
        """Return the numbers that the command prints: of the affine alignment level."""
        best = next(level for level in self.levels if level.alignment == "affine")
        return StabilityMetrics(
            reproducible_fraction=best.reproducible,
            ci_low=best.ci_low,
            ci_high=best.ci_high,
            kendall_w=best.kendall_w,
            flip_rate=best.flip_rate,
            runs_needed=runs_needed(best.reproducible),
            lowest_level=lowest_agreement(self.levels),
            explained_by_image_statistics=self.explained,
            typical_run=self.typical_run,
            panel=self.panel_record()["fingerprint"],
            against={found.of: dataclasses.asdict(found) for found in self.comparisons},
            similarities={name: {s.measure: s.value for s in found} for name, found in self.similarities.items()},
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return ``panel``: the half of each image."""
        return {"panel": self.panel}

    def series(self) -> dict[str, Sequence[AlignmentLevel]]:
        """Return the alignment levels of the trained critics, and what stands beside them."""
        return {"trained critics": self.levels, **self.others}

    def level_rows(self) -> list[dict[str, Any]]:
        """Return every number of every alignment level, flat but for the components."""
        rows = []
        for name, levels in self.series().items():
            for level in levels:
                row: dict[str, Any] = {"of": name, "alignment": level.alignment}
                row |= {"reproducible": level.reproducible, "ci_low": level.ci_low, "ci_high": level.ci_high}
                for measure in ("kendall_w", "flip_rate", "icc_2_1", "icc_3_1"):
                    low, high = level.intervals[measure]
                    row |= {measure: getattr(level, measure), f"{measure}_low": low, f"{measure}_high": high}
                row["spearman_within"] = level.spearman_within
                rows.append({**plain(row), "components": plain(dataclasses.asdict(level.components))})
        return rows

    def similarity_rows(self) -> list[dict[str, Any]]:
        """Return every similarity over pairs of runs, one a row."""
        return [
            {"of": name, **plain(dataclasses.asdict(pair))}
            for name, found in self.similarities.items()
            for pair in found
        ]

    def record(self) -> dict[str, Any]:
        """Return every number of the page."""
        return {
            "classes": list(self.classes),
            "panel": self.panel_record(),
            "levels": self.level_rows(),
            "similarities": self.similarity_rows(),
            "agreement": plain(self.agreement),
            "comparisons": [plain(dataclasses.asdict(found)) for found in self.comparisons],
        }


def _against(found: Comparison) -> str:
    verdict = "more" if found.ci_low > 0 else "less" if found.ci_high < 0 else "not to be told from"
    ends = f"({found.ci_low:+.3f} to {found.ci_high:+.3f})"
    than = "" if verdict.startswith("not") else " reproducible than"
    return (
        f"Against the other training, {found.of}: {found.here:.3f} and {found.there:.3f}, difference"
        f" {found.difference:+.3f} {ends}: {verdict}{than} the other."
    )


def _sentences(result: StabilityResult) -> list[str]:
    """Return what was found, in plain words."""
    by_name = {level.alignment: level for level in result.levels}
    best, first, lowest = by_name["affine"], result.levels[0], lowest_agreement(result.levels)
    ends = {name: f"({low:.3f} to {high:.3f})" for name, (low, high) in best.intervals.items()}
    lines = [
        f"Reproducible fraction of {len(best.means)} runs over {best.means.shape[1]} classes, after shift, scale and"
        f" sign fitted on other images: {best.reproducible:.3f} {ends['reproducible']}; as they are:"
        f" {first.reproducible:.3f} ({first.ci_low:.3f} to {first.ci_high:.3f}).",
        f"The runs agree (lower end of the interval at least {AGREED:g}) from the alignment level {lowest!r} on."
        if lowest
        else f"At no alignment level do the runs agree (lower end of the interval at least {AGREED:g}): what one run's"
        " scores say of these classes, another's need not.",
        f"Two runs put two classes in different order in {best.flip_rate:.1%} of cases; Kendall's W is"
        f" {best.kendall_w:.3f} {ends['kendall_w']}.",
        f"Within a class, two runs' scores have a rank correlation of {best.spearman_within:.2f}."
        if np.isfinite(best.spearman_within)
        else "Within a class no scores differ, so that there is no rank correlation.",
        f"Runs whose mean has a reliability of {WANTED:g}: {runs_needed(best.reproducible) or 'no number is enough'}.",
    ]
    least = min(result.agreement, key=lambda name: result.agreement[name])
    lines.append(
        f"Without labels, {result.typical_run} agrees best with the other runs (rank correlation"
        f" {result.agreement[result.typical_run]:.2f}): keep it if you keep one. {least} agrees least"
        f" ({result.agreement[least]:.2f})."
    )
    lines += [_against(found) for found in result.comparisons]
    for name, found in result.others.items():
        level = next(r for r in found if r.alignment == "affine")
        share = (
            ""
            if name != STATISTICS_OUT or result.explained is None
            else f" They explain {result.explained:.0%} of a score."
        )
        lines.append(
            f"The same, {name}: {level.reproducible:.3f} ({level.ci_low:.3f} to {level.ci_high:.3f}),"
            f" Kendall's W {level.kendall_w:.3f}.{share}"
        )
    for name, pairs in result.similarities.items():
        listed = ", ".join(f"{s.measure} {s.value:.2f} ({s.ci_low:.2f} to {s.ci_high:.2f})" for s in pairs)
        lines.append(f"Two {name}, mean over all pairs: {listed}.")
    return lines
