from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gan_probe.config import TrainConfig
from gan_probe.images.image_set import ImageSet
from gan_probe.training import RunFolder
from gan_probe.training.adam import AdamInMemoryOrder
from tests.training.resuming import assert_equal_bits, whole_and_resumed

LAYOUTS = {"plain": torch.contiguous_format, "channels last": torch.channels_last}
SHAPES = ((6, 5, 4, 3), (7,), (3, 2))


def laid(tensor: Tensor, layout: str) -> Tensor:
    return tensor.contiguous(memory_format=LAYOUTS[layout]) if tensor.dim() == 4 else tensor


def weights(layout: str) -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(laid(torch.randn(shape), layout)) for shape in SHAPES]


def step(optimizer: torch.optim.Adam, parameters: list[nn.Parameter], layout: str, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in parameters:
        parameter.grad = laid(torch.randn(parameter.shape, generator=generator), layout)
    optimizer.step()


@pytest.mark.parametrize("gradients", LAYOUTS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_go_where_torch_s_plain_adam_takes_them(layout: str, gradients: str) -> None:
    """Gradients of another layout than their weights', too, which torch's own fused step takes wrongly on a CPU."""
    ours, theirs = weights(layout), weights("plain")
    ours_s = AdamInMemoryOrder(ours, lr=0.1, betas=(0.5, 0.9))
    theirs_s = torch.optim.Adam(theirs, lr=0.1, betas=(0.5, 0.9), fused=False)
    before = [parameter.data_ptr() for parameter in ours]
    for seed in range(4):
        step(ours_s, ours, gradients, seed)
        step(theirs_s, theirs, "plain", seed)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-6)
    assert [parameter.data_ptr() for parameter in ours] == before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_moments_from_a_file_go_on_as_if_they_had_never_been_there(layout: str) -> None:
    """They come back contiguous, whatever the weights are."""
    parameters = weights(layout)
    whole = AdamInMemoryOrder(parameters, lr=0.1)
    step(whole, parameters, layout, 0)
    again = [nn.Parameter(laid(parameter.detach().clone(), layout)) for parameter in parameters]
    saved = {i: {k: v.clone(memory_format=torch.contiguous_format) for k, v in kept.items()}
             for i, kept in whole.state_dict()["state"].items()}  # fmt: skip
    resumed = AdamInMemoryOrder(again, lr=0.1)
    resumed.load_state_dict({**resumed.state_dict(), "state": saved})
    for optimizer, updated in ((whole, parameters), (resumed, again)):
        step(optimizer, updated, layout, 1)
        step(optimizer, updated, layout, 2)
    for a, b in zip(parameters, again, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("network", ["residual", "sngan", "dcgan"])
def test_a_resumed_training_is_the_uninterrupted_one_bit_for_bit(
    network: str, train_set: ImageSet, tmp_path: Path, one_thread: None
) -> None:
    config = replace(TrainConfig(), network=network, steps=4, batch_size=4, n_critic=1, precision="fp32")
    assert_equal_bits(*whole_and_resumed(config, train_set, RunFolder(tmp_path)))
