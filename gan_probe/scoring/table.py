"""``scores.parquet``: one row an image, and in the file's metadata where the scores come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gan_probe.errors import InputError
from synthetic.files import atomic_path

SCHEMA = "gan_probe.scores/1"
CONTROL = "control."  # columns of scalar controls
FITTED = ("control.pixels_pc1", "embedding.pixels", "embedding.kmeans_patches")  # on the images of one table
UNCERTAINTY = "critic_uncertainty"  # of an ensemble: the standard deviation over its members
UNTRAINED = "control.untrained."
UNNAMED = "(no label)"  # the class of images whose label is missing
PIXELS = "embedding.pixels"
SHARED_UNIT = (PIXELS, "embedding.hog", "embedding.kmeans_patches")  # columns that are not standardised
EMBEDDING = "embedding."  # columns of vectors: embedding.critic and those of the controls


@dataclass(frozen=True)
class ScoreTable:
    """Scores of one critic on one data set.

    Attributes
    ----------
    table : DataFrame
        ``sample_id``, ``path``, ``critic_score`` (float32, higher = more like the training data); where known
        ``label``, ``seen``, ``factor.*``; of an ensemble ``critic_uncertainty``; ``control.*`` (scalars),
        ``embedding.*`` (vectors); the user's own.
    provenance : dict
        ``critic_hash``, ``run_id``, ``data_fingerprint``, ``gauge`` and more: see `gan_probe.scoring.score.score`.
    """

    table: pd.DataFrame
    provenance: Mapping[str, Any]

    @property
    def control_columns(self) -> list[str]:
        """Names of the scalar controls."""
        return [c for c in self.table.columns if c.startswith(CONTROL)]

    @property
    def embeddings(self) -> dict[str, npt.NDArray[np.float32]]:
        """The embeddings by column (``embedding.critic``, ``embedding.pixels``, ...), each (n, d)."""
        names = [c for c in self.table.columns if c.startswith(EMBEDDING)]
        return {c: np.stack(self.table[c].to_list()).astype(np.float32) for c in names}

    def scalars(self) -> pd.DataFrame:
        """Return the table without embeddings."""
        return self.table[[c for c in self.table.columns if not c.startswith(EMBEDDING)]]


def write_scores(scores: ScoreTable, path: str | Path) -> None:
    """Write ``scores.parquet``; the file appears whole or not at all."""
    columns: dict[str, Any] = {}
    for name in scores.table.columns:
        column = scores.table[name]
        if name.startswith(EMBEDDING):
            vectors = np.stack(column.to_list()).astype(np.float32)
            columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        else:
            try:
                columns[name] = pa.array(column, from_pandas=True)
            except pa.ArrowException:  # a user's column of mixed types
                columns[name] = pa.array(column.astype(str))
    table = pa.table(columns).replace_schema_metadata(
        {"gan_probe": json.dumps({"schema": SCHEMA, **scores.provenance}, default=str)}
    )
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary)


def read_scores(path: str | Path) -> ScoreTable:
    """Return the table that `write_scores` wrote.

    Raises
    ------
    InputError
        When the file is missing, not Parquet, has no ``critic_score``, or holds scores that are not numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is not a file. Make scores with: gan-probe score CRITIC DATA --out scores.parquet")
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet: {error}.") from error
    raw = (table.schema.metadata or {}).get(b"gan_probe")
    try:
        provenance = {"schema": None} | json.loads(raw or b"{}")
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: its gan_probe metadata is broken ({error}). Score again.") from error
    if provenance["schema"] not in (SCHEMA, None):
        raise InputError(f"{path} has schema {provenance['schema']!r}; this version reads {SCHEMA!r}. Score again.")
    frame = table.to_pandas()
    if not len(frame):
        raise InputError(f"{path} holds no images.")
    if "critic_score" not in frame:
        raise InputError(f"{path} has no column critic_score. Columns: {', '.join(map(str, frame.columns))}.")
    values = pd.to_numeric(frame["critic_score"], errors="coerce")
    n_bad = int((~np.isfinite(values)).sum())
    if n_bad:
        raise InputError(f"{path}: {n_bad} of {len(frame)} values of critic_score are not finite numbers.")
    frame["critic_score"] = values.astype(np.float32)
    if "label" in frame:
        frame["label"] = frame["label"].astype(str).where(frame["label"].notna(), UNNAMED)
    if "seen" in frame:
        frame["seen"] = _truth(frame["seen"], path)
    for column in (c for c in frame if str(c).startswith(CONTROL)):
        frame[column] = pd.to_numeric(frame[column], errors="coerce")
    return ScoreTable(frame, provenance)


def _truth(column: pd.Series, path: Path) -> pd.Series:
    """Return a column of truth values; text other than true and false, and gaps, are refused."""
    known = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
    found = column.astype(str).str.lower().map(known)
    if found.isna().any():
        wrong = column[found.isna()].iloc[0]
        raise InputError(f"{path}: the column seen must hold true or false, got {wrong!r}.")
    return found.astype(bool)


