"""What a training's records say of it, in plain words: what is wrong, and what to do next."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from gan_probe.verdicts import Verdict, conclude

WON, LOST = 0.98, 0.52  # of the critic's accuracy
COLLAPSED = 0.5  # of the diversity
VANISHED, GROWN = 1e-3, 1e3  # of a network's gradient, late over early
REVERSED = 0.4
MEMORISED = 0.6  # of the preference for training images
IMPROVING = 0.9  # of the distance to the reals, from one snapshot to the next
UNLIKE = 0.5  # of the way from an untrained generator's distance to that of reals from each other
MANY_STEPS = 4  # times as many, where a training is to go on
WORN = 20_000  # generator updates after which more of the same are not advised


@dataclass(frozen=True)
class TrainingCourse:
    """The records of a training, and what sentences are made of.

    Attributes
    ----------
    metrics : DataFrame
        Of `gan_probe.training.RunFolder.read_metrics`.
    health : sequence of mapping
        What `gan_probe.training.runs.health.Examiner.examine` returned on the way, the last one last.
    settings : mapping
        Of the training.
    """

    metrics: pd.DataFrame
    health: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def last(self) -> Mapping[str, Any]:
        """The last look at the fakes; empty without."""
        return self.health[-1] if self.health else {}

    @property
    def before(self) -> Mapping[str, Any]:
        """The look before it; empty without."""
        return self.health[-2] if len(self.health) > 1 else {}

    @property
    def steps(self) -> int:
        """Generator updates so far."""
        return int(self.metrics["step"].iloc[-1]) if len(self.metrics) else int(self.last.get("step", 0))

    @property
    def accuracy(self) -> float:
        """Share of pairs in which the critic scores the real higher, over the last tenth; NaN where not recorded."""
        found = self.metrics["critic_accuracy"].dropna()
        return float(found.tail(max(10, len(found) // 10)).mean()) if len(found) else math.nan

    @property
    def progress(self) -> float:
        """How far fakes have come from an untrained generator's (0) to as near as reals are to each other (1)."""
        start, now = self.last.get("untrained_distance"), self.last.get("distance")
        if start is None or now is None:
            return math.nan
        return (start - now) / (start - 1) if start > 1 else float(now <= 1)

    @property
    def told_apart(self) -> float:
        """How often the nearest image of a fake or real is of its kind; NaN where not recorded."""
        return float(self.last.get("told_apart", math.nan))

    @property
    def is_unlike(self) -> bool:
        """Whether the samples are far from the reals."""
        return self.progress < UNLIKE

    @property
    def is_improving(self) -> bool:
        """Whether fakes came nearer from the last snapshot but one to the last."""
        return bool(self.before) and self.last["distance"] < IMPROVING * self.before["distance"]

    @property
    def samples(self) -> str:
        """Where the samples stand, in words."""
        apart = (
            ""
            if math.isnan(self.told_apart)
            else f"; the nearest image of a fake or real is of its kind in {self.told_apart:.0%} (50 % would be alike)"
        )
        return (
            f"{self.last['distance']:.2f} times the reals' own distance from the nearest real, an untrained generator's"
            f" {self.last['untrained_distance']:.2f}{apart}"
        )

    @property
    def more_steps(self) -> int:
        """Steps to train on for."""
        return MANY_STEPS * max(1, self.steps)

    @property
    def n_critic(self) -> int:
        """Critic updates a generator update."""
        return int(self.settings.get("n_critic", 1))

    @property
    def more_critic(self) -> int:
        """Critic updates to try."""
        return max(2, 2 * self.n_critic)

    @property
    def slower_critic(self) -> str:
        """A learning rate of the critic to try."""
        rate = self.settings.get("learning_rate_critic")
        return "lower" if rate is None else f"{rate / 3:.1g}"

    @property
    def taught_by(self) -> str:
        """What the critic learned by without a generator."""
        labels = ["labels"] if self.settings.get("semi_supervised") else []
        return " and ".join([*labels, *filter(None, [self.settings.get("auxiliary")])])

    @property
    def other_preset(self) -> str:
        """A recipe of another network to try."""
        return "compact" if self.settings.get("network") != "compact" else "wgan-gp-32"

    def _gradients(self, network: str) -> tuple[float, float]:
        norms = self.metrics[f"{network}_gradient"].dropna()
        tenth = max(5, len(norms) // 10)
        if len(norms) < 2 * tenth:
            return math.nan, math.nan
        return float(norms.head(tenth).median()), float(norms.tail(tenth).median())

    @property
    def vanished(self) -> str:
        """Whose gradient has all but vanished, with early and late norm; empty where none has."""
        found = {n: self._gradients(n) for n in ("critic", "generator")}
        return ", ".join(f"{n} {a:.1e} to {b:.1e}" for n, (a, b) in found.items() if b < VANISHED * a)

    @property
    def grown(self) -> str:
        """Whose gradient has grown a thousandfold."""
        found = {n: self._gradients(n) for n in ("critic", "generator")}
        return ", ".join(f"{n} {a:.1e} to {b:.1e}" for n, (a, b) in found.items() if b > GROWN * a)

    @property
    def missing(self) -> str:
        """Classes that fakes hardly show; empty where there are none."""
        found = self.last.get("missing") or []
        return f"{', '.join(found[:5])}{', ...' if len(found) > 5 else ''}"

    @property
    def memorised(self) -> float:
        """Preference for training images; 0 where it may be chance."""
        preference = self.last.get("training_preference")
        chance = (
            2 / (12 * max(1, self.last.get("n_held_out", 1))) ** 0.5
        )  # what few held-out images may do by themselves
        return 0.0 if preference is None or preference <= max(MEMORISED, 0.5 + chance) else float(preference)


TROUBLE: tuple[Verdict[TrainingCourse], ...] = (
    Verdict(
        name="no generator",
        when="the critic was trained by auxiliary tasks or labels alone",
        holds=lambda c: bool(c.settings.get("without_generator")),
        says="Trained without a generator, by {taught_by} alone: there are no samples to look at, and nothing"
        " taught the score. Its features are the control of a training with the game: gan-probe probe --control.",
    ),
    Verdict(
        name="critic won",
        when=f"the critic scores the real higher in {WON:.0%} of pairs or more, over the last tenth",
        holds=lambda c: c.accuracy >= WON,
        says="The critic won: it scores the real higher in {accuracy:.0%} of pairs of a real and a fake (50 % would be"
        " equilibrium). Its features can be good all the same.",
    ),
    Verdict(
        name="critic reversed",
        when=f"in {REVERSED:.0%} or less",
        holds=lambda c: c.accuracy <= REVERSED,
        says="The critic ranks reals below fakes: it scores the real higher in {accuracy:.0%} of pairs.",
    ),
    Verdict(
        name="critic lost",
        when=f"between {REVERSED:.0%} and {LOST:.0%}",
        holds=lambda c: REVERSED < c.accuracy <= LOST,
        says="The critic cannot tell reals from fakes any more: {accuracy:.0%} of pairs (50 % is chance).",
    ),
    Verdict(
        name="gradient vanished",
        when=f"a network's median gradient norm falls below {VANISHED:g} of its first tenth's",
        holds=lambda c: bool(c.vanished),
        says="A gradient has all but vanished ({vanished}): that network learns no more.",
    ),
    Verdict(
        name="gradient grown",
        when=f"it grows beyond {GROWN:g} of it",
        holds=lambda c: bool(c.grown),
        says="A gradient has grown a thousandfold ({grown}): the training is blowing up. Try a lower learning rate or"
        " penalty_weight.",
    ),
    Verdict(
        name="samples unlike reals",
        when=f"fakes have come less than {UNLIKE:.0%} of the way from an untrained generator's distance to the reals'",
        holds=lambda c: c.is_unlike,
        says="The samples are not like the reals: {samples}. What this critic knows, it learned against poor fakes.",
    ),
    Verdict(
        name="modes missing",
        when="a class is shown less than a quarter as often as among the reals",
        holds=lambda c: bool(c.missing),
        says="Modes: {last[n_covered]} of {last[n_classes]} classes are covered; missing: {missing} (as a classifier"
        " that is right on {last[classifier_accuracy]:.0%} of reals sees it).",
    ),
    Verdict(
        name="mode collapse",
        when=f"fakes lie less than {COLLAPSED:g} times as far from each other as reals do",
        holds=lambda c: c.last.get("diversity", 1.0) < COLLAPSED,
        says="Mode collapse: fakes lie {last[diversity]:.2f} times as far from each other as reals do. Minibatch"
        " discrimination, another objective or a lower learning rate may help (docs/training.md).",
    ),
    Verdict(
        name="memorising",
        when=f"the critic scores a training image above a held-out one in more than {MEMORISED:.0%} of pairs, and more"
        " than so few held-out images do by chance",
        holds=lambda c: c.memorised > 0,
        says="Memorising: the critic scores a training image above a held-out one in {memorised:.0%} of pairs (50 %"
        " would be none). Use more images, fewer steps or a stronger penalty.",
    ),
    Verdict(
        name="still improving",
        when=f"the distance to the reals fell below {IMPROVING:g} of the last snapshot's but one",
        holds=lambda c: c.is_improving,
        says="Still improving: from step {before[step]} to {last[step]} the fakes came closer to the reals"
        " ({before[distance]:.2f} to {last[distance]:.2f} times the reals' own distance). Train longer.",
    ),
)
ADVICE: tuple[Verdict[TrainingCourse], ...] = (
    Verdict(
        name="next: more steps",
        when=f"samples are unlike reals, and {WORN:,} steps are not reached",
        holds=lambda c: c.is_unlike and c.steps < WORN,
        says="Next: train longer than {steps} steps, --steps {more_steps}.",
    ),
    Verdict(
        name="next: more critic steps",
        when="samples are unlike reals, and the critic does not win",
        holds=lambda c: c.is_unlike and c.accuracy < WON,
        says="Or give the critic more updates a step: --set n_critic={more_critic} (now {n_critic}).",
    ),
    Verdict(
        name="next: slower critic",
        when="samples are unlike reals, the critic wins, and they no longer improve",
        holds=lambda c: c.is_unlike and c.accuracy >= WON and not c.is_improving,
        says="Or slow the critic down: --set learning_rate_critic={slower_critic}.",
    ),
    Verdict(
        name="next: another way",
        when=f"samples are unlike reals after {WORN:,} steps",
        holds=lambda c: c.is_unlike and c.steps >= WORN,
        says="Next: another recipe, --preset {other_preset}, or no critic: on these images HOG or k-means patches may"
        " know as much; gan-probe probe says whether they do.",
    ),
)
NOTHING: tuple[Verdict[TrainingCourse], ...] = (
    Verdict(
        name="nothing recorded",
        when="there are neither metrics nor measures of health",
        holds=lambda c: not len(c.metrics) and not c.health,
        says="Nothing was recorded yet, or the records are broken: there are no metrics and no measures of health.",
    ),
    Verdict(
        name="samples unknown",
        when="there are metrics without trouble, and samples were not compared with an untrained generator's",
        holds=lambda c: bool(len(c.metrics)) and math.isnan(c.progress),
        says="No sign of trouble in the losses; whether the samples are like the reals is unknown: they were not"
        " compared with an untrained generator's.",
    ),
    Verdict(
        name="no trouble",
        when="none of all this",
        holds=lambda c: not math.isnan(c.progress),
        says="No sign of trouble. Samples: {samples}.",
    ),
)


def diagnosis_of(
    metrics: pd.DataFrame, health: Sequence[Mapping[str, Any]], settings: Mapping[str, Any] | None = None
) -> list[str]:
    """Return what a training's records say of it, one plain sentence each; at least one.

    Parameters
    ----------
    metrics, health, settings
        See `TrainingCourse`.
    """
    course = TrainingCourse(metrics, health, settings or {})
    found = [*conclude(TROUBLE, course), *conclude(ADVICE, course)]
    return found or conclude(NOTHING, course)
