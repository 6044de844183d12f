"""DCGAN's pair: strided 4x4 convolutions, batch normalisation in both networks."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BASE_WIDTH, MAX_WIDTH, SMALLEST_PX = 64, 512, 4


def _widths(size_px: int, divisor: int) -> tuple[int, ...]:
    """Return the channels after each halving down to 4x4: 64, 128, 256, 512, 512, ..., over ``divisor``."""
    n_halvings = (size_px // SMALLEST_PX).bit_length() - 1
    return tuple(min(BASE_WIDTH * 2**i, MAX_WIDTH) // divisor for i in range(n_halvings))


def _start_like_dcgan(module: nn.Module) -> None:
    """Draw weights from N(0, 0.02), as in section 4 of the paper; scales of normalisation from N(1, 0.02)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


class DcganCritic(nn.Module):
    """Halve the image down to 4x4, normalise over the batch, read off one number.

    Maps (n, c, side, side) in [-1, 1] to (n,). **In training its scores depend on the batch**; in evaluation mode they
    do not. The paper's widths are those of its generator, 128 to 1024; here they are half, as in the authors' code.

    References
    ----------
    Radford, Metz, Chintala 2016, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
    Networks", section 3.
    """

    def __init__(self, image_shape: tuple[int, int, int], divisor: int = 1) -> None:
        super().__init__()
        size_px, _, n_channels = image_shape
        ends = (n_channels, *_widths(size_px, divisor))
        self.n_features = ends[-1] * SMALLEST_PX**2
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 4, stride=2, padding=1, bias=k == 0), *([nn.BatchNorm2d(o)] if k else []))
            for k, (i, o) in enumerate(pairwise(ends))
        )
        self.head = nn.Linear(self.n_features, 1)
        self.layers = tuple(f"blocks.{i}" for i in range(len(self.blocks)))
        self.apply(_start_like_dcgan)

    def score_and_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        for block in self.blocks:
            x = F.leaky_relu(block(x), 0.2)
        features = x.flatten(1)
        return self.head(features).squeeze(1), features

    def forward(self, x: Tensor) -> Tensor:
        return self.score_and_features(x)[0]


class DcganGenerator(nn.Module):
    """The mirror of `DcganCritic`. Maps (n, latent_dim) to (n, c, side, side) in [-1, 1]."""

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, divisor: int = 1) -> None:
        super().__init__()
        size_px, _, n_channels = image_shape
        widths = _widths(size_px, divisor)[::-1]
        self.start = nn.ConvTranspose2d(latent_dim, widths[0], SMALLEST_PX, bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(widths[0]), nn.ReLU()]
        for i, o in pairwise(widths):
            layers += [nn.ConvTranspose2d(i, o, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], n_channels, 4, stride=2, padding=1))
        self.apply(_start_like_dcgan)

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.body(self.start(z[:, :, None, None])))
