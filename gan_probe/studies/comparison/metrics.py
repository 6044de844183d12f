"""The numbers of several critics side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ComparisonMetrics:
    """Each critic's numbers, and every difference of two.

    Attributes
    ----------
    critics : dict of str to dict
        By name: pairs separated, the verdict, each measure with its interval.
    differences : list of dict
        ``measure``, ``critic``, ``other``, ``value``, ``low``, ``high``: critic minus other, paired by image.
    """

    critics: dict[str, dict[str, Any]]
    differences: list[dict[str, Any]]
