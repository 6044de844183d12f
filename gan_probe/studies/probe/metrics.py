"""The numbers that ``gan-probe probe`` prints and gates read."""

from __future__ import annotations

from dataclasses import dataclass

from gan_probe.studies.levels import VerdictMetrics


@dataclass(frozen=True, kw_only=True)
class ProbeMetrics(VerdictMetrics):
    """The first classifier at the number of labels nearest to ten a class.

    Attributes
    ----------
    classifier : str
    labels_per_class : int
    accuracy : float
        Of the critic's features, 0 to 1.
    best_control : str
    margin, ci_low, ci_high : float or None
        Critic minus best control with its 95 % interval; None without controls.
    added_high : float or None
        Upper end of the interval of critic minus randomly initialised critics.
    """

    classifier: str
    labels_per_class: int
    accuracy: float
    best_control: str = ""
    margin: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    added_high: float | None = None
