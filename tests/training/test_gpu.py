"""What only a CUDA device can show. Everything else runs on a CPU."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_probe.critics.critic import Critic
from gan_probe.images.image_set import ImageSet
from gan_probe.training import train
from gan_probe.training.batches import ImageSource, batches
from gan_probe.training.step import critic_update, new_state
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
