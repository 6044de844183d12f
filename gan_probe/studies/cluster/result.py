"""The clusters of each image as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from gan_probe.scoring.table import Source
from gan_probe.stats.clustering import Clustering


def cluster_table(table: pd.DataFrame, clusterings: Mapping[Source, Sequence[Clustering]]) -> pd.DataFrame:
    """Return one row an image: what names it, and the cluster that each clustering puts it in (-1: in none)."""
    columns: dict[str, Any] = {c: table[c] for c in ("sample_id", "path", "label") if c in table}
    for what, found in clusterings.items():
        columns |= {f"{what.column} {c.method} ({c.k_from})": c.assignment for c in found}
    return pd.DataFrame(columns)
