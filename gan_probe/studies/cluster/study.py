"""Groups in scores and embeddings, found without labels."""

from __future__ import annotations

from typing import Any

from gan_probe.scoring.table import SHARED_UNIT, ScoreTable
from gan_probe.stats.clustering import Clustering, cluster
from gan_probe.studies.base import noted


def cluster_all(scores: ScoreTable, notes: list[str], *, seed: int = 0) -> dict[str, list[Clustering]]:
    """Return the clusterings of the scores and of every embedding, by name; what cannot be clustered is noted."""
    labels = scores.table["label"].astype(str).to_numpy() if "label" in scores.table else None
    sources: dict[str, Any] = {"critic_score": scores.table["critic_score"].to_numpy(), **scores.embeddings}
    found: dict[str, list[Clustering]] = {}
    for name, rows in sources.items():
        with noted(notes, f"clusters of {name}"):
            found[name] = cluster(rows, labels, standardise=name not in SHARED_UNIT, seed=seed)
    return found
