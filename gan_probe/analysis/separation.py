"""How well a scalar tells classes apart, pair by pair, with an interval and a null."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import mannwhitneyu, norm, rankdata

from gan_probe.errors import InputError

THRESHOLD = 0.99  # AUROC from which a pair counts as separated
LEVEL = 0.95  # of the intervals
SIGNIFICANCE = 0.05  # over all pairs together

Values = npt.NDArray[np.floating[Any]]

RULE = (
    "A pair is separated when its AUROC is at least 0.99 and its distance from chance is significant at 0.05 by the"
    " two-sided Mann-Whitney test, Bonferroni-corrected over all pairs. The direction (which class scores higher) is"
    " chosen from the data; the test's null allows for that. A pair is certain when the lower end of its 95 % interval"
    " is at least 0.99 too."
)


@dataclass(frozen=True)
class Pair:
    """Two classes and how well a scalar separates them.

    Attributes
    ----------
    a, b : str
        ``a`` is the class that scores higher.
    auroc : float
        P(score of an ``a`` > score of a ``b``), ties count one half; from 0.5 to 1.
    ci_low, ci_high : float
        95 % interval.
    p_value : float
        Two-sided Mann-Whitney, times the number of pairs, at most 1.
    separated, certain : bool
        See `RULE`.
    """

    a: str
    b: str
    auroc: float
    ci_low: float
    ci_high: float
    p_value: float
    separated: bool
    certain: bool


def auroc(high: Values, low: Values) -> float:
    """Return P(a value of ``high`` > a value of ``low``), ties count one half.

    Parameters
    ----------
    high, low : ndarray, shape (m,) and (n,)

    Examples
    --------
    >>> auroc(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
    0.875
    """
    m, n = len(high), len(low)
    ranks = rankdata(np.concatenate([high, low]))
    return float((ranks[:m].sum() - m * (m + 1) / 2) / (m * n))


def auroc_interval(value: float, m: int, n: int, *, level: float = LEVEL) -> tuple[float, float]:
    """Return a confidence interval for an AUROC from samples of ``m`` and ``n``.

    Parameters
    ----------
    value : float
        The observed AUROC, from 0 to 1.
    m, n : int
    level : float

    Notes
    -----
    Each end solves ``|value - end| = z * se(end)``, the score interval that Newcombe recommends as method 5. Unlike a
    bootstrap or DeLong's method it does not collapse to a point when the samples do not overlap: 40 against 40 without
    overlap give 0.95 to 1.

    References
    ----------
    Newcombe 2006, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part 2",
    Statistics in Medicine 25, method 5.
    """
    z, n_star = float(norm.ppf(0.5 + level / 2)), (m + n) / 2 - 1

    def excess(end: float) -> float:
        spread = 1 + n_star * ((1 - end) / (2 - end) + end / (1 + end))
        return (value - end) ** 2 - z**2 * end * (1 - end) * spread / (m * n)

    inner = min(max(value, 1e-12), 1 - 1e-12)  # at 0 and 1 the equation has a second, trivial root
    low = 0.0 if value <= 0 else brentq(excess, 0.0, inner)
    high = 1.0 if value >= 1 else brentq(excess, inner, 1.0)
    return float(low), float(high)


def class_rows(labels: Sequence[str] | npt.NDArray[Any]) -> dict[str, npt.NDArray[np.intp]]:
    """Return the rows of each class, classes in order of appearance.

    Raises
    ------
    InputError
        For fewer than two classes, or a class with one image.
    """
    labels = np.asarray(labels).astype(str)
    rows = {str(name): np.flatnonzero(labels == name) for name in dict.fromkeys(labels)}
    if len(rows) < 2:
        raise InputError(f"separation needs at least two classes, got {len(rows)} ({', '.join(rows)}).")
    lone = [name for name, found in rows.items() if len(found) < 2]
    if lone:
        raise InputError(f"each class needs at least two images; {', '.join(lone[:5])} has one.")
    return rows


def separation(scores: Values, labels: Sequence[str] | npt.NDArray[Any]) -> list[Pair]:
    """Return one `Pair` for every two classes.

    Parameters
    ----------
    scores : ndarray, shape (n,)
    labels : sequence of str, length n

    Raises
    ------
    InputError
        For fewer than two classes, a class with one image, or values that are not finite.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if not np.isfinite(scores).all():
        raise InputError(f"{int((~np.isfinite(scores)).sum())} of {len(scores)} scores are not finite numbers.")
    rows = class_rows(labels)
    n_pairs = math.comb(len(rows), 2)
    return [_pair(a, scores[rows[a]], b, scores[rows[b]], n_pairs) for a, b in itertools.combinations(rows, 2)]


def _pair(a: str, scores_a: Values, b: str, scores_b: Values, n_pairs: int) -> Pair:
    value = auroc(scores_a, scores_b)
    if value < 0.5:
        return _pair(b, scores_b, a, scores_a, n_pairs)
    low, high = auroc_interval(value, len(scores_a), len(scores_b))
    p = min(1.0, float(mannwhitneyu(scores_a, scores_b, alternative="two-sided").pvalue) * n_pairs)
    separated = value >= THRESHOLD and p < SIGNIFICANCE
    return Pair(a, b, value, low, high, p, separated, certain=separated and low >= THRESHOLD)


def n_separated(pairs: Sequence[Pair]) -> int:
    """Return how many pairs are separated."""
    return sum(pair.separated for pair in pairs)


@dataclass(frozen=True)
class ControlledPair:
    """A pair of the critic beside the control that separates the same two classes best."""

    pair: Pair
    best_control: str
    control_auroc: float

    @property
    def excess(self) -> float:
        """The critic's AUROC minus the best control's: above zero, the critic adds something."""
        return self.pair.auroc - self.control_auroc


def with_controls(critic: Sequence[Pair], controls: Mapping[str, Sequence[Pair]]) -> list[ControlledPair]:
    """Return each pair of the critic beside the best of its controls, each control in its own best direction."""
    by_name = {name: {frozenset((p.a, p.b)): p.auroc for p in pairs} for name, pairs in controls.items()}
    result = []
    for pair in critic:
        values = {name: found[frozenset((pair.a, pair.b))] for name, found in by_name.items()}
        best = max(values, key=values.__getitem__) if values else ""
        result.append(ControlledPair(pair, best, values.get(best, math.nan)))
    return result
