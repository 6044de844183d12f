"""The verdict on a critic: one level for its use, one for what the training added, by one rule wherever it is shown.

A page that does not ask of use says what it answers instead, in the same frame.

Two measures are asked, the score alone and the embedding, fixed in advance: the critic is judged by the one that speaks
best for it. A critic without any advantage gets "better" in at most one case of twenty: each of two intervals of 95 %
lies above 0 by chance in one of forty.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_probe.stats.beside import RANDOM_CRITICS, Difference, title_of
from gan_probe.studies.advantage import Advantage
from gan_probe.studies.base import plain
from gan_probe.studies.levels import Gain, Told, Use
from gan_probe.verdicts import Verdict, conclude

TOLERATED = 0.05  # how far below its best control a critic may lie and still do as well
TOLD = "told"  # how a page looks that answers another question, and not by yes or no
_TONES = {"yes": "better", "no": "worse", "unknown": "unknown", TOLD: TOLD}
_USE_ORDER = ("better", "as good", "unknown", "worse")  # which of two measures speaks better for a critic
_GAIN_ORDER = ("yes", "not shown", "took away", "unknown")


def use_of(ahead: Difference | None) -> Use:
    """Return what the interval of critic minus best control allows to say of its use.

    Examples
    --------
    >>> use_of(Difference(0.1, 0.02, 0.2)), use_of(Difference(0.0, -0.04, 0.04)), use_of(Difference(0.0, -0.3, 0.3))
    ('better', 'as good', 'unknown')
    """
    if ahead is None or math.isnan(ahead.value):
        return "unknown"
    if ahead.ci_low > 0:
        return "better"
    if ahead.ci_high < 0:
        return "worse"
    return "as good" if ahead.ci_low > -TOLERATED else "unknown"


def gain_of(added: Difference | None) -> Gain:
    """Return what the interval of critic minus randomly initialised critics allows to say of the training."""
    if added is None or math.isnan(added.value):
        return "unknown"
    return "yes" if added.ci_low > 0 else "took away" if added.ci_high < 0 else "not shown"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One answer: its level, and the difference that it rests on.

    Attributes
    ----------
    level : str
        One of `USES` or `GAINS`.
    measure : str
        In words, as a sentence begins; empty where nothing was measured.
    difference : Difference or None
    control : str
        What was subtracted.
    in_points : bool
        The difference is one of shares; else a plain number.
    """

    level: Any  # `Use` or `Gain`
    measure: str = ""
    difference: Difference | None = None
    control: str = ""
    in_points: bool = True

    @property
    def told(self) -> str:
        """The difference in words."""
        assert self.difference is not None
        return self.difference.points() if self.in_points else self.difference.plain()

    @property
    def rival(self) -> str:
        """The control in words."""
        return title_of(self.control)

    def record(self) -> dict[str, Any]:
        """Return it as plain data."""
        d = self.difference
        value, low, high = (None, None, None) if d is None else d
        return {"level": self.level, "measure": self.measure, **plain({"value": value, "low": low, "high": high})}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a page answers that does not ask of use.

    Attributes
    ----------
    headline, says : str
        The answer, and what it rests on or what it does not tell.
    level : {"yes", "no", "unknown", "told"}
        "told" where the question is not one of yes or no.
    value, low, high : float
        The number that it rests on, with its 95 % interval; NaN where there is none.
    """

    headline: str
    says: str
    level: Told = "told"
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan

    def record(self) -> dict[str, Any]:
        """Return it as plain data."""
        return plain(vars(self))


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The verdict on a critic, or what the page answers instead.

    Attributes
    ----------
    useful : Judged or None
        Its level is one of `USES`; None where the page does not ask of use.
    added : Judged or None
        Its level is one of `GAINS`; None where the page does not ask of the training.
    answer : Answer or None
        What it answers where it does not ask of use, or besides.
    """

    useful: Judged | None = None
    added: Judged | None = None
    answer: Answer | None = None

    def record(self) -> dict[str, Any]:
        """Return it as ``report.json`` has it."""
        found: dict[str, Any] = {}
        if self.useful:
            found["useful"] = {**self.useful.record(), "control": self.useful.control}
        if self.added:
            found["added"] = self.added.record()
        return found | ({"answer": self.answer.record()} if self.answer else {})

    def numbers(self) -> dict[str, Any]:
        """Return the fields of `VerdictMetrics`."""
        found: dict[str, Any] = {}
        for name, judged in (("useful", self.useful), ("added", self.added)):
            if judged is not None:
                d = judged.difference
                margin, low = (None, None) if d is None else (plain({"": d.value})[""], plain({"": d.ci_low})[""])
                found |= {name: judged.level, f"{name}_margin": margin, f"{name}_low": low}
        return found

    @property
    def tone(self) -> str:
        """How it looks: one of `USES`, or `TOLD`."""
        if self.useful is not None:
            return str(self.useful.level)
        return _TONES[self.answer.level] if self.answer else TOLD

    @property
    def headline(self) -> str:
        """The answer in some words."""
        if self.useful is not None:
            return HEADLINES[self.useful.level]
        return self.answer.headline if self.answer else ""

    def sentences(self) -> list[str]:
        """Return what is said of its use, or in its place, and of what the training added."""
        use = conclude(USE, self.useful) if self.useful else []
        gain = conclude(GAIN, self.added) if self.added else []
        return [*use, *([self.answer.says] if self.answer else []), *gain]

    def line(self) -> str:
        """Return all of it in one line: the last that a terminal shows."""
        return f"verdict: {self.headline}. {' '.join(self.sentences())}"


