import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from gan_probe.errors import InputError
from gan_probe.stats.auroc import auroc, n_separated, null_auroc, separate
from gan_probe.stats.intervals import auroc_interval
from gan_probe.studies.separation.pairs import overlap, with_controls

values = st.lists(st.integers(-5, 5), min_size=1, max_size=20)


@given(values, values)
@settings(deadline=None)
def test_auroc_is_the_share_of_ordered_pairs(high: list[int], low: list[int]) -> None:
    counted = np.mean([(h > b) + 0.5 * (h == b) for h, b in itertools.product(high, low)])
    assert auroc(np.array(high, float), np.array(low, float)) == pytest.approx(counted)


def test_auroc_equals_scikit_learn_s() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 1, 50), rng.normal(0, 1, 70)
    assert auroc(a, b) == pytest.approx(roc_auc_score([1] * 50 + [0] * 70, np.r_[a, b]))


def test_monotone_maps_change_no_auroc_and_a_sign_flips_the_direction() -> None:
    rng = np.random.default_rng(1)
    scores, labels = rng.normal(size=60) + np.repeat([0, 1, 2], 20), np.repeat(["a", "b", "c"], 20)
    plain = separate(scores, labels)
    assert [p.auroc for p in separate(np.exp(scores), labels)] == [p.auroc for p in plain]
    assert [p.auroc for p in separate(7 * scores - 3, labels)] == [p.auroc for p in plain]
    flipped = separate(-scores, labels)
    assert [(p.b, p.a) for p in flipped] == [(p.a, p.b) for p in plain]
    assert [p.auroc for p in flipped] == pytest.approx([p.auroc for p in plain])


def test_the_order_of_images_changes_nothing() -> None:
    rng = np.random.default_rng(2)
    scores, labels = rng.normal(size=40), np.repeat(["a", "b"], 20)
    order = np.r_[0, 1 + rng.permutation(39)]  # the first row fixes the order of classes
    assert separate(scores, labels) == separate(scores[order], labels[order])


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng, truth, covered = np.random.default_rng(3), 0.9, 0
    shift = 1.2815515655446004 * np.sqrt(2)  # two unit normals this far apart have AUROC 0.9
    for _ in range(400):
        found = auroc(rng.normal(shift, 1, 40), rng.normal(0, 1, 40))
        low, high = auroc_interval(found, 40, 40)
        covered += low <= truth <= high
    assert 0.92 <= covered / 400 <= 0.99


def test_the_interval_does_not_collapse_where_classes_do_not_overlap() -> None:
    assert auroc_interval(1.0, 40, 40) == (pytest.approx(0.950, abs=0.001), 1.0)
    assert auroc_interval(1.0, 300, 300)[0] > 0.99
    assert auroc_interval(0.0, 40, 40) == (0.0, pytest.approx(0.050, abs=0.001))
    low, high = auroc_interval(0.5, 40, 40)
    assert low + high == pytest.approx(1)


def test_independent_scores_separate_nothing() -> None:
    rng = np.random.default_rng(4)
    pairs = separate(rng.normal(size=400), np.repeat(list("abcdefghij"), 40))
    assert n_separated(pairs) == 0
    assert max(p.auroc for p in pairs) < 0.75
    assert min(p.p_value for p in pairs) > 0.05


def test_constant_scores_separate_nothing() -> None:
    (pair,) = separate(np.zeros(20), np.repeat(["a", "b"], 10))
    assert (pair.auroc, pair.separated, pair.p_value) == (0.5, False, 1.0)


def test_distant_classes_are_separated_and_certain_only_with_enough_images() -> None:
    small = separate(np.r_[np.arange(40.0), 100 + np.arange(40.0)], np.repeat(["a", "b"], 40))[0]
    large = separate(np.r_[np.arange(300.0), 1000 + np.arange(300.0)], np.repeat(["a", "b"], 300))[0]
    assert (small.a, small.b) == ("b", "a")
    assert (small.separated, small.certain) == (True, False)
    assert (large.separated, large.certain) == (True, True)


def test_a_few_images_that_happen_to_be_apart_are_not_significant() -> None:
    (pair,) = separate(np.array([1.0, 2.0, 3.0, 4.0]), np.array(["a", "a", "b", "b"]))
    assert (pair.auroc, pair.separated) == (1.0, False)


def test_each_pair_stands_beside_its_best_control_in_the_control_s_own_direction() -> None:
    labels = np.repeat(["a", "b"], 20)
    ramp = np.r_[np.zeros(20), np.ones(20)] + np.linspace(0, 0.5, 40)
    noise = np.random.default_rng(5).normal(size=40)
    (found,), pairs = with_controls(ramp, {"noise": noise, "flipped": -ramp}, labels)
    assert (found.best_control, found.control_auroc, found.margin) == ("flipped", 1.0, 0.0)
    assert found.ci_low < 0 < found.ci_high  # no overlap in twenty images is not none at all
    assert (pairs["flipped"][0].a, pairs["flipped"][0].auroc) == ("a", 1.0)
    ((alone,), _) = with_controls(ramp, {}, labels)
    assert alone.best_control == ""
    assert np.isnan(alone.margin)


