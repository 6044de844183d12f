"""Do scores survive a retraining? Runs are aligned on one half of the images, and compared on the other.

A loss leaves a critic's shift, scale and even sign free (the gauge): that part of a disagreement between runs can be
removed. What is left, classes that one run ranks otherwise than another (the conflict), cannot.
To add an alignment: one function and one row in ``ALIGNMENTS``; in ``CALIBRATIONS`` where it must know which images
are real.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
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
from gan_probe.stats.beside import Difference
from gan_probe.stats.intervals import runs_and_images
from gan_probe.stats.regression import regressed_out
from gan_probe.stats.similarity import Similarity
from gan_probe.studies.base import StudyResult, plain
from gan_probe.studies.judgement import Answer, Judgement, Opening, gained, sources
from gan_probe.studies.levels import Told
from gan_probe.studies.stability.calibrations import CALIBRATIONS, Panel, left_out, make_panel
from gan_probe.studies.stability.metrics import StabilityMetrics
from gan_probe.types import Indices, Labels, Mask, Scores, Values
from gan_probe.verdicts import Verdict, always, conclude

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
    scores: Values,
    labels: Labels,
    *,
    seen: Mask | None = None,
    regressors: Values | None = None,
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
    if flat := np.flatnonzero(np.ptp(scores[:, panel.fit], axis=1) == 0).tolist():
        raise InputError(
            f"run {flat[0] + 1} scores all images of the half that alignments are fitted on the same; leave it out."
        )
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
    here: Values,
    there: Values,
    labels: Labels,
    *,
    alignment: str = "affine",
    regressors: Values | None = None,
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
    reported = np.unique(labels[~panel.fit], return_inverse=True)[1]  # numbers are compared faster than names

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
    labels = np.unique(panel.labels[~panel.fit], return_inverse=True)[1]  # numbers are compared faster than names

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


def _check(scores: Values, labels: Labels) -> None:
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
    beside_random : Comparison, optional
        With randomly initialised critics, after shift, scale and sign.
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
    beside_random: Comparison | None = None
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
            **self._judgement().numbers(),
        )

    def opening(self) -> Opening:
        """Return whether the trainings agree, and what the training added to that."""
        counted = f"{len(self.runs)} trainings, {len(self.panel):,} images, {len(self.classes)} classes"
        return Opening(judgement=self._judgement(), about=(*sources(self.provenance), counted))

    def _judgement(self) -> Judgement:
        facts = StabilityFacts(self)
        (row,) = (row for row in AGREEMENT if row.holds(facts))
        level = facts.affine
        answer = Answer(
            headline=row.name, says=conclude([row], facts)[0], level=_AGREED[row.name],
            value=level.reproducible, low=level.ci_low, high=level.ci_high,
        )  # fmt: skip
        return Judgement(answer=answer, added=gained("Agreement", facts.training, in_points=False))

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
            "beside_random_init": plain(dataclasses.asdict(self.beside_random)) if self.beside_random else None,
        }


@dataclass(frozen=True)
class StabilityFacts:
    """What sentences are made of: levels, their intervals and comparisons, as text."""

    result: StabilityResult

    @property
    def affine(self) -> AlignmentLevel:
        """After shift, scale and sign."""
        return _affine(self.result.levels)

    @property
    def raw(self) -> AlignmentLevel:
        """As the scores are."""
        return self.result.levels[0]

    @property
    def n_runs(self) -> int:
        """Trainings."""
        return len(self.affine.means)

    @property
    def n_classes(self) -> int:
        """Classes."""
        return self.affine.means.shape[1]

    @property
    def lowest(self) -> str | None:
        """The first level at which runs agree."""
        return lowest_agreement(self.result.levels)

    @property
    def w(self) -> str:
        """Kendall's W with its interval."""
        low, high = self.affine.intervals["kendall_w"]
        return f"{self.affine.kendall_w:.3f} ({low:.3f} to {high:.3f})"

    @property
    def needed(self) -> int | None:
        """Runs whose mean is reliable."""
        return runs_needed(self.affine.reproducible)

    @property
    def typical(self) -> str:
        """The run that agrees best with the others, with its correlation."""
        return f"{self.result.typical_run} ({self.result.agreement[self.result.typical_run]:.2f})"

    @property
    def least(self) -> str:
        """The run that agrees least."""
        name = min(self.result.agreement, key=lambda name: self.result.agreement[name])
        return f"{name} ({self.result.agreement[name]:.2f})"

    @property
    def training(self) -> Difference | None:
        """The fraction minus that of randomly initialised critics."""
        found = self.result.beside_random
        return None if found is None else Difference(found.difference, found.ci_low, found.ci_high)

    @property
    def added(self) -> str:
        """The same in words, with both fractions: of the trainings that randomly initialised critics stand beside."""
        found = self.result.beside_random
        assert found is not None
        assert self.training is not None
        return f"{self.training.plain()}; {found.here:.3f} beside {found.there:.3f} of randomly initialised critics"

    @property
    def without_statistics(self) -> AlignmentLevel | None:
        """The level with image statistics regressed out; None where it was not asked for."""
        found = self.result.others.get(STATISTICS_OUT)
        return None if found is None else _affine(found)

    @property
    def beyond(self) -> str:
        """Its fraction with the interval."""
        level = self.without_statistics
        assert level is not None
        return f"{level.reproducible:.3f} ({level.ci_low:.3f} to {level.ci_high:.3f})"

    @property
    def explained(self) -> str:
        """What image statistics explain of a score."""
        share = self.result.explained
        return "" if share is None else f" They explain {share:.0%} of a score."


