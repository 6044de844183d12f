"""What one number says of the class: in bits, and as the share of images whose class it names."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import digamma
from scipy.stats import norm, t
from sklearn.neighbors import NearestNeighbors

from gan_probe.stats.intervals import LEVEL
from gan_probe.stats.splits import stratified_folds
from gan_probe.types import Indices, Labels, Values

MAX_ROWS = 5000  # images that are looked at, each class in its share
MAX_FITTED = 1000  # images that probes, clusters and shares of factors are fitted on, many times each
N_FOLDS = 5
N_GROUPS = 10  # of the jackknife
N_NEIGHBOURS = 3  # of the estimate of information
N_NULLS = 100  # data sets without information on which its spread is measured


def chosen_rows(labels: Labels, *, most: int = MAX_ROWS, seed: int = 0) -> Indices:
    """Return the rows of a sample of about ``most`` images, in which each class keeps its share and at least two.

    Of very many classes that is more; one that has a single image keeps it.
    """
    if len(labels) <= most:
        return np.arange(len(labels))
    rng, share = np.random.default_rng(seed), most / len(labels)
    rows = [np.flatnonzero(labels == name) for name in np.unique(labels)]
    sizes = [min(len(r), max(2, round(share * len(r)))) for r in rows]
    return np.sort(np.concatenate([rng.choice(r, n, replace=False) for r, n in zip(rows, sizes, strict=True)]))


def folds(labels: Labels, *, seed: int = 0) -> list[tuple[Indices, Indices]]:
    """Return five (training rows, test rows), or fewer where the smallest class has fewer images; by class."""
    return stratified_folds(labels, N_FOLDS, seed=seed)


def named_by_score(scores: Values, labels: Labels, *, seed: int = 0) -> npt.NDArray[np.bool_]:
    """Return for which images (n,) the score alone names the right class: an estimate of the 1-D Bayes classifier.

    Nearest neighbours on the line, as many as the square root of the smallest class's training images, in five folds;
    all that are as near as the last of them have a vote, so that the order of the images says nothing. Independent
    scores are right as often as chance: the share of the largest class at best.

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
    line, right = np.asarray(scores, dtype=np.float64), np.zeros(len(labels), dtype=bool)
    for training, test in folds(labels, seed=seed):
        names, sizes = np.unique(labels[training], return_counts=True)
        n = max(1, round(math.sqrt(sizes.min())))
        model = NearestNeighbors(n_neighbors=n).fit(line[training, None])
        reach = model.kneighbors(line[test, None])[0][:, -1]
        reach += 4 * np.finfo(np.float64).eps * (np.abs(line[test]) + reach)  # rounding shuts nobody out
        ends = line[test] - reach, line[test] + reach
        votes = []
        for name in names:
            own = np.sort(line[training][labels[training] == name])
            votes.append(np.searchsorted(own, ends[1], "right") - np.searchsorted(own, ends[0], "left"))
        right[test] = names[np.argmax(votes, axis=0)] == labels[test]
    return right


def entropy(labels: Labels) -> float:
    """Return the entropy of the classes in bits: log2 of their number where they are equally large."""
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(shares * np.log2(shares)).sum())


