"""Every measure of stability on runs whose agreement is known."""

import numpy as np
import pytest

from gan_probe.errors import InputError
from gan_probe.stats.agreement import (
    MEASURES,
    Components,
    agreement_with_others,
    class_means,
    components,
    flip_rate,
    icc,
    kendall_w,
    measures,
    spearman_within,
)
from gan_probe.stats.alignment import ALIGNMENTS
from gan_probe.stats.intervals import runs_and_images
from gan_probe.stats.regression import linear_share, regressed_out
from gan_probe.stats.splits import halves
from gan_probe.studies.stability.calibrations import CALIBRATIONS, conformal, density_ratio, left_out, make_panel
from gan_probe.studies.stability.result import alignment_levels, compare_runs, lowest_agreement

LABELS = np.repeat([f"c{i}" for i in range(10)], 40)
SEEN = np.isin(LABELS, ["c0", "c5"])


def runs(seed: int, *, n: int = 8, class_: float = 1.0, run: float = 0.0, conflict: float = 0.0, image: float = 0.0,
         rest: float = 0.0) -> np.ndarray:  # fmt: skip
    """Scores drawn with these standard deviations."""
    rng = np.random.default_rng(seed)
    _, codes = np.unique(LABELS, return_inverse=True)
    return (
        class_ * rng.normal(size=10)[codes]
        + run * rng.normal(size=(n, 1))
        + conflict * rng.normal(size=(n, 10))[:, codes]
        + image * rng.normal(size=len(LABELS))
        + rest * rng.normal(size=(n, len(LABELS)))
    )


def test_identical_runs_agree_fully_on_every_level() -> None:
    levels = alignment_levels(np.repeat(runs(0, n=1, image=0.5), 5, axis=0), LABELS, seen=SEEN)
    assert [level.alignment for level in levels] == [*ALIGNMENTS, *CALIBRATIONS]
    for level in levels:
        assert (level.reproducible, level.ci_low, level.ci_high) == pytest.approx((1, 1, 1))
        assert (level.kendall_w, level.flip_rate, level.icc_2_1) == pytest.approx((1, 0, 1))
        assert level.spearman_within == pytest.approx(1)
        for name in MEASURES:
            assert level.intervals[name] == pytest.approx((getattr(level, name),) * 2, abs=1e-9)


@pytest.mark.parametrize(
    ("change", "from_level"),
    [
        (lambda s, r: s + 5 * r, "raw"),  # a shift is no conflict of classes
        (lambda s, r: s * (1 + r), "affine"),
        (lambda s, r: s * (-1 if r == 0 else 1 + r), "affine"),
        (lambda s, r: np.sinh((0.5 + 0.5 * r) * s), "monotone"),
    ],
)
def test_changed_gauges_agree_from_their_level_on(change, from_level: str) -> None:
    one = runs(1, n=1, image=0.3)[0]
    changed = np.stack([change(one, r) for r in range(5)])
    levels = alignment_levels(changed, LABELS, seen=SEEN)
    names = list(ALIGNMENTS)
    for level in levels[names.index(from_level) :]:
        if from_level != "monotone" or level.alignment != "density-ratio":  # a line undoes no curve
            assert level.reproducible > 0.995
    for level in levels[: names.index(from_level)]:
        assert level.reproducible < 0.99
    assert levels[0].icc_2_1 < 0.95  # but a shift is a disagreement of single scores
    assert next(r for r in levels if r.alignment == "conformal").icc_2_1 == pytest.approx(1)


def test_independent_noise_gives_nothing() -> None:
    levels = alignment_levels(runs(2, class_=0.0, rest=1.0), LABELS, seen=SEEN)
    for level in levels:
        assert level.ci_low <= 0.05
        assert level.kendall_w < 0.4
        assert level.flip_rate == pytest.approx(0.5, abs=0.15)
        assert abs(level.icc_3_1) < 0.1
        assert abs(level.spearman_within) < 0.15
        assert level.intervals["icc_3_1"][0] <= 0 <= level.intervals["icc_3_1"][1]
        assert level.intervals["flip_rate"][0] <= 0.5 <= level.intervals["flip_rate"][1]
    assert lowest_agreement(levels) is None


