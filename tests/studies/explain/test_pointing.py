from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from gan_probe.studies.explain.pointing import MEASURES, by_chance, edge_bands, interval, measure, rank_correlations


def square(side: int = 12, size: int = 4) -> np.ndarray:
    mask = np.zeros((1, side, side), dtype=bool)
    mask[0, 3 : 3 + size, 5 : 5 + size] = True
    return mask


def one(maps: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    return {name: float(values[0]) for name, values in measure(maps, mask).items()}


def test_a_map_that_is_its_mask_is_perfect_of_either_sign() -> None:
    for sign in (1.0, -1.0):
        assert one(sign * square(), square()) == dict.fromkeys(MEASURES, 1.0)
    assert one(1.0 - square(), square()) == dict.fromkeys(MEASURES, 0.0)


def test_scale_and_sign_change_nothing() -> None:
    maps = np.random.default_rng(0).normal(size=(1, 12, 12))
    assert one(maps, square()) == pytest.approx(one(-1000 * maps, square()))


def test_a_flat_map_is_chance_and_no_hit() -> None:
    chance = {name: float(values[0]) for name, values in by_chance(square()).items()}
    for value in (0.0, 0.3):
        assert one(np.full((1, 12, 12), value), square()) == pytest.approx(chance)
    assert chance["pointing"] == chance["share"] == pytest.approx(16 / 144)


def test_chance_agrees_with_random_maps() -> None:
    maps = np.random.default_rng(1).uniform(size=(4000, 12, 12))
    masks = np.repeat(square(), len(maps), axis=0)
    for name, values in measure(maps, masks).items():
        error = values.std() / np.sqrt(len(values))
        assert abs(values.mean() - by_chance(square())[name][0]) < 4 * error, name
        assert values.std() > 0


def test_ties_count_as_the_mean_over_all_ways_to_break_them() -> None:
    maps, mask = np.zeros((1, 12, 12)), square()
    maps[0, 3, 5:8] = 2  # three of the largest inside, one outside, then zeros
    maps[0, 11, 11] = -2
    found = one(maps, mask)
    assert found["pointing"] == 0.75
    assert found["share"] == 0.75
    rng = np.random.default_rng(2)
    broken = np.abs(maps) + rng.uniform(0, 0.1, size=(4000, 12, 12))
    simulated = measure(broken, np.repeat(mask, 4000, axis=0))
    for name in ("pointing", "IoU"):
        assert simulated[name].mean() == pytest.approx(found[name], abs=0.03)


def test_iou_counts_the_k_largest() -> None:
    maps, mask = np.random.default_rng(3).uniform(0, 0.1, (1, 12, 12)), square()
    maps[0, 3:7, 4:8] = 1  # moved by one: 12 of 16 are right
    assert one(maps, mask)["IoU"] == pytest.approx(12 / 20)


def test_bands_lie_on_both_sides_of_an_edge() -> None:
    band = edge_bands(square(20, 8), 3)[0]
    inner, outer = band & square(20, 8)[0], band & ~square(20, 8)[0]
    assert inner.sum() == 8 * 8 - 2 * 2
    assert outer[4, 4]
    assert outer[0, 8]
    assert not outer[0, 4]  # further than 3 from the corner
    assert not band[15, 15]


def test_the_border_of_the_image_is_no_edge() -> None:
    mask = np.zeros((1, 12, 12), dtype=bool)
    mask[0, :, :6] = True
    assert np.array_equal(np.flatnonzero(edge_bands(mask, 2)[0].all(0)), [4, 5, 6, 7])
    assert edge_bands(mask, 2).sum() == 4 * 12


def test_rank_correlation_is_spearmans_of_the_absolute_values() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 3, 8, 8)).round(1)  # with ties
    expected = [spearmanr(np.abs(x).ravel(), np.abs(y).ravel()).statistic for x, y in zip(a, b, strict=True)]
    assert rank_correlations(a, b) == pytest.approx(expected)
    assert rank_correlations(a, -3 * a) == pytest.approx(1)
    where = np.zeros(a.shape, dtype=bool)
    where[:, :4] = True
    assert rank_correlations(a, b, where) == pytest.approx(rank_correlations(a[:, :4], b[:, :4]))


def test_a_flat_map_has_no_rank_correlation() -> None:
    a = np.random.default_rng(5).normal(size=(2, 8, 8))
    flat = a.copy()
    flat[1] = 0.5
    found = rank_correlations(a, flat)
    assert found[0] == pytest.approx(1)
    assert np.isnan(found[1])
    assert np.isnan(rank_correlations(a, a, np.zeros(a.shape, dtype=bool))).all()


def test_intervals_hold_what_they_promise() -> None:
    rng = np.random.default_rng(6)
    found = [interval(values) for values in rng.exponential(size=(300, 60))]
    held = np.mean([i.ci_low <= 1 <= i.ci_high for i in found])
    assert 0.88 <= held <= 0.97  # intervals of skewed samples of 60 are a little short


def test_images_without_a_value_are_left_out_of_intervals() -> None:
    found = interval(np.array([1.0, np.nan, 3.0]))
    assert (found.value, found.n) == (2.0, 2)
    assert found.ci_low == pytest.approx(2 - 12.706, abs=0.001)  # Student's t with one degree of freedom
    assert interval(np.array([np.nan])).n == 0
    assert np.isnan(interval(np.array([np.nan])).value)
    assert interval(np.array([0.5, 0.5])).ci_high == 0.5
    assert np.isnan(interval(np.array([0.5])).ci_low)  # one image says nothing of others


def test_maps_that_all_point_right_leave_room_for_one_that_does_not() -> None:
    assert interval(np.ones(40), is_share=True).ci_low == pytest.approx(0.89, abs=0.02)
    below = interval(np.r_[np.ones(39), -1.0], is_share=True)
    assert below.ci_low < below.value < below.ci_high


def test_intervals_of_differences_do_not_hang_on_their_sign() -> None:
    """Three of a hundred images that one map points at and the other does not: nothing to tell the two apart by."""
    ahead = np.where(np.arange(100) < 3, 1.0, 0.0)
    one, other = (interval(sign * ahead, is_share=True, is_difference=True) for sign in (1, -1))
    assert (one.ci_low, one.ci_high) == pytest.approx((-other.ci_high, -other.ci_low))
    assert one.ci_low < 0 < one.ci_high


def test_an_interval_over_seeds_too_holds_a_difference_that_is_the_seeds_own() -> None:
    """Three random critics of which each is off by 0.06, and a critic no better: over images alone 38 % are held."""
    rng, held = np.random.default_rng(0), {False: 0, True: 0}
    for _ in range(300):
        seeds = 0.06 * rng.normal(size=3)
        by_image = -seeds.mean() + 0.05 * rng.normal(size=40)
        for over_seeds in held:
            found = interval(by_image, is_difference=True, by_seed=seeds if over_seeds else None)
            held[over_seeds] += found.ci_low <= 0 <= found.ci_high
    assert held[False] / 300 < 0.5
    assert held[True] / 300 > 0.88
