"""How far the members of an ensemble agree on its panel, beside as many randomly initialised critics, and where not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from gan_probe.stats.agreement import mean_correlation
from gan_probe.stats.beside import Difference
from gan_probe.stats.intervals import runs_and_images
from gan_probe.studies.base import StudyResult, plain
from gan_probe.studies.ensemble.metrics import EnsembleMetrics
from gan_probe.studies.judgement import Answer, Judgement, Opening, gained, sources
from gan_probe.studies.levels import Told
from gan_probe.types import Images, Indices, Values
from gan_probe.verdicts import Verdict, always, conclude

HALF = 0.5  # of a score's variance: from there on members share more than each has of its own
MIN_MEMBERS = 3  # for an interval: of two, leaving one out leaves no pair
N_DRAWS = 200  # of images


@dataclass(frozen=True, kw_only=True)
class EnsembleResult(StudyResult):
    """What the members of an ensemble say of its panel.

    Attributes
    ----------
    members : tuple of str
    shifts, scales : ndarray, shape (members,)
        What their scores were aligned by; a negative scale turned a member round.
    scores : ndarray, shape (members, n)
        Aligned, of the panel's images.
    random_init : ndarray, shape (ensembles, members, n)
        The same of randomly initialised critics; (0, members, n) where there can be none.
    panel : ndarray of uint8, shape (n, h, w, c)
    seed : int
        Of the images drawn for intervals.
    provenance : dict
    warnings : list of str
    """

    study: ClassVar = "ensemble"

    members: tuple[str, ...]
    shifts: Values
    scales: Values
    scores: Values
    random_init: Values
    panel: Images
    seed: int = 0
    provenance: dict[str, Any]
    warnings: Sequence[str] = field(default=())

    @cached_property
    def _numbers(self) -> tuple[Values, Values]:
        """Agreement, that of randomly initialised ones, and the difference; and half the widths of their intervals."""
        everyone = np.stack([self.scores, *self.random_init])

        def statistic(runs: Indices, images: Indices) -> Values:
            own, *others = (mean_correlation(scores[runs][:, images]) for scores in everyone)
            other = float(np.mean(others)) if others else math.nan
            return np.array([own, other, own - other])

        n = self.scores.shape[1]
        if len(self.members) < MIN_MEMBERS:
            return np.asarray(statistic(np.arange(len(self.members)), np.arange(n))), np.full(3, math.nan)
        return runs_and_images(statistic, len(self.members), np.zeros(n), n_draws=N_DRAWS, seed=self.seed)

    @property
    def agreement(self) -> Difference:
        """The mean correlation of two members, with its interval; NaN for ends where it is not known."""
        (value, *_), (width, *_) = self._numbers
        return _within(1.0, value, width)

    @property
    def added(self) -> Difference | None:
        """That minus the same of randomly initialised critics; None where there are none, and where two members are."""
        (*_, value), (*_, width) = self._numbers
        if not len(self.random_init) or math.isnan(width):
            return None
        return _within(2.0, value, width)

    @cached_property
    def of_random_init(self) -> list[float]:
        """The mean correlation of two randomly initialised members, of each ensemble of them."""
        return [mean_correlation(scores) for scores in self.random_init]

    @cached_property
    def correlations(self) -> Values:
        """How the members' scores correlate on the panel, (members, members)."""
        return np.atleast_2d(np.corrcoef(self.scores))

    @property
    def turned(self) -> tuple[str, ...]:
        """Names of the members whose sign was changed."""
        return tuple(name for name, scale in zip(self.members, self.scales, strict=True) if scale < 0)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a member: its name, what it was aligned by, and its mean correlation with the others."""
        n = len(self.members)
        return [
            {
                "member": name,
                "shift": float(self.shifts[number]),
                "scale": float(self.scales[number]),
                "agrees": float((self.correlations[number].sum() - 1) / (n - 1)),
            }
            for number, name in enumerate(self.members)
        ]

    def findings(self) -> list[str]:
        """Return what was found, in plain words."""
        return conclude(VERDICTS, EnsembleFacts(self))

    def metrics(self) -> EnsembleMetrics:
        """Return the numbers that the command prints."""
        ends = plain({"low": self.agreement.ci_low, "high": self.agreement.ci_high})
        return EnsembleMetrics(
            n_members=len(self.members),
            n_panel=len(self.panel),
            agreement=self.agreement.value,
            agreement_low=ends["low"],
            agreement_high=ends["high"],
            agreement_random_init=self.of_random_init,
            turned=list(self.turned),
            **self._judgement().numbers(),
        )

    def opening(self) -> Opening:
        """Return whether members agree, and what the training added to that."""
        counted = f"{len(self.members)} members, {len(self.panel):,} images"
        return Opening(judgement=self._judgement(), about=(*sources(self.provenance), counted))

    def _judgement(self) -> Judgement:
        facts = EnsembleFacts(self)
        (row,) = (row for row in AGREEMENT if row.holds(facts))
        value, low, high = self.agreement
        answer = Answer(
            headline=row.name, says=conclude([row], facts)[0], level=_LEVELS[row.name], value=value, low=low, high=high
        )
        asked = len(self.members) >= MIN_MEMBERS
        return Judgement(answer=answer, added=gained("Agreement", self.added, in_points=False) if asked else None)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return ``members``, and ``panel``: mean and standard deviation of the aligned scores of each image."""
        spread = pd.DataFrame(
            {"image": np.arange(len(self.panel)), "critic_score": self.scores.mean(0),
             "critic_uncertainty": self.scores.std(0, ddof=1)}
        )  # fmt: skip
        return {"members": pd.DataFrame(self.rows()), "panel": spread}

    def record(self) -> dict[str, Any]:
        """Return every number of the page."""
        return {
            "members": [plain(row) for row in self.rows()],
            "correlations": [[float(value) for value in row] for row in self.correlations],
            "agreement": plain(self.agreement._asdict()),
            "added": None if self.added is None else plain(self.added._asdict()),
            "random_init": self.of_random_init,
        }


