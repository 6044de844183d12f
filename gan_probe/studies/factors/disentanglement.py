"""Whether single dimensions of an embedding follow single factors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import mutual_info_classif

from gan_probe.errors import InputError
from gan_probe.types import Codes, Values

DEPENDENT = 0.15  # Cramer's V from which two factors are not independent
N_TREES = 100


def dependent(factors: Mapping[str, Codes]) -> list[str]:
    """Return pairs of factors that are not independent in the data (bias-corrected Cramer's V), in words.

    References
    ----------
    Bergsma 2013, "A bias-correction for Cramer's V and Tschuprow's T".
    """
    found = []
    for a, b in combinations(factors, 2):
        table = pd.crosstab(factors[a], factors[b]).to_numpy(dtype=np.float64)
        n, (r, c) = table.sum(), table.shape
        expected = table.sum(1, keepdims=True) * table.sum(0) / n
        phi = max(0.0, float(((table - expected) ** 2 / expected).sum()) / n - (r - 1) * (c - 1) / (n - 1))
        size = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
        v = math.sqrt(phi / size) if size > 0 else 0.0
        if v > DEPENDENT:
            found.append(f"{a} and {b} ({v:.2f})")
    return found


@dataclass(frozen=True)
class Disentanglement:
    """Whether single dimensions follow single factors, 0 to 1 each.

    Attributes
    ----------
    disentanglement, completeness, informativeness : float
        DCI: each dimension says something of one factor only; each factor is said by one dimension only; mean accuracy
        of the forests in cross-validation by out-of-bag images, adjusted so that chance is 0.
    mig : float
        Mutual information gap: by how much the best dimension for a factor beats the second.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    mig: float


def disentanglement(rows: Values, factors: Mapping[str, Codes], *, seed: int = 0) -> Disentanglement:
    """Return how far single dimensions of an embedding follow single factors.

    Parameters
    ----------
    rows : ndarray, shape (n, d)
    factors : mapping of str to ndarray of int, shape (n,)
    seed : int
        Of the forests.

    Raises
    ------
    InputError
        For one factor or one dimension only, or when factors depend on each other: then following one is following
        the other.

    References
    ----------
    Eastwood and Williams 2018, "A framework for the quantitative evaluation of disentangled representations", section
    2, with random forests; Chen et al. 2018, "Isolating sources of disentanglement", equation 6.
    """
    if len(factors) < 2 or rows.shape[1] < 2:
        raise InputError(
            f"disentanglement needs at least two factors and two dimensions, got {len(factors)} and {rows.shape[1]}."
        )
    related = dependent(factors)
    if related:
        raise InputError(
            f"factors are not independent in this data ({', '.join(related[:3])}), so disentanglement has no meaning"
            " here. Use data in which they vary on their own, such as the preset 'factors'."
        )
    importance, accuracy, information = [], [], []
    for codes in factors.values():
        forest = RandomForestClassifier(N_TREES, oob_score=True, random_state=seed, n_jobs=1).fit(rows, codes)
        importance.append(forest.feature_importances_)
        chance = float(np.bincount(codes).max() / len(codes))
        accuracy.append((float(forest.oob_score_) - chance) / (1 - chance))
        shares = np.bincount(codes) / len(codes)
        entropy = -float((shares[shares > 0] * np.log(shares[shares > 0])).sum())
        information.append(np.sort(mutual_info_classif(rows, codes, random_state=seed))[::-1] / entropy)
    table = np.stack(importance, axis=1)  # (dimensions, factors)
    by_dimension, by_factor = table.sum(1), table.sum(0)
    one_factor = 1 - _entropy(table / np.maximum(by_dimension[:, None], 1e-12), axis=1)
    one_dimension = 1 - _entropy(table / np.maximum(by_factor, 1e-12), axis=0)
    return Disentanglement(
        float((one_factor * by_dimension).sum() / by_dimension.sum()),
        float((one_dimension * by_factor).sum() / by_factor.sum()),
        float(np.mean(accuracy)),
        float(np.mean([ordered[0] - ordered[1] for ordered in information])),
    )


def _entropy(shares: Values, *, axis: int) -> Values:
    """Return the entropy along an axis, over that of an even spread: 0 to 1."""
    logs = np.log(np.where(shares > 0, shares, 1.0))
    return -(shares * logs).sum(axis) / math.log(shares.shape[axis])
