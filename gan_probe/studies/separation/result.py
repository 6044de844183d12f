"""Tables of scores, analysed whole: what reports print and save. What it says in words is in `findings`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from gan_probe.errors import InputError
from gan_probe.scoring.controls import together
from gan_probe.scoring.table import (
    BASELINE,
    CRITIC_ROWS,
    CRITIC_SCORE,
    UNNAMED,
    ScoreTable,
    Source,
    factor_columns,
)
from gan_probe.stats.auroc import SIGNIFICANCE, Pair, n_separated, separation
from gan_probe.stats.beside import RANDOM_INIT, Beside
from gan_probe.stats.clustering import Clustering, cluster
from gan_probe.stats.conformal import Detection, detections
from gan_probe.stats.information import bits, chosen_rows, entropy, group_jackknife, null_information
from gan_probe.stats.intervals import hierarchical_bootstrap
from gan_probe.stats.margin import EMBEDDING_MEASURES, SCORE_MEASURES, Excess, excesses
from gan_probe.stats.regression import residuals, standardised
from gan_probe.stats.variance import Share, explained, varying
from gan_probe.studies.base import Notes
from gan_probe.studies.cluster.study import cluster_all
from gan_probe.studies.separation.distances import relative_distances
from gan_probe.studies.separation.pairs import ControlledPair, with_controls
from gan_probe.studies.separation.projection import project
from gan_probe.types import Labels, Values

FIRST_SCORE, FIRST_INIT = Source(False, RANDOM_INIT, "0"), Source(True, RANDOM_INIT, "0")
PIXELS = Source(True, BASELINE, "pixels")
PROJECTED = (CRITIC_ROWS, FIRST_INIT, PIXELS)
EXPLAINED = (CRITIC_SCORE, FIRST_SCORE, CRITIC_ROWS, FIRST_INIT)
MAX_EXPLAINED = 5000  # images on which shares of factors are measured


@dataclass(frozen=True)
class Information:
    """Bits that a score gives of the class, with a 95 % interval, beside its controls'."""

    bits: float
    ci_low: float
    ci_high: float
    of_bits: float
    controls: Mapping[str, float]


