"""Probes: how many labels a representation needs, for several representations on the same draws of labels.

The protocol is that of Radford et al. 2016, section 5: the classifier's setting is chosen on validation images, then
labels are drawn many times from a pool and the classifier is tested on images that nothing was chosen on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier

from gan_probe.errors import ConfigError
from gan_probe.names import check_name
from gan_probe.stats.beside import Difference, title_of
from gan_probe.stats.intervals import mean_over_margins
from gan_probe.stats.linear import fit_discriminant
from gan_probe.stats.splits import Split
from gan_probe.studies.advantage import Advantage, answers, difference_record
from gan_probe.studies.base import StudyResult, plain
from gan_probe.studies.judgement import Judgement, Opening, judge, sources
from gan_probe.studies.probe.metrics import ProbeMetrics
from gan_probe.types import Indices, Labels, Progress, Rows
from gan_probe.verdicts import Verdict, always, conclude

PER_CLASS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # labels a class, as far as the pool has them; then all
N_DRAWS = 100
MANY_LABELS = 200  # labels in all beyond which a tenth of the draws is taken: they overlap, and cost more
N_TUNING = 5  # draws on which a classifier's setting is chosen
CRITIC = "critic"  # the representation that the others are controls of
TASK_ALONE = "auxiliary_task_alone"  # the same network trained without a generator: a control, where one was given
EVERY, SEEN, UNSEEN = "all", "seen", "unseen"  # groups of classes that accuracies are given for

Fit = Callable[[Rows, Labels], Any]  # from rows and their labels to what names the class of others by ``predict``


def _ridge(alpha: float) -> Fit:
    return lambda rows, labels: RidgeClassifier(alpha=alpha).fit(rows, labels)


def _neighbours(k: int) -> Fit:
    return lambda rows, labels: KNeighborsClassifier(min(k, len(rows)), algorithm="brute").fit(rows, labels)


# One row a classifier: its settings, of which the first is chosen among equals.
CLASSIFIERS: dict[str, dict[str, Fit]] = {
    "linear": {
        "discriminant": fit_discriminant,
        **{f"ridge {alpha:g}": _ridge(alpha) for alpha in (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)},
    },
    "knn": {f"k = {k}": _neighbours(k) for k in (1, 3, 5, 9)},
}


@dataclass(frozen=True)
class Outcome:
    """One representation, one classifier, one number of labels a class.

    Attributes
    ----------
    representation, classifier : str
    per_class : int
        Labels a class; in unequal classes the largest has so many.
    n_labels, n_draws : int
        Labels in all, and how often they were drawn.
    setting : str
        Chosen on validation images, a row of the classifier's in `CLASSIFIERS`: the shrunken discriminant or ridge
        regression with the weight of its penalty; the number of neighbours.
    by_draw : dict of ndarray, shape (n_draws,)
        Accuracy of each draw, for every group of classes: "all" and, where known, "seen" and "unseen".
    by_image : dict of ndarray, shape (n_images,)
        Share of the draws that classified each test image correctly, for every group.
    share_drawn : float
        Part of the pool that a draw takes: so much of their variance all draws have in common.
    """

    representation: str
    classifier: str
    per_class: int
    n_labels: int
    n_draws: int
    setting: str
    by_draw: Mapping[str, npt.NDArray[np.float64]]
    by_image: Mapping[str, npt.NDArray[np.float64]]
    share_drawn: float = 0.0

    def accuracy(self, group: str = EVERY) -> float:
        """Return the mean accuracy, 0 to 1."""
        return float(self.by_draw[group].mean())

    def interval(self, group: str = EVERY) -> tuple[float, float]:
        """Return the 95 % interval of the mean accuracy over new draws of labels and new test images."""
        draws = [(self.by_draw[group], self.share_drawn)]
        _, low, high = mean_over_margins(self.by_image[group], draws, extra=(1.0, 1.0, 0.0, 0.0))
        return max(0.0, low), min(1.0, high)


def draw_labels(labels: Labels, pool: Indices, per_class: int, rng: np.random.Generator) -> Indices:
    """Return row numbers of the pool: ``per_class`` of each class, or all where it has fewer."""
    drawn = []
    for label in np.unique(labels[pool]):
        members = pool[labels[pool] == label]
        drawn.append(rng.permutation(members)[:per_class])
    return np.concatenate(drawn)


def label_counts(labels: Labels, pool: Indices, wanted: Sequence[int] | None = None) -> tuple[int, ...]:
    """Return the numbers of labels a class that the pool allows, the last being all there are.

    Raises
    ------
    ConfigError
        For a number below one, or above what the largest class has.
    """
    largest = int(pd.Series(labels[pool]).value_counts().max())
    if wanted is None:
        return (*(n for n in PER_CLASS if n < largest / 1.3), largest)  # two that are almost all say the same
    for n in wanted:
        if not 1 <= n <= largest:
            raise ConfigError(f"labels a class must be from 1 to {largest} (the largest class of the pool), got {n}.")
    return tuple(sorted(set(wanted)))


def probe_rows(
    representations: Mapping[str, Callable[[], Rows]],
    labels: Labels,
    split: Split,
    *,
    per_class: Sequence[int] | None = None,
    n_draws: int = N_DRAWS,
    classifiers: Sequence[str] = tuple(CLASSIFIERS),
    seen: npt.NDArray[np.bool_] | None = None,
    seed: int = 0,
    progress: Progress = iter,
) -> list[Outcome]:
    """Return one outcome for each representation, classifier and number of labels; all see the same draws.

    Parameters
    ----------
    representations : mapping of str to callable
        Each returns the rows (n, d) of all images; called one after the other, so only one is in memory.
    labels : ndarray, shape (n,)
    split : Split
    per_class : sequence of int, optional
        Labels a class. Default: 1, 2, 5, 10, ... up to all.
    n_draws : int
        How often labels are drawn; a tenth of that beyond 200 labels, once for all labels.
    classifiers : sequence of str
        Rows of `CLASSIFIERS`: "linear" (a shrunken discriminant or one-against-all ridge regression, a least-squares
        SVM: whichever does better on the validation images) and "knn".
    seen : ndarray of bool, shape (n,), optional
        Which images are of classes the critic was trained on: accuracies are given for both kinds apart too.
    seed : int
    progress : callable, optional
        Wraps what is iterated over, each representation, classifier and count, for a progress bar.

    Raises
    ------
    ConfigError
        For an unknown classifier, or a number out of range.
    """
    for name in classifiers:
        check_name("classifier", name, CLASSIFIERS)
    if n_draws < 2:
        raise ConfigError(f"n_draws must be at least 2, got {n_draws!r}.")
    counts = label_counts(labels, split.pool, per_class)
    outcomes, encoded = list[Outcome](), ""
    for name, classifier, n in progress(list(product(representations, classifiers, counts))):
        if name != encoded:
            rows, encoded = scaled_rows(representations[name](), split.pool), name
        outcomes.append(
            _one(
                name, classifier, n,
                rows=rows, labels=labels, split=split, n_draws=n_draws, seen=seen, seed=seed,
            )
        )  # fmt: skip
    return outcomes


def joined_layers(parts: Sequence[Rows], pool: Indices) -> Rows:
    """Return layers (n, d_i) side by side, each scaled so that its rows have length 1 on average over the pool."""
    return np.concatenate([p / max(float(np.linalg.norm(p[pool], axis=1).mean()), 1e-12) for p in parts], axis=1)


def scaled_rows(rows: Rows, pool: Indices) -> Rows:
    """Return rows scaled to length 1, then centred and scaled on the unlabelled pool so that their mean square is 1."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Rows = (rows / np.where(length > 0, length, 1)).astype(np.float32)
    unit -= unit[pool].mean(0)
    scale = math.sqrt(float((unit[pool] ** 2).sum(1).mean()))
    return unit / np.float32(scale) if scale > 0 else unit


