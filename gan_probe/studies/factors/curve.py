"""The score against one factor, all else fixed, and from which difference on it tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gan_probe.errors import InputError
from gan_probe.stats.auroc import THRESHOLD, auroc
from gan_probe.types import Values

DETECTED = 0.75  # AUROC of a just noticeable difference: the share of right answers in a choice between two


@dataclass(frozen=True)
class Curve:
    """The score against one factor, all else fixed.

    Attributes
    ----------
    factor : str
    values : list
        Swept, the first one where the others are compared with.
    scores : ndarray, shape (values, images)
        Column k is one image, changed in this factor only.
    noticed, separated : float or None
        The smallest change of the factor from which on AUROC against the first value stays at 0.75 (a just noticeable
        difference) and at 0.99; None where no swept value gets there, or the factor has no order.
    """

    factor: str
    values: list[Any]
    scores: Values
    noticed: float | None
    separated: float | None

    def difference(self) -> Values:
        """Return the scores minus those of the same image at the first value."""
        return self.scores - self.scores[0]


def curve(factor: str, values: Sequence[Any], scores: Values) -> Curve:
    """Return the `Curve` of scores (values, images)."""
    if len(values) != len(scores) or len(values) < 2:
        raise InputError(f"a sweep of {len(values)} values needs as many rows of scores, got {len(scores)}.")
    known = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    apart = [max(a, 1 - a) for a in (auroc(row, scores[0]) for row in scores[1:])]
    return Curve(
        factor,
        list(values),
        scores,
        _from_where_on(values, apart, DETECTED) if known else None,
        _from_where_on(values, apart, THRESHOLD) if known else None,
    )


def _from_where_on(values: Sequence[float], apart: Sequence[float], wanted: float) -> float | None:
    """Return the smallest difference from the first value from which on ``wanted`` is reached and kept."""
    steps = sorted((abs(v - values[0]), a) for v, a in zip(values[1:], apart, strict=True))
    kept = [all(a >= wanted for d, a in steps if d >= step) for step, _ in steps]
    return next((step for (step, _), ok in zip(steps, kept, strict=True) if ok), None)
