"""Do intervals cover the truth as often as they say? A simulation for every interval that a page prints.

OMP_NUM_THREADS=1 python benchmarks/interval_coverage.py [--repetitions N] [--only TEXT] [--jobs N]

Truth is known by construction; each repetition draws new images (and runs, and labels) and asks the function that the
page asks. Writes each cell into ``records/coverage.json`` when it is done, of which ``docs/generate.py`` makes
``docs/metrics/coverage.md``.
To add an interval: one `Interval` with its cells.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import record
from scipy.stats import binomtest, norm
from sklearn.metrics import adjusted_rand_score

from gan_probe.stats.agreement import MEASURES, mean_correlation, measures
from gan_probe.stats.auroc import auroc_ahead, placements, separate
from gan_probe.stats.clustering import agreement_interval
from gan_probe.stats.conformal import detect
from gan_probe.stats.information import bits_interval, named_by_score
from gan_probe.stats.intervals import beyond_quantile, distance_interval, hierarchical_bootstrap, runs_and_images
from gan_probe.stats.margin import difference, few_shot, linear_probe, matched_probe, mean_interval
from gan_probe.stats.similarity import over_pairs
from gan_probe.stats.splits import Split
from gan_probe.stats.variance import explained
from gan_probe.studies.arithmetic.result import CONTROLS, RESULT, draw_shares
from gan_probe.studies.ensemble.result import EnsembleResult
from gan_probe.studies.explain.pointing import interval
from gan_probe.studies.factors.responses import respond
from gan_probe.studies.probe.result import paired_margin, probe_rows
from gan_probe.studies.separation.pairs import with_controls
from gan_probe.studies.stability.result import compare_runs

REPETITIONS = 2000
ROUNDING = 1e-9
LEAST, MOST = 0.93, 0.99

Rng = np.random.Generator
Ends = tuple[float, float]
Once = Callable[[Rng], tuple[Ends, float]]  # one repetition: the interval, and the truth


@dataclass(frozen=True)
class Cell:
    """One situation: how many images, what is true; and what is known of its interval beforehand.

    ``note`` is "conservative" where the interval is known to be wide (no effect, a ceiling), "assumption broken" where
    it is known to be narrow, and the docs say so. ``is_slow``: a repetition takes over a fiftieth of a second, so the
    tests ask it at night only.
    """

    title: str
    once: Once
    note: str = ""
    is_slow: bool = False


@dataclass(frozen=True)
class Interval:
    """One interval of the pages, its function, where it is printed, and what it speaks of."""

    name: str
    of: str
    pages: str
    over: str
    cells: tuple[Cell, ...]


def codes_of(n_classes: int, n: int) -> np.ndarray:
    return np.repeat(np.arange(n_classes), n)


# --- pairs of classes ------------------------------------------------------------------------------------------------


def pair(n: tuple[int, int], apart: float, *, runs: int = 1, between: float = 0.0, step: float = 0.0) -> Once:
    """AUROC of two normal classes; ``step`` rounds scores, which makes ties; runs differ in how far apart they are."""
    labels = np.repeat(["a", "b"], n)

    def once(rng: Rng) -> tuple[Ends, float]:
        shifts = apart + between * rng.normal(size=(runs, 1))
        scores = rng.normal(size=(runs, sum(n))) + np.where(labels == "b", shifts, 0)
        scores = np.round(scores / step) * step if step else scores
        (found,) = separate(scores, labels)
        above = tied_auroc(apart, step) if step else float(norm.cdf(apart / np.sqrt(2 + between**2)))
        return (found.ci_low, found.ci_high), above if found.a == "b" else 1 - above

    return once


@cache
def tied_auroc(apart: float, step: float) -> float:
    """Return the AUROC of two normal classes whose scores are rounded to steps."""
    edges = (np.arange(-40, 41) - 0.5) * step
    low, high = (np.diff(norm.cdf(edges, place)) for place in (0, apart))
    return float((high * (np.cumsum(low) - low / 2)).sum())


def pair_margin(n: int, own: float, other: float, *, correlation: float = 0.0, runs: int = 1) -> Once:
    """The critic's AUROC minus a control's on the same images; between runs the critic's distance varies by 0.3."""
    labels, between = np.repeat(["a", "b"], n), 0.3 if runs > 1 else 0.0

    def once(rng: Rng) -> tuple[Ends, float]:
        is_b, common = labels == "b", rng.normal(size=2 * n)
        shifts = own + between * rng.normal(size=(runs, 1))
        noise = np.sqrt(1 - correlation**2) * rng.normal(size=(runs, 2 * n))
        ((found,), _) = with_controls(
            correlation * common + noise + is_b * shifts, {"control": common + is_b * other}, labels
        )
        truth = norm.cdf(own / np.sqrt(2 + between**2)) - norm.cdf(other / np.sqrt(2))
        return (found.ci_low, found.ci_high), float(truth)

    return once


def detection(n: tuple[int, int], place: float, direction: str) -> Once:
    """AUROC of an unseen class against seen ones; two-sided is centred on other reals, as many as are measured on."""

    def once(rng: Rng) -> tuple[Ends, float]:
        seen, reference = rng.normal(size=(2, n[1]))
        found = detect("x", place + rng.normal(size=n[0]), seen, reference=reference, direction=direction)
        centre = float(np.median(reference))
        truth = norm.cdf(-place / np.sqrt(2)) if direction == "low" else folded_auroc(place - centre, -centre)
        return (found.ci_low, found.ci_high), float(truth)

    return once


def beyond(n: tuple[int, int], share: float, place: float) -> Once:
    """The share of n[0] values beyond the quantile of n[1] others."""
    truth = float(norm.sf(norm.ppf(share) - place))

    def once(rng: Rng) -> tuple[Ends, float]:
        return beyond_quantile(place + rng.normal(size=n[0]), rng.normal(size=n[1]), share)[1:], truth

    return once


