from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_probe.errors import InputError
from gan_probe.studies.trajectory import result as tr

STEPS = (0, 5, 10)
LABELS = np.repeat(["low", "high"], 20)
NOISE = np.tile(np.arange(20) / 100, 2)


def scores_of(*offsets: float) -> npt.NDArray[np.float64]:
    """One snapshot for each offset: how far ``high`` lies above ``low``; at 0 both classes score the same."""
    return np.stack([NOISE + np.where(LABELS == "high", offset, 0.0) for offset in offsets])


def course(*offsets: float) -> tr.Course:
    (found,) = tr.courses(STEPS[: len(offsets)], scores_of(*offsets), LABELS)
    return found


def result(scores: npt.NDArray, labels: npt.NDArray = LABELS, **more: object) -> tr.TrajectoryResult:
    table = pd.DataFrame({"sample_id": [f"{i:x}" for i in range(len(labels))], "label": labels})
    if "factors" in more:
        table = table.assign(**more.pop("factors"))  # type: ignore[arg-type]
    steps = STEPS[: len(scores)]
    return tr.TrajectoryResult(
        steps=steps, scores=scores.astype(np.float32), table=table, reference=str(labels[0]),
        courses=tr.courses(steps, scores, labels), shares=tr.shares_by_step(steps, scores, table),
        sheets=dict[int, Path](), provenance={}, warnings=[],
        **({"random_init": {}, "statistics": {}} | more),  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("offsets", "state", "first", "since", "is_lost", "flips"),
    [
        ((0, 0, 0), "never", None, None, False, ()),
        ((1, 1, 1), "stays from step 0", 0, 0, False, ()),
        ((0, 1, 1), "stays from step 5", 5, 5, False, ()),
        ((0, 0, -1), "stays from step 10", 10, 10, False, ()),
        ((1, 0, 0), "lost after step 0", 0, None, True, ()),
        ((0, 1, 0), "lost after step 5", 5, None, True, ()),
        ((1, 0, 1), "comes and goes", 0, 10, False, ()),
        ((1, 0, -1), "comes and goes", 0, 10, False, (10,)),
        ((1, -1, -1), "comes and goes", 0, 5, False, (5,)),
        ((1, -1, 1), "comes and goes", 0, 10, False, (5, 10)),
        ((1, -1, 0), "comes and goes", 0, None, True, (5,)),
    ],
)
def test_each_course_is_named_for_what_it_does(
    offsets: tuple[float, ...], state: str, first: int | None, since: int | None, is_lost: bool, flips: tuple[int, ...]
) -> None:
    found = course(*offsets)
    assert (found.state, found.first_step, found.since) == (state, first, since)
    assert (found.is_lost, found.flips) == (is_lost, flips)
    assert found.directions == tuple(-np.sign(offsets))  # "low" is named first


def test_auroc_keeps_its_direction_from_snapshot_to_snapshot() -> None:
    assert course(1, 0, -1).auroc == (0.0, 0.5, 1.0)
    assert course(1, 0, -1).separated == (True, False, True)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 10)), min_size=3, max_size=3), st.integers(0, 99))
def test_shift_and_scale_of_each_snapshot_change_no_state(gauge: list[tuple[float, float]], seed: int) -> None:
    labels = np.repeat(list("abcd"), 8)
    scores = np.random.default_rng(seed).integers(0, 9, (3, 32)) + 4.0 * np.repeat(range(4), 8)
    shifts, scales = (np.array(column)[:, None] for column in zip(*gauge, strict=True))
    moved = scores * scales + shifts
    assert tr.courses(STEPS, np.round(moved, 9), labels) == tr.courses(STEPS, scores, labels)
    scaled = [tr.centred(values, labels, "b", scaled=True) for values in (scores, moved)]
    np.testing.assert_allclose(*scaled, atol=1e-7)


def test_turning_one_snapshot_round_turns_the_direction_there_only() -> None:
    assert course(1, 1, 1).directions == (-1, -1, -1)
    scores = scores_of(1, 1, 1) * np.array([[1], [-1], [1]])
    (found,) = tr.courses(STEPS, scores, LABELS)
    assert (found.directions, found.flips) == ((-1, 1, -1), (5, 10))


def test_centring_makes_the_mean_of_the_reference_zero_and_keeps_differences() -> None:
    scores = np.random.default_rng(0).normal(size=(3, 40)) * [[1], [30], [900]] + [[5], [-7], [4000]]
    for scaled in (False, True):
        moved = tr.centred(scores, LABELS, "high", scaled=scaled)
        np.testing.assert_allclose(moved[:, LABELS == "high"].mean(1), 0, atol=1e-9)
    np.testing.assert_allclose(np.diff(tr.centred(scores, LABELS, "high")), np.diff(scores))
    np.testing.assert_allclose(tr.spread_within(tr.centred(scores, LABELS, "low", scaled=True), LABELS), 1)


def test_scores_without_spread_are_centred_and_not_divided() -> None:
    flat = np.where(LABELS == "high", 3.0, 1.0)[None]
    np.testing.assert_array_equal(tr.centred(flat, LABELS, "low", scaled=True), flat - 1)


