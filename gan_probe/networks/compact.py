"""A small pair that learns in about a minute on two cores, and sees noise as well as shape."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_probe.networks.blocks import TexturePath
from gan_probe.networks.convolution import PenaltyConv2d
from gan_probe.networks.piecewise import leaky_relu

WIDTHS = (32, 64, 128, 128, 128, 128, 128)  # after each halving, the first by rearranging pixels
SMALLEST_PX = 4
TEXTURE_WIDTH = 16


def _widths(size_px: int, divisor: int) -> tuple[int, ...]:
    return tuple(width // divisor for width in WIDTHS[: (size_px // SMALLEST_PX).bit_length() - 1])


class CompactCritic(nn.Module):
    """Convolutions from half resolution down to 4x4, a linear head, and a texture path at full resolution.

    Maps (n, c, side, side) in [-1, 1] to (n,). The first halving moves each 2x2 patch into channels, which loses
    nothing and costs a quarter of a convolution at full resolution. Every width is divided by ``divisor``.
    """

    def __init__(self, image_shape: tuple[int, int, int], *, divisor: int = 1) -> None:
        super().__init__()
        size_px, _, n_channels = image_shape
        widths = _widths(size_px, divisor)
        self.stem = PenaltyConv2d(4 * n_channels, widths[0], 3, padding=1)
        pairs = pairwise(widths)
        self.blocks = nn.ModuleList(PenaltyConv2d(i, o, 4, stride=2, padding=1) for i, o in pairs)
        self.n_features = widths[-1] * SMALLEST_PX**2
        self.head = nn.Linear(self.n_features, 1)
        self.texture = TexturePath(n_channels, TEXTURE_WIDTH // divisor)
        self.texture_head = nn.Linear(TEXTURE_WIDTH // divisor, 1, bias=False)
        self.layers = ("texture", "stem", *(f"blocks.{i}" for i in range(len(widths) - 1)))

    def score_and_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        texture = self.texture(x)
        y = leaky_relu(self.stem(F.pixel_unshuffle(x, 2)), 0.2)
        for block in self.blocks:
            y = leaky_relu(block(y), 0.2)
        features = y.flatten(1)
        return (self.head(features) + self.texture_head(texture)).squeeze(1), features

    def forward(self, x: Tensor) -> Tensor:
        return self.score_and_features(x)[0]


class CompactGenerator(nn.Module):
    """The mirror of `CompactCritic` up to half resolution, then enlarged without weights.

    Maps (n, latent_dim) to (n, c, side, side) in [-1, 1]. It cannot draw noise of single pixels, and that is the point:
    fine noise stays a mark of the real images, so the critic keeps looking at it. (A generator with pixels of its own
    matches the amount of fine structure after some hundred steps, and the critic forgets noise again.)
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, *, divisor: int = 1) -> None:
        super().__init__()
        size_px, _, n_channels = image_shape
        widths = _widths(size_px, divisor)[::-1]
        self.latent_dim = latent_dim
        self.start = nn.Linear(latent_dim, widths[0] * SMALLEST_PX**2)
        layers: list[nn.Module] = [nn.BatchNorm2d(widths[0]), nn.ReLU()]
        for c_in, c_out in pairwise(widths):
            layers += [nn.ConvTranspose2d(c_in, c_out, 4, stride=2, padding=1), nn.BatchNorm2d(c_out), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.Conv2d(widths[-1], n_channels, 3, padding=1))

    def forward(self, z: Tensor) -> Tensor:
        start = self.start(z).view(len(z), -1, SMALLEST_PX, SMALLEST_PX)
        return F.interpolate(torch.tanh(self.body(start)), scale_factor=2, mode="bilinear")
