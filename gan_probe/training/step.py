"""The two updates of a GAN, as functions of one state and explicit random numbers."""

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
        Of the last critic update ``w_distance`` (E[D(real)] - E[D(fake)], an estimate of that distance with the
        Wasserstein objective only), ``penalty`` (unweighted) and ``critic_loss``; and ``generator_loss``.
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
    return {**metrics, "generator_loss": generator_update(state, images, config, precision, rng)}


def critic_update(
    state: State, images: Tensor, config: TrainConfig, precision: str, rng: torch.Generator
) -> dict[str, Tensor]:
    """Take one descent step on the objective and its penalty, and move the average critic along."""
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
    loss = objectives.OBJECTIVES[config.objective].critic_loss(real_score, fake_score)
    penalty = penalty_of(score, real, fake, alpha.to(device), config)
    drift = config.drift * objectives.drift_penalty(real_score) if config.drift else 0.0
    state.critic_optimizer.zero_grad(set_to_none=True)
    (loss + config.penalty_weight * penalty + drift).backward()
    state.critic_optimizer.step()
    if config.weight_clip:
        objectives.clip_weights(state.critic, config.weight_clip)
    update_average(state.average, state.critic, config.critic_average)
    gap = real_score.detach().mean() - fake_score.detach().mean()
    return {"w_distance": gap, "penalty": penalty.detach(), "critic_loss": loss.detach()}


def penalty_of(score: objectives.Score, real: Tensor, fake: Tensor, alpha: Tensor, config: TrainConfig) -> Tensor:
    """Return the penalty on the critic's slope that the config names, unweighted; zero for none."""
    match config.penalty:
        case "gradient":
            return objectives.gradient_penalty(score, real, fake, alpha, norm=config.penalty_norm)
        case "r1":
            return objectives.zero_centred_penalty(score, real)
        case "r2":
            return objectives.zero_centred_penalty(score, fake)
        case "r1r2":
            return objectives.zero_centred_penalty(score, real) + objectives.zero_centred_penalty(score, fake)
    return torch.zeros((), device=real.device)


def generator_update(state: State, images: Tensor, config: TrainConfig, precision: str, rng: torch.Generator) -> Tensor:
    """Take one descent step on the generator's loss; return it."""
    device, objective = images.device, objectives.OBJECTIVES[config.objective]
    z = torch.randn(config.batch_size, config.latent_dim, generator=rng).to(device)
    state.critic.requires_grad_(False)
    with arithmetic(precision, device):
        fake_score = state.critic(state.generator(z)).float()
        real_score = torch.zeros_like(fake_score)
        if objective.generator_sees_reals:
            rows = torch.randint(len(images), (config.batch_size,), generator=rng)
            real_score = state.critic(to_network(images[rows.to(device)], device)).float()
    loss = objective.generator_loss(real_score, fake_score)
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