@dataclass(frozen=True)
class Analysis:
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
        The critic's pairs after the plain scalars of the pixels are regressed out; empty without them.
    excess : list of Excess
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
    projections : dict of Source to ndarray (n, 2)
        By embedding.
    n_runs : int
    ari_over_runs : tuple of float or None
        Mean ARI of the clusters chosen without labels in the embeddings of several trainings, and its 95 % interval.
    warnings : list of str
        What could not be done, and why.
    """

    table: pd.DataFrame
    classes: pd.DataFrame
    pairs: list[ControlledPair]
    controls: Beside[list[Pair]]
    remaining: list[Pair] = field(default_factory=list)
    excess: list[Excess] = field(default_factory=list)
    information: Information | None = None
    clusterings: dict[Source, list[Clustering]] = field(default_factory=dict)
    shares: dict[Source, list[Share]] = field(default_factory=dict)
    distances: pd.DataFrame | None = None
    detections: list[Detection] = field(default_factory=list)
    projections: dict[Source, Values] = field(default_factory=dict)
    n_runs: int = 1
    ari_over_runs: tuple[float, float, float] | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def critic_pairs(self) -> list[Pair]:
        """The critic's pairs alone."""
        return [p.pair for p in self.pairs]

    def closest(self) -> list[Pair]:
        """Return the critic's pairs, the hardest to tell apart first: by AUROC, then by distance over spread."""
        mean, std = (self.classes.set_index("label")[c] for c in ("mean", "std"))

        def distance(pair: Pair) -> float:
            spread = np.hypot(std[pair.a], std[pair.b])
            return abs(mean[pair.a] - mean[pair.b]) / spread if spread else np.inf

        return sorted(self.critic_pairs, key=lambda p: (p.auroc, distance(p)))

    def untrained_counts(self) -> list[int]:
        """Return how many pairs each untrained critic separates, one number a seed."""
        return [n_separated(pairs) for pairs in self.controls.random_init]

    def best_nuisance(self) -> tuple[str, int] | None:
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
        """Return the ARI of the clustering chosen without labels; the median over untrained seeds."""
        values = [c.ari for c in self.chosen(what)]
        return statistics.median(values) if values else None


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
) -> Analysis:
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
        Without labels, with one class only, or with a class of one image.
    ConfigError
        For an unknown reference class.
    """
    notes = Notes()
    scores, *more = (_usable(run, notes) for run in (scores, *more))
    table = scores.without_embeddings()
    if "label" not in table:
        raise InputError(
            "these scores have no labels, so there are no classes to separate. Add a label column to the data."
        )
    labels = table["label"].astype(str).to_numpy()
    runs = np.stack([run.table["critic_score"].to_numpy(dtype=np.float64) for run in (scores, *more)])
    n_unnamed = int((labels == UNNAMED).sum())
    if n_unnamed:
        notes.append(f"{n_unnamed} images have no label; they stand as a class of their own.")
    if np.ptp(runs[0]) == 0:
        notes.append("every score is the same: the critic tells nothing of these images.")
    on_step("pairs of classes")
    controls = _finite_controls(scores, notes)
    pairs, by_control = with_controls(runs, controls.controls(), labels)
    notes.extend(_too_small(table, len(pairs)))
    by_scalar = controls_of([p.pair for p in pairs], by_control, controls)
    analysis = Analysis(table, describe_classes(table), pairs, by_scalar, n_runs=len(runs), warnings=notes)
    analysis.remaining.extend(_remaining(runs, controls, labels))
    on_step("what the critic adds")
    analysis.excess.extend(measure_excess([scores, *more], controls, labels, seed=seed))
    found: dict[str, Any] = {"information": _information(runs[0], controls, labels, seed)}
    with notes.part("distances"):
        found["distances"] = relative_distances(table, reference)
    if "seen" in table and table["seen"].nunique() == 2:
        with notes.part("unseen classes"):
            analysis.detections.extend(detections(table, held_out, seed=seed))
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
    return Analysis(**{**vars(analysis), **found})


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
    return ScoreTable(scores.table.drop(columns=bad), scores.provenance)


def _finite_controls(scores: ScoreTable, notes: Notes) -> Beside[Values]:
    """Return the scalar controls; what cannot be used is noted."""
    every = scores.scalars_beside()
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


def _too_small(table: pd.DataFrame, n_pairs: int) -> list[str]:
    """Return a warning when the smallest classes cannot reach significance, however far apart they are."""
    first, second = sorted(table["label"].value_counts())[:2]
    best_p = 2 / math.comb(first + second, first) * n_pairs if first + second < 100 else 0.0
    if best_p < SIGNIFICANCE:
        return []
    return [
        f"classes of {first} and {second} images are too small: over {n_pairs} pairs, even without overlap their"
        f" p-value cannot fall below {min(1.0, best_p):.2g}, so they cannot count as separated."
    ]


def _remaining(runs: Values, controls: Beside[Values], labels: Labels) -> list[Pair]:
    scalars = together(controls.baselines)
    return [] if scalars is None else separation(residuals(runs, scalars), labels)


def measure_excess(
    runs: Sequence[ScoreTable], controls: Beside[Values], labels: Labels, *, seed: int = 0
) -> list[Excess]:
    """Return what scores and embeddings of one or more trainings tell of the classes, beside the controls."""
    found = excesses(SCORE_MEASURES, [run.scores for run in runs], controls.grouped(), labels, seed=seed)
    rows = runs[0].embeddings_beside()
    if rows is None:
        return found
    others, scalars = rows.grouped(), together(controls.baselines)
    if scalars is not None:
        others["plain scalars"] = (scalars,)
    own = [run.embeddings[CRITIC_ROWS] for run in runs]
    return found + excesses(EMBEDDING_MEASURES, own, others, labels, seed=seed)


def _information(scores: Values, controls: Beside[Values], labels: Labels, seed: int) -> Information:
    rows = chosen_rows(labels, seed=seed)
    names, values = labels[rows], scores[rows]
    null = null_information(values, names, seed=seed)  # it depends on the classes' sizes, hardly on the scores

    def of(part: npt.NDArray[np.intp]) -> float:
        return bits(values[part], names[part], null=null, seed=seed)

    value, low, high = group_jackknife(of, names, seed=seed)
    others = {name: bits(column[rows], names, null=null, seed=seed) for name, column in controls.controls().items()}
    of_bits = entropy(names)
    return Information(value, max(low, 0.0), min(high, of_bits), of_bits, others)


def _shares(scores: ScoreTable, labels: Labels, notes: Notes, *, seed: int = 0) -> dict[Source, list[Share]]:
    """Return what each factor explains of scores and embeddings, where the data has factors that vary."""
    columns = factor_columns(scores.table)
    if not columns:
        return {}
    rows = chosen_rows(labels, most=MAX_EXPLAINED, seed=seed)
    found: dict[Source, list[Share]] = {}
    with notes.part("factors"):
        table = scores.table.iloc[rows]
        missing = [c for c in columns.values() if table[c].isna().any()]
        notes.extend(f"{column} has missing values; the factor was left out." for column in missing)
        nested = [c for c in columns.values() if not table[c].map(np.isscalar).all() and c not in missing]
        notes.extend(f"{column} holds more than one value an image; the factor was left out." for column in nested)
        factors = varying({name: table[c] for name, c in columns.items() if c not in (*missing, *nested)})
        embeddings = scores.embeddings
        for source in EXPLAINED:
            if source not in scores.sources:
                continue
            values = embeddings[source] if source.is_embedding else scores.table[source.column].to_numpy()
            if np.isfinite(values).all():
                with notes.part(f"factors of {source.column}"):
                    found[source] = explained(standardised(values[rows]), factors, labels[rows], seed=seed)
    return found


def describe_classes(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row a class, highest mean score first."""
    grouped = table.groupby("label", sort=False)["critic_score"]
    classes = grouped.agg(n="size", mean="mean", std="std", min="min", max="max").reset_index()
    if "seen" in table:
        seen = table.groupby("label")["seen"].first()
        classes.insert(2, "seen", classes["label"].map(seen).astype(bool))
    return classes.sort_values("mean", ascending=False, ignore_index=True)


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
        return float(np.mean([adjusted_rand_score(names[images], assignments[run][images]) for run in drawn]))

    value, low, high = hierarchical_bootstrap(agreement, len(runs), names, n_draws=200, seed=seed)
    return value, max(low, -1.0), min(high, 1.0)