def _within(most: float, value: float, width: float) -> Difference:
    """Return a number with its interval, cut off at what it can be at most; NaN where its width is."""
    return Difference(float(value), *np.clip([value - width, value + width], -most, most).tolist())


@dataclass(frozen=True)
class EnsembleFacts:
    """What sentences are made of."""

    result: EnsembleResult

    @property
    def n(self) -> int:
        """Members."""
        return len(self.result.members)

    @property
    def agreement(self) -> Difference:
        """Mean correlation of two members."""
        return self.result.agreement

    @property
    def told(self) -> str:
        """The same in words, with its interval where there is one."""
        value, low, high = self.agreement
        return f"{value:.2f}" + ("" if math.isnan(low) else f" ({low:.2f} to {high:.2f})")

    @property
    def others(self) -> str:
        """That of randomly initialised ones, in words."""
        low, high = min(self.result.of_random_init), max(self.result.of_random_init)
        return f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"

    @property
    def turned(self) -> str:
        """Names of those turned round."""
        return ", ".join(self.result.turned)


AGREEMENT: tuple[Verdict[EnsembleFacts], ...] = (
    Verdict(
        name="Members agree",
        when="the interval of the mean correlation of two members lies above 0.5: they share more of a score's variance"
        " than each has of its own",
        holds=lambda f: f.agreement.ci_low > HALF,
        says="Two members' scores correlate by {told} on average.",
    ),
    Verdict(
        name="Members do not agree",
        when="it lies below 0.5",
        holds=lambda f: f.agreement.ci_high < HALF,
        says="Two members' scores correlate by {told} on average: the mean of members that differ so says little.",
    ),
    Verdict(
        name="Cannot say whether members agree",
        when="it holds 0.5",
        holds=lambda f: f.agreement.ci_low <= HALF <= f.agreement.ci_high,
        says="Two members' scores correlate by {told} on average, too wide an interval to say.",
    ),
    Verdict(
        name="Two members cannot tell",
        when="there are two members",
        holds=lambda f: math.isnan(f.agreement.ci_low),
        says="The two members' scores correlate by {told}; how a third would, two cannot tell.",
    ),
)
_LEVELS: dict[str, Told] = {
    "Members agree": "yes",
    "Members do not agree": "no",
    "Cannot say whether members agree": "unknown",
    "Two members cannot tell": "unknown",
}

VERDICTS: tuple[Verdict[EnsembleFacts], ...] = (
    Verdict(
        name="agreement of members",
        when="always",
        holds=always,
        says="Mean correlation of two of the {n} members on the panel: {told}.",
    ),
    Verdict(
        name="agreement of untrained members",
        when="there are randomly initialised critics",
        holds=lambda f: bool(f.result.of_random_init),
        says="Of as many randomly initialised critics: {others}.",
    ),
    Verdict(
        name="turned",
        when="the alignment changed the sign of a member",
        holds=lambda f: bool(f.result.turned),
        says="Turned round, since they rank the panel the other way than most: {turned}.",
    ),
)
