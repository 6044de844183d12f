"""Pairs of classes by the critic, each beside the control that separates it best."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from gan_probe.stats.auroc import Pair, _pairs
from gan_probe.stats.intervals import auroc_interval, difference_interval
from gan_probe.stats.pairwise import Pairwise, class_rows, compare_pairs
from gan_probe.types import Labels, Values

N_BINS = 512  # of the densities whose overlap is measured


@dataclass(frozen=True)
class ControlledPair:
    """A pair of the critic, how large its difference is, and the control that separates the same two classes best.

    Attributes
    ----------
    pair : Pair
    cohens_d : float
        Difference of the means over the pooled standard deviation; NaN where nothing varies. Mean over runs.
    overlap : float
        Shared area of the two densities: 0 = none, 1 = the same (which finite samples come near to, not up to).
    best_control : str
        Empty without controls.
    control_auroc : float
    ci_low, ci_high : float
        95 % interval of `margin`; both numbers are measured on the same images, and the interval knows it.
    """

    pair: Pair
    cohens_d: float
    overlap: float
    best_control: str = ""
    control_auroc: float = math.nan
    ci_low: float = math.nan
    ci_high: float = math.nan

    @property
    def margin(self) -> float:
        """The critic's AUROC minus the best control's: above zero, the critic adds something."""
        return self.pair.auroc - self.control_auroc


def with_controls(
    scores: Values, controls: Mapping[str, Values], labels: Labels
) -> tuple[list[ControlledPair], dict[str, list[Pair]]]:
    """Return each pair of the critic beside the best of its controls, and the pairs of every control.

    Parameters
    ----------
    scores : ndarray, shape (n,) or (runs, n)
        Of one critic, or of several trainings of it.
    controls : mapping of str to ndarray, shape (n,)
        Each is used in its own best direction; picking the best for each pair favours the controls, and is meant to.
    labels : sequence of str, length n

    Raises
    ------
    InputError
        As `separation`.
    """
    runs = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    k = len(runs)
    every = np.concatenate([runs, *(np.asarray(c, dtype=np.float64)[None] for c in controls.values())])
    found = compare_pairs(every, labels, n_runs=k)
    pairs = _pairs(found, k)
    sizes = _effects(runs, class_rows(labels), pairs)
    if not controls:
        return [ControlledPair(pair, d, shared) for pair, (d, shared) in zip(pairs, sizes, strict=True)], {}
    by_control = {name: _pairs(_only(found, k + i), 1) for i, name in enumerate(controls)}
    names, beside = list(controls), []
    for pair, (d, shared), (best, *numbers) in zip(pairs, sizes, _against_best(found, k, pairs), strict=True):
        beside.append(ControlledPair(pair, d, shared, names[int(best)], *numbers))
    return beside, by_control


def _against_best(found: Pairwise, k: int, pairs: Sequence[Pair]) -> Iterator[tuple[float, float, float, float]]:
    """Yield for each pair the number of its best control, that control's AUROC, and the interval of the margin over it.

    The first ``k`` scalars of the comparison are the critic's runs, the others the controls.
    """
    place = {name: i for i, name in enumerate(found.classes)}
    i, j = np.array([(place[p.a], place[p.b]) for p in pairs]).T
    columns = np.arange(len(pairs))
    others = found.auroc[k:, i, j]  # as P(a > b), a being the critic's higher class
    best = np.abs(others - 0.5).argmax(0)
    distance = others[best, columns] - 0.5
    control, direction = 0.5 + np.abs(distance), np.where(distance >= 0, 1.0, -1.0)
    runs = found.auroc[:k, i, j]
    between = runs.var(0, ddof=1) / k if k > 1 else np.zeros(len(pairs))
    spread = np.sqrt((found.run_variance[i, j] + between) * found.variance[k:, i, j][best, columns])
    covariance = direction * found.covariance[k:, i, j][best, columns]
    low, high = difference_interval(
        runs.mean(0),
        (np.array([p.ci_low for p in pairs]), np.array([p.ci_high for p in pairs])),
        control,
        b_interval=auroc_interval(control, found.counts[i], found.counts[j]),
        correlation=np.clip(np.divide(covariance, spread, out=np.zeros(len(pairs)), where=spread > 0), -1, 1),
    )
    yield from zip(
        best.tolist(), control.tolist(), np.maximum(low, -1).tolist(), np.minimum(high, 1).tolist(), strict=True
    )


def _only(found: Pairwise, scalar: int) -> Pairwise:
    """Return the comparison by one scalar alone."""
    part = slice(scalar, scalar + 1)
    return Pairwise(
        found.classes,
        found.counts,
        found.auroc[part],
        found.p_value[part],
        found.variance[part],
        found.covariance[part],
        found.variance[scalar],
    )


def _effects(
    runs: Values, rows: Mapping[str, npt.NDArray[np.intp]], pairs: Sequence[Pair]
) -> list[tuple[float, float]]:
    """Return Cohen's d and the overlap of each pair, means over runs."""
    found = np.zeros((len(pairs), 2))
    for scores in runs:
        parts = {name: np.sort(scores[own]) for name, own in rows.items()}
        mean, spread = ({name: float(of(p)) for name, p in parts.items()} for of in (np.mean, partial(np.var, ddof=1)))
        for place, pair in enumerate(pairs):
            a, b = parts[pair.a], parts[pair.b]
            pooled = math.sqrt(((len(a) - 1) * spread[pair.a] + (len(b) - 1) * spread[pair.b]) / (len(a) + len(b) - 2))
            found[place, 0] += (mean[pair.a] - mean[pair.b]) / pooled if pooled > 0 else math.nan
            found[place, 1] += overlap(a, b)
    return [(float(d), float(o)) for d, o in found / len(runs)]


def overlap(a: Values, b: Values) -> float:
    """Return the shared area of two densities, each estimated with Gaussian kernels: 0 = none, 1 = the same.

    Parameters
    ----------
    a, b : ndarray, shape (m,) and (n,)
        Sorted.

    References
    ----------
    Inman and Bradley 1989, "The overlapping coefficient as a measure of agreement between probability distributions";
    bandwidths after Silverman 1986, "Density Estimation", equation 3.31.
    """
    bandwidths = [0.9 * min(x.std(), (x[3 * len(x) // 4] - x[len(x) // 4]) / 1.34) * len(x) ** -0.2 for x in (a, b)]
    margin = 3 * max(bandwidths)
    low, high = min(a[0], b[0]) - margin, max(a[-1], b[-1]) + margin
    if high <= low:
        return 1.0  # every value of both is the same
    edges = np.linspace(low, high, N_BINS + 1)
    edges[-1] = np.nextafter(edges[-1], np.inf)
    step = (high - low) / N_BINS
    densities = [
        gaussian_filter1d(np.diff(np.searchsorted(x, edges)) / len(x), h / step, mode="constant")
        if h > 0
        else np.diff(np.searchsorted(x, edges)) / len(x)
        for x, h in zip((a, b), bandwidths, strict=True)
    ]
    return float(np.minimum(*densities).sum())
