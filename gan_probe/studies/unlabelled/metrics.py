"""The numbers of a table of scores without classes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class UnlabelledMetrics:
    """Scores as they are.

    Attributes
    ----------
    n_images : int
    mean, std : float
        Of the scores.
    n_unusual : int or None
        Images with a calibrated two-sided p-value of at most 0.05; None without held-out reals.
    """

    n_images: int
    mean: float
    std: float
    n_unusual: int | None = None
