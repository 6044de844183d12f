"""A critic that is told where edges run: fixed oriented gradients, then learned convolutions. For real photos."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_probe.networks.convolution import PenaltyConv2d
from gan_probe.networks.piecewise import leaky_relu

CELLS = 16  # on a side
N_ORIENTATIONS = 9
SHARPNESS = 3  # an edge counts for an orientation with cos(2 * angle between them) to this power
FAINT = 0.03  # contrasts, in units of pixels in [-1, 1], that are hardly enlarged by the normalisation
WIDTHS = (64, 128, 128)


class OrientedGradients(nn.Module):
    """How much edge of each of nine orientations there is in each cell, beside the cell's mean colour.

    Maps (n, c, side, side) in [-1, 1] to (n, 9 + c, 16, 16). Nothing in it is learned. Gradients are differences of
    neighbours, those of several channels put together; strengths are divided by what there is in the 3x3 cells around,
    so light and contrast hardly matter. Histograms of oriented gradients (Dalal and Triggs 2005), smooth, so that a
    generator learns through it.

    References
    ----------
    Di Zenzo 1986, "A note on the gradient of a multi-image", for colours. Oyallon, Belilovsky and Zagoruyko 2017,
    "Scaling the Scattering Transform: Deep Hybrid Networks", for fixed first layers where images are few.
    """

    turned: Tensor

    def __init__(self, size_px: int) -> None:
        super().__init__()
        self.cell_px = size_px // CELLS
        angle = 2 * math.pi / N_ORIENTATIONS * torch.arange(N_ORIENTATIONS)  # doubled: an edge has no sign
        turned = torch.stack([angle.cos(), angle.sin()], dim=1)[:, :, None, None]
        self.register_buffer("turned", turned, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
        right = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
        down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
        energy = (right**2 + down**2).sum(1, keepdim=True) + FAINT**2
        doubled = torch.cat([(right**2 - down**2).sum(1, keepdim=True), 2 * (right * down).sum(1, keepdim=True)], 1)
        tuned = F.relu(F.conv2d(doubled / energy, self.turned)) ** SHARPNESS
        cells = F.avg_pool2d(tuned * energy.sqrt(), self.cell_px)
        around = F.avg_pool2d((cells**2).sum(1, keepdim=True), 3, stride=1, padding=1, count_include_pad=False)
        return torch.cat([cells / (around + FAINT**2).sqrt(), F.avg_pool2d(x, self.cell_px)], 1)


class OrientedCritic(nn.Module):
    """`OrientedGradients`, a convolution over 3x3 cells, two that halve the resolution to 4x4, and a linear head.

    Maps (n, c, side, side) in [-1, 1] to (n,).
    """

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        size_px, _, n_channels = image_shape
        self.gradients = OrientedGradients(size_px)
        self.mix = PenaltyConv2d(N_ORIENTATIONS + n_channels, WIDTHS[0], 3, padding=1)
        self.blocks = nn.ModuleList(PenaltyConv2d(i, o, 4, stride=2, padding=1) for i, o in pairwise(WIDTHS))
        self.n_features = WIDTHS[-1] * (CELLS >> (len(WIDTHS) - 1)) ** 2
        self.head = nn.Linear(self.n_features, 1)
        self.layers = ("gradients", "mix", *(f"blocks.{i}" for i in range(len(self.blocks))))

    def score_and_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = leaky_relu(self.mix(self.gradients(x)), 0.2)
        for block in self.blocks:
            y = leaky_relu(block(y), 0.2)
        features = y.flatten(1)
        return self.head(features).squeeze(1), features

    def forward(self, x: Tensor) -> Tensor:
        return self.score_and_features(x)[0]