def ahead_of_control(n: int, own: float, other: float, *, correlation: float = 0.0, seeds: int = 1) -> Once:
    """AUROC of unseen against seen images minus a control's, on the same images; seeds differ in their shift."""
    between = 0.3 if seeds > 1 else 0.0

    def once(rng: Rng) -> tuple[Ends, float]:
        common, is_new = rng.normal(size=2 * n), np.arange(2 * n) < n
        shifts = other + between * rng.normal(size=(seeds, 1))
        noise = np.sqrt(1 - correlation**2) * rng.normal(size=(seeds, 2 * n))
        controls = correlation * common + noise + is_new * shifts
        critic = common + is_new * own
        found = auroc_ahead(
            placements(critic[is_new], critic[~is_new]), [placements(row[is_new], row[~is_new]) for row in controls]
        )
        truth = norm.cdf(own / np.sqrt(2)) - norm.cdf(other / np.sqrt(2 + between**2))
        return (found.ci_low, found.ci_high), float(truth)

    return once


def folded_auroc(place: float, other: float) -> float:
    """Return P(|x| > |y|) of two normal values with these means."""
    y = np.linspace(-8, 8, 801) + other
    beyond = norm.sf(np.abs(y) - place) + norm.cdf(-np.abs(y) - place)
    return float(np.trapezoid(beyond * norm.pdf(y - other), y))


# --- distances, bits, shares -----------------------------------------------------------------------------------------

DRAWS: dict[str, Callable[[Rng, int], np.ndarray]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "uniform": lambda rng, n: (rng.random(n) - 0.5) * np.sqrt(12),
    "exponential": lambda rng, n: rng.exponential(size=n) - 1,
}


def distance(n: tuple[int, int], apart: float, *, kind: str = "normal", width: float = 1.0) -> Once:
    """The distance of a class in standard deviations of a reference class."""
    return lambda rng: (
        distance_interval(apart + width * DRAWS[kind](rng, n[0]), DRAWS[kind](rng, n[1])),
        apart,
    )


def bits_of(n: int, n_classes: int, apart: float) -> Once:
    """Bits of normal classes, each so far from the next."""
    labels, truth = codes_of(n_classes, n), normal_bits(n_classes, apart)
    return lambda rng: (bits_interval(rng.normal(size=len(labels)) + labels * apart, labels)[1:], truth)


def normal_bits(n_classes: int, apart: float) -> float:
    places = np.arange(n_classes)[:, None] * apart
    x = np.linspace(-10, places.max() + 10, 40001)
    density = norm.pdf(x - places)
    ratio = np.log2(np.maximum(density, 1e-300) / np.maximum(density.mean(0), 1e-300))
    return float(np.trapezoid((density * ratio).mean(0), x))


def designed_share(n: int, n_levels: int, noise: float, *, n_columns: int = 1) -> Once:
    """The share of a factor that is the same throughout each of ten classes, whose means are what they are."""
    labels, means = codes_of(10, n), np.random.default_rng(5).normal(size=(10, n_columns))
    levels = np.arange(10) % n_levels
    of_level = np.stack([means[levels == level].mean(0) for level in range(n_levels)])[levels]
    between = float(((of_level - means.mean(0)) ** 2).mean(0).sum())
    truth = between / (float(((means - means.mean(0)) ** 2).mean(0).sum()) + n_columns * noise**2)

    def once(rng: Rng) -> tuple[Ends, float]:
        values = means[labels] + noise * rng.normal(size=(len(labels), n_columns))
        return share_ends(values, levels[labels], labels), truth

    return once


def drawn_share(n: int, n_levels: int, step: float) -> Once:
    """The share of a factor whose level is drawn for each image of ten classes, which differ, too."""
    labels, means = codes_of(10, n), np.random.default_rng(5).normal(size=10)
    of_levels = np.arange(n_levels) * step
    truth = of_levels.var() / (of_levels.var() + means.var() + 1)

    def once(rng: Rng) -> tuple[Ends, float]:
        levels = rng.integers(n_levels, size=len(labels))
        return share_ends(of_levels[levels] + means[labels] + rng.normal(size=len(labels)), levels, labels), truth

    return once


def share_ends(values: np.ndarray, levels: np.ndarray, labels: np.ndarray) -> Ends:
    (found,) = explained(values, {"factor": levels.astype(np.intp)}, labels)
    return found.ci_low, found.ci_high


# --- accuracies ------------------------------------------------------------------------------------------------------


def normal_rows(rng: Rng, n: int, n_classes: int, *, n_columns: int, apart: float) -> tuple[np.ndarray, np.ndarray]:
    labels = codes_of(n_classes, n)
    return rng.normal(size=(len(labels), n_columns)) + apart * np.eye(n_classes, n_columns)[labels], labels


def given_accuracy(n: int, accuracy: float, *, runs: int = 1, between: float = 0.0) -> Once:
    """The mean of what runs get right by given classifiers: images and runs have difficulties of their own."""

    def once(rng: Rng) -> tuple[Ends, float]:
        chance = np.clip(accuracy + between * rng.normal(size=(runs, 1)), 0, 1)
        right = (rng.random((runs, n)) < chance).astype(float) if runs > 1 else (rng.random((1, n)) < accuracy) * 1.0
        _, low, high = mean_interval(right[:, None])
        return (low, high), accuracy

    return once