def test_components_are_those_that_were_put_in() -> None:
    put = {"class_": 1.0, "run": 0.7, "conflict": 0.5, "image": 0.8, "rest": 0.6}
    found = [components(runs(seed, n=10, **put), LABELS) for seed in range(60)]
    for name, deviation in put.items():
        assert np.mean([getattr(f, name) for f in found]) == pytest.approx(deviation**2, rel=0.15)
    assert np.mean([f.reproducible for f in found]) == pytest.approx(1 / 1.25, abs=0.05)


LONG = pytest.mark.nightly


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_runs", "truth"), [(5, 0.8), pytest.param(5, 0.1, marks=LONG), pytest.param(10, 0.8, marks=LONG)]
)
def test_intervals_cover_the_truth_at_least_as_often_as_they_say(n_runs: int, truth: float) -> None:
    """The same ten classes, runs and images drawn anew; the truth of the others is their mean over many draws."""
    rng, codes = np.random.default_rng(n_runs), np.repeat(np.arange(10), 20)
    means = rng.normal(size=10)
    means /= means.std(ddof=1)

    def draw() -> np.ndarray:
        conflict = np.sqrt(1 / truth - 1) * rng.normal(size=(n_runs, 10))[:, codes]
        return means[codes] + conflict + 0.2 * rng.normal(size=200) + 0.3 * rng.normal(size=(n_runs, 200))

    true = np.mean([measures(draw(), codes) for _ in range(200)], axis=0)
    true[0] = truth
    covered = []
    for seed in range(100):
        scores = draw()
        values, widths = runs_and_images(
            lambda runs, images, s=scores: measures(s[np.ix_(runs, images)], codes[images]),
            n_runs, codes, n_draws=20, seed=seed,
        )  # fmt: skip
        covered.append(np.abs(values - true) <= widths)
    assert dict(zip(MEASURES, np.mean(covered, axis=0) < 0.92, strict=True)) == dict.fromkeys(MEASURES, False)


def test_reversing_all_scores_changes_nothing() -> None:
    scores = runs(3, conflict=0.3, image=0.3, rest=0.2)
    for a, b in zip(alignment_levels(scores, LABELS), alignment_levels(-scores, LABELS), strict=True):
        assert a.reproducible == pytest.approx(b.reproducible, abs=0.01)


def test_what_follows_a_nuisance_alone_is_gone_without_it() -> None:
    brightness = runs(4, n=1, image=0.2)[0]
    scores = brightness + 0.3 * np.random.default_rng(0).normal(size=(6, 400))
    with_it, without = alignment_levels(scores, LABELS), alignment_levels(scores, LABELS, regressors=brightness[None])
    assert with_it[0].reproducible > 0.95
    assert without[0].reproducible < 0.6
    fit = halves(LABELS)
    assert abs(np.corrcoef(regressed_out(scores, brightness[None], fit)[0, ~fit], brightness[~fit])[0, 1]) < 0.15


def test_the_density_ratio_of_two_normal_classes_is_the_known_line() -> None:
    """log N(x; 1, 1) / N(x; -1, 1) = 2 x, whatever the share of reals and the run's units."""
    rng = np.random.default_rng(0)
    labels = np.repeat(["real", "other"], [8000, 2000])
    x = np.where(labels == "real", 1.0, -1.0) + rng.normal(size=10_000)
    panel = make_panel(labels, labels == "real")
    found = density_ratio(np.stack([x, 7 - 3 * x]), panel)
    assert np.polyfit(x, found[0], 1) == pytest.approx([2, 0], abs=0.15)
    assert found[1] == pytest.approx(found[0], abs=1e-2)


