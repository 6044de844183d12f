"""Scores without classes: calibrated, mapped, with pictures of their ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.neighbors import NearestNeighbors

from gan_probe.scoring.reference import read_held_out
from gan_probe.scoring.table import CRITIC_ROWS, ScoreTable
from gan_probe.stats.conformal import MIN_REFERENCE, conformal_p
from gan_probe.stats.regression import standardised
from gan_probe.studies.base import Notes
from gan_probe.studies.separation.projection import TITLES, project
from gan_probe.studies.separation.study import MAX_PICTURES, read_pictures, read_training
from gan_probe.studies.unlabelled.result import UnlabelledResult
from gan_probe.types import Indices, Rows, Values

N_ENDS = 12  # pictures of each end
NEIGHBOUR = 10


def has_classes(scores: ScoreTable) -> bool:
    """Return whether two classes have two images each, so that there is something to separate."""
    return "label" in scores.table and int((scores.table["label"].value_counts() > 1).sum()) > 1


def unlabelled(
    scores: ScoreTable,
    *,
    run: str | Path | None = None,
    data: str | Path | None = None,
    projection: str = "pca",
    thumbnails: bool = True,
    seed: int = 0,
) -> UnlabelledResult:
    """Return what can be said of scores of which no two classes are known; parameters as of `separation`."""
    source, notes = run or scores.provenance.get("critic_source") or "", Notes()
    held_out = read_held_out(source, scores)
    known = held_out is not None and len(held_out) >= MIN_REFERENCE
    if not known:
        notes.append("no scores of held-out reals were found beside the critic, so p-values are left out.")
    embeddings = {s: rows for s, rows in scores.embeddings.items() if np.isfinite(rows).all() and len(rows) > 2}
    strangeness = _strangeness(embeddings[CRITIC_ROWS]) if CRITIC_ROWS in embeddings else None
    projections = {}
    if CRITIC_ROWS in embeddings:
        with notes.part("projection"):
            projections[CRITIC_ROWS] = project(embeddings[CRITIC_ROWS], projection, standardise=True, seed=seed)
    training, training_note = read_training(source, scores)
    rows = _ends(scores.scores, strangeness)
    pictured, pictures, pictures_note = read_pictures(scores, data, rows=rows) if thumbnails else (rows[:0], [], "")
    said = (*scores.provenance.get("warnings", ()), *notes, training_note, pictures_note)
    return UnlabelledResult(
        scores=scores,
        p_values=conformal_p(scores.scores, held_out, "two-sided") if known and held_out is not None else None,
        strangeness=strangeness,
        projections=projections,
        projection=TITLES[projection],
        training=training,
        pictured=pictured,
        pictures=pictures,
        provenance={k: v for k, v in scores.provenance.items() if k != "warnings"},
        warnings=[note for note in said if note],
    )


def _strangeness(rows: Rows) -> Values:
    """Return how far each image is from its tenth nearest in an embedding of standardised columns."""
    scaled = standardised(rows)
    n = min(NEIGHBOUR, len(rows) - 1)
    distances, _ = NearestNeighbors(n_neighbors=n + 1).fit(scaled).kneighbors(scaled)
    return np.asarray(distances[:, -1], dtype=np.float64)


def _ends(scores: Values, strangeness: Values | None) -> Indices:
    """Return the rows that are pictured: the ends first, and others as they come."""
    order = np.argsort(scores, kind="stable")
    odd = order[:0] if strangeness is None else np.argsort(-strangeness, kind="stable")[:N_ENDS]
    rows = np.concatenate([order[:N_ENDS], order[-N_ENDS:], odd, np.arange(min(len(scores), MAX_PICTURES))])
    return np.sort(np.array(list(dict.fromkeys(rows.tolist()))[:MAX_PICTURES], dtype=np.intp))
