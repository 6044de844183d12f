"""Critics and generators, and the table that names them. To add a pair: two modules and one row in ``NETWORKS``.

A critic maps (n, c, h, w) float32 in [-1, 1] to scores (n,) and names in ``layers`` the sub-modules whose outputs are
worth looking at, from the image upwards. A generator maps latents (n, latent_dim) to images.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from gan_probe.errors import InputError
from gan_probe.naming import check_name
from gan_probe.networks.article import ArticleCritic, ArticleGenerator
from gan_probe.networks.compact import CompactCritic, CompactGenerator

ImageShape = tuple[int, int, int]  # height, width, channels


class Network(NamedTuple):
    """A critic, its generator, and the images that they take."""

    critic: Callable[[ImageShape], nn.Module]
    generator: Callable[[ImageShape, int], nn.Module]
    sides_px: tuple[int, ...]
    help: str


NETWORKS: dict[str, Network] = {
    "compact": Network(CompactCritic, CompactGenerator, (16, 32, 64, 128, 256), "small, fast, sees texture"),
    "article": Network(ArticleCritic, ArticleGenerator, (32, 64, 128, 256), "residual, 4x4 kernels, 32 to 512 wide"),
}


def check_image_shape(network: str, image_shape: ImageShape) -> None:
    """Raise unless the network takes images of this shape.

    Raises
    ------
    ConfigError
        For an unknown network.
    InputError
        For a shape it cannot take, with those it can.
    """
    check_name("network", network, NETWORKS)
    height, width, channels = image_shape
    sides = NETWORKS[network].sides_px
    if height != width or height not in sides or channels not in (1, 3):
        nearest = min(sides, key=lambda side: abs(side - max(height, width)))
        raise InputError(
            f"network {network!r} takes square images of {', '.join(map(str, sides))} pixels, grey or RGB;"
            f" got {width}x{height} with {channels} channels. Resize with --size {nearest}."
        )


def build_critic(network: str, image_shape: ImageShape, *, seed: int) -> nn.Module:
    """Return an untrained critic; ``seed`` fixes its weights, and torch's own random state is left alone."""
    check_image_shape(network, image_shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[network].critic(image_shape)


def build_generator(network: str, image_shape: ImageShape, latent_dim: int, *, seed: int) -> nn.Module:
    """Return an untrained generator; see `build_critic`."""
    check_image_shape(network, image_shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[network].generator(image_shape, latent_dim)
