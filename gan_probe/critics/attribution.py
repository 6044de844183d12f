"""Which pixels move a critic's score: maps of one number a pixel, in units of the score.

Both methods compare an image with a *baseline*, a picture that stands for "nothing there". Where an image equals its
baseline there is nothing to attribute, and maps are zero whatever the critic is. So a map is read beside those of
randomly initialised critics and beside the plain difference between image and baseline (`image_alone`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from gan_probe.critics.boundary import foreign_code
from gan_probe.critics.critic import Critic
from gan_probe.device import products_of
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.pixels import to_network
from gan_probe.names import check_name
from gan_probe.types import Column, Images, Maps

Box = tuple[slice, slice]

OCCLUSION, GRADIENTS = "occlusion", "gradients"
METHODS = (OCCLUSION, GRADIENTS)
PATCHES_A_SIDE = 8  # a patch is this part of the shorter side, and moves by half of itself
N_STEPS = 64
BATCH_SIZE = 256


# --- baselines ---------------------------------------------------------------------------------------------------


def _border(images: Images) -> Images:
    """Return the median colour of the outermost pixels of each image, everywhere."""
    inner = (slice(None), slice(1, -1), slice(1, -1))
    is_border = np.ones(images.shape[1:3], dtype=bool)
    is_border[inner[1:]] = False
    colours = np.median(images[:, is_border], axis=1).round().astype(np.uint8)
    return np.broadcast_to(colours[:, None, None], images.shape)


def _blurred(images: Images) -> Images:
    sigma = min(images.shape[1:3]) / PATCHES_A_SIDE
    blurred = gaussian_filter(images.astype(np.float32), (0, sigma, sigma, 0), mode="nearest")
    return blurred.round().clip(0, 255).astype(np.uint8)


BASELINES: dict[str, Callable[[Images], Images]] = {
    "border": _border,
    "white": lambda images: np.full_like(images, 255),
    "black": np.zeros_like,
    "blurred": _blurred,
}


def baseline_images(images: Images, kind: str = "border") -> Images:
    """Return what each image is compared with, uint8 of the same shape (n, h, w, c).

    Parameters
    ----------
    images : ndarray of uint8, shape (n, h, w, c)
    kind : str
        "border" (the default): the median colour of the image's own outermost pixels, all over. It is the image without
        its object where objects lie on a plain ground, and it brings in no colour that the image does not have. The
        median holds as long as the object touches less than half of the border. "white", "black": that colour, which
        makes the ground count as something. "blurred": the image under a Gaussian of an eighth of the shorter side,
        which leaves colours and takes detail away.

    Raises
    ------
    ConfigError
        For an unknown kind.

    References
    ----------
    Sturmfels, Lundberg, Lee 2020, "Visualizing the Impact of Feature Attribution Baselines": no baseline is neutral.

    Examples
    --------
    >>> image = np.full((1, 5, 5, 1), 200, np.uint8)
    >>> image[0, 2, 2] = 0
    >>> int(baseline_images(image)[0, 2, 2, 0])
    200
    """
    check_name("baseline", kind, BASELINES)
    return BASELINES[kind](images)


# --- maps --------------------------------------------------------------------------------------------------------


def occlusion(
    critic: Critic,
    images: Images,
    *,
    patch_px: int | None = None,
    stride_px: int | None = None,
    baseline: str = "border",
    batch_size: int = BATCH_SIZE,
) -> Maps:
    """Return how far the score falls when a patch is covered, (n, h, w): positive = covering it lowers the score.

    A pixel gets the mean over the patches that hold it, so maps are as coarse as the patch.

    Parameters
    ----------
    critic : Critic
    images : ndarray of uint8, shape (n, h, w, c)
    patch_px : int, optional
        Side of the square patch; default an eighth of the image's shorter side.
    stride_px : int, optional
        From one patch to the next; default half a patch. The last patch of a row ends at the image's edge.
    baseline : str
        What a patch is covered with: the same place of `baseline_images`.
    batch_size : int
        Covered images scored at a time.

    Raises
    ------
    InputError
        For images of another shape or type than the critic's.
    ConfigError
        For a patch larger than the image, a stride that leaves pixels out, or an unknown baseline.

    References
    ----------
    Zeiler, Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2; theirs covers with grey.
    """
    scores = critic.score(images, batch_size=batch_size)
    boxes = patches(images.shape[1:3], patch_px, stride_px)
    maps = [
        _falls(critic, image, fill, score=float(score), boxes=boxes, batch_size=batch_size)
        for image, fill, score in zip(images, baseline_images(images, baseline), scores, strict=True)
    ]
    return np.array(maps, dtype=np.float32).reshape(images.shape[:3])


def patches(shape: tuple[int, ...], patch_px: int | None = None, stride_px: int | None = None) -> list[Box]:
    """Return the patches that cover an image of ``shape`` (height, width), row by row; for defaults see `occlusion`.

    Raises
    ------
    ConfigError
        When patches are larger than the image, or leave pixels out.
    """
    height, width = shape
    patch = max(min(shape) // PATCHES_A_SIDE, 1) if patch_px is None else patch_px
    stride = max(patch // 2, 1) if stride_px is None else stride_px
    if not 1 <= patch <= min(shape):
        raise ConfigError(f"a patch of {patch} px does not fit images of {height}x{width}; give 1 to {min(shape)}.")
    if not 1 <= stride <= patch:
        raise ConfigError(f"a stride of {stride} px leaves pixels between patches of {patch} px; give 1 to {patch}.")
    return [
        (slice(top, top + patch), slice(left, left + patch))
        for top in _starts(height, patch, stride)
        for left in _starts(width, patch, stride)
    ]


def _starts(length: int, patch: int, stride: int) -> list[int]:
    last = length - patch
    return [*range(0, last, stride), last]


def _falls(
    critic: Critic, image: Images, fill: Images, *, score: float, boxes: list[Box], batch_size: int
) -> npt.NDArray[np.float64]:
    """Return the map of one image (h, w, c)."""
    # a patch that changes no pixel changes no score: exactly 0, and not the rounding of another batch
    changing = [i for i, box in enumerate(boxes) if (image[box] != fill[box]).any()]
    falls = np.zeros(len(boxes))
    for start in range(0, len(changing), batch_size):
        rows = changing[start : start + batch_size]
        covered = np.repeat(image[None], len(rows), axis=0)
        for copy, row in zip(covered, rows, strict=True):
            copy[boxes[row]] = fill[boxes[row]]
        falls[rows] = score - critic.score(covered, batch_size=batch_size).astype(np.float64)
    return _spread(falls, boxes, image.shape[:2])


def _spread(values: npt.NDArray[np.float64], boxes: list[Box], shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Return for each pixel the mean of the values of the boxes that hold it."""
    total, count = np.zeros(shape), np.zeros(shape)
    for box, value in zip(boxes, values, strict=True):
        total[box] += value
        count[box] += 1
    return total / count