def given_difference(n: int, gain: float, *, runs: int = 1, seeds: int = 1) -> Once:
    """The difference of what a critic's runs and a control's seeds get right on the same images."""

    def once(rng: Rng) -> tuple[Ends, float]:
        hard = rng.random(n)
        own, other = (0.05 * rng.normal(size=(k, 1)) if k > 1 else np.zeros((1, 1)) for k in (runs, seeds))
        a = (hard + 0.3 * rng.normal(size=(runs, n)) < 0.5 + gain + own) * 1.0
        b = (hard + 0.3 * rng.normal(size=(seeds, n)) < 0.5 + other) * 1.0
        _, low, high = difference(a[:, None], b[:, None])
        x = np.linspace(0, 1, 2001)
        of_own, of_other = (np.hypot(0.3, 0.05 if k > 1 else 0) for k in (runs, seeds))
        truth = np.trapezoid(norm.cdf((0.5 + gain - x) / of_own) - norm.cdf((0.5 - x) / of_other), x)
        return (low, high), float(truth)

    return once


def probed(measure: Callable[..., Any], n: int, n_classes: int, *, n_columns: int, apart: float) -> Once:
    """What a classifier gets right, fitted and tested on folds (or draws) of the same images."""
    of = partial(normal_rows, n=n, n_classes=n_classes, n_columns=n_columns, apart=apart)

    @cache
    def truth() -> float:
        rng = np.random.default_rng(1)
        return float(np.mean([np.nanmean(measure(*of(rng), 0)) for _ in range(100)]))

    def once(rng: Rng) -> tuple[Ends, float]:
        _, low, high = mean_interval(measure(*of(rng), int(rng.integers(2**31)))[None])
        return (max(low, 0.0), min(high, 1.0)), truth()

    return once


