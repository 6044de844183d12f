"""Images with nothing in them: what a critic says of these says nothing of any class."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gan_probe.types import Images, Rng


def blank(images: Images, rng: Rng) -> Images:
    """Return images of one colour each, the mean of an image."""
    means = images.mean((1, 2), keepdims=True).round().astype(np.uint8)
    return np.broadcast_to(means, images.shape).copy()


def noise(images: Images, rng: Rng) -> Images:
    """Return uniform noise of the same shape."""
    return rng.integers(0, 256, images.shape, dtype=np.uint8)


def shuffled(images: Images, rng: Rng) -> Images:
    """Return images with the pixels of each in random places."""
    n, height, width, channels = images.shape
    flat = images.reshape(n, height * width, channels)
    order = np.argsort(rng.random((n, height * width)), axis=1)
    return np.take_along_axis(flat, order[..., None], axis=1).reshape(images.shape)


def scrambled(images: Images, rng: Rng) -> Images:
    """Return images with the spectrum of each image and random phases, the same in each channel; clipped to 0..255.

    References
    ----------
    Thomson 1999, "Visual coding and the phase structure of natural scenes": the phases of white noise are added, so
    that the result is real and the colours keep their relation.
    """
    phases = np.angle(np.fft.fft2(rng.normal(size=images.shape[:3]), axes=(1, 2)))
    phases[:, 0, 0] = 0  # the mean keeps its sign
    spectrum = np.fft.fft2(images.astype(np.float64), axes=(1, 2)) * np.exp(1j * phases)[..., None]
    return np.fft.ifft2(spectrum, axes=(1, 2)).real.round().clip(0, 255).astype(np.uint8)


KINDS: dict[str, Callable[[Images, Rng], Images]] = {
    "blank": blank,
    "noise": noise,
    "shuffled": shuffled,
    "scrambled": scrambled,
}


def null_images(images: Images, seed: int = 0) -> dict[str, Images]:
    """Return images of each of `KINDS`, as many as ``images`` and made from them, (n, h, w, c) uint8."""
    rngs = np.random.default_rng(seed).spawn(len(KINDS))
    return {name: make(images, rng) for (name, make), rng in zip(KINDS.items(), rngs, strict=True)}
