"""What is left of scores when a linear map of other numbers is taken away."""

from __future__ import annotations

import numpy as np

from gan_probe.types import Mask, Scores, Values


def regressed_out(scores: Scores, regressors: Values, fit: Mask) -> Scores:
    """Return what is left of each run's scores when a linear map of image statistics, (k, images), is taken away."""
    design = np.vstack([np.ones(scores.shape[1]), regressors]).T
    weights = np.linalg.lstsq(design[fit], scores[:, fit].T, rcond=None)[0]
    return scores - (design @ weights).T


def linear_share(scores: Scores, regressors: Values) -> float:
    """Return the share of a run's variance that is linear in image statistics, (k, images); mean over runs."""
    left = regressed_out(scores.astype(np.float64), regressors, np.ones(scores.shape[1], dtype=bool))
    return float((1 - left.var(1) / scores.astype(np.float64).var(1)).mean())


def standardised(rows: Values) -> Values:
    """Return columns with mean 0 and variance 1; constant ones are dropped."""
    columns = np.asarray(rows, dtype=np.float64).reshape(len(rows), -1)
    spread = columns.std(0)
    return (columns[:, spread > 0] - columns[:, spread > 0].mean(0)) / spread[spread > 0]


def residuals(scores: Values, scalars: Values) -> Values:
    """Return what is left of scores (..., n) when a linear map of scalars (n, k) is taken away."""
    design = np.column_stack([np.ones(len(scalars)), scalars - scalars.mean(0)])
    design /= np.maximum(np.linalg.norm(design, axis=0), 1e-12)
    weights = np.linalg.lstsq(design, scores.T, rcond=None)[0]
    return scores - (design @ weights).T
