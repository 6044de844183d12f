"""What the critic separates, and what the training added: every number of the page. In words: `findings`."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from gan_probe.scoring.table import (
    BASELINE,
    CRITIC_ROWS,
    CRITIC_SCORE,
    ScoreTable,
    Source,
    write_scores,
)
from gan_probe.stats.auroc import RULE, Pair, n_separated
from gan_probe.stats.beside import RANDOM_INIT, Beside
from gan_probe.stats.clustering import Clustering
from gan_probe.stats.conformal import Detection
from gan_probe.stats.margin import Margin
from gan_probe.stats.variance import Share
from gan_probe.studies.advantage import Advantage, margin_record
from gan_probe.studies.base import StudyResult, plain
from gan_probe.studies.diagnose.result import TrainingRecord
from gan_probe.studies.judgement import Opening
from gan_probe.studies.separation.findings import sentences
from gan_probe.studies.separation.metrics import SeparationMetrics
from gan_probe.studies.separation.opening import judgement_of, opening_of
from gan_probe.studies.separation.pairs import ControlledPair
from gan_probe.text import placeless, without_places
from gan_probe.types import Indices, OneImage, Values

FIRST_SCORE, FIRST_INIT = Source(False, RANDOM_INIT, "0"), Source(True, RANDOM_INIT, "0")
PIXELS = Source(True, BASELINE, "pixels")
PROJECTED = (CRITIC_ROWS, FIRST_INIT, PIXELS)
N_EXAMPLES = 6  # images of each class
EXPLAINED = (CRITIC_SCORE, FIRST_SCORE, CRITIC_ROWS, FIRST_INIT)


@dataclass(frozen=True)
class Information:
    """Bits that a score gives of the class, with a 95 % interval, beside its controls'."""

    bits: float
    ci_low: float
    ci_high: float
    of_bits: float
    controls: Mapping[str, float]


@dataclass(frozen=True)
class Recurrence:
    """How far several trainings put the classes in one order (Kendall's W, 0 to 1), with a 95 % interval.

    ``random_init`` is the same of randomly initialised critics; NaN where there are fewer than three.
    """

    value: float
    ci_low: float
    ci_high: float
    random_init: float


