"""Groups found without labels in scores and embeddings, and how they agree with the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pandas as pd

from gan_probe.scoring.table import CRITIC_ROWS, CRITIC_SCORE, Source
from gan_probe.stats.clustering import Clustering
from gan_probe.studies.base import StudyResult, plain
from gan_probe.studies.cluster.metrics import ClusterMetrics
from gan_probe.studies.judgement import NO_USE, Answer, Judgement, Opening, sources


@dataclass(frozen=True, kw_only=True)
class ClusterResult(StudyResult):
    """Clusterings of a table of scores.

    Attributes
    ----------
    table : DataFrame
        What names each image.
    clusterings : mapping of Source to list of Clustering
        By what was clustered.
    provenance : dict
    warnings : list of str
    """

    study: ClassVar = "cluster"

    table: pd.DataFrame
    clusterings: Mapping[Source, Sequence[Clustering]]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    def findings(self) -> list[str]:
        """Return for scores and embedding the clustering that is chosen without labels, in words."""
        lines = []
        for source, name in ((CRITIC_SCORE, "The scores"), (CRITIC_ROWS, "The critic's embedding")):
            for c in self.clusterings.get(source, ()):
                if c.is_chosen:
                    beside = "" if c.ari != c.ari else f"; agreement with the classes: {_agreement(c)}"
                    lines.append(f"{name}: {c.k} clusters by {c.method}, stability {c.stability:.2f}{beside}.")
        return lines or ["No clustering can be chosen without labels."]

    def opening(self) -> Opening:
        """Return what groups there are: whether they are useful, classes say, which they were found without."""
        says = "This page shows which groups there are without labels. Is the critic useful? gan-probe report says."
        answer = Answer(headline=NO_USE, says=says)
        return Opening(
            judgement=Judgement(answer=answer), about=(*sources(self.provenance), f"{len(self.table):,} images")
        )

    def metrics(self) -> ClusterMetrics:
        """Return every clustering as plain numbers."""
        return ClusterMetrics(
            clusters=[{"of": s.column} | plain(c.as_dict()) for s, found in self.clusterings.items() for c in found]
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return ``clusters``: the cluster of each image by each clustering (-1: in none)."""
        return {"clusters": assignments(self.table, self.clusterings)}

    def record(self) -> dict[str, Any]:
        """Return every number of the page."""
        return {"clusters": self.metrics().clusters}


def _agreement(c: Clustering) -> str:
    accuracy = c.agreement["accuracy"]
    share = f"{accuracy.value:.1%} ({accuracy.ci_low:.1%} to {accuracy.ci_high:.1%}) in their class's cluster"
    return f"{share}, ARI {c.ari:.2f}, AMI {c.agreement['ami'].value:.2f}"


def assignments(table: pd.DataFrame, clusterings: Mapping[Source, Sequence[Clustering]]) -> pd.DataFrame:
    """Return one row an image: what names it, and the cluster that each clustering puts it in (-1: in none)."""
    columns: dict[str, Any] = {c: table[c] for c in ("sample_id", "path", "label") if c in table}
    for what, found in clusterings.items():
        columns |= {f"{what.column} {c.method} ({c.k_from})": c.assignment for c in found}
    return pd.DataFrame(columns)
