import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from gan_probe.config import PRESETS, TrainConfig
from gan_probe.device import has_native_bf16
from gan_probe.images.image_set import ImageSet
from gan_probe.images.pixels import to_network
from gan_probe.training.batches import ImageSource, StepBatch, batches, step_generator
from gan_probe.training.loop import anchors
from gan_probe.training.runs.folder import METRICS
from gan_probe.training.step import (
    critic_update,
    decayed,
    effective_weights,
    generator_looks,
    new_state,
    train_step,
    update_average,
)

CPU = torch.device("cpu")
CONFIG = TrainConfig(batch_size=8, steps=10, precision="fp32")


def step_batch(data: ImageSet, config: TrainConfig, step: int = 1) -> StepBatch:
    sees_reals = generator_looks(config)
    source = ImageSource.of(data.images, CPU)
    return next(batches(source, config.updated({"steps": step + 1}), first=step, sees_reals=sees_reals))


def test_random_numbers_follow_from_seed_and_step_alone() -> None:
    first = torch.randn(4, generator=step_generator(1, 5))
    assert torch.equal(first, torch.randn(4, generator=step_generator(1, 5)))
    assert not torch.equal(first, torch.randn(4, generator=step_generator(1, 6)))
    assert not torch.equal(first, torch.randn(4, generator=step_generator(2, 5)))


def test_a_critic_update_raises_the_w_distance_and_leaves_the_generator_alone(train_set: ImageSet) -> None:
    state = new_state(CONFIG, train_set.image_shape, CPU)
    generator = [p.clone() for p in state.generator.parameters()]
    distances = [
        critic_update(state, step_batch(train_set, CONFIG, i).critic[0], CONFIG, precision="fp32")["w_distance"].item()
        for i in range(12)
    ]
    assert distances[-1] > distances[0] + 1
    assert all(torch.equal(a, b) for a, b in zip(generator, state.generator.parameters(), strict=True))


def test_a_step_moves_both_networks_and_restores_requires_grad(train_set: ImageSet) -> None:
    state = new_state(CONFIG, train_set.image_shape, CPU)
    before = [p.clone() for p in (*state.critic.parameters(), *state.generator.parameters())]
    metrics = train_step(state, step_batch(train_set, CONFIG), CONFIG, precision="fp32")
    after = [*state.critic.parameters(), *state.generator.parameters()]
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True) if b.ndim > 1)
    assert all(p.requires_grad for p in after)
    assert {*metrics, "step", "auxiliary_loss", "elapsed_s"} == set(METRICS)
    assert state.step == 1


@pytest.mark.skipif(not has_native_bf16(CPU), reason="this CPU multiplies no bfloat16")
def test_bf16_takes_nearly_the_same_step_as_fp32(train_set: ImageSet) -> None:
    batch, values = step_batch(train_set, CONFIG).critic[0], {}
    for precision in ("fp32", "bf16"):
        state = new_state(CONFIG, train_set.image_shape, CPU)
        values[precision] = critic_update(state, batch, CONFIG, precision=precision)
    for name in ("w_distance", "penalty"):
        assert values["bf16"][name].item() == pytest.approx(values["fp32"][name].item(), rel=0.1, abs=0.02)


def test_the_average_critic_is_the_exponential_average() -> None:
    slow, fast = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        slow.weight.fill_(0.0)
        fast.weight.fill_(1.0)
    for _ in range(3):
        update_average(slow, fast, 0.5)
    assert slow.weight.item() == pytest.approx(1 - 0.5**3)


def test_looking_at_normalised_weights_does_not_change_them() -> None:
    config = CONFIG.updated({"spectral_norm": True, "penalty": "none"})
    critic = new_state(config, (32, 32, 3), CPU).critic
    before = {name: value.clone() for name, value in critic.state_dict().items()}
    first, second = effective_weights(critic), effective_weights(critic)
    assert critic.training
    assert all(torch.equal(value, before[name]) for name, value in critic.state_dict().items())
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["stem.weight"], before["stem.parametrizations.weight.original"])


