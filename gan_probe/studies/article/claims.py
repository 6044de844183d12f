"""What the article says it saw, one row a claim: its words, when we call it true, and how it is measured.

To add a claim: one function from trainings to `Measured`, and one row in ``CLAIMS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import spearmanr

from gan_probe.scoring.table import factor_columns
from gan_probe.stats.agreement import flip_rate
from gan_probe.stats.auroc import Pair
from gan_probe.stats.variance import epsilon_squared, levels
from gan_probe.studies.article.trained import (
    CIRCLE_CLEAN,
    CIRCLE_SEEN,
    CIRCLES,
    NOISE_ONLY,
    SEEN,
    SQUARE,
    SQUARE_CLEAN,
    SQUARES,
    TRIANGLE,
    TRIANGLE_CLEAN,
    TRIANGLE_LIGHT,
    TRIANGLES,
    Trained,
)
from gan_probe.types import Values

LENGTHS = (10, 20, 100, 200)  # epochs, as the article trained
N_DRAWS, TINY = 1000, 1e-12  # bootstrap samples of images within classes; the smallest divisor
SEEN_BY_EYE = 44  # pairs, of 45: all but one
LAST_ITERATIONS = 1000
SMOOTHED = 25  # generator steps whose median is a point of the loss curve
NOT_SAID, TWO_NEEDED = "look at the figures; no number decides it", "needs trainings of two seeds"

PerDraw = Values | np.float64  # a number as found, or one for each bootstrap sample


@dataclass(frozen=True)
class Measured:
    """What was found: one number a training with its interval where there is one, and whether the claim holds in each.

    ``holds`` is empty where no number decides. ``numbers`` and ``intervals`` are in the order of the trainings.
    """

    numbers: tuple[float, ...]
    holds: tuple[bool, ...]
    intervals: tuple[tuple[float, float] | None, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim.

    Attributes
    ----------
    name : str
    says : str
        The article's words, in ours.
    number : str
        What is measured.
    rule : str
        When we say that it holds.
    measure : callable
        From the trainings of those lengths to what was found.
    epochs : tuple of int
        Of which lengths of training it is said; empty: of the longest.
    """

    name: str
    says: str
    number: str
    rule: str
    measure: Callable[[Sequence[Trained]], Measured]
    epochs: tuple[int, ...] = ()


def _each(
    trainings: Sequence[Trained],
    value: Callable[[Trained], float],
    holds: Callable[[Trained, float], bool],
    interval: Callable[[Trained], tuple[float, float]] | None = None,
) -> Measured:
    values = tuple(value(t) for t in trainings)
    intervals = tuple(interval(t) for t in trainings) if interval else ()
    return Measured(values, tuple(holds(t, v) for t, v in zip(trainings, values, strict=True)), intervals)


@dataclass(frozen=True)
class Moments:
    """Means and standard deviations of every class: as found, () each, or of bootstrap samples, (draws,) each."""

    mean: Mapping[str, PerDraw]
    sd: Mapping[str, PerDraw]

    @classmethod
    def found(cls, training: Trained) -> Moments:
        """Return those of a training's scores."""
        values = training.by_class.items()
        return cls({k: v.mean() for k, v in values}, {k: v.std(ddof=1) for k, v in values})

    @classmethod
    def drawn(cls, training: Trained) -> Moments:
        """Return those of so many new samples of every class's images."""
        rng = np.random.default_rng(0)
        samples = {k: v[rng.integers(len(v), size=(N_DRAWS, len(v)))] for k, v in training.by_class.items()}
        return cls({k: v.mean(1) for k, v in samples.items()}, {k: v.std(1, ddof=1) for k, v in samples.items()})

    def distance(self, a: str, b: str) -> PerDraw:
        """Return the distance of two class means over their pooled standard deviation: Cohen's d without its sign."""
        pooled = np.sqrt((self.sd[a] ** 2 + self.sd[b] ** 2) / 2)
        return np.abs(self.mean[a] - self.mean[b]) / np.maximum(pooled, TINY)


