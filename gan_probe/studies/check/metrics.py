"""What ``gan-probe check`` prints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CheckMetrics:
    """Every check with its verdict, and how many failed."""

    checks: list[dict[str, str]]
    n_failed: int