def concatenate_scores(tables: Sequence[ScoreTable]) -> ScoreTable:
    """Return several tables of one critic as one.

    Raises
    ------
    InputError
        When they come from different critics: their scores differ in shift and scale.
    """
    if len(tables) == 1:
        return tables[0]
    hashes = [str(t.provenance.get("critic_hash", "unknown")) for t in tables]
    if len(set(hashes)) > 1:
        raise InputError(
            f"these scores come from different critics ({', '.join(hashes)}); a loss leaves shift and scale free, so"
            " they cannot be put in one report. Make one report for each."
        )
    shared = [c for c in tables[0].table if c not in FITTED and all(c in t.table for t in tables)]
    kinds = {(tuple(t.provenance.get("layers", ())), t.provenance.get("pooling")) for t in tables}
    if len(kinds) > 1:
        shared = [c for c in shared if not str(c).startswith(EMBEDDING)]
    frame = pd.concat([t.table[shared] for t in tables], ignore_index=True)
    same = [c for c in ("sample_id", "path", "source") if c in frame]
    is_copy = frame.duplicated(same) if same else pd.Series(False, index=frame.index)
    notes = [w for t in tables for w in t.provenance.get("warnings", [])]
    if len(kinds) > 1:
        notes.append("the tables hold embeddings of different layers or pooling, which are left out.")
    if is_copy.any():
        notes.append(f"{int(is_copy.sum())} images stand in more than one table; each was counted once.")
    if any(c in t.table for c in FITTED for t in tables):
        notes.append("the pixel controls were fitted on each table alone and are left out; score the data in one go.")
    return ScoreTable(frame[~is_copy].reset_index(drop=True), {**tables[0].provenance, "warnings": notes})


def by_critic(tables: Sequence[ScoreTable]) -> list[ScoreTable]:
    """Return one table a critic, all with the same images in the same order: several trainings on one data set.

    Raises
    ------
    InputError
        When critics of several trainings scored different images, or embed with different layers.
    """
    groups: dict[str, list[ScoreTable]] = {}
    for table in tables:
        groups.setdefault(str(table.provenance.get("critic_hash", "unknown")), []).append(table)
    runs = [concatenate_scores(group) for group in groups.values()]
    if len(runs) == 1:
        return runs
    first = runs[0]
    if any("sample_id" not in run.table or run.table["sample_id"].duplicated().any() for run in runs):
        raise InputError(
            "scores of several critics can be compared image by image only: each table needs a column sample_id"
            " without repetitions. Score one set of different images with each critic."
        )
    for run in runs[1:]:
        if set(run.table["sample_id"]) != set(first.table["sample_id"]):
            raise InputError(
                f"these scores come from different critics ({', '.join(groups)}) and from different images; a loss"
                " leaves shift and scale free, so they cannot be put together. Score the same images with each critic,"
                " or make one report for each."
            )
    kinds = {(tuple(r.provenance.get("layers", ())), r.provenance.get("pooling")) for r in runs}
    if len(kinds) > 1:
        raise InputError(
            "the critics embed with different layers or pooling; score with the same --layer and --pooling."
        )
    if len({EMBEDDING + "critic" in run.table for run in runs}) > 1:
        raise InputError("some of these tables have embeddings and some have none; score all of them alike.")
    order = first.table["sample_id"]
    runs = [ScoreTable(run.table.set_index("sample_id").loc[order].reset_index(), run.provenance) for run in runs]
    for column in ("label", "seen"):
        if any(not run.table.get(column, pd.Series()).equals(first.table.get(column, pd.Series())) for run in runs):
            raise InputError(f"the tables disagree in the column {column} of the same images; score one data set.")
    return runs


def average_scores(tables: Sequence[ScoreTable]) -> ScoreTable:
    """Return one table with the mean critic_score of several critics that share a gauge, image by image.

    What belongs to one critic alone is left out: embeddings, untrained controls, ``critic_uncertainty``.

    Raises
    ------
    InputError
        When scores are in the units of their own training (gauge "raw"), in different gauges, or of different images.
    """
    gauges = [t.provenance.get("gauge") or {"alignment": "raw", "panel": ""} for t in tables]
    how = "Put the trainings together: gan-probe ensemble RUN RUN ... --panel DATA --out DIR; and score with that."
    if any(gauge["alignment"] == "raw" for gauge in gauges):
        raise InputError(f"raw scores of different trainings have different units, so they have no mean. {how}")
    found = sorted({f"{gauge['alignment']} on panel {gauge['panel']}" for gauge in gauges})
    if len(found) != 1:
        raise InputError(f"a mean needs tables of one gauge; these have {len(found)} ({'; '.join(found)}). {how}")
    runs = by_critic(tables)
    first = runs[0].table
    own = [c for c in first if c == UNCERTAINTY or str(c).startswith((UNTRAINED, EMBEDDING))]
    mean = np.mean([run.table["critic_score"] for run in runs], axis=0).astype(np.float32)
    hashes = [str(run.provenance["critic_hash"]) for run in runs]
    provenance = {
        **runs[0].provenance, "critic_hash": hashlib.sha256(" ".join(hashes).encode()).hexdigest()[:16],
        "averaged": hashes, "layers": [], "pooling": "",
    }  # fmt: skip
    return ScoreTable(first.drop(columns=own).assign(critic_score=mean), provenance)
