"""The verdict on a critic: the same in the result, in the record, in the terminal's last line and for gates."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gan_probe.stats.beside import Difference
from gan_probe.studies.advantage import Advantage
from gan_probe.studies.judgement import judge
from gan_probe.studies.separation.analysis import analyse
from gan_probe.studies.separation.result import SeparationResult
from tests.studies.separation.test_result import NOISE, STEPS, table

UP, FLAT, DOWN = Difference(0.1, 0.05, 0.15), Difference(0.0, -0.04, 0.04), Difference(-0.1, -0.15, -0.05)


@pytest.fixture(scope="module")
def good() -> SeparationResult:
    return analyse(table(STEPS, [True, True, False], random_init__0=NOISE, brightness=NOISE), clusters=False)


@pytest.mark.parametrize(
    ("differences", "level", "chosen"),
    [
        ((DOWN, UP), "better", 1),
        ((UP, Difference(0.1, 0.06, 0.14)), "better", 1),
        ((FLAT, DOWN), "as good", 0),
        ((DOWN, DOWN), "worse", 0),
        ((Difference(0.0, -0.3, 0.3), DOWN), "unknown", 0),
    ],
)
def test_the_measure_that_speaks_best_for_the_critic_decides(
    differences: tuple[Difference, ...], level: str, chosen: int
) -> None:
    found = judge({str(n): Advantage(use=d, control="hog") for n, d in enumerate(differences)})
    assert (found.useful.level, found.useful.measure) == (level, str(chosen))
    assert found.added.level == "unknown"
    assert found.useful.difference is differences[chosen]


def test_verdict_record_and_metrics_say_the_same(good: SeparationResult) -> None:
    opening = good.opening()
    verdict, numbers = opening.judgement.record(), good.metrics()
    assert list(verdict["useful"]) == ["level", "measure", "value", "low", "high", "control"]
    assert list(verdict["added"]) == ["level", "measure", "value", "low", "high"]
    assert (numbers.useful, numbers.useful_margin, numbers.useful_low) == (
        verdict["useful"]["level"], verdict["useful"]["value"], verdict["useful"]["low"]
    )  # fmt: skip
    assert (verdict["useful"]["level"], verdict["added"]["level"]) == ("better", "yes")
    assert opening.judgement.line().startswith("verdict: Better than every control. The score alone is ahead of ")


def test_a_worse_critic_looks_different_at_once(good: SeparationResult) -> None:
    bad = analyse(table(NOISE, random_init__0=STEPS, brightness=STEPS), clusters=False).opening().judgement
    assert (bad.useful.level, bad.added.level) == ("worse", "took away")
    assert bad.headline != good.opening().judgement.headline


def test_tiles_have_value_interval_and_best_control_or_say_why_not(good: SeparationResult) -> None:
    score, embedding, unseen, again = good.opening().tiles
    assert score.low <= score.value <= score.high
    assert (score.level, score.control in ("brightness", "randomly initialised")) == ("better", True)
    assert (embedding.why, again.why) == ("no embeddings in this table", "one training: cannot be known")
    assert (unseen.value, unseen.level, unseen.in_points) == (0.0, "worse", False)  # it ranks them above its own reals
    assert 0 <= unseen.low <= unseen.high < 0.5
    json.dumps([tile.record() for tile in good.opening().tiles], allow_nan=False)


def test_what_comes_out_again_is_measured_over_three_trainings() -> None:
    whole = table(STEPS, **{f"random_init__{n}": np.roll(NOISE, 20 * n) for n in range(3)})
    two, three = (analyse(whole, [whole] * n, clusters=False) for n in (1, 2))
    assert two.opening().tiles[3].why == "2 trainings: cannot be known"
    tile = three.opening().tiles[3]
    assert (tile.value, tile.high, tile.control) == (1.0, 1.0, "randomly initialised")
    assert 0 <= tile.control_value < 1


def test_next_commands_are_three_at_most(good: SeparationResult) -> None:
    commands = good.opening().commands
    assert 0 < len(commands) <= 3
    assert all(command.startswith("gan-probe ") for command in commands)
    assert len(replace(good, recurrence=None).opening().commands) <= 3
