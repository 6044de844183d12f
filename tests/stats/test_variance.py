import numpy as np
import pandas as pd
import pytest

from gan_probe.errors import InputError
from gan_probe.scoring.table import factor_columns
from gan_probe.stats.variance import epsilon_squared, eta_squared, explained, levels, varying
from gan_probe.studies.factors.curve import curve
from gan_probe.studies.factors.disentanglement import dependent, disentanglement

RNG = np.random.default_rng(0)
A, B = RNG.integers(0, 3, 600), RNG.integers(0, 2, 600)
LABELS = np.repeat(list("abcdef"), 100)
FACTORS = {"a": A, "b": B}


def test_a_score_that_is_a_factor_is_explained_by_it_alone() -> None:
    found = {s.factor: s for s in explained(5.0 * A - 3, FACTORS, LABELS)}
    assert found["a"].epsilon_squared == pytest.approx(1)
    assert found["a"].unique == pytest.approx(1, abs=0.01)
    assert found["b"].epsilon_squared == pytest.approx(0, abs=0.02)
    assert found["a x b"].unique == pytest.approx(0, abs=0.01)


def test_independent_values_are_explained_by_nothing_on_average() -> None:
    noise = RNG.normal(size=(200, 600))
    assert np.mean([epsilon_squared(row, A) for row in noise]) == pytest.approx(0, abs=0.001)
    assert np.mean([eta_squared(row, A) for row in noise]) == pytest.approx(2 / 599, abs=0.001)  # its known bias


def test_an_interaction_is_found_where_no_factor_alone_says_anything() -> None:
    found = {s.factor: s for s in explained(np.where((A == 0) == (B == 0), 1.0, 0.0), FACTORS, LABELS)}
    assert found["a x b"].unique > 0.8
    assert found["b"].epsilon_squared < 0.2


def test_factors_that_say_the_same_have_nothing_of_their_own() -> None:
    found = {s.factor: s for s in explained(1.0 * A, {"a": A, "twin": A.max() - A, "b": B}, LABELS)}
    assert found["a"].epsilon_squared == pytest.approx(1)
    assert found["a"].unique == pytest.approx(0, abs=1e-9)


def test_shares_of_an_embedding_add_its_columns() -> None:
    rows = np.c_[A, RNG.normal(size=600)]
    rows = rows / rows.std(0)
    assert epsilon_squared(rows, A) == pytest.approx(0.5, abs=0.01)


def test_many_values_are_cut_into_equal_parts() -> None:
    assert levels([0.01, 0.03, 0.01]).tolist() == [0, 1, 0]
    assert levels(["x", "y", "x"]).tolist() == [0, 1, 0]
    cut = levels(np.arange(80.0))
    assert np.bincount(cut).tolist() == [10] * 8
    table = pd.DataFrame({"factor.noise": [1, 2] * 2, "factor.fixed": 1, "factor.serial": list("abcd"), "other": 1})
    assert list(varying({name: table[c] for name, c in factor_columns(table).items()})) == ["noise"]


def test_a_value_that_many_have_is_a_level_of_its_own() -> None:
    values = np.concatenate([np.zeros(90), np.linspace(1, 2, 10)])
    cut = levels(values)
    assert (cut[:90] == 0).all()
    assert cut[90:].min() == 1
    assert cut.max() == 7
    middle = levels(np.concatenate([np.full(60, 5.0), np.arange(40.0) / 4]))
    assert len(set(middle[:60])) == 1


def test_factors_with_gaps_or_several_values_are_left_out_with_a_word() -> None:
    table = pd.DataFrame({"a": [1, 2] * 4, "b": [1.0, np.nan] * 4, "c": [[1], [2]] * 4})
    told: list[str] = []
    assert list(varying(dict(table.items()), told.append)) == ["a"]
    assert told == [
        "b has missing values; the factor was left out.",
        "c holds more than one value an image; the factor was left out.",
    ]


def test_one_dimension_a_factor_is_disentangled_and_a_rotation_of_it_is_not() -> None:
    rows = np.c_[A, B] + RNG.normal(size=(600, 2)) / 100
    angle = np.pi / 5
    turned = rows @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    plain, mixed = disentanglement(rows, FACTORS), disentanglement(turned, FACTORS)
    for name in ("disentanglement", "completeness", "mig"):
        assert getattr(plain, name) > 0.75
        assert getattr(mixed, name) < getattr(plain, name) - 0.3
    assert plain.informativeness > 0.95
    assert disentanglement(RNG.normal(size=(600, 2)), FACTORS).informativeness < 0.1


def test_where_factors_depend_on_each_other_disentanglement_is_refused() -> None:
    assert dependent(FACTORS) == []
    assert dependent({"a": A, "twin": A}) == ["a and twin (1.00)"]
    with pytest.raises(InputError, match=r"not independent in this data \(a and twin \(1.00\)\)"):
        disentanglement(np.c_[A, B], {"a": A, "twin": A})
    with pytest.raises(InputError, match="at least two factors and two dimensions, got 1 and 2"):
        disentanglement(np.c_[A, B], {"a": A})


def test_the_smallest_difference_that_is_noticed_is_where_the_score_says() -> None:
    values = [0.0, 0.1, 0.2, 0.3, 0.4]
    scores = np.stack([np.linspace(0, 1, 50) + (3.0 if v >= 0.3 else 0.5 if v >= 0.2 else 0.0) for v in values])
    found = curve("noise", values, scores)
    assert (found.noticed, found.separated) == (0.2, 0.3)
    assert found.difference()[:, 0].tolist() == [0, 0, 0.5, 3, 3]


def test_a_difference_that_is_lost_again_was_not_kept() -> None:
    scores = np.zeros((4, 20)) + np.array([0.0, 9.0, 0.0, 9.0])[:, None]
    assert curve("size", [0.0, 1.0, 2.0, 3.0], scores).noticed == 3.0
    assert curve("size", [0.0, 1.0], np.zeros((2, 20))).noticed is None
    assert curve("shape", ["circle", "square"], scores[:2]).noticed is None


def test_bad_factors_are_refused() -> None:
    with pytest.raises(InputError, match="1 of 2 values of a factor are missing"):
        levels([1.0, np.nan])
    with pytest.raises(InputError, match="no factor varies"):
        explained(A, {}, LABELS)
    with pytest.raises(InputError, match="no variance to explain"):
        epsilon_squared(np.zeros(600), A)
    with pytest.raises(InputError, match="a sweep of 2 values needs as many rows of scores, got 3"):
        curve("size", [0.0, 1.0], np.zeros((3, 5)))
