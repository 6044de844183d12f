"""The numbers that ``gan-probe outliers`` prints and gates read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class OutlierMetrics:
    """How many images are called outliers.

    Attributes
    ----------
    n_images, n_outliers : int
    share : float
        Of the images that are called outliers, 0 to 1.
    n_reference : int
        Held-out reals that p-values compare with.
    direction : str
    fdr : float
        Bound on the share of false calls.
    classes : list of dict
        Every unseen class: AUROC, interval, share called.
    share_of_seen : float or None
        Of images of seen classes that are called outliers; None where none is known.
    """

    n_images: int
    n_outliers: int
    share: float
    n_reference: int
    direction: str
    fdr: float
    classes: list[dict[str, Any]]
    share_of_seen: float | None = None
