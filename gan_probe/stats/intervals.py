"""How sure a number is: intervals that do not collapse, that pair what is paired, and that know runs from images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, binomtest, norm, t

from gan_probe.types import Indices, Values

LEVEL = 0.95
N_DRAWS = 500
BISECTIONS = 50
NEARLY_NONE = 1e-9  # share of their variance that draws do not have in common, at least
MIN_UNIT = 5  # values of which a standard deviation may be the unit of an interval
N_ANGLES = 721


def auroc_interval(value: npt.ArrayLike, m: npt.ArrayLike, n: npt.ArrayLike, *, level: float = LEVEL) -> Any:
    """Return a confidence interval (low, high) for AUROCs from samples of ``m`` and ``n``.

    Parameters
    ----------
    value : float or ndarray
        The observed AUROC, from 0 to 1.
    m, n : int or ndarray
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
    value, m, n = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (value, m, n)))
    z, n_star = float(norm.ppf(0.5 + level / 2)), (m + n) / 2 - 1

    def is_outside(end: Any) -> Any:  # (...) bool; a number where the values are one
        spread = 1 + n_star * ((1 - end) / (2 - end) + end / (1 + end))
        return (value - end) ** 2 > z**2 * end * (1 - end) * spread / (m * n)

    ends = []
    for edge in (0.0, 1.0):
        outside, inside = np.full_like(value, edge), np.clip(value, 1e-12, 1 - 1e-12)
        for _ in range(BISECTIONS):
            middle = (outside + inside) / 2
            beyond = is_outside(middle)
            outside, inside = np.where(beyond, middle, outside), np.where(beyond, inside, middle)
        ends.append(np.where(value == edge, edge, outside))  # there the equation has a second, trivial root
    low, high = ends
    return (float(low), float(high)) if value.ndim == 0 else (low, high)


def difference_interval(
    a: Values, a_interval: tuple[Values, Values], b: Values, *, b_interval: tuple[Values, Values], correlation: Values
) -> tuple[Values, Values]:
    """Return the interval (low, high) of ``a - b`` from the intervals of both and the correlation of their errors.

    References
    ----------
    Zou and Donner 2008, "Construction of confidence limits about effect measures: a general approach", Statistics in
    Medicine 27, equation 8 (MOVER, the method of variance estimates recovery).
    """
    down_a, up_a = a - a_interval[0], a_interval[1] - a
    down_b, up_b = b - b_interval[0], b_interval[1] - b

    def width(one: Values, other: Values) -> Values:
        return np.sqrt(np.maximum(one**2 + other**2 - 2 * correlation * one * other, 0))

    return a - b - width(down_a, up_b), a - b + width(up_a, down_b)


def beyond_quantile(values: Values, reference: Values, share: float) -> tuple[float, float, float]:
    """Return the share of ``values`` beyond the quantile of a reference, and its 95 % interval (value, low, high).

    Parameters
    ----------
    values : ndarray, shape (m,)
    reference : ndarray, shape (n,)
        The smallest of its values that has at least ``share`` of them at or below it is the quantile.
    share : float

    Notes
    -----
    Both samples are uncertain. Wilson's interval tells by how much the share moves where the quantile is known; the
    order statistics between which the quantile lies with 95 %, by how much it moves with the quantile. The two are
    squared and added (MOVER). Where a reference is too small for there to be such an order statistic, as with 40 values
    for a share of 0.99, nothing bounds that side but 0. On the safe side: 96 to 100 % in simulations.

    References
    ----------
    Zou and Donner 2008, as in `difference_interval`; Conover 1999, "Practical nonparametric statistics", 3.2, for the
    quantile.

    Examples
    --------
    >>> value, low, high = beyond_quantile(np.arange(100.0) + 50, np.arange(100.0), 0.95)
    >>> value, round(low, 2), round(high, 2)
    (0.55, 0.44, 0.66)
    """
    n, rising = len(reference), np.concatenate([[-np.inf], np.sort(reference), [np.inf]])
    quantile = np.quantile(reference, share, method="inverted_cdf")
    first, last = (int(binom.ppf(tail, n, share)) for tail in (0.5 - LEVEL / 2, 0.5 + LEVEL / 2))
    value, most, least = (float((values > end).mean()) for end in (quantile, rising[first], rising[last + 1]))
    known = binomtest(round(value * len(values)), len(values)).proportion_ci(LEVEL, method="wilson")
    low = value - math.hypot(value - known.low, value - least)
    return value, max(0.0, low), min(1.0, value + math.hypot(known.high - value, most - value))


