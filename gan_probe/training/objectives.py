"""Losses as pure functions: tensors in, one scalar out. To add an objective: one function here, one row in its table.

Scores are one number a sample, shape (n,). Loss weights are named where the loss is called.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Score = Callable[[Tensor], Tensor]


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


def wasserstein_generator_loss(fake_score: Tensor) -> Tensor:
    """Return -E[D(fake)], to be minimised by the generator.

    References
    ----------
    Arjovsky, Chintala, Bottou 2017, algorithm 1, line 10.
    """
    return -fake_score.mean()


def interpolate(real: Tensor, fake: Tensor, alpha: Tensor) -> Tensor:
    """Return ``alpha * real + (1 - alpha) * fake``, one ``alpha`` in [0, 1] for each sample, shape (n,)."""
    alpha = alpha.view(-1, *[1] * (real.ndim - 1))
    return alpha * real + (1 - alpha) * fake


def slopes(score: Score, x: Tensor, *, norm: str = "paper") -> Tensor:
    """Return the norm of the score's gradient at each sample of ``x``, differentiable in the critic's weights.

    Parameters
    ----------
    score : callable
        Maps (n, ...) to (n,).
    x : Tensor, shape (n, c, h, w)
    norm : {"paper", "article"}
        "paper": over all values of a sample, shape (n,). "article": over height and width only, one norm for each
        colour channel, shape (n, c), as the article's own code does.

    Notes
    -----
    At slope zero the square root's derivative is infinite and the gradient would be NaN; it is taken as zero there.
    """
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(score(x).sum(), x, create_graph=True)
    squares = gradient.float().square()
    total = squares.flatten(1).sum(1) if norm == "paper" else squares.flatten(2).sum(2)
    flat = total == 0
    return torch.where(flat, torch.zeros_like(total), torch.where(flat, torch.ones_like(total), total).sqrt())


def gradient_penalty(score: Score, real: Tensor, fake: Tensor, alpha: Tensor, *, norm: str = "paper") -> Tensor:
    """Return E[(|grad D(x)| - 1)^2] over points x on the straight lines from fake to real samples.

    Parameters
    ----------
    score : callable
        Maps (n, c, h, w) to (n,), before any sigmoid.
    real, fake : Tensor, shape (n, c, h, w)
    alpha : Tensor, shape (n,)
        Where on each line, uniform in [0, 1].
    norm : {"paper", "article"}
        See `slopes`.

    References
    ----------
    Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", equation 3 (without the weight lambda).
    """
    return (slopes(score, interpolate(real, fake, alpha), norm=norm) - 1).square().mean()
