"""The four identities of the gradient penalty, each on a batch larger than one, and the losses in closed form."""

import math

import pytest
import torch
from torch import Tensor

from gan_probe.config import OBJECTIVES
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
    assert objectives.raise_fakes(real, fake).item() == 0.0


def test_interpolates_use_one_alpha_a_sample() -> None:
    real, fake = torch.ones(N, *SHAPE), torch.zeros(N, *SHAPE)
    mixed = objectives.interpolate(real, fake, ALPHA.float())
    assert torch.equal(mixed, ALPHA.float().view(-1, 1, 1, 1).expand(N, *SHAPE))


def test_the_table_of_objectives_is_the_one_that_the_config_names() -> None:
    assert tuple(objectives.OBJECTIVES) == OBJECTIVES


REAL, FAKE = torch.tensor([2.0, -1.0], dtype=torch.float64), torch.tensor([0.5, -3.0], dtype=torch.float64)


def sigmoid(t: float) -> float:
    return 1 / (1 + math.exp(-t))


@pytest.mark.parametrize(
    ("name", "critic", "generator"),
    [
        ("wasserstein", -1.75, 1.25),
        (
            "minimax",
            -(math.log(sigmoid(2)) + math.log(sigmoid(-1))) / 2 - (math.log(sigmoid(-0.5)) + math.log(sigmoid(3))) / 2,
            (math.log(1 - sigmoid(0.5)) + math.log(1 - sigmoid(-3))) / 2,
        ),
        (
            "non-saturating",
            -(math.log(sigmoid(2)) + math.log(sigmoid(-1))) / 2 - (math.log(sigmoid(-0.5)) + math.log(sigmoid(3))) / 2,
            -(math.log(sigmoid(0.5)) + math.log(sigmoid(-3))) / 2,
        ),
        ("least-squares", (1 + 4) / 4 + (0.25 + 9) / 4, (0.25 + 16) / 4),
        ("hinge", (0 + 2) / 2 + (1.5 + 0) / 2, 1.25),
        (
            "relativistic",
            -(math.log(sigmoid(1.5)) + math.log(sigmoid(2))) / 2,
            -(math.log(sigmoid(-1.5)) + math.log(sigmoid(-2))) / 2,
        ),
    ],
)
def test_losses_in_closed_form(name: str, critic: float, generator: float) -> None:
    objective = objectives.OBJECTIVES[name]
    assert objective.critic_loss(REAL, FAKE).item() == pytest.approx(critic)
    assert objective.generator_loss(REAL, FAKE).item() == pytest.approx(generator)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_critic_wants_reals_up_and_fakes_down_and_the_generator_fakes_up(name: str) -> None:
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    objective = objectives.OBJECTIVES[name]
    up, down = torch.autograd.grad(objective.critic_loss(real, fake), (real, fake))
    if name != "least-squares":  # which pulls scores to 1 and 0 from both sides
        assert (up <= 0).all()
        assert (down >= 0).all()
        assert up.sum() < 0 < down.sum()
    (pull,) = torch.autograd.grad(objective.generator_loss(real, fake), fake)
    assert (pull < 0).all()
    sees = torch.autograd.grad(objective.generator_loss(real, fake), real, allow_unused=True)[0]
    assert (sees is not None) == objective.generator_sees_reals


def test_relativistic_losses_see_differences_only() -> None:
    objective = objectives.OBJECTIVES["relativistic"]
    for loss in (objective.critic_loss, objective.generator_loss):
        assert loss(REAL + 7, FAKE + 7).item() == pytest.approx(loss(REAL, FAKE).item())


def test_the_zero_centred_penalty_is_half_the_mean_squared_slope() -> None:
    slope = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 4.0], dtype=torch.float64)
    u = unit_direction()
    found = objectives.zero_centred_penalty(lambda x: slope * (x * u).flatten(1).sum(1), images(0))
    assert found.item() == pytest.approx(slope.square().mean().item() / 2)
    linear = torch.nn.Linear(48, 1).double()
    objectives.zero_centred_penalty(lambda x: linear(x.flatten(1)).squeeze(1), images(0)).backward()
    assert linear.weight.grad is not None
    assert torch.allclose(linear.weight.grad, linear.weight.detach())  # d/dw |w|^2 / 2


def test_drift_and_clipping() -> None:
    assert objectives.drift_penalty(REAL).item() == pytest.approx(2.5)
    linear = torch.nn.Linear(4, 1)
    torch.nn.init.constant_(linear.weight, 3.0)
    objectives.clip_weights(linear, 0.1)
    assert linear.weight.detach().unique().tolist() == pytest.approx([0.1])
