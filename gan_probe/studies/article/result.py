"""What of the article's report holds here: its claims beside numbers, for whatever trainings are there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import Any, ClassVar

import pandas as pd

from gan_probe.stats.margin import SCORE_MEASURES, margins
from gan_probe.studies.advantage import advantage_of
from gan_probe.studies.article.claims import CLAIMS, LENGTHS, Claim, Measured
from gan_probe.studies.article.metrics import ArticleMetrics
from gan_probe.studies.article.trained import (
    CIRCLE,
    CIRCLE_CLEAN,
    CIRCLE_DARK,
    CIRCLE_MIDDLE,
    CIRCLE_ONCE,
    CIRCLE_SEEN,
    SQUARE,
    TRIANGLE_CLEAN,
    WRAPPED,
    Trained,
)
from gan_probe.studies.base import StudyResult, plain
from gan_probe.studies.judgement import Answer, Judgement, Opening, judge
from gan_probe.types import Values

YES, NO, UNMEASURED = "yes", "no", "not measured"
N_PAIRS = 45
CIRCLES_OF_ONE_NOISE = (CIRCLE_SEEN, CIRCLE_MIDDLE, CIRCLE_DARK, CIRCLE_ONCE)


@dataclass(frozen=True, kw_only=True)
class ClaimVerdict:
    """A claim beside what was measured.

    Attributes
    ----------
    claim : Claim
    found : Measured or None
        None where no training of that length is there.
    epochs : tuple of int
        The lengths of the trainings that were looked at.
    """

    claim: Claim
    found: Measured | None
    epochs: tuple[int, ...]

    @property
    def holds(self) -> str:
        """Whether: "yes" in every training, "no" in none, "in k of n trainings", or why there is no answer.

        What is said of the article's longest training is not answered by a shorter one.
        """
        if self.found is None:
            return f"{UNMEASURED}: trainings of {' and '.join(map(str, self.claim.epochs))} epochs are missing"
        holds = self.found.holds
        if not holds:
            return f"{UNMEASURED}: {self.found.note}"
        if not self.claim.epochs and self.epochs != LENGTHS[-1:]:
            shorter = f"in {sum(holds)} of {len(holds)} after {self.epochs[0]}"
            return f"{UNMEASURED} after {LENGTHS[-1]} epochs, of which it is said; {shorter}"
        if all(holds) or not any(holds):
            return YES if all(holds) else NO
        return f"in {sum(holds)} of {len(holds)} trainings"

    @property
    def measured(self) -> str:
        """The number of every training, intervals where there are some."""
        if self.found is None:
            return ""
        intervals = self.found.intervals or (None,) * len(self.found.numbers)
        parts = [_number(v) + _ends(e) for v, e in zip(self.found.numbers, intervals, strict=True)]
        note = f" ({self.found.note})" if self.found.note and self.found.holds else ""
        return ", ".join(parts) + note


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() and abs(value) > 1 else f"{value:.3g}"


def _ends(ends: tuple[float, float] | None) -> str:
    return f" ({_number(ends[0])} to {_number(ends[1])})" if ends else ""


@dataclass(frozen=True, kw_only=True)
class ArticleResult(StudyResult):
    """The article's experiment, of whatever trainings are there.

    Attributes
    ----------
    trainings : sequence of Trained
        Shorter ones first.
    wanted : tuple of int
        The lengths that were asked for, in epochs.
    n_seeds : int
        Trainings of each length that were asked for.
    provenance : mapping
    warnings : sequence of str
    """

    study: ClassVar[str] = "article"
    trainings: Sequence[Trained]
    wanted: tuple[int, ...] = LENGTHS
    n_seeds: int = 1
    provenance: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    @property
    def longest(self) -> list[Trained]:
        """The longest trainings that are there, one a seed."""
        return self.of(max(t.epochs for t in self.trainings))

    def of(self, *epochs: int) -> list[Trained]:
        """Return the trainings of some lengths."""
        return [t for t in self.trainings if t.epochs in epochs]

    @property
    def lengths(self) -> list[int]:
        """The lengths that are there, in epochs."""
        return sorted({t.epochs for t in self.trainings})

    @cached_property
    def verdicts(self) -> list[ClaimVerdict]:
        """Every claim beside what was measured."""
        found = []
        for claim in CLAIMS:
            epochs = claim.epochs or (self.longest[0].epochs,)
            chosen = self.of(*epochs) if set(epochs) <= set(self.lengths) else []
            found.append(ClaimVerdict(claim=claim, found=claim.measure(chosen) if chosen else None, epochs=epochs))
        return found

    @cached_property
    def controls(self) -> tuple[dict[str, int], dict[str, int]]:
        """The pairs that randomly initialised critics separate, and those that image statistics do."""
        return self.longest[0].controls()

    def pairs_by_epochs(self) -> dict[str, list[int]]:
        """Return the pairs that each training separates, by its length."""
        return {str(n): [t.n_separated for t in self.of(n)] for n in self.lengths}

    def missing(self) -> list[str]:
        """Return the trainings that were asked for and are not there, by name."""
        there = {(t.epochs, t.seed) for t in self.trainings}
        absent = [(e, s) for e in self.wanted for s in range(self.n_seeds) if (e, s) not in there]
        return [f"{epochs} epochs, seed {seed}" for epochs, seed in absent]

    def findings(self) -> list[str]:
        """Return pairs by length beside controls, how many claims hold, and what is missing."""
        verdicts, (random_init, statistics) = self.verdicts, self.controls
        best = max(statistics, key=lambda name: statistics[name])
        counts = {e: " and ".join(map(str, [*n])) for e, n in self.pairs_by_epochs().items()}
        lines = [
            f"Pairs of the ten types that one score separates, of {N_PAIRS}: "
            + "; ".join(f"{found} after {epochs} epochs" for epochs, found in counts.items())
            + f". Randomly initialised critics of the same architecture separate {_range(random_init.values())}, the"
            f" best image statistic ({best.replace('_', ' ')}) {statistics[best]}.",
            f"Of the article's {len(verdicts)} claims {_named(verdicts, YES)} hold in every training looked at,"
            f" {_named(verdicts, NO)} in none, {self._mixed(verdicts)} in some; {_unmeasured(verdicts)} have no number"
            " that decides.",
        ]
        clipped = [float(t.facts["clipped"]) for t in self.longest]
        lines.append(
            f"The generator's output is linear: {_percent(clipped)} of its values lie outside of the pixels' range"
            f" after {self.longest[0].epochs} epochs, and are clipped in pictures."
        )
        missing = self.missing()
        if missing:
            lines.append(f"Not trained: {'; '.join(missing)}.")
        if len(self.longest) == 1:
            lines.append("One training of each length: what differs between trainings cannot be known from it.")
        return lines

    @staticmethod
    def _mixed(verdicts: Sequence[ClaimVerdict]) -> int:
        return len(verdicts) - sum(_named(verdicts, what) for what in (YES, NO)) - _unmeasured(verdicts)

    def metrics(self) -> ArticleMetrics:
        """Return the counts that the command line prints."""
        verdicts, (random_init, statistics) = self.verdicts, self.controls
        return ArticleMetrics(
            n_trainings=len(self.trainings),
            n_pairs=N_PAIRS,
            pairs_by_epochs=self.pairs_by_epochs(),
            n_separated=min(t.n_separated for t in self.longest),
            random_init_most=max(random_init.values(), default=None),
            best_statistic=max(statistics.values(), default=None),
            n_claims=len(verdicts),
            n_hold=_named(verdicts, YES),
            n_fail=_named(verdicts, NO),
            n_mixed=self._mixed(verdicts),
            n_unmeasured=_unmeasured(verdicts),
            **self._judgement.numbers(),
        )

    def opening(self) -> Opening:
        """Return the verdict on the longest trainings' scores, and how many of the claims hold."""
        lengths = " and ".join(map(str, self.lengths))
        about = f"{len(self.trainings)} trainings of {lengths} epochs, {len(self.longest[0].labels):,} images"
        return Opening(judgement=self._judgement, about=(about,))

    @cached_property
    def _judgement(self) -> Judgement:
        first = self.longest[0]
        beside = first.table.scores_beside().grouped()
        (found,) = margins(SCORE_MEASURES, [t.table.scores for t in self.longest], beside, first.labels)
        n = _named(self.verdicts, YES)
        answer = Answer(
            headline="What of the article holds here",
            says=f"{n} of the article's {len(self.verdicts)} claims hold in every training looked at.",
        )
        judged = judge({"The score alone": advantage_of(found)})
        return replace(judged, answer=answer)

    def record(self) -> dict[str, Any]:
        """Return claims, classes, distances and the facts of every training."""
        random_init, statistics = self.controls
        return {
            "claims": [self._claim(v) for v in self.verdicts],
            "pairs_by_epochs": self.pairs_by_epochs(),
            "controls": {"random_init": random_init, "statistics": statistics},
            "classes": [plain(row) for row in self.class_table().to_dict("records")],
            "distances": [plain(row) for row in self.distances().to_dict("records")],
            "trainings": [self._facts(t) for t in self.trainings],
        }

    @staticmethod
    def _claim(verdict: ClaimVerdict) -> dict[str, Any]:
        found, claim = verdict.found, verdict.claim
        return {
            "name": claim.name,
            "says": claim.says,
            "number": claim.number,
            "rule": claim.rule,
            "epochs": list(verdict.epochs),
            "values": [v if math.isfinite(v) else None for v in found.numbers] if found else [],
            "intervals": [list(e) if e else None for e in found.intervals] if found else [],
            "holds": verdict.holds,
        }

    @staticmethod
    def _facts(training: Trained) -> dict[str, Any]:
        kept = ("elapsed_s", "seconds_per_epoch", "device", "precision", "critic_hash", "clipped", "distance")
        facts = {name: training.facts.get(name) for name in (*kept, "diversity", "torch")}
        return plain({"epochs": training.epochs, "seed": training.seed, "pairs": training.n_separated, **facts})

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return claims, class means and distances."""
        claims = pd.DataFrame([self._claim(v) for v in self.verdicts])
        return {"claims": claims, "classes": self.class_table(), "distances": self.distances()}

    def class_table(self) -> pd.DataFrame:
        """Return mean and standard deviation of every class by every training, as the critic has them."""
        rows = [
            {"epochs": t.epochs, "seed": t.seed, "label": label, "n": len(v), "mean": v.mean(), "sd": v.std(ddof=1)}
            for t in self.trainings
            for label, v in t.by_class.items()
        ]
        return pd.DataFrame(rows)

    def distances(self) -> pd.DataFrame:
        """Return the distances of class means that the article talks of, in standard deviations within classes.

        ``clipped``: as `article-test` draws; ``wrapped``: as the article's code does. The circle (0.85,+1) is drawn
        besides, as a reading of what may be a slip for (0.85,-1).
        """
        wanted = [
            (CIRCLE_ONCE, TRIANGLE_CLEAN),
            (CIRCLE_SEEN, TRIANGLE_CLEAN),
            (SQUARE, TRIANGLE_CLEAN),
            (CIRCLE_SEEN, CIRCLE_CLEAN),
            *combinations(CIRCLES_OF_ONE_NOISE, 2),
        ]
        rows = []
        for training in self.longest:
            for a, b in wanted:
                clipped = [training.by_class[c] if c in training.by_class else training.of(c, CIRCLE) for c in (a, b)]
                wrapped = [training.of(c, WRAPPED) for c in (a, b)]
                rows.append({
                    "seed": training.seed, "a": a, "b": b,
                    "clipped": (clipped[0].mean() - clipped[1].mean()) / training.spread,
                    "wrapped": (wrapped[0].mean() - wrapped[1].mean()) / training.spread,
                })  # fmt: skip
        return pd.DataFrame(rows)


def _range(values: Any) -> str:
    found = sorted(values)
    if not found:
        return "none, as there are none"
    return str(found[0]) if found[0] == found[-1] else f"{found[0]} to {found[-1]}"


def _percent(shares: Sequence[float]) -> str:
    low, high = f"{100 * min(shares):.1f}", f"{100 * max(shares):.1f}"
    return f"{low} %" if low == high else f"{low} to {high} %"


def _named(verdicts: Sequence[ClaimVerdict], holds: str) -> int:
    return sum(v.holds == holds for v in verdicts)


def _unmeasured(verdicts: Sequence[ClaimVerdict]) -> int:
    return sum(v.holds.startswith(UNMEASURED) for v in verdicts)


def less_mean_of_square(training: Trained) -> dict[str, Values]:
    """Return the scores of each class less the mean of the square trained on, as the article's histograms are."""
    middle = training.mean(SQUARE)
    return {name: values - middle for name, values in training.by_class.items()}
