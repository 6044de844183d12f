"""The page of clusters found without labels."""

from __future__ import annotations

from gan_probe.report import figures
from gan_probe.report.page import Page, Section
from gan_probe.report.separation import cluster_table
from gan_probe.studies.cluster.result import ClusterResult

SECTIONS: tuple[Section[ClusterResult], ...] = (
    Section(
        "clusters",
        "Clusters found without labels",
        "Agreement of clusters with the classes. The number of clusters is chosen without labels (stability, BIC,"
        " density; of scores silhouette) or set to the number of classes. Lines on the bars of embeddings of randomly"
        " initialised critics span the seeds.",
        lambda result: figures.cluster_agreement(result.clusterings) if "label" in result.table else None,
    ),
)

PAGE = Page[ClusterResult](
    schema="gan_probe.cluster/1",
    title=lambda result: "Groups without labels",
    sections=lambda result: SECTIONS,
    tables=lambda result: [cluster_table(result.clusterings, heading="Every clustering")],
)