def _one(
    name: str,
    classifier: str,
    per_class: int,
    *,
    rows: Rows,
    labels: Labels,
    split: Split,
    n_draws: int,
    seen: npt.NDArray[np.bool_] | None,
    seed: int,
) -> Outcome:
    n_labels = len(draw_labels(labels, split.pool, per_class, np.random.default_rng(seed)))
    if n_labels == len(split.pool):
        n_draws = 1
    elif n_labels > MANY_LABELS:
        n_draws = max(2, n_draws // 10)
    n_tuning = min(N_TUNING, n_draws)
    tuning = [draw_labels(labels, split.pool, per_class, _rng(seed, 1, per_class, i)) for i in range(n_tuning)]
    found = {
        s: np.mean([_correct(fit, rows, labels, drawn=drawn, tested=split.validation).mean() for drawn in tuning])
        for s, fit in CLASSIFIERS[classifier].items()
    }
    setting = max(found, key=lambda s: found[s])
    correct = np.stack(
        [
            _correct(
                CLASSIFIERS[classifier][setting],
                rows,
                labels,
                drawn=draw_labels(labels, split.pool, per_class, _rng(seed, 0, per_class, i)),
                tested=split.test,
            )
            for i in range(n_draws)
        ]
    )
    groups = {EVERY: np.ones(len(split.test), dtype=bool)}
    if seen is not None and 0 < seen[split.test].sum() < len(split.test):
        groups |= {SEEN: seen[split.test], UNSEEN: ~seen[split.test]}
    return Outcome(
        name,
        classifier,
        per_class,
        n_labels,
        n_draws,
        setting,
        {group: correct[:, mask].mean(1) for group, mask in groups.items()},
        {group: correct[:, mask].mean(0) for group, mask in groups.items()},
        n_labels / len(split.pool),
    )


def _rng(*words: int) -> np.random.Generator:
    return np.random.default_rng(words)


def _correct(fit: Fit, rows: Rows, labels: Labels, *, drawn: Indices, tested: Indices) -> npt.NDArray[np.bool_]:
    return fit(rows[drawn], labels[drawn]).predict(rows[tested]) == labels[tested]


def paired_margin(of: Outcome, over: Outcome, group: str = EVERY) -> Difference:
    """Return how far one outcome is ahead of another that saw the same draws, with a 95 % interval.

    Raises
    ------
    ValueError
        When the two are not paired.
    """
    if (of.classifier, of.per_class, of.n_draws) != (over.classifier, over.per_class, over.n_draws):
        raise ValueError("only outcomes of the same draws can be compared.")
    by_draw = of.by_draw[group] - over.by_draw[group]
    by_image = of.by_image[group] - over.by_image[group]
    value, low, high = mean_over_margins(by_image, [(by_draw, of.share_drawn)], extra=(1.0, -1.0))
    return Difference(value, max(-1.0, low), min(1.0, high))


def over_seeds(of: Outcome, seeds: Sequence[Outcome], group: str = EVERY) -> Difference:
    """Return how far an outcome is ahead of the mean of others, such as randomly initialised critics.

    The interval is over draws, test images and, with several, new seeds.
    """
    by_draw = of.by_draw[group] - np.mean([o.by_draw[group] for o in seeds], axis=0)
    by_image = of.by_image[group] - np.mean([o.by_image[group] for o in seeds], axis=0)
    by_seed = np.array([o.accuracy(group) for o in seeds])
    value, low, high = mean_over_margins(by_image, [(by_draw, of.share_drawn), (by_seed, 0.0)], extra=(1.0, -1.0))
    return Difference(value, max(low, -1.0), min(high, 1.0))


@dataclass(frozen=True, kw_only=True)
class ProbeResult(StudyResult):
    """Everything that a probe's page says.

    Attributes
    ----------
    outcomes : list of Outcome
    more : list of Outcome
        At the number of labels nearest to ten a class, on the same draws: the critic and its best control together
        ("critic and hog"), and single layers of randomly initialised critics ("random_init.0 body.1").
    random_init, baselines : tuple of str
        Representations that learned nothing from labels, which the critic must beat: of randomly initialised critics,
        and of no critic.
    layers : tuple of str
        Representations that are single layers of the critic.
    references : tuple of str
        Representations that learned from labels of other images: shown beside, not beaten.
    sizes : dict of str to int
        ``classes``, and the images in ``pool``, ``validation`` and ``test``.
    provenance : dict
    warnings : list of str
    auxiliary : str
        What the critic learned beside the game; empty where there was no task, or no game.
    """

    study: ClassVar = "probe"

    outcomes: list[Outcome]
    random_init: tuple[str, ...]
    baselines: tuple[str, ...]
    layers: tuple[str, ...]
    references: tuple[str, ...]
    sizes: Mapping[str, int]
    provenance: Mapping[str, Any]
    warnings: list[str]
    more: Sequence[Outcome] = ()
    auxiliary: str = ""

    @property
    def controls(self) -> tuple[str, ...]:
        """All that the critic must beat."""
        return (*self.random_init, *self.baselines)

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups of classes that accuracies are known for."""
        return tuple(self.outcomes[0].by_draw)

    @property
    def classifiers(self) -> tuple[str, ...]:
        """Classifiers in the order in which they ran."""
        return tuple(dict.fromkeys(o.classifier for o in self.outcomes))

    def of(self, representation: str, classifier: str) -> list[Outcome]:
        """Return the outcomes of a representation, fewest labels first."""
        return [o for o in self.outcomes if (o.representation, o.classifier) == (representation, classifier)]

    def at_middle(self, representation: str, classifier: str) -> Outcome | None:
        """Return an outcome of ``outcomes`` or ``more`` at the number of labels nearest to ten a class."""
        n = middle_outcome(self.of(CRITIC, classifier)).per_class
        found = (*self.outcomes, *self.more)
        wanted = (representation, classifier, n)
        return next((o for o in found if (o.representation, o.classifier, o.per_class) == wanted), None)

    def advantage(self, classifier: str, group: str = EVERY, layer: str = "") -> Advantage:
        """Return the critic, or one of its `layers`, beside its controls at the number of labels nearest to ten."""
        own = self.at_middle(layer or CRITIC, classifier)
        assert own is not None
        names = [layer.replace(CRITIC, init, 1) if layer else init for init in self.random_init]
        seeds = [o for name in names if (o := self.at_middle(name, classifier)) is not None]
        rivals = [o for name in self.controls if (o := self.at_middle(name, classifier)) is not None]
        best = max(rivals, key=lambda o: o.accuracy(group)) if rivals else None
        known = best.representation if best else ""
        joined = None if layer or group != EVERY else self.at_middle(joined_name(known), classifier)
        return Advantage(
            training=over_seeds(own, seeds, group) if seeds else None,
            randomly=float(np.mean([o.accuracy(group) for o in seeds])) if seeds else math.nan,
            use=paired_margin(own, best, group) if best else None,
            control=known,
            best=best.accuracy(group) if best else math.nan,
            both=paired_margin(joined, best) if joined and best else None,
            beside=known,
        )

    def game(self, classifier: str, group: str = EVERY) -> Difference | None:
        """Return the critic minus the same network by the auxiliary task alone, at the number of labels nearest to ten.

        That is what the game added; None where no such control was given.
        """
        own, alone = (self.at_middle(name, classifier) for name in (CRITIC, TASK_ALONE))
        return paired_margin(own, alone, group) if own and alone else None

    def against(
        self, names: Sequence[str], classifier: str, group: str = EVERY
    ) -> list[tuple[Outcome, Outcome, Difference]]:
        """Return (the critic, the best of some others, the margin) for every number of labels.

        The best is picked by the test images, which favours the others.
        """
        found = []
        for outcome in self.of(CRITIC, classifier):
            same = [o for name in names for o in self.of(name, classifier) if o.per_class == outcome.per_class]
            if same:
                rival = max(same, key=lambda o: o.accuracy(group))
                found.append((outcome, rival, paired_margin(outcome, rival, group)))
        return found

    def table(self) -> pd.DataFrame:
        """Return one row an outcome and group: accuracy, interval, and how far the critic is ahead of it."""
        critics = {(o.classifier, o.per_class): o for o in self.outcomes if o.representation == CRITIC}
        rows = []
        for o in self.outcomes:
            for group in self.groups:
                low, high = o.interval(group)
                row = {
                    "representation": o.representation,
                    "classifier": o.classifier,
                    "classes": group,
                    "labels_per_class": o.per_class,
                    "n_labels": o.n_labels,
                    "n_draws": o.n_draws,
                    "setting": o.setting,
                    "accuracy": o.accuracy(group),
                    "ci_low": low,
                    "ci_high": high,
                    "sd_over_draws": float(o.by_draw[group].std(ddof=1)) if o.n_draws > 1 else math.nan,
                }
                if o.representation != CRITIC:
                    ahead = paired_margin(critics[o.classifier, o.per_class], o, group)
                    row |= {"critic_ahead": ahead.value, "ahead_low": ahead.ci_low, "ahead_high": ahead.ci_high}
                rows.append(row)
        return pd.DataFrame(rows)

    def findings(self) -> list[str]:
        """Return what was found, in plain words."""
        return _sentences(self)

    def metrics(self) -> ProbeMetrics:
        """Return the numbers of the first classifier nearest to ten labels a class."""
        classifier = self.classifiers[0]
        critic, found = middle_outcome(self.of(CRITIC, classifier)), self.advantage(classifier)
        margin, added = found.use, found.training
        return ProbeMetrics(
            classifier=classifier,
            labels_per_class=critic.per_class,
            accuracy=critic.accuracy(),
            best_control=found.control,
            margin=margin.value if margin else None,
            ci_low=margin.ci_low if margin else None,
            ci_high=margin.ci_high if margin else None,
            added_high=added.ci_high if added else None,
            **self._judgement().numbers(),
        )

    def opening(self) -> Opening:
        """Return the verdict on the features, by the first classifier nearest to ten labels a class."""
        counted = f"{self.sizes['test']:,} test images, {self.sizes['classes']} classes"
        return Opening(judgement=self._judgement(), about=(*sources(self.provenance), counted))

    def _judgement(self) -> Judgement:
        classifier = self.classifiers[0]
        n = middle_outcome(self.of(CRITIC, classifier)).per_class
        return judge({f"With {n} labels a class a probe on the features": self.advantage(classifier)})

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return ``probe``: one row an outcome and group."""
        return {"probe": self.table()}

    def lead(self) -> list[dict[str, Any]]:
        """Return the critic beside its best control, one row a classifier, group and number of labels."""
        return [
            {
                "classifier": classifier,
                "classes": group,
                "labels_per_class": critic.per_class,
                "accuracy": critic.accuracy(group),
                "best_control": rival.representation,
                "control_accuracy": rival.accuracy(group),
                "margin": found.value,
                "ci_low": found.ci_low,
                "ci_high": found.ci_high,
                **self._added(critic, group),
            }
            for classifier in self.classifiers
            for group in self.groups
            for critic, rival, found in self.against(self.controls, classifier, group)
        ]

    def _added(self, critic: Outcome, group: str) -> dict[str, float]:
        """Return how far the critic is ahead of randomly initialised ones in one row of `lead`; empty without."""
        seeds = [o for name in self.random_init for o in self.of(name, critic.classifier)]
        same = [o for o in seeds if o.per_class == critic.per_class]
        found = over_seeds(critic, same, group) if same else None
        return {} if found is None else {"added": found.value, "added_low": found.ci_low, "added_high": found.ci_high}

    def questions(self) -> list[dict[str, Any]]:
        """Return the three differences of the critic and of its single layers, at the number nearest to ten labels."""
        asked = [(CRITIC, c, g) for c in self.classifiers for g in self.groups]
        asked += [(layer, self.classifiers[0], EVERY) for layer in self.layers]
        rows = []
        for name, classifier, group in asked:
            found = self.advantage(classifier, group, "" if name == CRITIC else name)
            rows.append(
                {
                    "representation": name,
                    "classifier": classifier,
                    "classes": group,
                    "best_control": found.control,
                    "training_added": difference_record(found.training),
                    "over_best_control": difference_record(found.use),
                    "beyond_best_control": difference_record(found.both),
                }
            )
        return rows

    def record(self) -> dict[str, Any]:
        """Return every number of the page."""
        return {
            "protocol": PROTOCOL,
            "sizes": dict(self.sizes),
            "lead": self.lead(),
            "questions": self.questions(),
            "outcomes": [plain(row) for row in self.table().to_dict("records")],
        }


PROTOCOL = (
    "Labels are drawn at random from the pool, the same draws for every representation; the classifier's setting is"
    " chosen on the validation images for each representation and number of labels; accuracy is measured on the test"
    " images. Rows are scaled to length 1 and centred on the pool. Linear: a shrunken"
    " discriminant or one-against-all ridge regression."
)


@dataclass(frozen=True)
class ProbeFacts:
    """What sentences are made of: a probe, one of its classifiers, and one group of classes."""

    result: ProbeResult
    classifier: str
    group: str = EVERY

    @property
    def where(self) -> str:
        """Of which classes, in words."""
        return "" if self.group == EVERY else f" on images of {self.group} classes"

    @property
    def n(self) -> int:
        """Labels a class."""
        return middle_outcome(self.result.of(CRITIC, self.classifier)).per_class

    @property
    def accuracy(self) -> float:
        """Of the critic."""
        return middle_outcome(self.result.of(CRITIC, self.classifier)).accuracy(self.group)

    @property
    def answered(self) -> str:
        """What the training added and whether it is useful, in words."""
        return answers(self.result.advantage(self.classifier, self.group))

    @property
    def of_random(self) -> str:
        """Numbers of labels at which the critic is ahead of randomly initialised ones; empty where there are none."""
        rows = [row for row in self.result.lead() if (row["classifier"], row["classes"]) == self._key]
        compared = [row for row in rows if "added_low" in row]
        where = _numbers([row["labels_per_class"] for row in compared if row["added_low"] > 0])
        return f"ahead of randomly initialised critics at {where}; " if compared else ""

    @property
    def ahead_of_best(self) -> str:
        """Numbers of labels at which it is ahead of its best control."""
        return self._where("ahead")

    @property
    def behind_best(self) -> str:
        """Numbers of labels at which it is behind."""
        return self._where("behind")

    @property
    def game(self) -> Difference | None:
        """The critic minus the same network by the auxiliary task alone."""
        return self.result.game(self.classifier, self.group)

    @property
    def game_added(self) -> str:
        """The same in words."""
        assert self.game is not None
        return self.game.points()

    @property
    def alone(self) -> float:
        """Accuracy of that network."""
        found = self.result.at_middle(TASK_ALONE, self.classifier)
        assert found is not None
        return found.accuracy(self.group)

    @property
    def over_alone(self) -> str:
        """Numbers of labels at which the critic is ahead of it."""
        compared = self.result.against((TASK_ALONE,), self.classifier, self.group)
        return _numbers([critic.per_class for critic, _, found in compared if found.verdict == "ahead"])

    @property
    def reference(self) -> str:
        """What a network that learned from labels gets, in words."""
        critic, other, found = _middle(self.result.against(self.result.references, self.classifier))
        return (
            f"{title_of(other.representation)} features (learned from labels of other images) get"
            f" {other.accuracy():.1%} at {critic.per_class} labels a class, the critic's {critic.accuracy():.1%}"
            f" ({self.classifier}); difference {found.points()}"
        )

    @property
    def _key(self) -> tuple[str, str]:
        return self.classifier, self.group

    def _where(self, verdict: str) -> str:
        compared = self.result.against(self.result.controls, self.classifier, self.group)
        return _numbers([critic.per_class for critic, _, found in compared if found.verdict == verdict])


@dataclass(frozen=True)
class LayerFacts:
    """What sentences on a single layer are made of."""

    result: ProbeResult
    layer: str

    @property
    def name(self) -> str:
        """Of the layer."""
        return self.layer.partition(" ")[2]

    @property
    def outcome(self) -> Outcome:
        """Of the layer alone."""
        return middle_outcome(self.result.of(self.layer, self.result.classifiers[0]))

    @property
    def n(self) -> int:
        """Labels a class."""
        return self.outcome.per_class

    @property
    def accuracy(self) -> float:
        """Of the layer alone."""
        return self.outcome.accuracy()

    @property
    def answered(self) -> str:
        """What the training added and whether it is useful, in words."""
        return answers(self.result.advantage(self.result.classifiers[0], layer=self.layer))


def _numbers(found: Sequence[int]) -> str:
    return ", ".join(map(str, found)) or "none"


VERDICTS: tuple[Verdict[ProbeFacts], ...] = (
    Verdict(
        name="at ten labels",
        when="always, for each classifier and group of classes",
        holds=always,
        says="{classifier}{where}, {n} labels a class: the critic's features are right on {accuracy:.1%} of the images."
        " {answered}",
    ),
    Verdict(
        name="at each number of labels",
        when="there are controls",
        holds=lambda f: bool(f.result.controls),
        says="{classifier}{where}, at which numbers of labels: {of_random}ahead of the best control at {ahead_of_best};"
        " behind it at {behind_best}.",
    ),
)
GAME: tuple[Verdict[ProbeFacts], ...] = (
    Verdict(
        name="game added",
        when="a control by the auxiliary task alone stands beside it, and the interval of critic minus it lies above 0",
        holds=lambda f: f.game is not None and f.game.verdict == "ahead",
        says="The game added {game_added} over the same network by the auxiliary task alone, without a generator"
        " ({alone:.1%}); ahead of it at {over_alone} labels a class.",
    ),
    Verdict(
        name="game not shown",
        when="that interval holds 0",
        holds=lambda f: f.game is not None and f.game.verdict == "not to be told apart",
        says="Nothing shows that the game added anything: {game_added} over the same network by the auxiliary task"
        " alone, without a generator ({alone:.1%}); ahead of it at {over_alone} labels a class.",
    ),
    Verdict(
        name="game took away",
        when="that interval lies below 0",
        holds=lambda f: f.game is not None and f.game.verdict == "behind",
        says="The game took something away: {game_added} against the same network by the auxiliary task alone, without"
        " a generator ({alone:.1%}). Use that one.",
    ),
    Verdict(
        name="game not compared",
        when="the critic learned an auxiliary task beside the game, and no control by that task alone was given",
        holds=lambda f: f.game is None and bool(f.result.auxiliary),
        says="Whether the game added anything was not compared: the critic learned {result.auxiliary} beside it. Train"
        " the same with --without-generator, and give that run as --control.",
    ),
)
REFERENCE: tuple[Verdict[ProbeFacts], ...] = (
    Verdict(
        name="reference",
        when="a network trained on ImageNet stands beside it",
        holds=lambda f: bool(f.result.references),
        says="For reference, {reference}.",
    ),
    Verdict(
        name="how sure",
        when="always",
        holds=always,
        says="How sure: the 95 % intervals are over new draws of labels and new test images of the same kind, for this"
        " one critic; another training gives another critic. Of all labels there is one draw, and the interval is over"
        " test images alone. The best control is picked by the test images, which favours it.",
    ),
)
LAYERS: tuple[Verdict[LayerFacts], ...] = (
    Verdict(
        name="layer",
        when="the critic has several layers; for each",
        holds=always,
        says="Layer {name} alone, {n} labels a class: right on {accuracy:.1%}. {answered}",
    ),
)


def joined_name(control: str) -> str:
    """Return the name of the critic's features and a control's side by side."""
    return f"{CRITIC} and {control}"


def _sentences(result: ProbeResult) -> list[str]:
    """Return some sentences in plain words: what the training added, and whether it is useful."""
    first = result.classifiers[0]
    lines = [
        line
        for classifier in result.classifiers
        for group in result.groups
        for line in conclude(VERDICTS, ProbeFacts(result, classifier, group))
    ]
    lines += conclude(GAME, ProbeFacts(result, first))
    lines += [line for layer in result.layers for line in conclude(LAYERS, LayerFacts(result, layer))]
    return lines + conclude(REFERENCE, ProbeFacts(result, first))


def middle_outcome(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcome nearest to ten labels a class: what a page that names one number names."""
    return min(outcomes, key=lambda o: abs(math.log(o.per_class / 10)))


def _middle(compared: Sequence[tuple[Outcome, Outcome, Difference]]) -> tuple[Outcome, Outcome, Difference]:
    chosen = middle_outcome([critic for critic, _, _ in compared])
    return next(c for c in compared if c[0] is chosen)
