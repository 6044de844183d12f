"""Augmentations as pure functions: images and uniform random numbers in, images out. To add one: a function and a row.

Images are (n, c, h, w) in [-1, 1], numbers (n, k) in [0, 1), one row an image: what happens to an image follows from
its own numbers, whatever the batch. Every function is differentiable in the images, so a generator learns through it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gan_probe.errors import ConfigError
from gan_probe.names import check_name

TRANSLATED, CUT = 1 / 8, 1 / 2  # shares of the side: DiffAugment's
SMALLEST_AREA, WIDEST = 0.2, 4 / 3  # of a crop: share of the image's area, and ratio of its sides
JITTER, HUE, JITTERED, GREYED = 0.4, 0.1, 0.8, 0.2  # SimCLR's at strength 1/2: strengths, and how often


def diffaugment(images: Tensor, numbers: Tensor) -> Tensor:
    """Return images with another brightness, saturation and contrast, moved, and with a square cut out.

    References
    ----------
    Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training", section 4: colour, translation by
    up to 1/8 of the side, cut-out of half the side.
    """
    brightness, saturation, contrast, *place = numbers.T
    x = images + _wide(brightness - 0.5)
    x = _about(x, x.mean(1, keepdim=True), 2 * saturation)
    x = _about(x, x.mean((1, 2, 3), keepdim=True), contrast + 0.5)
    return cutout(translated(x, torch.stack(place[:2], 1)), torch.stack(place[2:], 1))


def translated(images: Tensor, numbers: Tensor) -> Tensor:
    """Return images moved by whole pixels, up to 1/8 of the side each way; what comes in is mid-grey."""
    return _resampled(images, *_moved(images.shape[-1], numbers))


def translation(images: Tensor, numbers: Tensor) -> Tensor:
    """Return images moved by whole pixels, up to 1/8 of the side each way; what comes in repeats the edge."""
    last = images.shape[-1] - 1
    return _resampled(images, *(at.clamp(0, last) for at in _moved(last + 1, numbers)))


def crop(images: Tensor, numbers: Tensor) -> Tensor:
    """Return a part of each image, enlarged to the whole: 20 to 100 % of its area, sides 3:4 to 4:3.

    References
    ----------
    Szegedy et al. 2015, "Going Deeper with Convolutions", section 6, for the crop; Chen et al. 2020 (SimCLR), appendix
    A, for its use. Interpolated between pixels; no smaller than 20 % of the area here, 8 % there.
    """
    area, ratio, down, right = numbers.T
    side = (SMALLEST_AREA + (1 - SMALLEST_AREA) * area).sqrt()
    wider = torch.exp((ratio - 0.5) * math.log(WIDEST))  # the square root of the ratio
    height, width = (side / wider).clamp(max=1.0), (side * wider).clamp(max=1.0)
    n_pixels = images.shape[-1]
    centres = (torch.arange(n_pixels, device=images.device) + 0.5) / n_pixels

    def positions(low: Tensor, size: Tensor) -> Tensor:
        return ((low[:, None] + size[:, None] * centres) * n_pixels - 0.5).clamp(0, n_pixels - 1)

    return _resampled(images, positions(down * (1 - height), height), positions(right * (1 - width), width))


def flip(images: Tensor, numbers: Tensor) -> Tensor:
    """Return every other image mirrored, left to right."""
    return torch.where(_wide(numbers[:, 0]) < 0.5, images.flip(3), images)


def colour(images: Tensor, numbers: Tensor) -> Tensor:
    """Return four of five images with another brightness, contrast, saturation (factors 0.6 to 1.4) and hue.

    References
    ----------
    Chen et al. 2020, "A Simple Framework for Contrastive Learning" (SimCLR), appendix A, at strength 1/2, in this
    order; the hue is turned in the plane of I and Q, by up to a tenth of a circle.
    """
    chosen, brightness, contrast, saturation, hue = numbers.T
    b, c, s = (1 + JITTER * (2 * number - 1) for number in (brightness, contrast, saturation))
    primaries = torch.eye(3, device=images.device)[:, None].expand(len(images), 3, 1, 3)  # images of 3 pixels
    primaries = _about(primaries, _grey(primaries), s)
    turned = _with_hue(primaries, 2 * math.pi * HUE * (2 * hue - 1))[:, :, 0]  # (n, 3, 3): the map of colours
    light = (images + 1) * _wide(b)
    offset = _grey(light).mean((2, 3), keepdim=True) * _wide(1 - c)
    x = (turned.to(images) @ (light * _wide(c)).flatten(2)).view_as(images) + offset
    return torch.where(_wide(chosen) < JITTERED, x.clamp(0, 2) - 1, images)


def grey(images: Tensor, numbers: Tensor) -> Tensor:
    """Return one of five images without colour.

    References
    ----------
    Chen et al. 2020 (SimCLR), appendix A.
    """
    return torch.where(_wide(numbers[:, 0]) < GREYED, _grey(images).expand_as(images), images)


def cutout(images: Tensor, numbers: Tensor) -> Tensor:
    """Return images with a square of half the side made mid-grey; its centre is any pixel, so parts may lie outside.

    References
    ----------
    DeVries and Taylor 2017, "Improved Regularization of Convolutional Neural Networks with Cutout", section 3.
    """
    side = images.shape[-1]
    pixel, half = torch.arange(side, device=images.device), int(CUT * side / 2 + 0.5)
    low = torch.floor(numbers * side) - half  # (n, 2): of rows and columns
    is_cut = (pixel >= low[..., None]) & (pixel < low[..., None] + 2 * half)  # (n, 2, side)
    return images.masked_fill((is_cut[:, 0, :, None] & is_cut[:, 1, None, :])[:, None], 0.0)


class Augmentation(NamedTuple):
    """A function of images (n, c, h, w) and numbers (n, k), how many an image takes, whether it needs colour."""

    apply: Callable[[Tensor, Tensor], Tensor]
    n_numbers: int
    needs_colour: bool = False


# Names: `gan_probe.config.AUGMENTATIONS`.
AUGMENTATIONS: dict[str, Augmentation] = {
    "diffaugment": Augmentation(diffaugment, 7),
    "crop":        Augmentation(crop, 4),
    "flip":        Augmentation(flip, 1),
    "colour":      Augmentation(colour, 5, needs_colour=True),
    "grey":        Augmentation(grey, 1, needs_colour=True),
    "cutout":      Augmentation(cutout, 2),
    "translation": Augmentation(translation, 2),
}  # fmt: skip


def n_numbers(names: Sequence[str]) -> int:
    """Return how many random numbers an image takes."""
    return sum(AUGMENTATIONS[name].n_numbers for name in names)


def augmented(images: Tensor, numbers: Tensor, names: Sequence[str]) -> Tensor:
    """Return images with the named augmentations, one after the other.

    Parameters
    ----------
    images : Tensor, shape (n, c, h, w)
        In [-1, 1].
    numbers : Tensor, shape (n, k)
        Uniform in [0, 1); the first `n_numbers` of each image are used.
    names : sequence of str
        Rows of `AUGMENTATIONS`.
    """
    start = 0
    for name in names:
        row = AUGMENTATIONS[name]
        images = row.apply(images, numbers[:, start : start + row.n_numbers])
        start += row.n_numbers
    return images


def check_augmentations(names: Sequence[str], n_channels: int) -> None:
    """Raise unless the named augmentations fit images of so many channels.

    Raises
    ------
    ConfigError
        For an unknown name, with the nearest one; for one that changes colours, of grey images.
    """
    for name in names:
        check_name("augmentation", name, AUGMENTATIONS)
    coloured = [name for name in names if AUGMENTATIONS[name].needs_colour]
    if coloured and n_channels == 1:
        others = ", ".join(name for name, row in AUGMENTATIONS.items() if not row.needs_colour)
        raise ConfigError(
            f"augmentation {coloured[0]!r} changes colours, and the images are grey (1 channel). Known for grey images:"
            f" {others}."
        )


def _wide(numbers: Tensor) -> Tensor:
    """Return (n,) as (n, 1, 1, 1)."""
    return numbers[:, None, None, None]


def _about(x: Tensor, centre: Tensor, factor: Tensor) -> Tensor:
    return (x - centre) * _wide(factor) + centre


def _mixed(x: Tensor, red: float, green: float, blue: float) -> Tensor:
    """Return a weighted sum of the channels, (n, 1, h, w)."""
    return red * x[:, :1] + green * x[:, 1:2] + blue * x[:, 2:]


def _grey(x: Tensor) -> Tensor:
    """Return the luma of RGB, (n, 1, h, w)."""
    return _mixed(x, 0.299, 0.587, 0.114)


def _with_hue(x: Tensor, angle: Tensor) -> Tensor:
    """Return RGB turned by an angle in the plane of I and Q of NTSC's YIQ, which leaves luma alone."""
    i, q = _mixed(x, 0.596, -0.274, -0.322), _mixed(x, 0.211, -0.523, 0.312)
    cos, sin = _wide(angle.cos()), _wide(angle.sin())
    more_i, more_q = (cos - 1) * i - sin * q, sin * i + (cos - 1) * q
    return x + torch.cat([a * more_i + b * more_q for a, b in ((0.956, 0.621), (-0.272, -0.647), (-1.106, 1.703))], 1)


def _moved(side: int, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Return where rows and columns of moved images are read, each (n, side); (n, 2) numbers say down and right."""
    furthest = int(TRANSLATED * side + 0.5)
    moved = torch.floor(numbers * (2 * furthest + 1)) - furthest
    pixel = torch.arange(side, device=numbers.device)
    return pixel - moved[:, :1], pixel - moved[:, 1:]


def _resampled(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return images read at fractional positions, (n, side) each, linear between pixels, 0 outside.

    Two matrix products, whose gradients add up in a fixed order on every device; torch's grid_sample's do not on CUDA.
    """
    pixel = torch.arange(images.shape[-1], device=images.device)
    down, right = (torch.relu(1 - (at[..., None] - pixel).abs())[:, None] for at in (rows, columns))
    return down.to(images) @ images @ right.to(images).mT
