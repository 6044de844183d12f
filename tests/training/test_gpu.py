"""What only a CUDA device can show. Everything else runs on a CPU."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_probe.config import preset
from gan_probe.critics.critic import Critic
from gan_probe.device import products_of
from gan_probe.images.image_set import ImageSet, from_synthetic
from gan_probe.training import train
from gan_probe.training.acceleration import accelerate, relative_error
from gan_probe.training.batches import ImageSource, batches
from gan_probe.training.step import critic_gradients, critic_update, new_state
from synthetic import make_dataset
from tests.conftest import SMALL

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]


def test_a_critic_trained_on_the_gpu_scores_the_same_on_the_cpu(train_set: ImageSet, tmp_path: Path) -> None:
    critic = train(train_set, tmp_path / "run", SMALL, device="cuda")
    on_cpu = Critic.load(tmp_path / "run", "cpu").score(train_set.images)
    assert np.allclose(critic.score(train_set.images), on_cpu, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "tf32"])
def test_one_update_on_the_gpu_is_the_cpu_s(train_set: ImageSet, precision: str) -> None:
    config = replace(SMALL, precision="fp32")
    values = []
    for device, used in (("cpu", "fp32"), ("cuda", precision)):
        state = new_state(config, train_set.image_shape, torch.device(device))
        source = ImageSource.of(train_set.images, torch.device(device))
        batch = next(batches(source, config, first=1, sees_reals=False)).critic[0]
        values.append(critic_update(state, batch, config, precision=used))
    for name in ("w_distance", "penalty"):
        assert values[1][name].item() == pytest.approx(values[0][name].item(), rel=0.1, abs=0.02)


@pytest.mark.parametrize("network", ["article", "compact", "residual"])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "tf32"])
def test_steps_of_a_graph_are_eager_ones(network: str, precision: str) -> None:
    """Five steps of both, from the same state on the same batches: the networks end at the same place."""
    data = from_synthetic(make_dataset("article-train", per_class=20))
    said: list[str] = []
    moved = {}
    for how in ("eager", "graph"):
        config = preset(network).updated({"acceleration": how, "steps": 5, "decay_share": 0.5})
        state = new_state(config, data.image_shape, torch.device("cuda"))
        before = [p.detach().clone() for m in (state.critic, state.generator) for p in m.parameters()]
        source = ImageSource.of(data.images, torch.device("cuda"))
        take = accelerate(state, config, precision, log=said.append)
        for batch in batches(source, config, first=1, sees_reals=False):
            take(batch)
        after = [p.detach() for m in (state.critic, state.generator) for p in m.parameters()]
        moved[how] = [a - b for a, b in zip(after, before, strict=True)]
    assert said == ["acceleration: graph"]
    # Adam's first steps are the signs of gradients, of rounding errors too; a lost update or penalty moves by 1.
    assert relative_error(moved["graph"], moved["eager"]) < 0.3


def test_float32_is_float32_where_torch_would_round_to_tf32() -> None:
    """A forward and a backward pass in fp32 agree with the CPU's; rounded to TF32 they differ by 1e-4 or more."""
    data = make_dataset("article-train", per_class=4).images
    critic = Critic.from_network("article", (64, 64, 3))
    on_gpu = Critic.from_network("article", (64, 64, 3), device="cuda")
    expected, found = critic.score(data), on_gpu.score(data)
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    gradients = {}
    for device, precision in (("cpu", "fp32"), ("cuda", "fp32"), ("cuda", "tf32")):
        config = preset("article").updated({"learning_rate_critic": 0.0})
        state = new_state(config, (64, 64, 3), torch.device(device))
        batch = next(batches(ImageSource.of(data, torch.device(device)), config, first=1, sees_reals=False))
        with products_of(precision):
            critic_gradients(state, batch.critic[0], config, precision)
        gradients[device, precision] = [p.grad.cpu() for p in state.critic.parameters() if p.grad is not None]
    full, rounded = (relative_error(gradients["cuda", p], gradients["cpu", "fp32"]) for p in ("fp32", "tf32"))
    assert full < 2e-4 < rounded