def test_the_learning_rate_falls_over_the_last_share_of_the_steps() -> None:
    config = TrainConfig(steps=10, decay_share=0.5)
    assert [decayed(s, config) for s in (1, 6, 7, 10)] == pytest.approx([1.0, 1.0, 0.8, 0.2])
    assert decayed(10, TrainConfig(steps=10, decay_share=0.0)) == 1.0


@pytest.mark.parametrize("name", [n for n in PRESETS if PRESETS[n].network == "compact"])
def test_every_recipe_widens_the_gap_between_reals_and_fakes(name: str, train_set: ImageSet) -> None:
    config = PRESETS[name].updated({"batch_size": 8, "precision": "fp32"})
    state = new_state(config, train_set.image_shape, CPU)
    found = [
        critic_update(state, step_batch(train_set, config, i).critic[0], config, precision="fp32") for i in range(20)
    ]
    gaps = [metrics["w_distance"].item() for metrics in found]
    assert sum(gaps[-5:]) > sum(gaps[:5])
    if config.weight_clip:
        assert max(p.abs().max().item() for p in state.critic.parameters()) <= config.weight_clip + 1e-6
        assert {m["penalty"].item() for m in found} == {0.0}
    metrics = train_step(state, step_batch(train_set, config), config, precision="fp32")
    assert all(torch.isfinite(value) for value in metrics.values())


def test_drift_holds_scores_near_zero(train_set: ImageSet) -> None:
    means = {}
    for drift in (0.0, 10.0):
        config = CONFIG.updated({"drift": drift})
        state = new_state(config, train_set.image_shape, CPU)
        for i in range(20):
            critic_update(state, step_batch(train_set, config, i).critic[0], config, precision="fp32")
        means[drift] = state.critic(to_network(train_set.images)).square().mean().item()
    assert means[10.0] < means[0.0]


def test_anchored_critics_score_nothing_near_zero(train_set: ImageSet) -> None:
    nulls = anchors(train_set)
    assert nulls.shape == (64, *train_set.image_shape)
    assert np.array_equal(nulls, anchors(train_set))
    spreads = {}
    for anchor in (0.0, 10.0):
        config = CONFIG.updated({"anchor": anchor})
        state, source = (
            new_state(config, train_set.image_shape, CPU),
            ImageSource.of(train_set.images, CPU, nulls=nulls if anchor else None),
        )
        for batch in itertools.islice(batches(source, config, first=1, sees_reals=False), 10):
            for update in batch.critic:
                assert (update.nulls is not None) == bool(anchor)
                critic_update(state, update, config, precision="fp32")
        spreads[anchor] = state.critic(to_network(nulls)).square().mean().item()
    assert spreads[10.0] < spreads[0.0] / 2


def test_the_plain_average_is_the_mean_of_the_weights_of_the_last_steps(train_set: ImageSet) -> None:
    config = CONFIG.updated({"average_share": 0.5, "steps": 6})
    state, weights = new_state(config, train_set.image_shape, CPU), []
    for step in range(1, 7):
        train_step(state, step_batch(train_set, config, step), config, precision="fp32")
        weights.append(state.critic.head.weight.detach().clone())
        if step <= 3:
            assert torch.allclose(state.average.head.weight, weights[-1])
    assert torch.allclose(state.average.head.weight, torch.stack(weights[3:]).mean(0), atol=1e-6)
    assert not torch.allclose(state.average.head.weight, weights[-1], atol=1e-6)


def test_given_fakes_take_the_place_of_the_generators(train_set: ImageSet) -> None:
    batch, found = step_batch(train_set, CONFIG).critic[0], []
    for fake in (None, batch.real):
        state = new_state(CONFIG, train_set.image_shape, CPU)
        found.append(critic_update(state, replace(batch, fake=fake), CONFIG, precision="fp32")["w_distance"].item())
    assert found[1] == 0.0
    assert found[0] != 0.0