def integrated_gradients(
    critic: Critic,
    images: Images,
    *,
    baseline: str = "border",
    n_steps: int = N_STEPS,
    batch_size: int = BATCH_SIZE,
) -> Maps:
    """Return each pixel's signed part, summed over channels, of score(image) - score(baseline), (n, h, w).

    Positive = this pixel, as it is and not as in the baseline, raises the score.

    Parameters
    ----------
    critic : Critic
        Trained here or adapted; a graph stored as ONNX has no gradients.
    images : ndarray of uint8, shape (n, h, w, c)
    baseline : str
        Where the path starts: `baseline_images`.
    n_steps : int
        Points on the straight path from baseline to image, at the middles of equal parts.
    batch_size : int
        Of these, at a time.

    Raises
    ------
    InputError
        For images of another shape or type, or a critic without gradients.
    ConfigError
        For fewer than one step, or an unknown baseline.

    References
    ----------
    Sundararajan, Taly, Yan 2017, "Axiomatic Attribution for Deep Networks", equations 1 and 3; theirs sums at the
    right ends of the parts, which is less exact for the same number of steps.
    """
    if n_steps < 1:
        raise ConfigError(f"n_steps must be at least 1, got {n_steps}.")
    critic.score(images[:1], batch_size=batch_size)  # says what is wrong with the images
    device = critic.device
    ends, starts = to_network(images, device), to_network(baseline_images(images, baseline), device)
    middles = ((torch.arange(n_steps, device=device) + 0.5) / n_steps)[:, None, None, None]
    maps = np.zeros(images.shape[:3], dtype=np.float32)
    for row, (end, start) in enumerate(zip(ends, starts, strict=True)):
        points = (start + part * (end - start) for part in middles.split(batch_size))
        mean = sum(_slopes(critic, point).double().sum(0) for point in points) / n_steps
        maps[row] = (mean * (end - start)).sum(0).cpu().numpy()
    return maps


