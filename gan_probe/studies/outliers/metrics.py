"""The numbers that ``gan-probe outliers`` prints and gates read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gan_probe.studies.levels import VerdictMetrics


@dataclass(frozen=True, kw_only=True)
class OutlierMetrics(VerdictMetrics):
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
    auroc : float or None
        Of all unseen images against seen ones; None where that is not known.
    over_score, over_best_control : float or None
        How far it is above that of the low score alone, and of the best control.
    """

    n_images: int
    n_outliers: int
    share: float
    n_reference: int
    direction: str
    fdr: float
    classes: list[dict[str, Any]]
    share_of_seen: float | None = None
    auroc: float | None = None
    over_score: float | None = None
    over_best_control: float | None = None
