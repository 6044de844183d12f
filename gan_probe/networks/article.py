"""The article's own pair, to the letter: plain residual blocks, 4x4 kernels, no normalisation, a linear output.

Padding is TensorFlow's "same": a 4x4 convolution at stride 1 takes one pixel before and two after, at stride 2 one and
one; a 1x1 convolution of stride 2 takes the even pixels. Weights start as Keras's do: Glorot uniform, biases 0.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from gan_probe.networks.convolution import PenaltyConv2d
from gan_probe.networks.piecewise import relu

WIDTHS = (32, 64, 128, 256, 512)
HALVINGS = len(WIDTHS) - 1  # the last block keeps the resolution


def _same(c_in: int, c_out: int) -> nn.Sequential:
    """Return a 4x4 convolution of stride 1 that keeps the size: (n, c_in, h, w) to (n, c_out, h, w)."""
    return nn.Sequential(OrderedDict({"1": PenaltyConv2d(c_in, c_out, 4, padding="same")}))  # so named in saved critics


class ArticleBlock(nn.Module):
    """``relu(conv(relu(conv(x))) + shortcut(x))``: (n, c_in, h, w) to (n, c_out, h, w), or to half of it."""

    def __init__(self, c_in: int, c_out: int, *, halves: bool) -> None:
        super().__init__()
        stride = 2 if halves else 1
        self.first = PenaltyConv2d(c_in, c_out, 4, stride=2, padding=1) if halves else _same(c_in, c_out)
        self.second = _same(c_out, c_out)
        self.shortcut = PenaltyConv2d(c_in, c_out, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.second(relu(self.first(x))) + self.shortcut(x))


class ArticleDoubling(nn.Module):
    """``e = enlarge(x)``, ``relu(conv(relu(conv(e))) + e)``: (n, c_in, h, w) to (n, c_out, 2h, 2w).

    The enlarging is a 1x1 transposed convolution of stride 2: values at the even pixels, the bias alone between them.
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(c_in, c_out, 1, stride=2, output_padding=1)
        self.first = _same(c_out, c_out)
        self.second = _same(c_out, c_out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enlarge(x)
        return F.relu(self.second(F.relu(self.first(x))) + x)


class ArticleCritic(nn.Module):
    """Four blocks that halve the image (64 px to 4 px), one that keeps it, a convolution to one channel, a linear head.

    Maps (n, c, side, side) to (n,). At 64 px and three channels it has 8,559,122 weights.
    """

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        size_px, _, n_channels = image_shape
        ends = pairwise((n_channels, *WIDTHS))
        self.blocks = nn.ModuleList(ArticleBlock(i, o, halves=k < HALVINGS) for k, (i, o) in enumerate(ends))
        self.last = _same(WIDTHS[-1], 1)
        self.n_features = (size_px // 2**HALVINGS) ** 2
        self.head = nn.Linear(self.n_features, 1)
        self.layers = tuple(f"blocks.{i}" for i in range(len(WIDTHS)))
        _start_as_keras(self)

    def score_and_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        for block in self.blocks:
            x = block(x)
        features = self.last(x).flatten(1)
        return self.head(features).squeeze(1), features

    def forward(self, x: Tensor) -> Tensor:
        return self.score_and_features(x)[0]


class ArticleGenerator(nn.Module):
    """A linear map to 4x4, a block that keeps the resolution, four that double it, a convolution to the image.

    Maps (n, latent_dim) to (n, c, side, side). The output is linear: values leave [-1, 1], and only pictures of it are
    clipped. With 128 latents it has 12,671,395 weights.
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int) -> None:
        super().__init__()
        size_px, _, n_channels = image_shape
        self.start_px = size_px // 2**HALVINGS
        self.start = nn.Linear(latent_dim, WIDTHS[-1] * self.start_px**2)
        self.keep = ArticleBlock(WIDTHS[-1], WIDTHS[-1], halves=False)
        self.blocks = nn.ModuleList(ArticleDoubling(i, o) for i, o in pairwise(WIDTHS[::-1]))
        self.out = _same(WIDTHS[0], n_channels)
        _start_as_keras(self)

    def forward(self, z: Tensor) -> Tensor:
        x = self.keep(self.start(z).view(len(z), -1, self.start_px, self.start_px))
        for block in self.blocks:
            x = block(x)
        return self.out(x)


def _start_as_keras(network: nn.Module) -> None:
    """Draw every weight as Keras does by default: Glorot uniform (Glorot and Bengio 2010, equation 16), biases 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