def _slopes(critic: Critic, x: Tensor) -> Tensor:
    """Return the gradient of each image's score in its pixels, (n, c, h, w)."""
    with torch.enable_grad(), products_of("fp32"):
        x = x.detach().requires_grad_()
        scores = critic.module(x)
        if not scores.requires_grad:
            raise InputError(
                f"the critic {critic.config.network} has no gradients (graphs stored as ONNX have none), so integrated"
                " gradients cannot be had. Occlusion needs none: --method occlusion (in Python: methods=['occlusion'])."
            )
        with foreign_code(
            f"the critic {critic.config.network} gives no gradients", advice="Occlusion needs none: --method occlusion."
        ):
            (slopes,) = torch.autograd.grad(scores.float().sum(), x)
    return slopes


def slope_norms(critic: Critic, images: Images, *, batch_size: int = BATCH_SIZE) -> Column:
    """Return how steep each image's score is in its pixels: the norm of the gradient, (n,).

    Raises
    ------
    InputError
        For images of another shape or type, or a critic without gradients.
    """
    critic.check_images(images)
    starts = range(0, len(images), batch_size)
    slopes = [_slopes(critic, to_network(images[s : s + batch_size], critic.device)) for s in starts]
    return torch.cat([slope.flatten(1).norm(dim=1) for slope in slopes]).float().cpu().numpy()


def image_alone(images: Images, method: str, *, baseline: str = "border", patch_px: int | None = None) -> Maps:
    """Return the map that a method makes without a critic, (n, h, w): image minus baseline, summed over channels.

    Of "gradients": what integrated gradients are of the score that adds up absolute differences from the baseline. Of
    "occlusion": the same for occlusion, which is as coarse as its patches. 1 = a channel goes from black to white.
    """
    away = np.abs(images.astype(np.float32) - baseline_images(images, baseline)).sum(-1) / 255
    if method == GRADIENTS:
        return away
    boxes = patches(images.shape[1:3], patch_px)
    maps = [_spread(np.array([one[box].sum() for box in boxes]), boxes, one.shape) for one in away]
    return np.array(maps, dtype=np.float32).reshape(away.shape)


def completeness_errors(
    maps: Maps, scores: npt.NDArray[np.floating], baseline_scores: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Return |sum of a map - (score - baseline_score)| / |score - baseline_score|, (n,): 0 where nothing is missing.

    Infinite where a map adds up to something and the two scores are equal.

    References
    ----------
    Sundararajan, Taly, Yan 2017, proposition 1 (completeness).
    """
    expected = scores.astype(np.float64) - baseline_scores
    missing = np.abs(maps.sum((1, 2), dtype=np.float64) - expected)
    errors = np.where(missing > 0, np.inf, 0.0)
    return np.divide(missing, np.abs(expected), out=errors, where=expected != 0)
