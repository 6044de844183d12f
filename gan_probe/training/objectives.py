"""Losses as pure functions: tensors in, one scalar out. To add an objective: one function here, one row in its table.

Scores are one number a sample, shape (n,). Loss weights are named where the loss is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_probe.networks.convolution import input_gradients_only

Score = Callable[[Tensor], Tensor]
GradientAt = Callable[[Score, Tensor], Tensor]


def wasserstein_critic_loss(real_score: Tensor, fake_score: Tensor) -> Tensor:
    """Return E[D(fake)] - E[D(real)], to be minimised; its negative estimates the Wasserstein-1 distance.

    Parameters
    ----------
    real_score, fake_score : Tensor, shape (n,)

    References
    ----------
    Arjovsky, Chintala, Bottou 2017, "Wasserstein GAN", algorithm 1, line 5.

    Examples
    --------
    >>> wasserstein_critic_loss(torch.tensor([3.0, 5.0]), torch.tensor([1.0, 1.0])).item()
    -3.0
    """
    return fake_score.mean() - real_score.mean()


def raise_fakes(real_score: Tensor, fake_score: Tensor) -> Tensor:
    """Return -E[D(fake)], to be minimised by the generator: of Wasserstein and hinge GANs.

    References
    ----------
    Arjovsky, Chintala, Bottou 2017, algorithm 1, line 10.
    """
    return -fake_score.mean()


def logistic_critic_loss(real_score: Tensor, fake_score: Tensor) -> Tensor:
    """Return -E[log s(D(real))] - E[log(1 - s(D(fake)))], s the sigmoid: the negative of the game's value.

    References
    ----------
    Goodfellow et al. 2014, "Generative Adversarial Nets", equation 1, with D's sigmoid written out.
    """
    return F.softplus(-real_score).mean() + F.softplus(fake_score).mean()


def minimax_generator_loss(real_score: Tensor, fake_score: Tensor) -> Tensor:
    """Return E[log(1 - s(D(fake)))]: the same value from the other side. Flat where the critic is sure.

    References
    ----------
    Goodfellow et al. 2014, equation 1.
    """
    return -F.softplus(fake_score).mean()


def non_saturating_generator_loss(real_score: Tensor, fake_score: Tensor) -> Tensor:
    """Return -E[log s(D(fake))]: steep where the critic is sure.

    References
    ----------
    Goodfellow et al. 2014, section 3, last paragraph.
    """
    return F.softplus(-fake_score).mean()


def least_squares_critic_loss(real_score: Tensor, fake_score: Tensor) -> Tensor:
    """Return E[(D(real) - 1)^2] / 2 + E[D(fake)^2] / 2.

    References
    ----------
    Mao et al. 2017, "Least Squares Generative Adversarial Networks", equation 9.
    """
    return ((real_score - 1).square().mean() + fake_score.square().mean()) / 2


def least_squares_generator_loss(real_score: Tensor, fake_score: Tensor) -> Tensor:
    """Return E[(D(fake) - 1)^2] / 2.

    References
    ----------
    Mao et al. 2017, equation 9.
    """
    return (fake_score - 1).square().mean() / 2


def hinge_critic_loss(real_score: Tensor, fake_score: Tensor) -> Tensor:
    """Return E[max(0, 1 - D(real))] + E[max(0, 1 + D(fake))].

    References
    ----------
    Miyato et al. 2018, "Spectral Normalization for GANs", equation 16.
    """
    return F.relu(1 - real_score).mean() + F.relu(1 + fake_score).mean()


def relativistic_critic_loss(real_score: Tensor, fake_score: Tensor) -> Tensor:
    """Return E[softplus(D(fake) - D(real))] over pairs of a real and a fake.

    References
    ----------
    Huang et al. 2024, "The GAN is dead; long live the GAN!" (R3GAN), equation 2, with f(t) = -softplus(-t).
    """
    return F.softplus(fake_score - real_score).mean()


def relativistic_generator_loss(real_score: Tensor, fake_score: Tensor) -> Tensor:
    """Return E[softplus(D(real) - D(fake))] over pairs of a real and a fake."""
    return F.softplus(real_score - fake_score).mean()


class Objective(NamedTuple):
    """Two losses, each of (real_score, fake_score), and whether the generator's looks at reals."""

    critic_loss: Callable[[Tensor, Tensor], Tensor]
    generator_loss: Callable[[Tensor, Tensor], Tensor]
    generator_sees_reals: bool = False