def by_score(rows: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    return named_by_score(rows[:, 0], labels, seed=seed).astype(float)


def probe_accuracy(n_test: int, classifier: str, apart: float, *, of_margin: bool = False, per_class: int = 5) -> Once:
    """Labels of 4 classes, drawn twenty times from a pool of a hundred images: accuracy, or its margin over noise."""
    n = n_test + 120

    def draw(rng: Rng) -> tuple[dict[str, Callable[[], np.ndarray]], np.ndarray, Split]:
        rows, labels = normal_rows(rng, n // 4, 4, n_columns=8, apart=apart)
        worse = rng.normal(size=rows.shape) + rows
        order = rng.permutation(len(rows))
        split = Split(order[:100], order[100:120], order[120:])
        return {"critic": lambda: rows, "control": lambda: worse}, labels, split

    def values(rng: Rng) -> tuple[float, Ends]:
        rows, labels, split = draw(rng)
        chosen = rows if of_margin else {"critic": rows["critic"]}
        found = probe_rows(chosen, labels, split, per_class=(per_class,), n_draws=20, classifiers=(classifier,),
                           seed=int(rng.integers(2**31)))  # fmt: skip
        if of_margin:
            margin = paired_margin(found[0], found[1])
            return margin.value, (margin.ci_low, margin.ci_high)
        return found[0].accuracy(), found[0].interval()

    @cache
    def truth() -> float:
        rng = np.random.default_rng(1)
        return float(np.mean([values(rng)[0] for _ in range(80)]))

    return lambda rng: (values(rng)[1], truth())


# --- clusters --------------------------------------------------------------------------------------------------------


def clustered(n: int, accuracy: float) -> Once:
    """Agreement of five clusters, held fixed, with five classes: an image lies in its own with this probability."""
    labels = codes_of(5, n)

    @cache
    def truth() -> float:
        many = codes_of(5, 2000)
        own = np.arange(len(many)) % 2000 < accuracy * 2000
        return float(adjusted_rand_score(many, np.where(own, many, (many + 1 + np.arange(len(many)) % 4) % 5)))

    def once(rng: Rng) -> tuple[Ends, float]:
        other = (labels + rng.integers(1, 5, len(labels))) % 5
        given = np.where(rng.random(len(labels)) < accuracy, labels, other).astype(np.intp)
        found = agreement_interval(labels, given)
        return (found.ci_low, found.ci_high), truth()

    return once


def over_runs(n: int, runs: int, between: float) -> Once:
    """A mean over runs and images by the hierarchical bootstrap, as of the adjusted Rand index over trainings."""
    strata = codes_of(5, n)

    def once(rng: Rng) -> tuple[Ends, float]:
        values = between * rng.normal(size=(runs, 1)) + rng.normal(size=5 * n) + 0.5 * rng.normal(size=(runs, 5 * n))
        _, low, high = hierarchical_bootstrap(
            lambda drawn, images: float(values[np.ix_(drawn, images)].mean()), runs, strata, n_draws=200,
            seed=int(rng.integers(2**31)),
        )  # fmt: skip
        return (low, high), 0.0

    return once


# --- several trainings -----------------------------------------------------------------------------------------------


def draw_runs(rng: Rng, runs: int, share: float, *, n: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Return scores of runs whose class means agree to a share, on ten classes that are what they are, and classes."""
    means = np.random.default_rng(runs).normal(size=10)
    means /= means.std(ddof=1)
    codes = codes_of(10, n)
    conflict = (
        np.sqrt(1 / share - 1) * rng.normal(size=(runs, 10))[:, codes]
        if share
        else rng.normal(size=(runs, 10))[:, codes]
    )
    signal = means[codes] if share else 0.0
    image, rest = 0.2 * rng.normal(size=len(codes)), 0.3 * rng.normal(size=(runs, len(codes)))
    return signal + conflict + image + rest, codes


def stable(runs: int, share: float, measure: str) -> Once:
    """A measure of agreement over runs; the truth of the reproducible fraction is put in, of others a mean."""
    place = MEASURES.index(measure)

    @cache
    def truth() -> float:
        rng = np.random.default_rng(1)
        return (
            share if not place else float(np.mean([measures(*draw_runs(rng, runs, share))[place] for _ in range(400)]))
        )

    def once(rng: Rng) -> tuple[Ends, float]:
        scores, codes = draw_runs(rng, runs, share)
        values, widths = runs_and_images(
            lambda drawn, images: measures(scores[np.ix_(drawn, images)], codes[images]), runs, codes, n_draws=40,
            seed=int(rng.integers(2**31)),
        )  # fmt: skip
        return (float(values[place] - widths[place]), float(values[place] + widths[place])), truth()

    return once


def compared(runs: int, conflict: tuple[float, float]) -> Once:
    """The difference of the reproducible fractions of two trainings of the same seeds on the same classes."""
    means = np.random.default_rng(0).normal(size=10)
    means /= means.std(ddof=1)
    codes = codes_of(10, 40)
    truth = 1 / (1 + conflict[0] ** 2) - 1 / (1 + conflict[1] ** 2)

    def once(rng: Rng) -> tuple[Ends, float]:
        here, there = (
            means[codes] + c * rng.normal(size=(runs, 10))[:, codes] + 0.3 * rng.normal(size=(runs, 400))
            for c in conflict
        )
        found = compare_runs(here, there, codes.astype(str), alignment="raw", seed=int(rng.integers(2**31)))
        return (found.ci_low, found.ci_high), truth

    return once


def similar(runs: int, common: float) -> Once:
    """Mean correlation over pairs of runs that have part of their variance in common, given 200 images."""
    shared = np.random.default_rng(0).normal(size=200)
    shared = (shared - shared.mean()) / shared.std()

    @cache
    def truth() -> float:
        rng = np.random.default_rng(1)
        pairs = [np.corrcoef(draw(rng, 2))[0, 1] for _ in range(2000)]
        return float(np.mean(pairs))

    def draw(rng: Rng, k: int) -> np.ndarray:
        strength = np.sqrt(common) * (1 + 0.3 * rng.normal(size=(k, 1)))
        return strength * shared + np.sqrt(1 - common) * rng.normal(size=(k, 200))

    def once(rng: Rng) -> tuple[Ends, float]:
        table = np.corrcoef(draw(rng, runs))
        found = over_pairs("correlation", lambda i, j: float(table[i, j]), runs)
        return (found.ci_low, found.ci_high), truth()

    return once


def together(members: int, n: int, common: float, beside: float = math.nan) -> Once:
    """Mean correlation of two members of an ensemble on new images; with ``beside`` minus that of three others."""

    def draw(rng: Rng, k: int, signal: np.ndarray, of: float) -> np.ndarray:
        strength = np.sqrt(of) * (1 + 0.2 * rng.normal(size=(k, 1)))
        return strength * signal + np.sqrt(1 - of) * rng.normal(size=(k, len(signal)))

    @cache
    def truth() -> float:
        rng = np.random.default_rng(1)
        kinds = [
            float(np.mean([mean_correlation(draw(rng, 2, rng.normal(size=1000), of)) for _ in range(4000)]))
            for of in ((common,) if math.isnan(beside) else (common, beside))
        ]
        return kinds[0] - sum(kinds[1:])

    def once(rng: Rng) -> tuple[Ends, float]:
        signal = rng.normal(size=n)
        others = [] if math.isnan(beside) else [draw(rng, members, signal, beside) for _ in range(3)]
        found = EnsembleResult(
            members=tuple(map(str, range(members))), shifts=np.zeros(members), scales=np.ones(members),
            scores=draw(rng, members, signal, common), panel=np.zeros((n, 1, 1, 1), np.uint8), provenance={},
            random_init=np.stack(others) if others else np.empty((0, members, n)), seed=int(rng.integers(2**31)),
        )  # fmt: skip
        return ends_of(found.added if others else found.agreement), truth()

    return once


# --- maps, sweeps, draws ---------------------------------------------------------------------------------------------


def map_measure(n: int, kind: str) -> Once:
    """The mean of a measure of maps over images: pointing hits, or a measure between 0 and 1, or a difference."""
    if kind.startswith("pointing"):
        p = float(kind.split()[1])
        return lambda rng: (ends_of(interval((rng.random(n) < p) * 1.0, is_share=True)), p)
    if kind == "difference of pointing":
        return lambda rng: (ends_of(interval((rng.random(n) < 0.7) * 1.0 - (rng.random(n) < 0.4), is_share=True)), 0.3)
    return lambda rng: (ends_of(interval(rng.beta(2, 5, n))), 2 / 7)


def ends_of(found: Any) -> Ends:
    return found.ci_low, found.ci_high


def threshold(n: int, noise: float, *, wanted: str = "noticed") -> Once:
    """The smallest of twenty swept differences from which on AUROC stays at a level; base images differ."""
    values = [0.0, *np.linspace(0.1, 2.0, 20).round(2).tolist()]
    level = {"noticed": 0.75, "separated": 0.99}[wanted]
    spread = 0.2 if wanted == "separated" else 1.0
    reach = norm.ppf(level) * spread * np.sqrt(2 + noise**2)
    truth = next((v for v in values if v >= reach), np.inf)

    def once(rng: Rng) -> tuple[Ends, float]:
        base = spread * rng.normal(size=n)
        scores = (
            base
            + np.array(values)[:, None]
            + noise * spread * rng.normal(size=(len(values), n)) * (np.array(values) > 0)[:, None]
        )
        found = getattr(
            respond("size", "alone", values, scores=scores, random_init=[], seed=int(rng.integers(2**31))), wanted
        )
        low, high = (np.inf if end is None else end for end in (found.ci_low, found.ci_high))
        return (low, high), truth

    return once


def called(n: int, p: float) -> Once:
    """The share of draws of an equation that are called the expected class."""

    def once(rng: Rng) -> tuple[Ends, float]:
        names = np.where(rng.random(n) < p, "d", "other").tolist()
        found = draw_shares({RESULT: names, **dict.fromkeys(CONTROLS, names)}, "d")[0]
        return (found.ci_low, found.ci_high), p

    return once


# --- the inventory ---------------------------------------------------------------------------------------------------

NO_EFFECT, CEILING, BROKEN = "conservative: no effect", "conservative: ceiling", "assumption broken"
WIDE = "conservative: the noise of scores is in both parts"
ADDED = "conservative: two images are added, which is much beside so small a difference, or beside ten images"
GRID = "conservative: lies on swept values"
ORDER = "conservative: few values lie beyond a high quantile"
FEW_RUNS = "conservative: Student's t of three trainings"
RUNS = "new images and, with several trainings, new runs"

INTERVALS = (
    Interval(
        "AUROC of a pair of classes", "stats.auroc.separate", "report", RUNS,
        (
            Cell("10 and 10 images, no effect", pair((10, 10), 0.0)),
            Cell("40 and 40, no effect", pair((40, 40), 0.0)),
            Cell("40 and 40, ties in five values, no effect", pair((40, 40), 0.0, step=1.0)),
            Cell("10 and 10, AUROC 0.76", pair((10, 10), 1.0)),
            Cell("40 and 40, AUROC 0.76", pair((40, 40), 1.0)),
            Cell("200 and 40, AUROC 0.76", pair((200, 40), 1.0)),
            Cell("40 and 40, ties, AUROC 0.75", pair((40, 40), 1.0, step=1.0)),
            Cell("40 and 40, AUROC 0.98", pair((40, 40), 3.0)),
            Cell("200 and 200, AUROC 0.98", pair((200, 200), 3.0)),
            Cell("40 and 40, AUROC 0.9999", pair((40, 40), 5.2), CEILING),
            Cell("3 trainings of 40 and 40, AUROC 0.76", pair((40, 40), 1.0, runs=3, between=0.3), WIDE),
            Cell("10 trainings of 40 and 40, AUROC 0.76", pair((40, 40), 1.0, runs=10, between=0.3), WIDE),
            Cell("5 trainings of 40 and 40, AUROC 0.98", pair((40, 40), 3.0, runs=5, between=0.3), WIDE),
        ),
    ),
    Interval(
        "AUROC of a pair, critic minus best control", "studies.separation.pairs.with_controls", "report", RUNS,
        (
            Cell("10 and 10 images, no difference", pair_margin(10, 1.0, 1.0)),
            Cell("40 and 40, no difference", pair_margin(40, 1.0, 1.0)),
            Cell("40 and 40, no difference, correlation 0.9", pair_margin(40, 1.0, 1.0, correlation=0.9)),
            Cell("40 and 40, ahead by 0.16", pair_margin(40, 2.0, 1.0, correlation=0.5)),
            Cell("200 and 200, ahead by 0.16", pair_margin(200, 2.0, 1.0, correlation=0.5)),
            Cell("40 and 40, both at 0.9999", pair_margin(40, 5.2, 5.2), CEILING),
            Cell("5 trainings of 40 and 40, ahead by 0.15", pair_margin(40, 2.0, 1.0, runs=5)),
        ),
    ),
    Interval(
        "AUROC of an unseen class", "stats.conformal.detect", "report, outliers", "new images",
        (
            Cell("10 and 40 images, no effect", detection((10, 40), 0.0, "low")),
            Cell("40 and 40, AUROC 0.76", detection((40, 40), -1.0, "low")),
            Cell("40 and 200, AUROC 0.98", detection((40, 200), -3.0, "low")),
            Cell("40 and 40, two-sided, no effect", detection((40, 40), 0.0, "two-sided")),
            Cell("40 and 40, two-sided, AUROC 0.85", detection((40, 40), -2.0, "two-sided")),
        ),
    ),
    Interval(
        "FPR95, and the share found at 1 % false alarms", "stats.intervals.beyond_quantile", "report, outliers",
        "new images",
        (
            Cell("10 images, 95 % of 40, share 0.64", beyond((10, 40), 0.95, 2.0), ORDER),
            Cell("40 images, 95 % of 40, share 0.05", beyond((40, 40), 0.95, 0.0), ORDER),
            Cell("40 images, 95 % of 200, share 0.26", beyond((40, 200), 0.95, 1.0), ORDER),
            Cell("200 images, 95 % of 200, share 0.64", beyond((200, 200), 0.95, 2.0), ORDER),
            Cell("40 images, 99 % of 40, share 0.37", beyond((40, 40), 0.99, 2.0), ORDER),
            Cell("40 images, 99 % of 200, share 0.37", beyond((40, 200), 0.99, 2.0), ORDER),
            Cell("200 images, 99 % of 400, share 0.75", beyond((200, 400), 0.99, 3.0), ORDER),
            Cell("200 images, 99 % of 400, share 0.01", beyond((200, 400), 0.99, 0.0), ORDER),
        ),
    ),
    Interval(
        "AUROC of unseen images, critic minus control", "stats.auroc.auroc_ahead", "outliers",
        "new images and, with several, new randomly initialised critics",
        (
            Cell("10 and 10 images, no difference", ahead_of_control(10, 1.0, 1.0), ADDED),
            Cell("40 and 40, no difference, correlation 0.9", ahead_of_control(40, 1.0, 1.0, correlation=0.9), ADDED),
            Cell("40 and 40, ahead by 0.16", ahead_of_control(40, 2.0, 1.0, correlation=0.5)),
            Cell("200 and 200, ahead by 0.16", ahead_of_control(200, 2.0, 1.0, correlation=0.5)),
            Cell("40 and 40, ahead by 0.22", ahead_of_control(40, 3.0, 1.0)),
            Cell("40 and 40, 3 random critics, ahead by 0.16", ahead_of_control(40, 2.0, 1.0, seeds=3)),
            Cell("40 and 40, both at 0.9999", ahead_of_control(40, 5.2, 5.2), CEILING),
        ),
    ),
    Interval(
        "distance of a class on a line", "stats.intervals.distance_interval", "report", "new images",
        (
            *(Cell(f"{n} and {n} images, {apart:g} SD", distance((n, n), apart))
              for n in (10, 40, 200) for apart in (0.0, 2.0, 10.0, 50.0, 185.0)),
            Cell("5 and 5, 2 SD", distance((5, 5), 2.0)),
            Cell("200 and 10, 10 SD, three times as wide", distance((200, 10), -10.0, width=3.0)),
            Cell("40 and 40 of uniform scores, 10 SD", distance((40, 40), 10.0, kind="uniform")),
            Cell("40 and 40 of exponential scores, 0 SD", distance((40, 40), 0.0, kind="exponential")),
            Cell("40 and 40 of exponential scores, 10 SD", distance((40, 40), 10.0, kind="exponential"), BROKEN),
            Cell("200 and 200 of exponential scores, 10 SD", distance((200, 200), 10.0, kind="exponential"), BROKEN),
        ),
    ),
    Interval(
        "bits that a score gives of the class", "stats.information.bits_interval", "report", "new images",
        (
            Cell("2 classes of 40 images, 0 bits", bits_of(40, 2, 0.0), NO_EFFECT),
            Cell("10 classes of 40, 0 bits", bits_of(40, 10, 0.0), NO_EFFECT),
            Cell("4 classes of 200, 0 bits", bits_of(200, 4, 0.0), NO_EFFECT),
            Cell("2 classes of 40, 0.16 bits", bits_of(40, 2, 1.0)),
            Cell("4 classes of 10, 0.58 bits", bits_of(10, 4, 1.0)),
            Cell("10 classes of 40, 1.52 bits", bits_of(40, 10, 1.0)),
            Cell("2 classes of 40, 0.76 bits", bits_of(40, 2, 3.0)),
            Cell("4 classes of 200, 1.64 of 2 bits", bits_of(200, 4, 3.0)),
            Cell("10 classes of 40, 3.16 of 3.32 bits", bits_of(40, 10, 4.0)),
            Cell("2 classes of 40, all of 1 bit", bits_of(40, 2, 30.0), CEILING),
            Cell("10 classes of 40, all of 3.32 bits", bits_of(40, 10, 30.0), CEILING),
        ),
    ),
    Interval(
        "share of the variance that a factor explains", "stats.variance.explained", "report, factors", "new images",
        (
            Cell("class means given, 10 of 10 images, 86 %", designed_share(10, 5, 0.1)),
            Cell("class means given, 10 of 40, 86 %", designed_share(40, 5, 0.1)),
            Cell("class means given, 10 of 40, 39 %", designed_share(40, 5, 1.0)),
            Cell("class means given, 10 of 40, 12 columns", designed_share(40, 5, 1.0, n_columns=12)),
            Cell("class means given, the class itself, 90 %", designed_share(40, 10, 0.3)),
            Cell("class means given, 10 of 40, 0.05 %", designed_share(40, 2, 0.5), NO_EFFECT),
            Cell("level drawn by image, 10 of 40, 3 levels, no effect", drawn_share(40, 3, 0.0), NO_EFFECT),
            Cell("level drawn by image, 10 of 40, 3 levels, 9 %", drawn_share(40, 3, 0.5)),
            Cell("level drawn by image, 10 of 40, 8 levels, 75 %", drawn_share(40, 8, 1.0)),
            Cell("level drawn by image, 10 of 10, 8 levels, 75 %", drawn_share(10, 8, 1.0)),
        ),
    ),
    Interval(
        "accuracy of a classifier", "stats.margin.mean_interval", "report, factors", RUNS,
        (
            Cell("20 images, 0.8", given_accuracy(20, 0.8)),
            Cell("40, 0.5", given_accuracy(40, 0.5)),
            Cell("100, 0.9", given_accuracy(100, 0.9)),
            Cell("400, 0.95", given_accuracy(400, 0.95)),
            Cell("40, 1", given_accuracy(40, 1.0), CEILING),
            Cell("3 trainings, 100 images, 0.7", given_accuracy(100, 0.7, runs=3, between=0.05)),
            Cell("10 trainings, 400 images, 0.7", given_accuracy(400, 0.7, runs=10, between=0.05)),
            Cell("class by the score, 4 classes of 40, apart by 1",
                 probed(by_score, 40, 4, n_columns=1, apart=2.0), is_slow=True),
            Cell("class by the score, 2 classes of 40, no effect",
                 probed(by_score, 40, 2, n_columns=1, apart=0.0), is_slow=True),
            Cell("linear probe, 3 classes of 20, no effect",
                 probed(linear_probe, 20, 3, n_columns=6, apart=0.0), is_slow=True),
            Cell("linear probe, 3 classes of 20", probed(linear_probe, 20, 3, n_columns=6, apart=2.0), is_slow=True),
            Cell("linear probe, 3 classes of 60", probed(linear_probe, 60, 3, n_columns=6, apart=2.0), is_slow=True),
            Cell("50 dimensions, 3 classes of 20",
                 probed(matched_probe, 20, 3, n_columns=60, apart=3.0), is_slow=True),
            Cell("5 labels, 3 classes of 20", probed(few_shot, 20, 3, n_columns=6, apart=2.0), is_slow=True),
            Cell("5 labels, 3 classes of 20, no effect",
                 probed(few_shot, 20, 3, n_columns=6, apart=0.0), NO_EFFECT, is_slow=True),
            Cell("5 labels, 2 classes of 10", probed(few_shot, 10, 2, n_columns=10, apart=2.0), is_slow=True),
            Cell("5 labels, 3 classes of 60", probed(few_shot, 60, 3, n_columns=6, apart=2.0), is_slow=True),
        ),
    ),
    Interval(
        "accuracy, critic minus control", "stats.margin.difference", "report, factors", RUNS,
        (
            Cell("100 images, no difference", given_difference(100, 0.0)),
            Cell("100, ahead by 0.2", given_difference(100, 0.2)),
            Cell("400, 3 seeds of a control, no difference", given_difference(400, 0.0, seeds=3)),
            Cell("400, 5 trainings and 3 seeds, ahead by 0.1", given_difference(400, 0.1, runs=5, seeds=3)),
        ),
    ),
    Interval(
        "accuracy of a probe", "studies.probe.result.Outcome.interval", "probe", "new draws of labels and new images",
        (
            Cell("knn, 5 labels, 60 test images, no effect", probe_accuracy(60, "knn", 0.0), NO_EFFECT, is_slow=True),
            Cell("knn, 5 labels, 60 test images", probe_accuracy(60, "knn", 2.0), is_slow=True),
            Cell("linear, 5 labels, 200 test images", probe_accuracy(200, "linear", 2.0), is_slow=True),
            Cell("knn, 18 labels of 25, 400 test images", probe_accuracy(400, "knn", 2.0, per_class=18), is_slow=True),
        ),
    ),
    Interval(
        "accuracy of a probe, critic minus another", "studies.probe.result.paired_margin", "probe",
        "new draws of labels and new images",
        (
            Cell("knn, 5 labels, 60 test images", probe_accuracy(60, "knn", 2.0, of_margin=True), is_slow=True),
            Cell("linear, 5 labels, 200 test images", probe_accuracy(200, "linear", 2.0, of_margin=True), is_slow=True),
        ),
    ),
    Interval(
        "agreement of clusters with classes", "stats.clustering.agreement_interval", "report, cluster",
        "new images, the clusters held fixed",
        (
            Cell("ARI, 5 classes of 40 images, chance", clustered(40, 0.2), NO_EFFECT),
            Cell("ARI, 5 of 40, 0.6 in their own", clustered(40, 0.6)),
            Cell("ARI, 5 of 40, 0.95 in their own", clustered(40, 0.95)),
            Cell("ARI, 5 of 10, 0.8 in their own", clustered(10, 0.8)),
            Cell("ARI, 5 of 40, all in their own", clustered(40, 1.0), CEILING),
        ),
    ),
    Interval(
        "agreement of clusters over trainings", "stats.intervals.hierarchical_bootstrap", "report",
        "new images and new runs",
        (
            Cell("3 runs, 5 classes of 20 images", over_runs(20, 3, 0.3), FEW_RUNS, is_slow=True),
            Cell("5 runs, 5 classes of 20 images", over_runs(20, 5, 0.3), is_slow=True),
            Cell("10 runs, 5 classes of 20 images, alike", over_runs(20, 10, 0.0), is_slow=True),
        ),
    ),
    Interval(
        "agreement of runs", "stats.intervals.runs_and_images", "stability", "new images and new runs",
        (
            Cell("reproducible fraction, 5 runs, 0.8", stable(5, 0.8, "reproducible"), WIDE, is_slow=True),
            Cell("reproducible fraction, 10 runs, 0.8", stable(10, 0.8, "reproducible"), WIDE, is_slow=True),
            Cell("reproducible fraction, 5 runs, 0.3", stable(5, 0.3, "reproducible"), WIDE, is_slow=True),
            Cell("Kendall's W, 5 runs, reproducible 0.8", stable(5, 0.8, "kendall_w"), WIDE, is_slow=True),
            Cell("flips, 5 runs, reproducible 0.8", stable(5, 0.8, "flip_rate"), WIDE, is_slow=True),
            Cell("flips, 5 runs, no effect", stable(5, 0.0, "flip_rate"), WIDE, is_slow=True),
            Cell("ICC(2,1), 5 runs, reproducible 0.8", stable(5, 0.8, "icc_2_1"), WIDE, is_slow=True),
            Cell("ICC(3,1), 5 runs, no effect", stable(5, 0.0, "icc_3_1"), WIDE, is_slow=True),
        ),
    ),
    Interval(
        "agreement of runs, one training minus another", "studies.stability.result.compare_runs", "stability",
        "new pairs of runs and new images",
        (
            Cell("6 runs, no difference", compared(6, (0.5, 0.5)), WIDE, is_slow=True),
            Cell("6 runs, 0.96 and 0.5", compared(6, (0.2, 1.0)), WIDE, is_slow=True),
        ),
    ),
    Interval(
        "agreement of members", "studies.ensemble.result.EnsembleResult", "ensemble", "new members and new images",
        (
            Cell("3 members, 60 images, correlation 0.5", together(3, 60, 0.5), WIDE, is_slow=True),
            Cell("5 members, 256 images, correlation 0.5", together(5, 256, 0.5), WIDE, is_slow=True),
            Cell("10 members, 256 images, correlation 0.9", together(10, 256, 0.9), WIDE, is_slow=True),
            Cell("5 members, 60 images, no effect", together(5, 60, 0.0), WIDE, is_slow=True),
            Cell("minus untrained ones, 5 members, no difference", together(5, 100, 0.5, 0.5), WIDE, is_slow=True),
            Cell("minus untrained ones, 5 members, 0.9 and 0.3", together(5, 100, 0.9, 0.3), WIDE, is_slow=True),
        ),
    ),
    Interval(
        "similarity of two runs", "stats.similarity.over_pairs", "stability", "new runs",
        (
            Cell("4 runs, correlation 0.5", similar(4, 0.5)),
            Cell("10 runs, correlation 0.5", similar(10, 0.5)),
            Cell("5 runs, no effect", similar(5, 0.0)),
        ),
    ),
    Interval(
        "what a map says of a mask", "studies.explain.pointing.interval", "explain", "new images",
        (
            Cell("pointing, 20 images, 0.7", map_measure(20, "pointing 0.7")),
            Cell("pointing, 100 images, 0.95", map_measure(100, "pointing 0.95")),
            Cell("pointing, 20 images, all", map_measure(20, "pointing 1.0"), CEILING),
            Cell("difference of pointing, 40 images", map_measure(40, "difference of pointing")),
            Cell("a measure from 0 to 1, 5 images", map_measure(5, "measure")),
            Cell("a measure from 0 to 1, 40 images", map_measure(40, "measure")),
        ),
    ),
    Interval(
        "smallest difference that a score tells", "studies.factors.responses.respond", "factors", "new base images",
        (
            Cell("40 base images, noticed", threshold(40, 0.0), GRID),
            Cell("40 base images, noticed, with noise", threshold(40, 0.5), GRID),
            Cell("100 base images, noticed", threshold(100, 0.0), GRID),
            Cell("40 base images, separated", threshold(40, 0.0, wanted="separated"), GRID),
        ),
    ),
    Interval(
        "share of draws called the expected class", "studies.arithmetic.result.draw_shares", "arithmetic", "new draws",
        (
            Cell("20 draws, 0.5", called(20, 0.5)),
            Cell("200 draws, 0.05", called(200, 0.05)),
            Cell("200 draws, 0.8", called(200, 0.8)),
            Cell("200 draws, all", called(200, 1.0), CEILING),
        ),
    ),
)  # fmt: skip


# --- running them ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Covered:
    """How often an interval held the truth."""

    interval: str
    cell: str
    note: str
    repetitions: int
    coverage: float
    low: float
    high: float
    width: float
    seconds: float

    @property
    def is_outside(self) -> bool:
        """Whether the coverage's own 99 % interval lies outside of what is promised.

        What is conservative may hold the truth always; what breaks an assumption is shown and promises nothing.
        """
        if self.note == BROKEN:
            return False
        return self.high < LEAST or (self.low > MOST and not self.note.startswith("conservative"))


def cover(of: Interval, cell: Cell, repetitions: int) -> Covered:
    """Return how often a cell's interval holds the truth; its random numbers follow from its name."""
    started, rng = time.process_time(), np.random.default_rng(zlib.crc32(f"{of.name}: {cell.title}".encode()))
    held, widths = 0, []
    for _ in range(repetitions):
        (low, high), truth = cell.once(rng)
        held += low - ROUNDING <= truth <= high + ROUNDING
        widths.append(high - low)
    ends = binomtest(held, repetitions).proportion_ci(0.99, method="wilson")
    return Covered(
        of.name, cell.title, cell.note, repetitions, held / repetitions, float(ends.low), float(ends.high),
        float(np.median(widths)), time.process_time() - started,
    )  # fmt: skip


def run(repetitions: int, only: str = "", *, with_slow: bool = True) -> Iterator[Covered]:
    """Yield every cell whose name, after that of its interval, holds ``only``."""
    for numbers in _chosen(only, with_slow=with_slow):
        yield _cover(numbers, repetitions)


def run_side_by_side(repetitions: int, only: str, jobs: int) -> Iterator[Covered]:
    """Yield what `run` does, in ``jobs`` processes, as it is done, the slow cells first."""
    with ProcessPoolExecutor(jobs) as pool:
        chosen = sorted(_chosen(only), key=lambda numbers: not _found(numbers)[1].is_slow)
        for done in as_completed([pool.submit(_cover, numbers, repetitions) for numbers in chosen]):
            yield done.result()


def _chosen(only: str, *, with_slow: bool = True) -> list[tuple[int, int]]:
    """Return the numbers of an interval and of its cell, for all that are asked for."""
    numbered = [
        (i, c)
        for i, of in enumerate(INTERVALS)
        for c, cell in enumerate(of.cells)
        if only in f"{of.name}: {cell.title}"
    ]
    return [numbers for numbers in numbered if with_slow or not _found(numbers)[1].is_slow]


def _found(numbers: tuple[int, int]) -> tuple[Interval, Cell]:
    of = INTERVALS[numbers[0]]
    return of, of.cells[numbers[1]]


def _cover(numbers: tuple[int, int], repetitions: int) -> Covered:
    return cover(*_found(numbers), repetitions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    n_cells = len(_chosen(arguments.only))
    for n_done, row in enumerate(run_side_by_side(arguments.repetitions, arguments.only, arguments.jobs), 1):
        ends = f"{row.coverage:.3f} [{row.low:.3f}, {row.high:.3f}]"
        print(f"{n_done} of {n_cells}  {'OUTSIDE ' * row.is_outside}{row.interval}: {row.cell}: {ends}"
              f" width {row.width:.3g}, {row.seconds:.1f} s {row.note}", flush=True)  # fmt: skip
        _keep(row)


def _keep(row: Covered) -> None:
    """Put a cell in the record at once: what is stopped half-way has not been for nothing."""
    place = {(of.name, cell.title): i for i, (of, cell) in enumerate((i, c) for i in INTERVALS for c in i.cells)}
    rows = {(known["interval"], known["cell"]): known for known in read_record()}
    rows[row.interval, row.cell] = vars(row) | {"is_outside": row.is_outside}
    cells = [rows[key] for key in sorted(rows.keys() & place.keys(), key=place.__getitem__)]
    what = {"what": "how often nominal 95 % intervals hold the truth; of each cell its last run", "cells": cells}
    record.save("coverage", what, shown=False)


def read_record() -> list[dict[str, Any]]:
    """Return the cells of the record, as they were measured last."""
    path = record.RECORDS / "coverage.json"
    return json.loads(path.read_text())["cells"] if path.is_file() else []


if __name__ == "__main__":
    main()
