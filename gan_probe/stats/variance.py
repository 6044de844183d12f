"""Which factors a score or an embedding follows: shares of variance, interactions, disentanglement, sweeps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from gan_probe.errors import InputError
from gan_probe.stats.information import group_jackknife
from gan_probe.stats.intervals import LEVEL
from gan_probe.types import Codes, Values, Warn

MAX_LEVELS = 8  # a factor with more values is cut into as many equal parts


def levels(values: Sequence[Any] | npt.NDArray[Any] | pd.Series, *, most: int = MAX_LEVELS) -> Codes:
    """Return the level of each value, 0 to at most ``most`` - 1: as they are where few, in equal parts where many.

    Of many, one that more than a part of the rows have is a level of its own: zero, say, where most show nothing.
    """
    series = pd.Series(np.asarray(values))
    if series.isna().any():
        raise InputError(f"{int(series.isna().sum())} of {len(series)} values of a factor are missing.")
    if series.nunique() <= most or not pd.api.types.is_numeric_dtype(series):
        return np.asarray(pd.factorize(series, sort=True)[0], dtype=np.intp)
    counts = series.value_counts()
    common = counts.index[counts > len(series) / most]  # a value that would fill a part is a level of its own
    is_common = series.isin(common)
    parts = pd.qcut(series[~is_common], max(1, most - len(common)), labels=False, duplicates="drop")
    first = series.where(is_common, series[~is_common].groupby(parts).transform("min"))
    return np.asarray(pd.factorize(first, sort=True)[0], dtype=np.intp)


def varying(columns: Mapping[str, pd.Series], warn: Warn = lambda _: None) -> dict[str, Codes]:
    """Return the levels of every factor, by its name: 2 at least, at most one for two images.

    What has gaps, or several values an image, is left out, and ``warn`` is told.
    """
    found: dict[str, Codes] = {}
    for name, column in columns.items():
        if column.isna().any():
            warn(f"{column.name} has missing values; the factor was left out.")
        elif not column.map(np.isscalar).all():
            warn(f"{column.name} holds more than one value an image; the factor was left out.")
        else:
            found[name] = levels(column)
    return {name: codes for name, codes in found.items() if 0 < codes.max(initial=0) < len(codes) / 2}


def eta_squared(values: Values, codes: Codes) -> float:
    """Return the share of the variance of values (n,) or (n, d) that lies between levels, 0 to 1; biased upwards.

    References
    ----------
    Fisher 1925, "Statistical Methods for Research Workers", section 45. Several columns: sums over columns.
    """
    centred, design = _centred(values), _basis(_dummies([codes]))
    return float(((design.T @ centred) ** 2).sum() / (centred**2).sum())


def epsilon_squared(values: Values, codes: Codes, labels: npt.NDArray[Any] | None = None) -> float:
    """Return the same share adjusted for chance: 0 on average where the levels do not matter, then as often negative.

    Parameters
    ----------
    values : ndarray, shape (n,) or (n, d)
    codes : ndarray of int, shape (n,)
    labels : ndarray, shape (n,), optional
        Classes, of which a set number of images was drawn each. Chance is then in the images of a class alone: of a
        factor that is the same throughout each class, class means move by the variation within classes over their
        images, and by nothing else. Without, the images are one sample.

    References
    ----------
    Kelley 1935, "An unbiased correlation ratio measure", PNAS 21; with the error of a stratified sample (Cochran 1977,
    "Sampling Techniques", section 5.3) in place of that of a simple one.
    """
    return _adjusted(values, [codes], labels).share


class _Adjusted(NamedTuple):
    """A share adjusted for chance, and what the standard deviation that chance alone gives it follows from."""

    share: float
    by_chance: float = math.nan
    rest: Values | None = None  # what the levels do not explain
    n_coefficients: int = 1

    @property
    def of_chance(self) -> float:
        """The standard deviation that chance alone gives the share; NaN where no image is left over."""
        if self.rest is None:
            return math.nan
        spread = self.rest.T @ self.rest if self.rest.shape[1] < len(self.rest) else self.rest @ self.rest.T
        n_squares = self.n_coefficients * float(np.trace(spread)) ** 2 / max(float((spread**2).sum()), 1e-300)
        return self.by_chance * math.sqrt(2 / max(n_squares, 1e-300))


def _dummies(parts: Sequence[Codes]) -> Values:
    """Return a design matrix with an intercept and one column a level, the first level of each part left out."""
    columns = [np.ones((len(parts[0]), 1))]
    columns += [np.eye(int(codes.max()) + 1)[codes][:, 1:] for codes in parts]
    return np.concatenate(columns, axis=1)


def _basis(design: Values) -> Values:
    """Return orthonormal columns that span those of a design matrix, (n, rank)."""
    left, spread, _ = np.linalg.svd(design, full_matrices=False)
    return left[:, : int((spread > spread[0] * 1e-9).sum())]


def _centred(values: Values) -> Values:
    """Return values as columns (n, d) with mean 0."""
    columns = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    centred = columns - columns.mean(0)
    if not (centred**2).sum() > 0:
        raise InputError("all values are equal; there is no variance to explain.")
    return centred


def _adjusted(values: Values, parts: Sequence[Codes], labels: npt.NDArray[Any] | None = None) -> _Adjusted:
    """Return the adjusted share of variance that levels, side by side, explain; NaN where no image is left over.

    What levels explain by chance is the variance of each of their coefficients over new images of each class. Where
    there is nothing else, it is a sum of as many squares as there are coefficients and directions of the values.
    """
    centred, design = _centred(values), _basis(_dummies(parts))
    classes = np.zeros(len(values), dtype=np.intp) if labels is None else np.unique(labels, return_inverse=True)[1]
    every = _basis(np.hstack([design, np.eye(int(classes.max()) + 1)[classes]]))
    n, rank = len(values), every.shape[1]
    if n <= rank:
        return _Adjusted(math.nan)
    fitted = design @ (design.T @ centred)
    rest, explained = centred - fitted, float((fitted**2).sum())
    by_chance = float(((design**2).sum(1) * (rest**2).sum(1)).sum())
    of_mean = float((centred**2).sum()) / n
    for own in np.split(np.argsort(classes, kind="stable"), np.cumsum(np.bincount(classes))[:-1]):
        by_chance -= float(((design[own].T @ rest[own]) ** 2).sum()) / len(own)
        of_mean -= float((centred[own].sum(0) ** 2).sum()) / len(own) / n
    scale = n / (n - rank)
    total = float((centred**2).sum()) + scale * of_mean
    chance = scale * (by_chance - of_mean)
    return _Adjusted((explained - chance) / total, chance / total, rest, max(1, design.shape[1] - 1))


@dataclass(frozen=True)
class Share:
    """How much of the variance one factor, or two together, explain.

    Attributes
    ----------
    factor : str
        "shape", or "shape x colour" for what both explain together beyond all factors side by side.
    eta_squared, epsilon_squared : float
        Of the factor alone; NaN for interactions.
    ci_low, ci_high : float
        95 % interval of epsilon squared.
    unique : float
        What all factors explain minus what all others do, adjusted: zero where others say the same.
    """

    factor: str
    eta_squared: float
    epsilon_squared: float
    ci_low: float
    ci_high: float
    unique: float


def explained(
    values: Values, factors: Mapping[str, Codes], labels: npt.NDArray[Any], *, interactions: bool = True, seed: int = 0
) -> list[Share]:
    """Return the share of each factor, largest first, then the interactions, largest first.

    Parameters
    ----------
    values : ndarray, shape (n,) or (n, d)
        Scores or an embedding.
    factors : mapping of str to ndarray of int, shape (n,)
        Levels, as `varying` returns them.
    labels : ndarray, shape (n,)
        Classes, of which the intervals' jackknife leaves out tenths.
    interactions : bool
    seed : int

    Raises
    ------
    InputError
        Without a factor, or when all values are equal.
    """
    if not factors:
        raise InputError("no factor varies in this data; there is nothing to explain the variance by.")
    values = _rotated(np.asarray(values, dtype=np.float64))
    every = list(factors.values())
    together = _adjusted(values, every, labels).share
    single = []
    for name, codes in factors.items():
        others = [other for other in every if other is not codes]
        unique = together - (_adjusted(values, others, labels).share if others else 0.0)
        single.append(Share(name, eta_squared(values, codes), *_interval(values, codes, labels, seed=seed), unique))
    pairs = []
    for a, b in combinations(factors, 2) if interactions else ():
        cells = np.unique(factors[a] * (factors[b].max() + 1) + factors[b], return_inverse=True)[1]
        beyond = _adjusted(values, [*every, cells], labels).share - together
        pairs.append(Share(f"{a} x {b}", math.nan, math.nan, math.nan, math.nan, beyond))
    return [
        *sorted(single, key=lambda s: -s.epsilon_squared),
        *sorted(pairs, key=lambda s: -s.unique if s.unique == s.unique else 0.0),
    ]


def _rotated(values: Values) -> Values:
    """Return values (n, d) in at most n columns: rotated, which changes no sum of squares over the columns."""
    if values.ndim == 1 or values.shape[1] <= len(values):
        return values
    centred = values - values.mean(0)
    squares, axes = np.linalg.eigh(centred @ centred.T)
    return axes * np.sqrt(np.maximum(squares, 0))


def _interval(values: Values, codes: Codes, labels: npt.NDArray[Any], *, seed: int) -> tuple[float, float, float]:
    """Return the adjusted share and its 95 % interval (value, low, high) over new images of each class.

    The jackknife's, and at least what chance alone allows: near 0 a share is a sum of squares, and the jackknife takes
    one that happens to be small for a certain one.
    """

    def share(rows: npt.NDArray[np.intp]) -> float:
        return epsilon_squared(values[rows], codes[rows], labels[rows])

    value, low, high = group_jackknife(share, labels, seed=seed)
    half = float(norm.ppf(0.5 + LEVEL / 2)) * _adjusted(values, [codes], labels).of_chance
    return value, min(low, value - half), max(high, value + half)