def test_conformal_p_values_of_new_reals_are_uniform_and_a_known_outlier_has_the_smallest() -> None:
    labels = np.repeat(["real", "other"], [400, 20])
    scores = np.where(labels == "real", np.random.default_rng(0).normal(size=420), -9.0)
    panel = make_panel(labels, labels == "real")
    p = conformal(np.stack([scores, np.exp(scores)]), panel)
    assert np.quantile(p[0, panel.reals & ~panel.fit], [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.07)
    assert set(p[0, labels == "other"]) == {1 / 201}
    assert (p[1] == p[0]).all()


def test_nulls_are_what_reals_are_held_against_where_there_are_some() -> None:
    labels = np.array([*LABELS, *["null"] * 40])
    panel = make_panel(labels, np.array([*SEEN, *[False] * 40]))
    assert (panel.negatives == (labels == "null")).all()
    assert (make_panel(LABELS, SEEN).negatives == ~SEEN).all()


def test_levels_without_reals_or_negatives_are_left_out_and_say_why() -> None:
    nobody, everybody = left_out(make_panel(LABELS)), left_out(make_panel(LABELS, np.ones(400, dtype=bool)))
    assert set(nobody) == set(CALIBRATIONS)
    assert "needs 10 images of seen classes to be fitted on, and there are 0" in nobody["conformal"]
    assert list(everybody) == ["density-ratio"]
    assert "needs 10 negatives to be fitted on, and there are 0. Add some with --nulls" in everybody["density-ratio"]
    assert [level.alignment for level in alignment_levels(runs(0), LABELS)] == list(ALIGNMENTS)


def test_closed_forms() -> None:
    means = np.array([[1.0, 2, 3], [1, 2, 3], [3, 2, 1]])
    assert kendall_w(means[:2]) == 1
    assert kendall_w(means) == pytest.approx(1 / 9)
    assert kendall_w(np.array([[1.0, 1, 3], [2, 2, 5]])) == pytest.approx(1)  # ties that both runs have
    assert kendall_w(np.ones((3, 4))) == 0
    assert flip_rate(means[:2]) == 0
    assert flip_rate(means) == pytest.approx(2 / 3)
    scores = np.array([[9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4], [8, 2, 8, 6, 9, 7]], dtype=float)
    assert icc(scores) == pytest.approx((0.29, 0.71), abs=0.01)  # Shrout and Fleiss 1979, table 4
    assert class_means(scores, np.array(list("aabbcc"))).shape == (4, 3)
    assert Components(3.0, 9.0, 1.0, 9.0, 9.0, 0.01, 0.75).reproducible == 0.75
    assert Components(3.0, 9.0, 1.0, 9.0, 9.0, 0.2, 0.75).reproducible == 0
    assert Components(0.0, 9.0, 1.0, 9.0, 9.0, 0.01, -0.1).reproducible == 0


def test_halves_share_every_class_out() -> None:
    fit = halves(LABELS, seed=3)
    assert [fit[name == LABELS].sum() for name in np.unique(LABELS)] == [20] * 10


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (runs(0, n=2), LABELS, "stability needs at least 3 runs, got 2"),
        (runs(0), np.repeat("a", 400), "the data has fewer than two"),
        (runs(0)[:, :12], np.array(["a"] * 9 + ["b"] * 3), "class 'b' has 3 images; at least four are needed"),
        (np.vstack([runs(0), np.full(400, np.nan)]), LABELS, "run 9 has scores that are not finite"),
        (np.vstack([runs(0), np.ones(400)]), LABELS, "run 9 scores every image the same"),
        (runs(0)[:, :5], LABELS, r"scores must be \(runs, 400\), got \(8, 5\)"),
    ],
)
def test_what_cannot_be_compared_is_refused(scores: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        alignment_levels(scores, labels)


def test_spearman_within_is_nan_without_enough_images() -> None:
    assert np.isnan(spearman_within(np.ones((3, 4)), np.array(list("aabb"))))


def test_a_training_that_conflicts_less_is_more_reproducible_and_the_same_one_is_not() -> None:
    noisy, quiet = runs(3, n=10, conflict=1.0, rest=0.3), runs(3, n=10, conflict=0.1, rest=0.3)
    found = compare_runs(quiet, noisy, LABELS)
    assert (found.of, found.here > found.there) == ("affine", True)
    assert 0 < found.ci_low < found.difference < found.ci_high
    turned = compare_runs(noisy, quiet, LABELS)
    assert (turned.difference, turned.ci_high) == pytest.approx((-found.difference, -found.ci_low))
    other = compare_runs(noisy, runs(4, n=10, conflict=1.0, rest=0.3), LABELS, alignment="raw", of="raw")
    assert other.ci_low < 0 < other.ci_high
    itself = compare_runs(noisy, noisy * 2 + 1, LABELS)
    assert (itself.difference, itself.ci_low, itself.ci_high) == pytest.approx((0, 0, 0), abs=1e-9)
    with pytest.raises(InputError, match="compared in pairs; there are 10 and 9"):
        compare_runs(noisy, quiet[:9], LABELS)


@pytest.mark.slow
@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("n_pairs", [20, pytest.param(40, marks=LONG)])
def test_the_interval_of_a_difference_covers_none_where_there_is_none(n_pairs: int, paired: bool) -> None:
    """Pairs of trainings of one kind, with common or separate noise: of 40, 95 % would be 38."""
    covered = 0
    for seed in range(n_pairs):
        rng = np.random.default_rng(seed)
        here = runs(seed, n=6, conflict=0.4, rest=0.5)
        there = here + 0.3 * rng.normal(size=(6, 10)).repeat(40, axis=1) if paired else None
        if there is None:  # the same classes, other conflicts
            shared = class_means(here, LABELS).mean(0).repeat(40)
            there = shared + runs(seed + 1000, n=6, class_=0.0, conflict=0.4, rest=0.5)
            here = shared + runs(seed + 2000, n=6, class_=0.0, conflict=0.4, rest=0.5)
        else:
            here = here + 0.3 * rng.normal(size=(6, 10)).repeat(40, axis=1)
        found = compare_runs(here, there, LABELS)
        covered += found.ci_low <= 0 <= found.ci_high
    assert covered >= 0.9 * n_pairs


def test_a_run_that_says_otherwise_agrees_least_with_the_others() -> None:
    scores = runs(5, n=5, rest=0.3)
    scores[3] = runs(6, n=1)[0]
    found = agreement_with_others(scores * np.array([[1], [2], [3], [1], [5]]) + 7)
    assert found.argmin() == 3
    assert min(np.delete(found, 3)) > 0.8


def test_the_share_that_is_linear_in_nuisances() -> None:
    rng = np.random.default_rng(0)
    regressors = rng.normal(size=(2, 400))
    rest = rng.normal(size=400)
    assert linear_share(np.stack([regressors[0], 3 + regressors.sum(0)]), regressors) == pytest.approx(1)
    assert linear_share((regressors[0] + rest)[None], regressors) == pytest.approx(0.5, abs=0.07)
    assert linear_share(rest[None], regressors) < 0.03


def test_what_single_images_share_over_runs_is_no_difference_of_classes() -> None:
    """Classes are names alone, images differ alike in all runs: the test is fooled in one set of twenty."""
    p = np.array([components(runs(seed, n=5, class_=0.0, image=1.0, rest=0.3), LABELS).p_class for seed in range(200)])
    assert 0.01 <= (p <= 0.05).mean() <= 0.10
    found = components(runs(1, n=5, class_=1.0, image=1.0, rest=0.3), LABELS)
    assert found.p_class < 1e-3
    assert found.reproducible > 0.9


def test_halves_of_classes_are_the_same_beside_nulls() -> None:
    more = np.concatenate([LABELS, np.repeat("a-null", 40)])  # the first by name
    assert (halves(LABELS) == halves(more, last="a-null")[: len(LABELS)]).all()
    assert (halves(LABELS) != halves(more)[: len(LABELS)]).any()


def test_a_run_that_is_flat_where_alignments_are_fitted_is_refused() -> None:
    scores = runs(0, n=4)
    scores[2, make_panel(LABELS).fit] = 1.0
    with pytest.raises(InputError, match="run 3 scores all images of the half that alignments are fitted on the same"):
        alignment_levels(scores, LABELS)


def test_orders_that_tie_flip_by_half_whatever_the_classes_are_called() -> None:
    assert flip_rate(np.array([[1.0, 1.0], [1.0, 2.0]])) == 0.5
    assert flip_rate(np.array([[1.0, 1.0], [2.0, 1.0]])) == 0.5
    assert flip_rate(np.array([[1.0, 1.0], [1.0, 1.0]])) == 0
    assert flip_rate(np.array([[1.0, 2.0], [2.0, 1.0]])) == 1
