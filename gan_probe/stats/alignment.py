"""Maps of several runs' scores onto each other: shift, scale, sign, monotone.

To add one: a function of (scores of all images, which of them it may be fitted on) and a row in ``ALIGNMENTS``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gan_probe.types import Mask, Scores

N_QUANTILES = 101


def raw(scores: Scores, fit: Mask) -> Scores:
    """Return the scores as they are."""
    return scores


def shift(scores: Scores, fit: Mask) -> Scores:
    """Return each run's scores with mean 0 on the images fitted on."""
    return scores - scores[:, fit].mean(1, keepdims=True)


def affine(scores: Scores, fit: Mask) -> Scores:
    """Return each run's scores with mean 0, standard deviation 1 and the sign that agrees with the others.

    Signs are those of the first principal component of the runs; most of them stay as they are.
    """
    centred = shift(scores, fit)
    scaled = centred / centred[:, fit].std(1, keepdims=True)
    leading = np.linalg.eigh(scaled[:, fit] @ scaled[:, fit].T)[1][:, -1]
    signs = np.where(leading >= 0, 1.0, -1.0)
    return scaled * (signs if signs.sum() >= 0 else -signs)[:, None]


def monotone(scores: Scores, fit: Mask) -> Scores:
    """Return each run's scores after the increasing map that gives it the mean of all runs' quantiles; affine first."""
    aligned = affine(scores, fit)
    grid = np.linspace(0, 1, N_QUANTILES)
    own = np.quantile(aligned[:, fit], grid, axis=1).T
    common = own.mean(0)
    mapped = np.stack([np.interp(row, quantiles, common) for row, quantiles in zip(aligned, own, strict=True)])
    below, above = np.minimum(aligned - own[:, :1], 0), np.maximum(aligned - own[:, -1:], 0)
    return mapped + below + above  # beyond the images fitted on with slope 1


ALIGNMENTS: dict[str, Callable[[Scores, Mask], Scores]] = {
    "raw": raw,
    "shift": shift,
    "affine": affine,
    "monotone": monotone,
}
