"""Groups in scores and embeddings, found without labels."""

from __future__ import annotations

from gan_probe.scoring.table import CRITIC_SCORE, ScoreTable, Source
from gan_probe.stats.clustering import Clustering, cluster
from gan_probe.studies.base import Notes, quiet
from gan_probe.studies.cluster.result import ClusterResult
from gan_probe.types import OnPart, Rows


def cluster_all(
    scores: ScoreTable, notes: Notes, *, seed: int = 0, on_step: OnPart = quiet
) -> dict[Source, list[Clustering]]:
    """Return the clusterings of the scores and of every embedding; what cannot be clustered is noted."""
    labels = scores.table["label"].astype(str).to_numpy() if "label" in scores.table else None
    sources: dict[Source, Rows] = {CRITIC_SCORE: scores.table[CRITIC_SCORE.column].to_numpy(), **scores.embeddings}
    found: dict[Source, list[Clustering]] = {}
    for source, rows in sources.items():
        with notes.part(f"clusters of {source.column}"):
            found[source] = cluster(rows, labels, standardise=not source.shares_unit, seed=seed)
        on_step(source.short)
    return found


def cluster_scores(scores: ScoreTable, *, seed: int = 0, on_step: OnPart = quiet) -> ClusterResult:
    """Return the groups that scores and embeddings fall into, without labels, and how they agree with the classes.

    Parameters
    ----------
    scores : ScoreTable
    seed : int
        Of the clusterings and the resampling.
    on_step : callable, optional
        Called with the name of what was clustered.
    """
    notes = Notes(scores.provenance.get("warnings", ()))
    found = cluster_all(scores, notes, seed=seed, on_step=on_step)
    origin = {k: v for k, v in scores.provenance.items() if k != "warnings"}
    return ClusterResult(table=scores.without_embeddings(), clusterings=found, provenance=origin, warnings=notes)
