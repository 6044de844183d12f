"""Do maps lie where the truth is? Maps and masks in, one number an image out, each with its value by chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.stats import hypergeom, rankdata

from gan_probe.stats.intervals import mean_over_margins
from gan_probe.types import Maps, Mask, Masks, Values

POINTING, IOU, SHARE = MEASURES = ("pointing", "IoU", "share")
BAND_PX = 3


def measure(maps: Maps, masks: Masks) -> dict[str, Values]:
    """Return what each map says of its mask, (n,) for every one of `MEASURES`: 0 to 1, higher = more inside.

    - "pointing": 1 where the largest |value| lies in the mask, 0 where not. Of several largest one is taken at
      random, so the number is the share of them that lie inside.
    - "IoU": intersection over union of the mask and the k largest |values|, k = the mask's area; of equal ones at the
      limit some are taken at random, and the number is the expected one.
    - "share": the part of the sum of |values| that lies inside.

    A flat map therefore gets what a map of random numbers gets on average, and not 0 or 1.

    Parameters
    ----------
    maps : ndarray, shape (n, h, w)
    masks : ndarray of bool, shape (n, h, w)
        None of them empty.

    References
    ----------
    Zhang et al. 2018, "Top-Down Neural Attention by Excitation Backprop", section 4.1 (the pointing game; theirs
    tolerates 15 pixels beside the object, here none are).

    Examples
    --------
    >>> mask = np.zeros((1, 4, 4), dtype=bool)
    >>> mask[0, :2, :2] = True
    >>> {name: float(values[0]) for name, values in measure(mask * 1.0, mask).items()}
    {'pointing': 1.0, 'IoU': 1.0, 'share': 1.0}
    """
    pairs = [(np.abs(one).ravel(), mask.ravel()) for one, mask in zip(maps, masks, strict=True)]
    return {name: np.array([score(*pair) for pair in pairs], dtype=np.float64) for name, score in _SCORES.items()}


def by_chance(masks: Masks) -> dict[str, Values]:
    """Return what `measure` gives on average for maps of random numbers, (n,) for every measure.

    Of pointing and share it is the mask's part of the image. The k pixels of a random map hit the mask in a number
    of places that is hypergeometric, and "IoU" is the mean over it. A flat map is such a draw.
    """
    return measure(np.zeros(masks.shape), masks)


def _pointing(values: Values, mask: Mask) -> float:
    return float(mask[values == values.max()].mean())


def _iou(values: Values, mask: Mask) -> float:
    k = int(mask.sum())
    limit = np.partition(values, len(values) - k)[len(values) - k]
    above, tied = values > limit, values == limit
    n_drawn = k - int(above.sum())
    hits = np.arange(n_drawn + 1)
    chances = hypergeom.pmf(hits, int(tied.sum()), int((tied & mask).sum()), n_drawn)
    inside = int((above & mask).sum()) + hits
    return float((chances * inside / (2 * k - inside)).sum())


def _share(values: Values, mask: Mask) -> float:
    total = values.sum(dtype=np.float64)
    return float(values[mask].sum(dtype=np.float64) / total) if total > 0 else float(mask.mean())


_SCORES = {POINTING: _pointing, IOU: _iou, SHARE: _share}


def edge_bands(masks: Masks, width_px: int = BAND_PX) -> Masks:
    """Return the pixels at most ``width_px`` from a mask's edge, on either side of it, (n, h, w).

    The image's own edge is none of the mask's.

    Examples
    --------
    >>> mask = np.array([[[False, False, False, True, True, True]]])
    >>> edge_bands(mask, 1).astype(int).tolist()
    [[[0, 0, 1, 1, 0, 0]]]
    """
    bands = [(distance_transform_edt(m) <= width_px) & (distance_transform_edt(~m) <= width_px) for m in masks]
    return np.array(bands, dtype=bool).reshape(masks.shape)


def rank_correlations(a: Maps, b: Maps, where: Masks | None = None) -> Values:
    """Return Spearman's correlation of |a| and |b| in each image, (n,); NaN where one of them is flat.

    Parameters
    ----------
    a, b : ndarray, shape (n, h, w)
    where : ndarray of bool, shape (n, h, w), optional
        Only these pixels of each image.

    Examples
    --------
    >>> ramp = np.arange(6.0).reshape(1, 2, 3)
    >>> float(rank_correlations(ramp, -(ramp**2))[0].round(6))
    1.0
    """
    masks = np.ones(a.shape, dtype=bool) if where is None else where
    return np.array(
        [_correlation(np.abs(x)[m], np.abs(y)[m]) for x, y, m in zip(a, b, masks, strict=True)], dtype=np.float64
    )


def _correlation(x: Values, y: Values) -> float:
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])


@dataclass(frozen=True)
class Interval:
    """A mean over ``n`` images, with its 95 % interval over other images like these."""

    value: float
    ci_low: float
    ci_high: float
    n: int


def interval(
    values: Values, *, is_share: bool = False, is_difference: bool = False, by_seed: Values | None = None
) -> Interval:
    """Return the mean and its 95 % interval over images, Student's; those without a value (NaN) are left out.

    Parameters
    ----------
    values : ndarray, shape (n,)
    is_share : bool
        Values are 0 or 1, or differences of such: one image more for each end keeps the interval open where all images
        agree. Of other numbers it has no width there, which says that they agree, and not that others will.
    is_difference : bool
        They are differences, whose ends are -1 and 1.
    by_seed : ndarray, shape (seeds,), optional
        Means of each of the randomly initialised critics that values are means over: the interval is over these, too.

    Notes
    -----
    Of one image nothing can be known: NaN.
    """
    found = values[~np.isnan(values)]
    if len(found) < 2:
        return Interval(float(found.mean()) if len(found) else math.nan, math.nan, math.nan, len(found))
    extra = (-1.0, 1.0) if is_difference else (0.0, 0.0, 1.0, 1.0)
    others = [] if by_seed is None else [(by_seed, 0.0)]
    value, low, high = mean_over_margins(found, others, extra=extra if is_share else ())
    return Interval(value, low, high, len(found))
