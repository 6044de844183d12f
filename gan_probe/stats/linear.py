"""Linear classifiers of few images with many features: a shrunken discriminant, ridge regression, the better one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve

from gan_probe.stats.splits import stratified_folds
from gan_probe.types import Labels, Rows, Values

SMALLEST = 1e-6  # share of the mean variance that is added at least, so that equations have one solution
WEIGHTS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # of the ridge penalty, in units of the mean variance of a direction
N_INNER = 3  # folds of the inner validation


@dataclass(frozen=True)
class LinearClassifier:
    """One linear function a class; the largest names it.

    Attributes
    ----------
    classes : ndarray, shape (k,)
    weights : ndarray, shape (k, d)
    offset : ndarray, shape (k,)
    """

    classes: Labels
    weights: Values
    offset: Values

    def predict(self, rows: Rows) -> npt.NDArray[Any]:
        """Return the class of each row."""
        return self.classes[(rows @ self.weights.T + self.offset).argmax(1)]


def fit_discriminant(rows: Rows, labels: Labels) -> LinearClassifier:
    """Return the linear discriminant with the pooled covariance within classes, shrunk as Ledoit and Wolf advise.

    scikit-learn's `LinearDiscriminantAnalysis(shrinkage="auto")` is the same idea; it solves for as many unknowns as
    there are features (1,764 of HOG), this one for as many as there are images where those are fewer.

    References
    ----------
    Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of
    Multivariate Analysis 88.
    """
    classes, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    means = np.stack([rows[codes == k].mean(0) for k in range(len(counts))]).astype(np.float64)
    within = rows - means[codes]
    scale = _scale(within)
    scale[np.ptp(rows, axis=0) == 0] = np.inf  # a constant feature says nothing
    within, means = within / scale, means / scale
    gram = _gram(within)
    share, mean = _ledoit_wolf(within, gram)
    floor = max(share, SMALLEST) * mean
    weights = _solve(within, gram, means, slope=(1 - share) / len(rows), floor=floor)
    offset = np.log(counts / counts.sum()) - 0.5 * (weights * means).sum(1)
    return LinearClassifier(classes, weights / scale, offset)


def fit_ridge(rows: Rows, labels: Labels, weights: Sequence[float] = WEIGHTS) -> list[LinearClassifier]:
    """Return one-against-all ridge regression of standardised features, a least-squares SVM, for each penalty weight.

    Parameters
    ----------
    rows : ndarray, shape (n, d)
    labels : ndarray, shape (n,)
    weights : sequence of float
        In units of the mean variance of a direction that rows move in: free of the number of images and of features.
    """
    classes, codes = np.unique(labels, return_inverse=True)
    centre = rows.mean(0, dtype=np.float64)
    centred = rows - centre
    scale = _scale(centred)
    scaled = centred / scale
    targets = 2.0 * np.eye(len(classes))[codes] - 1
    mean_target = targets.mean(0)
    gram, towards = _gram(scaled), (targets - mean_target).T @ scaled
    unit = float(np.trace(gram)) / min(scaled.shape) or 1.0
    found = []
    for weight in weights:
        solved = _solve(scaled, gram, towards, slope=1.0, floor=weight * unit) / scale
        found.append(LinearClassifier(classes, solved, mean_target - solved @ centre))
    return found


def fit_best(rows: Rows, labels: Labels) -> LinearClassifier:
    """Return the discriminant or ridge regression, whichever names more images right in three inner folds.

    So each representation gets the classifier that suits it: the discriminant knows what varies within classes, and a
    short embedding gains most by it; ridge regression, with its weight by the same folds, suits long descriptors. Of
    equals the discriminant is taken, then the smaller weight. With one image of a class nothing can be validated on,
    and it is the discriminant.
    """
    right = np.zeros(1 + len(WEIGHTS))
    for training, test in stratified_folds(labels, N_INNER):
        given = rows[training], labels[training]
        candidates = [fit_discriminant(*given), *fit_ridge(*given)]
        right += [(model.predict(rows[test]) == labels[test]).sum() for model in candidates]
    best = int(right.argmax())
    return fit_ridge(rows, labels, WEIGHTS[best - 1 : best])[0] if best else fit_discriminant(rows, labels)


def _scale(centred: Values) -> Values:
    """Return the standard deviation of each column, 1 where it is next to nothing beside the others."""
    spread = np.sqrt((centred**2).mean(0))
    return np.where(spread > SMALLEST * spread.max(initial=0), spread, 1.0)


def _gram(rows: Values) -> Values:
    """Return the smaller of the products of features, (d, d), and of images, (n, n)."""
    return rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows


def _ledoit_wolf(rows: Values, gram: Values) -> tuple[float, float]:
    """Return the weight of the identity in the covariance of centred rows, and the mean variance of a feature."""
    n, d = rows.shape
    square, length = (rows**2).sum(1), float((gram**2).sum()) / n**2
    mean = float(square.sum()) / (n * d)
    distance = length - d * mean**2  # of the covariance from the identity, squared
    noise = min(distance, (float((square**2).sum()) / n - length) / n)
    return (noise / distance if distance > 0 else 1.0), mean or 1.0


def _solve(rows: Values, gram: Values, right: Values, *, slope: float, floor: float) -> Values:
    """Return right @ inverse(slope * rows.T @ rows + floor * identity), (k, d); `_gram` says by which product.

    By that of images it is Woodbury's identity.
    """
    system = slope * gram
    system[np.diag_indices_from(system)] += floor
    factor = cho_factor(system, overwrite_a=True)
    if len(gram) == rows.shape[1]:
        return cho_solve(factor, right.T).T
    return (right - slope * cho_solve(factor, rows @ right.T).T @ rows) / floor
