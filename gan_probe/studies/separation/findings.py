"""An analysis in plain words: what separates, what the training added, what the controls say, how sure it is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from gan_probe.scoring.table import BASELINE, CRITIC_ROWS, CRITIC_SCORE, Source
from gan_probe.stats.auroc import SIGNIFICANCE, n_separated
from gan_probe.stats.beside import RANDOM_INIT, title_of
from gan_probe.stats.margin import Margin
from gan_probe.stats.variance import Share
from gan_probe.studies.advantage import advantage_of, answers
from gan_probe.verdicts import Verdict, always, conclude

if TYPE_CHECKING:
    from gan_probe.studies.separation.result import SeparationResult

FIRST_INIT, PIXELS = Source(True, RANDOM_INIT, "0"), Source(True, BASELINE, "pixels")
N_NAMED = 3
INTERPRETED = {
    "class named by the score alone": "The score alone names the class of",
    "linear probe": "A linear probe on the critic's embedding names the class of",
    "linear probe, 5 labels a class": "With five labels a class the embedding names the class of",
}
CLUSTERED = {
    CRITIC_SCORE: "the scores",
    CRITIC_ROWS: "the critic's embedding",
    FIRST_INIT: "embeddings of randomly initialised critics (median)",
    PIXELS: "raw pixels (PCA)",
}


@dataclass(frozen=True)
class SeparationFacts:
    """What sentences are made of: numbers of an analysis, and lists of names as text."""

    analysis: SeparationResult

    @cached_property
    def n(self) -> int:
        """Pairs that the critic's score separates."""
        return n_separated(self.analysis.critic_pairs)

    @property
    def total(self) -> int:
        """Pairs of classes."""
        return len(self.analysis.pairs)

    @property
    def n_runs(self) -> int:
        """Trainings."""
        return self.analysis.n_runs

    @property
    def over(self) -> str:
        """Over how many trainings a mean is."""
        return f", mean of {self.n_runs} trainings" if self.n_runs > 1 else ""

    @property
    def missed(self) -> str:
        """The closest pairs that are not separated; empty where all are."""
        found = [p for p in self.analysis.closest() if not p.separated]
        more = f" and {len(found) - N_NAMED} more" if len(found) > N_NAMED else ""
        return "; ".join(f"{p.a} / {p.b} ({p.auroc:.2f})" for p in found[:N_NAMED]) + more

    @property
    def counts(self) -> list[int]:
        """Pairs that each randomly initialised critic separates."""
        return self.analysis.random_init_counts()

    @property
    def middle(self) -> float:
        """The median of them."""
        return statistics.median(self.counts)

    @property
    def spread(self) -> str:
        """Of how many seeds, and their range."""
        return f"median of {len(self.counts)} seeds, from {min(self.counts)} to {max(self.counts)}"

    @property
    def best_statistic(self) -> str:
        """The image statistic that separates most pairs."""
        found = self.analysis.best_statistic()
        return "" if found is None else title_of(found[0])

    @property
    def by_statistic(self) -> int:
        """How many it separates; none without one."""
        found = self.analysis.best_statistic()
        return 0 if found is None else found[1]

    @property
    def remaining(self) -> int:
        """Pairs that stay separated with image statistics regressed out."""
        return n_separated(self.analysis.remaining)

    @property
    def told(self) -> str:
        """Bits of the class, with their interval."""
        found = self.analysis.information
        assert found is not None
        text = f"{found.bits:.2f} of {found.of_bits:.2f} bits of the class ({found.ci_low:.2f} to {found.ci_high:.2f})"
        if not found.controls:
            return text
        best = max(found.controls, key=lambda name: found.controls[name])
        return f"{text}; the best control ({title_of(best)}) {found.controls[best]:.2f}"

    @property
    def knows_seen(self) -> bool:
        """Whether the table says which classes the critic was trained on, and has both kinds."""
        return "seen" in self.analysis.classes and self.analysis.classes["seen"].nunique() == 2

    @property
    def n_unseen(self) -> int:
        """Classes that the critic was not trained on."""
        return int((~self.analysis.classes["seen"]).sum())

    @property
    def above(self) -> list[str]:
        """Unseen classes whose mean score is no lower than that of some seen one."""
        classes = self.analysis.classes
        lowest = classes.loc[classes["seen"], "mean"].min()
        return [str(name) for name in classes.loc[~classes["seen"] & (classes["mean"] >= lowest), "label"]]

    @property
    def wrong(self) -> list[str]:
        """Unseen classes that the critic certainly ranks above its own reals."""
        return [d.label for d in self.analysis.detections if d.direction == "low" and d.is_reversed]

    @property
    def above_named(self) -> str:
        """The first of `above`."""
        return _named(self.above)

    @property
    def wrong_named(self) -> str:
        """The first of `wrong`."""
        return _named(self.wrong)

    @property
    def n_above(self) -> int:
        """How many there are of `above`."""
        return len(self.above)

    @property
    def n_wrong(self) -> int:
        """How many there are of `wrong`."""
        return len(self.wrong)

    @property
    def shares(self) -> str:
        """What the first factors explain of the score; empty where there are none."""
        found: Sequence[Share] = self.analysis.shares.get(CRITIC_SCORE, ())
        single = [s for s in found if s.eta_squared == s.eta_squared][:N_NAMED]
        return ", ".join(f"{s.factor} {s.epsilon_squared:z.0%}" for s in single)

    @cached_property
    def ari(self) -> dict[Source, float]:
        """Agreement of the chosen clusters with the classes, by what was clustered."""
        found = {what: self.analysis.chosen_ari(what) for what in CLUSTERED}
        return {what: value for what, value in found.items() if value is not None}

    @property
    def agreements(self) -> str:
        """The same in words."""
        return ", ".join(f"{CLUSTERED[what]} {value:.2f}" for what, value in self.ari.items())

    @property
    def ari_over_runs(self) -> str:
        """Agreement over trainings, with its interval."""
        assert self.analysis.ari_over_runs is not None
        value, low, high = self.analysis.ari_over_runs
        return f"{value:.2f} ({low:.2f} to {high:.2f})"

    @property
    def n_certain(self) -> int:
        """Pairs whose whole interval lies above 0.99."""
        return sum(p.certain for p in self.analysis.critic_pairs)

    @property
    def is_constant(self) -> bool:
        """Whether every image has the same score."""
        return bool(self.analysis.table["critic_score"].nunique() == 1)

    @property
    def is_too_small(self) -> bool:
        """Whether the smallest classes cannot reach significance, however far apart they are."""
        first, second = sorted(self.analysis.classes["n"])[:2]
        return first + second < 100 and 2 / math.comb(first + second, first) * self.total >= SIGNIFICANCE

    @property
    def smallest(self) -> int:
        """Images of the smallest class."""
        return int(self.analysis.classes["n"].min())


