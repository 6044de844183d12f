"""Residual networks as the WGAN-GP paper orders blocks, with 4x4 kernels, widths 32-64-128-256-512, and the mirror."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_probe.networks.blocks import SAME_PAD, ResidualDown, ResidualUp
from gan_probe.networks.piecewise import leaky_relu

WIDTHS = (32, 64, 128, 256, 512)


class ResidualCritic(nn.Module):
    """Five residual blocks, each halving the image (64 px to 2 px), then a linear head.

    Maps (n, c, side, side) in [-1, 1] to (n,). Kernels and widths are those of `gan_probe.networks.article`; the order
    within a block is that of the WGAN-GP paper's residual networks.
    """

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        size_px, _, n_channels = image_shape
        ends = (n_channels, *WIDTHS)
        pairs = pairwise(ends)
        self.blocks = nn.ModuleList(ResidualDown(i, o, is_first=k == 0) for k, (i, o) in enumerate(pairs))
        self.n_features = WIDTHS[-1] * (size_px // 2 ** len(WIDTHS)) ** 2
        self.head = nn.Linear(self.n_features, 1)
        self.layers = tuple(f"blocks.{i}" for i in range(len(WIDTHS)))

    def score_and_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        for block in self.blocks:
            x = block(x)
        features = leaky_relu(x, 0.2).flatten(1)
        return self.head(features).squeeze(1), features

    def forward(self, x: Tensor) -> Tensor:
        return self.score_and_features(x)[0]


class ResidualGenerator(nn.Module):
    """The mirror of `ResidualCritic`. Maps (n, latent_dim) to (n, c, side, side) in [-1, 1]."""

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int) -> None:
        super().__init__()
        size_px, _, n_channels = image_shape
        ends = (*WIDTHS[::-1], WIDTHS[0])
        self.latent_dim = latent_dim
        self.start_px = size_px // 2 ** len(WIDTHS)
        self.start = nn.Linear(latent_dim, WIDTHS[-1] * self.start_px**2)
        self.blocks = nn.ModuleList(ResidualUp(i, o) for i, o in pairwise(ends))
        self.out = nn.Conv2d(WIDTHS[0], n_channels, 4)

    def forward(self, z: Tensor) -> Tensor:
        x = self.start(z).view(len(z), -1, self.start_px, self.start_px)
        for block in self.blocks:
            x = block(x)
        return torch.tanh(self.out(F.pad(F.relu(x), SAME_PAD)))
