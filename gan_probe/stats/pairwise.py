"""AUROC of every pair of classes, for several scalars of the same images at once: a million images take seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.stats import mannwhitneyu, norm

from gan_probe.errors import InputError
from gan_probe.types import Values

FEW = 8  # images of the smaller class up to which the Mann-Whitney test is exact, as scipy does it


@dataclass(frozen=True)
class Pairwise:
    """Every pair of classes by every scalar.

    Attributes
    ----------
    classes : tuple of str
    counts : ndarray, shape (c,)
        Images of each.
    auroc : ndarray, shape (s, c, c)
        P(a value of class i > a value of class j), ties count one half.
    p_value : ndarray, shape (s, c, c)
        Two-sided Mann-Whitney, not corrected.
    variance : ndarray, shape (s, c, c)
        Of the AUROC over new images, after DeLong.
    covariance : ndarray, shape (s, c, c)
        With the mean AUROC of the first ``n_runs`` scalars.
    run_variance : ndarray, shape (c, c)
        Of the mean AUROC of the first ``n_runs`` scalars, over new images.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson 1988, "Comparing the areas under two or more correlated receiver operating
    characteristic curves: a nonparametric approach", Biometrics 44.
    """

    classes: tuple[str, ...]
    counts: npt.NDArray[np.intp]
    auroc: Values
    p_value: Values
    variance: Values
    covariance: Values
    run_variance: Values


def class_rows(labels: Sequence[str] | npt.NDArray[Any]) -> dict[str, npt.NDArray[np.intp]]:
    """Return the rows of each class, classes in order of appearance.

    Raises
    ------
    InputError
        For fewer than two classes, or a class with one image.
    """
    names, first, codes, counts = np.unique(
        np.asarray(labels).astype(str), return_index=True, return_inverse=True, return_counts=True
    )
    if len(names) < 2:
        raise InputError(f"separation needs at least two classes, got {len(names)} ({', '.join(names)}).")
    grouped = np.split(np.argsort(codes, kind="stable"), np.cumsum(counts)[:-1])
    rows = {str(names[i]): grouped[i] for i in np.argsort(first)}
    lone = [name for name, found in rows.items() if len(found) < 2]
    if lone:
        raise InputError(
            f"each class needs at least two images; {', '.join(lone[:5])} {'has' if len(lone) == 1 else 'have'} one."
        )
    return rows


def compare_pairs(scalars: Values, labels: Sequence[str] | npt.NDArray[Any], *, n_runs: int = 1) -> Pairwise:
    """Return every pair of classes by every scalar.

    Parameters
    ----------
    scalars : ndarray, shape (s, n)
    labels : sequence of str, length n
    n_runs : int
        The first so many scalars are the same score by several trainings.

    Raises
    ------
    InputError
        For fewer than two classes, a class with one image, or values that are not finite.

    Notes
    -----
    Each class needs one pass over all images: with F_j the distribution function of class j, the AUROC of (i, j) is the
    mean of F_j over class i, and its variance follows from those of F_j over i and of F_i over j (the placements).
    """
    rows = class_rows(labels)
    if not np.isfinite(scalars).all():
        n_bad = int((~np.isfinite(scalars)).any(0).sum())
        raise InputError(f"{n_bad} of {scalars.shape[1]} scores are not finite numbers.")
    counts = np.array([len(found) for found in rows.values()])
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    order = np.concatenate(list(rows.values()))
    codes = np.stack([np.unique(values[order], return_inverse=True)[1] for values in scalars]).astype(np.int32)
    n_codes = codes.max(1) + 1
    mean, square, cross = (np.empty((len(scalars), len(rows), len(rows))) for _ in range(3))
    run_square = np.empty((len(rows), len(rows)))
    placements = np.empty(codes.shape)
    for j, (start, count) in enumerate(zip(starts, counts, strict=True)):
        for s, found in enumerate(codes):
            own = np.bincount(found[start : start + count], minlength=n_codes[s])
            np.take((np.cumsum(own) - own / 2) / count, found, out=placements[s])
        of_runs = placements[:n_runs].mean(0)
        mean[:, :, j] = np.add.reduceat(placements, starts, axis=1) / counts
        cross[:, :, j] = np.add.reduceat(placements * of_runs, starts, axis=1) / counts
        run_square[:, j] = np.add.reduceat(of_runs**2, starts) / counts
        placements **= 2
        square[:, :, j] = np.add.reduceat(placements, starts, axis=1) / counts
    halves = 2.0 * counts[:, None] * counts[None, :]
    mean = np.rint(mean * halves) / halves  # an AUROC is a whole number of half pairs: no rounding at a threshold
    runs = mean[:n_runs].mean(0)
    return Pairwise(
        tuple(rows),
        counts,
        auroc=mean,
        p_value=_p_values(mean, codes, starts, counts),
        variance=_both_sides(square - mean**2, counts),
        covariance=_both_sides(cross - mean * runs, counts),
        run_variance=_both_sides(run_square - runs**2, counts),
    )


def _both_sides(moments: Values, counts: npt.NDArray[np.intp]) -> Values:
    """Return the (co)variance of AUROCs from those of the placements of either class in the other, (..., c, c)."""
    of_i = moments / (counts - 1)[:, None]  # the unbiased moment over the n images, divided by n
    return of_i + of_i.swapaxes(-1, -2)


def _p_values(
    auroc: Values, codes: npt.NDArray[np.int32], starts: npt.NDArray[np.intp], counts: npt.NDArray[np.intp]
) -> Values:
    """Return two-sided Mann-Whitney p-values: normal with ties and continuity corrected, exact for few without ties."""
    m, n = counts[:, None].astype(np.float64), counts[None, :].astype(np.float64)
    labels = np.repeat(np.arange(len(counts)), np.diff([*starts, codes.shape[1]]))
    p_values = np.ones_like(auroc)
    for s, values in enumerate(auroc):
        ties = _ties(codes[s], labels, len(counts))
        spread = np.sqrt(np.maximum(m * n / 12 * (m + n + 1 - ties / ((m + n) * (m + n - 1))), 0))
        distance = np.abs(values - 0.5) * m * n - 0.5
        with np.errstate(divide="ignore", invalid="ignore"):
            p_values[s] = np.where(spread > 0, np.minimum(1, 2 * norm.sf(distance / spread)), 1.0)
        for i, j in zip(*np.nonzero((np.minimum(m, n) <= FEW) & (ties == 0)), strict=True):
            if i != j:
                larger = round(max(values[i, j], 1 - values[i, j]) * counts[i] * counts[j])
                p_values[s, i, j] = _exact_p(larger, int(counts[i]), int(counts[j]))
    return p_values


def _ties(codes: npt.NDArray[np.int32], labels: npt.NDArray[np.intp], n_classes: int) -> Values:
    """Return the sum of t**3 - t over groups of t equal values in both classes of each pair, (c, c)."""
    is_shared = (np.bincount(codes) > 1)[codes]
    shape = (n_classes, int(codes.max()) + 1)
    table = coo_array((np.ones(is_shared.sum()), (labels[is_shared], codes[is_shared])), shape=shape).tocsr()
    mixed = 3 * ((table * table) @ table.T).toarray()
    alone = (table * table * table).sum(1) - table.sum(1)
    ties = alone[:, None] + alone[None, :] + mixed + mixed.T
    np.fill_diagonal(ties, 0)
    return ties


@lru_cache(maxsize=100_000)
def _exact_p(u: int, m: int, n: int) -> float:
    """Return the exact two-sided p-value of ``u`` ordered pairs of ``m * n``: any sample with so many has it."""
    above, rest = divmod(u, n)
    high = [n + 1.0 + i for i in range(above)] + ([rest - 0.5] if above < m else [])
    high += [-1.0 - i for i in range(m - len(high))]
    return float(mannwhitneyu(high, np.arange(n), alternative="two-sided", method="exact").pvalue)
