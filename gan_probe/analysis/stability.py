"""Do scores survive a retraining? Runs are aligned on one half of the images, and compared on the other.

A loss leaves a critic's shift, scale and even sign free (the gauge): that part of a disagreement between runs can be
removed. What is left, classes that one run ranks otherwise than another (the conflict), cannot.
To add an alignment: one function and one row in ``ALIGNMENTS``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import f, rankdata, t

from gan_probe.errors import InputError

Scores = npt.NDArray[np.floating[Any]]  # (runs, images)
Labels = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
MIN_RUNS = 3
LEVEL = 0.95
SIGNIFICANCE = 0.05
AGREED = 0.9  # lower end of the reproducible fraction's interval from which runs are said to agree
WANTED = 0.9  # reliability that ``runs_needed`` aims at
N_QUANTILES = 101


# --- alignments: (scores of all images, which images they may be fitted on) -> aligned scores of all images -----------


def raw(scores: Scores, fit: Mask) -> Scores:
    """Return the scores as they are."""
    return scores


def shift(scores: Scores, fit: Mask) -> Scores:
    """Return each run's scores with mean 0 on the images fitted on."""
    return scores - scores[:, fit].mean(1, keepdims=True)


def affine(scores: Scores, fit: Mask) -> Scores:
    """Return each run's scores with mean 0, standard deviation 1 and the sign that agrees with the others.

    Signs are those of the first principal component of the runs; most of them stay as they are.
    """
    centred = shift(scores, fit)
    scaled = centred / centred[:, fit].std(1, keepdims=True)
    leading = np.linalg.eigh(scaled[:, fit] @ scaled[:, fit].T)[1][:, -1]
    signs = np.where(leading >= 0, 1.0, -1.0)
    return scaled * (signs if signs.sum() >= 0 else -signs)[:, None]


def monotone(scores: Scores, fit: Mask) -> Scores:
    """Return each run's scores after the increasing map that gives it the mean of all runs' quantiles; affine first."""
    aligned = affine(scores, fit)
    grid = np.linspace(0, 1, N_QUANTILES)
    own = np.quantile(aligned[:, fit], grid, axis=1).T
    common = own.mean(0)
    mapped = np.stack([np.interp(row, quantiles, common) for row, quantiles in zip(aligned, own, strict=True)])
    below, above = np.minimum(aligned - own[:, :1], 0), np.maximum(aligned - own[:, -1:], 0)
    return mapped + below + above  # beyond the images fitted on with slope 1


ALIGNMENTS: dict[str, Callable[[Scores, Mask], Scores]] = {
    "raw": raw,
    "shift": shift,
    "affine": affine,
    "monotone": monotone,
}


def regressed_out(scores: Scores, nuisances: Scores, fit: Mask) -> Scores:
    """Return what is left of each run's scores when a linear map of nuisances, (k, images), is taken away."""
    design = np.vstack([np.ones(scores.shape[1]), nuisances]).T
    weights = np.linalg.lstsq(design[fit], scores[:, fit].T, rcond=None)[0]
    return scores - (design @ weights).T


# --- measures ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Components:
    """Variances by where they come from, estimated by moments, not below zero.

    Attributes
    ----------
    class_, run, conflict, image, rest : float
        Of class means; of runs' means (gauge); of classes within runs (class x run); of images within classes, common
        to the runs; of single scores.
    p_class : float
        Of the F test that the runs share no difference of classes.
    """

    class_: float
    run: float
    conflict: float
    image: float
    rest: float
    p_class: float

    @property
    def reproducible(self) -> float:
        """Class / (class + class x run): the share of what one run says of classes that another would say too.

        0 where the shared differences of classes are not significant at 0.05: both variances are then next to nothing.
        """
        both = self.class_ + self.conflict
        return self.class_ / both if both > 0 and self.p_class <= SIGNIFICANCE else 0.0


def class_means(scores: Scores, labels: Labels) -> Scores:
    """Return (runs, classes), classes sorted."""
    return np.stack([scores[:, labels == name].mean(1) for name in np.unique(labels)], axis=1)


def components(scores: Scores, labels: Labels) -> Components:
    """Return the variance components of scores (runs, images): images nested in classes, both crossed with runs.

    References
    ----------
    Searle, Casella, McCulloch 1992, "Variance Components", chapter 5 (method of moments), with the harmonic mean of the
    classes' sizes where they differ.
    """
    names, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    n_runs, n_images = scores.shape
    n_classes, size = len(names), len(counts) / (1 / counts).sum()
    means = class_means(scores, labels)
    by_class, by_run, grand = means.mean(0), means.mean(1), means.mean()
    within = scores - means[:, codes]
    by_image = within.mean(0)
    rest = ((within - by_image) ** 2).sum() / max(1, (n_runs - 1) * (n_images - n_classes))
    image = (by_image**2).sum() / max(1, n_images - n_classes) - rest / n_runs
    mixed = ((means - by_class - by_run[:, None] + grand) ** 2).sum() / ((n_runs - 1) * (n_classes - 1))
    conflict = mixed - rest / size
    class_ = by_class.var(ddof=1) - mixed / n_runs - max(image, 0) / size
    run = by_run.var(ddof=1) - mixed / n_classes
    ratio = n_runs * by_class.var(ddof=1) / max(mixed, 1e-300)
    p_class = float(f.sf(ratio, n_classes - 1, (n_runs - 1) * (n_classes - 1)))
    class_, run, conflict, image = (max(0.0, float(value)) for value in (class_, run, conflict, image))
    return Components(class_, run, conflict, image, float(rest), p_class)


