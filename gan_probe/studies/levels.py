"""The levels of a verdict, and the metrics that gates read it by: light, so that a verb's help needs no SciPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Use = Literal["better", "as good", "worse", "unknown"]
Gain = Literal["yes", "not shown", "took away", "unknown"]
Told = Literal["yes", "no", "unknown", "told"]
USES, GAINS = get_args(Use), get_args(Gain)


@dataclass(frozen=True, kw_only=True)
class VerdictMetrics:
    """The verdict as numbers and words that gates read; the same names whatever the study.

    Attributes
    ----------
    useful, added : str
        Whether the critic is useful ("better", "as good", "worse", "unknown"), and whether the training added anything
        ("yes", "not shown", "took away", "unknown").
    useful_margin, useful_low, added_margin, added_low : float or None
        What it rests on: critic minus best control, and minus randomly initialised critics, with the lower ends of
        their 95 % intervals; None where nothing is to compare with.
    """

    useful: Use = "unknown"
    useful_margin: float | None = None
    useful_low: float | None = None
    added: Gain = "unknown"
    added_margin: float | None = None
    added_low: float | None = None
