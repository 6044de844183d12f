"""Outliers made of real images, to choose between detectors without seeing one outlier.

Each keeps what images of the set have in common (colours, or local detail, or the whole) and breaks another part. They
are closer to the reals than the images with nothing in them of `gan_probe.images.nulls`, which every detector tells.
Means of two reals are not among them: they lie between reals, so they favour what finds the unlike near the middle.
To add a kind: one function and one row in ``OUTLIERS``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from gan_probe.types import Images, Rng

CELLS_PER_SIDE = 4
PASTED = (0.2, 0.45)  # side of a pasted rectangle, as a share of the image's
BEND = 0.08  # standard deviation of a warp, as a share of the side
SMOOTH = 0.03  # of blurring, likewise
GAMMAS = (0.6, 1.6)


def patch_shuffled(images: Images, rng: Rng) -> Images:
    """Return images cut into 4x4 patches, which change places: the parts of an image, not the whole."""
    found = images.copy()
    rows, columns = (np.arange(CELLS_PER_SIDE) * (side // CELLS_PER_SIDE) for side in images.shape[1:3])
    height, width = (max(1, side // CELLS_PER_SIDE) for side in images.shape[1:3])
    places = [(slice(r, r + height), slice(c, c + width)) for r in rows for c in columns]
    for number, image in enumerate(images):
        for place, other in zip(places, rng.permutation(len(places)), strict=True):
            found[number][place] = image[places[other]]
    return found


def patch_pasted(images: Images, rng: Rng) -> Images:
    """Return images with a rectangle of another one at a place of its own.

    References
    ----------
    Li, Sohn, Yoon, Pfister 2021, "CutPaste: Self-supervised learning for anomaly detection and localization".
    """
    found = images.copy()
    height, width = images.shape[1:3]
    for image, other in zip(found, _others(images, rng), strict=True):
        h, w = (max(1, round(side * rng.uniform(*PASTED))) for side in (height, width))
        y, x = rng.integers(height - h + 1), rng.integers(width - w + 1)
        v, u = rng.integers(height - h + 1), rng.integers(width - w + 1)
        image[y : y + h, x : x + w] = other[v : v + h, u : u + w]
    return found


def warped(images: Images, rng: Rng) -> Images:
    """Return images bent by a smooth random displacement: other outlines of the same colours and textures."""
    height, width = images.shape[1:3]
    side = min(height, width)
    base = np.mgrid[:height, :width].astype(np.float64)
    found = np.empty_like(images)
    for number, image in enumerate(images):
        bend = np.stack([gaussian_filter(rng.normal(size=(height, width)), side / 8, mode="wrap") for _ in range(2)])
        bend *= BEND * side / max(float(bend.std()), 1e-12)
        for channel in range(image.shape[-1]):
            bent = map_coordinates(image[..., channel].astype(np.float64), base + bend, order=1, mode="reflect")
            found[number, ..., channel] = bent.round().clip(0, 255)
    return found


def blurred_a_little(images: Images, rng: Rng) -> Images:
    """Return images without their finest detail."""
    sigma = max(0.5, SMOOTH * min(images.shape[1:3]))
    blurred = gaussian_filter(images.astype(np.float32), (0, sigma, sigma, 0), mode="reflect")
    return blurred.round().clip(0, 255).astype(np.uint8)


def recoloured(images: Images, rng: Rng) -> Images:
    """Return images with each channel made lighter or darker (a gamma of 0.6 or 1.6), whichever comes up."""
    gamma = rng.choice(GAMMAS, size=(len(images), 1, 1, images.shape[-1]))
    return (255 * (images / 255.0) ** gamma).round().astype(np.uint8)


OUTLIERS: dict[str, Callable[[Images, Rng], Images]] = {
    "shuffled patches": patch_shuffled,
    "pasted patch": patch_pasted,
    "warped": warped,
    "blurred": blurred_a_little,
    "recoloured": recoloured,
}


def make_outliers(images: Images, seed: int = 0) -> dict[str, Images]:
    """Return outliers of each of `OUTLIERS`, as many as ``images`` and made from them, (n, h, w, c) uint8."""
    rngs = np.random.default_rng(seed).spawn(len(OUTLIERS))
    return {name: make(images, rng) for (name, make), rng in zip(OUTLIERS.items(), rngs, strict=True)}


def _others(images: Images, rng: Rng) -> Images:
    """Return for each image another one; of one image itself."""
    n = len(images)
    return images[(np.arange(n) + rng.integers(1, max(n, 2), size=n)) % n]