def kendall_w(means: Scores) -> float:
    """Return Kendall's W of the order of classes: (runs, classes) to 1 for one order, 0 for none.

    References
    ----------
    Kendall, Babington Smith 1939; without ties.
    """
    n_runs, n = means.shape
    sums = np.apply_along_axis(rankdata, 1, means).sum(0)
    return float(12 * ((sums - sums.mean()) ** 2).sum() / (n_runs**2 * (n**3 - n)))


def flip_rate(means: Scores) -> float:
    """Return how often two runs put two classes in different order: 0 never, 0.5 as often as chance."""
    n = means.shape[1]
    first, second = np.triu_indices(n, 1)
    orders = means[:, first] > means[:, second]
    return float(np.mean([np.mean(a != b) for a, b in itertools.combinations(orders, 2)]))


def icc(scores: Scores) -> tuple[float, float]:
    """Return ICC(2,1) and ICC(3,1) of single images: agreement of one run's score, with and without the gauge's shift.

    References
    ----------
    Shrout, Fleiss 1979, "Intraclass correlations", cases 2 and 3.
    """
    k, n = scores.shape
    grand = scores.mean()
    rows = k * ((scores.mean(0) - grand) ** 2).sum() / (n - 1)
    columns = n * ((scores.mean(1) - grand) ** 2).sum() / (k - 1)
    rest = ((scores - scores.mean(0) - scores.mean(1, keepdims=True) + grand) ** 2).sum() / ((n - 1) * (k - 1))
    two = (rows - rest) / max(rows + (k - 1) * rest + k * (columns - rest) / n, 1e-300)
    three = (rows - rest) / max(rows + (k - 1) * rest, 1e-300)
    return float(two), float(three)


def spearman_within(scores: Scores, labels: Labels) -> float:
    """Return the mean rank correlation of two runs among the images of one class: 0 where only classes are stable."""
    found = []
    for name in np.unique(labels):
        ranks = np.apply_along_axis(rankdata, 1, scores[:, labels == name])
        if ranks.shape[1] > 2 and (ranks.std(1) > 0).all():
            found.append(np.corrcoef(ranks)[np.triu_indices(len(ranks), 1)].mean())
    return float(np.mean(found)) if found else math.nan


def runs_needed(reliability: float, wanted: float = WANTED) -> int | None:
    """Return how many runs' mean has the wanted reliability, when one has ``reliability``; None where no number has.

    References
    ----------
    Spearman 1910, Brown 1910.

    Examples
    --------
    >>> [runs_needed(r) for r in (0.95, 0.7, 0.5, 0.3, 0.0)]
    [1, 4, 9, 21, None]
    """
    if reliability <= 0:
        return None
    return max(1, math.ceil(wanted * (1 - reliability) / ((1 - wanted) * reliability) - 1e-9)) if reliability < 1 else 1


# --- all together ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rung:
    """How well runs agree after one alignment, on images that it was not fitted on.

    Attributes
    ----------
    alignment : str
    reproducible, ci_low, ci_high : float
        class / (class + class x run), with a 95 % interval: jackknife over runs.
    kendall_w, flip_rate, icc_2_1, icc_3_1, spearman_within : float
        See the functions.
    components : Components
    means : ndarray, shape (runs, classes)
    """

    alignment: str
    reproducible: float
    ci_low: float
    ci_high: float
    kendall_w: float
    flip_rate: float
    icc_2_1: float
    icc_3_1: float
    spearman_within: float
    components: Components
    means: Scores


