import pytest
import torch
from torch import nn

from gan_probe.networks.convolution import PenaltyConv2d, input_gradients_only
from gan_probe.training.objectives import gradient_penalty

CASES = [{"kernel_size": 3, "padding": 1}, {"kernel_size": 4, "stride": 2, "padding": 1}, {"kernel_size": 1}]


def pair(options: dict[str, int]) -> tuple[PenaltyConv2d, nn.Conv2d, torch.Tensor]:
    torch.manual_seed(0)
    ours, theirs = PenaltyConv2d(2, 3, **options).double(), nn.Conv2d(2, 3, **options).double()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs, torch.randn(2, 2, 6, 6, dtype=torch.float64)


@pytest.mark.parametrize("options", CASES)
def test_first_and_second_derivatives_are_those_of_finite_differences(options: dict[str, int]) -> None:
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


@pytest.mark.parametrize("options", CASES)
def test_a_penalty_gives_the_gradients_of_torch_s_own_convolution(options: dict[str, int]) -> None:
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