@dataclass(frozen=True, kw_only=True)
class SeparationResult(StudyResult):
    """Everything that a report says about one table of scores, or of several trainings on the same images.

    Attributes
    ----------
    table : DataFrame
        The scores of the first run and what is known of each image, without embeddings.
    classes : DataFrame
        One row a class, highest mean score first: ``label``, ``n``, ``seen``, ``mean``, ``std``, ``min``, ``max``.
    pairs : list of ControlledPair
        Every two classes, the critic beside its best control; means over runs.
    controls : Beside of list of Pair
        The same pairs by the critic's scalar and by each control's.
    remaining : list of Pair
        The critic's pairs after image statistics are regressed out; empty without them.
    margins : list of Margin
        What scores and embeddings tell of the classes beyond their controls.
    information : Information or None
    clusterings : dict of Source to list of Clustering
        By what was clustered. Of the first run.
    shares : dict of Source to list of Share
        What each factor explains of the variance of scores and embeddings. Of the first run.
    distances : DataFrame or None
        See `gan_probe.studies.separation.distances`. Of the first run.
    detections : list of Detection
        Of every unseen class, by the first run.
    unseen : tuple of float and Advantage, or None
        AUROC of all unseen images against seen ones, by the first run, and beside the controls.
    recurrence : Recurrence or None
        Of three trainings or more.
    projections : dict of Source to ndarray (n, 2)
        By embedding.
    n_runs : int
    ari_over_runs : tuple of float or None
        Mean ARI of the clusters chosen without labels in the embeddings of several trainings, and its 95 % interval.
    scores : ScoreTable
        Of the first run, without the embeddings that say nothing.
    training : TrainingRecord or None
        Of the run that the critic comes from.
    pictured : ndarray of int
        Rows of ``table`` whose images are known.
    pictures : list of ndarray
        Those images.
    projection : str
        How ``projections`` were made: "PCA", "t-SNE" or "UMAP".
    provenance : dict
    warnings : list of str
        What could not be done, and why.
    """

    study: ClassVar = "separation"

    table: pd.DataFrame
    classes: pd.DataFrame
    pairs: list[ControlledPair]
    controls: Beside[list[Pair]]
    remaining: list[Pair] = field(default_factory=list)
    margins: list[Margin] = field(default_factory=list)
    information: Information | None = None
    clusterings: dict[Source, list[Clustering]] = field(default_factory=dict)
    shares: dict[Source, list[Share]] = field(default_factory=dict)
    distances: pd.DataFrame | None = None
    detections: list[Detection] = field(default_factory=list)
    unseen: tuple[float, Advantage] | None = None
    recurrence: Recurrence | None = None
    projections: dict[Source, Values] = field(default_factory=dict)
    n_runs: int = 1
    ari_over_runs: tuple[float, float, float] | None = None
    scores: ScoreTable
    training: TrainingRecord | None = None
    pictured: Indices = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    pictures: Sequence[OneImage] = ()
    projection: str = "PCA"
    provenance: Mapping[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def critic_pairs(self) -> list[Pair]:
        """The critic's pairs alone."""
        return [p.pair for p in self.pairs]

    @property
    def examples(self) -> dict[str, list[OneImage]]:
        """The first images of each class."""
        found: dict[str, list[OneImage]] = {}
        labels = self.table["label"].astype(str).to_numpy()
        for row, image in zip(self.pictured, self.pictures, strict=True):
            if len(of_class := found.setdefault(labels[row], [])) < N_EXAMPLES:
                of_class.append(image)
        return found

    def closest(self) -> list[Pair]:
        """Return the critic's pairs, the hardest to tell apart first: by AUROC, then by distance over spread."""
        mean, std = (self.classes.set_index("label")[c] for c in ("mean", "std"))

        def distance(pair: Pair) -> float:
            spread = np.hypot(std[pair.a], std[pair.b])
            return float(abs(mean[pair.a] - mean[pair.b]) / spread) if spread else np.inf

        return sorted(self.critic_pairs, key=lambda p: (p.auroc, distance(p)))

    def random_init_counts(self) -> list[int]:
        """Return how many pairs each randomly initialised critic separates, one number a seed."""
        return [n_separated(pairs) for pairs in self.controls.random_init]

    def best_statistic(self) -> tuple[str, int] | None:
        """Return the scalar computed from pixels that separates most pairs, and how many."""
        counts = {name: n_separated(pairs) for name, pairs in self.controls.baselines.items()}
        return max(counts.items(), key=lambda item: item[1]) if counts else None

    def chosen(self, what: Source) -> list[Clustering]:
        """Return the clusterings chosen without labels of something clustered; of random initialisations one a seed."""
        found = [
            clusterings
            for source, clusterings in self.clusterings.items()
            if source == what or (what.of == RANDOM_INIT and source[:2] == what[:2])
        ]
        return [c for clusterings in found for c in clusterings if c.is_chosen]

    def chosen_ari(self, what: Source) -> float | None:
        """Return the ARI of the clustering chosen without labels; the median over random seeds."""
        values = [c.ari for c in self.chosen(what)]
        return statistics.median(values) if values else None

    def findings(self) -> list[str]:
        """Return some sentences: the margin over the controls first, losses as plainly as wins."""
        return sentences(self)

    def metrics(self) -> SeparationMetrics:
        """Return the numbers that gates read."""
        probe = next((e for e in self.margins if e.measure == "linear probe" and e.best_control), None)
        return SeparationMetrics(
            n_pairs=len(self.pairs),
            n_separated=n_separated(self.critic_pairs),
            n_certain=sum(p.certain for p in self.critic_pairs),
            n_runs=self.n_runs,
            probe_margin=probe.margin if probe else None,
            probe_margin_low=probe.margin_low if probe else None,
            **judgement_of(self).numbers(),
        )

    def opening(self) -> Opening:
        """Return what the first screen of the page holds."""
        return opening_of(self)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return ``scores``: the first run's table without embeddings, and without the places of this machine."""
        return {"scores": without_places(self.scores.without_embeddings())}

    def write_beside(self, folder: Path) -> None:
        """Write ``scores.parquet``, without embeddings."""
        write_scores(ScoreTable(self.tables()["scores"], placeless(self.scores.provenance)), folder / "scores.parquet")

    def record(self) -> dict[str, Any]:
        """Return every number of the page."""
        pairs = [
            plain(
                {
                    **dataclasses.asdict(p.pair),
                    "best_control": p.best_control,
                    "control_auroc": p.control_auroc,
                    "margin": p.margin,
                    "cohens_d": p.cohens_d,
                    "overlap": p.overlap,
                    "margin_low": p.ci_low,
                    "margin_high": p.ci_high,
                }
            )
            for p in self.pairs
        ]
        controls = {
            name: {"n_separated": n_separated(found), "pairs": [{"a": p.a, "b": p.b, "auroc": p.auroc} for p in found]}
            for name, found in self.controls.controls().items()
        }
        clusters = {name.column: [plain(c.as_dict()) for c in found] for name, found in self.clusterings.items()}
        training = self.training
        return {
            "n_runs": self.n_runs,
            "ari_over_runs": self.ari_over_runs,
            "margins": [margin_record(e) for e in self.margins],
            "information": None
            if self.information is None
            else plain(vars(self.information)) | {"controls": plain(self.information.controls)},
            "classes": [plain(row) for row in self.classes.to_dict("records")],
            "separation": {
                "rule": RULE,
                "n_pairs": len(pairs),
                "n_separated": n_separated(self.critic_pairs),
                "n_certain": sum(p.certain for p in self.critic_pairs),
                "n_separated_without_statistics": n_separated(self.remaining) if self.remaining else None,
                "pairs": pairs,
            },
            "factors": {name.column: [plain(vars(s)) for s in found] for name, found in self.shares.items()},
            "distances": [] if self.distances is None else [plain(r) for r in self.distances.to_dict("records")],
            "unseen": [plain(vars(d)) for d in self.detections],
            "controls": controls,
            "clusters": clusters,
            "training": None
            if training is None
            else {
                "settings": placeless(training.settings),
                "facts": placeless(training.facts),
                "diagnosis": list(training.diagnosis),
            },
        }
