"""Several critics side by side: each beside its controls, and every two by the same images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pandas as pd

from gan_probe.stats.beside import Difference
from gan_probe.stats.margin import Margin
from gan_probe.studies.advantage import advantage_of, margin_record
from gan_probe.studies.base import StudyResult, plain
from gan_probe.studies.comparison.metrics import ComparisonMetrics
from gan_probe.studies.judgement import Answer, Judgement, Opening, judge, sources
from gan_probe.types import Scores
from gan_probe.verdicts import Verdict, conclude

SCORE, EMBEDDING = "class named by the score alone", "linear probe"
TITLES = {SCORE: "the score alone", EMBEDDING: "the embedding"}


@dataclass(frozen=True, kw_only=True)
class Column:
    """One critic of a comparison.

    Attributes
    ----------
    name : str
    scores : ndarray (n,)
    margins : dict of str to Margin
        By measure: `SCORE`, and `EMBEDDING` where the table has embeddings.
    n_separated : int
        Pairs of classes.
    provenance : mapping
    """

    name: str
    scores: Scores
    margins: Mapping[str, Margin]
    n_separated: int
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def judgement(self) -> Judgement:
        """The verdict on this critic alone."""
        return judge({TITLES[name].capitalize(): advantage_of(found) for name, found in self.margins.items()})


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """One measure of a critic less that of another, with a 95 % interval that pairs the images."""

    measure: str
    critic: str
    other: str
    difference: Difference


@dataclass(frozen=True, kw_only=True)
class ComparisonResult(StudyResult):
    """Several critics on the same images.

    Attributes
    ----------
    columns : sequence of Column
    contrasts : sequence of Contrast
        Of every two critics, both ways round.
    table : DataFrame
        ``label`` of each image, and what else names it.
    n_pairs : int
    warnings : sequence of str
    """

    study: ClassVar = "comparison"

    columns: Sequence[Column]
    contrasts: Sequence[Contrast]
    table: pd.DataFrame
    n_pairs: int
    provenance: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    @property
    def measures(self) -> list[str]:
        """The measures that every column has."""
        return [name for name in TITLES if all(name in column.margins for column in self.columns)]

    def against(self, measure: str, critic: str) -> dict[str, Difference]:
        """Return a critic less each other one, by the other's name."""
        return {c.other: c.difference for c in self.contrasts if (c.measure, c.critic) == (measure, critic)}

    def findings(self) -> list[str]:
        """Return for each measure which critic is ahead of all others, then each critic's own verdict."""
        lines = [line for measure in self.measures for line in conclude(VERDICTS, ComparisonFacts(self, measure))]
        lines += [f"{column.name}: {' '.join(column.judgement.sentences())}" for column in self.columns]
        return [*lines, HOW_SURE]

    def opening(self) -> Opening:
        """Return which critic is ahead of all others."""
        facts = [ComparisonFacts(self, measure) for measure in self.measures]
        first = {f.first for f in facts if f.first}
        ahead = first.pop() if len(first) == 1 else ""
        answer = Answer(
            headline=f"{ahead} is ahead of all others" if ahead else "No critic is ahead of all others",
            says=" ".join(line for f in facts for line in conclude(VERDICTS, f)),
        )
        counted = f"{len(self.columns)} critics, {len(self.table):,} images, {self.table['label'].nunique()} classes"
        return Opening(judgement=Judgement(answer=answer), about=(*sources(self.provenance), counted))

    def metrics(self) -> ComparisonMetrics:
        """Return each critic's numbers, and every difference of two."""
        critics = {
            column.name: {
                "n_separated": column.n_separated,
                "verdict": column.judgement.record(),
                "measures": {name: margin_record(found) for name, found in column.margins.items()},
            }
            for column in self.columns
        }
        rows = [
            plain({"measure": c.measure, "critic": c.critic, "other": c.other, "value": c.difference.value,
                   "low": c.difference.ci_low, "high": c.difference.ci_high})
            for c in self.contrasts
        ]  # fmt: skip
        return ComparisonMetrics(critics=critics, differences=rows)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return ``differences``: every two critics, by each measure."""
        return {"differences": pd.DataFrame(self.metrics().differences)}

    def record(self) -> dict[str, Any]:
        """Return every number of the page."""
        return {"n_pairs": self.n_pairs, **dataclasses.asdict(self.metrics())}


HOW_SURE = (
    "How sure: the 95 % intervals pair the images and are over new images, for these critics; another training of"
    " either would differ. They are not widened for the number of critics compared."
)


@dataclass(frozen=True)
class ComparisonFacts:
    """What a sentence on one measure is made of."""

    result: ComparisonResult
    measure: str

    @property
    def by(self) -> str:
        """The measure in words."""
        return TITLES[self.measure]

    @property
    def first(self) -> str:
        """The critic whose interval lies above 0 against every other one; empty where there is none."""
        for column in self.result.columns:
            beside = self.result.against(self.measure, column.name)
            if beside and all(found.ci_low > 0 for found in beside.values()):
                return column.name
        return ""

    @property
    def nearest(self) -> str:
        """How far it is ahead of the one that comes closest, in words."""
        beside = self.result.against(self.measure, self.first)
        other = min(beside, key=lambda name: beside[name].value)
        return f"{other} by {beside[other].points()}"

    @property
    def best(self) -> str:
        """The critic with the largest number, beside the next and their difference, in words."""
        ranked = sorted(self.result.columns, key=lambda c: -c.margins[self.measure].value)
        found = self.result.against(self.measure, ranked[0].name)[ranked[1].name]
        return f"{ranked[0].name} against {ranked[1].name}: {found.points()}"


VERDICTS: tuple[Verdict[ComparisonFacts], ...] = (
    Verdict(
        name="ahead of all",
        when="one critic's interval of the difference lies above 0 against every other one",
        holds=lambda f: bool(f.first),
        says="By {by} {first} is ahead of {nearest}.",
    ),
    Verdict(
        name="none ahead of all",
        when="that is so of none",
        holds=lambda f: not f.first,
        says="By {by} no critic is ahead of all others; {best}.",
    ),
)
