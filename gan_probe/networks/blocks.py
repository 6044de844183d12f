"""The parts that critics and generators are made of."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from gan_probe.networks.convolution import PenaltyConv2d
from gan_probe.networks.piecewise import halved, leaky_relu

SAME_PAD = (1, 2, 1, 2)  # left, right, top, bottom: a 4x4 convolution that keeps the size


class ResidualDown(nn.Module):
    """Halve the resolution: two 4x4 convolutions beside a pooled 1x1 shortcut.

    Maps (n, c_in, h, w) to (n, c_out, h/2, w/2). No normalisation: a gradient penalty is defined for each sample
    alone (Gulrajani et al. 2017, section 4, "No critic batch normalization").
    """

    def __init__(self, c_in: int, c_out: int, *, is_first: bool = False) -> None:
        super().__init__()
        width = c_out if is_first else c_in
        self.is_first = is_first  # the image itself is not rectified
        self.conv1 = PenaltyConv2d(c_in, width, 4, padding="same")
        self.conv2 = PenaltyConv2d(width, c_out, 4, stride=2, padding=1)
        self.shortcut = PenaltyConv2d(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(x if self.is_first else leaky_relu(x, 0.2))
        y = self.conv2(leaky_relu(y, 0.2))
        return y + self.shortcut(halved(x))


class ResidualUp(nn.Module):
    """Double the resolution: the mirror of `ResidualDown`, batch-normalised as generators of the WGAN-GP paper are.

    Maps (n, c_in, h, w) to (n, c_out, 2h, 2w).
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(c_in)
        self.conv1 = nn.ConvTranspose2d(c_in, c_out, 4, stride=2, padding=1)
        self.norm2 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 4)
        self.shortcut = nn.Conv2d(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.relu(self.norm1(x)))
        y = self.conv2(F.pad(F.relu(self.norm2(y)), SAME_PAD))
        return y + F.interpolate(self.shortcut(x), scale_factor=2, mode="nearest")


class TexturePath(nn.Module):
    """How much fine structure an image has: the energy that learned high-pass filters find in it.

    Maps (n, c, h, w) to (n, width). Every filter sums to zero, so a flat area of any colour gives nothing and the
    rectifier sits at its kink, where noise moves the mean. Strided critics that see colour before they rectify miss
    this: in flat areas they are linear, and noise averages out of them. The pooled sum is divided by the side, not
    by the area: so scaled, a change of every pixel has the same slope whatever the image's size.
    """

    def __init__(self, c_in: int, width: int) -> None:
        super().__init__()
        self.filters = nn.Conv2d(c_in, width, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.filters.weight - self.filters.weight.mean((2, 3), keepdim=True)
        return leaky_relu(F.conv2d(x, weight), 0.2).mean((2, 3)) * x.shape[-1]