def distance_interval(values: Values, reference: Values) -> tuple[float, float]:
    """Return the 95 % interval of (mean of values - mean of reference) / standard deviation of reference.

    All three are estimated: of a class a hundred standard deviations away the last decides how sure the number is. Not
    known, (NaN, NaN), where the reference has fewer than five values or does not vary, or there are not two values.

    Parameters
    ----------
    values, reference : ndarray, shape (m,) and (n,)

    Notes
    -----
    The difference of the means has Welch's interval, the logarithm of the standard deviation a jackknifed one (Miller
    1968, "Jackknifing variances", Annals of Mathematical Statistics 39), which normal and lighter tails keep and long
    tails do not (``docs/metrics/coverage.md``). The interval is from the smallest to the largest ratio on the ellipse
    that both and their correlation span.

    References
    ----------
    Zou and Donner 2008, as `difference_interval`: the limits of a function lie on that ellipse; Donner and Zou 2012,
    "Closed-form confidence intervals for functions of the normal mean and standard deviation", Statistical Methods in
    Medical Research 21.

    Examples
    --------
    >>> wide = np.linspace(-1, 1, 40)
    >>> [round(end) for end in distance_interval(wide + 60, wide)]
    [86, 116]
    """
    m, n = len(values), len(reference)
    if m < 2 or n < MIN_UNIT or not reference.std() > 0:
        return math.nan, math.nan
    difference = float(values.mean() - reference.mean())
    errors = np.array([values.var(ddof=1) / m, reference.var(ddof=1) / n])
    error = math.sqrt(errors.sum())
    freedom = errors.sum() ** 2 / (errors**2 / (m - 1, n - 1)).sum()
    centred = reference - reference.mean()
    left_out = 0.5 * np.log(np.maximum((centred**2).sum() - centred**2 * n / (n - 1), 1e-300))
    left_out -= left_out.mean()
    error_of_log = math.sqrt((n - 1) / n * (left_out**2).sum())
    covariance = float((centred * left_out).sum()) / n  # of the difference and the logarithm
    correlation = float(np.clip(covariance / max(error * error_of_log, 1e-300), -1, 1))
    angle = np.linspace(0, 2 * np.pi, N_ANGLES)
    along = correlation * np.cos(angle) + math.sqrt(1 - correlation**2) * np.sin(angle)
    quantile = 0.5 + LEVEL / 2
    ends = (difference + float(t.ppf(quantile, freedom)) * error * np.cos(angle)) / (
        reference.std(ddof=1) * np.exp(float(t.ppf(quantile, n - 1)) * error_of_log * along)
    )
    return float(ends.min()), float(ends.max())


def widen(value: Values, interval: tuple[Values, Values], between: Values, n_runs: int) -> tuple[Any, Any]:
    """Return an interval over images, made to speak of new runs too.

    Parameters
    ----------
    value : ndarray
        Means over runs.
    interval : tuple of ndarray
        Over new images.
    between : ndarray
        Standard deviation between runs.
    n_runs : int
        With one, nothing is known of other runs, and the interval is returned as it is.
    """
    if n_runs < 2:
        return interval
    of_runs = float(t.ppf(0.5 + LEVEL / 2, n_runs - 1)) * between / math.sqrt(n_runs)
    return value - np.hypot(value - interval[0], of_runs), value + np.hypot(interval[1] - value, of_runs)


def mean_over_margins(
    by_image: Values, others: Sequence[tuple[Values, float]], *, extra: tuple[float, ...], n_folds: int = 1
) -> tuple[float, float, float]:
    """Return a mean and its 95 % interval (value, low, high) over new images, new runs and new draws of labels.

    Parameters
    ----------
    by_image : ndarray, shape (images,)
    others : sequence of tuple
        The means of each run, or draw, and the share of their variance that they have in common: two draws of m labels
        from the same n images share m / n of it (Hoeffding 1948, "A class of statistics with asymptotically normal
        distribution", section 5), which more draws do not take away and which the differences between draws do not
        show: where they have s in common, k draws whose variance is v have a mean of variance v (1 / k + s / (1 - s)).
    extra : tuple of float
        Images added, which keep the interval open where every image agrees, and move its middle with them: without
        that it misses shares near 0 and 1 (Agresti and Coull 1998; of differences Agresti and Min 2005).
    n_folds : int
        Classifiers that tested a part of the images each, fitted on the others. They share what they learned from, and
        the means of two folds are taken to be correlated by 1 / n_folds, the share of the images that one tests
        (Nadeau and Bengio 2003, "Inference for the Generalization Error", Machine Learning 52, section 3).

    Notes
    -----
    The variance is the sum of those of the margins (Owen 2007, "The pigeonhole bootstrap", section 3), and its degrees
    of freedom are Satterthwaite's.
    """
    images, value = np.concatenate([by_image, extra]), float(by_image.mean())
    of_images = float(images.var(ddof=1)) / len(images) * (1 + (n_folds - 1) / n_folds)
    parts = [(of_images, len(images) - 1)]
    parts += [
        (float(m.var(ddof=1)) * (1 / len(m) + s / max(1 - s, NEARLY_NONE)), len(m) - 1) for m, s in others if len(m) > 1
    ]
    total = sum(variance for variance, _ in parts)
    if total == 0:
        return value, value, value
    freedom = total**2 / sum(variance**2 / n for variance, n in parts if variance > 0)
    half, centre = float(t.ppf(0.5 + LEVEL / 2, freedom)) * math.sqrt(total), float(images.mean())
    return value, centre - half, centre + half