def _named(names: Sequence[str]) -> str:
    return f"{', '.join(names[:N_NAMED])}{', ...' if len(names) > N_NAMED else ''}"


def _of_random(f: SeparationFacts, rule: str) -> bool:
    """Return whether the critic's count is "above" all randomly initialised critics, "within" their range, "below"."""
    if not f.counts:
        return False
    return rule == ("above" if f.n > max(f.counts) else "below" if f.n < min(f.counts) else "within")


def _of_statistics(f: SeparationFacts, rule: str) -> bool:
    """Return the same of the best image statistic."""
    best = f.by_statistic
    return bool(f.best_statistic) and rule == ("above" if f.n > best else "equal" if f.n == best else "below")


_RANDOM = "Randomly initialised critics of the same architecture separate {middle:g} ({spread}):"
_STATISTIC = "The best image statistic, {best_statistic}, separates {by_statistic}:"

VERDICTS: tuple[Verdict[SeparationFacts], ...] = (
    Verdict(
        name="constant scores",
        when="the first training gives every image the same score",
        holds=lambda f: f.is_constant,
        says="Every score is the same: what the critic's score tells of these classes cannot be known.",
    ),
    Verdict(
        name="too few images",
        when="without any overlap the two smallest classes would not be told apart at 0.05, corrected for all pairs",
        holds=lambda f: f.is_too_small,
        says="With {smallest} images in the smallest class it cannot be known which pairs are separated: even without"
        " overlap they would not be significant over {total} pairs.",
    ),
    Verdict(
        name="pairs, all separated",
        when="every pair has an AUROC of 0.99 or more",
        holds=lambda f: not f.missed,
        says="The critic's score separates {n} of {total} pairs of classes (AUROC >= 0.99{over}, direction chosen from"
        " the data).",
    ),
    Verdict(
        name="pairs, some not separated",
        when="a pair has an AUROC below 0.99, or is not significant",
        holds=lambda f: bool(f.missed),
        says="The critic's score separates {n} of {total} pairs of classes (AUROC >= 0.99{over}, direction chosen from"
        " the data). Not separated: {missed}.",
    ),
    Verdict(
        name="pairs, training added",
        when="the critic separates more pairs than each of the randomly initialised critics (a count: no interval)",
        holds=lambda f: _of_random(f, "above"),
        says=f"{_RANDOM} each fewer than the trained one.",
    ),
    Verdict(
        name="pairs, training not shown",
        when="it separates no more than all of them, and no fewer",
        holds=lambda f: _of_random(f, "within"),
        says=f"{_RANDOM} the trained one lies within their range, so nothing shows that the training added a"
        " separation.",
    ),
    Verdict(
        name="pairs, training took away",
        when="it separates fewer than each",
        holds=lambda f: _of_random(f, "below"),
        says=f"{_RANDOM} each more than the trained one, so the training took separations away.",
    ),
    Verdict(
        name="pairs, training unknown",
        when="there is no randomly initialised critic",
        holds=lambda f: not f.counts,
        says="How many pairs the critic would separate without its training cannot be known: no randomly initialised"
        " critic stands beside it.",
    ),
    Verdict(
        name="pairs, useful",
        when="the critic separates more pairs than the best image statistic",
        holds=lambda f: _of_statistics(f, "above"),
        says=f"{_STATISTIC} fewer than the critic.",
    ),
    Verdict(
        name="pairs, of no more use",
        when="it separates as many",
        holds=lambda f: _of_statistics(f, "equal"),
        says=f"{_STATISTIC} as many as the critic, so these separations need no critic.",
    ),
    Verdict(
        name="pairs, of less use",
        when="it separates fewer",
        holds=lambda f: _of_statistics(f, "below"),
        says=f"{_STATISTIC} more than the critic, so these separations need no critic.",
    ),
    Verdict(
        name="pairs without statistics",
        when="there are image statistics",
        holds=lambda f: bool(f.analysis.remaining),
        says="With image statistics regressed out of the score, {remaining} of {total} pairs stay separated ({n}"
        " before).",
    ),
    Verdict(
        name="bits",
        when="they were measured",
        holds=lambda f: f.analysis.information is not None,
        says="The score tells {told}.",
    ),
    Verdict(
        name="seen unknown",
        when="the table does not say which classes the critic was trained on",
        holds=lambda f: "seen" not in f.analysis.classes,
        says="Which of these classes the critic was trained on is unknown, so nothing is said of seen and unseen ones:"
        " adapt it with --training-class, score with --seen, or give the data a column seen.",
    ),
    Verdict(
        name="unseen above seen",
        when="an unseen class has a mean score as high as a seen one or higher, and scores differ",
        holds=lambda f: f.knows_seen and bool(f.above) and not f.is_constant,
        says="{n_above} of {n_unseen} unseen classes score as high, on average, as a class of the training data, or"
        " higher ({above_named}): a low score alone does not mean unseen.",
    ),
    Verdict(
        name="unseen below seen",
        when="none has",
        holds=lambda f: f.knows_seen and not f.above,
        says="Every unseen class ({n_unseen}) has a lower mean score than every class of the training data.",
    ),
    Verdict(
        name="wrong way",
        when="the interval of an unseen class's AUROC lies below 0.5",
        holds=lambda f: f.knows_seen and bool(f.wrong),
        says="The critic ranks {n_wrong} of {n_unseen} unseen classes above its own reals ({wrong_named}; AUROC below"
        " 0.5, its 95 % interval too): for them its score points the wrong way.",
    ),
    Verdict(
        name="factors of the score",
        when="the data has factors that vary",
        holds=lambda f: bool(f.shares),
        says="Of the variance of the score each factor alone explains: {shares} (adjusted for chance; they overlap).",
    ),
    Verdict(
        name="clusters",
        when="clusters were found",
        holds=lambda f: bool(f.ari),
        says="Clusters found and chosen without labels (by how stable and how many they are) agree with the classes"
        " as follows (ARI; 1 = the same, 0 = chance): {agreements}.",
    ),
    Verdict(
        name="clusters, training added none",
        when="clusters of the critic's embedding agree no better than the median of randomly initialised critics",
        holds=lambda f: CRITIC_ROWS in f.ari and f.ari.get(FIRST_INIT, -2.0) >= f.ari[CRITIC_ROWS],
        says="Randomly initialised critics' embeddings cluster as well as the critic's or better: nothing shows that"
        " the training added to it.",
    ),
    Verdict(
        name="clusters, of no more use",
        when="they agree no better than those of raw pixels",
        holds=lambda f: CRITIC_ROWS in f.ari and f.ari.get(PIXELS, -2.0) >= f.ari[CRITIC_ROWS],
        says="Raw pixels cluster as well as the critic's embedding or better.",
    ),
    Verdict(
        name="clusters over trainings",
        when="there are several trainings",
        holds=lambda f: f.analysis.ari_over_runs is not None,
        says="Over the {n_runs} trainings the clusters of the critic's embedding have an ARI of {ari_over_runs}.",
    ),
    Verdict(
        name="how sure",
        when="always",
        holds=always,
        says="How sure: {n_certain} of {total} pairs are certain (95 % interval above 0.99). The smallest class has"
        " {smallest} images; without any overlap it takes about 200 a class to be certain.",
    ),
    Verdict(
        name="one training",
        when="there is one training",
        holds=lambda f: f.n_runs == 1,
        says="This is one training, and the intervals are over new images only: what another training would give cannot"
        " be known from it. Score with several and give all tables to one report.",
    ),
    Verdict(
        name="several trainings",
        when="there are several",
        holds=lambda f: f.n_runs > 1,
        says="Accuracies and pairs are means over {n_runs} trainings, their intervals over"
        " new images and new trainings. All else is of the first training, its intervals over new images.",
    ),
)


def sentences(analysis: SeparationResult) -> list[str]:
    """Return some sentences: what the training added and whether it is useful first, losses as plainly as wins."""
    known = {e.measure: e for e in analysis.margins}
    return [
        *(_margin_sentence(known[name]) for name in INTERPRETED if name in known),
        *conclude(VERDICTS, SeparationFacts(analysis)),
    ]


def _margin_sentence(e: Margin) -> str:
    return (
        f"{INTERPRETED[e.measure]} {e.value:.1%} of the images ({e.ci_low:.1%} to {e.ci_high:.1%}; always naming the"
        f" largest class {e.chance:.0%}). {answers(advantage_of(e))}"
    )