def halves(labels: Labels, *, seed: int = 0) -> Mask:
    """Return which half of each class alignments are fitted on."""
    rng, fit = np.random.default_rng(seed), np.zeros(len(labels), dtype=bool)
    for name in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == name))
        fit[rows[: len(rows) // 2]] = True
    return fit


def jackknife(statistic: Callable[[Scores], float], scores: Scores) -> tuple[float, float]:
    """Return a 95 % interval of a statistic in [0, 1] of scores (runs, images): each run left out once.

    References
    ----------
    Efron, Tibshirani 1993, "An Introduction to the Bootstrap", chapter 11. The run is the unit that is replicated.
    """
    n = len(scores)
    values = np.array([statistic(np.delete(scores, i, axis=0)) for i in range(n)])
    error = math.sqrt((n - 1) / n * ((values - values.mean()) ** 2).sum())
    middle, width = statistic(scores), float(t.ppf(0.5 + LEVEL / 2, n - 1)) * error
    return max(0.0, middle - width), min(1.0, middle + width)


def climb(scores: Scores, labels: Labels, *, nuisances: Scores | None = None, seed: int = 0) -> list[Rung]:
    """Return one `Rung` for each of `ALIGNMENTS`, in their order.

    Parameters
    ----------
    scores : ndarray, shape (runs, images)
    labels : ndarray, shape (images,)
    nuisances : ndarray, shape (k, images), optional
        Regressed out of the scores first.
    seed : int
        Of the halves.

    Raises
    ------
    InputError
        For fewer than three runs, fewer than two classes, a class with fewer than four images, or scores that are not
        finite, or all the same, in a run.
    """
    labels = np.asarray(labels).astype(str)
    _check(scores, labels)
    scores, fit = scores.astype(np.float64), halves(labels, seed=seed)
    if nuisances is not None:
        scores = regressed_out(scores, nuisances, fit)
    return [_rung(name, scores, labels, fit) for name in ALIGNMENTS]


def _rung(name: str, scores: Scores, labels: Labels, fit: Mask) -> Rung:
    align = ALIGNMENTS[name]

    def reproducible(runs: Scores) -> float:
        return components(align(runs, fit)[:, ~fit], labels[~fit]).reproducible

    aligned, names = align(scores, fit)[:, ~fit], labels[~fit]
    found, means = components(aligned, names), class_means(aligned, names)
    low, high = jackknife(reproducible, scores)
    two, three = icc(aligned)
    return Rung(
        name, found.reproducible, low, high, kendall_w(means), flip_rate(means), two, three,
        spearman_within(aligned, names), found, means,
    )  # fmt: skip


def lowest_agreement(rungs: Sequence[Rung]) -> str | None:
    """Return the first alignment after which the reproducible fraction is certainly `AGREED` or more; or None."""
    return next((rung.alignment for rung in rungs if rung.ci_low >= AGREED), None)


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


@dataclass(frozen=True)
class StabilityResult:
    """How far the scores of several trainings agree, and what stands beside it.

    Attributes
    ----------
    rungs : list of Rung
        Of the trained critics, one for each of `ALIGNMENTS`.
    others : dict of str to list of Rung
        The same of untrained critics, and of the trained ones with nuisances regressed out.
    runs, classes : tuple of str
    provenance : dict
    warnings : list of str
    """

    rungs: list[Rung]
    others: dict[str, list[Rung]]
    runs: tuple[str, ...]
    classes: tuple[str, ...]
    provenance: dict[str, Any]
    warnings: list[str]

    def headline(self) -> dict[str, Any]:
        """Return the numbers that the command prints: of the affine rung."""
        best = next(rung for rung in self.rungs if rung.alignment == "affine")
        return {
            "reproducible_fraction": best.reproducible,
            "ci": [best.ci_low, best.ci_high],
            "ci_low": best.ci_low,
            "lowest_rung": lowest_agreement(self.rungs),
            "runs_needed": runs_needed(best.reproducible),
            "kendall_w": best.kendall_w,
            "flip_rate": best.flip_rate,
        }


def findings(rungs: Sequence[Rung], others: Mapping[str, Sequence[Rung]]) -> list[str]:
    """Return what was found, in plain words.

    Parameters
    ----------
    rungs : sequence of Rung
        Of the trained critics.
    others : mapping of str to sequence of Rung
        Of what stands beside them.
    """
    by_name = {rung.alignment: rung for rung in rungs}
    best, first = by_name["affine"], rungs[0]
    lowest = lowest_agreement(rungs)
    needed = runs_needed(best.reproducible)
    lines = [
        f"Reproducible fraction of {len(best.means)} runs over {best.means.shape[1]} classes, after shift, scale and"
        f" sign fitted on other images: {best.reproducible:.3f} ({best.ci_low:.3f} to {best.ci_high:.3f}); as they"
        f" are: {first.reproducible:.3f} ({first.ci_low:.3f} to {first.ci_high:.3f}).",
        f"The runs agree (lower end of the interval at least {AGREED:g}) from the rung {lowest!r} on."
        if lowest
        else f"On no rung do the runs agree (lower end of the interval at least {AGREED:g}): what one run's scores"
        " say of these classes, another's need not.",
        f"Two runs put two classes in different order in {best.flip_rate:.1%} of cases; Kendall's W is"
        f" {best.kendall_w:.3f}.",
        f"Within a class, two runs' scores have a rank correlation of {best.spearman_within:.2f}.",
        f"Runs whose mean has a reliability of {WANTED:g}: {needed or 'no number is enough'}.",
    ]
    for name, found in others.items():
        rung = next(r for r in found if r.alignment == "affine")
        lines.append(
            f"The same, {name}: {rung.reproducible:.3f} ({rung.ci_low:.3f} to {rung.ci_high:.3f}),"
            f" Kendall's W {rung.kendall_w:.3f}."
        )
    return lines
