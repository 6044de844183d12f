"""The two updates of a WGAN-GP, as functions of one state and explicit random numbers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan_probe.config import TrainConfig
from gan_probe.data.tensors import to_network
from gan_probe.device import arithmetic
from gan_probe.networks import ImageShape, build_critic, build_generator
from gan_probe.training import objectives


@dataclass
class State:
    """Everything that a training changes."""

    critic: nn.Module
    generator: nn.Module
    average: nn.Module  # moving average of the critic's weights: what is saved and scored
    critic_optimizer: torch.optim.Adam
    generator_optimizer: torch.optim.Adam
    step: int = 0


def new_state(config: TrainConfig, image_shape: ImageShape, device: torch.device) -> State:
    """Return the state before the first step; it follows from ``config.seed``."""
    critic = build_critic(config.network, image_shape, seed=config.seed).to(device)
    average = build_critic(config.network, image_shape, seed=config.seed).to(device).requires_grad_(False)
    generator = build_generator(config.network, image_shape, config.latent_dim, seed=config.seed).to(device)
    betas = (config.beta1, config.beta2)
    return State(
        critic,
        generator,
        average,
        torch.optim.Adam(critic.parameters(), lr=config.learning_rate_critic, betas=betas, fused=True),
        torch.optim.Adam(generator.parameters(), lr=config.learning_rate_generator, betas=betas, fused=True),
    )


def step_generator(seed: int, step: int) -> torch.Generator:
    """Return the source of a step's random numbers, which follow from (seed, step) and nothing else."""
    digest = hashlib.sha256(f"{seed}/{step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))


def decayed(step: int, config: TrainConfig) -> float:
    """Return the factor on both learning rates: 1, then linear to 0 over the last ``decay_share`` of the steps."""
    left = (config.steps - step + 1) / config.steps
    return min(1.0, left / config.decay_share) if config.decay_share else 1.0


def train_step(state: State, images: Tensor, config: TrainConfig, precision: str) -> dict[str, Tensor]:
    """Update the critic ``n_critic`` times, then the generator once; return the step's metrics, still on the device.

    Parameters
    ----------
    state : State
        Changed in place; ``state.step`` counts up.
    images : Tensor of uint8, shape (n, h, w, c)
        The training images, on the device.
    config : TrainConfig
    precision : str
        Resolved: "fp32", "bf16" or "tf32".

    Returns
    -------
    dict of scalar Tensor
        ``w_distance`` (E[D(real)] - E[D(fake)]), ``penalty`` (unweighted) and ``critic_loss`` of the last critic
        update, and ``generator_loss``.
    """
    state.step += 1
    rng = step_generator(config.seed, state.step)
    for optimizer, rate in (
        (state.critic_optimizer, config.learning_rate_critic),
        (state.generator_optimizer, config.learning_rate_generator),
    ):
        optimizer.param_groups[0]["lr"] = rate * decayed(state.step, config)
    for _ in range(config.n_critic):
        metrics = critic_update(state, images, config, precision, rng)
    return {**metrics, "generator_loss": generator_update(state, config, precision, rng, images.device)}


def critic_update(
    state: State, images: Tensor, config: TrainConfig, precision: str, rng: torch.Generator
) -> dict[str, Tensor]:
    """Take one descent step on equation 3 of Gulrajani et al. 2017 and move the average critic along."""
    device, n = images.device, config.batch_size
    rows = torch.randint(len(images), (n,), generator=rng)
    z = torch.randn(n, config.latent_dim, generator=rng)
    alpha = torch.rand(n, generator=rng)
    real = to_network(images[rows.to(device)], device)

    def score(x: Tensor) -> Tensor:
        with arithmetic(precision, device):
            return state.critic(x).float()

    with torch.no_grad(), arithmetic(precision, device):
        fake = state.generator(z.to(device)).float()
    real_score, fake_score = score(torch.cat([real, fake])).chunk(2)
    loss = objectives.wasserstein_critic_loss(real_score, fake_score)
    penalty = objectives.gradient_penalty(score, real, fake, alpha.to(device), norm=config.penalty_norm)
    state.critic_optimizer.zero_grad(set_to_none=True)
    (loss + config.penalty_weight * penalty).backward()
    state.critic_optimizer.step()
    update_average(state.average, state.critic, config.critic_average)
    return {"w_distance": -loss.detach(), "penalty": penalty.detach(), "critic_loss": loss.detach()}


def generator_update(
    state: State, config: TrainConfig, precision: str, rng: torch.Generator, device: torch.device
) -> Tensor:
    """Take one step of the generator up the critic's score; return its loss."""
    z = torch.randn(config.batch_size, config.latent_dim, generator=rng).to(device)
    state.critic.requires_grad_(False)
    with arithmetic(precision, device):
        fake_score = state.critic(state.generator(z)).float()
    loss = objectives.wasserstein_generator_loss(fake_score)
    state.generator_optimizer.zero_grad(set_to_none=True)
    loss.backward()
    state.generator_optimizer.step()
    state.critic.requires_grad_(True)
    return loss.detach()


def update_average(average: nn.Module, critic: nn.Module, decay: float) -> None:
    """Move the averaged weights: ``average = decay * average + (1 - decay) * critic``."""
    with torch.no_grad():
        for slow, fast in zip(average.parameters(), critic.parameters(), strict=True):
            slow.lerp_(fast, 1 - decay)
