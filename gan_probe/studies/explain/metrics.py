"""The numbers that ``gan-probe explain`` prints."""

from __future__ import annotations

from dataclasses import dataclass

from gan_probe.studies.levels import VerdictMetrics


@dataclass(frozen=True, kw_only=True)
class ExplainMetrics(VerdictMetrics):
    """How many images were explained, and each measure of the maps by its name."""

    n_images: int
    measures: dict[str, float]
