"""`CriticEmbedder`, `CriticScorer`, `CriticNovelty`: a thin scikit-learn face over `gan_probe.critics.critic`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassNamePrefixFeaturesOutMixin, OutlierMixin, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_is_fitted

from gan_probe.config import POOLING
from gan_probe.critics.features import POOLINGS, check_pooling
from gan_probe.errors import ConfigError, InputError
from gan_probe.estimators.base import CriticEstimator
from gan_probe.names import check_name
from gan_probe.stats.novelty import DETECTORS, MIN_REALS, SCORE, Detector, FittedDetector, View, fit_detector
from gan_probe.types import ImageShape, Rows

AUTO, BEST = "auto", "mahalanobis-quadrants"  # the best on development data: docs/outliers.md
MIN_AUTO = 40  # rows from which half of them fit a detector
SPLIT_SEED = 0
OF_IMAGES = tuple(row.name for row in DETECTORS.values() if row.kind == SCORE or row.kind in POOLINGS)


class CriticEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, CriticEstimator):
    """Turn images into a critic's features, for any scikit-learn pipeline.

    Parameters
    ----------
    critic : str, optional
        A run folder, critic folder or ensemble folder. None builds a *randomly initialised* critic for the input,
        seeded by ``random_state``: the control that a trained one must beat.
    layers : sequence of str, optional
        Some of the critic's layers; default all.
    pooling : str
        A row of `gan_probe.critics.features.POOLINGS`, such as "pyramid" or "mean"; "auto": what the network asks for.
    n_components : int, optional
        Reduce the features to so many principal components, fitted on the training rows.
    network : str
        Architecture of the randomly initialised critic.
    image_shape : tuple of int, optional
        Height, width, channels of the randomly initialised critic's images. Default: guessed from the rows.
    value_range : tuple of float
        What is black and what is white in the rows.
    batch_size : int
    device : str
        "auto", "cpu", "cuda" or "cuda:N".
    trust_code : bool
        Allow a critic from elsewhere to run the factory that builds it.
    random_state : int, RandomState or None
        Of the randomly initialised critic and of PCA.

    Attributes
    ----------
    n_features_in_ : int
    config_ : CriticConfig
        Of the critic.
    weights_ : dict of ndarray
        Its weights.
    layers_ : tuple of str
        Layers used.
    pca_ : PCA or None

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from synthetic import make_dataset
    >>> data = make_dataset("article-test", per_class=4)
    >>> X, y = data.images.reshape(40, -1), data.table["label"]
    >>> model = make_pipeline(CriticEmbedder(random_state=0), StandardScaler(), LogisticRegression())
    >>> float(model.fit(X, y).score(X, y))
    1.0
    """

    def __init__(
        self,
        critic: str | None = None,
        *,
        layers: Sequence[str] | None = None,
        pooling: str = POOLING,
        n_components: int | None = None,
        network: str = "compact",
        image_shape: ImageShape | None = None,
        value_range: tuple[float, float] = (0.0, 255.0),
        batch_size: int = 256,
        device: str = "cpu",
        trust_code: bool = False,
        random_state: Any = None,
    ) -> None:
        self.critic = critic
        self.layers = layers
        self.pooling = pooling
        self.n_components = n_components
        self.network = network
        self.image_shape = image_shape
        self.value_range = value_range
        self.batch_size = batch_size
        self.device = device
        self.trust_code = trust_code
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Load the critic and, with ``n_components``, fit the PCA. Labels are not used."""
        X = self._fit_critic(X)
        self.layers_ = self._chosen_layers(self.layers)
        check_pooling(self.pooling)
        self.pca_ = None
        probe = X if self.n_components is not None else X[:1]
        raw = self._forward(probe, self.layers_, self.pooling)
        if self.n_components is not None:
            if not 1 <= self.n_components <= min(raw.shape):
                raise ConfigError(
                    f"n_components must be from 1 to {min(raw.shape)} ({len(raw)} rows, {raw.shape[1]} features),"
                    f" got {self.n_components!r}."
                )
            self.pca_ = PCA(self.n_components, svd_solver="full").fit(raw)
        self._n_features_out = self.n_components or raw.shape[1]
        return self

    def transform(self, X: Any) -> Rows:
        """Return the features of each row, (n, n_features_out)."""
        check_is_fitted(self)
        X, _ = self._rows(X, reset=False)
        raw = self._forward(X, self.layers_, self.pooling)
        return raw if self.pca_ is None else self.pca_.transform(raw)


