"""Critics and generators, and the table that names them. To add a pair: two modules and one row in ``NETWORKS``.

A critic maps (n, c, h, w) float32 in [-1, 1] to scores (n,). It names in ``layers`` the sub-modules whose outputs are
worth looking at, from the image upwards, and in ``n_features`` how many numbers its last linear map reads;
``score_and_features`` returns those beside the scores. A generator maps latents (n, latent_dim) to images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gan_probe.errors import InputError
from gan_probe.names import check_name
from gan_probe.networks.article import ArticleCritic, ArticleGenerator
from gan_probe.networks.compact import CompactCritic, CompactGenerator
from gan_probe.networks.dcgan import DcganCritic, DcganGenerator
from gan_probe.networks.heads import CriticWithHeads, CriticWithOutputs
from gan_probe.networks.mlp import MlpCritic, MlpGenerator
from gan_probe.networks.oriented import OrientedCritic
from gan_probe.networks.residual import ResidualCritic, ResidualGenerator
from gan_probe.networks.sngan import SnganCritic, SnganGenerator
from gan_probe.types import ImageShape


class Network(NamedTuple):
    """A critic, its generator, the images that they take, and whether the critic's training scores see the batch."""

    critic: Callable[[ImageShape], nn.Module]
    generator: Callable[[ImageShape, int], nn.Module]
    sides_px: tuple[int, ...]
    help: str
    batch_dependent: bool = False


NETWORKS: dict[str, Network] = {
    "compact":  Network(CompactCritic, CompactGenerator, (16, 32, 64, 128, 256), "small, fast, sees texture"),
    "compact-half": Network(partial(CompactCritic, divisor=2), partial(CompactGenerator, divisor=2),
                        (16, 32, 64, 128, 256), "compact at half its widths"),
    "oriented": Network(OrientedCritic, CompactGenerator, (16, 32, 64, 128, 256),
                        "fixed oriented gradients, then learned convolutions; generator of compact"),
    "article":  Network(ArticleCritic, ArticleGenerator, (32, 64, 128, 256),
                        "the article's own: residual, 4x4 kernels, 32 to 512 wide, generator with linear output"),
    "residual": Network(ResidualCritic, ResidualGenerator, (32, 64, 128, 256),
                        "as the WGAN-GP paper orders blocks: 4x4 kernels, 32 to 512 wide"),
    "dcgan":    Network(DcganCritic, DcganGenerator, (16, 32, 64, 128, 256), "strided, batch-normalised critic",
                        batch_dependent=True),
    "dcgan-half": Network(partial(DcganCritic, divisor=2), partial(DcganGenerator, divisor=2),
                        (16, 32, 64, 128, 256), "dcgan at half its widths", batch_dependent=True),
    "sngan":    Network(SnganCritic, SnganGenerator, (32,), "residual, as torch-mimicry's SNGAN and WGAN-GP"),
    "mlp":      Network(partial(MlpCritic, widths=(100,)), partial(MlpGenerator, widths=()), (16, 28, 32, 64),
                        "perceptrons, 784-100-1 and 100-784 for 28 pixels"),
    "mlp-deep": Network(partial(MlpCritic, widths=(240, 240), n_pieces=5), partial(MlpGenerator, widths=(1200, 1200)),
                        (16, 28, 32, 64), "perceptrons of 2014: maxout critic, generator 1200-1200"),
}  # fmt: skip


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


def restore_weights(module: nn.Module, network: str, weights: Mapping[str, Tensor]) -> None:
    """Put saved weights into a critic or generator of a network, strictly.

    Raises
    ------
    InputError
        For weights of networks that had this name in an older version.
    RuntimeError
        For others that do not fit, as torch words it.
    """
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        if network != "article":
            raise
        raise InputError(
            "its weights are not those of network 'article'. An earlier version gave that name to the networks that are"
            " 'residual' now. Train again with --preset residual, or use it with the version that wrote it."
        ) from error


def build_critic(
    network: str, image_shape: ImageShape, *, seed: int, n_classes: int = 0, n_kernels: int = 0, n_outputs: int = 0
) -> nn.Module:
    """Return a randomly initialised critic; ``seed`` fixes its weights, and torch's own random state is left alone.

    With ``n_classes`` or ``n_kernels`` it carries the heads of `gan_probe.networks.heads.CriticWithHeads`, with
    ``n_outputs`` it is a `gan_probe.networks.heads.CriticWithOutputs`.
    """
    check_image_shape(network, image_shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        critic = NETWORKS[network].critic(image_shape)
        if n_outputs:
            return CriticWithOutputs(critic, n_outputs=n_outputs)
        if n_classes or n_kernels:
            return CriticWithHeads(critic, n_classes=n_classes, n_kernels=n_kernels)
        return critic


def build_generator(
    network: str, image_shape: ImageShape, latent_dim: int, *, seed: int, n_classes: int = 0
) -> nn.Module:
    """Return a random generator; see `build_critic`. A conditional one reads a one-hot label after the latent."""
    check_image_shape(network, image_shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[network].generator(image_shape, latent_dim + n_classes)
