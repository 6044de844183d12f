"""How unlike reals images are: detectors as rows, each fitted on reals alone. Higher = more unlike.

A detector sees images as *views*: arrays (n, d) by kind and name, such as ("quadrants", "blocks.0") or ("score", "").
Its method is fitted on each view of its kind, and several views become one number by their calibrated p-values.

To add a method: one function and one row in ``METHODS``. To add a detector: one row in ``DETECTORS``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy.linalg import eigh
from sklearn.neighbors import NearestNeighbors

from gan_probe.errors import InputError
from gan_probe.stats.conformal import DIRECTIONS
from gan_probe.types import AnyLabels, Codes, Indices, Rows, Values

View = tuple[str, str]  # kind and name
Views = Mapping[View, Rows]
Unlike = Callable[[Rows], Values]  # (n, d) to (n,)

SCORE, UNCERTAIN, SLOPE, ROWS = "score", "uncertainty", "slope", "rows"  # kinds that are no poolings
N_NEIGHBOURS = 5
MIN_REALS = 10  # that a detector is fitted on
FLOOR = 0.01  # of the mean variance, added to that of each column: one that reals hardly vary in must not outweigh all
N_FOLDS = 5
TAIL = 0.1  # share of the reals beyond which p-values fall exponentially
CHUNK = 4096  # rows that are projected at a time
TINY = 1e-12


# --- methods -------------------------------------------------------------------------------------------------------


def by_value(reals: Rows, labels: AnyLabels | None) -> Unlike:
    """Return the number itself: one that is large where images are unlike, such as the spread of an ensemble."""
    return partial(_in_direction, direction="", reference=reals[:, 0])


def low_score(reals: Rows, labels: AnyLabels | None) -> Unlike:
    """Return the negative score: what a critic_score promises."""
    return partial(_in_direction, direction="low", reference=reals[:, 0])


def unusual_score(reals: Rows, labels: AnyLabels | None) -> Unlike:
    """Return the distance of a score from the median of the reals."""
    return partial(_in_direction, direction="two-sided", reference=reals[:, 0])


def _in_direction(rows: Rows, *, direction: str, reference: Values) -> Values:
    values = rows[:, 0].astype(np.float64)
    return DIRECTIONS[direction](values, reference) if direction else values


def nearest_reals(reals: Rows, labels: AnyLabels | None) -> Unlike:
    """Return the mean distance to the five nearest reals, in standardised columns.

    References
    ----------
    Ramaswamy, Rastogi, Shim 2000, "Efficient algorithms for mining outliers from large data sets"; with features of
    networks Sun, Ming, Zhu, Li 2022, "Out-of-distribution detection with deep nearest neighbors". Deviation: the mean
    of the distances in place of the largest, and columns standardised in place of rows of length 1.
    """
    scale = Scale.of(reals)
    index = NearestNeighbors(n_neighbors=min(N_NEIGHBOURS, len(reals)), algorithm="brute").fit(scale(reals))
    return partial(_mean_distance, scale=scale, index=index)


def _mean_distance(rows: Rows, *, scale: Scale, index: NearestNeighbors) -> Values:
    return index.kneighbors(scale(rows))[0].mean(1).astype(np.float64) if len(rows) else np.empty(0)


def mahalanobis(reals: Rows, labels: AnyLabels | None) -> Unlike:
    """Return the Mahalanobis distance from the mean of the reals, their covariance shrunken.

    References
    ----------
    Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices"; with features of
    networks Lee, Lee, Lee, Shin 2018, "A simple unified framework for detecting out-of-distribution samples".
    """
    squared = Ellipsoids.of(reals, np.zeros(len(reals), dtype=np.intp))
    return partial(_root, squared=squared)


def _root(rows: Rows, *, squared: Ellipsoids) -> Values:
    return np.sqrt(squared(rows))


def relative_mahalanobis(reals: Rows, labels: AnyLabels | None) -> Unlike:
    """Return the squared Mahalanobis distance from the nearest class of reals, minus that from all of them.

    Raises
    ------
    InputError
        Without labels of at least two classes.

    References
    ----------
    Ren, Fort, Liu, Roy, Padhy, Lakshminarayanan 2021, "A simple fix to Mahalanobis distance", equation 3.
    """
    codes = pd.factorize(np.asarray(labels, dtype=object))[0] if labels is not None else np.zeros(1, dtype=np.intp)
    if codes.max() < 1:
        raise InputError("the relative Mahalanobis distance needs reals of at least two classes, with their labels.")
    near, far = Ellipsoids.of(reals, codes), Ellipsoids.of(reals, np.zeros(len(reals), dtype=np.intp))
    return partial(_relative, near=near, far=far)


def _relative(rows: Rows, *, near: Ellipsoids, far: Ellipsoids) -> Values:
    return near(rows) - far(rows)


METHODS: dict[str, Callable[[Rows, AnyLabels | None], Unlike]] = {
    "value": by_value,
    "low": low_score,
    "two-sided": unusual_score,
    "nearest": nearest_reals,
    "mahalanobis": mahalanobis,
    "relative": relative_mahalanobis,
}


@dataclass(frozen=True)
class Scale:
    """Gives columns mean 0 and standard deviation 1 on reals; small variances are raised by `FLOOR`.

    Columns of one view share a unit, so a variance is small when it is small beside the others.
    """

    shift: Values
    width: Values

    @classmethod
    def of(cls, reals: Rows) -> Scale:
        """Return the scale of some reals.

        Raises
        ------
        InputError
            Where no column varies.
        """
        mean, variance = reals.mean(0, dtype=np.float64), reals.var(0, dtype=np.float64)
        width = np.sqrt(variance + FLOOR * variance.mean())
        if not width.min() > TINY * max(1.0, float(np.abs(mean).max())):
            raise InputError("these features are the same in every real image, so nothing can be called unlike them.")
        return cls(mean, width)

    def __call__(self, rows: Rows) -> Rows:
        """Return rows (n, d) in units of the reals; float32 stays float32."""
        kind = np.result_type(rows.dtype, np.float32)
        return (rows - self.shift.astype(kind)) / self.width.astype(kind)


def shrunken_axes(centred: Values) -> tuple[Values, Values, float]:
    """Return the axes (r, d) of a covariance, their variances (r,), and the variance of every other direction.

    The covariance is that of Ledoit and Wolf, (1 - s) S + s m I, of rows with mean 0. It is never written out, so that
    more columns than rows cost no more than the rows.
    """
    n, d = centred.shape
    is_wide = d > n
    gram = (centred @ centred.T if is_wide else centred.T @ centred) / n
    values, vectors = eigh(gram)
    kept = values > values[-1] * 1e-10
    values, vectors = values[kept], vectors[:, kept]
    axes = (centred.T @ vectors / np.sqrt(n * values)).T if is_wide else vectors.T
    mean = values.sum() / d
    spread = (values**2).sum() / d - mean**2  # their delta^2 and, next, beta^2
    noise = max(0.0, float(((centred**2).sum(1) ** 2).mean() - (values**2).sum()) / (n * d))
    share = min(1.0, noise / spread) if spread > 0 else 1.0
    share = max(share, 1e-6)  # every direction needs a variance
    return axes, (1 - share) * values + share * mean, share * mean


@dataclass(frozen=True, kw_only=True)
class Ellipsoids:
    """The squared Mahalanobis distance from the nearest class; one covariance, within classes, shrunken.

    Attributes
    ----------
    scale : Scale
    means : ndarray, shape (classes, d)
    axes, variances, other
        See `shrunken_axes`.
    """

    scale: Scale
    means: Values
    axes: Values
    variances: Values
    other: float

    @classmethod
    def of(cls, reals: Rows, codes: Codes) -> Ellipsoids:
        """Return the classes of some reals; ``codes`` are their numbers, from 0."""
        scale = Scale.of(reals)
        scaled = scale(reals).astype(np.float64)
        means = np.stack([scaled[codes == code].mean(0) for code in range(int(codes.max()) + 1)])
        axes, variances, other = shrunken_axes(scaled - means[codes])
        return cls(scale=scale, means=means, axes=axes, variances=variances, other=other)

    def __call__(self, rows: Rows) -> Values:
        """Return squared distances (n,) of rows (n, d)."""
        found = [self._squares(rows[start : start + CHUNK]) for start in range(0, len(rows), CHUNK)]
        return np.concatenate(found) if found else np.empty(0)

    def _squares(self, rows: Rows) -> Values:
        scaled, found = self.scale(rows).astype(np.float64), []
        for mean in self.means:
            away = scaled - mean
            along = away @ self.axes.T  # (n, r)
            rest = np.maximum((away**2).sum(1) - (along**2).sum(1), 0)
            found.append((along**2 / self.variances).sum(1) + rest / self.other)
        return np.min(found, axis=0)


# --- from numbers to p-values --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Surprise:
    """How surprising a number is among those of reals: -ln of the share of reals that are more unlike.

    Attributes
    ----------
    usual : ndarray, shape (n,)
        Of reals that the detector was not fitted on, sorted.
    start, excess : float
        Beyond ``start`` (the 90 % quantile) the share falls exponentially, with the mean excess of the reals there.

    References
    ----------
    Davison and Smith 1990, "Models for exceedances over high thresholds", with the exponential tail in place of the
    generalised Pareto.
    """

    usual: Values
    start: float
    excess: float

    @classmethod
    def of(cls, usual: Values) -> Surprise:
        """Return what reals say of later numbers."""
        ordered = np.sort(usual)
        start = float(np.quantile(ordered, 1 - TAIL))
        beyond = ordered[ordered > start]
        width = float((beyond - start).mean()) if len(beyond) else 0.0
        return cls(ordered, start, max(width, TINY * max(1.0, abs(start))))

    def __call__(self, unlike: Values) -> Values:
        """Return -ln p of each number."""
        n = len(self.usual)
        share = np.interp(unlike, self.usual, 1 - (np.arange(n) + 0.5) / n)
        bulk = -np.log(np.clip(share, TAIL, 1))
        return np.where(unlike > self.start, -math.log(TAIL) + (unlike - self.start) / self.excess, bulk)


@dataclass(frozen=True, kw_only=True)
class Detector:
    """One way to say how unlike reals an image is.

    Attributes
    ----------
    name, title : str
        In records and options; on pages.
    method : str
        A row of `METHODS`.
    kind : str
        Of the views that it sees: `SCORE`, `UNCERTAIN`, `SLOPE`, `ROWS` or a pooling of a critic's layers.
    """

    name: str
    title: str
    method: str
    kind: str


def _of(method: str, kind: str, title: str, *, name: str = "") -> Detector:
    return Detector(name=name or f"{method}-{kind}", title=title, method=method, kind=kind)


# One row a detector, simple ones first. "rows" is whatever has no layers: pixels, HOG, a table of features.
DETECTORS: dict[str, Detector] = {
    row.name: row
    for row in (
        _of("low", SCORE, "low score", name="score-low"),
        _of("two-sided", SCORE, "unusual score, either side", name="score-two-sided"),
        _of("value", UNCERTAIN, "members disagree", name="uncertainty"),
        _of("two-sided", SLOPE, "unusual slope of the score", name="slope"),
        _of("nearest", "mean", "nearest reals (means)"),
        _of("nearest", "quadrants", "nearest reals (quadrants)"),
        _of("mahalanobis", "mean", "Mahalanobis (means)"),
        _of("mahalanobis", "quadrants", "Mahalanobis (quadrants)"),
        _of("relative", "quadrants", "relative Mahalanobis (quadrants)"),
        _of("nearest", ROWS, "nearest reals"),
        _of("mahalanobis", ROWS, "Mahalanobis"),
    )
}
SCORE_ONLY = ("score-low", "score-two-sided", "uncertainty")  # what needs no layers
COMBINED = "combination"


@dataclass(frozen=True, kw_only=True)
class FittedDetector:
    """A detector, fitted on reals.

    Attributes
    ----------
    detector : Detector
    views : tuple of View
        What it sees, in order.
    parts : tuple of Unlike
        The method, fitted on each view.
    surprises : tuple of Surprise
        Of each view.
    whole : Surprise
        Of all views together.
    """

    detector: Detector
    views: tuple[View, ...]
    parts: tuple[Unlike, ...]
    surprises: tuple[Surprise, ...]
    whole: Surprise

    def by_view(self, views: Views) -> Values:
        """Return how surprising each view of each image is, (views, n), in units of -ln p."""
        found = zip(self.views, self.parts, self.surprises, strict=True)
        return np.stack([surprise(part(views[view])) for view, part, surprise in found])

    def unlike(self, views: Views) -> Values:
        """Return how unlike reals each image is, (n,): of one view the method's number, of several Fisher's sum.

        References
        ----------
        Fisher 1932, "Statistical Methods for Research Workers", section 21.1: the sum of -ln p. Views are not
        independent, so its chi-squared law is not used; conformal p-values calibrate the sum.
        """
        if len(self.views) == 1:
            return self.parts[0](views[self.views[0]])
        return self.by_view(views).sum(0)

    def surprise(self, views: Views) -> Values:
        """Return how surprising each image is, (n,), in units of -ln p: comparable between detectors."""
        return self.whole(self.unlike(views))


def fit_detector(detector: Detector, reals: Views, labels: AnyLabels | None = None) -> FittedDetector:
    """Return a detector fitted on reals; views that are the same in every real are left out.

    Parameters
    ----------
    detector : Detector
    reals : mapping of View to Rows
    labels : sequence of str, optional
        Classes of the reals, which "relative" needs.

    Raises
    ------
    InputError
        For fewer than ten reals, values that are not finite, no view of its kind, or views none of which varies.

    Notes
    -----
    p-values of a view come from reals in five folds, each by the method fitted on the other four.
    """
    chosen = {view: rows for view, rows in reals.items() if view[0] == detector.kind}
    if not chosen:
        raise InputError(f"the detector {detector.name!r} needs {detector.kind!r} of each image, and there is none.")
    n = len(next(iter(chosen.values())))
    if n < MIN_REALS:
        raise InputError(f"a detector needs at least {MIN_REALS} reals to be fitted on, got {n}. Give more reals.")
    method, folds = METHODS[detector.method], np.arange(n) % N_FOLDS
    parts: dict[View, Unlike] = {}
    usual: list[Values] = []
    for view, rows in chosen.items():
        check_rows(rows)
        if not np.ptp(rows, axis=0).any():
            continue
        parts[view] = method(rows, labels)
        usual.append(_out_of_fold(method, rows, labels, folds=folds))
    if not parts:
        raise InputError(
            f"the detector {detector.name!r} sees the same features in every real image, so nothing can be called"
            " unlike them. Are all real images equal, or is the critic constant?"
        )
    surprises = tuple(Surprise.of(values) for values in usual)
    if len(parts) == 1:
        whole = surprises[0]
    else:
        whole = Surprise.of(sum(s(values) for s, values in zip(surprises, usual, strict=True)))  # type: ignore[arg-type]
    return FittedDetector(
        detector=detector, views=tuple(parts), parts=tuple(parts.values()), surprises=surprises, whole=whole
    )


def check_rows(rows: Rows) -> None:
    """Raise `InputError` where features are not finite."""
    n_bad = int((~np.isfinite(rows).all(axis=1)).sum())
    if n_bad:
        raise InputError(
            f"the features of {n_bad} of {len(rows)} images are not finite numbers: the critic's training diverged, or"
            " the rows have gaps."
        )


def _out_of_fold(
    method: Callable[[Rows, AnyLabels | None], Unlike], rows: Rows, labels: AnyLabels | None, *, folds: Indices
) -> Values:
    """Return how unlike the others each real is, (n,), by the method fitted without its fold."""
    names = None if labels is None else np.asarray(labels)
    found = np.empty(len(rows))
    for fold in range(N_FOLDS):
        is_out = folds == fold
        rest = None if names is None else names[~is_out]
        found[is_out] = method(rows[~is_out], rest)(rows[is_out])
    return found


def unlike_together(fitted: Sequence[FittedDetector], views: Views) -> Values:
    """Return how unlike reals each image is by several detectors together, (n,): Fisher's sum, or that of one alone."""
    if len(fitted) == 1:
        return fitted[0].unlike(views)
    return np.sum([one.surprise(views) for one in fitted], axis=0)
