"""Groups found without labels, in scores or embeddings, and how well they match the classes.

To add a method: one function and one row in ``METHODS``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, homogeneity_score, silhouette_score
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

from gan_probe.errors import InputError

MAX_K = 20  # the largest number of clusters tried when k is chosen without labels
MAX_DIMENSIONS = 20  # embeddings are reduced to as many principal components
MAX_SILHOUETTE = 5000  # rows on which silhouettes are computed
NOISE = -1  # HDBSCAN's label for rows in no cluster

Rows = npt.NDArray[np.floating[Any]]
Assignment = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Clustering:
    """One clustering and, where there are labels, its agreement with the classes.

    Attributes
    ----------
    method : str
        A row of `METHODS`.
    k_from : {"silhouette", "bic", "density", "classes"}
        How the number of clusters was chosen. Only "classes" uses the labels, and only to count them.
    k : int
        Clusters found.
    ari, ami, homogeneity : float
        Adjusted Rand index and adjusted mutual information (0 = chance, 1 = the classes), homogeneity (0 to 1).
    noise_share : float
        Share of images in no cluster (HDBSCAN only).
    assignment : ndarray of int, shape (n,)
    """

    method: str
    k_from: str
    k: int
    ari: float
    ami: float
    homogeneity: float
    noise_share: float
    assignment: Assignment


def prepare(rows: Rows, *, standardise: bool = True, seed: int = 0) -> Rows:
    """Return rows (n, d) reduced to at most 20 principal components; scores (n,) become one column.

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
    rows = np.asarray(rows, dtype=np.float64).reshape(len(rows), -1)
    if not np.isfinite(rows).all():
        raise InputError("rows with values that are not finite numbers cannot be clustered.")
    moving = rows.std(axis=0) > 1e-12
    if not moving.any():
        raise InputError("all rows are equal; there are no clusters to find.")
    scaled = StandardScaler(with_std=standardise).fit_transform(rows[:, moving])
    n = min(MAX_DIMENSIONS, *scaled.shape)
    return PCA(n, svd_solver="full" if n == min(scaled.shape) else "randomized", random_state=seed).fit_transform(
        scaled
    )


def _kmeans(rows: Rows, k: int, seed: int) -> Assignment:
    return KMeans(k, n_init=10, random_state=seed).fit_predict(rows)


def _mixture(rows: Rows, k: int, seed: int) -> Assignment:
    return _fit_mixture(rows, k, seed).predict(rows)


def _fit_mixture(rows: Rows, k: int, seed: int) -> GaussianMixture:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianMixture(k, covariance_type="diag", n_init=3, reg_covar=1e-5, random_state=seed).fit(rows)


def _k_by_silhouette(rows: Rows, seed: int) -> int:
    """Return the number of k-means clusters, 2 to 20, whose mean silhouette is largest."""
    rng = np.random.default_rng(seed)
    sample = rows if len(rows) <= MAX_SILHOUETTE else rows[rng.choice(len(rows), MAX_SILHOUETTE, replace=False)]
    largest = min(MAX_K, len(np.unique(sample, axis=0)) - 1)
    values = {k: silhouette_score(sample, _kmeans(sample, k, seed)) for k in range(2, largest + 1)}
    return max(values, key=values.__getitem__) if values else 1


def _k_by_bic(rows: Rows, seed: int) -> int:
    """Return the number of Gaussians, 1 to 20, with the smallest Bayesian information criterion."""
    largest = min(MAX_K, len(np.unique(rows, axis=0)))
    values = {k: _fit_mixture(rows, k, seed).bic(rows) for k in range(1, largest + 1)}
    return min(values, key=values.__getitem__)


def _hdbscan(rows: Rows, k: int, seed: int) -> Assignment:
    """Return clusters by density; their number is found, ``k`` is not used."""
    return HDBSCAN(min_cluster_size=max(5, len(rows) // 50), copy=True).fit_predict(rows)


# name -> (assign rows to k clusters, choose k without labels, the name of that choice)
METHODS: dict[str, tuple[Callable[[Rows, int, int], Assignment], Callable[[Rows, int], int] | None, str]] = {
    "k-means":          (_kmeans,  _k_by_silhouette, "silhouette"),
    "Gaussian mixture": (_mixture, _k_by_bic,        "bic"),
    "HDBSCAN":          (_hdbscan, None,             "density"),
}  # fmt: skip


def cluster(
    rows: Rows, labels: npt.NDArray[Any] | None = None, *, standardise: bool = True, seed: int = 0
) -> list[Clustering]:
    """Return every method's clustering: k chosen without labels and, where k is needed, k = number of classes.

    Parameters
    ----------
    rows : ndarray, shape (n,) or (n, d)
        Scores or an embedding.
    labels : ndarray of str, shape (n,), optional
        Without them there is no k = number of classes, and agreement is NaN.
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
    n_classes = 0 if labels is None else len(set(labels))
    found = []
    for method, (assign, choose_k, chosen_by) in METHODS.items():
        blind_k = choose_k(prepared, seed) if choose_k else 0
        found.append(_judge(method, chosen_by, assign(prepared, blind_k, seed), labels))
        if choose_k and 0 < n_classes <= len(np.unique(prepared, axis=0)):
            found.append(_judge(method, "classes", assign(prepared, n_classes, seed), labels))
    return found


def _judge(method: str, k_from: str, assignment: Assignment, labels: npt.NDArray[Any] | None) -> Clustering:
    known = labels is not None
    return Clustering(
        method,
        k_from,
        k=len(set(assignment.tolist()) - {NOISE}),
        ari=float(adjusted_rand_score(labels, assignment)) if known else math.nan,
        ami=float(adjusted_mutual_info_score(labels, assignment)) if known else math.nan,
        homogeneity=float(homogeneity_score(labels, assignment)) if known else math.nan,
        noise_share=float((assignment == NOISE).mean()) if method == "HDBSCAN" else math.nan,
        assignment=assignment,
    )