def jackknife_width(left_out: npt.ArrayLike) -> Any:
    """Return half the width of a 95 % interval over new runs, from statistics that leave out each run once.

    Parameters
    ----------
    left_out : ndarray, shape (runs,) or (runs, k)
        Row i: the statistics of all runs but the i-th.

    References
    ----------
    Efron and Tibshirani 1993, "An Introduction to the Bootstrap", equation 11.5, with Student's t of ``runs - 1``
    degrees of freedom.

    Examples
    --------
    >>> values = np.array([1.0, 2.0, 4.0, 5.0])
    >>> left_out = np.array([np.delete(values, i).mean() for i in range(4)])
    >>> bool(np.isclose(jackknife_width(left_out), t.ppf(0.975, 3) * values.std(ddof=1) / 2))
    True
    """
    values = np.asarray(left_out, dtype=np.float64)
    n = len(values)
    error = np.sqrt((n - 1) / n * ((values - values.mean(0)) ** 2).sum(0))
    return float(t.ppf(0.5 + LEVEL / 2, n - 1)) * error


def runs_and_images(
    statistic: Callable[[Indices, Indices], Values],
    n_runs: int,
    strata: npt.NDArray[Any],
    *,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> tuple[Values, Values]:
    """Return statistics (k,) and half the widths of their 95 % intervals, over new runs and new images.

    Parameters
    ----------
    statistic : callable
        From (run numbers, image numbers) to k numbers. Runs come without repetitions, images with them.
    n_runs : int
        At least two.
    strata : ndarray, shape (n,)
        The class of each image; classes keep their sizes.
    n_draws, seed : int
        Of the images.

    Notes
    -----
    Each run is left out once (jackknife), images are drawn anew (bootstrap), and the two widths are added in squares.
    Runs are not drawn with repetitions, as `hierarchical_bootstrap` does: a run beside its copy agrees with it fully.
    The noise of single scores is in both parts, so the sum is somewhat too wide.
    """
    rng = np.random.default_rng(seed)
    everyone, by_class = np.arange(n_runs), [np.flatnonzero(strata == name) for name in np.unique(strata)]
    images = np.concatenate(by_class)
    drawn = [
        statistic(everyone, np.concatenate([rows[rng.integers(len(rows), size=len(rows))] for rows in by_class]))
        for _ in range(n_draws)
    ]
    of_runs = jackknife_width([statistic(np.delete(everyone, i), images) for i in everyone])
    of_images = float(norm.ppf(0.5 + LEVEL / 2)) * np.std(drawn, axis=0, ddof=1)
    return statistic(everyone, images), np.hypot(of_runs, of_images)


def hierarchical_bootstrap(
    statistic: Callable[[Indices, Indices], float],
    n_runs: int,
    strata: npt.NDArray[Any],
    *,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Return a statistic and its 95 % interval (value, low, high): runs are drawn anew, then images of each class.

    Parameters
    ----------
    statistic : callable
        From (run numbers, image numbers), either with repetitions, to a number.
    n_runs : int
        With one, the interval is over images only.
    strata : ndarray, shape (n,)
        The class of each image. All runs score the same images, so one draw of images serves all runs.
    n_draws, seed : int

    Notes
    -----
    value +- t * the bootstrap's standard error, with Student's t of ``n_runs - 1`` degrees of freedom; the error is
    multiplied by sqrt(runs / (runs - 1)). Percentiles of so few runs would be too narrow: five runs cover 80 %.

    References
    ----------
    Davison and Hinkley 1997, "Bootstrap Methods and their Application", section 3.8 (nested resampling); Hesterberg
    2015, "What Teachers Should Know About the Bootstrap", section 4.1 (bootstrap t intervals of small samples).
    """
    rng = np.random.default_rng(seed)
    by_class = [np.flatnonzero(strata == name) for name in np.unique(strata)]
    drawn = []
    for _ in range(n_draws):
        runs = rng.integers(n_runs, size=n_runs)
        images = np.concatenate([rows[rng.integers(len(rows), size=len(rows))] for rows in by_class])
        drawn.append(statistic(runs, images))
    value = float(statistic(np.arange(n_runs), np.concatenate(by_class)))
    error = float(np.std(drawn, ddof=1))
    quantile = float(norm.ppf(0.5 + LEVEL / 2))
    if n_runs > 1:
        error *= math.sqrt(n_runs / (n_runs - 1))
        quantile = float(t.ppf(0.5 + LEVEL / 2, n_runs - 1))
    return value, value - quantile * error, value + quantile * error
