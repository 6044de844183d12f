import numpy as np
import pytest

from gan_probe.stats.information import bits, chosen_rows, folds, group_jackknife, named_by_score

RNG = np.random.default_rng(0)
LABELS = np.repeat(list("abcd"), 100)


def test_independent_scores_give_no_bits_and_name_a_class_by_chance() -> None:
    noise = RNG.normal(size=400)
    assert bits(noise, LABELS) == pytest.approx(0, abs=0.06)
    assert named_by_score(noise, LABELS).mean() == pytest.approx(0.25, abs=0.07)


def test_scores_without_overlap_give_every_bit_and_every_class() -> None:
    apart = np.repeat(np.arange(4.0), 100) + RNG.uniform(0, 0.5, 400)
    assert bits(apart, LABELS) == pytest.approx(2.0, abs=0.02)
    assert named_by_score(apart, LABELS).mean() > 0.99


def test_two_classes_that_cannot_be_told_lose_their_bit() -> None:
    pairs = np.repeat([0.0, 0.0, 5.0, 5.0], 100) + RNG.normal(size=400) / 10
    assert bits(pairs, LABELS) == pytest.approx(1.0, abs=0.08)


def test_two_normals_are_named_as_often_as_bayes_rule_says() -> None:
    labels = np.repeat(["a", "b"], 1500)
    scores = RNG.normal(size=3000) + 2 * (labels == "b")
    assert named_by_score(scores, labels).mean() == pytest.approx(0.841, abs=0.02)  # Phi(1)


def test_shift_scale_and_sign_change_nothing() -> None:
    scores = RNG.normal(size=400) + np.repeat(np.arange(4.0), 100)
    for other in (3 * scores + 7, -scores):
        assert bits(other, LABELS) == pytest.approx(bits(scores, LABELS), abs=0.02)
        assert named_by_score(other, LABELS).mean() == pytest.approx(named_by_score(scores, LABELS).mean(), abs=0.01)


def test_constant_scores_give_nothing() -> None:
    assert bits(np.zeros(400), LABELS) == 0
    assert named_by_score(np.zeros(400), LABELS).mean() <= 0.3


def test_samples_keep_the_classes_shares_and_lose_none() -> None:
    labels = np.repeat(["many", "few"], [9998, 2])
    rows = chosen_rows(labels, most=100)
    assert (labels[rows] == "few").sum() == 2
    assert (labels[rows] == "many").sum() == 100
    assert chosen_rows(labels, most=10_000).tolist() == list(range(10_000))
    lone = np.append(labels, "alone")
    assert len(labels) in chosen_rows(lone, most=100)


def test_every_image_is_tested_once() -> None:
    tested = np.concatenate([test for _, test in folds(LABELS)])
    assert sorted(tested) == list(range(400))
    assert len(folds(np.array(["a", "a", "b", "b", "b"]))) == 2


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = RNG.normal(size=1000)
    value, low, high = group_jackknife(lambda rows: float(values[rows].mean()), np.zeros(1000))
    assert value == pytest.approx(values.mean())
    assert (high - low) / 2 == pytest.approx(2.262 * values.std() / np.sqrt(1000), rel=0.5)


@pytest.mark.parametrize("order", ["by class", "classes reversed", "shuffled"])
def test_scores_that_are_equal_are_named_alike_in_whatever_order_images_come(order: str) -> None:
    """Of two values the Bayes classifier names 70 % right; neighbours at distance 0 are all asked."""
    labels = np.repeat(["a", "b"], 200)
    scores = np.concatenate([np.arange(200) < 140, np.arange(200) < 60]).astype(np.float64)
    places = {"by class": np.arange(400), "classes reversed": np.arange(400)[::-1],
              "shuffled": np.random.default_rng(0).permutation(400)}[order]  # fmt: skip
    assert named_by_score(scores[places], labels[places]).mean() == pytest.approx(0.7, abs=0.01)
