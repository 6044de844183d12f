"""What one number says of the class: in bits, and as the share of images whose class it names."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.stats import t
from sklearn.feature_selection import mutual_info_classif
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier

from gan_probe.stats.intervals import LEVEL
from gan_probe.types import Indices, Labels, Values

MAX_ROWS = 5000  # images that are looked at, each class in its share
N_FOLDS = 5
N_GROUPS = 10  # of the jackknife
N_PERMUTATIONS = 10


def chosen_rows(labels: Labels, *, most: int = MAX_ROWS, seed: int = 0) -> Indices:
    """Return the rows of a sample of at most ``most`` images, in which each class keeps its share and at least two."""
    if len(labels) <= most:
        return np.arange(len(labels))
    rng, share = np.random.default_rng(seed), most / len(labels)
    rows = [np.flatnonzero(labels == name) for name in np.unique(labels)]
    return np.sort(np.concatenate([rng.choice(r, max(2, round(share * len(r))), replace=False) for r in rows]))


def folds(labels: Labels, *, seed: int = 0) -> list[tuple[Indices, Indices]]:
    """Return five (training rows, test rows), or fewer where the smallest class has fewer images; by class."""
    n_folds = min(N_FOLDS, int(np.unique(labels, return_counts=True)[1].min()))
    return list(StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(labels, labels))


def named_by_score(scores: Values, labels: Labels, *, seed: int = 0) -> npt.NDArray[np.bool_]:
    """Return for which images (n,) the score alone names the right class: an estimate of the 1-D Bayes classifier.

    Nearest neighbours on the line, as many as the square root of the smallest class's training images, in five folds.
    Independent scores are right as often as chance: the share of the largest class at best.

    Parameters
    ----------
    scores : ndarray, shape (n,)
    labels : ndarray, shape (n,)
    seed : int
        Of the folds.

    References
    ----------
    Stone 1977, "Consistent Nonparametric Regression", Annals of Statistics 5 (k to infinity, k/n to 0).
    """
    rows, right = scores.reshape(-1, 1), np.zeros(len(labels), dtype=bool)
    for training, test in folds(labels, seed=seed):
        smallest = np.unique(labels[training], return_counts=True)[1].min()
        model = KNeighborsClassifier(max(1, round(math.sqrt(smallest)))).fit(rows[training], labels[training])
        right[test] = model.predict(rows[test]) == labels[test]
    return right


def mutual_information(scores: Values, labels: Labels, *, seed: int = 0) -> float:
    """Return the mutual information of score and class in bits, as nearest neighbours on the line estimate it.

    Independent scores read a little above 0: see `null_information`.

    References
    ----------
    Ross 2014, "Mutual Information between Discrete and Continuous Data Sets", PLoS ONE 9, equation 2.
    """
    if np.ptp(scores) == 0:
        return 0.0
    found = mutual_info_classif(scores.reshape(-1, 1), labels, discrete_features=False, random_state=seed)[0]
    return min(entropy(labels), float(found) / math.log(2))


def entropy(labels: Labels) -> float:
    """Return the entropy of the classes in bits: log2 of their number where they are equally large."""
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(shares * np.log2(shares)).sum())


def null_information(scores: Values, labels: Labels, *, seed: int = 0) -> float:
    """Return what `mutual_information` reads when labels are shuffled: the mean of ten shuffles."""
    rng = np.random.default_rng(seed)
    return float(
        np.mean([mutual_information(scores, rng.permutation(labels), seed=seed) for _ in range(N_PERMUTATIONS)])
    )


def bits(scores: Values, labels: Labels, *, null: float | None = None, seed: int = 0) -> float:
    """Return the mutual information of score and class in bits: 0 = none, log2 of the number of equal classes = all.

    The estimate for shuffled labels is taken away, and the rest scaled so that a score that tells everything still
    reads the classes' entropy.

    Parameters
    ----------
    scores : ndarray, shape (n,)
    labels : ndarray, shape (n,)
    null : float, optional
        `null_information` of scores of as many images of these classes, where it is known already.
    seed : int

    References
    ----------
    The scaling is that of Vinh, Epps and Bailey 2010, "Information Theoretic Measures for Clusterings Comparison", JMLR
    11.
    """
    whole = entropy(labels)
    null = null_information(scores, labels, seed=seed) if null is None else null
    if whole <= null:  # scores that are all the same, or classes too small to tell anything of
        return 0.0
    return whole * (mutual_information(scores, labels, seed=seed) - null) / (whole - null)


def group_jackknife(
    statistic: Callable[[Indices], float], labels: Labels, *, seed: int = 0
) -> tuple[float, float, float]:
    """Return a statistic of images and its 95 % interval (value, low, high): a tenth of each class left out, ten times.

    Parameters
    ----------
    statistic : callable
        From row numbers to a number.
    labels : ndarray, shape (n,)
    seed : int

    References
    ----------
    Efron and Tibshirani 1993, "An Introduction to the Bootstrap", section 11.7 (delete-d jackknife). In place of a
    bootstrap, whose repeated images mislead measures that look at neighbours.
    """
    rng, group = np.random.default_rng(seed), np.empty(len(labels), dtype=np.intp)
    for name in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == name))
        group[rows] = (np.arange(len(rows)) + rng.integers(N_GROUPS)) % N_GROUPS
    values = np.array([statistic(np.flatnonzero(group != g)) for g in range(N_GROUPS)])
    error = math.sqrt((N_GROUPS - 1) / N_GROUPS * ((values - values.mean()) ** 2).sum())
    half = float(t.ppf(0.5 + LEVEL / 2, N_GROUPS - 1)) * error
    value = statistic(np.arange(len(labels)))
    return value, value - half, value + half
