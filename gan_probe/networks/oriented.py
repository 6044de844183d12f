"""A critic that is told where edges run: fixed oriented gradients, then learned convolutions. For real photos."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_probe.networks.convolution import PenaltyConv2d
from gan_probe.networks.piecewise import leaky_relu

CELLS = 8  # on a side; with 16 a linear probe of few labels is right less often
N_ORIENTATIONS = 9
SHARPNESS = 3  # an edge counts for an orientation with cos(2 * angle between them) to this power
FAINT = 0.03  # contrasts, in units of pixels in [-1, 1], that are hardly enlarged by the normalisation
COLOUR = 0.1  # the share of colours beside gradients: as strong as those, they mislead probes of few labels
WIDTH = 128


class OrientedGradients(nn.Module):
    """How much edge of each of nine orientations there is in each cell, beside the cell's mean colour.

    Maps (n, c, side, side) in [-1, 1] to (n, 9 + c, 8, 8). Nothing in it is learned. Gradients are differences of
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
        return torch.cat([cells / (around + FAINT**2).sqrt(), COLOUR * F.avg_pool2d(x, self.cell_px)], 1)


def mirrored(gradients: Tensor) -> Tensor:
    """Return what `OrientedGradients` makes of the mirror images, of what it makes of the images; (n, 9 + c, h, w)."""
    edges, colours = gradients.flip(3).split([N_ORIENTATIONS, gradients.shape[1] - N_ORIENTATIONS], dim=1)
    return torch.cat([edges[:, :1], edges[:, 1:].flip(1), colours], 1)


class OfBoth(nn.Module):
    """The mean of what is seen in n images and in their n mirror images: (2n, ...) to (n, ...)."""

    def forward(self, x: Tensor) -> Tensor:
        image, mirror_image = x.chunk(2)
        return (image + mirror_image) / 2


class OrientedCritic(nn.Module):
    """`OrientedGradients`, a convolution over 3x3 cells, one that halves the resolution to 4x4, and a linear head.

    Maps (n, c, side, side) in [-1, 1] to (n,). An image and its mirror image are the same to it: the layers that it
    shows, and what the head reads, are means over both.

    References
    ----------
    Cohen and Welling 2016, "Group Equivariant Convolutional Networks", for symmetry by construction.
    """

    own_pooling = "grid4"

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        size_px, _, n_channels = image_shape
        self.oriented = OrientedGradients(size_px)
        self.mix = PenaltyConv2d(N_ORIENTATIONS + n_channels, WIDTH, 3, padding=1)
        self.halve = PenaltyConv2d(WIDTH, WIDTH, 4, stride=2, padding=1)
        self.gradients, self.mixed, self.halved = OfBoth(), OfBoth(), OfBoth()
        self.n_features = WIDTH * (CELLS // 2) ** 2
        self.head = nn.Linear(self.n_features, 1)
        self.layers = ("gradients", "mixed", "halved")

    def score_and_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.oriented(x)
        y = torch.cat([seen, mirrored(seen)])
        self.gradients(y)  # of use to those who look at the layers
        y = leaky_relu(self.mix(y), 0.2)
        self.mixed(y)
        y = leaky_relu(self.halve(y), 0.2)
        features = self.halved(y).flatten(1)
        return self.head(features).squeeze(1), features

    def forward(self, x: Tensor) -> Tensor:
        return self.score_and_features(x)[0]
