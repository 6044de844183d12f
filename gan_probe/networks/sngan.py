"""The residual pair of SNGAN and WGAN-GP for 32x32 pixels, with the weights' names of torch-mimicry.

A state dict of ``torch_mimicry.nets.wgan_gp.WGANGPDiscriminator32`` or ``WGANGPGenerator32`` loads here, and the other
way around.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_probe.networks.convolution import PenaltyConv2d
from gan_probe.networks.piecewise import halved, relu

CRITIC_WIDTH, GENERATOR_WIDTH, START_PX = 128, 256, 4


def _drawn(conv: nn.Conv2d, gain: float = 1.0) -> nn.Conv2d:
    nn.init.xavier_uniform_(conv.weight, gain)
    return conv


class Down(nn.Module):
    """A residual block of the critic. Maps (n, c_in, h, w) to (n, c_out, h, w), or to half the size.

    The shortcut of all but the first reads the rectified input, as torch-mimicry's does (its rectifier works in place).
    """

    def __init__(self, c_in: int, c_out: int, *, halve: bool, is_first: bool = False) -> None:
        super().__init__()
        self.halve, self.is_first = halve, is_first
        self.c1 = _drawn(PenaltyConv2d(c_in, c_out, 3, padding=1), math.sqrt(2))
        self.c2 = _drawn(PenaltyConv2d(c_out, c_out, 3, padding=1), math.sqrt(2))
        self.c_sc = _drawn(PenaltyConv2d(c_in, c_out, 1)) if halve else None

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.is_first else relu(x)
        y = self.c2(relu(self.c1(x)))
        if self.c_sc is None:
            return x + y
        # A 1x1 convolution and the mean over 2x2 pixels may change places: pooled first, it costs a quarter.
        return halved(y) + self.c_sc(halved(x))


class SnganCritic(nn.Module):
    """Four residual blocks of 128 channels, the mean over positions, a linear head. Maps (n, c, 32, 32) to (n,).

    References
    ----------
    Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks", table 4; Gulrajani et al. 2017,
    appendix C. Miyato sums over positions, Gulrajani takes the mean: so does this one.
    """

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        width = self.n_features = CRITIC_WIDTH
        self.block1 = Down(image_shape[2], width, halve=True, is_first=True)
        self.block2 = Down(width, width, halve=True)
        self.block3 = Down(width, width, halve=False)
        self.block4 = Down(width, width, halve=False)
        self.l5 = nn.Linear(width, 1)
        nn.init.xavier_uniform_(self.l5.weight)
        self.layers = ("block1", "block2", "block3", "block4")

    def score_and_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        for name in self.layers:
            x = self.get_submodule(name)(x)
        features = relu(x).mean((2, 3))
        return self.l5(features).squeeze(1), features

    def forward(self, x: Tensor) -> Tensor:
        return self.score_and_features(x)[0]


class Up(nn.Module):
    """A residual block of the generator. Maps (n, c, h, w) to (n, c, 2h, 2w)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.b1, self.b2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.c1 = _drawn(nn.Conv2d(width, width, 3, padding=1), math.sqrt(2))
        self.c2 = _drawn(nn.Conv2d(width, width, 3, padding=1), math.sqrt(2))
        self.c_sc = _drawn(nn.Conv2d(width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.c1(_doubled(F.relu(self.b1(x))))
        y = self.c2(F.relu(self.b2(y)))
        return y + _doubled(self.c_sc(x))  # 1x1 and interpolation may change places: first, it costs a quarter


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class SnganGenerator(nn.Module):
    """Three residual blocks of 256 channels from 4x4 to 32x32. Maps (n, latent_dim) to (n, c, 32, 32) in [-1, 1]."""

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int) -> None:
        super().__init__()
        width = GENERATOR_WIDTH
        self.l1 = nn.Linear(latent_dim, START_PX**2 * width)
        nn.init.xavier_uniform_(self.l1.weight)
        self.block2, self.block3, self.block4 = Up(width), Up(width), Up(width)
        self.b5 = nn.BatchNorm2d(width)
        self.c5 = nn.Conv2d(width, image_shape[2], 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        x = self.l1(z).view(len(z), -1, START_PX, START_PX)
        x = self.block4(self.block3(self.block2(x)))
        return torch.tanh(self.c5(F.relu(self.b5(x))))
