"""What ``gan-probe cluster`` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ClusterMetrics:
    """Every clustering, by what was clustered."""

    clusters: list[dict[str, Any]]
