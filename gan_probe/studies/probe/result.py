"""Probes: how many labels a representation needs, for several representations on the same draws of labels.

The protocol is that of Radford et al. 2016, section 5: the classifier's setting is chosen on validation images, then
labels are drawn many times from a pool and the classifier is tested on images that nothing was chosen on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier

from gan_probe.errors import ConfigError
from gan_probe.names import check_name
from gan_probe.stats.beside import title_of
from gan_probe.stats.intervals import mean_over_margins
from gan_probe.stats.linear import fit_discriminant
from gan_probe.stats.splits import Split
from gan_probe.studies.base import StudyResult, plain
from gan_probe.studies.probe.metrics import ProbeMetrics
from gan_probe.types import Indices, Labels, Rows

PER_CLASS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # labels a class, as far as the pool has them; then all
N_DRAWS = 100
MANY_LABELS = 200  # labels in all beyond which a tenth of the draws is taken: they overlap, and cost more
N_TUNING = 5  # draws on which a classifier's setting is chosen
CRITIC = "critic"  # the representation that the others are controls of
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


@dataclass(frozen=True)
class PairedMargin:
    """How far a representation is ahead of another on the same draws and test images."""

    value: float
    ci_low: float
    ci_high: float

    def __str__(self) -> str:
        return f"{100 * self.value:+.1f} points [{100 * self.ci_low:+.1f}, {100 * self.ci_high:+.1f}]"


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
    on_step: Callable[[str], None] | None = None,
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
    on_step : callable, optional
        Called with the name of each representation, classifier and count when it is done.

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
    outcomes = []
    for name, encode in representations.items():
        rows = scaled_rows(encode(), split.pool)
        for classifier in classifiers:
            for n in counts:
                outcomes.append(
                    _one(
                        name,
                        classifier,
                        n,
                        rows=rows,
                        labels=labels,
                        split=split,
                        n_draws=n_draws,
                        seen=seen,
                        seed=seed,
                    )
                )
                if on_step:
                    on_step(f"{name}, {classifier}, {n} a class")
    return outcomes


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


def paired_margin(of: Outcome, over: Outcome, group: str = EVERY) -> PairedMargin:
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
    return PairedMargin(value, max(-1.0, low), min(1.0, high))


@dataclass(frozen=True, kw_only=True)
class ProbeResult(StudyResult):
    """Everything that a probe's page says.

    Attributes
    ----------
    outcomes : list of Outcome
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

    def against(
        self, names: Sequence[str], classifier: str, group: str = EVERY
    ) -> list[tuple[Outcome, Outcome, PairedMargin]]:
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
        critic = _middle_outcome(self.of(CRITIC, classifier))
        compared = self.against(self.controls, classifier)
        _, rival, found = _middle(compared) if compared else (critic, None, None)
        return ProbeMetrics(
            classifier=classifier,
            labels_per_class=critic.per_class,
            accuracy=critic.accuracy(),
            best_control=rival.representation if rival else "",
            margin=found.value if found else None,
            ci_low=found.ci_low if found else None,
            ci_high=found.ci_high if found else None,
        )

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
            }
            for classifier in self.classifiers
            for group in self.groups
            for critic, rival, found in self.against(self.controls, classifier, group)
        ]

    def record(self) -> dict[str, Any]:
        """Return every number of the page."""
        return {
            "protocol": PROTOCOL,
            "sizes": dict(self.sizes),
            "lead": self.lead(),
            "outcomes": [plain(row) for row in self.table().to_dict("records")],
        }


PROTOCOL = (
    "Labels are drawn at random from the pool, the same draws for every representation; the classifier's setting is"
    " chosen on the validation images for each representation and number of labels; accuracy is measured on the test"
    " images. Rows are scaled to length 1 and centred on the pool. Linear: a shrunken"
    " discriminant or one-against-all ridge regression."
)

HOW_SURE = (
    "How sure: the 95 % intervals are over new draws of labels and new test images of the same kind, for this one"
    " critic; another training gives another critic. Of all labels there is one draw, and the interval is over test"
    " images alone. The best control is picked by the test images, which favours it."
)


def _sentences(result: ProbeResult) -> list[str]:
    """Return some sentences in plain words: where the critic is ahead of its controls, and where it is not."""
    lines = []
    for classifier in result.classifiers:
        for group in result.groups:
            compared = result.against(result.controls, classifier, group)
            if compared:
                lines.append(_lead_sentence(classifier, compared, group))
    if not lines:
        lines.append("No controls were run, so nothing shows what the training added.")
    first = result.classifiers[0]
    compared = result.against(result.references, first)
    if compared:
        critic, reference, found = _middle(compared)
        lines.append(
            f"For reference, {reference.representation} features (learned from labels of other images) get"
            f" {reference.accuracy():.1%} at {critic.per_class} labels a class, the critic's {critic.accuracy():.1%}"
            f" ({first}); difference {found}."
        )
    if result.layers:
        place = result.of(CRITIC, first).index(_middle_outcome(result.of(CRITIC, first)))
        each = [f"{name.partition(' ')[2]} {result.of(name, first)[place].accuracy():.1%}" for name in result.layers]
        lines.append(f"Single layers at {result.of(CRITIC, first)[place].per_class} labels a class: {', '.join(each)}.")
    return [*lines, HOW_SURE]


def _middle_outcome(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcome nearest to ten labels a class: what a page that names one number names."""
    return min(outcomes, key=lambda o: abs(math.log(o.per_class / 10)))


def _middle(compared: Sequence[tuple[Outcome, Outcome, PairedMargin]]) -> tuple[Outcome, Outcome, PairedMargin]:
    chosen = _middle_outcome([critic for critic, _, _ in compared])
    return next(c for c in compared if c[0] is chosen)


def _lead_sentence(classifier: str, compared: Sequence[tuple[Outcome, Outcome, PairedMargin]], group: str) -> str:
    verdicts = {
        "ahead of every control at": [o.per_class for o, _, e in compared if e.ci_low > 0],
        "behind the best control at": [o.per_class for o, _, e in compared if e.ci_high < 0],
        "not to be told from the best control at": [o.per_class for o, _, e in compared if e.ci_low <= 0 <= e.ci_high],
    }
    said = [f"{words} {', '.join(map(str, numbers))}" for words, numbers in verdicts.items() if numbers]
    critic, rival, found = _middle(compared)
    where = "" if group == EVERY else f" on images of {group} classes"
    return (
        f"{classifier}{where}: the critic's features are {'; '.join(said)} labels a class. At {critic.per_class}: the"
        f" critic {critic.accuracy(group):.1%} correct, {title_of(rival.representation)} {rival.accuracy(group):.1%};"
        f" difference {found}."
    )