def test_what_cannot_be_separated_is_refused() -> None:
    with pytest.raises(InputError, match=r"at least two classes, got 1 \(a\)"):
        separate(np.arange(3.0), ["a"] * 3)
    with pytest.raises(InputError, match="each class needs at least two images; b has one"):
        separate(np.arange(3.0), ["a", "a", "b"])
    with pytest.raises(InputError, match="1 of 4 scores are not finite"):
        separate(np.array([1, 2, np.nan, 3]), ["a", "a", "b", "b"])


def test_the_null_is_what_shuffled_labels_reach() -> None:
    rng, labels = np.random.default_rng(6), np.repeat(list("abcd"), 20)
    scores = rng.normal(size=80)
    largest = [max(p.auroc for p in separate(scores, rng.permutation(labels))) for _ in range(300)]
    wanted = null_auroc(20, 20, n_pairs=6)
    assert 0.92 < np.mean(np.array(largest) < wanted) < 0.99


@pytest.mark.slow
def test_the_interval_of_the_margin_covers_the_truth_and_knows_that_images_are_shared() -> None:
    rng, labels = np.random.default_rng(7), np.repeat(["a", "b"], 40)
    far, near = 1.2815515655446004 * np.sqrt(2), 0.5244005127080407 * np.sqrt(2)  # AUROC 0.9 and 0.7
    covered, widths = [], []
    for _ in range(300):
        common = rng.normal(size=80)
        own, other = (0.6 * rng.normal(size=80) + 0.8 * common for _ in range(2))
        critic, control = own + far * (labels == "a"), other + near * (labels == "a")
        (found,), _ = with_controls(critic, {"c": control}, labels)
        covered.append(found.ci_low <= 0.2 <= found.ci_high)
        if len(widths) < 50:  # each pair of widths tells more than one interval does
            apart, _ = with_controls(critic, {"c": rng.normal(size=80) + near * (labels == "a")}, labels)
            widths.append((found.ci_high - found.ci_low, apart[0].ci_high - apart[0].ci_low))
    assert np.mean(covered) > 0.92
    paired, unpaired = np.mean(widths, axis=0)
    assert paired < 0.9 * unpaired


@pytest.mark.slow
def test_over_several_runs_the_interval_speaks_of_new_runs() -> None:
    rng, labels = np.random.default_rng(8), np.repeat(["a", "b"], 60)
    images, covered = rng.normal(size=120), []
    truth = np.mean([auroc(s + rng.normal(size=4000), rng.normal(size=4000)) for s in 1 + rng.normal(size=400) / 2])
    for _ in range(200):
        images = rng.normal(size=120)
        runs = np.stack([images + s * (labels == "a") for s in 1 + rng.normal(size=5) / 2])
        (pair,) = separate(runs, labels)
        covered.append(pair.ci_low <= truth <= pair.ci_high)
    assert np.mean(covered) > 0.92


@pytest.mark.parametrize(("distance", "shared"), [(0.0, 1.0), (2.0, 0.3173), (9.0, 0.0)])
def test_the_overlap_of_two_normals_is_known(distance: float, shared: float) -> None:
    rng = np.random.default_rng(9)
    a, b = np.sort(rng.normal(size=5000)), np.sort(rng.normal(distance, 1, size=5000))
    assert overlap(a, b) == pytest.approx(shared, abs=0.03)
    assert overlap(np.sort(7 * a - 3), np.sort(7 * b - 3)) == pytest.approx(overlap(a, b), abs=1e-6)


def test_constant_scores_overlap_wholly_and_have_no_effect_size() -> None:
    ((pair,), _) = with_controls(np.zeros(20), {}, np.repeat(["a", "b"], 10))
    assert pair.overlap == 1.0
    assert np.isnan(pair.cohens_d)


def test_cohens_d_of_shifted_scores() -> None:
    base = np.tile([-1.0, 1.0], 10)
    ((found,), _) = with_controls(np.r_[base, base + 3], {}, np.repeat(["a", "b"], 20))
    assert (found.pair.a, found.cohens_d) == ("b", pytest.approx(3 / np.std(base, ddof=1)))


def test_two_samples_of_one_distribution_do_not_quite_overlap() -> None:
    rng = np.random.default_rng(0)
    found = [overlap(np.sort(rng.normal(size=40)), np.sort(rng.normal(size=40))) for _ in range(500)]
    assert np.median(found) == pytest.approx(0.86, abs=0.01)
