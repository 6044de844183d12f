"""How far runs agree about classes and images: variance components, rank agreement, reliability. (runs, images) in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc
from scipy.stats import rankdata

from gan_probe.types import Labels, Scores, Values

SIGNIFICANCE = 0.05
WANTED = 0.9  # reliability that ``runs_needed`` aims at


@dataclass(frozen=True)
class Components:
    """Variances by where they come from, estimated by moments, not below zero.

    Attributes
    ----------
    class_, run, conflict, image, rest : float
        Of class means; of runs' means (gauge); of classes within runs (class x run); of images within classes, common
        to the runs; of single scores.
    p_class : float
        Of the F test that the runs share no difference of classes, whatever single images differ by in all of them.
    share : float
        Class / (class + class x run), whether it is significant or not. Class means that differ less than class x run
        makes them differ give a negative one, -1 at least: an interval that stops at 0 too early misses small shares.
    """

    class_: float
    run: float
    conflict: float
    image: float
    rest: float
    p_class: float
    share: float

    @property
    def reproducible(self) -> float:
        """Class / (class + class x run): the share of what one run says of classes that another would say too.

        0 where the shared differences of classes are not significant at 0.05: both variances are then next to nothing.
        """
        return max(0.0, self.share) if self.p_class <= SIGNIFICANCE else 0.0


def class_means(scores: Scores, labels: Labels) -> Values:
    """Return (runs, classes), classes sorted."""
    return np.stack([scores[:, labels == name].mean(1) for name in np.unique(labels)], axis=1)


def components(scores: Scores, labels: Labels) -> Components:
    """Return the variance components of scores (runs, images): images nested in classes, both crossed with runs.

    References
    ----------
    Searle, Casella, McCulloch 1992, "Variance Components", chapter 5 (method of moments), with the harmonic mean of the
    classes' sizes where they differ.
    """
    return _components(scores, labels, class_means(scores, labels))


def _components(scores: Scores, labels: Labels, means: Values) -> Components:
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    n_runs, n_images = scores.shape
    n_classes, size = len(counts), len(counts) / (1 / counts).sum()
    by_class, by_run, grand = means.mean(0), means.mean(1), means.mean()
    within = scores - means[:, codes]
    by_image = within.mean(0)
    rest = ((within - by_image) ** 2).sum() / max(1, (n_runs - 1) * (n_images - n_classes))
    image = (by_image**2).sum() / max(1, n_images - n_classes) - rest / n_runs
    mixed = ((means - by_class - by_run[:, None] + grand) ** 2).sum() / ((n_runs - 1) * (n_classes - 1))
    conflict = mixed - rest / size
    class_ = by_class.var(ddof=1) - mixed / n_runs - max(image, 0) / size
    run = by_run.var(ddof=1) - mixed / n_classes
    squares = [(mixed, (n_runs - 1) * (n_classes - 1)), (n_runs * max(image, 0) / size, n_images - n_classes)]
    by_chance = sum(square for square, _ in squares)
    spread = sum(square**2 / degrees for square, degrees in squares if degrees)  # Satterthwaite 1946
    ratio = n_runs * by_class.var(ddof=1) / max(by_chance, 1e-300)
    degrees = by_chance**2 / spread if spread > 0 else squares[0][1]
    p_class = float(fdtrc(n_classes - 1, degrees, ratio))  # the F distribution's tail
    both = max(0.0, class_) + max(0.0, conflict)
    share = max(-1.0, float(class_ / both)) if both > 0 else 0.0
    class_, run, conflict, image = (max(0.0, float(value)) for value in (class_, run, conflict, image))
    return Components(class_, run, conflict, image, float(rest), p_class, share)


def kendall_w(means: Values) -> float:
    """Return Kendall's W of the order of classes: (runs, classes) to 1 for one order, 0 for none.

    References
    ----------
    Kendall and Babington Smith 1939: the variance of the classes' summed ranks over its largest value, which ties (as
    conformal p-values have) make smaller.
    """
    ranks = rankdata(means, axis=1)
    ranks -= ranks.mean()
    most = len(means) * (ranks**2).sum()
    return float((ranks.sum(0) ** 2).sum() / most) if most > 0 else 0.0


def flip_rate(means: Values) -> float:
    """Return how often two runs put two classes in different order: 0 never, 0.5 as often as chance.

    Where one of the two runs has the classes as equal, that is half a flip.
    """
    n_runs, n = means.shape
    first, second = np.triu_indices(n, 1)
    up, down = (means[:, first] > means[:, second]).sum(0), (means[:, first] < means[:, second]).sum(0)
    flips = up * down + 0.5 * (n_runs - up - down) * (up + down)
    return float(flips.mean() / (n_runs * (n_runs - 1) / 2))


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


MEASURES = ("reproducible", "kendall_w", "flip_rate", "icc_2_1", "icc_3_1")


def measures(scores: Scores, labels: Labels) -> Values:
    """Return each of `MEASURES` of scores (runs, images), the first as `Components.share`: smooth, for intervals."""
    means = class_means(scores, labels)
    return np.array([_components(scores, labels, means).share, kendall_w(means), flip_rate(means), *icc(scores)])


def agreement_with_others(scores: Scores) -> Values:
    """Return each run's rank correlation with the mean of the others' ranks: (runs, images) to (runs,), without labels.

    Examples
    --------
    >>> agreement_with_others(np.array([[1.0, 2, 3, 4], [2, 4, 6, 8], [4, 3, 2, 1]])).round(2)
    array([ 0.,  0., -1.])
    """
    ranks = np.apply_along_axis(rankdata, 1, scores)
    ranks = (ranks - ranks.mean(1, keepdims=True)) / np.maximum(ranks.std(1, keepdims=True), 1e-300)
    others = np.apply_along_axis(rankdata, 1, ranks.sum(0) - ranks)
    others -= others.mean(1, keepdims=True)
    return (ranks * others).mean(1) / np.maximum(others.std(1), 1e-300)


def mean_correlation(scores: Scores) -> float:
    """Return the mean correlation (Pearson) of two runs, of scores (runs, images): -1 to 1; a constant run has 0.

    Examples
    --------
    >>> mean_correlation(np.array([[1.0, 2, 3], [1, 2, 3], [3, 2, 1]])).__round__(3)
    -0.333
    """
    rows = scores - scores.mean(1, keepdims=True)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)
    n, together = len(rows), rows.sum(0)
    return float((together @ together - (rows**2).sum()) / (n * (n - 1)))


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