def test_a_score_that_is_constant_groups_by_nothing() -> None:
    table = pd.DataFrame({"label": LABELS, "factor.shape": np.tile(["square", "circle"], 20)})
    assert tr.shares_by_step((0,), np.ones((1, 40)), table).to_numpy().tolist() == [[0, 0]]


def test_shares_say_what_a_snapshot_groups_by() -> None:
    shape, colour = np.tile(["square", "circle"], 20), np.tile([1, 1, 2, 2], 10)
    table = pd.DataFrame({"label": LABELS, "factor.shape": shape, "factor.colour": colour})
    found = tr.shares_by_step((0, 5), np.stack([1.0 * colour, np.where(shape == "square", 7.0, 3.0)]), table)
    assert list(found.index) == [0, 5]
    np.testing.assert_allclose(found["colour"], [1, 1 - 39 / 38])
    np.testing.assert_allclose(found["shape"], [1 - 39 / 38, 1])


def test_courses_refuse_scores_that_are_no_numbers_and_a_single_class() -> None:
    with pytest.raises(InputError, match="1 of 40 scores are not finite"):
        tr.courses(STEPS[:1], np.where(np.arange(40) == 3, np.nan, scores_of(1)), LABELS)
    with pytest.raises(InputError, match="needs at least two classes, got 1"):
        tr.courses(STEPS[:1], scores_of(1), np.repeat("only", 40))


def test_the_result_counts_and_knows_since_when_it_is_ahead_of_every_control() -> None:
    found = result(scores_of(0, 1, 1), random_init={"seed 1": 0}, statistics={"brightness": 0, "edges": 0})
    assert found.n_separated == (0, 1, 1)
    assert (found.ahead_since, found.best_statistic) == (5, "brightness")
    assert result(scores_of(0, 1, 0), random_init={"seed 1": 0}, statistics={"edges": 0}).ahead_since is None
    assert result(scores_of(1, 1, 1), random_init={"seed 1": 1}, statistics={"edges": 0}).ahead_since is None
    assert result(scores_of(1, 1, 1)).ahead_since is None  # no controls, nothing to be ahead of
    head = vars(found.metrics())
    assert (head["n_pairs"], head["n_separated"], head["n_lost"], head["n_never"]) == (1, 1, 0, 0)
    assert head["n_separated_by_step"] == {"0": 0, "5": 1, "10": 1}


def test_the_class_table_holds_centred_means_and_spreads() -> None:
    table = result(scores_of(0, 3)).class_table().set_index(["step", "label"])
    assert table.loc[(5, "low"), "mean"] == pytest.approx(0)
    assert table.loc[(5, "high"), "mean"] == pytest.approx(3, abs=1e-6)
    spread = NOISE[:20].std()
    assert table.loc[(5, "high"), "sd"] == pytest.approx(spread, rel=1e-5)
    assert table.loc[(5, "high"), "scaled_mean"] == pytest.approx(3 / spread, rel=1e-5)


def test_findings_say_what_is_separated_lost_and_turned_round() -> None:
    lost = " ".join(result(scores_of(0, 1, 0)).findings())
    assert "0 of 1 pairs of classes are separated at step 10, 0 at step 0. Most are at step 5: 1." in lost
    assert "1 pair is lost again: low / high (last at step 5)." in lost
    assert "Whether it is useful cannot be known: no controls were run." in lost
    turned = result(scores_of(1, -1, -1), random_init={"s": 0, "t": 1}, statistics={"edge_density": 0}).findings()
    text = " ".join(turned)
    assert "No pair that was separated is lost at the end." in text
    assert "the last since step 5 (low / high)" in text
    assert "In 1 of 1 pairs the class that scored higher scores lower later" in text
    assert "show at step 5 (1 pairs)" in text
    assert "critics separate 0.5 (median of 2 seeds, from 0 to 1): the trained one lies within their range" in text
    assert "The best image statistic, edge density, separates 0: fewer than the critic at the end" in text
    assert "1 pair is separated at no snapshot: low / high." in " ".join(result(scores_of(0, 0)).findings())
    ahead = result(scores_of(0, 1), random_init={"s": 0}, statistics={"edge_density": 0}).findings()
    assert "It separates more than any control since step 5." in ahead


def test_findings_name_the_leading_factor_and_at_most_four_pairs() -> None:
    shape, colour = np.tile(["square", "circle"], 20), np.tile([1, 1, 2, 2], 10)
    scores = np.stack([1.0 * colour, np.where(shape == "square", 7.0, 3.0)])
    text = " ".join(result(scores, factors={"factor.shape": shape, "factor.colour": colour}).findings())
    assert "colour from step 0 (1.00), shape from step 5 (1.00)." in text
    assert "Shares at step 5: shape 1.00, colour" in text
    many = np.repeat(list("abcd"), 10)
    assert "and 2 more" in " ".join(result(np.tile(NOISE[:10], (2, 4)), many).findings())
