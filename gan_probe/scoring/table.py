"""``scores.parquet``: one row an image, and in the file's metadata where the scores come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gan_probe.errors import InputError
from gan_probe.names import set_aside
from gan_probe.places import SCORES, hint
from gan_probe.records import CHECKSUM, check_seal, read_table, seal
from gan_probe.scoring.controls import CONTROLS, SCORED
from gan_probe.scoring.folder import SAMPLE, ScoreFolder
from gan_probe.stats.beside import RANDOM_INIT, Beside
from gan_probe.types import Rows, Scores
from synthetic.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

T = TypeVar("T")

SCHEMA, OLD_SCHEMA = "gan_probe.scores/2", "gan_probe.scores/1"
_OLD_RANDOM_INIT = "untrained"  # what schema 1 called randomly initialised critics in its columns
SCORE = "critic_score"
UNCERTAINTY = "critic_uncertainty"  # of an ensemble: the standard deviation over its members
PREDICTED = "predicted_label"  # of a semi-supervised critic: the most probable of its classes
COLUMNS = "columns"  # in the file, of those that were written
UNNAMED = "(no label)"  # the class of images whose label is missing
CRITIC, BASELINE = "critic", "baseline"
_CONTROL = "control."  # columns of one number an image
_EMBEDDING = "embedding."  # columns of vectors
_FACTOR = "factor."  # columns of what is known of an image


class Source(NamedTuple):
    """What a column of numbers is: a score or an embedding, of the critic or of a control.

    ``of`` is `CRITIC`, `RANDOM_INIT` or `BASELINE`; ``name`` that of the baseline, or the number of the random
    initialisation.
    """

    is_embedding: bool
    of: str
    name: str = ""

    @classmethod
    def parse(cls, column: str) -> Source | None:
        """Return what a column is, or None for one that holds no such numbers."""
        if column == SCORE:
            return cls(False, CRITIC)
        for prefix, is_embedding in ((_CONTROL, False), (_EMBEDDING, True)):
            if column.startswith(prefix):
                rest = column.removeprefix(prefix)
                if rest.startswith(f"{RANDOM_INIT}."):
                    return cls(is_embedding, RANDOM_INIT, rest.removeprefix(f"{RANDOM_INIT}."))
                return (
                    cls(is_embedding, CRITIC) if is_embedding and rest == CRITIC else cls(is_embedding, BASELINE, rest)
                )
        return None

    @property
    def short(self) -> str:
        """The name without what kind it is: "critic", "random_init.0", "pixels"."""
        return CRITIC if self.of == CRITIC else f"{RANDOM_INIT}.{self.name}" if self.of == RANDOM_INIT else self.name

    @property
    def column(self) -> str:
        """The column that holds it."""
        if self.of == CRITIC and not self.is_embedding:
            return SCORE
        return f"{_EMBEDDING if self.is_embedding else _CONTROL}{self.short}"

    @property
    def shares_unit(self) -> bool:
        """Whether its columns share a unit, so that they are not standardised."""
        return self.is_embedding and self.of == BASELINE and self.name in SCORED and SCORED[self.name].shares_unit

    @property
    def is_fitted(self) -> bool:
        """Whether it was fitted on the images of one table, so that two tables cannot be put together."""
        return self.of == BASELINE and any(c.name == self.name and c.fitted and c.in_scores for c in CONTROLS)


CRITIC_SCORE, CRITIC_ROWS = Source(False, CRITIC), Source(True, CRITIC)


def factor_columns(table: pd.DataFrame) -> dict[str, str]:
    """Return the columns of factors, by the factor's name."""
    return {str(c).removeprefix(_FACTOR): str(c) for c in table if str(c).startswith(_FACTOR)}


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
    def sources(self) -> dict[Source, str]:
        """The columns that hold scores, embeddings and their controls, by what they are, in their order."""
        found = {str(column): Source.parse(str(column)) for column in self.table.columns}
        return {source: column for column, source in found.items() if source is not None}

    @property
    def scores(self) -> Scores:
        """The critic's scores, (n,) float64."""
        return self.table[SCORE].to_numpy(dtype=np.float64)

    @cached_property
    def embeddings(self) -> dict[Source, Rows]:
        """The critic's embedding and those of its controls, each (n, d)."""
        return {
            source: np.stack(self.table[column].to_list()).astype(np.float32, copy=False)
            for source, column in self.sources.items()
            if source.is_embedding
        }

    def scores_beside(self) -> Beside[Scores]:
        """Return the critic's scores beside the scalar controls, each (n,) float64, as they are."""
        scalars = {s: self.table[c].to_numpy(dtype=np.float64) for s, c in self.sources.items() if not s.is_embedding}
        return beside(scalars)

    def embeddings_beside(self) -> Beside[Rows] | None:
        """Return the critic's embedding beside those of its controls; None without one of the critic."""
        found = self.embeddings
        return beside(found) if CRITIC_ROWS in found else None

    def plot(self, name: str | None = None, ax: Axes | None = None) -> list[Axes]:
        """Draw the histogram of scores by class, into an Axes or a new figure, and return its axes."""
        page = import_module("gan_probe.report.page")
        return page.plot(import_module("gan_probe.report.scores").PAGE, self, name, ax)

    def findings(self) -> list[str]:
        """Return what the table holds, in words."""
        values, n_embeddings = self.scores, len([s for s in self.sources if s.is_embedding])
        n_controls = len([s for s in self.sources if s.of != CRITIC and not s.is_embedding])
        return [
            f"{len(values)} images by {self.provenance.get('network', 'a critic')}: scores from {values.min():.3f} to"
            f" {values.max():.3f}, mean {values.mean():.3f} (higher = more like the training data).",
            f"Beside them {n_controls} scalar controls and {n_embeddings} embeddings; gan_probe.separation(scores) says"
            " what they separate.",
        ]

    def _repr_html_(self) -> str:
        """Return what it holds, classes and a histogram, as notebooks show them."""
        page = import_module("gan_probe.report.page")
        return page.as_html(import_module("gan_probe.report.scores").PAGE, self)

    def without_embeddings(self) -> pd.DataFrame:
        """Return the table without embeddings."""
        return self.table.drop(columns=[c for s, c in self.sources.items() if s.is_embedding])


