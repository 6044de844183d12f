"""Each faster way takes eager's step, or is not used. What needs a GPU is in test_gpu.py."""

from dataclasses import replace

import pytest
import torch

from gan_probe.config import TrainConfig
from gan_probe.images.image_set import ImageSet
from gan_probe.training.acceleration import (
    TOLERANCE,
    _gradient_error,
    accelerate,
    functional_gradients,
    put_back,
    relative_error,
)
from gan_probe.training.batches import ImageSource, StepBatch, batches
from gan_probe.training.step import State, critic_gradients, new_state, train_step

CPU = torch.device("cpu")
CONFIG = TrainConfig(batch_size=4, steps=5, precision="fp32")


def begin(data: ImageSet, config: TrainConfig) -> tuple[State, StepBatch]:
    batch = next(batches(ImageSource.of(data.images, CPU), config, first=1, sees_reals=True))
    return new_state(config, data.image_shape, CPU), batch


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"network": "sngan"},  # its convolutions have a second derivative of their own
        {"penalty_norm": "article"},
        {"objective": "hinge", "penalty": "r1"},
        {"objective": "relativistic", "penalty": "r1r2", "drift": 0.1},
    ],
)
def test_nested_functional_gradients_are_eager_s(train_set: ImageSet, changes: dict[str, object]) -> None:
    """What torch.compile is given; the penalty's way into the weights is in it."""
    config = CONFIG.updated(changes)
    state, batch = begin(train_set, config)
    gradients = functional_gradients(state, config, "fp32", compiled=False)
    assert _gradient_error(state, batch.critic[0], config, precision="fp32", gradients=gradients) < 1e-4
    ours, theirs = (how(state, batch.critic[0], config, "fp32") for how in (gradients, critic_gradients))
    assert {k: v.item() for k, v in ours.items()} == pytest.approx({k: v.item() for k, v in theirs.items()}, rel=1e-4)


def test_a_stand_in_that_loses_the_penalty_is_found_out(train_set: ImageSet) -> None:
    state, batch = begin(train_set, CONFIG)
    lossy = functional_gradients(state, CONFIG.updated({"penalty_weight": 0.0}), "fp32", compiled=False)
    assert _gradient_error(state, batch.critic[0], CONFIG, precision="fp32", gradients=lossy) > 10 * TOLERANCE["bf16"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"acceleration": "graph"}, "eager, not graph: CUDA graphs need a CUDA device"),
        (
            {"acceleration": "compiled", "network": "dcgan", "objective": "hinge", "penalty": "none"},
            "eager, not compiled: the critic changes buffers",
        ),
        ({"acceleration": "compiled", "spectral_norm": True}, "eager, not compiled: the critic changes buffers"),
    ],
)
def test_a_way_that_does_not_fit_is_not_taken(train_set: ImageSet, changes: dict[str, object], reason: str) -> None:
    config, said = CONFIG.updated(changes), []
    state, batch = begin(train_set, config)
    metrics = accelerate(state, config, "fp32", log=said.append)(batch)
    other, _ = begin(train_set, config)
    expected = train_step(other, batch, config, precision="fp32")
    assert reason in said[0]
    assert all(torch.equal(metrics[name], expected[name]) for name in expected)
    assert state.step == 1


def test_auto_is_eager_on_a_cpu_and_says_nothing(train_set: ImageSet) -> None:
    said: list[str] = []
    state, batch = begin(train_set, CONFIG)
    accelerate(state, CONFIG, "fp32", log=said.append)(batch)
    assert said == []


@pytest.mark.slow
def test_a_compiled_training_is_the_eager_one(train_set: ImageSet) -> None:
    """A real compiler; a small network, since compiling takes most of the time."""
    config, said = CONFIG.updated({"network": "mlp", "acceleration": "compiled"}), []
    states = []
    for chosen in (config, replace(config, acceleration="eager")):
        state, _ = begin(train_set, config)
        take = accelerate(state, chosen, "fp32", log=said.append)
        for batch in batches(ImageSource.of(train_set.images, CPU), config, first=1, sees_reals=False):
            metrics = take(batch)
        states.append((state, metrics))
    assert said == ["acceleration: compiled"]
    (compiled, ours), (eager, theirs) = states
    assert relative_error(compiled.critic.parameters(), eager.critic.parameters()) < 1e-2
    assert ours["w_distance"].item() == pytest.approx(theirs["w_distance"].item(), rel=0.02)


def test_put_back_restores_weights_moments_and_step(train_set: ImageSet) -> None:
    state, batch = begin(train_set, CONFIG)
    train_step(state, batch, CONFIG, precision="fp32")
    weights = [p.clone() for p in state.critic.parameters()]
    places = [p.data_ptr() for p in state.critic.parameters()]
    with put_back(state):
        train_step(state, batch, CONFIG, precision="fp32")
        assert not torch.equal(weights[0], next(state.critic.parameters()))
    assert state.step == 1
    assert all(torch.equal(a, b) for a, b in zip(weights, state.critic.parameters(), strict=True))
    assert places == [p.data_ptr() for p in state.critic.parameters()]
    assert all(float(s["step"]) == 2 for s in state.critic_optimizer.state.values())  # two critic updates in one step
