"""What the critic tells of the classes beyond its controls, each measure on the same images, with an interval.

To add a measure: one function from (rows, labels, seed) to how right each image is, (n,) or (draws, n) where labels are
drawn several times, and one row in a table below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from gan_probe.stats.beside import RANDOM_INIT, Difference
from gan_probe.stats.information import MAX_FITTED, MAX_ROWS, N_FOLDS, chosen_rows, folds, named_by_score
from gan_probe.stats.intervals import mean_over_margins
from gan_probe.stats.linear import fit_best
from gan_probe.types import Indices, Labels, Rows

FEW, N_DRAWS = 5, 20  # labels a class, and how often they are drawn
MATCHED = 50  # dimensions that every representation is reduced to

# how right each image is, 0 to 1: (n,), (draws, n), (runs, n) or (runs, draws, n); NaN where a draw does not test it
Right = npt.NDArray[np.floating[Any]]


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
        What naming the largest class of every image gets: its share, one over their number where classes are equal.
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
        right[test] = fit_best(rows[training], labels[training]).predict(rows[test]) == labels[test]
    return right


def matched_probe(rows: Rows, labels: Labels, seed: int) -> Right:
    """Return the same for the first 50 principal components of the standardised rows, found without labels."""
    scaled = StandardScaler().fit_transform(rows)
    n = min(MATCHED, *scaled.shape)
    reduced = PCA(n, svd_solver="full" if n == min(scaled.shape) else "randomized", random_state=seed)
    return linear_probe(reduced.fit_transform(scaled), labels, seed)


def few_shot(rows: Rows, labels: Labels, seed: int) -> Right:
    """Return which images are classified correctly from five labels a class, (draws, n); NaN where drawn as a label."""
    rng = np.random.default_rng(seed)
    by_class = [np.flatnonzero(labels == name) for name in np.unique(labels)]
    right = np.full((N_DRAWS, len(labels)), np.nan)
    for tested in right:
        drawn = np.concatenate([rng.choice(r, min(FEW, len(r) - 1), replace=False) for r in by_class])
        rest = np.setdiff1d(np.arange(len(labels)), drawn)
        tested[rest] = fit_best(rows[drawn], labels[drawn]).predict(rows[rest]) == labels[rest]
    return right


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
    rows = measured_rows(critic[0], labels, seed=seed)
    names = np.unique(labels[rows], return_inverse=True)[1]  # numbers: texts take longer to compare
    chance = float(np.unique(names, return_counts=True)[1].max() / len(names))
    found = []
    for measure, right in measures.items():
        own = np.stack([right(run[rows], names, seed) for run in critic])
        others = {name: np.stack([right(c[rows], names, seed) for c in several]) for name, several in controls.items()}
        means = {name: float(_by(other, "run").mean()) for name, other in others.items()}
        value, low, high = mean_interval(own)
        best = max(means, key=means.__getitem__, default="")
        ahead = difference(own, others[best]) if best else (math.nan, math.nan, math.nan)
        both = None
        if best and measure in joined:
            pairs = [(i % len(critic), i % len(others[best])) for i in range(max(len(critic), len(others[best])))]
            parts = [joined_rows(critic[i][rows], controls[best][j][rows]) for i, j in pairs]
            both = Difference(*difference(np.stack([right(p, names, seed) for p in parts]), others[best]))
        found.append(
            Margin(
                measure, value, max(low, 0.0), min(high, 1.0),
                best, means.get(best, math.nan), *ahead,
                chance, means,
                Difference(*difference(own, others[RANDOM_INIT])) if RANDOM_INIT in others else None, both,
            )
        )  # fmt: skip
    return found


def measured_rows(values: Rows, labels: Labels, *, seed: int = 0) -> Indices:
    """Return the images that a measure looks at: of embeddings fewer than of scores."""
    return chosen_rows(labels, most=MAX_FITTED if values.ndim > 1 else MAX_ROWS, seed=seed)


def joined_rows(*parts: Rows) -> Rows:
    """Return representations side by side, (n, d), each of standardised columns and of the same total variance."""
    return np.concatenate([StandardScaler().fit_transform(p) / math.sqrt(p.shape[1]) for p in parts], axis=1)


def mean_interval(right: Right) -> tuple[float, float, float]:
    """Return the mean of values in [0, 1] and its 95 % interval (value, low, high).

    Parameters
    ----------
    right : ndarray, shape (runs, images) or (runs, draws, images)
        Of `folds`, each image tested in one of them; or of draws, of labels or of a single classifier.
    """
    parts = [(_by(right, "run"), 0.0), (_by(right, "draw"), _drawn(right))]
    return mean_over_margins(_by(right, "image"), parts, extra=(0.0, 0.0, 1.0, 1.0), n_folds=_n_folds(right))


def difference(a: Right, b: Right) -> tuple[float, float, float]:
    """Return mean(a) - mean(b) and its 95 % interval; runs of either are their own, images and draws are shared.

    Examples
    --------
    >>> difference(np.ones((1, 100)), np.zeros((3, 100)))[0]
    1.0
    """
    by_image, by_draw = (_by(a, margin) - _by(b, margin) for margin in ("image", "draw"))
    parts = [(_by(a, "run"), 0.0), (_by(b, "run"), 0.0), (by_draw, _drawn(a))]
    value, low, high = mean_over_margins(by_image, parts, extra=(-1.0, 1.0), n_folds=_n_folds(a))
    return value, max(-1.0, low), min(1.0, high)


def _by(right: Right, margin: str) -> Right:
    """Return the means over all but the runs, the draws or the images; images that no draw tests are left out."""
    cube = right if right.ndim == 3 else right[:, None]
    cube = cube[..., ~np.isnan(cube).all((0, 1))]
    axis = ("run", "draw", "image").index(margin)
    return np.nanmean(cube, axis=tuple({0, 1, 2} - {axis}))


def _n_folds(right: Right) -> int:
    """Return how many classifiers tested a part of the images each: those of `folds`, or 1 for all images."""
    return N_FOLDS if right.ndim == 2 else 1


def _drawn(right: Right) -> float:
    """Return the share of the images that a draw takes as labels."""
    return float(np.isnan(right).mean())