NO_USE = "No verdict on use"  # where the page answers another question
HEADLINES = {
    "better": "Better than every control",
    "as good": "As good as the best control",
    "worse": "Worse than a control",
    "unknown": "Cannot say whether it is useful",
}

USE: tuple[Verdict[Judged], ...] = (
    Verdict(
        name="better",
        when="for one measure at least the interval of critic minus best control lies above 0",
        holds=lambda j: j.level == "better",
        says="{measure} is ahead of {rival} by {told}.",
    ),
    Verdict(
        name="as good",
        when=f"for none, but for one it holds 0 and lies above -{TOLERATED:.0%}, so nothing worth having is lost",
        holds=lambda j: j.level == "as good",
        says="{measure} does as well as {rival}: {told}.",
    ),
    Verdict(
        name="worse",
        when="for every measure the interval lies below 0",
        holds=lambda j: j.level == "worse",
        says="{measure} is behind {rival} by {told}.",
    ),
    Verdict(
        name="use too uncertain",
        when=f"none of these holds: an interval holds 0 and reaches below -{TOLERATED:.0%}",
        holds=lambda j: j.level == "unknown" and j.difference is not None,
        says="{measure} against {rival}: {told}, too wide an interval to say.",
    ),
    Verdict(
        name="use without a control",
        when="no measure has a control",
        holds=lambda j: j.level == "unknown" and j.difference is None,
        says="No control stands beside it.",
    ),
)

GAIN: tuple[Verdict[Judged], ...] = (
    Verdict(
        name="gained",
        when="for one measure at least the interval of critic minus randomly initialised critics lies above 0",
        holds=lambda j: j.level == "yes",
        says=f"{{measure}}: the training added {{told}} over {RANDOM_CRITICS}.",
    ),
    Verdict(
        name="gain not shown",
        when="for none, and for one at least it holds 0",
        holds=lambda j: j.level == "not shown",
        says=f"{{measure}}: nothing shows that the training added anything over {RANDOM_CRITICS}, {{told}}.",
    ),
    Verdict(
        name="lost",
        when="for every measure it lies below 0",
        holds=lambda j: j.level == "took away",
        says=f"{{measure}}: the training took something away, {{told}} against {RANDOM_CRITICS}.",
    ),
    Verdict(
        name="gain unknown",
        when="no randomly initialised critic stands beside any",
        holds=lambda j: j.level == "unknown",
        says=f"What the training added cannot be known: there are no {RANDOM_CRITICS}.",
    ),
)


