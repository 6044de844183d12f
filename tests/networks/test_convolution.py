import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from gan_probe.networks import convolution
from gan_probe.networks.convolution import PenaltyConv2d, input_gradients_only
from gan_probe.training.objectives import gradient_penalty

# Of torch's own convolution, which they are compared with:
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
CASES = [
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": 4, "stride": 2, "padding": 1},
    {"kernel_size": 1},
    {"kernel_size": 1, "stride": 2},
    {"kernel_size": 4, "padding": "same"},
    {"kernel_size": (3, 4), "stride": (2, 1), "padding": (1, 2)},
]


@pytest.fixture(params=["a convolution", "by taps"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How small layers are computed in float32: as torch does, or as large ones are."""
    if request.param == "by taps":
        monkeypatch.setattr(convolution, "TAP_CHANNELS", 1)
    return request.param


def pair(options: dict[str, Any]) -> tuple[PenaltyConv2d, nn.Conv2d, torch.Tensor]:
    torch.manual_seed(0)
    ours, theirs = PenaltyConv2d(2, 3, **options).double(), nn.Conv2d(2, 3, **options).double()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs, torch.randn(2, 2, 6, 6, dtype=torch.float64)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("options", CASES)
def test_first_and_second_derivatives_are_those_of_finite_differences(options: dict[str, Any]) -> None:
    ours, _, x = pair(options)
    x.requires_grad_()

    def action(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return ours._conv_forward(x, w, b)

    assert torch.autograd.gradcheck(action, (x, ours.weight, ours.bias))

    def slope(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        with input_gradients_only():
            (gradient,) = torch.autograd.grad(action(x, w, ours.bias).square().sum(), x, create_graph=True)
        return gradient

    assert torch.autograd.gradcheck(slope, (x, ours.weight))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("options", CASES)
def test_a_penalty_gives_the_gradients_of_torch_s_own_convolution(options: dict[str, Any]) -> None:
    ours, theirs, x = pair(options)
    found = []
    for conv in (ours, theirs):
        penalty = gradient_penalty(
            lambda t, conv=conv: nn.functional.leaky_relu(conv(t), 0.2).flatten(1).square().sum(1),
            x, x.flip(0), torch.tensor([0.2, 0.7], dtype=torch.float64),
        )  # fmt: skip
        penalty.backward()
        found.append(conv.weight.grad)
    assert found[0].abs().sum() > 0
    assert torch.allclose(found[0], found[1])


@pytest.mark.usefixtures("way")
def test_gradients_of_weights_within_a_graph_are_right_too() -> None:
    """Not what a penalty asks for, but what a user may: the weights' gradient, differentiated in the image."""
    ours, theirs, x = pair(CASES[0])
    found = []
    for conv in (ours, theirs):
        image = x.clone().requires_grad_()
        (in_w,) = torch.autograd.grad(conv(image).square().sum(), conv.weight, create_graph=True)
        found.append(torch.autograd.grad(in_w.square().sum(), image)[0])
    assert torch.allclose(found[0], found[1])


def test_weights_go_from_one_to_the_other() -> None:
    ours, theirs, x = pair(CASES[1])
    assert torch.allclose(ours(x), theirs(x))
    assert set(ours.state_dict()) == set(theirs.state_dict())


def penalty_s_gradients(conv: nn.Conv2d, x: torch.Tensor, *, in_bf16: bool = False) -> tuple[torch.Tensor, ...]:
    def score(t: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=in_bf16):
            return conv(t).float().flatten(1).square().sum(1)

    conv.zero_grad()
    gradient_penalty(score, x, x.flip(0), torch.tensor([0.2, 0.5, 0.7])).backward()
    assert conv.weight.grad is not None
    return score(x).detach(), conv.weight.grad


def are_close(found: tuple[torch.Tensor, ...], wanted: tuple[torch.Tensor, ...], error: float) -> bool:
    return all(torch.linalg.norm(a - b) < error * torch.linalg.norm(b) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("size_px", [4, 16])
def test_few_positions_in_bfloat16_are_a_product_and_the_same(size_px: int) -> None:
    """4 px: 2x2 positions, one matrix product. Values and the penalty's gradients are torch's, up to rounding."""
    torch.manual_seed(0)
    ours, theirs = (conv(8, 6, 4, stride=2, padding=1) for conv in (PenaltyConv2d, nn.Conv2d))
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(3, 8, size_px, size_px)
    assert are_close(penalty_s_gradients(ours, x, in_bf16=True), penalty_s_gradients(theirs, x), 0.02)


@pytest.mark.parametrize(
    ("options", "size_px"),
    [(options, size_px) for options in (CASES[0], CASES[4]) for size_px in (1, 2, 4, 8)]
    + [(CASES[1], size_px) for size_px in (2, 4, 8)],  # of stride 2, which does not fit on one pixel
)
def test_layers_of_many_channels_and_few_positions_are_the_same_by_taps(options: dict[str, Any], size_px: int) -> None:
    """On one pixel most taps meet padding alone: their weights' gradient is zero."""
    torch.manual_seed(0)
    ours, theirs = (conv(128, 136, **options) for conv in (PenaltyConv2d, nn.Conv2d))
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(3, 128, size_px, size_px)
    assert ours._is_for_taps(ours._positions(x))
    assert are_close(penalty_s_gradients(ours, x), penalty_s_gradients(theirs, x), 1e-5)


def test_gradients_by_taps_lie_as_their_weights_do() -> None:
    """What autograd takes without a copy, and Adam needs."""
    conv = PenaltyConv2d(128, 128, 3, padding=1)
    penalty_s_gradients(conv, torch.randn(3, 128, 4, 4))
    assert conv.weight.grad is not None
    assert conv.weight.grad.stride() == conv.weight.stride()


def test_scores_by_taps_do_not_depend_on_the_batch_beyond_rounding() -> None:
    torch.manual_seed(0)
    conv, x = PenaltyConv2d(128, 128, 4, stride=2, padding=1).eval(), torch.randn(5, 128, 8, 8)
    with torch.no_grad():
        together, apart = conv(x), torch.cat([conv(image[None]) for image in x])
    assert torch.allclose(together, apart, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_strided_1x1_convolution_of_three_channels_survives_its_gradients() -> None:
    """In a process of its own: torch's own kernel corrupts the memory there, and the process ends at a signal."""
    code = """
import torch
from gan_probe.networks.convolution import PenaltyConv2d
conv, x = PenaltyConv2d(3, 32, 1, stride=2), torch.randn(2, 3, 64, 64).contiguous(memory_format=torch.channels_last)
for _ in range(200):
    conv(x.requires_grad_()).square().sum().backward()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
