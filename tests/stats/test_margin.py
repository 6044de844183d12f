import numpy as np
import pytest

from gan_probe.stats.margin import EMBEDDING_MEASURES, SCORE_MEASURES, difference, margins, mean_interval

RNG = np.random.default_rng(0)
LABELS = np.repeat(list("abc"), 30)
GOOD = RNG.normal(size=(90, 6)) + 4 * np.eye(6)[np.repeat([0, 1, 2], 30)]
NOISE = [RNG.normal(size=(90, 6)) for _ in range(3)]


def test_a_good_embedding_is_ahead_of_noise_and_noise_behind_a_good_one() -> None:
    for own, other, verdict in ((GOOD, NOISE[0], "ahead"), (NOISE[0], GOOD, "behind")):
        found = margins(EMBEDDING_MEASURES, [own], {"other": [other]}, LABELS)
        assert [e.verdict for e in found] == [verdict] * 3
        assert [e.measure for e in found] == list(EMBEDDING_MEASURES)


def test_against_itself_nothing_is_gained_and_the_interval_is_open() -> None:
    for e in margins(EMBEDDING_MEASURES, [GOOD], {"itself": [GOOD]}, LABELS):
        assert e.margin == 0
        assert e.margin_low < 0 < e.margin_high
        assert e.verdict == "not to be told apart"


def test_noise_is_right_as_often_as_chance() -> None:
    for e in margins(EMBEDDING_MEASURES, NOISE, {"noise": [RNG.normal(size=(90, 6))]}, LABELS):
        assert e.chance == pytest.approx(1 / 3)
        assert e.value == pytest.approx(1 / 3, abs=0.12)


def test_the_best_control_is_named_and_seeds_of_one_control_are_averaged() -> None:
    controls = {"random_init": [GOOD, NOISE[0], NOISE[1]], "pixels": [GOOD]}
    (e, *_) = margins(EMBEDDING_MEASURES, [GOOD], controls, LABELS)
    assert e.best_control == "pixels"
    assert e.controls["random_init"] < 0.75


def test_a_scalar_is_measured_like_an_embedding() -> None:
    (e,) = margins(SCORE_MEASURES, [GOOD[:, 0]], {"noise": [NOISE[0][:, 0]]}, LABELS)
    assert e.value > 0.55  # one class of three stands apart
    assert e.verdict == "ahead"


def test_without_controls_there_is_no_margin() -> None:
    (e,) = margins(SCORE_MEASURES, [GOOD[:, 0]], {}, LABELS)
    assert e.best_control == ""
    assert np.isnan(e.margin)


def test_intervals_cover_over_new_runs_and_new_images() -> None:
    covered = []
    for _ in range(300):
        a = 0.6 + RNG.normal(size=(5, 1)) / 20 + RNG.normal(size=100) / 4
        b = 0.5 + RNG.normal(size=(3, 1)) / 20 + RNG.normal(size=100) / 4
        value, low, high = difference(a, b)
        covered.append(low <= 0.1 <= high)
        assert value == pytest.approx(a.mean() - b.mean())
    assert np.mean(covered) > 0.93


def test_a_perfect_score_is_not_a_certain_one() -> None:
    value, low, _ = mean_interval(np.ones((1, 40)))
    assert value == 1
    assert 0.85 < low < 0.97
