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
from gan_probe.critics.features import POOLINGS
from gan_probe.errors import ConfigError
from gan_probe.estimators.base import CriticEstimator
from gan_probe.names import check_name
from gan_probe.types import ImageShape, Rows


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
        "mean", "std", "max" or "grid4": see `gan_probe.critics.features`.
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
        check_name("pooling", self.pooling, POOLINGS)
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
    the share ``false_alarm_rate`` scores below it, and so, on average, does a new real image.

    Parameters
    ----------
    critic, network, image_shape, value_range, batch_size, device, trust_code, random_state
        See `CriticEmbedder`.
    false_alarm_rate : float
        Between 0 and 0.5: the share of real images that may be called outliers.

    Attributes
    ----------
    offset_ : float
        ``decision_function = score_samples - offset_``.
    guaranteed_rate_ : float
        What new real images may be called outliers at most, on average. Above ``false_alarm_rate`` when there are fewer
        than ``1 / false_alarm_rate - 1`` rows: then it is 1 / (n + 1), the least that n rows can promise.

    References
    ----------
    Vovk, Gammerman, Shafer 2005, "Algorithmic Learning in a Random World", chapter 2: with n calibration scores the
    k-th smallest, k = floor(rate * (n + 1)), is passed downwards by a new score with probability at most the rate.
    """

    def __init__(
        self,
        critic: str | None = None,
        *,
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
        self.false_alarm_rate = false_alarm_rate
        self.network = network
        self.image_shape = image_shape
        self.value_range = value_range
        self.batch_size = batch_size
        self.device = device
        self.trust_code = trust_code
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Load the critic and set the threshold from real images that it was not trained on."""
        if not 0 < self.false_alarm_rate <= 0.5:
            raise ConfigError(f"false_alarm_rate must be above 0 and at most 0.5, got {self.false_alarm_rate!r}.")
        scores = np.sort(self._forward(self._fit_critic(X)).ravel())
        rank = int(np.floor(self.false_alarm_rate * (len(scores) + 1)))
        rank = max(rank, 1)  # too few rows for the rate: call outliers only what scores below all of them
        self.offset_ = float(scores[rank - 1])
        self.guaranteed_rate_ = rank / (len(scores) + 1)
        return self

    def score_samples(self, X: Any) -> Rows:
        """Return the critic_score of each row, (n,): higher = more normal."""
        check_is_fitted(self)
        return self._forward(self._rows(X, reset=False)[0]).ravel()

    def decision_function(self, X: Any) -> Rows:
        """Return the score above the threshold, (n,): negative = outlier."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> npt.NDArray[np.intp]:
        """Return +1 for images like the training data and -1 for outliers, (n,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)
