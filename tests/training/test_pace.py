from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest
import torch

from gan_probe.config import TrainConfig
from gan_probe.device import environment
from gan_probe.errors import ConfigError
from gan_probe.images.image_set import ImageSet
from gan_probe.training.loop import snapshot_steps
from gan_probe.training.pace import Pace, choose_threads, measure_pace

CONFIG = TrainConfig(network="mlp", batch_size=4, n_critic=1, penalty="gradient", n_snapshots=3)


@pytest.mark.parametrize("seconds", [7.0, 60.0, 599.9])
def test_the_steps_of_a_time_fit_and_one_more_does_not(seconds: float) -> None:
    pace, config = Pace(step_s=0.5, snapshot_s=1.5), TrainConfig(n_snapshots=10, late_snapshots=2)
    steps = pace.steps_within(seconds, config)
    assert (
        pace.seconds(config.updated({"steps": steps})) <= seconds < pace.seconds(config.updated({"steps": steps + 1}))
    )


def test_a_time_counts_steps_and_snapshots() -> None:
    config = TrainConfig(steps=300, n_snapshots=10)
    assert Pace(2.0, 0.0).seconds(config) == 600
    assert Pace(2.0, 5.0).seconds(config) == 600 + 5 * len(snapshot_steps(300, 10))


def test_too_little_time_is_an_error_that_says_what_one_step_takes() -> None:
    with pytest.raises(ConfigError, match=r"9 s are not enough: .* one step and its snapshots take 13 s. Give more"):
        Pace(step_s=5, snapshot_s=4).steps_within(9, TrainConfig())


@pytest.mark.parametrize("conditional", [False, True])
def test_a_pace_is_that_of_the_steps_and_leaves_no_trace(train_set: ImageSet, conditional: bool) -> None:
    """By a clock that ticks once a look: a step and a snapshot take one tick each."""
    ticks: Iterator[int] = count()
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    config = replace(CONFIG, conditional=conditional)
    pace = measure_pace(train_set, config, device=torch.device("cpu"), clock=lambda: float(next(ticks)))
    assert pace == Pace(1.0, 1.0)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize(("of_one", "of_all", "chosen"), [(4.0, 2.0, "all"), (2.0, 1.95, "one"), (2.0, 8.0, "one")])
def test_several_threads_are_taken_where_they_are_clearly_faster(
    train_set: ImageSet, of_one: float, of_all: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that runs as fast as the number of threads says."""
    monkeypatch.setattr("gan_probe.device.cpu_count", lambda: 2)
    before, now = torch.get_num_threads(), [0.0]

    def clock() -> float:
        now[0] += of_one if torch.get_num_threads() == 1 else of_all
        return now[0]

    assert choose_threads(train_set, CONFIG, clock=clock) == {"one": 1, "all": 2}[chosen]
    assert torch.get_num_threads() == before


def test_a_run_keeps_its_threads_on_its_machine_and_measures_anew_on_another(train_set: ImageSet) -> None:
    def unasked() -> float:
        raise AssertionError("nothing is to be measured")

    here = {**environment(), "threads": 7}
    assert choose_threads(train_set, CONFIG, known=here, clock=unasked) == 7
    ticks: Iterator[int] = count()
    other = {**here, "computes_with": "AVX9000"}
    assert choose_threads(train_set, CONFIG, known=other, clock=lambda: float(next(ticks))) == 1
