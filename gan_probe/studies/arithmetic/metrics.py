"""The numbers that ``gan-probe arithmetic`` prints."""

from __future__ import annotations

from dataclasses import dataclass

from gan_probe.studies.levels import VerdictMetrics


@dataclass(frozen=True, kw_only=True)
class ArithmeticMetrics(VerdictMetrics):
    """How often the sum, and each control, is called the expected class; and how good the namer is."""

    shares: dict[str, float]
    classifier_accuracy: float
