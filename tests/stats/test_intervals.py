import numpy as np
import pytest

from gan_probe.stats.intervals import difference_interval, hierarchical_bootstrap, mean_over_margins, widen


def test_the_difference_of_independent_numbers_adds_their_widths_in_squares() -> None:
    low, high = difference_interval(
        np.array([5.0]),
        (np.array([2.0]), np.array([8.0])),
        np.array([1.0]),
        b_interval=(np.array([-3.0]), np.array([5.0])),
        correlation=np.array([0.0]),
    )  # fmt: skip
    assert (low[0], high[0]) == (pytest.approx(4 - 5), pytest.approx(4 + 5))


def test_what_moves_together_cancels() -> None:
    a = np.array([5.0]), (np.array([4.0]), np.array([6.0]))
    low, high = difference_interval(*a, a[0], b_interval=a[1], correlation=np.array([1.0]))
    assert (low[0], high[0]) == (0.0, 0.0)


def test_one_run_says_nothing_of_others() -> None:
    assert widen(np.array(0.5), (np.array(0.4), np.array(0.6)), np.array(0.0), 1) == (0.4, 0.6)
    low, high = widen(np.array(0.5), (np.array(0.5), np.array(0.5)), np.array(0.1), 4)
    assert (high - low) / 2 == pytest.approx(3.182 * 0.1 / 2, abs=1e-4)  # Student's t with three degrees of freedom


def test_the_hierarchical_bootstrap_covers_a_mean_over_new_runs_and_new_images() -> None:
    rng, strata = np.random.default_rng(0), np.repeat(["a", "b"], 20)
    covered = []
    for _ in range(200):
        values = rng.normal(size=(5, 1)) + rng.normal(size=40) + rng.normal(size=(5, 40)) / 2
        _, low, high = hierarchical_bootstrap(
            lambda runs, images, v=values: float(v[np.ix_(runs, images)].mean()), 5, strata, n_draws=60
        )
        covered.append(low <= 0 <= high)
    assert 0.92 <= np.mean(covered) <= 1.0


def test_with_one_run_the_bootstrap_is_over_images() -> None:
    values = np.arange(50.0)
    value, low, high = hierarchical_bootstrap(
        lambda runs, images: float(values[images].mean()), 1, np.zeros(50), n_draws=400
    )
    assert value == 24.5
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / np.sqrt(50), rel=0.15)


@pytest.mark.parametrize("shared", [0.0, 0.3, 0.8])
def test_what_all_draws_have_in_common_is_in_the_interval(shared: float) -> None:
    """Ten draws whose variance is 1, ``shared`` of it the same for all: their differences show only the rest."""
    rng, held = np.random.default_rng(0), []
    for _ in range(2000):
        draws = np.sqrt(shared) * rng.normal() + np.sqrt(1 - shared) * rng.normal(size=10)
        _, low, high = mean_over_margins(np.full(5, draws.mean()), [(draws, shared)], extra=())
        held.append(low <= 0 <= high)
    assert 0.93 < np.mean(held) < 0.97