def judge(measures: Mapping[str, Advantage]) -> Judgement:
    """Return the verdict on a critic, from what it does beside its controls, by measure.

    Examples
    --------
    >>> found = judge({"The score": Advantage(use=Difference(0.1, 0.05, 0.15), control="hog")})
    >>> found.useful.level, found.added.level
    ('better', 'unknown')
    """
    uses = [
        Judged(level=use_of(a.use), measure=name, difference=a.use, control=a.control, in_points=a.in_points)
        for name, a in measures.items()
        if a.use is not None
    ]
    gains = [
        Judged(level=gain_of(a.training), measure=name, difference=a.training, in_points=a.in_points)
        for name, a in measures.items()
        if a.training is not None
    ]
    return Judgement(useful=_best(uses, _USE_ORDER), added=_best(gains, _GAIN_ORDER))


def gained(measure: str, added: Difference | None, *, in_points: bool = True) -> Judged:
    """Return what the training added to one measure, where nothing else is asked of it."""
    return Judged(level=gain_of(added), measure=measure, difference=added, in_points=in_points)


def mean_difference(found: Sequence[Difference]) -> Difference | None:
    """Return the mean of several differences; None of none.

    Its interval has the mean width of theirs, which is that of errors that all go together: independent ones would make
    it narrower, so it holds the truth at least as often as they do.

    Examples
    --------
    >>> mean_difference([Difference(0.1, 0.0, 0.2), Difference(0.3, 0.2, 0.4)])
    Difference(value=0.2, ci_low=0.1, ci_high=0.30000000000000004)
    """
    if not found:
        return None
    value, low, high = (sum(ends) / len(found) for ends in zip(*found, strict=True))
    return Difference(value, low, high)


def sources(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return which data and which critic a page is about, in few words, from its provenance."""
    data, source = (Path(str(given.get(key) or "")) for key in ("data_source", "critic_source"))
    source = source if source.name else Path(str(given.get("run") or ""))
    critic = source.parent.name if source.name == "critic" else source.name  # a run keeps its critic in that folder
    found = (f"data {data.name}" if data.name else "", f"critic {critic}" if critic else "")
    return tuple(text for text in found if text)


def _best(found: Sequence[Judged], order: Sequence[str]) -> Judged:
    """Return the answer that speaks best for the critic: by level, then by the lower end of its interval."""

    def rank(j: Judged) -> tuple[int, float]:
        assert j.difference is not None
        return order.index(j.level), -j.difference.ci_low

    return min(found, key=rank, default=Judged(level="unknown"))


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One number of the first screen beside its best control.

    Attributes
    ----------
    title : str
    value, low, high : float
        With its 95 % interval; NaN where it is not known.
    control : str
        The best one, in words; empty without any.
    control_value : float
    level : str
        One of `USES`.
    in_points : bool
        The value is a share of images; else a plain number between 0 and 1.
    why : str
        Why there is no value; shown in its place.
    """

    title: str
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    control: str = ""
    control_value: float = math.nan
    level: str = "unknown"
    in_points: bool = True
    why: str = ""

    def record(self) -> dict[str, Any]:
        """Return it as plain data."""
        return plain(vars(self))


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What the first screen of a page holds besides its title.

    Attributes
    ----------
    judgement : Judgement
    tiles : tuple of Tile
    commands : tuple of str
        What to type next, at most three.
    about : tuple of str
        Data, critic, number of images: what the numbers are of.
    """

    judgement: Judgement
    tiles: tuple[Tile, ...] = ()
    commands: tuple[str, ...] = ()
    about: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return verdict and tiles as ``report.json`` has them."""
        return {"verdict": self.judgement.record(), "tiles": [tile.record() for tile in self.tiles]}
