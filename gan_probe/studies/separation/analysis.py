"""Tables of scores, analysed whole: arrays and tables in, a `SeparationResult` out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gan_probe.errors import InputError
from gan_probe.scoring.controls import together
from gan_probe.scoring.table import CRITIC_ROWS, UNNAMED, ScoreTable, Source, factor_columns, rows_with_label
from gan_probe.stats.agreement import class_means, kendall_w
from gan_probe.stats.auroc import Pair, separate
from gan_probe.stats.beside import Beside
from gan_probe.stats.clustering import adjusted_rand, cluster
from gan_probe.stats.conformal import detections
from gan_probe.stats.describe import describe_classes
from gan_probe.stats.information import MAX_FITTED, bits, bits_interval, chosen_rows, entropy
from gan_probe.stats.intervals import MIN_UNIT, hierarchical_bootstrap, runs_and_images
from gan_probe.stats.margin import EMBEDDING_MEASURES, SCORE_MEASURES, Margin, margins
from gan_probe.stats.regression import residuals, standardised
from gan_probe.stats.variance import Share, explained, varying
from gan_probe.studies.base import Notes
from gan_probe.studies.cluster.study import cluster_all
from gan_probe.studies.outliers.result import against_seen
from gan_probe.studies.separation.distances import relative_distances
from gan_probe.studies.separation.opening import MIN_TRAININGS
from gan_probe.studies.separation.pairs import with_controls
from gan_probe.studies.separation.projection import TITLES, project
from gan_probe.studies.separation.result import EXPLAINED, PROJECTED, Information, Recurrence, SeparationResult
from gan_probe.types import Indices, Labels, Values

N_DRAWN = 100  # of images, for an interval over trainings
N_PARTS = 5  # that ``on_step`` is told of, each before it begins


def analyse(
    scores: ScoreTable,
    more: Sequence[ScoreTable] = (),
    *,
    reference: str | None = None,
    held_out: Values | None = None,
    projection: str = "pca",
    seed: int = 0,
    clusters: bool = True,
    on_step: Callable[[str], None] = lambda name: None,
) -> SeparationResult:
    """Return the analysis of a table of scores.

    Parameters
    ----------
    scores : ScoreTable
    more : sequence of ScoreTable
        Of other trainings, on the same images in the same order: see `gan_probe.scoring.table.by_critic`.
    reference : str, optional
        Class from which distances are measured; default the first seen one.
    held_out : ndarray, optional
        Scores of held-out reals by the critic, to tell unseen classes from.
    projection : str
    seed : int
    clusters : bool
        Also cluster scores and embeddings.
    on_step : callable, optional
        Called with the name of each part before it is computed.

    Raises
    ------
    InputError
        Without labels, or where fewer than two classes have two images.
    ConfigError
        For an unknown reference class.
    """
    notes = Notes()
    scores, *more = (_usable(run, notes) for run in (scores, *more))
    scores, *more = _of_classes([scores, *more], notes)
    table = scores.without_embeddings()
    labels = table["label"].astype(str).to_numpy()
    runs = np.stack([run.table["critic_score"].to_numpy(dtype=np.float64) for run in (scores, *more)])
    n_unnamed = int((labels == UNNAMED).sum())
    if n_unnamed:
        notes.append(f"{n_unnamed} images have no label; they stand as a class of their own.")
    if np.ptp(runs[0]) == 0:
        notes.append("every score is the same: the critic tells nothing of these images.")
    if len(table) > MAX_FITTED and scores.embeddings:
        notes.append(
            f"probes of embeddings, clusters and shares of factors are fitted on {MAX_FITTED:,} of the {len(table):,}"
            " images."
        )
    on_step("pairs of classes")
    controls = _finite_controls(scores, notes)
    pairs, by_control = with_controls(runs, controls.controls(), labels)
    by_scalar = controls_of([p.pair for p in pairs], by_control, controls)
    analysis = SeparationResult(
        table=table,
        classes=describe_classes(table),
        pairs=pairs,
        controls=by_scalar,
        n_runs=len(runs),
        scores=scores,
        projection=TITLES[projection],
        warnings=notes,
    )
    analysis.remaining.extend(_remaining(runs, controls, labels))
    on_step("what the critic adds")
    analysis.margins.extend(measure_margins([scores, *more], controls, labels, seed=seed))
    found: dict[str, Any] = {"information": _information(runs[0], controls, labels, seed)}
    with notes.part("distances"):
        found["distances"] = _distances(table, reference, notes)
    named = rows_with_label(table)
    if "seen" in named and named["seen"].nunique() == 2:
        with notes.part("unseen classes"):
            analysis.detections.extend(detections(named, held_out, seed=seed))
        found["unseen"] = against_seen(named, held_out if held_out is not None else np.array([]), "low")
    found["recurrence"] = _recurrence(runs, controls, labels, seed=seed)
    on_step("factors")
    analysis.shares.update(_shares(scores, labels, notes, seed=seed))
    if clusters:
        on_step("clusters")
        analysis.clusterings.update(cluster_all(scores, notes, seed=seed))
        if more and CRITIC_ROWS in scores.sources:
            with notes.part("clusters over trainings"):
                found["ari_over_runs"] = _ari_over_runs([scores, *more], labels, seed=seed)
    on_step("projections")
    embeddings = scores.embeddings
    for source, rows in embeddings.items():
        if source in PROJECTED:
            with notes.part(f"projection of {source.column}"):
                analysis.projections[source] = project(rows, projection, standardise=not source.shares_unit, seed=seed)
    if not embeddings:
        notes.append("no embeddings: these scores were made with --no-embeddings.")
    return replace(analysis, **found)


def _of_classes(runs: Sequence[ScoreTable], notes: Notes) -> list[ScoreTable]:
    """Return the tables without images that are alone in their class."""
    table = runs[0].table
    if "label" not in table:
        raise InputError(
            "these scores have no labels, so there are no classes to separate. Add a label column to the data."
        )
    is_alone = _alone(table, notes)
    if not is_alone.any():
        return list(runs)
    return [ScoreTable(run.table[~is_alone].reset_index(drop=True), run.provenance) for run in runs]


def _alone(table: pd.DataFrame, notes: Notes) -> npt.NDArray[np.bool_]:
    """Return which images are alone in their class, where two classes are left without them; noted."""
    n_images = table.groupby("label")["label"].transform("size")
    is_alone = (n_images == 1).to_numpy()
    if table.loc[~is_alone, "label"].nunique() < 2:
        return np.zeros(len(table), dtype=bool)  # what is wrong is said where pairs are formed
    if is_alone.any():
        named = ", ".join(table.loc[is_alone, "label"].astype(str).head(5))
        notes.append(
            f"{int(is_alone.sum())} classes of one image are left out: a pair needs two of each ({named}"
            f"{', ...' if is_alone.sum() > 5 else ''})."
        )
    return is_alone


def _usable(scores: ScoreTable, notes: Notes) -> ScoreTable:
    """Return a table without the embeddings that say nothing: not finite, or the same for every image; noted."""
    bad = []
    for source, rows in scores.embeddings.items():
        name = source.column
        if not np.isfinite(rows).all():
            bad.append(name)
            notes.append(f"{name} holds values that are not finite; it was left out.")
        elif np.ptp(rows, axis=0).max() == 0:
            bad.append(name)
            notes.append(f"{name} is the same for every image; it was left out.")
    if not bad:
        return scores
    return ScoreTable(scores.table.drop(columns=bad), scores.provenance)


def _finite_controls(scores: ScoreTable, notes: Notes) -> Beside[Values]:
    """Return the scalar controls; what cannot be used is noted."""
    every = scores.scores_beside()
    bad = [name for name, values in every.controls().items() if not np.isfinite(values).all()]
    for name in bad:
        notes.append(f"control {name} holds values that are not finite; it was left out.")
    found = Beside(
        critic=every.critic,
        random_init=tuple(values for values in every.random_init if np.isfinite(values).all()),
        baselines={name: values for name, values in every.baselines.items() if name not in bad},
    )
    if not found.controls():
        notes.append("no controls: these scores were made with --no-controls; nothing shows what the training added.")
    return found


def controls_of(pairs: list[Pair], by_control: Mapping[str, list[Pair]], of: Beside[Any]) -> Beside[list[Pair]]:
    """Return the pairs of each control, by its name, in the shape of ``of``."""
    names = list(of.controls())
    n = len(of.random_init)
    return Beside(
        critic=pairs,
        random_init=tuple(by_control[name] for name in names[:n]),
        baselines={name: by_control[name] for name in names[n:]},
    )


def _remaining(runs: Values, controls: Beside[Values], labels: Labels) -> list[Pair]:
    scalars = together(controls.baselines)
    return [] if scalars is None else separate(residuals(runs, scalars), labels)


def measure_margins(
    runs: Sequence[ScoreTable], controls: Beside[Values], labels: Labels, *, seed: int = 0
) -> list[Margin]:
    """Return what scores and embeddings of one or more trainings tell of the classes, beside the controls."""
    found = margins(SCORE_MEASURES, [run.scores for run in runs], controls.grouped(), labels, seed=seed)
    rows = runs[0].embeddings_beside()
    if rows is None:
        return found
    others, scalars = rows.grouped(), together(controls.baselines)
    if scalars is not None:
        others["image statistics"] = (scalars,)
    own = [run.embeddings[CRITIC_ROWS] for run in runs]
    return found + margins(EMBEDDING_MEASURES, own, others, labels, joined=("linear probe",), seed=seed)


def _distances(table: pd.DataFrame, reference: str | None, notes: Notes) -> pd.DataFrame:
    """Return classes on a line; noted where it has no intervals."""
    found = relative_distances(table, reference)
    if found["ci_low"].isna().any():
        notes.append(
            f"classes on a line have no intervals: the reference class has fewer than {MIN_UNIT} images, and how"
            " far its spread, the unit, is from that of others like it cannot be known."
        )
    return found


def _recurrence(runs: Values, controls: Beside[Values], labels: Labels, *, seed: int = 0) -> Recurrence | None:
    """Return how far trainings, and randomly initialised critics, put the classes in one order; None for few."""
    if len(runs) < MIN_TRAININGS:
        return None

    def order(drawn: Indices, images: Indices) -> Values:
        return np.array([kendall_w(class_means(runs[drawn][:, images], labels[images]))])

    values, widths = runs_and_images(order, len(runs), labels, n_draws=N_DRAWN, seed=seed)
    value, width = float(values[0]), float(widths[0])
    random = np.stack(controls.random_init) if len(controls.random_init) >= MIN_TRAININGS else None
    beside = math.nan if random is None else kendall_w(class_means(random, labels))
    return Recurrence(value, max(0.0, value - width), min(1.0, value + width), beside)


def _information(scores: Values, controls: Beside[Values], labels: Labels, seed: int) -> Information:
    rows = chosen_rows(labels, seed=seed)
    names = labels[rows]
    others = {name: bits(column[rows], names, seed=seed) for name, column in controls.controls().items()}
    return Information(*bits_interval(scores[rows], names, seed=seed), entropy(names), others)


def _shares(scores: ScoreTable, labels: Labels, notes: Notes, *, seed: int = 0) -> dict[Source, list[Share]]:
    """Return what each factor explains of scores and embeddings, where the data has factors that vary."""
    columns = factor_columns(scores.table)
    if not columns:
        return {}
    rows = chosen_rows(labels, most=MAX_FITTED, seed=seed)
    found: dict[Source, list[Share]] = {}
    with notes.part("factors"):
        table = scores.table.iloc[rows]
        factors = varying({name: table[c] for name, c in columns.items()}, notes.append)
        embeddings = scores.embeddings
        for source in EXPLAINED:
            if source not in scores.sources:
                continue
            values = embeddings[source] if source.is_embedding else scores.table[source.column].to_numpy()
            if np.isfinite(values).all():
                with notes.part(f"factors of {source.column}"):
                    found[source] = explained(standardised(values[rows]), factors, labels[rows], seed=seed)
    return found


def _ari_over_runs(runs: Sequence[ScoreTable], labels: Labels, *, seed: int = 0) -> tuple[float, float, float]:
    """Return the mean ARI of each training's clusters, chosen without labels, over new trainings and new images."""
    rows = chosen_rows(labels, seed=seed)
    names, assignments = labels[rows], []
    for run in runs:
        chosen = [c for c in cluster(run.embeddings[CRITIC_ROWS], labels, seed=seed) if c.is_chosen]
        if not chosen:
            raise InputError("a training has no clusters that can be chosen without labels.")
        assignments.append(chosen[0].assignment[rows])

    def agreement(drawn: npt.NDArray[np.intp], images: npt.NDArray[np.intp]) -> float:
        return float(np.mean([adjusted_rand(names[images], assignments[run][images]) for run in drawn]))

    value, low, high = hierarchical_bootstrap(agreement, len(runs), names, n_draws=200, seed=seed)
    return value, max(low, -1.0), min(high, 1.0)
