"""Three questions that every study asks of a critic's number, and the sentences that answer them.

What did the training add: the critic minus randomly initialised critics of its architecture. Is it useful: the critic
minus the best control of all, which may need no network. Does it know what that control does not: both together minus
the control alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gan_probe.stats.beside import Difference, title_of
from gan_probe.stats.margin import Margin
from gan_probe.studies.base import plain
from gan_probe.verdicts import Verdict, conclude

N_NAMED = 6  # names in one finding


@dataclass(frozen=True, kw_only=True)
class Advantage:
    """A critic's number beside its controls, as three differences; None where there is nothing to compare with.

    Attributes
    ----------
    training : Difference or None
        The critic minus the mean of randomly initialised critics.
    randomly : float
        That mean.
    use : Difference or None
        The critic minus its best control.
    control, best : str, float
        That control and its number.
    both : Difference or None
        The critic's features with those of the control ``beside``, minus that control alone.
    beside : str
    in_points : bool
        The number is an accuracy, and differences are in points; else it is a plain number.
    """

    training: Difference | None = None
    randomly: float = math.nan
    use: Difference | None = None
    control: str = ""
    best: float = math.nan
    both: Difference | None = None
    beside: str = ""
    in_points: bool = True

    def _shown(self, value: float) -> str:
        return f"{value:.1%}" if self.in_points else f"{value:.2f}"

    def _told(self, difference: Difference | None) -> str:
        assert difference is not None
        return difference.points() if self.in_points else difference.plain()

    @property
    def added(self) -> str:
        """What the training added, in words."""
        return self._told(self.training)

    @property
    def ahead(self) -> str:
        """How far the critic is ahead of the best control, in words."""
        return self._told(self.use)

    @property
    def beyond(self) -> str:
        """What the critic adds to the control, in words."""
        return self._told(self.both)

    @property
    def random(self) -> str:
        """The number of randomly initialised critics, in words."""
        return self._shown(self.randomly)

    @property
    def rival(self) -> str:
        """The best control and its number, in words."""
        return f"{title_of(self.control)} ({self._shown(self.best)})"

    @property
    def known(self) -> str:
        """The control that the critic is put together with, in words."""
        return title_of(self.beside)


def _is(difference: Difference | None, verdict: str) -> bool:
    return difference is not None and difference.verdict == verdict


VERDICTS: tuple[Verdict[Advantage], ...] = (
    Verdict(
        name="training added",
        when="the interval of critic minus randomly initialised critics lies above 0",
        holds=lambda a: _is(a.training, "ahead"),
        says="The training added {added} over randomly initialised critics ({random}).",
    ),
    Verdict(
        name="training not shown",
        when="that interval holds 0",
        holds=lambda a: _is(a.training, "not to be told apart"),
        says="Nothing shows that the training added anything: {added} over randomly initialised critics ({random}).",
    ),
    Verdict(
        name="training took away",
        when="that interval lies below 0",
        holds=lambda a: _is(a.training, "behind"),
        says="The training took something away: {added} against randomly initialised critics ({random}).",
    ),
    Verdict(
        name="training unknown",
        when="there is no randomly initialised critic (weights that cannot be drawn anew, such as ONNX; no controls)",
        holds=lambda a: a.training is None,
        says="What the training added cannot be known: no randomly initialised critic stands beside it.",
    ),
    Verdict(
        name="useful",
        when="the interval of critic minus best control lies above 0",
        holds=lambda a: _is(a.use, "ahead"),
        says="It is useful: {ahead} over the best control, {rival}.",
    ),
    Verdict(
        name="use not shown",
        when="that interval holds 0",
        holds=lambda a: _is(a.use, "not to be told apart"),
        says="Nothing shows that it is of more use than the best control, {rival}: {ahead}.",
    ),
    Verdict(
        name="not useful",
        when="that interval lies below 0",
        holds=lambda a: _is(a.use, "behind"),
        says="The best control, {rival}, is of more use: {ahead}.",
    ),
    Verdict(
        name="use unknown",
        when="there is no control at all",
        holds=lambda a: a.use is None,
        says="Whether it is useful cannot be known: no control stands beside it.",
    ),
    Verdict(
        name="knows more",
        when="the interval of critic and control together minus that control alone lies above 0",
        holds=lambda a: _is(a.both, "ahead"),
        says="It knows something that {known} does not: both together gain {beyond}.",
    ),
    Verdict(
        name="knowledge not shown",
        when="that interval holds 0",
        holds=lambda a: _is(a.both, "not to be told apart"),
        says="Nothing shows that it knows what {known} does not: both together gain {beyond}.",
    ),
    Verdict(
        name="disturbs",
        when="that interval lies below 0",
        holds=lambda a: _is(a.both, "behind"),
        says="Put together with {known} it disturbs more than it tells: {beyond}.",
    ),
)


def advantage_of(margin: Margin) -> Advantage:
    """Return a margin over controls as what the three questions are asked of."""
    return Advantage(
        training=margin.added,
        randomly=margin.random_init,
        use=margin.over_best,
        control=margin.best_control,
        best=margin.control,
        both=margin.beyond,
        beside=margin.best_control,
    )


def margin_record(margin: Margin) -> dict[str, Any]:
    """Return every number of a margin as plain data."""
    return {
        **plain(vars(margin)),
        "verdict": margin.verdict if margin.best_control else "",
        "controls": plain(margin.controls),
        "added": difference_record(margin.added),
        "beyond": difference_record(margin.beyond),
    }


def difference_record(difference: Difference | None) -> dict[str, Any] | None:
    """Return a difference with its interval and verdict as plain data; None where there is none."""
    return None if difference is None else {**plain(difference._asdict()), "verdict": difference.verdict}


def tally(found: Mapping[str, Difference | None]) -> str:
    """Return in which of some differences the critic is ahead, in which behind, and in how many neither."""
    by = {verdict: [n for n, d in found.items() if _is(d, verdict)] for verdict in ("ahead", "behind")}
    rest = len(found) - sum(map(len, by.values()))
    return (
        f"ahead in {_listed(by['ahead'])}; behind in {_listed(by['behind'])}; not to be told apart in {rest} of"
        f" {len(found)}"
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - N_NAMED} more" if len(names) > N_NAMED else ""
    return ", ".join(names[:N_NAMED]) + more or "none"


def answers(advantage: Advantage) -> str:
    """Return what is said of a critic's number beside its controls, in one line."""
    return " ".join(conclude(VERDICTS, advantage))