class CriticScorer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, CriticEstimator):
    """Turn images into one column: the critic_score, higher = more like the training data.

    Parameters
    ----------
    critic, network, image_shape, value_range, batch_size, device, trust_code, random_state
        See `CriticEmbedder`.

    Examples
    --------
    >>> from synthetic import make_dataset
    >>> images = make_dataset("article-test", per_class=1).images
    >>> CriticScorer(random_state=0).fit_transform(images).shape
    (10, 1)
    """

    def __init__(
        self,
        critic: str | None = None,
        *,
        network: str = "compact",
        image_shape: ImageShape | None = None,
        value_range: tuple[float, float] = (0.0, 255.0),
        batch_size: int = 256,
        device: str = "cpu",
        trust_code: bool = False,
        random_state: Any = None,
    ) -> None:
        self.critic = critic
        self.network = network
        self.image_shape = image_shape
        self.value_range = value_range
        self.batch_size = batch_size
        self.device = device
        self.trust_code = trust_code
        self.random_state = random_state

    _n_features_out = 1

    def fit(self, X: Any, y: Any = None) -> Self:
        """Load the critic. Labels are not used."""
        self._fit_critic(X)
        return self

    def transform(self, X: Any) -> Rows:
        """Return the critic_score of each row, (n, 1)."""
        check_is_fitted(self)
        return self._forward(self._rows(X, reset=False)[0])


