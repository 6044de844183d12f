"""The study ``comparison``: tables of the same images by several critics, each a column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from gan_probe.errors import InputError
from gan_probe.scoring.table import CRITIC_ROWS, ScoreTable, in_one_order
from gan_probe.stats.auroc import n_separated, separate
from gan_probe.stats.beside import Difference
from gan_probe.stats.margin import SCORE_MEASURES, Right, difference, linear_probe, margins, measured_rows
from gan_probe.studies.base import quiet
from gan_probe.studies.comparison.result import EMBEDDING, SCORE, Column, ComparisonResult, Contrast
from gan_probe.types import Labels, OnPart, Rows

MEASURES = {SCORE: SCORE_MEASURES[SCORE], EMBEDDING: linear_probe}


def comparison(tables: Mapping[str, ScoreTable], *, seed: int = 0, on_step: OnPart = quiet) -> ComparisonResult:
    """Return several critics side by side, each beside its controls, with the difference of every two.

    Parameters
    ----------
    tables : mapping of str to ScoreTable
        By the name of the column; the same labelled images, each by another critic, whatever its network and layers.
    seed : int
        Of the folds, which are the same for all.
    on_step : callable, optional
        Called with the name of each critic before it is measured.

    Raises
    ------
    InputError
        For fewer than two tables, two of one critic, different images, images without labels or with fewer than two
        classes, or scores that are not finite.
    """
    if len(tables) < 2:
        raise InputError(f"a comparison is of two tables at least, got {len(tables)}. Score with another critic, too.")
    counted = Counter(str(t.provenance.get("critic_hash", n)) for n, t in enumerate(tables.values()))
    if max(counted.values()) > 1:
        raise InputError("two of these tables are of the same critic; compare critics, runs or snapshots that differ.")
    runs = in_one_order(list(tables.values()))
    first = runs[0].table
    if "label" not in first:
        raise InputError("these scores have no labels; a comparison is about classes. Add a label column to the data.")
    labels = first["label"].astype(str).to_numpy()
    columns, right = [], {}
    for name, run in zip(tables, runs, strict=True):
        on_step(name)
        if not np.isfinite(run.scores).all():
            raise InputError(f"{name} has scores that are not finite numbers; leave it out.")
        columns.append(_column(name, run, labels, seed))
        right[name] = _right(run, labels, seed)
    contrasts = [
        Contrast(
            measure=measure, critic=a, other=b,
            difference=Difference(*difference(right[a][measure][None], right[b][measure][None])),
        )
        for measure in MEASURES
        if all(measure in found for found in right.values())
        for a, b in permutations(right, 2)
    ]  # fmt: skip
    left_out = [name for name, run in zip(tables, runs, strict=True) if CRITIC_ROWS not in run.sources]
    notes = [f"{name}: {w}" for name, run in zip(tables, runs, strict=True) for w in run.provenance.get("warnings", [])]
    if left_out:
        notes.append(f"embeddings are not compared: {', '.join(left_out)} were scored without.")
    kept = [c for c in ("sample_id", "path", "label") if c in first]
    return ComparisonResult(
        columns=columns,
        contrasts=contrasts,
        table=first[kept],
        n_pairs=len(separate(runs[0].scores, labels)),
        provenance=_provenance(columns),
        warnings=notes,
    )


def _column(name: str, run: ScoreTable, labels: Labels, seed: int) -> Column:
    finite = {n: v for n, v in run.scores_beside().grouped().items() if all(np.isfinite(one).all() for one in v)}
    found = margins(SCORE_MEASURES, [run.scores], finite, labels, seed=seed)
    rows = run.embeddings_beside()
    if rows is not None:
        found += margins({EMBEDDING: linear_probe}, [rows.critic], rows.grouped(), labels, seed=seed)
    given = {k: v for k, v in run.provenance.items() if k != "warnings"}
    n = n_separated(separate(run.scores, labels))
    return Column(name=name, scores=run.scores, margins={m.measure: m for m in found}, n_separated=n, provenance=given)


def _right(run: ScoreTable, labels: Labels, seed: int) -> dict[str, Right]:
    """Return which images each measure gets right, in the same folds for every critic; images as `margins` takes."""
    found: dict[str, Rows] = {SCORE: run.scores}
    if CRITIC_ROWS in run.sources:
        found[EMBEDDING] = run.embeddings[CRITIC_ROWS]
    right = {}
    for measure, values in found.items():
        rows = measured_rows(values, labels, seed=seed)
        right[measure] = MEASURES[measure](values[rows], labels[rows], seed)
    return right


def _provenance(columns: Sequence[Column]) -> dict[str, Any]:
    shared = {"data_source": columns[0].provenance.get("data_source", "")}
    kept = ("critic_source", "network", "step", "critic_hash")
    return shared | {f"{c.name}: {k}": c.provenance[k] for c in columns for k in kept if k in c.provenance}


def column_names(paths: Sequence[str | Path]) -> list[str]:
    """Return how tables are named: by the shortest ends of their paths that differ, without the suffix.

    Examples
    --------
    >>> column_names(["a/scores.parquet", "b/scores.parquet"]), column_names(["x/one.parquet", "x/two.parquet"])
    (['a', 'b'], ['one', 'two'])
    """
    parts = [Path(path).with_suffix("").parts for path in paths]
    for place in range(1, max(map(len, parts)) + 1):
        names = [found[-place] if len(found) >= place else "" for found in parts]
        if len(set(names)) == len(names) and all(names):
            return names
    return [f"{number} {found[-1]}" for number, found in enumerate(parts, 1)]
