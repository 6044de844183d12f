"""How a score answers to one factor: differences in its own spread, and the smallest that it tells, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gan_probe.errors import InputError
from gan_probe.stats.auroc import THRESHOLD, auroc
from gan_probe.stats.intervals import LEVEL
from gan_probe.studies.factors.curve import DETECTED, Curve, curve
from gan_probe.types import Values

ALONE, AMONG = "alone", "among others"
UP, DOWN, NAMES = "up", "down", "names"
N_DRAWS = 500
TAILS = (0.5 - LEVEL / 2, 0.5 + LEVEL / 2)
DIGITS = 10  # of a difference of two values, which floats leave a little beside the mark
MIN_BASES = 20  # with fewer, chance alone reaches AUROC 0.7 in one comparison of twenty


@dataclass(frozen=True)
class DetectionThreshold:
    """The smallest difference of a factor that a score tells.

    Attributes
    ----------
    value : float or None
        The smallest swept difference from which on AUROC stays; None where none is enough.
    ci_low, ci_high : float or None
        Its 95 % interval over base images; None beyond the largest swept difference.
    random_init : tuple of float or None
        Of each randomly initialised critic.
    largest : float
        The largest difference that was swept.
    """

    value: float | None
    ci_low: float | None
    ci_high: float | None
    random_init: tuple[float | None, ...]
    largest: float

    @property
    def random_init_median(self) -> float | None:
        """The median over random critics; None where there are none, or half of them tell no swept difference."""
        return _finite(float(np.median(_ends(self.random_init)))) if self.random_init else None

    @property
    def verdict(self) -> str:
        """Whether it is "finer" or "coarser" than every random critic's, or "among" them; "" without any."""
        if not self.random_init:
            return ""
        own, others = _ends([self.value])[0], _ends(self.random_init)
        return "finer" if own < min(others) else "coarser" if own > max(others) else "among"

    def text(self, value: float | None) -> str:
        """Return a difference in words."""
        return f"> {self.largest:.3g}" if value is None else f"{value:.3g}"


@dataclass(frozen=True)
class Response:
    """Scores against the values of one factor, of a critic and of randomly initialised ones.

    Attributes
    ----------
    factor : str
    setting : str
        `ALONE`: base images differ in their random noise only. `AMONG`: in every other factor of the data set too.
    direction : str
        `UP` or `DOWN` from the first value; `NAMES` for a factor without an order.
    swept : list
        The values, the first one where the others are compared with.
    critic : Curve
    random_init : tuple of Curve
    noticed, separated : DetectionThreshold or None
        At AUROC 0.75 and 0.99; None for names.
    """

    factor: str
    setting: str
    direction: str
    swept: list[Any]
    critic: Curve
    random_init: tuple[Curve, ...]
    noticed: DetectionThreshold | None
    separated: DetectionThreshold | None

    @property
    def name(self) -> str:
        """The factor and the direction: "noise up"."""
        factor = self.factor.replace("_", " ")
        return factor if self.direction == NAMES else f"{factor} {self.direction}"

    @property
    def told(self) -> list[Any]:
        """The values that the critic's score tells from the first one, AUROC 0.75 or more."""
        return [value for value, apart in zip(self.swept, aurocs(self.critic), strict=True) if apart >= DETECTED]

    def rows(self) -> pd.DataFrame:
        """Return one row for each value and critic: mean and sd of the difference in units of sd, and AUROC."""
        parts = []
        named = {"critic": self.critic, **{f"random_init.{i}": c for i, c in enumerate(self.random_init)}}
        for of, found in named.items():
            mean, sd = effect(found)
            parts.append(
                pd.DataFrame(
                    {
                        "factor": self.factor, "setting": self.setting, "direction": self.direction, "of": of,
                        "value": self.swept, "difference": mean, "sd": sd, "auroc": aurocs(found),
                    }
                )
            )  # fmt: skip
        return pd.concat(parts, ignore_index=True)


