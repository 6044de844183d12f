"""Groups found without labels, in scores or embeddings: how stable they are, and how well they match the classes.

To add a method: one function and one row in ``METHODS``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn import config_context
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_mutual_info_score, homogeneity_score, silhouette_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from gan_probe.errors import InputError
from gan_probe.stats.information import MAX_FITTED, chosen_rows, group_jackknife
from gan_probe.types import Codes, Rows, Values

MAX_K = 20  # the largest number of clusters tried when k is chosen without labels
TRIED = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20)  # numbers of clusters that k-means is tried with
FEWEST = 5  # rows that such a cluster has on average
EXPONENT, WITHIN = 1.25, 0.85  # of `stable_bits` and of `fewest`
MAX_DIMENSIONS = 20  # embeddings are reduced to as many principal components
MAX_ROWS = 5000  # rows that agreement is measured on
CHUNK = 65_536  # rows assigned at a time
N_RESAMPLED, RESAMPLED_SHARE = 5, 0.8
FLAT = 1e-3  # of the largest spread: components below it are noise
N_TRIED = 4  # resamplings for each number of clusters that is tried
N_WRONG = 4  # images that an interval of agreement leaves room for
NOISE = -1  # HDBSCAN's label for rows in no cluster

Assign = Callable[[Rows], Codes]
T = TypeVar("T")

PLAIN, WHITENED = "plain", "whitened"  # spaces that rows are clustered in


def hungarian_accuracy(labels: Any, clusters: Any) -> float:
    """Return the share of images in their class's cluster, when each class has one cluster, paired as fits best.

    1 = the classes. Images in no cluster (-1) and clusters beyond the number of classes count as wrong. By chance
    it is not 0 but, with as many clusters as classes, somewhat above 1 / classes: compare it with the controls, or see
    the adjusted Rand index.

    References
    ----------
    Kuhn 1955, "The Hungarian method for the assignment problem"; as a measure of clusters Yang et al. 2010, "Image
    Clustering Using Local Discriminant Models and Global Integration", equation 19.

    Examples
    --------
    >>> hungarian_accuracy(["a", "a", "b", "c"], [2, 2, 0, 0])
    0.75
    """
    found = np.asarray(clusters)
    table = contingency_matrix(labels, found)
    if np.issubdtype(found.dtype, np.integer):
        table = table[:, np.unique(found) != NOISE]
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / len(found))


def adjusted_rand(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """Return the adjusted Rand index of two groupings: 1 the same, 0 chance.

    The value of scikit-learn's ``adjusted_rand_score``, bit by bit, in a tenth of its time: hundreds are asked for.

    References
    ----------
    Hubert and Arabie 1985, "Comparing partitions"; as pairs of images that both put together (tt), only one (tf, ft),
    or none (ff).

    Examples
    --------
    >>> adjusted_rand(np.array(["a", "a", "b", "c"]), np.array([0, 0, 1, 1]))
    0.5714285714285714
    """
    rows, columns = (np.unique(codes, return_inverse=True)[1] for codes in (one, other))
    n, width = len(rows), int(columns.max()) + 1
    both, left, right = (int((np.bincount(c) ** 2).sum()) for c in (rows * width + columns, rows, columns))
    tt, tf, ft = both - n, left - both, right - both
    ff = n**2 - tf - ft - both
    if tf == ft == 0:
        return 1.0
    return 2.0 * (tt * ff - tf * ft) / ((tt + tf) * (tf + ff) + (tt + ft) * (ft + ff))


AGREEMENTS: dict[str, Callable[[Any, Any], float]] = {
    "accuracy": hungarian_accuracy,
    "ari": adjusted_rand,
    "ami": adjusted_mutual_info_score,
    "homogeneity": homogeneity_score,
}

WITH_INTERVALS = ("accuracy", "ari")


@dataclass(frozen=True)
class Agreement:
    """One measure of agreement with the classes, with a 95 % interval over images (the clusters held fixed).

    Those of information have none, NaN: entropies of samples are too small, so an interval around what is measured
    would hold the truth too seldom.
    """

    value: float = math.nan
    ci_low: float = math.nan
    ci_high: float = math.nan


@dataclass(frozen=True)
class Clustering:
    """One clustering and, where there are labels, its agreement with the classes.

    Attributes
    ----------
    method : str
        A row of `METHODS`.
    k_from : {"stability", "silhouette", "bic", "density", "classes"}
        How the number of clusters was chosen. Only "classes" uses the labels, and only to count them.
    k : int
        Clusters found.
    agreement : dict of str to Agreement
        "accuracy" (`hungarian_accuracy`), "ari", "ami" (adjusted Rand index and mutual information: 0 = chance,
        1 = the classes), "homogeneity" (0 to 1).
    noise_share : float
        Share of images in no cluster (HDBSCAN only).
    stability : float
        Mean ARI between clusterings fitted on random 80 % of the rows: 1 = always the same; needs no labels.
    is_chosen : bool
        The one that a user without labels would take: see `choose`.
    assignment : ndarray of int, shape (n,)
    space : {"plain", "whitened"}
        What was clustered: the principal components as they are, or each with variance 1. Chosen without labels.
    """

    method: str
    k_from: str
    k: int
    agreement: dict[str, Agreement]
    noise_share: float
    stability: float
    assignment: Codes
    is_chosen: bool = False
    space: str = PLAIN

    @property
    def ari(self) -> float:
        """The adjusted Rand index."""
        return self.agreement["ari"].value

    def as_dict(self) -> dict[str, Any]:
        """Return every number, flat."""
        flat = {"method": self.method, "k_from": self.k_from, "k": self.k}
        for name, found in self.agreement.items():
            flat[name] = found.value
        for name in WITH_INTERVALS:
            flat |= {f"{name}_low": self.agreement[name].ci_low, f"{name}_high": self.agreement[name].ci_high}
        more = {"noise_share": self.noise_share, "stability": self.stability, "is_chosen": self.is_chosen}
        return flat | more | {"space": self.space}


def prepare(rows: Rows, *, standardise: bool = True, seed: int = 0) -> Rows:
    """Return rows (n, d) reduced to at most 20 principal components; scores (n,) become one column.

    Of more than 1,000 rows a sample is looked at for the components.

    Parameters
    ----------
    rows : ndarray, shape (n,) or (n, d)
    standardise : bool
        Give every column the same weight first: right for activations, which share no unit, wrong for pixels, which do.
    seed : int

    Raises
    ------
    InputError
        When every row is the same, or some value is not finite.
    """
    rows = np.asarray(rows).reshape(len(rows), -1)
    if not np.isfinite(rows).all():
        raise InputError("rows with values that are not finite numbers cannot be clustered.")
    sample = rows[chosen_rows(np.zeros(len(rows)), most=MAX_FITTED, seed=seed)].astype(np.float64)
    moving = sample.std(axis=0) > 1e-12
    if not moving.any():
        sample = rows.astype(np.float64)  # the few that differ may be in no sample
        moving = sample.std(axis=0) > 1e-12
    if not moving.any():
        raise InputError("all rows are equal; there are no clusters to find.")
    scaler = StandardScaler(with_std=standardise)
    scaled = scaler.fit_transform(sample[:, moving])
    n = min(MAX_DIMENSIONS, *scaled.shape)
    if scaled.shape[1] == 1:
        return scaler.transform(rows[:, moving].astype(np.float64))
    pca = PCA(n, svd_solver="full" if n == min(scaled.shape) else "randomized", random_state=seed)
    with np.errstate(invalid="ignore"):  # rows that are all equal have no variance to share out
        fitted = pca.fit_transform(scaled)
        if len(sample) == len(rows):
            return fitted
        starts = range(0, len(rows), MAX_FITTED)
        parts = (rows[s : s + MAX_FITTED, moving].astype(np.float64) for s in starts)
        return np.concatenate([pca.transform(scaler.transform(part)) for part in parts])


def _kmeans(rows: Rows, k: int, seed: int, n_starts: int = 10) -> Assign:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of fewer rows that differ than k: as many are found
        return KMeans(k, n_init=n_starts, random_state=seed).fit(rows).predict


def _mixture(rows: Rows, k: int, seed: int) -> Assign:
    return _fit_mixture(rows, k, seed).predict


def _fit_mixture(rows: Rows, k: int, seed: int, n_starts: int = 3) -> GaussianMixture:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianMixture(k, covariance_type="diag", n_init=n_starts, reg_covar=1e-5, random_state=seed).fit(rows)


def _hdbscan(rows: Rows, k: int, seed: int) -> Assign:
    """Return clusters by density; their number is found, ``k`` is not used. Other rows go with their nearest one."""
    found = HDBSCAN(min_cluster_size=max(5, len(rows) // 50), copy=True).fit_predict(rows)
    return KNeighborsClassifier(1).fit(rows, found).predict


def stable_bits(stability: float, k: int) -> float:
    """Return how much a clustering says that is there again in another sample: stability^1.25 * log2(k).

    Stability alone is largest where there is least to go wrong, with two clusters.
    """
    return math.copysign(abs(stability) ** EXPONENT, stability) * math.log2(max(k, 1))


def fewest(found: Mapping[T, float], k_of: Callable[[T], int]) -> T:
    """Return, of what lies within 15 % of the most stable bits, that with the fewest clusters.

    With many clusters most are pieces of larger ones, and pieces are found again rather well: that alone is no reason
    to have them. Both numbers, 1.25 and 15 %, were found on development data with labels (``benchmarks/clusters.py``);
    the rule looks at none.
    """
    least = max(found.values())
    least -= (1 - WITHIN) * abs(least)
    return min((name for name in found if found[name] >= least), key=lambda name: (k_of(name), -found[name]))


def bits_by_k(rows: Rows, seed: int) -> dict[int, float]:
    """Return the `stable_bits` of k-means for each number of clusters that can be tried.

    Clusters have five rows at least on average: copies of a few rows are found again whatever they are.
    """
    largest = min(MAX_K, len(np.unique(rows, axis=0)) - 1, len(rows) // FEWEST)
    found = {k: stable_bits(resampled(_quick_kmeans, rows, k, n=N_TRIED, seed=seed), k) for k in TRIED if k <= largest}
    return {k: value for k, value in found.items() if value == value}


def _quick_kmeans(rows: Rows, k: int, seed: int) -> Assign:
    return _kmeans(rows, k, seed, n_starts=1)


def _k_by_silhouette(rows: Rows, seed: int) -> int:
    """Return the number of k-means clusters, 2 to 20, whose mean silhouette is largest."""
    largest = min(MAX_K, len(np.unique(rows, axis=0)) - 1)
    values = {k: silhouette_score(rows, _kmeans(rows, k, seed, n_starts=3)(rows)) for k in range(2, largest + 1)}
    return max(values, key=values.__getitem__) if values else 1


def _k_by_bic(rows: Rows, seed: int) -> int:
    """Return the number of Gaussians, 1 to 20, with the smallest Bayesian information criterion."""
    largest = min(MAX_K, len(np.unique(rows, axis=0)))
    values = {k: _fit_mixture(rows, k, seed, n_starts=1).bic(rows) for k in range(1, largest + 1)}
    return min(values, key=values.__getitem__)


@dataclass(frozen=True)
class Space:
    """What is clustered.

    Attributes
    ----------
    name : {"plain", "whitened"}
    rows : ndarray, shape (n, d)
    sample : ndarray, shape (m, d)
        Those that clusters are fitted on.
    k, k_from : int, str
        The number of k-means clusters, and what it was chosen by.
    """

    name: str
    rows: Rows
    sample: Values
    k: int
    k_from: str


def whitened(rows: Rows) -> Rows:
    """Return principal components with variance 1 each; those that hardly vary are left out."""
    spread = rows.std(axis=0)
    kept = spread > FLAT * spread.max()
    return rows[:, kept] / spread[kept]


def best_space(prepared: Rows, seed: int) -> Space:
    """Return principal components as they are, or whitened, and the number of k-means clusters, by `fewest`.

    On a line any number of clusters is found again, so there the number has the largest silhouette.
    """
    fitted = chosen_rows(np.zeros(len(prepared)), most=MAX_FITTED, seed=seed)
    if prepared.shape[1] == 1:
        return Space(PLAIN, prepared, prepared[fitted], _k_by_silhouette(prepared[fitted], seed), "silhouette")
    spaces = {PLAIN: prepared, WHITENED: whitened(prepared)}
    found = {(name, k): v for name, rows in spaces.items() for k, v in bits_by_k(rows[fitted], seed).items()}
    name, k = fewest(found, lambda pair: pair[1]) if found else (PLAIN, 1)
    return Space(name, spaces[name], spaces[name][fitted], k, "stability")


# name -> (fit to rows, with k clusters; choose k without labels, and say how: 0 where it is not used)
METHODS: dict[str, tuple[Callable[[Rows, int, int], Assign], Callable[[Space, int], tuple[int, str]]]] = {
    "k-means":          (_kmeans,  lambda space, seed: (space.k, space.k_from)),
    "Gaussian mixture": (_mixture, lambda space, seed: (_k_by_bic(space.sample, seed), "bic")),
    "HDBSCAN":          (_hdbscan, lambda space, seed: (0, "density")),
}  # fmt: skip


def cluster(
    rows: Rows, labels: npt.NDArray[Any] | None = None, *, standardise: bool = True, seed: int = 0
) -> list[Clustering]:
    """Return every method's clustering: k chosen without labels and, where k is needed, k = number of classes.

    Parameters
    ----------
    rows : ndarray, shape (n,) or (n, d)
        Scores or an embedding. Beyond 1,000 rows a sample is fitted, and all are assigned.
    labels : ndarray of str, shape (n,), optional
        Without them there is no k = number of classes, and agreement is NaN. Nothing else depends on them.
    standardise : bool
        See `prepare`.
    seed : int

    Raises
    ------
    InputError
        For fewer than ten rows, rows that are all equal, or values that are not finite.
    """
    if len(rows) < 10:
        raise InputError(f"clustering needs at least ten images, got {len(rows)}.")
    prepared = prepare(rows, standardise=standardise, seed=seed)
    with config_context(assume_finite=True, skip_parameter_validation=True):  # seen to above; hundreds of fits follow
        return choose(_clusterings(prepared, labels, seed))


def _clusterings(prepared: Rows, labels: npt.NDArray[Any] | None, seed: int) -> list[Clustering]:
    """Return every method's clustering of prepared rows."""
    space = best_space(prepared, seed)
    n_classes = 0 if labels is None else len(np.unique(labels))
    found = []
    for method, (fit, choose_k) in METHODS.items():
        ks = [choose_k(space, seed)]
        if ks[0][0] and 0 < n_classes <= len(np.unique(space.sample, axis=0)):
            ks.append((n_classes, "classes"))
        for k, k_from in ks:
            assign = fit(space.sample, k, seed)
            starts = range(0, len(space.rows), CHUNK)
            assignment = np.concatenate([assign(space.rows[s : s + CHUNK]) for s in starts]).astype(np.intp)
            found.append(
                Clustering(
                    method,
                    k_from,
                    k=len(set(assignment.tolist()) - {NOISE}),
                    agreement=agreement(assignment, labels, seed=seed),
                    noise_share=float((assignment == NOISE).mean()) if method == "HDBSCAN" else math.nan,
                    stability=resampled(fit, space.sample, k, seed=seed),
                    assignment=assignment,
                    space=space.name,
                )
            )
    return found


