"""The numbers that ``gan-probe stability`` prints and gates read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gan_probe.studies.levels import Gain


@dataclass(frozen=True, kw_only=True)
class StabilityMetrics:
    """How far runs agree after shift, scale and sign.

    Attributes
    ----------
    reproducible_fraction, ci_low, ci_high : float
        Class / (class + class x run), 0 to 1, with its 95 % interval.
    kendall_w, flip_rate : float
    runs_needed : int or None
        For a mean with reliability 0.9; None where no number is enough.
    lowest_level : str or None
        The first alignment after which runs certainly agree.
    explained_by_image_statistics : float or None
    typical_run : str
    panel : str
        Fingerprint of the images.
    against, similarities : dict
    added, added_margin, added_low
        What the training added to the fraction: see `gan_probe.studies.levels.VerdictMetrics`.
    """

    reproducible_fraction: float
    ci_low: float
    ci_high: float
    kendall_w: float
    flip_rate: float
    runs_needed: int | None
    lowest_level: str | None
    explained_by_image_statistics: float | None
    typical_run: str
    panel: str
    against: dict[str, dict[str, Any]]
    similarities: dict[str, dict[str, float]]
    added: Gain = "unknown"
    added_margin: float | None = None
    added_low: float | None = None