def beside(found: Mapping[Source, T]) -> Beside[T]:
    """Return what is known of a critic and its controls, by what it is, as the critic beside its controls."""
    critic = next(value for source, value in found.items() if source.of == CRITIC)
    return Beside(
        critic=critic,
        random_init=tuple(value for source, value in found.items() if source.of == RANDOM_INIT),
        baselines={source.name: value for source, value in found.items() if source.of == BASELINE},
    )


def columns_of(scores: Beside[Any], rows: Beside[Any] | None) -> dict[str, Any]:
    """Return the columns of a score table for scores, embeddings and their controls, in the table's order."""
    columns: dict[str, Any] = {SCORE: scores.critic}
    if rows is not None:
        columns[CRITIC_ROWS.column] = list(rows.critic)
    for number, column in enumerate(scores.random_init):
        columns[Source(False, RANDOM_INIT, str(number)).column] = column
        if rows is not None:
            columns[Source(True, RANDOM_INIT, str(number)).column] = list(rows.random_init[number])
    columns |= {Source(False, BASELINE, name).column: column for name, column in scores.baselines.items()}
    if rows is not None:
        columns |= {Source(True, BASELINE, name).column: list(found) for name, found in rows.baselines.items()}
    return columns


def rows_with_label(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose image has a label; whether others are of a seen class is not known."""
    return table[table["label"].astype(str) != UNNAMED] if "label" in table else table


def without_ours(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose columns with names of ours, such as older scores, are called ``own.NAME``."""
    return set_aside(table, [c for c in table if c in (UNCERTAINTY, PREDICTED) or Source.parse(str(c)) is not None])


def write_scores(scores: ScoreTable, path: str | Path, *, overwrite: bool = True) -> None:
    """Write ``scores.parquet``; the file appears whole or not at all."""
    columns: dict[str, Any] = {}
    for name in scores.table.columns:
        column = scores.table[name]
        source = Source.parse(str(name))
        if source is not None and source.is_embedding:
            vectors = np.stack(column.to_list()).astype(np.float32, copy=False)
            columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        else:
            try:
                columns[name] = pa.array(column, from_pandas=True)
            except pa.ArrowException:  # a user's column of mixed types
                columns[name] = pa.array(column.astype(str))
    told = json.loads(json.dumps({"schema": SCHEMA, **scores.provenance, COLUMNS: list(columns)}, default=str))
    table = pa.table(columns).replace_schema_metadata({"gan_probe": json.dumps(seal(told))})
    with atomic_path(path, overwrite=overwrite) as temporary:
        pq.write_table(table, temporary, write_page_checksum=True)


def read_scores(path: str | Path) -> ScoreTable:
    """Return the table that `write_scores` wrote, or the sample in a folder of scores.

    Raises
    ------
    InputError
        When the file is missing, not Parquet, has no ``critic_score``, or holds scores that are not numbers.
    """
    path = Path(path)
    if path.is_dir():
        return _read_sample(path)
    if not path.is_file():
        raise InputError(f"{path} is not a file. Make scores with: gan-probe score CRITIC DATA --out scores.parquet")
    if path.suffix.lower() != ".parquet" and (help_ := hint(path, SCORES)):
        raise InputError(f"{path} is no table of scores.{help_}")
    table = read_table(path)
    provenance = _provenance(table, path)
    frame = table.to_pandas()
    if provenance["schema"] != SCHEMA:
        frame = frame.rename(columns=_new_name)
    return ScoreTable(_checked(frame, path), provenance)


def _read_sample(path: Path) -> ScoreTable:
    """Return the sample of a folder of scores, with a word on what it is a sample of."""
    folder = ScoreFolder(path)
    folder.check_complete()
    found = read_scores(path / SAMPLE)
    summary = folder.summary
    n, n_scored = len(found.table), summary.n_images
    if n == n_scored:
        return found
    said = (
        f"{n:,} of {n_scored:,} images that were scored are looked at here: a sample, chosen by the hashes of the"
        " images, the same number of each class as far as there are so many."
    )
    warnings = [said, *summary.findings(), *found.provenance.get("warnings", [])]
    return ScoreTable(found.table, {**found.provenance, "warnings": warnings})


def _provenance(table: pa.Table, path: Path) -> dict[str, Any]:
    """Return what a file says of itself; ``schema`` is None for a table of other origin."""
    raw = (table.schema.metadata or {}).get(b"gan_probe")
    try:
        provenance: dict[str, Any] = {"schema": None} | json.loads(raw or b"{}")
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: its gan_probe metadata is broken ({error}). Score again.") from error
    if provenance["schema"] not in (SCHEMA, OLD_SCHEMA, None):
        raise InputError(f"{path} has schema {provenance['schema']!r}; this version reads {SCHEMA!r}. Score again.")
    check_seal(provenance, path)
    provenance.pop(CHECKSUM, None)
    missing = [name for name in provenance.pop(COLUMNS, ()) if name not in table.column_names]
    if missing:
        raise InputError(
            f"{path} was changed since it was saved: it has no column {missing[0]!r} any more. Score again."
        )
    return provenance


def _checked(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return a table whose scores and controls are numbers, labels text, and ``seen`` truth values."""
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
    for column in (c for c in frame if (s := Source.parse(str(c))) and not s.is_embedding and s.of != CRITIC):
        frame[column] = pd.to_numeric(frame[column], errors="coerce")
    return frame


def _new_name(column: object) -> object:
    """Return what a column of schema 1 is called today."""
    for prefix in (_CONTROL, _EMBEDDING):
        if str(column).startswith(f"{prefix}{_OLD_RANDOM_INIT}."):
            return str(column).replace(f"{prefix}{_OLD_RANDOM_INIT}", f"{prefix}{RANDOM_INIT}", 1)
    return column


def _check_versions(tables: Sequence[ScoreTable]) -> None:
    """Raise where one version of gan-probe wrote some of the tables and another the others.

    Their hashes cover different things, so one critic would pass for two.
    """
    found = {str(t.provenance.get("schema") or SCHEMA) for t in tables if "critic_hash" in t.provenance}
    if len(found) > 1:
        raise InputError(
            f"these tables were written by two versions of gan-probe ({', '.join(sorted(found))}), in which the same"
            " critic has different hashes. Score again with this one: gan-probe score CRITIC DATA --out FILE."
        )


def _is(column: object, what: str) -> bool:
    """Return whether a column holds numbers of ours that are "is_embedding" or "is_fitted"."""
    source = Source.parse(str(column))
    return source is not None and bool(getattr(source, what))


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
    _check_versions(tables)
    hashes = [str(t.provenance.get("critic_hash", "unknown")) for t in tables]
    if len(set(hashes)) > 1:
        raise InputError(
            f"these scores come from different critics ({', '.join(hashes)}); a loss leaves shift and scale free, so"
            " they cannot be put in one report. Make one report for each."
        )
    notes = [w for t in tables for w in t.provenance.get("warnings", [])]
    if any("label" in t.table for t in tables):  # images of tables without labels are a class of their own
        tables = [t if "label" in t.table else ScoreTable(t.table.assign(label=UNNAMED), t.provenance) for t in tables]
    columns = dict.fromkeys(str(c) for t in tables for c in t.table if not _is(c, "is_fitted"))
    shared = [c for c in columns if all(c in t.table for t in tables)]
    if dropped := [c for c in columns if c not in shared]:
        notes.append(f"columns that only some of the tables have are left out: {', '.join(dropped)}.")
    kinds = {(tuple(t.provenance.get("layers", ())), t.provenance.get("pooling")) for t in tables}
    if len(kinds) > 1:
        shared = [c for c in shared if not _is(c, "is_embedding")]
    frame = pd.concat([t.table[shared] for t in tables], ignore_index=True)
    same = [c for c in ("sample_id", "path", "source") if c in frame]
    is_copy = frame.duplicated(same) if same else pd.Series(False, index=frame.index)
    if len(kinds) > 1:
        notes.append("the tables hold embeddings of different layers or pooling, which are left out.")
    if is_copy.any():
        notes.append(f"{int(is_copy.sum())} images stand in more than one table; each was counted once.")
    if any(source.is_fitted for t in tables for source in t.sources):
        notes.append("the pixel controls were fitted on each table alone and are left out; score the data in one go.")
    return ScoreTable(frame[~is_copy].reset_index(drop=True), {**tables[0].provenance, "warnings": notes})


def by_critic(tables: Sequence[ScoreTable]) -> list[ScoreTable]:
    """Return one table a critic, all with the same images in the same order: several trainings on one data set.

    Raises
    ------
    InputError
        When critics of several trainings scored different images, or embed with different layers; when two versions
        of gan-probe wrote the tables.
    """
    _check_versions(tables)
    groups: dict[str, list[ScoreTable]] = {}
    for table in tables:
        groups.setdefault(str(table.provenance.get("critic_hash", "unknown")), []).append(table)
    runs = [concatenate_scores(group) for group in groups.values()]
    if len(runs) == 1:
        return runs
    runs = in_one_order(runs)
    kinds = {(tuple(r.provenance.get("layers", ())), r.provenance.get("pooling")) for r in runs}
    if len(kinds) > 1:
        raise InputError(
            "the critics embed with different layers or pooling; score with the same --layer and --pooling."
        )
    if len({CRITIC_ROWS in run.sources for run in runs}) > 1:
        raise InputError("some of these tables have embeddings and some have none; score all of them alike.")
    return runs


def in_one_order(runs: Sequence[ScoreTable]) -> list[ScoreTable]:
    """Return tables of several critics with the same images in the order of the first.

    Raises
    ------
    InputError
        When they are of different images, disagree about classes, or were written by two versions of gan-probe.
    """
    _check_versions(runs)
    runs = [_without_copies(run) for run in runs]
    first = runs[0]
    for run in runs[1:]:
        if set(run.table["sample_id"]) != set(first.table["sample_id"]):
            hashes = ", ".join(str(run.provenance.get("critic_hash", "unknown")) for run in runs)
            raise InputError(
                f"these scores come from different critics ({hashes}) and from different images; a loss"
                " leaves shift and scale free, so they cannot be put together. Score the same images with each critic,"
                " or make one report for each."
            )
    order = first.table["sample_id"]
    runs = [ScoreTable(run.table.set_index("sample_id").loc[order].reset_index(), run.provenance) for run in runs]
    for column in ("label", "seen"):
        if any(not run.table.get(column, pd.Series()).equals(first.table.get(column, pd.Series())) for run in runs):
            raise InputError(f"the tables disagree in the column {column} of the same images; score one data set.")
    return runs


def _without_copies(run: ScoreTable) -> ScoreTable:
    """Return a table with one row an image; of images that are equal, pixel by pixel, the first, noted."""
    if "sample_id" not in run.table:
        raise InputError(
            "scores of several critics can be compared image by image only: each table needs a column sample_id."
            " Score one set of images with each critic."
        )
    is_copy = run.table["sample_id"].duplicated()
    if not is_copy.any():
        return run
    note = f"{int(is_copy.sum())} images are equal to others, pixel by pixel; between trainings each is compared once."
    warnings = [*run.provenance.get("warnings", []), note]
    return ScoreTable(run.table[~is_copy].reset_index(drop=True), {**run.provenance, "warnings": warnings})


def average_scores(tables: Sequence[ScoreTable]) -> ScoreTable:
    """Return one table with the mean critic_score of several critics that share a gauge, image by image.

    What belongs to one critic alone is left out: embeddings, randomly initialised controls, ``critic_uncertainty``.

    Raises
    ------
    InputError
        When scores are in the units of their own training (gauge "raw"), in different gauges, or of different images.
    """
    gauges = [t.provenance.get("gauge") or {"alignment": "raw", "panel": ""} for t in tables]
    how = "Put the trainings together: gan-probe ensemble RUN RUN ... --data DATA --out DIR; and score with that."
    if any(gauge["alignment"] == "raw" for gauge in gauges):
        raise InputError(f"raw scores of different trainings have different units, so they have no mean. {how}")
    found = sorted({f"{gauge['alignment']} on panel {gauge['panel']}" for gauge in gauges})
    if len(found) != 1:
        raise InputError(f"a mean needs tables of one gauge; these have {len(found)} ({'; '.join(found)}). {how}")
    runs = by_critic(tables)
    first = runs[0].table
    own = [c for s, c in runs[0].sources.items() if s.is_embedding or s.of == RANDOM_INIT]
    own += [UNCERTAINTY] if UNCERTAINTY in first else []
    mean = np.mean([run.table["critic_score"] for run in runs], axis=0).astype(np.float32)
    hashes = [str(run.provenance["critic_hash"]) for run in runs]
    provenance = {
        **runs[0].provenance, "critic_hash": hashlib.sha256(" ".join(hashes).encode()).hexdigest()[:16],
        "averaged": hashes, "layers": [], "pooling": "",
    }  # fmt: skip
    return ScoreTable(first.drop(columns=own).assign(critic_score=mean), provenance)