def agreement(assignment: Codes, labels: npt.NDArray[Any] | None, *, seed: int = 0) -> dict[str, Agreement]:
    """Return each of `AGREEMENTS` with its interval, on at most 5,000 rows; NaN without labels."""
    if labels is None:
        return {name: Agreement() for name in AGREEMENTS}
    codes = np.unique(labels, return_inverse=True)[1]
    rows = chosen_rows(codes, most=MAX_ROWS, seed=seed)
    found = {name: Agreement(float(measure(codes[rows], assignment[rows]))) for name, measure in AGREEMENTS.items()}
    return found | {
        name: agreement_interval(codes[rows], assignment[rows], AGREEMENTS[name], seed=seed) for name in WITH_INTERVALS
    }


def agreement_interval(
    codes: Codes, given: Codes, measure: Callable[[Any, Any], float] = adjusted_rand, *, seed: int = 0
) -> Agreement:
    """Return a measure of agreement and its 95 % interval over images, the clusters held fixed.

    A jackknife's; its lower end leaves room for four images more in the wrong cluster. Which class has which cluster is
    found anew in each part, where the measure pairs them.
    """

    def of(part: npt.NDArray[np.intp]) -> float:
        return float(measure(codes[part], given[part]))

    value, low, high = group_jackknife(of, codes, seed=seed)
    wrong = _wrong(codes, given)
    with_wrong = float(measure(np.concatenate([codes, wrong[0]]), np.concatenate([given, wrong[1]])))
    return Agreement(value, max(min(low, with_wrong), -1.0), min(high, 1.0))