@dataclass(frozen=True)
class LevelFacts:
    """What a sentence on other critics, or on other scores, is made of."""

    name: str
    level: AlignmentLevel


@dataclass(frozen=True)
class SimilarityFacts:
    """What a sentence on embeddings and clusters is made of."""

    name: str
    pairs: Sequence[Similarity]

    @property
    def listed(self) -> str:
        """Every measure with its interval."""
        return ", ".join(f"{s.measure} {s.value:.2f} ({s.ci_low:.2f} to {s.ci_high:.2f})" for s in self.pairs)


def _affine(levels: Sequence[AlignmentLevel]) -> AlignmentLevel:
    return next(level for level in levels if level.alignment == "affine")


def _is(difference: Difference | None, verdict: str) -> bool:
    return difference is not None and difference.verdict == verdict


_FRACTION = (
    "After shift, scale and sign {affine.reproducible:.2f} ({affine.ci_low:.2f} to {affine.ci_high:.2f}) of how classes"
    " differ is common to all trainings."
)
_AGREED: Mapping[str, Told] = {
    "The trainings agree": "yes", "The trainings do not agree": "no",
    "Cannot say whether the trainings agree": "unknown",
}  # fmt: skip
AGREEMENT: tuple[Verdict[StabilityFacts], ...] = (
    Verdict(
        name="The trainings agree",
        when=f"after shift, scale and sign the interval of the reproducible fraction lies at {AGREED:g} or above",
        holds=lambda f: f.affine.ci_low >= AGREED,
        says=_FRACTION,
    ),
    Verdict(
        name="The trainings do not agree",
        when="it lies below",
        holds=lambda f: f.affine.ci_high < AGREED,
        says=_FRACTION,
    ),
    Verdict(
        name="Cannot say whether the trainings agree",
        when=f"it holds {AGREED:g}",
        holds=lambda f: f.affine.ci_low < AGREED <= f.affine.ci_high,
        says=_FRACTION,
    ),
)
VERDICTS: tuple[Verdict[StabilityFacts], ...] = (
    Verdict(
        name="reproducible fraction",
        when="always",
        holds=always,
        says="Reproducible fraction of {n_runs} runs over {n_classes} classes, after shift, scale and sign fitted on"
        " other images: {affine.reproducible:.3f} ({affine.ci_low:.3f} to {affine.ci_high:.3f}); as they are:"
        " {raw.reproducible:.3f} ({raw.ci_low:.3f} to {raw.ci_high:.3f}).",
    ),
    Verdict(
        name="training added agreement",
        when="the interval of the fraction minus that of randomly initialised critics lies above 0",
        holds=lambda f: _is(f.training, "ahead"),
        says="The training added agreement: {added}.",
    ),
    Verdict(
        name="training's agreement not shown",
        when="that interval holds 0",
        holds=lambda f: _is(f.training, "not to be told apart"),
        says="Nothing shows that the training added agreement: {added}. The architecture alone may make critics agree.",
    ),
    Verdict(
        name="training took agreement away",
        when="that interval lies below 0",
        holds=lambda f: _is(f.training, "behind"),
        says="The training took agreement away: {added}.",
    ),
    Verdict(
        name="training's agreement unknown",
        when="there are no randomly initialised critics",
        holds=lambda f: f.training is None,
        says="Whether the training added agreement cannot be known: no randomly initialised critics stand beside it.",
    ),
    Verdict(
        name="reproducible beyond image statistics",
        when="with image statistics regressed out, the interval of the fraction lies above 0",
        holds=lambda f: f.without_statistics is not None and f.without_statistics.ci_low > 0,
        says="With image statistics regressed out a part stays reproducible: {beyond}.{explained}",
    ),
    Verdict(
        name="reproducible beyond image statistics not shown",
        when="that interval holds 0",
        holds=lambda f: f.without_statistics is not None and f.without_statistics.ci_low <= 0,
        says="Nothing shows that more is reproducible than image statistics: with these regressed out, {beyond}."
        "{explained}",
    ),
    Verdict(
        name="agree",
        when=f"the interval's lower end reaches {AGREED:g} at an alignment level",
        holds=lambda f: f.lowest is not None,
        says=f"The runs agree (lower end of the interval at least {AGREED:g}) from the alignment level {{lowest!r}}"
        " on.",
    ),
    Verdict(
        name="agree nowhere",
        when="it does so at none",
        holds=lambda f: f.lowest is None,
        says=f"At no alignment level do the runs agree (lower end of the interval at least {AGREED:g}): what one run's"
        " scores say of these classes, another's need not.",
    ),
    Verdict(
        name="flips",
        when="always",
        holds=always,
        says="Two runs put two classes in different order in {affine.flip_rate:.1%} of cases; Kendall's W is {w}.",
    ),
    Verdict(
        name="within a class",
        when="scores differ within classes",
        holds=lambda f: bool(np.isfinite(f.affine.spearman_within)),
        says="Within a class, two runs' scores have a rank correlation of {affine.spearman_within:.2f}.",
    ),
    Verdict(
        name="nothing within a class",
        when="they do not",
        holds=lambda f: not np.isfinite(f.affine.spearman_within),
        says="Within a class no scores differ, so that there is no rank correlation.",
    ),
    Verdict(
        name="runs needed",
        when="the reproducible fraction is above 0",
        holds=lambda f: f.needed is not None,
        says=f"Runs whose mean has a reliability of {WANTED:g}: {{needed}}.",
    ),
    Verdict(
        name="no number of runs is enough",
        when="it is 0",
        holds=lambda f: f.needed is None,
        says=f"Runs whose mean has a reliability of {WANTED:g}: no number is enough.",
    ),
    Verdict(
        name="typical run",
        when="always",
        holds=always,
        says="Without labels (rank correlation with the others), {typical} agrees best: keep it if you keep one."
        " {least} agrees least.",
    ),
)
AGAINST: tuple[Verdict[Comparison], ...] = tuple(
    Verdict(
        name=f"{name} reproducible than another training",
        when=when,
        holds=holds,
        says="Against the other training, {of}: {here:.3f} and {there:.3f}, difference {difference:+.3f} ({ci_low:+.3f}"
        f" to {{ci_high:+.3f}}): {words} the other.",
    )
    for name, words, when, holds in (
        ("more", "more reproducible than", "the interval of the difference lies above 0", lambda c: c.ci_low > 0),
        ("less", "less reproducible than", "it lies below 0", lambda c: c.ci_high < 0),
        ("not shown more", "not to be told from", "it holds 0", lambda c: c.ci_low <= 0 <= c.ci_high),
    )
)
LEVELS: tuple[Verdict[LevelFacts], ...] = (
    Verdict(
        name="other levels",
        when="there are controls: for each",
        holds=always,
        says="The same, {name}: {level.reproducible:.3f} ({level.ci_low:.3f} to {level.ci_high:.3f}), Kendall's W"
        " {level.kendall_w:.3f}.",
    ),
)
SIMILARITIES: tuple[Verdict[SimilarityFacts], ...] = (
    Verdict(
        name="similarities",
        when="for trained critics and for randomly initialised ones",
        holds=always,
        says="Two {name}, mean over all pairs: {listed}.",
    ),
)


def _sentences(result: StabilityResult) -> list[str]:
    """Return what was found, in plain words."""
    return [
        *conclude(VERDICTS, StabilityFacts(result)),
        *(line for found in result.comparisons for line in conclude(AGAINST, found)),
        *(line for name, found in result.others.items() for line in conclude(LEVELS, LevelFacts(name, _affine(found)))),
        *(
            line
            for name, pairs in result.similarities.items()
            for line in conclude(SIMILARITIES, SimilarityFacts(name, pairs))
        ),
    ]