class CriticNovelty(OutlierMixin, CriticEstimator):
    """Tell images that are unlike the training data, at a chosen rate of false alarms.

    The threshold is conformal: of the rows given to `fit` (real images that the critic was *not* trained on) at most
    the share ``false_alarm_rate`` lies below it, and so, on average, does a new real image. A detector that is fitted
    takes every second of these rows, in an order drawn once, and the threshold comes from the others.

    Parameters
    ----------
    detector : str
        A row of `gan_probe.stats.novelty.DETECTORS` that sees scores or layers, such as "score-low" or
        "nearest-quadrants". "auto": "mahalanobis-quadrants" where there are at least 40 rows and the critic shows
        layers, else "score-low". "relative-quadrants" needs the classes of the rows, as ``y``.
    critic, network, image_shape, value_range, batch_size, device, trust_code, random_state
        See `CriticEmbedder`.
    false_alarm_rate : float
        Between 0 and 0.5: the share of real images that may be called outliers.

    Attributes
    ----------
    detector_ : str
        That is used.
    n_calibration_ : int
        Rows that the threshold comes from.
    offset_ : float
        ``decision_function = score_samples - offset_``.
    guaranteed_rate_ : float
        What new real images may be called outliers at most, on average. Above ``false_alarm_rate`` when there are fewer
        than ``1 / false_alarm_rate - 1`` rows of calibration: then it is 1 / (n + 1), the least that n can promise.

    References
    ----------
    Vovk, Gammerman, Shafer 2005, "Algorithmic Learning in a Random World", chapter 2: with n calibration scores the
    k-th smallest, k = floor(rate * (n + 1)), is passed downwards by a new score with probability at most the rate.
    """

    def __init__(
        self,
        critic: str | None = None,
        *,
        detector: str = "auto",
        false_alarm_rate: float = 0.1,
        network: str = "compact",
        image_shape: ImageShape | None = None,
        value_range: tuple[float, float] = (0.0, 255.0),
        batch_size: int = 256,
        device: str = "cpu",
        trust_code: bool = False,
        random_state: Any = None,
    ) -> None:
        self.critic = critic
        self.detector = detector
        self.false_alarm_rate = false_alarm_rate
        self.network = network
        self.image_shape = image_shape
        self.value_range = value_range
        self.batch_size = batch_size
        self.device = device
        self.trust_code = trust_code
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Load the critic, fit the detector and set the threshold, from reals that the critic was not trained on.

        Raises
        ------
        ConfigError
            For an unknown detector, with the nearest, or a rate that is none.
        InputError
            When a detector of features has fewer than twenty rows, or the critic shows no layers.
        """
        check_name("detector", self.detector, [AUTO, *OF_IMAGES])
        if not 0 < self.false_alarm_rate <= 0.5:
            raise ConfigError(f"false_alarm_rate must be above 0 and at most 0.5, got {self.false_alarm_rate!r}.")
        X = self._fit_critic(X)
        self.fitted_: FittedDetector | None = None
        self.detector_ = self.detector
        if self.detector == AUTO:
            self.detector_ = BEST if len(X) >= MIN_AUTO and self.config_.layers else "score-low"
        if self.detector_ != "score-low":
            X = self._fit_detector(X, y)
        scores = np.sort(self._likeness(X))
        self.n_calibration_ = len(scores)
        rank = int(np.floor(self.false_alarm_rate * (len(scores) + 1)))
        rank = max(rank, 1)  # too few rows for the rate: call outliers only what scores below all of them
        self.offset_ = float(scores[rank - 1])
        self.guaranteed_rate_ = rank / (len(scores) + 1)
        return self

    def _fit_detector(self, X: Rows, y: Any) -> Rows:
        """Fit the detector on every second row, in an order drawn once; return the other rows."""
        if len(X) < 2 * MIN_REALS:
            raise InputError(
                f"the detector {self.detector_!r} takes {2 * MIN_REALS} rows at least, one half to be fitted on and one"
                f" for the threshold; got {len(X)} samples. Give more, or detector='score-low'."
            )
        detector = DETECTORS[self.detector_]
        if detector.kind in POOLINGS and not self.config_.layers:
            raise InputError(f"{self.config_.network} shows no layers; give detector='score-low' or 'score-two-sided'.")
        self.widths_ = [self._forward(X[:1], (name,), detector.kind).shape[1] for name in self._used_layers(detector)]
        order = np.random.default_rng(SPLIT_SEED).permutation(len(X))
        fitting = order[::2]
        self.fitted_ = fit_detector(detector, self._views(X[fitting]), None if y is None else np.asarray(y)[fitting])
        return X[order[1::2]]

    def _used_layers(self, detector: Detector) -> tuple[str, ...]:
        return self.config_.layers if detector.kind in POOLINGS else ()

    def _views(self, X: Rows) -> dict[View, Rows]:
        """Return what the detector sees of rows."""
        detector = DETECTORS[self.detector_]
        layers = self._used_layers(detector)
        rows = self._forward(X, layers, detector.kind if layers else "mean")
        if not layers:
            return {(detector.kind, ""): rows}
        parts = np.split(rows, np.cumsum(self.widths_)[:-1], axis=1)
        return {(detector.kind, name): part for name, part in zip(layers, parts, strict=True)}

    def _likeness(self, X: Rows) -> Rows:
        """Return the critic_score of rows, or how like reals they are by the detector; higher = more normal, (n,)."""
        if self.fitted_ is None:
            return self._forward(X).ravel()
        return -self.fitted_.unlike(self._views(X))

    def score_samples(self, X: Any) -> Rows:
        """Return how normal each row is, (n,): the critic_score, or minus how unlike reals the detector finds it."""
        check_is_fitted(self)
        return self._likeness(self._rows(X, reset=False)[0])

    def decision_function(self, X: Any) -> Rows:
        """Return the score above the threshold, (n,): negative = outlier."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> npt.NDArray[np.intp]:
        """Return +1 for images like the training data and -1 for outliers, (n,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)
