"""Do runs see the same in images, whatever their units? Embeddings and clusters, compared pair by pair.

Channels are standardised first: they share no unit, and no layer may count more for being larger.
To add a measure: what it takes of one run, how it compares two of those, and one row in ``MEASURES``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors

from gan_probe.stats.clustering import MAX_DIMENSIONS, adjusted_rand, cluster
from gan_probe.stats.information import chosen_rows
from gan_probe.stats.intervals import jackknife_width
from gan_probe.types import Codes, Indices, Labels, Mask, Rows, Scores

N_NEIGHBOURS = 10
MAX_ROWS = 2000  # images that are compared, each class in its share
MIN_CLUSTERED = 10
DEAD = 1e-6  # of the largest channel's standard deviation: channels below it are constant


@dataclass(frozen=True)
class Similarity:
    """How alike two runs are on average, over all pairs of runs.

    Attributes
    ----------
    measure : str
    value, ci_low, ci_high : float
        Mean over pairs, with a 95 % interval over new runs (jackknife).
    chance : float
        What runs with nothing in common reach.
    """

    measure: str
    value: float
    ci_low: float
    ci_high: float
    chance: float


def standardised_rows(rows: Rows, fit: Mask) -> Rows:
    """Return rows (n, d) with mean 0 and standard deviation 1 in each channel on the images fitted on; dead ones 0."""
    rows = np.asarray(rows, dtype=np.float64)
    mean, deviation = rows[fit].mean(0), rows[fit].std(0)
    alive = deviation > DEAD * max(float(deviation.max()), 1e-300)
    return np.where(alive, (rows - mean) / np.where(alive, deviation, 1), 0.0)


def procrustes(a: Rows, b: Rows, fit: Mask) -> float:
    """Return the variance that two embeddings share after a rotation of one onto the other: 1 = the same, 0 = nothing.

    Each is reduced to its first 20 principal components, so that images are more than enough to fit the rotation. That
    is done on one half of the images; the squared correlation of all coordinates, its sign kept, is taken on the other
    half. What is left to 1 is the residual.

    Parameters
    ----------
    a, b : ndarray, shape (n, d) and (n, e)
        Centred on the images fitted on.
    fit : ndarray of bool, shape (n,)

    References
    ----------
    Schoenemann 1966, "A generalized solution of the orthogonal Procrustes problem"; with a reduction first as in
    Williams, Kunz, Kornblith, Linderman 2021, "Generalized Shape Metrics on Neural Representations".
    """
    return _turned(_reduced(a, fit), _reduced(b, fit), fit)


def _turned(one: Rows, other: Rows, fit: Mask) -> float:
    """Return `procrustes` of two embeddings that are reduced already."""
    left, _, right = np.linalg.svd(one[fit].T @ other[fit], full_matrices=False)
    turned, target = one[~fit] @ left, other[~fit] @ right.T
    length = float(np.linalg.norm(one[~fit]) * np.linalg.norm(other[~fit]))
    correlation = float((turned * target).sum()) / max(length, 1e-300)
    return correlation * abs(correlation)


def _reduced(rows: Rows, fit: Mask) -> Rows:
    """Return the first principal components, (n, at most 20), of the images fitted on."""
    return rows @ np.linalg.svd(rows[fit], full_matrices=False)[2][:MAX_DIMENSIONS].T


def hsic(a: Rows, b: Rows) -> float:
    """Return the unbiased estimate HSIC_1 of the dependence of two embeddings under linear kernels: 0 without any.

    References
    ----------
    Song, Smola, Gretton, Bedo, Borgwardt 2012, "Feature Selection via Dependence Maximization", JMLR 13: HSIC_1;
    written out in Nguyen, Raghu, Kornblith 2021, "Do Wide and Deep Networks Learn the Same Things?", equation 3.
    """
    return _dependence(_kernel(a), _kernel(b))


def _kernel(rows: Rows) -> Rows:
    """Return the linear kernel (n, n) without its diagonal."""
    kernel = rows @ rows.T
    np.fill_diagonal(kernel, 0)
    return kernel


def _dependence(k: Rows, l: Rows) -> float:  # noqa: E741 (the paper's letters)
    """Return `hsic` of two kernels."""
    n = len(k)
    trace, sums = (k * l).sum(), k.sum() * l.sum() / ((n - 1) * (n - 2))
    return float(trace + sums - 2 / (n - 2) * (k.sum(0) @ l.sum(0))) / (n * (n - 3))


def debiased_cka(a: Rows, b: Rows) -> float:
    """Return the debiased linear CKA of two embeddings of the same images: 1 = the same up to a rotation, 0 = chance.

    The plain CKA of independent embeddings is far above 0 when channels are many and images few.

    References
    ----------
    Kornblith, Norouzi, Lee, Hinton 2019, "Similarity of Neural Network Representations Revisited", section 3:
    HSIC(a, b) / sqrt(HSIC(a, a) HSIC(b, b)); with HSIC_1 in it Murphy, Zylberberg, Fyshe 2024, "Correcting Biased
    Centered Kernel Alignment Measures in Biological and Artificial Neural Networks".
    """
    return _cka(_kernel_and_own(a), _kernel_and_own(b))


def _kernel_and_own(rows: Rows) -> tuple[Rows, float]:
    """Return the kernel of an embedding, and its dependence on itself."""
    kernel = _kernel(rows)
    return kernel, _dependence(kernel, kernel)


def _cka(one: tuple[Rows, float], other: tuple[Rows, float]) -> float:
    """Return `debiased_cka` of two kernels with their own dependences."""
    alone = one[1] * other[1]
    return _dependence(one[0], other[0]) / alone**0.5 if alone > 0 else 0.0


def shared_neighbours(a: Rows, b: Rows, k: int = N_NEIGHBOURS) -> float:
    """Return the share of an image's k nearest neighbours that two embeddings agree on; chance is k / (n - 1).

    References
    ----------
    Huh, Cheung, Wang, Isola 2024, "The Platonic Representation Hypothesis", appendix A (mutual nearest neighbours).
    """
    return _shared(_neighbours(a, k), _neighbours(b, k))


def _neighbours(rows: Rows, k: int = N_NEIGHBOURS) -> Indices:
    """Return the k nearest others of each row, (n, k); all of them where there are fewer."""
    return NearestNeighbors(n_neighbors=min(k, len(rows) - 1)).fit(rows).kneighbors(return_distance=False)


def _shared(near: Indices, others: Indices) -> float:
    """Return `shared_neighbours` of two tables of neighbours."""
    return float(np.mean([len(set(one) & set(other)) / len(one) for one, other in zip(near, others, strict=True)]))


class Measure(NamedTuple):
    """A similarity: what is taken of one embedding, once a run, and how two of those compare.

    Both are told which images may be fitted on; all is measured on the others.
    """

    of_run: Callable[[Rows, Mask], Any]
    of_pair: Callable[[Any, Any, Mask], float]

    def __call__(self, a: Rows, b: Rows, fit: Mask) -> float:
        """Return the similarity of two embeddings."""
        return self.of_pair(self.of_run(a, fit), self.of_run(b, fit), fit)


MEASURES: dict[str, Measure] = {
    "Procrustes": Measure(_reduced, _turned),
    "debiased CKA": Measure(lambda rows, fit: _kernel_and_own(rows[~fit]), lambda a, b, fit: _cka(a, b)),
    "shared neighbours": Measure(lambda rows, fit: _neighbours(rows[~fit]), lambda a, b, fit: _shared(a, b)),
}
CHANCE: dict[str, Callable[[int], float]] = {"shared neighbours": lambda n: min(1.0, N_NEIGHBOURS / (n - 1))}  # else 0


def over_pairs(measure: str, compare: Callable[[int, int], float], n_runs: int, chance: float = 0.0) -> Similarity:
    """Return the mean of a comparison over all pairs of at least three runs, each left out once for the interval."""
    table = np.zeros((n_runs, n_runs))
    for i, j in combinations(range(n_runs), 2):
        table[i, j] = table[j, i] = compare(i, j)
    total, each = table.sum() / 2, table.sum(0)
    value = float(total / (n_runs * (n_runs - 1) / 2))
    width = float(jackknife_width((total - each) / ((n_runs - 1) * (n_runs - 2) / 2)))
    return Similarity(measure, value, max(-1.0, value - width), min(1.0, value + width), chance)


def similarities(
    scores: Scores, embeddings: Sequence[Rows], labels: Labels, fit: Mask, *, seed: int = 0
) -> list[Similarity]:
    """Return each of `MEASURES` over all pairs of runs, then the agreement of clusters found without labels.

    Parameters
    ----------
    scores : ndarray, shape (runs, images)
    embeddings : sequence of ndarray, each of shape (images, channels)
        One for each run; or none, and only scores are clustered.
    labels : ndarray, shape (images,)
        Only to draw a sample, where there are more than 2,000 images.
    fit : ndarray of bool, shape (images,)
    seed : int
    """
    strata = np.array([f"{a} {b}" for a, b in zip(labels, fit, strict=True)])
    if len(np.unique(strata)) > MAX_ROWS / 2:  # of each two are kept
        strata = fit
    rows = chosen_rows(strata, most=MAX_ROWS, seed=seed)
    scores, fit = scores[:, rows], fit[rows]
    embedded = [standardised_rows(e[rows], fit) for e in embeddings]
    n_runs, n = len(scores), int((~fit).sum())
    found = [
        over_pairs(name, _of_pair(measure, embedded, fit), n_runs, CHANCE.get(name, lambda n: 0.0)(n))
        for name, measure in MEASURES.items()
        if embedded and n > 3
    ]
    if len(rows) < MIN_CLUSTERED:
        return found
    for name, columns in {"clusters of scores": list(scores), "clusters of embeddings": embedded}.items():
        if columns:
            given = [_clusters(c, seed) for c in columns]
            found.append(over_pairs(name, partial(_same_clusters, given), n_runs))
    return found


def _of_pair(measure: Measure, embedded: Sequence[Rows], fit: Mask) -> Callable[[int, int], float]:
    """Return a similarity as a function of two numbers of runs."""
    taken = [measure.of_run(rows, fit) for rows in embedded]
    return lambda i, j: measure.of_pair(taken[i], taken[j], fit)


def _same_clusters(given: Sequence[Codes], i: int, j: int) -> float:
    """Return the adjusted Rand index: 1 = the same groups, 0 = chance."""
    return float(adjusted_rand(given[i], given[j]))


def _clusters(rows: Rows, seed: int) -> Codes:
    """Return the clusters that a user without labels would take; one for all images where there are none."""
    chosen = (c.assignment for c in cluster(rows, seed=seed) if c.is_chosen)
    return next(chosen, np.zeros(len(rows), dtype=np.intp))