def _wrong(codes: Codes, given: Codes) -> tuple[npt.NDArray[np.integer[Any]], npt.NDArray[np.integer[Any]]]:
    """Return (classes, clusters) of four images more, each in the cluster of an image of the next class.

    Of n images of which none is wrong, up to 3.7 / n may be (Hanley and Lippman-Hand 1983, "If nothing goes wrong, is
    everything all right?"), and the jackknife does not know it.
    """
    first = np.unique(codes, return_index=True)[1]
    places = np.arange(N_WRONG)
    return codes[first[places % len(first)]], given[first[(places + 1) % len(first)]]


def resampled(
    fit: Callable[[Rows, int, int], Assign], rows: Rows, k: int, *, n: int | None = None, seed: int = 0
) -> float:
    """Return the mean ARI of ``n`` clusterings of all rows (five), each fitted on another random 80 % of them.

    References
    ----------
    Ben-Hur, Elisseeff and Guyon 2002, "A stability based method for discovering structure in clustered data".
    """
    rng, size = np.random.default_rng(seed), round(RESAMPLED_SHARE * len(rows))
    parts = [rows[rng.choice(len(rows), size, replace=False)] for _ in range(n or N_RESAMPLED)]
    if any(len(np.unique(part, axis=0)) < k for part in parts):
        return math.nan
    found = [fit(part, k, seed)(rows) for part in parts]
    return float(np.mean([adjusted_rand(a, b) for a, b in combinations(found, 2)]))


