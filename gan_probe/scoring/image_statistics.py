"""What a separation must beat: scalars that anybody can compute from the pixels, and the pixels themselves.

To add one: a function of images (n, h, w, c) uint8 that returns (n,), and one row in
`gan_probe.scoring.controls.CONTROLS`.
"""

from __future__ import annotations

import io
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from gan_probe.types import Column, Images, OneImage

N_COMPONENTS = 50
EDGE_STEP = 0.1  # grey-level difference, in [0, 1], from which two neighbours are an edge


def _grey(images: Images) -> npt.NDArray[np.float32]:
    """Return grey levels in [0, 1], (n, h, w)."""
    from skimage.color import rgb2gray  # late, as below: scoring starts without SciPy and scikit-learn

    scaled = images.astype(np.float32) / 255
    grey = scaled[..., 0] if images.shape[-1] == 1 else rgb2gray(scaled)
    return grey.astype(np.float32, copy=False)


def brightness(images: Images) -> Column:
    """Return the mean grey level, 0 (black) to 1 (white)."""
    return _grey(images).mean((1, 2))


def colourfulness(images: Images) -> Column:
    """Return the mean distance between the largest and the smallest channel of a pixel, 0 (grey) to 1."""
    return (_over_channels(np.maximum, images).astype(np.float32) - _over_channels(np.minimum, images)).mean(
        (1, 2)
    ) / 255


def _over_channels(of_two: np.ufunc, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the reduction over the last axis, (n, h, w): whole channels at a time, which is ten times faster."""
    return reduce(of_two, np.moveaxis(values, -1, 0))


def filled_area(images: Images) -> Column:
    """Return the share of pixels that differ from the top left one by more than 0.05 in some channel, 0 to 1."""
    corner = images[:, :1, :1].astype(np.int16)
    return (_over_channels(np.maximum, np.abs(images - corner)) > 0.05 * 255).mean((1, 2), dtype=np.float32)


def edge_density(images: Images) -> Column:
    """Return the share of neighbouring pixels whose grey levels differ by more than 0.1, 0 to 1."""
    grey = _grey(images)
    down, across = np.abs(np.diff(grey, axis=1)) > EDGE_STEP, np.abs(np.diff(grey, axis=2)) > EDGE_STEP
    return (down.mean((1, 2), dtype=np.float32) + across.mean((1, 2), dtype=np.float32)) / 2


def total_variation(images: Images) -> Column:
    """Return the mean absolute difference of neighbouring pixels, all channels, 0 to 1."""
    scaled = images.astype(np.float32) / 255
    return (np.abs(np.diff(scaled, axis=1)).mean((1, 2, 3)) + np.abs(np.diff(scaled, axis=2)).mean((1, 2, 3))) / 2


def high_frequency_power(images: Images) -> Column:
    """Return the variance of the grey levels at more than half the highest frequency, 0 to 0.25."""
    grey = _grey(images)
    spectrum = np.abs(np.fft.fft2(grey)) ** 2 / (grey.shape[1] * grey.shape[2]) ** 2
    down, across = (np.abs(np.fft.fftfreq(n)) for n in grey.shape[1:])
    return spectrum[:, np.maximum(down[:, None], across) > 0.25].sum(1).astype(np.float32)


def png_bytes(images: Images) -> Column:
    """Return the length of the image as a PNG file over that of its pixels: how little it can be compressed."""
    return np.array([len(_png(image)) / image.size for image in images], dtype=np.float32)


def _png(image: OneImage) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image.squeeze()).save(buffer, format="PNG")
    return buffer.getvalue()


def pixel_components(images: Images, *, n_components: int = N_COMPONENTS, seed: int = 0) -> npt.NDArray[np.float32]:
    """Return the first principal components of the raw pixels, (n, at most ``n_components``), largest variance first.

    The components are fitted on the same images, without labels: for a control that is generous, as it should be.
    """
    from sklearn.decomposition import PCA

    if len(images) < 2:
        return np.zeros((len(images), 1), dtype=np.float32)  # one image varies in nothing
    rows = images.reshape(len(images), -1).astype(np.float32) / 255
    n = min(n_components, *rows.shape)
    solver = "full" if n == min(rows.shape) else "randomized"
    with np.errstate(invalid="ignore"):  # rows that are all equal have no variance to share out
        return PCA(n, svd_solver=solver, random_state=seed).fit_transform(rows).astype(np.float32)
