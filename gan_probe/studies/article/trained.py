"""One training of the article's experiment, as its small results are kept: scores, losses, pictures, facts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gan_probe.errors import InputError
from gan_probe.scoring.table import ScoreTable, read_scores
from gan_probe.stats.auroc import Pair, n_separated, separate
from gan_probe.types import Labels, Values

SCHEMA = "gan_probe.article_training/1"
MARKER, SCORES, MORE, LOSSES, SAMPLES = "result.json", "scores.parquet", "more.parquet", "losses.parquet", "samples.png"
REFERENCE, CIRCLE, WRAPPED = "reference", "article-circle", "article-wrapped"  # the sets in MORE

SQUARE, SQUARE_CLEAN, SQUARE_LIGHT = "square_0.7+_n0.03", "square_0.7+_n0.01", "square_0.85-_n0.03"
CIRCLE_SEEN, CIRCLE_CLEAN = "circle_0.85-_n0.03", "circle_0.85-_n0.01"
CIRCLE_MIDDLE, CIRCLE_DARK, CIRCLE_ONCE = "circle_0.7+_n0.03", "circle_0.7-_n0.03", "circle_0.85+_n0.03"
TRIANGLE_CLEAN, TRIANGLE, TRIANGLE_LIGHT = "triangle_0.7-_n0.01", "triangle_0.7-_n0.03", "triangle_0.85+_n0.03"

CIRCLES = (CIRCLE_SEEN, CIRCLE_CLEAN, CIRCLE_MIDDLE, CIRCLE_DARK)
SQUARES = (SQUARE, SQUARE_CLEAN, SQUARE_LIGHT)
TRIANGLES = (TRIANGLE_CLEAN, TRIANGLE, TRIANGLE_LIGHT)
SEEN = (SQUARE, CIRCLE_SEEN)
NOISE_ONLY = ((SQUARE, SQUARE_CLEAN), (CIRCLE_SEEN, CIRCLE_CLEAN), (TRIANGLE, TRIANGLE_CLEAN))  # noisier first


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The results of one training.

    Attributes
    ----------
    epochs, seed : int
    table : ScoreTable
        Of ``article-test``, beside randomly initialised critics and image statistics.
    more : DataFrame
        ``set``, ``label``, ``critic_score`` of the reference images and of the classes drawn besides.
    losses : DataFrame
        One row a generator step: ``step``, ``w_distance``, ``penalty``, ``critic_loss``, ``generator_loss``.
    samples : path
        A sheet of generated images.
    facts : mapping
        ``settings``, ``elapsed_s``, ``device``, ``clipped`` (share of generated values outside of the pixels' range),
        ``distance`` and ``diversity`` of generated images (see `gan_probe.training.runs.health`), versions.
    """

    epochs: int
    seed: int
    table: ScoreTable
    more: pd.DataFrame
    losses: pd.DataFrame
    samples: Path
    facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Length and seed."""
        return f"{self.epochs} epochs, seed {self.seed}"

    @property
    def labels(self) -> Labels:
        """The classes of ``article-test``, one an image."""
        return self.table.table["label"].astype(str).to_numpy()

    @cached_property
    def by_class(self) -> dict[str, Values]:
        """The scores of each class of ``article-test``, (n,)."""
        return {str(name): self.table.scores[self.labels == name] for name in dict.fromkeys(self.labels)}

    def of(self, label: str, set_name: str = CIRCLE) -> Values:
        """Return the scores of a class that is not in ``article-test``."""
        rows = (self.more["set"] == set_name) & (self.more["label"] == label)
        return self.more.loc[rows, "critic_score"].to_numpy(np.float64)

    @property
    def reference(self) -> Values:
        """The scores of new images of the two training types."""
        return self.more.loc[self.more["set"] == REFERENCE, "critic_score"].to_numpy(np.float64)

    @cached_property
    def pairs(self) -> dict[frozenset[str], Pair]:
        """Every pair of classes."""
        return {frozenset((p.a, p.b)): p for p in separate(self.table.scores, self.labels)}

    def pair(self, a: str, b: str) -> Pair:
        """Return one pair."""
        return self.pairs[frozenset((a, b))]

    @property
    def n_separated(self) -> int:
        """How many pairs its score separates."""
        return n_separated(list(self.pairs.values()))

    @property
    def spread(self) -> float:
        """The standard deviation within classes, pooled."""
        return float(np.sqrt(np.mean([values.var(ddof=1) for values in self.by_class.values()])))

    def mean(self, label: str) -> float:
        """Return the mean score of a class of ``article-test``."""
        return float(self.by_class[label].mean())

    def controls(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return how many pairs randomly initialised critics separate, and how many image statistics do."""
        beside, labels = self.table.scores_beside(), self.labels
        random_init = {f"random_init.{i}": n_separated(separate(v, labels)) for i, v in enumerate(beside.random_init)}
        statistics = {name: n_separated(separate(values, labels)) for name, values in beside.baselines.items()}
        return random_init, statistics


def folder_of(out: Path, epochs: int, seed: int) -> Path:
    """Return where the results of a training are kept."""
    return out / "results" / f"epochs-{epochs:04d}" / f"seed-{seed}"


def read_trained(folder: Path) -> Trained:
    """Return the results in a folder.

    Raises
    ------
    InputError
        When they are not whole, or of another version.
    """
    try:
        facts = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        if facts["schema"] != SCHEMA:
            raise InputError(f"{folder} was written by another version, as {facts['schema']!r}, not {SCHEMA!r}.")
        return Trained(
            epochs=int(facts["epochs"]),
            seed=int(facts["seed"]),
            table=read_scores(folder / SCORES),
            more=pd.read_parquet(folder / MORE),
            losses=pd.read_parquet(folder / LOSSES),
            samples=folder / SAMPLES,
            facts=facts,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder} does not hold the results of a training: {error}. Remove it and go on.") from error


def read_all(out: Path) -> list[Trained]:
    """Return all results that are in a folder, shorter trainings first."""
    found = sorted(path.parent for path in (out / "results").glob(f"epochs-*/seed-*/{MARKER}"))
    return sorted((read_trained(folder) for folder in found), key=lambda t: (t.epochs, t.seed))
