"""The baselines of `train_step.py` and `bench.py`: WGAN-GP as widely used scripts write it, written for comparison.

Images come from a DataLoader and become float one by one; the generator is not detached in the critic's step, reals and
fakes go through the critic apart, Adam is torch's default, losses are read at every step.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


class Pictures(Dataset[Tensor]):
    """Images (n, h, w, c) uint8, each made a float tensor in [-1, 1] when it is asked for."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> Tensor:
        return torch.from_numpy(self.images[row]).permute(2, 0, 1).float().div(127.5).sub(1.0)


class PlainTrainer:
    """Alternates critic steps and generator steps."""

    def __init__(
        self, critic: nn.Module, generator: nn.Module, images: np.ndarray, batch_size: int, latent_dim: int,
        device: torch.device,
    ) -> None:  # fmt: skip
        self.critic, self.generator, self.latent_dim, self.device = critic, generator, latent_dim, device
        self.loader = DataLoader(Pictures(images), batch_size=batch_size, shuffle=True, drop_last=True)
        self.reals = self._forever()
        self.critic_optimizer = torch.optim.Adam(critic.parameters(), lr=1e-4, betas=(0.0, 0.9))
        self.generator_optimizer = torch.optim.Adam(generator.parameters(), lr=1e-4, betas=(0.0, 0.9))

    def _forever(self) -> Iterator[Tensor]:
        while True:
            yield from self.loader

    def fakes(self, n: int) -> Tensor:
        return self.generator(torch.randn(n, self.latent_dim, device=self.device))

    def critic_step(self) -> float:
        real = next(self.reals).to(self.device)
        self.critic_optimizer.zero_grad()
        fake = self.fakes(len(real))
        alpha = torch.rand(len(real), 1, 1, 1, device=self.device)
        between = (alpha * real + (1 - alpha) * fake).detach().requires_grad_(True)
        score = self.critic(between)
        slope = torch.autograd.grad(
            score, between, torch.ones_like(score), create_graph=True, retain_graph=True, only_inputs=True
        )[0]
        penalty = ((slope.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
        loss = -self.critic(real).mean() + self.critic(fake).mean() + 10 * penalty
        loss.backward()
        self.critic_optimizer.step()
        return loss.item()

    def generator_step(self) -> float:
        self.generator_optimizer.zero_grad()
        z = torch.randn(self.loader.batch_size or 1, self.latent_dim, device=self.device)
        loss = -self.critic(self.generator(z)).mean()
        loss.backward()
        self.generator_optimizer.step()
        return loss.item()

    def cycle(self, n_critic: int) -> None:
        for _ in range(n_critic):
            self.critic_step()
        self.generator_step()


class CarefulTrainer(PlainTrainer):
    """As larger libraries write it: fakes are made without a graph for the generator; the rest is the same.

    Reals and fakes still go through the critic apart, and the penalty through torch's own double backward.
    """

    def fakes(self, n: int) -> Tensor:
        with torch.no_grad():
            return super().fakes(n)
