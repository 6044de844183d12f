"""How a table of scores shows itself in a notebook: what it holds, classes, one histogram."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from gan_probe.report import figures
from gan_probe.report.page import Page, Section
from gan_probe.report.separation import class_table
from gan_probe.scoring.table import ScoreTable
from gan_probe.stats.describe import describe_classes


class Shown(NamedTuple):
    """What figures of scores are drawn from; without labels all images are one class."""

    table: pd.DataFrame
    classes: pd.DataFrame


def _shown(scores: ScoreTable) -> Shown:
    table = scores.without_embeddings()
    table = table if "label" in table else table.assign(label="images")
    return Shown(table, describe_classes(table))


def _sections(scores: Any) -> tuple[Section[Any], ...]:
    return (
        Section("scores", "Scores by class", "", lambda scores: figures.score_histogram(_shown(scores))),
    )  # fmt: skip


PAGE = Page[Any](
    schema="gan_probe.scores/1",
    title=lambda scores: "Scores",
    sections=_sections,
    tables=lambda scores: [class_table(_shown(scores))],
)