def _with_interval(trainings: Sequence[Trained], statistic: Callable[[Moments], PerDraw]) -> Measured:
    """Return a ratio of every training with a 95 % percentile interval over new images; it holds above 1."""
    values = tuple(float(statistic(Moments.found(t))) for t in trainings)
    ends = [np.nanquantile(statistic(Moments.drawn(t)), [0.025, 0.975]) for t in trainings]
    intervals = tuple((float(low), float(high)) for low, high in ends)
    return Measured(values, tuple(low > 1 for low, _ in intervals), intervals)


def _ends(pair: Pair) -> tuple[float, float]:
    return pair.ci_low, pair.ci_high


# --- the claims --------------------------------------------------------------------------------------------------


def _seen_apart(trainings: Sequence[Trained]) -> Measured:
    return _each(
        trainings,
        lambda t: t.pair(*SEEN).auroc,
        lambda t, _: t.pair(*SEEN).separated,
        lambda t: _ends(t.pair(*SEEN)),
    )


def _pairs(trainings: Sequence[Trained]) -> Measured:
    certain = [sum(p.certain for p in t.pairs.values()) for t in trainings]
    found = _each(trainings, lambda t: float(t.n_separated), lambda _, value: value >= SEEN_BY_EYE)
    return Measured(found.numbers, found.holds, note=f"certain: {', '.join(map(str, certain))}")


def _only_exception(trainings: Sequence[Trained]) -> Measured:
    exception = frozenset((TRIANGLE, TRIANGLE_CLEAN))

    def holds(training: Trained, _: float) -> bool:
        return {key for key, pair in training.pairs.items() if not pair.separated} == {exception}

    return _each(
        trainings,
        lambda t: t.pair(TRIANGLE, TRIANGLE_CLEAN).auroc,
        holds,
        lambda t: _ends(t.pair(TRIANGLE, TRIANGLE_CLEAN)),
    )


def _noise_is_hardest(trainings: Sequence[Trained]) -> Measured:
    alike = {frozenset(pair) for pair in NOISE_ONLY}
    others = [p for p in combinations(trainings[0].by_class, 2) if frozenset(p) not in alike]

    def ratio(moments: Moments) -> PerDraw:
        by_noise, by_more = (np.median([moments.distance(*p) for p in pairs], axis=0) for pairs in (NOISE_ONLY, others))
        return by_more / np.maximum(by_noise, TINY)

    return _with_interval(trainings, ratio)


def _squares_clear(trainings: Sequence[Trained]) -> Measured:
    return _each(
        trainings,
        lambda t: t.pair(SQUARE, SQUARE_CLEAN).auroc,
        lambda t, _: t.pair(SQUARE, SQUARE_CLEAN).separated,
        lambda t: _ends(t.pair(SQUARE, SQUARE_CLEAN)),
    )


def _squares_leftmost(trainings: Sequence[Trained]) -> Measured:
    def rank(training: Trained) -> float:
        order = sorted(training.by_class, key=training.mean)
        return float(max(order.index(SQUARE), order.index(SQUARE_CLEAN)) + 1)

    return _each(trainings, rank, lambda _, value: value == 2)


def _circles_barely(trainings: Sequence[Trained]) -> Measured:
    def holds(training: Trained, _: float) -> bool:
        pair, moments = training.pair(CIRCLE_SEEN, CIRCLE_CLEAN), Moments.found(training)
        nearer = moments.distance(CIRCLE_SEEN, CIRCLE_CLEAN) < moments.distance(SQUARE, SQUARE_CLEAN)
        return pair.p_value < 0.05 and not pair.certain and bool(nearer)

    return _each(
        trainings,
        lambda t: t.pair(CIRCLE_SEEN, CIRCLE_CLEAN).auroc,
        holds,
        lambda t: _ends(t.pair(CIRCLE_SEEN, CIRCLE_CLEAN)),
    )


def _triangles_apart(trainings: Sequence[Trained]) -> Measured:
    others = (*SQUARES, *CIRCLES)

    def count(training: Trained) -> float:
        return float(sum(training.pair(t, o).separated for t in TRIANGLES for o in others))

    return _each(trainings, count, lambda _, value: value == len(TRIANGLES) * len(others))


