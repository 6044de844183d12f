"""How well a scalar tells classes apart, pair by pair, with an interval and a null, alone and beside its controls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, rankdata

from gan_probe.stats.beside import Difference
from gan_probe.stats.intervals import auroc_interval, mean_over_margins, widen
from gan_probe.stats.pairwise import Pairwise, compare_pairs
from gan_probe.types import AnyLabels, Values

THRESHOLD = 0.99  # AUROC from which a pair counts as separated
SIGNIFICANCE = 0.05  # over all pairs together


RULE = (
    "A pair is separated when its AUROC is at least 0.99 and its distance from chance is significant at 0.05 by the"
    " two-sided Mann-Whitney test, Bonferroni-corrected over all pairs. The direction (which class scores higher) is"
    " chosen from the data; the test's null allows for that. A pair is certain when the lower end of its 95 % interval"
    " is at least 0.99 too."
)


@dataclass(frozen=True)
class Pair:
    """Two classes and how well a scalar separates them; over several runs, means in the direction of their mean.

    Attributes
    ----------
    a, b : str
        ``a`` is the class that scores higher.
    auroc : float
        P(score of an ``a`` > score of a ``b``), ties count one half; from 0.5 to 1.
    ci_low, ci_high : float
        95 % interval over new images and, with several runs, new runs.
    p_value : float
        Two-sided Mann-Whitney, times the number of pairs, at most 1; the largest of several runs.
    null_auroc : float
        What scores without any difference of classes reach, in the better direction, in one set of pairs of twenty.
    separated, certain : bool
        See `RULE`.
    flips : float
        Share of the runs in which ``b`` scores higher.
    """

    a: str
    b: str
    auroc: float
    ci_low: float
    ci_high: float
    p_value: float
    null_auroc: float
    separated: bool
    certain: bool
    flips: float = 0.0


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


def placements(high: Values, low: Values) -> tuple[Values, Values]:
    """Return for each high value the share of low ones below it, and for each low one that of high ones above it.

    Both have the AUROC as their mean; ties count one half.

    References
    ----------
    DeLong, DeLong, Clarke-Pearson 1988, "Comparing the areas under two or more correlated receiver operating
    characteristic curves", equations 4 and 5 (structural components).
    """
    below = [np.searchsorted(np.sort(low), high, side) / len(low) for side in ("left", "right")]
    above = [1 - np.searchsorted(np.sort(high), low, side) / len(high) for side in ("left", "right")]
    return np.mean(below, axis=0), np.mean(above, axis=0)


def auroc_ahead(
    own: tuple[Values, Values],
    others: Sequence[tuple[Values, Values]],
    *,
    extra: tuple[float, ...] = (1.0, -1.0),
) -> Difference:
    """Return how far an AUROC is above the mean of others, over new images of both kinds and, with several, new others.

    Parameters
    ----------
    own : tuple of ndarray
        Its `placements`.
    others : sequence of tuple
        Those of each other scalar, of the same images.
    extra : tuple of float
        As `gan_probe.stats.intervals.mean_over_margins` has it. Beside small differences of scalars that agree it is
        much, so that an interval is wide; () where a decision is to be made and not an interval printed.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson 1988: the variance is the sum of those of both components' means.
    """
    high, low = (part - np.mean([other[k] for other in others], axis=0) for k, part in enumerate(own))
    by_other = np.array([other[0].mean() for other in others])
    value, ci_low, ci_high = mean_over_margins(high, [(low, 0.0), (by_other, 0.0)], extra=extra)
    return Difference(value, max(ci_low, -1.0), min(ci_high, 1.0))


def null_auroc(m: npt.ArrayLike, n: npt.ArrayLike, n_pairs: int = 1) -> Any:
    """Return the AUROC, in the better direction, that classes without a difference exceed in one data set of twenty.

    The normal limit of the permutation distribution, for the best of ``n_pairs`` pairs of ``m`` and ``n`` images.

    Examples
    --------
    >>> float(null_auroc(40, 40).round(3)), float(null_auroc(40, 40, n_pairs=45).round(3))
    (0.627, 0.712)
    """
    m, n = np.asarray(m, dtype=np.float64), np.asarray(n, dtype=np.float64)
    quantile = float(norm.ppf(1 - SIGNIFICANCE / 2 / n_pairs))
    return np.minimum(1.0, 0.5 + quantile * np.sqrt((m + n + 1) / (12 * m * n)))


def separate(scores: Values, labels: AnyLabels) -> list[Pair]:
    """Return one `Pair` for every two classes, classes in order of appearance.

    Parameters
    ----------
    scores : ndarray, shape (n,) or (runs, n)
    labels : sequence of str, length n

    Raises
    ------
    InputError
        For fewer than two classes, a class with one image, or values that are not finite.
    """
    runs = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    return _pairs(compare_pairs(runs, labels, n_runs=len(runs)), len(runs))


def n_separated(pairs: Sequence[Pair]) -> int:
    """Return how many pairs are separated."""
    return sum(pair.separated for pair in pairs)


def _pairs(found: Pairwise, k: int) -> list[Pair]:
    """Return the pairs of the first ``k`` scalars of a comparison, taken together."""
    n_pairs = math.comb(len(found.classes), 2)
    i, j = np.triu_indices(len(found.classes), 1)
    swapped = found.auroc[:k, i, j].mean(0) < 0.5
    i, j = np.where(swapped, j, i), np.where(swapped, i, j)
    values = found.auroc[:k, i, j]
    mean, counts = values.mean(0), found.counts
    between = values.std(0, ddof=1) if k > 1 else np.zeros(n_pairs)
    single, alike = found.variance[:k, i, j].mean(0), found.run_variance[i, j]
    noise = np.sqrt(np.divide(alike, single, out=np.ones(n_pairs), where=single > 0))  # of a mean over runs, 1 of one
    ends = (mean + noise * (end - mean) for end in auroc_interval(mean, counts[i], counts[j]))
    low, high = widen(mean, (next(ends), next(ends)), between, k)
    p_values = np.minimum(1.0, found.p_value[:k, i, j].max(0) * n_pairs)
    separated = (mean >= THRESHOLD) & (p_values < SIGNIFICANCE)
    columns = {
        "auroc": mean,
        "ci_low": np.maximum(low, 0.0),
        "ci_high": np.minimum(high, 1.0),
        "p_value": p_values,
        "null_auroc": null_auroc(counts[i], counts[j], n_pairs),
        "separated": separated,
        "certain": separated & (low >= THRESHOLD),
        "flips": (values < 0.5).mean(0),
    }
    plain = {name: np.asarray(column).tolist() for name, column in columns.items()}
    return [
        Pair(found.classes[a], found.classes[b], **dict(zip(plain, row, strict=True)))
        for a, b, *row in zip(i, j, *plain.values(), strict=True)
    ]
