"""The four identities of the gradient penalty, each on a batch larger than one, and the losses in closed form."""

import math

import pytest
import torch
from torch import Tensor

from gan_probe.training import objectives

N, SHAPE = 6, (3, 4, 4)


def images(seed: int) -> Tensor:
    return torch.randn(N, *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unit_direction() -> Tensor:
    u = images(9)[0]
    return u / u.norm()


ALPHA = torch.linspace(0.05, 0.95, N, dtype=torch.float64)


def test_mixed_slopes() -> None:
    """A critic whose slope differs per sample: the penalty is the mean of (s_i - 1)^2."""
    slope = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 4.0], dtype=torch.float64)
    u = unit_direction()

    def critic(x: Tensor) -> Tensor:
        return slope * (x * u).flatten(1).sum(1)

    penalty = objectives.gradient_penalty(critic, images(0), images(1), ALPHA)
    assert penalty.item() == pytest.approx((slope - 1).square().mean().item())


def test_on_segment() -> None:
    """The critic 1/2 <u,x>^2 with <u,real> = <u,fake> = 1 has slope |u| on the straight line, and only there."""
    u = 3 * unit_direction()

    def place(x: Tensor) -> Tensor:
        along = (x * u).flatten(1).sum(1).view(-1, 1, 1, 1)
        return x + (1 - along) * u / u.square().sum()

    def critic(x: Tensor) -> Tensor:
        return (x * u).flatten(1).sum(1).square() / 2

    penalty = objectives.gradient_penalty(critic, place(images(0)), place(images(1)), ALPHA)
    assert penalty.item() == pytest.approx((3 - 1) ** 2)


def test_between() -> None:
    """Slope 1 between real and fake, 2 outside: no penalty."""
    u = unit_direction()

    def critic(x: Tensor) -> Tensor:
        t = (x * u).flatten(1).sum(1)
        return torch.where((t >= 0) & (t <= 1), t, 2 * t)

    ones = torch.ones(N, 1, 1, 1, dtype=torch.float64)
    penalty = objectives.gradient_penalty(critic, ones * u, 0 * ones * u, ALPHA)
    assert penalty.item() == pytest.approx(0, abs=1e-12)


def test_flat() -> None:
    """A critic of zero slope: penalty 1, and a gradient that is finite."""
    linear = torch.nn.Linear(48, 1).double()
    torch.nn.init.zeros_(linear.weight)

    def critic(x: Tensor) -> Tensor:
        return linear(x.flatten(1)).squeeze(1)

    penalty = objectives.gradient_penalty(critic, images(0), images(1), ALPHA)
    penalty.backward()
    assert penalty.item() == 1
    assert linear.weight.grad is not None
    assert torch.isfinite(linear.weight.grad).all()


def test_the_article_s_norm_is_one_norm_a_channel() -> None:
    u = torch.zeros(SHAPE, dtype=torch.float64)
    u[0, 0, 0], u[1, 2, 3] = 3.0, 1.0  # slopes by channel: 3, 1, 0

    def critic(x: Tensor) -> Tensor:
        return (x * u).flatten(1).sum(1)

    by_channel = objectives.gradient_penalty(critic, images(0), images(1), ALPHA, norm="article")
    whole = objectives.gradient_penalty(critic, images(0), images(1), ALPHA)
    assert by_channel.item() == pytest.approx(((3 - 1) ** 2 + 0 + 1) / 3)
    assert whole.item() == pytest.approx((math.sqrt(10) - 1) ** 2)


def test_the_penalty_s_gradient_reaches_the_weights() -> None:
    linear = torch.nn.Linear(48, 1).double()

    def critic(x: Tensor) -> Tensor:
        return linear(x.flatten(1)).squeeze(1)

    objectives.gradient_penalty(critic, images(0), images(1), ALPHA).backward()
    norm = linear.weight.detach().norm()
    expected = 2 * (norm - 1) * linear.weight.detach() / norm  # d/dw (|w| - 1)^2
    assert linear.weight.grad is not None
    assert torch.allclose(linear.weight.grad, expected)


def test_wasserstein_losses_in_closed_form() -> None:
    real, fake = torch.tensor([3.0, 5.0, 1.0]), torch.tensor([1.0, 0.0, -1.0])
    assert objectives.wasserstein_critic_loss(real, fake).item() == -3.0
    assert objectives.wasserstein_critic_loss(real + 7, fake + 7).item() == -3.0  # a shift costs nothing
    assert objectives.wasserstein_generator_loss(fake).item() == 0.0


def test_interpolates_use_one_alpha_a_sample() -> None:
    real, fake = torch.ones(N, *SHAPE), torch.zeros(N, *SHAPE)
    mixed = objectives.interpolate(real, fake, ALPHA.float())
    assert torch.equal(mixed, ALPHA.float().view(-1, 1, 1, 1).expand(N, *SHAPE))
