"""Multilayer perceptrons, as the first GANs were."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from gan_probe.networks.piecewise import leaky_relu

SLOPE = 0.2


class MlpCritic(nn.Module):
    """Fully connected layers. Maps (n, c, side, side) in [-1, 1] to (n,), before any sigmoid.

    Parameters
    ----------
    image_shape : tuple of int
        Height, width, channels.
    widths : tuple of int
        Of the hidden layers.
    n_pieces : int
        1: leaky rectifiers. Above: maxout units of so many linear pieces, as in Goodfellow et al. 2014, section 5.
    """

    def __init__(self, image_shape: tuple[int, int, int], widths: tuple[int, ...], n_pieces: int = 1) -> None:
        super().__init__()
        ends = (math.prod(image_shape), *widths)
        self.n_pieces, self.n_features = n_pieces, widths[-1]
        self.hidden = nn.ModuleList(nn.Linear(i, o * n_pieces) for i, o in pairwise(ends))
        self.head = nn.Linear(widths[-1], 1)
        self.layers = tuple(f"hidden.{i}" for i in range(len(widths)))

    def score_and_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.flatten(1)
        for layer in self.hidden:
            y = layer(x)
            maxout = self.n_pieces > 1
            x = y.view(len(y), -1, self.n_pieces).amax(2) if maxout else leaky_relu(y, SLOPE)
        return self.head(x).squeeze(1), x

    def forward(self, x: Tensor) -> Tensor:
        return self.score_and_features(x)[0]


class MlpGenerator(nn.Module):
    """Fully connected layers, rectified. Maps (n, latent_dim) to (n, c, side, side) in [-1, 1].

    The last unit is the logistic one of 2014, stretched from [0, 1] to [-1, 1].
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        height, width, channels = image_shape
        ends = (latent_dim, *widths, math.prod(image_shape))
        self.shape = (channels, height, width)
        self.maps = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(ends))

    def forward(self, z: Tensor) -> Tensor:
        *hidden, last = self.maps
        for layer in hidden:
            z = torch.relu(layer(z))
        return (2 * torch.sigmoid(last(z)) - 1).view(len(z), *self.shape)
