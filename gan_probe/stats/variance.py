"""Which factors a score or an embedding follows: shares of variance, interactions, disentanglement, sweeps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gan_probe.errors import InputError
from gan_probe.stats.information import group_jackknife
from gan_probe.types import Codes, Values

MAX_LEVELS = 8  # a factor with more values is cut into as many equal parts


def levels(values: Sequence[Any] | npt.NDArray[Any] | pd.Series, *, most: int = MAX_LEVELS) -> Codes:
    """Return the level of each value, 0 to at most ``most`` - 1: as they are where few, in equal parts where many."""
    series = pd.Series(np.asarray(values))
    if series.isna().any():
        raise InputError(f"{int(series.isna().sum())} of {len(series)} values of a factor are missing.")
    if series.nunique() <= most or not pd.api.types.is_numeric_dtype(series):
        return np.asarray(pd.factorize(series, sort=True)[0], dtype=np.intp)
    return np.asarray(pd.qcut(series, most, labels=False, duplicates="drop"), dtype=np.intp)


def varying(columns: Mapping[str, pd.Series]) -> dict[str, Codes]:
    """Return the levels of every factor, by its name: 2 at least, at most one for two images."""
    found = {name: levels(column) for name, column in columns.items()}
    return {name: codes for name, codes in found.items() if 0 < codes.max(initial=0) < len(codes) / 2}


def eta_squared(values: Values, codes: Codes) -> float:
    """Return the share of the variance of values (n,) or (n, d) that lies between levels, 0 to 1; biased upwards.

    References
    ----------
    Fisher 1925, "Statistical Methods for Research Workers", section 45. Several columns: sums over columns.
    """
    return 1 - _residual(values, _dummies([codes]))[0]


def epsilon_squared(values: Values, codes: Codes) -> float:
    """Return the same share adjusted for chance: 0 on average where the levels do not matter, then as often negative.

    References
    ----------
    Kelley 1935, "An unbiased correlation ratio measure", PNAS 21.
    """
    return _adjusted(values, [codes])


def _dummies(parts: Sequence[Codes]) -> Values:
    """Return a design matrix with an intercept and one column a level, the first level of each part left out."""
    columns = [np.ones((len(parts[0]), 1))]
    columns += [np.eye(int(codes.max()) + 1)[codes][:, 1:] for codes in parts]
    return np.concatenate(columns, axis=1)


def _residual(values: Values, design: Values) -> tuple[float, int]:
    """Return the share of the variance that a linear model leaves, and the rank of the model."""
    columns = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    centred = columns - columns.mean(0)
    total = float((centred**2).sum())
    if total <= 0:
        raise InputError("all values are equal; there is no variance to explain.")
    left, values_, _ = np.linalg.svd(design, full_matrices=False)
    rank = int((values_ > values_[0] * 1e-9).sum())
    explained = left[:, :rank].T @ centred
    return 1 - float((explained**2).sum()) / total, rank


def _adjusted(values: Values, parts: Sequence[Codes]) -> float:
    """Return the adjusted share of variance that levels, side by side, explain."""
    rest, rank = _residual(values, _dummies(parts))
    n = len(values)
    return 1 - rest * (n - 1) / max(1, n - rank) if n > rank else math.nan


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
    values = np.asarray(values, dtype=np.float64)
    every = list(factors.values())
    together = _adjusted(values, every)
    single = []
    for name, codes in factors.items():
        others = [other for other in every if other is not codes]
        unique = together - (_adjusted(values, others) if others else 0.0)

        def share(rows: npt.NDArray[np.intp], codes: Codes = codes) -> float:
            return epsilon_squared(values[rows], codes[rows])

        single.append(Share(name, eta_squared(values, codes), *group_jackknife(share, labels, seed=seed), unique))
    pairs = []
    for a, b in combinations(factors, 2) if interactions else ():
        cells = np.unique(factors[a] * (factors[b].max() + 1) + factors[b], return_inverse=True)[1]
        beyond = _adjusted(values, [*every, cells]) - together
        pairs.append(Share(f"{a} x {b}", math.nan, math.nan, math.nan, math.nan, beyond))
    return [
        *sorted(single, key=lambda s: -s.epsilon_squared),
        *sorted(pairs, key=lambda s: -s.unique if s.unique == s.unique else 0.0),
    ]