def local_information(scores: Values, labels: Labels, *, seed: int = 0) -> Values:
    """Return what each score tells of its class, in bits, (n,); their mean estimates the mutual information.

    Independent scores give 0 on average, and scores that tell everything the entropy of the classes, exactly: the
    estimate is scaled by what it reaches there, which is a little more. Nothing is cut off at 0, where half of all
    estimates without any information lie below.

    Parameters
    ----------
    scores : ndarray, shape (n,)
    labels : ndarray, shape (n,)
        Of classes with at least two images.
    seed : int
        Of the noise, 1e-10 of the scores, that orders equal ones.

    References
    ----------
    Ross 2014, "Mutual Information between Discrete and Continuous Data Sets", PLoS ONE 9, equation 2, with three
    neighbours, as scikit-learn's `mutual_info_classif`.
    """
    values = np.asarray(scores, dtype=np.float64) - float(np.mean(scores))
    noise = np.random.default_rng(seed).standard_normal(len(values))
    values = values + 1e-10 * (float(np.abs(values).mean()) or 1.0) * noise
    ordered, found, most = np.sort(values), np.empty(len(values)), 0.0
    for name in np.unique(labels):
        rows = np.flatnonzero(labels == name)
        rows = rows[np.argsort(values[rows])]
        own, k = values[rows], min(N_NEIGHBOURS, len(rows) - 1)
        edge = np.full(k, np.inf)
        padded = np.concatenate([-edge, own, edge])
        starts = sliding_window_view(padded[: len(own) + k], len(own))  # (k + 1, images): windows of k + 1 that hold it
        ends = sliding_window_view(padded[k:], len(own))
        reaches = np.maximum(own - starts, ends - own)
        best = (reaches.argmin(0), np.arange(len(own)))
        reach, start, end = reaches[best], starts[best], ends[best]
        low = np.where(own - start == reach, start, own - reach)
        high = np.where(end - own == reach, end, own + reach)
        n_near = np.searchsorted(ordered, high, side="left") - np.searchsorted(ordered, low, side="right")
        found[rows] = digamma(k) - digamma(n_near) + digamma(len(values)) - digamma(len(rows))
        most += len(rows) / len(values) * (digamma(len(values)) - digamma(len(rows)))
    return found * entropy(labels) / most


def bits(scores: Values, labels: Labels, *, seed: int = 0) -> float:
    """Return the mutual information of score and class in bits: 0 = none, log2 of the number of equal classes = all.

    Parameters
    ----------
    scores, labels, seed
        Of `local_information`, whose mean it is.
    """
    if np.ptp(scores) == 0:
        return 0.0
    return min(entropy(labels), float(local_information(scores, labels, seed=seed).mean()))


@lru_cache(maxsize=100)
def neighbours_factor(counts: tuple[int, ...]) -> float:
    """Return by how much more `bits` varies than independent terms would: images share their neighbours.

    Measured on scores without information, where it depends on the classes' sizes alone.
    """
    labels, rng = np.repeat(np.arange(len(counts)), counts), np.random.default_rng(0)
    terms = np.stack([local_information(rng.standard_normal(len(labels)), labels) for _ in range(N_NULLS)])
    return max(1.0, float(terms.mean(1).var(ddof=1) * len(labels) / terms.var(1, ddof=1).mean()))


def bits_interval(scores: Values, labels: Labels, *, seed: int = 0) -> tuple[float, float, float]:
    """Return `bits` and its 95 % interval (value, low, high), 0 to the entropy of the classes.

    The variance of the local terms' mean, times `neighbours_factor`; two images that tell nothing and two that tell all
    are added to it, so that the interval stays open where every class stands apart (as Agresti and Coull 1998 do for a
    share). It is an interval of what is missing from all, on the logarithmic scale: near all it reaches farther down.

    References
    ----------
    Berrett and Samworth 2019, "Nonparametric independence testing via mutual information", Biometrika 106: the
    estimate's limit is normal, with the variance of its terms.
    """
    whole, n = entropy(labels), len(labels)
    is_flat = np.ptp(scores) == 0
    terms = np.zeros(n) if is_flat else np.asarray(local_information(scores, labels, seed=seed))
    value = min(whole, float(terms.mean()))
    counts = tuple(np.unique(labels, return_counts=True)[1].tolist())
    extra = 2 * whole**2 / (n + 4) ** 2
    error = math.sqrt(neighbours_factor(counts) * float(terms.var(ddof=1)) / n + extra)
    missing = whole - value + 2 * whole / (n + 4)
    reach = math.exp(float(norm.ppf(0.5 + LEVEL / 2)) * error / missing)
    low, high = value + missing - missing * reach, value + missing - missing / reach
    return value, min(max(low, 0.0), whole), min(max(high, 0.0), whole)


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