# Names: `gan_probe.config.OBJECTIVES`.
OBJECTIVES: dict[str, Objective] = {
    "wasserstein":    Objective(wasserstein_critic_loss,   raise_fakes),
    "minimax":        Objective(logistic_critic_loss,      minimax_generator_loss),
    "non-saturating": Objective(logistic_critic_loss,      non_saturating_generator_loss),
    "least-squares":  Objective(least_squares_critic_loss, least_squares_generator_loss),
    "hinge":          Objective(hinge_critic_loss,         raise_fakes),
    "relativistic":   Objective(relativistic_critic_loss,  relativistic_generator_loss, generator_sees_reals=True),
}  # fmt: skip


def interpolate(real: Tensor, fake: Tensor, alpha: Tensor) -> Tensor:
    """Return ``alpha * real + (1 - alpha) * fake``, one ``alpha`` in [0, 1] for each sample, shape (n,)."""
    alpha = alpha.view(-1, *[1] * (real.ndim - 1))
    return alpha * real + (1 - alpha) * fake


def gradient_at(score: Score, x: Tensor) -> Tensor:
    """Return the gradient of each sample's score at ``x``, (n, ...), differentiable in the critic's weights."""
    x = x.detach().requires_grad_()
    total = score(x).sum()
    with input_gradients_only():
        (gradient,) = torch.autograd.grad(total, x, create_graph=True)
    return gradient


def slopes(score: Score, x: Tensor, *, norm: str = "paper", gradient_at: GradientAt = gradient_at) -> Tensor:
    """Return the norm of the score's gradient at each sample of ``x``, differentiable in the critic's weights.

    Parameters
    ----------
    score : callable
        Maps (n, ...) to (n,).
    x : Tensor, shape (n, c, h, w)
    norm : {"paper", "article"}
        "paper": over all values of a sample, shape (n,). "article": over height and width only, one norm for each
        colour channel, shape (n, c), as the article's own code does.
    gradient_at : callable
        How to differentiate; `torch.func.grad` in its place can be compiled.

    Notes
    -----
    At slope zero the square root's derivative is infinite and the gradient would be NaN; it is taken as zero there.
    """
    squares = gradient_at(score, x).float().square()
    total = squares.flatten(1).sum(1) if norm == "paper" else squares.flatten(2).sum(2)
    flat = total == 0
    return torch.where(flat, torch.zeros_like(total), torch.where(flat, torch.ones_like(total), total).sqrt())


def gradient_penalty(
    score: Score,
    real: Tensor,
    fake: Tensor,
    alpha: Tensor,
    *,
    norm: str = "paper",
    gradient_at: GradientAt = gradient_at,
) -> Tensor:
    """Return E[(|grad D(x)| - 1)^2] over points x on the straight lines from fake to real samples.

    Parameters
    ----------
    score : callable
        Maps (n, c, h, w) to (n,), before any sigmoid.
    real, fake : Tensor, shape (n, c, h, w)
    alpha : Tensor, shape (n,)
        Where on each line, uniform in [0, 1].
    norm, gradient_at
        See `slopes`.

    References
    ----------
    Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", equation 3 (without the weight lambda).
    """
    return (slopes(score, interpolate(real, fake, alpha), norm=norm, gradient_at=gradient_at) - 1).square().mean()


def zero_centred_penalty(score: Score, x: Tensor, *, gradient_at: GradientAt = gradient_at) -> Tensor:
    """Return E[|grad D(x)|^2] / 2: R1 where ``x`` are reals, R2 where they are fakes.

    References
    ----------
    Mescheder, Geiger, Nowozin 2018, "Which Training Methods for GANs do actually Converge?", equations 9 and 10
    (without the weight gamma).
    """
    return gradient_at(score, x).float().square().flatten(1).sum(1).mean() / 2


def drift_penalty(score: Tensor) -> Tensor:
    """Return E[D^2], of reals: what keeps scores from wandering off, as their shift costs a Wasserstein critic nothing.

    References
    ----------
    Karras et al. 2018, "Progressive Growing of GANs", appendix A.1.
    """
    return score.square().mean()


def clip_weights(critic: nn.Module, bound: float) -> None:
    """Clip every weight to [-bound, bound], in place.

    References
    ----------
    Arjovsky, Chintala, Bottou 2017, algorithm 1, line 7.
    """
    with torch.no_grad():
        for weight in critic.parameters():
            weight.clamp_(-bound, bound)