def effect(found: Curve) -> tuple[Values, Values]:
    """Return mean and sd over base images of score(value) - score(first value), each (values,).

    In units of the sd of the scores at the first value, so that critics can be compared; NaN where that is 0.
    """
    unit = float(found.scores[0].std(ddof=1))
    difference = found.difference() / unit if unit > 0 else np.full(found.scores.shape, math.nan)
    return difference.mean(1), difference.std(1, ddof=1)


def aurocs(found: Curve) -> list[float]:
    """Return for each value the AUROC against the first one, in the better direction: 0.5 to 1, 0.5 for the first."""
    return [max(a, 1 - a) for a in (auroc(row, found.scores[0]) for row in found.scores)]


def respond(
    factor: str, setting: str, values: Sequence[Any], *, scores: Values, random_init: Sequence[Values], seed: int = 0
) -> Response:
    """Return the `Response` to a sweep.

    Parameters
    ----------
    factor, setting : str
    values : sequence
        The first one is where the others are compared with; numbers all lie on one side of it.
    scores : ndarray, shape (values, bases)
        Of the critic.
    random_init : sequence of ndarray, shape (values, bases)
    seed : int
        Of the bootstrap over base images.

    Raises
    ------
    InputError
        For fewer than 20 base images.

    References
    ----------
    Efron and Tibshirani 1993, "An Introduction to the Bootstrap", section 13.3 (percentile intervals).
    """
    if scores.shape[1] < MIN_BASES:
        raise InputError(
            f"a sweep needs at least {MIN_BASES} base images, got {scores.shape[1]}: with fewer chance alone tells"
            " values apart."
        )
    own, others = curve(factor, values, scores), tuple(curve(factor, values, s) for s in random_init)
    if isinstance(values[0], str):
        return Response(factor, setting, NAMES, list(values), own, others, None, None)
    largest = round(max(abs(value - values[0]) for value in values), DIGITS)
    n = scores.shape[1]
    drawn = _drawn_aurocs(scores, np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=N_DRAWS))

    def threshold(which: str, wanted: float) -> DetectionThreshold:
        ends = np.quantile(_from_where_on(values, drawn, wanted), TAILS, method="inverted_cdf")
        value, *random_init = (_finite(v) for v in _ends([getattr(c, which) for c in (own, *others)]))
        return DetectionThreshold(value, _finite(ends[0]), _finite(ends[1]), tuple(random_init), largest)

    direction = UP if values[-1] > values[0] else DOWN
    thresholds = threshold("noticed", DETECTED), threshold("separated", THRESHOLD)
    return Response(factor, setting, direction, list(values), own, others, *thresholds)


def _drawn_aurocs(scores: Values, times: npt.NDArray[np.int64]) -> Values:
    """Return the AUROC of each value but the first against it, (draws, values - 1), for base images drawn anew.

    ``times`` (draws, bases) says how often each was drawn. A sum over pairs of images, each as often as both were.
    """
    n, weights, found = scores.shape[1], times.astype(np.float64), []
    for row in scores[1:]:
        higher = (row[:, None] > scores[0]) + 0.5 * (row[:, None] == scores[0])
        value = ((weights @ higher) * weights).sum(1) / n**2
        found.append(np.maximum(value, 1 - value))
    return np.stack(found, axis=1)


def _from_where_on(values: Sequence[float], apart: Values, wanted: float) -> Values:
    """Return for each draw the smallest difference from which on ``wanted`` is kept; infinity where none is enough."""
    steps = np.abs(np.asarray(values[1:]) - values[0])
    order = np.argsort(steps)
    kept = np.logical_and.accumulate(apart[:, order[::-1]] >= wanted, axis=1)[:, ::-1]
    return np.where(kept.any(1), steps[order][kept.argmax(1)], math.inf)


def _ends(values: Sequence[float | None]) -> Values:
    """Return differences with infinity where none is enough."""
    return np.array([math.inf if value is None else value for value in values])


def _finite(value: float) -> float | None:
    return round(float(value), DIGITS) if math.isfinite(value) else None
