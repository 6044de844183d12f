"""What the critic tells of the classes beyond its controls, each measure on the same images, with an interval.

To add a measure: one function from (rows, labels, seed) to how right each image is, and one row in a table below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, t
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from gan_probe.stats.beside import RANDOM_INIT, Difference
from gan_probe.stats.discriminant import ShrinkageDiscriminant
from gan_probe.stats.information import chosen_rows, folds, named_by_score
from gan_probe.stats.intervals import LEVEL
from gan_probe.types import Labels, Rows

FEW, N_DRAWS = 5, 20  # labels a class, and how often they are drawn
MATCHED = 50  # dimensions that every representation is reduced to

Right = npt.NDArray[np.floating[Any]]  # how right each image is, 0 to 1


@dataclass(frozen=True)
class Margin:
    """One measure of the critic beside its controls.

    Attributes
    ----------
    measure : str
        A row of `SCORE_MEASURES` or `EMBEDDING_MEASURES`.
    value, ci_low, ci_high : float
        The critic's, 0 to 1, with its 95 % interval over new images and, with several runs, new runs.
    best_control, control : str, float
        The control that does best, and how well. It is picked on these images, which favours it.
    margin, margin_low, margin_high : float
        Critic minus control, paired by image.
    chance : float
        What a guess gets: the share of the largest class.
    controls : dict of str to float
    added : Difference or None
        Critic minus the mean of randomly initialised critics: what the training added. None where there are none.
    beyond : Difference or None
        The features of critic and best control together minus that control alone, where it was asked for.
    """

    measure: str
    value: float
    ci_low: float
    ci_high: float
    best_control: str
    control: float
    margin: float
    margin_low: float
    margin_high: float
    chance: float
    controls: Mapping[str, float]
    added: Difference | None = None
    beyond: Difference | None = None

    @property
    def over_best(self) -> Difference | None:
        """Critic minus best control; None without controls."""
        return Difference(self.margin, self.margin_low, self.margin_high) if self.best_control else None

    @property
    def random_init(self) -> float:
        """The mean of randomly initialised critics; NaN without."""
        return self.controls.get(RANDOM_INIT, math.nan)

    @property
    def verdict(self) -> str:
        """What the interval of the margin allows to say: "ahead", "behind" or "not to be told apart"."""
        return Difference(self.margin, self.margin_low, self.margin_high).verdict


def linear_probe(rows: Rows, labels: Labels, seed: int) -> Right:
    """Return which images a linear probe in five folds classifies correctly."""
    right = np.zeros(len(labels))
    for training, test in folds(labels, seed=seed):
        right[test] = ShrinkageDiscriminant().fit(rows[training], labels[training]).predict(rows[test]) == labels[test]
    return right


def matched_probe(rows: Rows, labels: Labels, seed: int) -> Right:
    """Return the same for the first 50 principal components of the standardised rows, found without labels."""
    scaled = StandardScaler().fit_transform(rows)
    n = min(MATCHED, *scaled.shape)
    reduced = PCA(n, svd_solver="full" if n == min(scaled.shape) else "randomized", random_state=seed)
    return linear_probe(reduced.fit_transform(scaled), labels, seed)


def few_shot(rows: Rows, labels: Labels, seed: int) -> Right:
    """Return how often each image is classified correctly from five labels a class; it is tested where not drawn."""
    rng = np.random.default_rng(seed)
    by_class = [np.flatnonzero(labels == name) for name in np.unique(labels)]
    right, tested = np.zeros(len(labels)), np.zeros(len(labels))
    for _ in range(N_DRAWS):
        drawn = np.concatenate([rng.choice(r, min(FEW, len(r) - 1), replace=False) for r in by_class])
        rest = np.setdiff1d(np.arange(len(labels)), drawn)
        right[rest] += ShrinkageDiscriminant().fit(rows[drawn], labels[drawn]).predict(rows[rest]) == labels[rest]
        tested[rest] += 1
    return right / np.maximum(tested, 1)


SCORE_MEASURES: dict[str, Callable[[Rows, Labels, int], Right]] = {
    "class named by the score alone": lambda rows, labels, seed: named_by_score(rows, labels, seed=seed).astype(float),
}
EMBEDDING_MEASURES: dict[str, Callable[[Rows, Labels, int], Right]] = {
    "linear probe": linear_probe,
    "linear probe, 50 dimensions each": matched_probe,
    "linear probe, 5 labels a class": few_shot,
}


def margins(
    measures: Mapping[str, Callable[[Rows, Labels, int], Right]],
    critic: Sequence[Rows],
    controls: Mapping[str, Sequence[Rows]],
    labels: Labels,
    *,
    joined: Collection[str] = (),
    seed: int = 0,
) -> list[Margin]:
    """Return one `Margin` for each measure.

    Parameters
    ----------
    measures : mapping
        `SCORE_MEASURES` or `EMBEDDING_MEASURES`.
    critic : sequence of ndarray, shape (n,) or (n, d)
        By run.
    controls : mapping of str to sequence of ndarray
        By name; randomly initialised critics are several seeds of one control.
    labels : ndarray, shape (n,)
    joined : collection of str
        Measures of which the critic and its best control together are measured, too.
    seed : int
    """
    rows = chosen_rows(labels, seed=seed)
    names = labels[rows]
    chance = float(np.unique(names, return_counts=True)[1].max() / len(names))
    found = []
    for measure, right in measures.items():
        own = np.stack([right(run[rows], names, seed) for run in critic])
        others = {name: np.stack([right(c[rows], names, seed) for c in several]) for name, several in controls.items()}
        value, low, high = mean_interval(own)
        best = max(others, key=lambda name: float(others[name].mean()), default="")
        ahead = difference(own, others[best]) if best else (math.nan, math.nan, math.nan)
        both = None
        if best and measure in joined:
            pairs = [(i % len(critic), i % len(others[best])) for i in range(max(len(critic), len(others[best])))]
            parts = [joined_rows(critic[i][rows], controls[best][j][rows]) for i, j in pairs]
            both = Difference(*difference(np.stack([right(p, names, seed) for p in parts]), others[best]))
        found.append(
            Margin(
                measure, value, max(low, 0.0), min(high, 1.0),
                best, float(others[best].mean()) if best else math.nan, *ahead,
                chance, {name: float(other.mean()) for name, other in others.items()},
                Difference(*difference(own, others[RANDOM_INIT])) if RANDOM_INIT in others else None, both,
            )
        )  # fmt: skip
    return found


def joined_rows(*parts: Rows) -> Rows:
    """Return representations side by side, (n, d), each of standardised columns and of the same total variance."""
    return np.concatenate([StandardScaler().fit_transform(p) / math.sqrt(p.shape[1]) for p in parts], axis=1)


def mean_interval(right: Right) -> tuple[float, float, float]:
    """Return the mean of (runs, images) values in [0, 1] and its 95 % interval (value, low, high)."""
    return crossed_interval(right.mean(0), [(right.mean(1), 0.0)], extra=(0.0, 0.0, 1.0, 1.0))


def difference(a: Right, b: Right) -> tuple[float, float, float]:
    """Return mean(a) - mean(b) and its 95 % interval; runs of either are their own, images are shared.

    Examples
    --------
    >>> difference(np.ones((1, 100)), np.zeros((3, 100)))[0]
    1.0
    """
    return crossed_interval(a.mean(0) - b.mean(0), [(a.mean(1), 0.0), (b.mean(1), 0.0)], extra=(-1.0, 1.0))


def crossed_interval(
    by_image: Right, others: Sequence[tuple[Right, float]], *, extra: tuple[float, ...]
) -> tuple[float, float, float]:
    """Return (value, low, high) over new images and new runs.

    Parameters
    ----------
    by_image : ndarray, shape (images,)
    others : sequence of tuple
        The means of each run, and the share of their variance that they have in common.
    extra : tuple of float
        Images added, which keep the interval open where every image agrees (Agresti and Coull 1998; Agresti and Min
        2005).

    Notes
    -----
    The variance is the sum of those of the margins (Owen 2007, "The pigeonhole bootstrap", section 3), and its degrees
    of freedom are Satterthwaite's.
    """
    images, value = np.concatenate([by_image, extra]), float(by_image.mean())
    parts = [(float(images.var(ddof=1)) / len(images), len(images) - 1)]
    parts += [(float(m.var(ddof=1)) * (1 / len(m) + shared), len(m) - 1) for m, shared in others if len(m) > 1]
    total = sum(variance for variance, _ in parts)
    freedom = total**2 / sum(variance**2 / n for variance, n in parts if variance > 0) if total > 0 else math.inf
    quantile = float(t.ppf(0.5 + LEVEL / 2, freedom)) if math.isfinite(freedom) else float(norm.ppf(0.5 + LEVEL / 2))
    half = quantile * math.sqrt(total)
    return value, value - half, value + half
