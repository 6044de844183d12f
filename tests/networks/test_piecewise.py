from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gan_probe.networks import build_critic, piecewise
from gan_probe.networks.convolution import PenaltyConv2d
from gan_probe.training.objectives import gradient_penalty

SHAPE = (32, 32, 3)
N = 2
PAIRS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "leaky_relu": (lambda x: piecewise.leaky_relu(x, 0.2), lambda x: F.leaky_relu(x, 0.2)),
    "relu": (piecewise.relu, F.relu),
    "halved": (piecewise.halved, lambda x: F.avg_pool2d(x, 2)),
}


class Calls(TorchDispatchMode):
    """Counts what torch is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.n: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.n[func._overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


def critic_gradients(critic: nn.Module) -> tuple[list[Tensor | None], int]:
    """The gradients of a critic's loss with its penalty, and how many backward passes of convolutions they took."""
    torch.manual_seed(0)
    real, fake = torch.randn(2, N, *reversed(SHAPE)).unbind()
    with Calls() as calls:
        of_real, of_fake = critic(torch.cat([real, fake])).chunk(2)
        penalty = gradient_penalty(critic, real, fake, torch.rand(N))
        (of_fake.mean() - of_real.mean() + 10 * penalty).backward()
    return [weight.grad for weight in critic.parameters()], calls.n["convolution_backward"]


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_values_and_gradients_are_torch_s_bit_by_bit(name: str, layout: torch.memory_format) -> None:
    """At the kink, beside it and for what is no number, too."""
    x = torch.randn(2, 3, 4, 4)
    x[0, 0] = torch.tensor([0.0, -0.0, 1e-45, -1e-45]).repeat(4, 1)
    x[1, 0, 0] = torch.tensor([float("nan"), float("inf"), -float("inf"), -1e-38])
    found = []
    for function in PAIRS[name]:
        t = x.clone(memory_format=layout).requires_grad_()
        y = function(t)
        (g,) = torch.autograd.grad(y.nan_to_num().sum() + 3 * y[:, 1].square().sum(), t)
        found.append((y.detach(), g, y.is_contiguous(memory_format=layout)))
    (y, g, is_laid), (their_y, their_g, theirs_is) = found
    assert torch.equal(y.view(torch.int32), their_y.view(torch.int32))
    assert is_laid == theirs_is
    assert torch.equal(g.view(torch.int32), their_g.view(torch.int32))


@pytest.mark.parametrize("name", PAIRS)
def test_derivatives_of_both_orders_are_those_of_finite_differences(name: str) -> None:
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64).requires_grad_()
    weights = torch.randn_like(x)

    def curved(t: Tensor) -> Tensor:  # so that there is a second derivative at all
        return PAIRS[name][0]((weights * t).square() * t)

    assert torch.autograd.gradcheck(curved, x)
    assert torch.autograd.gradgradcheck(curved, x)


@pytest.mark.parametrize("network", ["compact", "residual", "article", "sngan"])
def test_a_penalty_takes_fewer_passes_and_gives_the_same_gradients_bit_by_bit(
    network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the graph that torch's own rectifiers and pooling make."""
    critic = build_critic(network, SHAPE, seed=1)
    ours, n_ours = critic_gradients(critic)
    critic.zero_grad(set_to_none=True)
    monkeypatch.setattr(piecewise, "_is_plain", lambda: True)
    theirs, n_theirs = critic_gradients(critic)
    assert all(a is not None and b is not None and torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert n_ours < n_theirs


@pytest.mark.parametrize("network", ["residual", "article", "sngan"])
def test_a_convolution_runs_backward_three_times_a_step(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the scores; for the slope in the image; for the penalty in the weights: no fourth time."""
    monkeypatch.setattr("gan_probe.networks.convolution.TAP_POSITIONS", 0)  # small maps are convolutions here, too
    critic = build_critic(network, SHAPE, seed=1)
    n_convolutions = sum(isinstance(m, PenaltyConv2d) for m in critic.modules())
    assert critic_gradients(critic)[1] == 3 * n_convolutions


def test_without_gradients_they_are_torch_s_own() -> None:
    with torch.no_grad(), Calls() as calls:
        for ours, _ in PAIRS.values():
            assert ours(torch.ones(1, 1, 2, 2)).grad_fn is None
    assert calls.n["leaky_relu"] == calls.n["relu"] == calls.n["avg_pool2d"] == 1