def _triangles_between(trainings: Sequence[Trained]) -> Measured:
    def count(training: Trained) -> float:
        others = [training.mean(label) for label in (*SQUARES, *CIRCLES)]
        return float(sum(min(others) < training.mean(t) < max(others) for t in TRIANGLES))

    return _each(trainings, count, lambda _, value: value == len(TRIANGLES))


def _triangles_by_colour(trainings: Sequence[Trained]) -> Measured:
    def pairs(training: Trained) -> list[Pair]:
        return [training.pair(TRIANGLE_LIGHT, other) for other in (TRIANGLE, TRIANGLE_CLEAN)]

    return _each(
        trainings,
        lambda t: min(p.auroc for p in pairs(t)),
        lambda t, _: all(p.separated for p in pairs(t)),
        lambda t: _ends(min(pairs(t), key=lambda p: p.auroc)),
    )


def _smooth(values: Values) -> Values:
    """Return medians over so many steps, one after another."""
    n = max(1, len(values) // SMOOTHED) * min(SMOOTHED, len(values))
    return np.median(values[:n].reshape(-1, min(SMOOTHED, len(values))), axis=1)


def _loss_falls(trainings: Sequence[Trained]) -> Measured:
    def ratio(training: Trained) -> float:
        curve = np.abs(_smooth(training.losses["w_distance"].to_numpy(np.float64)))
        return float(np.median(curve[-max(1, len(curve) // 10) :]) / curve.max())

    return _each(trainings, ratio, lambda _, value: value < 0.5)


def _loss_jumps(trainings: Sequence[Trained]) -> Measured:
    def ratio(training: Trained) -> float:
        curve = _smooth(training.losses["w_distance"].to_numpy(np.float64))
        n_critic = int(training.facts["settings"]["n_critic"])
        n_last = max(2, round(LAST_ITERATIONS / n_critic / SMOOTHED))
        moves = np.abs(np.diff(curve))
        before = moves[len(moves) // 4 : -n_last]
        return float(moves[-n_last:].max() / max(before.max(), TINY)) if len(before) else np.nan

    found = _each(trainings, ratio, lambda _, value: value > 1)
    if not np.isfinite(found.numbers).all():
        return Measured((), (), note="the trainings are too short to have a before")
    return found


def _penalty_falls(trainings: Sequence[Trained]) -> Measured:
    def ratio(training: Trained) -> float:
        penalty = training.losses["penalty"].to_numpy(np.float64)
        tenth = max(1, len(penalty) // 10)
        return float(np.median(penalty[-tenth:]) / np.median(penalty[:tenth]))

    highest = max(float(t.losses["penalty"].max()) for t in trainings)
    found = _each(trainings, ratio, lambda _, value: value < 1)
    return Measured(found.numbers, found.holds, note=f"largest penalty of all steps: {highest:.3g}")


def _pictures(trainings: Sequence[Trained]) -> Measured:
    return Measured(tuple(float(t.facts["distance"]) for t in trainings), (), note=NOT_SAID)


def _shares(training: Trained) -> dict[str, float]:
    """Return the share of the variance of scores between shapes, colours and amounts of noise."""
    table, scores = training.table.table, training.table.scores
    factors = {name: table[column].astype(str) for name, column in factor_columns(table).items()}
    colour = factors["base"] + factors["sign"]
    found = {"shape": factors["shape"], "colour": colour, "noise": factors["noise"]}
    return {name: epsilon_squared(scores, levels(column)) for name, column in found.items()}


def _by_shape(trainings: Sequence[Trained]) -> Measured:
    def holds(training: Trained, value: float) -> bool:
        return value == max(_shares(training).values())

    return _each(trainings, lambda t: _shares(t)["shape"], holds)


def _finer(trainings: Sequence[Trained]) -> Measured:
    shorter, longer = min(t.epochs for t in trainings), max(t.epochs for t in trainings)
    counts = {(t.epochs, t.seed): t.n_separated for t in trainings}
    seeds = [seed for length, seed in counts if length == longer and (shorter, seed) in counts]
    gained = tuple(float(counts[longer, seed] - counts[shorter, seed]) for seed in seeds)
    return Measured(gained, tuple(value > 0 for value in gained))


def _triangles_high(trainings: Sequence[Trained]) -> Measured:
    def count(training: Trained) -> float:
        highest = max(training.mean(label) for label in SEEN)
        return float(sum(training.mean(label) > highest for label in TRIANGLES))

    return _each(trainings, count, lambda _, value: value == len(TRIANGLES))


def _width_follows_noise(trainings: Sequence[Trained]) -> Measured:
    def ratio(moments: Moments) -> PerDraw:
        pairs = [
            (np.maximum(moments.sd[noisy], TINY), np.maximum(moments.sd[clean], TINY)) for noisy, clean in NOISE_ONLY
        ]
        return np.exp(np.mean([np.log(noisy) - np.log(clean) for noisy, clean in pairs], axis=0))

    return _with_interval(trainings, ratio)


def _rank_correlation(training: Trained, classes: Sequence[str], of: Callable[[str], PerDraw]) -> float:
    """Return Spearman's correlation, over pairs of classes, of distances of means with those of something else."""
    pairs = list(combinations(classes, 2))
    distances = [abs(training.mean(a) - training.mean(b)) for a, b in pairs]
    other = [float(np.linalg.norm(of(a) - of(b))) for a, b in pairs]
    return float(spearmanr(distances, other).statistic)


def _area_sets_distances(trainings: Sequence[Trained]) -> Measured:
    def value(training: Trained) -> float:
        table = training.table
        areas = table.table.assign(area=table.scores_beside().baselines["filled_area"])
        by_label = areas.groupby("label")["area"].mean()
        pairs = [
            (a, b)
            for a, b in combinations(training.by_class, 2)
            if a.partition("_")[0] != b.partition("_")[0]
        ]  # fmt: skip
        distances = [abs(training.mean(a) - training.mean(b)) for a, b in pairs]
        return float(spearmanr(distances, [abs(by_label[a] - by_label[b]) for a, b in pairs]).statistic)

    return _each(trainings, value, lambda _, found: found > 0)


def _colour_sets_distances(trainings: Sequence[Trained]) -> Measured:
    def value(training: Trained) -> float:
        first = training.table.table.drop_duplicates("label").set_index("label")
        columns = factor_columns(training.table.table)

        def colour(label: str) -> PerDraw:
            base, sign = (float(first[columns[name]][label]) for name in ("base", "sign"))
            return base + sign * np.array([0.0, 0.1, 0.2])

        return _rank_correlation(training, CIRCLES, colour)

    return _each(trainings, value, lambda _, found: found > 0)


def _absolute_scores(trainings: Sequence[Trained]) -> Measured:
    if len(trainings) < 2:
        return Measured((), (), note=TWO_NEEDED)
    means = np.array([[t.mean(label) for label in t.by_class] for t in trainings])
    within = float(np.mean([t.spread for t in trainings]))
    value = float(np.median(means.std(axis=0, ddof=1)) / within)
    return Measured((value,), (value > 1,))


def _relative_scores(trainings: Sequence[Trained]) -> Measured:
    if len(trainings) < 2:
        return Measured((), (), note=TWO_NEEDED)
    means = np.array([[t.mean(label) for label in t.by_class] for t in trainings])
    value = flip_rate(means)
    return Measured((value,), (value > 0,))


CLAIMS: tuple[Claim, ...] = (
    Claim(name="seen types", says="The two training types are told apart without labels.",
          number="AUROC of the two types", rule="separated", measure=_seen_apart),
    Claim(name="pairs", says="Almost all pairs of the ten types fall apart by eye (44 of 45, as we count).",
          number="pairs separated, of 45", rule=f"at least {SEEN_BY_EYE}", measure=_pairs),
    Claim(name="one exception", says="The one exception: two triangles of one colour that differ in noise.",
          number="AUROC of those two", rule="this pair and no other is not separated", measure=_only_exception),
    Claim(name="noise is hardest", says="Shape and colour are told apart most easily, noise less.",
          number="median distance of classes that differ in shape or colour, over that of those that differ in noise"
                 " alone (distances in standard deviations)",
          rule="the interval lies above 1", measure=_noise_is_hardest),
    Claim(name="squares by noise", says="Two squares of one colour that differ in noise are clearly apart.",
          number="AUROC", rule="separated", measure=_squares_clear),
    Claim(name="squares leftmost", says="They lie leftmost in the histogram.",
          number="rank of the higher of the two, of ten (1 = lowest score)", rule="2", measure=_squares_leftmost),
    Claim(name="circles by noise", says="The circles (0.85,-1) at noise 0.03 and 0.01 are barely apart.",
          number="AUROC", rule="better than chance, not certain, and nearer than the two squares",
          measure=_circles_barely),
    Claim(name="triangles apart", says="Triangles lie apart from the other shapes.",
          number="pairs of a triangle and another shape separated, of 21", rule="21", measure=_triangles_apart),
    Claim(name="triangles between", says="Triangles lie in the middle of the histogram.",
          number="triangle classes with other shapes on either side, of 3", rule="3", measure=_triangles_between),
    Claim(name="triangles by colour", says="Triangles of different colour lie apart from each other.",
          number="the smaller AUROC of the two such pairs", rule="both separated", measure=_triangles_by_colour),
    Claim(name="loss", says="The critic's loss goes the right way.",
          number="estimate of the distance at the end over its largest", rule="below 0.5", measure=_loss_falls),
    Claim(name="jump", says="It jumps in the last 1,000 iterations.",
          number="largest move there over the largest before (first quarter left out)", rule="above 1",
          measure=_loss_jumps),
    Claim(name="penalty", says="The penalty is bounded and falls.",
          number="median penalty of the last tenth over that of the first", rule="below 1", measure=_penalty_falls),
    Claim(name="pictures", says="Generated colours are right, shapes recognisable and sometimes mixed.",
          number="distance of generated images from real ones, over that of real ones from each other", rule=NOT_SAID,
          measure=_pictures),
    Claim(name="10 epochs", says="After 10 epochs nothing decent is drawn, but scores group by shape.",
          number="share of the variance of scores between shapes", rule="larger than that of colour and noise",
          measure=_by_shape, epochs=(10,)),
    Claim(name="20 epochs", says="After 20 epochs scores tell types apart more finely than after 10.",
          number="pairs separated, of 45, less those after 10 epochs", rule="above 0, seed by seed", measure=_finer,
          epochs=(10, 20)),
    Claim(name="triangles high, 10", says="In the shorter trainings triangles score high, outside the seen shapes.",
          number="triangle classes above both training types, of 3", rule="3, after 10 epochs",
          measure=_triangles_high, epochs=(10,)),
    Claim(name="triangles high, 20", says="The same.", number="the same", rule="3, after 20 epochs",
          measure=_triangles_high, epochs=(20,)),
    Claim(name="width", says="The width of a class's scores goes with its noise.",
          number="standard deviation at noise 0.03 over that at 0.01, geometric mean of three pairs",
          rule="the interval lies above 1", measure=_width_follows_noise),
    Claim(name="area", says="Area seems to set the distances between shapes.",
          number="rank correlation of distances of scores with differences of area, 33 pairs of two shapes",
          rule="above 0", measure=_area_sets_distances),
    Claim(name="colour", says="Colour seems to set the distances between circles.",
          number="rank correlation of distances of scores with those of colours, 6 pairs of circles", rule="above 0",
          measure=_colour_sets_distances),
    Claim(name="absolute scores", says="Absolute scores mean nothing across trainings.",
          number="standard deviation of a class's mean over trainings, over that within classes (median class)",
          rule="above 1", measure=_absolute_scores),
    Claim(name="relative scores", says="Relative scores of the types differ after every retraining.",
          number="share of pairs of classes that two trainings put in different order", rule="above 0",
          measure=_relative_scores),
)  # fmt: skip
