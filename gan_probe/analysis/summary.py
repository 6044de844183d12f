"""One table of scores, analysed whole: classes, separation, controls, clusters. What reports print and save."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gan_probe.analysis.clusters import Clustering, cluster
from gan_probe.analysis.projection import project
from gan_probe.analysis.separation import SIGNIFICANCE, ControlledPair, Pair, n_separated, separation, with_controls
from gan_probe.data.tables import CONTROL, ScoreTable
from gan_probe.errors import InputError

UNTRAINED = "untrained."  # control.untrained.0, embedding.untrained.0: one a seed
PIXELS = "embedding.pixels"
PROJECTED = ("embedding.critic", "embedding.untrained.0", PIXELS)
N_NAMED = 3


@dataclass(frozen=True)
class Analysis:
    """Everything that a report says about one table of scores.

    Attributes
    ----------
    table : DataFrame
        The scores and what is known of each image, without embeddings.
    classes : DataFrame
        One row a class, highest mean score first: ``label``, ``n``, ``seen``, ``mean``, ``std``, ``min``, ``max``.
    pairs : list of ControlledPair
        Every two classes, the critic beside its best control.
    controls : dict of str to list of Pair
        The same pairs by each control's scalar.
    clusterings : dict of str to list of Clustering
        By what was clustered: "critic_score", "embedding.critic" and the controls.
    projections : dict of str to ndarray (n, 2)
        By embedding.
    warnings : list of str
        What could not be done, and why.
    """

    table: pd.DataFrame
    classes: pd.DataFrame
    pairs: list[ControlledPair]
    controls: dict[str, list[Pair]]
    clusterings: dict[str, list[Clustering]] = field(default_factory=dict)
    projections: dict[str, npt.NDArray[np.floating[Any]]] = field(default_factory=dict)
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
        return [n_separated(p) for name, p in self.controls.items() if name.startswith(UNTRAINED)]

    def best_nuisance(self) -> tuple[str, int] | None:
        """Return the scalar computed from pixels that separates most pairs, and how many."""
        counts = {n: n_separated(p) for n, p in self.controls.items() if not n.startswith(UNTRAINED)}
        return max(counts.items(), key=lambda item: item[1]) if counts else None

    def best_ari(self, what: str) -> float | None:
        """Return the k-means ARI of something clustered, k chosen without labels; the median over untrained seeds."""
        values = [
            c.ari
            for name, found in self.clusterings.items()
            if name == what or (what.endswith("untrained") and name.startswith(f"{what}."))
            for c in found
            if c.method == "k-means" and c.k_from == "silhouette"
        ]
        return statistics.median(values) if values else None


def _too_small(table: pd.DataFrame, n_pairs: int) -> list[str]:
    """Return a warning when the smallest classes cannot reach significance, however far apart they are."""
    first, second = sorted(table["label"].value_counts())[:2]
    best_p = 2 / math.comb(first + second, first) * n_pairs
    if best_p < SIGNIFICANCE:
        return []
    return [
        f"classes of {first} and {second} images are too small: over {n_pairs} pairs, even without overlap their"
        f" p-value cannot fall below {min(1.0, best_p):.2g}, so they cannot count as separated."
    ]


def describe_classes(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row a class, highest mean score first."""
    grouped = table.groupby("label", sort=False)["critic_score"]
    classes = grouped.agg(n="size", mean="mean", std="std", min="min", max="max").reset_index()
    if "seen" in table:
        seen = table.groupby("label")["seen"].first()
        classes.insert(2, "seen", classes["label"].map(seen).astype(bool))
    return classes.sort_values("mean", ascending=False, ignore_index=True)


def analyse(scores: ScoreTable, *, projection: str = "pca", seed: int = 0, clusters: bool = True) -> Analysis:
    """Return the analysis of a table of scores.

    Raises
    ------
    InputError
        Without labels, with one class only, or with a class of one image.
    """
    table = scores.scalars()
    if "label" not in table:
        raise InputError(
            "these scores have no labels, so there are no classes to separate. Add a label column to the data."
        )
    labels = table["label"].astype(str).to_numpy()
    pairs = separation(table["critic_score"].to_numpy(), labels)
    notes = _too_small(table, len(pairs))
    controls: dict[str, list[Pair]] = {}
    for column in scores.control_columns:
        values = table[column].to_numpy(dtype=np.float64)
        if not np.isfinite(values).all():
            notes.append(f"control {column} holds values that are not finite; it was left out.")
            continue
        controls[column.removeprefix(CONTROL)] = separation(values, labels)
    if not controls:
        notes.append("no controls: these scores were made with --no-controls; nothing shows what the training added.")
    clusterings = cluster_all(scores, notes, seed=seed) if clusters else {}
    projections: dict[str, npt.NDArray[np.floating[Any]]] = {}
    for name, rows in scores.embeddings.items():
        if name in PROJECTED:
            with _noted(notes, f"projection of {name}"):
                projections[name] = project(rows, projection, standardise=name != PIXELS, seed=seed)
    if not scores.embeddings:
        notes.append("no embeddings: these scores were made with --no-embeddings.")
    return Analysis(
        table, describe_classes(table), with_controls(pairs, controls), controls, clusterings, projections, notes
    )