def choose(found: Sequence[Clustering]) -> list[Clustering]:
    """Return the clusterings, the one marked that is taken without labels: see `stable_bits` and `fewest`.

    Only those count whose k was found without labels, and that found at least two clusters.
    """
    blind = {
        number: stable_bits(c.stability, c.k)
        for number, c in enumerate(found)
        if c.k_from != "classes" and c.k > 1 and c.stability == c.stability
    }
    if not blind:
        return list(found)
    best = fewest(blind, lambda number: found[number].k)
    return [replace(c, is_chosen=number == best) for number, c in enumerate(found)]


def is_one_to_one(assignment: Codes, labels: npt.NDArray[Any]) -> bool:
    """Return whether each cluster is one class and each class one cluster, of all images; those in none count."""
    pairs = set(zip(assignment.tolist(), np.asarray(labels).tolist(), strict=True))
    n = len(pairs)
    return NOISE not in {c for c, _ in pairs} and n == len({c for c, _ in pairs}) == len({name for _, name in pairs})


def contingency(assignment: Codes, labels: npt.NDArray[Any], order: Sequence[str]) -> pd.DataFrame:
    """Return how many images of each class (rows, in ``order``) lie in each cluster, clusters sorted by main class."""
    table = pd.crosstab(np.asarray(labels), assignment).reindex(list(order), fill_value=0)
    places = table.to_numpy().argmax(0)
    return table.iloc[:, np.lexsort((-table.to_numpy().max(0), places))]
