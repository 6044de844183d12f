"""What ``gan-probe diagnose`` prints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DiagnoseMetrics:
    """What is said of each run."""

    diagnosis: dict[str, list[str]]