def cluster_all(scores: ScoreTable, notes: list[str], *, seed: int = 0) -> dict[str, list[Clustering]]:
    """Return the clusterings of the scores and of every embedding, by name; what cannot be clustered is noted."""
    labels = scores.table["label"].astype(str).to_numpy() if "label" in scores.table else None
    sources: dict[str, Any] = {"critic_score": scores.table["critic_score"].to_numpy(), **scores.embeddings}
    found: dict[str, list[Clustering]] = {}
    for name, rows in sources.items():
        with _noted(notes, f"clusters of {name}"):
            found[name] = cluster(rows, labels, standardise=name != PIXELS, seed=seed)
    return found


@contextmanager
def _noted(notes: list[str], what: str) -> Iterator[None]:
    """Run a part of the analysis; when its data does not allow it, note why and go on."""
    try:
        yield
    except InputError as error:
        notes.append(f"{what}: left out, {error}")


def findings(analysis: Analysis) -> list[str]:
    """Return some sentences in plain words: what separates, what does not, what the controls say, how sure it is."""
    smallest = int(analysis.classes["n"].min())
    n_certain = sum(p.certain for p in analysis.critic_pairs)
    return [
        _separation_sentence(analysis),
        *_control_sentences(analysis),
        *_direction_sentences(analysis),
        *_cluster_sentences(analysis),
        f"How sure: {n_certain} of {len(analysis.pairs)} pairs are certain (95 % interval above 0.99). The smallest"
        f" class has {smallest} images; without any overlap it takes about 200 a class to be certain.",
    ]


def _separation_sentence(analysis: Analysis) -> str:
    n, total = n_separated(analysis.critic_pairs), len(analysis.pairs)
    missed = [p for p in analysis.closest() if not p.separated]
    text = (
        f"The critic's score separates {n} of {total} pairs of classes (AUROC >= 0.99, direction chosen from the data)."
    )
    if missed:
        named = "; ".join(f"{p.a} / {p.b} ({p.auroc:.2f})" for p in missed[:N_NAMED])
        more = f" and {len(missed) - N_NAMED} more" if len(missed) > N_NAMED else ""
        text += f" Not separated: {named}{more}."
    return text


def _than(critic: float, control: float) -> str:
    return "fewer than" if critic > control else "as many as" if critic == control else "more than"


def _control_sentences(analysis: Analysis) -> list[str]:
    """Say what the controls separate, in one line; when the critic does not beat them, say that too."""
    n = n_separated(analysis.critic_pairs)
    parts, rivals = [], []
    untrained = analysis.untrained_counts()
    if untrained:
        middle = statistics.median(untrained)
        rivals.append(middle)
        parts.append(
            f"Untrained critics of the same architecture separate {middle:g} (median of {len(untrained)} seeds, from"
            f" {min(untrained)} to {max(untrained)}): {_than(n, middle)} the trained one."
        )
    best = analysis.best_nuisance()
    if best:
        name, count = best
        rivals.append(count)
        parts.append(
            f"The best plain scalar, {name.replace('_', ' ')}, separates {count}: {_than(n, count)} the critic."
        )
    if rivals and max(rivals) >= n:
        parts.append(
            "So on this data the critic's scalar score does not beat its controls: these separations do not show that"
            " the training taught it anything."
        )
    return [" ".join(parts)] if parts else []


def _direction_sentences(analysis: Analysis) -> list[str]:
    """Say whether unseen classes score above seen ones: a critic that does that is no detector of the unseen."""
    if "seen" not in analysis.classes or analysis.classes["seen"].nunique() < 2:
        return []
    seen = analysis.classes[analysis.classes["seen"]]
    unseen = analysis.classes[~analysis.classes["seen"]]
    above = unseen.loc[unseen["mean"] > seen["mean"].min(), "label"].tolist()
    if not above:
        return [f"Every unseen class ({len(unseen)}) has a lower mean score than every class of the training data."]
    named = f"{', '.join(above[:N_NAMED])}{', ...' if len(above) > N_NAMED else ''}"
    return [
        f"{len(above)} of {len(unseen)} unseen classes score higher, on average, than a class of the training data"
        f" ({named}): a low score alone does not mean unseen."
    ]


def _cluster_sentences(analysis: Analysis) -> list[str]:
    names = {
        "critic_score": "the scores",
        "embedding.critic": "the critic's embedding",
        "embedding.untrained": "untrained embeddings (median)",
        PIXELS: "raw pixels (PCA)",
    }
    values = {what: analysis.best_ari(what) for what in names}
    known = {what: value for what, value in values.items() if value is not None}
    if not known:
        return []
    listed = ", ".join(f"{names[what]} {value:.2f}" for what, value in known.items())
    text = f"k-means without labels agrees with the classes (ARI; 1 = the same, 0 = chance): {listed}."
    rivals = [known[what] for what in ("embedding.untrained", PIXELS) if what in known]
    if "embedding.critic" in known and rivals and max(rivals) >= known["embedding.critic"]:
        text += " A control does as well as the critic's embedding or better."
    return [text]
