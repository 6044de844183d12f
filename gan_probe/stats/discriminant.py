"""A linear discriminant for few images and many features, fast where features outnumber images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.covariance import ledoit_wolf_shrinkage

from gan_probe.types import Rows

SMALLEST = 1e-9  # spread within classes below which a feature counts as constant


class ShrinkageDiscriminant:
    """Linear discriminant analysis with the pooled covariance within classes, shrunk as Ledoit and Wolf advise.

    scikit-learn's `LinearDiscriminantAnalysis(shrinkage="auto")` is the same idea; it solves for as many unknowns as
    there are features (1,764 of HOG), this one for as many as there are images. Ridge regression, the usual linear
    probe, does not know how features vary within classes; what that costs, ``benchmarks/few_labels.py`` measures.

    References
    ----------
    Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of
    Multivariate Analysis 88; the solution in the span of the images is Woodbury's identity.
    """

    def fit(self, rows: Rows, labels: npt.NDArray[Any]) -> ShrinkageDiscriminant:
        """Learn from rows (n, d) and their labels (n,)."""
        self.classes_, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
        means = np.stack([rows[codes == k].mean(0) for k in range(len(counts))]).astype(np.float64)
        within = rows - means[codes]
        spread = within.std(0)
        moves = rows.std(0) > SMALLEST
        scale = np.where(spread > SMALLEST, spread, 1.0)[moves]
        within, means = within[:, moves] / scale, means[:, moves] / scale
        share = float(ledoit_wolf_shrinkage(within, assume_centered=True))
        _, singular, axes = np.linalg.svd(within, full_matrices=False)
        variance = singular**2 / len(rows)
        floor = max(share * float(variance.sum()) / max(1, len(scale)), SMALLEST)
        inside = (means @ axes.T) * (1 / ((1 - share) * variance + floor) - 1 / floor)
        weights = inside @ axes + means / floor
        self.offset_ = np.log(counts / counts.sum()) - 0.5 * (weights * means).sum(1)
        self.weights_ = np.zeros((len(counts), rows.shape[1]))
        self.weights_[:, moves] = weights / scale
        return self

    def predict(self, rows: Rows) -> npt.NDArray[Any]:
        """Return the class of each row."""
        return self.classes_[(rows @ self.weights_.T + self.offset_).argmax(1)]
