"""What can be said of scores without classes: how they lie, which images are at their ends, what ranks images alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from gan_probe.scoring.table import ScoreTable, Source, write_scores
from gan_probe.stats.beside import title_of
from gan_probe.studies.base import StudyResult, plain
from gan_probe.studies.diagnose.result import TrainingRecord
from gan_probe.studies.judgement import NO_USE, Answer, Judgement, Opening, sources
from gan_probe.studies.unlabelled.metrics import UnlabelledMetrics
from gan_probe.text import placeless, without_places
from gan_probe.types import Indices, OneImage, Values

UNUSUAL = 0.05  # p-value
NOT_KNOWN = "Whether the critic is useful, and what its training added, cannot be known without classes."


@dataclass(frozen=True, kw_only=True)
class UnlabelledResult(StudyResult):
    """Scores of images whose classes are not known, or are all one.

    Attributes
    ----------
    scores : ScoreTable
        With the embeddings.
    p_values : ndarray (n,) or None
        Two-sided, against held-out reals; None without these.
    strangeness : ndarray (n,) or None
        Distance to the tenth nearest image in the critic's embedding; None without embeddings.
    projections : dict of Source to ndarray (n, 2)
    projection : str
    training : TrainingRecord or None
    pictured, pictures
        Rows whose images are known, and those images.
    provenance : mapping
    warnings : list of str
    """

    study: ClassVar = "unlabelled"

    scores: ScoreTable
    p_values: Values | None = None
    strangeness: Values | None = None
    projections: Mapping[Source, Values] = field(default_factory=dict)
    projection: str = "PCA"
    training: TrainingRecord | None = None
    pictured: Indices = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    pictures: Sequence[OneImage] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row an image: what names it, its score, its controls, its p-value and how strange it is."""
        known = {"p_value": self.p_values, "strangeness": self.strangeness}
        return self.scores.without_embeddings().assign(**{k: v for k, v in known.items() if v is not None})

    def alike(self) -> list[tuple[str, float]]:
        """Return the controls by how far they rank images as the score does (Spearman), the most alike first."""
        own = self.scores.scores
        found = [
            (name, float(spearmanr(own, values).statistic))
            for name, values in self.scores.scores_beside().controls().items()
            if np.isfinite(values).all() and np.ptp(values) > 0 and np.ptp(own) > 0
        ]
        return sorted(found, key=lambda item: -abs(item[1]))

    def findings(self) -> list[str]:
        """Return what was found, and what cannot be."""
        numbers = self.metrics()
        lines = [
            f"{numbers.n_images:,} image{'s score' if numbers.n_images > 1 else ' scores'} {numbers.mean:.3g} on"
            f" average (standard deviation {numbers.std:.2g});"
            " higher is more like the training data, and shift and scale are arbitrary."
        ]
        if found := self.alike():
            name, value = found[0]
            lines.append(f"Of all controls {title_of(name)} ranks the images most as the score does (rank correlation"
                         f" {value:.2f}).")  # fmt: skip
        if numbers.n_unusual is not None:
            lines.append(
                f"{numbers.n_unusual:,} images ({numbers.n_unusual / numbers.n_images:.1%}) have a p-value of"
                f" {UNUSUAL} or less; of images like the held-out reals {UNUSUAL:.0%} would."
            )
        return [*lines, NOT_KNOWN]

    def opening(self) -> Opening:
        """Return that without classes there is no verdict, and how many images are unusual where that is known."""
        numbers = self.metrics()
        unusual = (
            "" if numbers.n_unusual is None else f" {numbers.n_unusual:,} images have a p-value of {UNUSUAL} or less."
        )
        answer = Answer(headline=NO_USE, says=f"This page shows how images score. {NOT_KNOWN}{unusual}")
        return Opening(
            judgement=Judgement(answer=answer),
            about=(*sources(self.provenance), f"{numbers.n_images:,} image{'s' if numbers.n_images > 1 else ''}"),
        )

    def metrics(self) -> UnlabelledMetrics:
        """Return the numbers that the command prints."""
        own = self.scores.scores
        n_unusual = None if self.p_values is None else int((self.p_values <= UNUSUAL).sum())
        return UnlabelledMetrics(n_images=len(own), mean=float(own.mean()), std=float(own.std()), n_unusual=n_unusual)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return ``scores``, with p-values and strangeness where they are known."""
        return {"scores": without_places(self.table)}

    def write_beside(self, folder: Path) -> None:
        """Write ``scores.parquet``, without embeddings."""
        table = without_places(self.scores.without_embeddings())
        write_scores(ScoreTable(table, placeless(self.scores.provenance)), folder / "scores.parquet")

    def record(self) -> dict[str, Any]:
        """Return every number of the page."""
        return {**plain(asdict(self.metrics())), "alike": [{"control": n, "spearman": v} for n, v in self.alike()]}
