"""`CriticEmbedder`, `CriticScorer`, `CriticNovelty`: a thin scikit-learn face over `gan_probe.critic`.

Constructor parameters are paths, names and numbers. Fitted estimators hold weights as a dict of arrays, so they pickle
and hash like any other; the network itself is built when it is needed and kept in this process.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, OutlierMixin, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from gan_probe.critic import Critic, CriticConfig, rebuild
from gan_probe.data.tensors import rows_to_network
from gan_probe.device import resolve_device
from gan_probe.errors import ConfigError, InputError
from gan_probe.features import POOLINGS, features
from gan_probe.naming import check_name
from gan_probe.networks import NETWORKS, ImageShape

Rows = npt.NDArray[Any]

_MODULES: dict[tuple[str, torch.dtype, str], torch.nn.Module] = {}  # networks of this process, by weights, type, device
_MAX_MODULES = 8


def guess_image_shape(n_features: int, network: str) -> ImageShape:
    """Return the image that a row of pixels is: square, grey or RGB, of a size that the network takes.

    Rows of another length are taken as the beginning of the smallest grey image that holds them.

    Raises
    ------
    InputError
        When no image of the network is large enough.
    """
    sides = NETWORKS[network].sides_px
    for channels in (1, 3):
        for side in sides:
            if side * side * channels == n_features:
                return side, side, channels
    for side in sides:
        if side * side >= n_features:
            return side, side, 1
    raise InputError(f"rows of {n_features} values are longer than the largest image of network {network!r}.")


class _CriticEstimator(BaseEstimator):
    """What the three share: finding the critic, checking rows, passing them through the network."""

    critic: str | None
    network: str
    image_shape: ImageShape | None
    value_range: tuple[float, float]
    batch_size: Any
    device: str
    trust_code: bool
    random_state: Any

    def _fit_critic(self, X: Any) -> Rows:
        """Check ``X``, load or build the critic, and return the rows."""
        if not isinstance(self.batch_size, Integral) or self.batch_size < 1:
            raise ConfigError(f"batch_size must be an integer of at least 1, got {self.batch_size!r}.")
        low, high = self.value_range
        if not low < high:
            raise ConfigError(f"value_range must be (black, white) with black < white, got {self.value_range!r}.")
        X, shape = self._rows(X, reset=True)
        if self.critic is not None:
            critic = Critic.load(self.critic, "cpu", trust_code=self.trust_code)
        else:
            check_name("network", self.network, NETWORKS)
            seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
            chosen = self.image_shape or shape or guess_image_shape(X.shape[1], self.network)
            height, width, channels = chosen
            critic = Critic.untrained(self.network, (height, width, channels), seed=seed)
        self.config_: CriticConfig = critic.config
        self.critic_hash_: str = critic.hash
        self.weights_: dict[str, Rows] = {k: v.numpy().copy() for k, v in critic.module.state_dict().items()}
        n_pixels = int(np.prod(critic.config.image_shape))
        if X.shape[1] > n_pixels or (X.shape[1] < n_pixels and (self.critic is not None or self.image_shape)):
            wanted = "x".join(map(str, critic.config.image_shape))
            raise InputError(f"this critic takes rows of {n_pixels} values ({wanted} pixels), got {X.shape[1]}.")
        return X

    def _rows(self, X: Any, *, reset: bool) -> tuple[Rows, ImageShape | None]:
        """Return ``X`` as checked rows, and the image shape where ``X`` came as images."""
        shape: ImageShape | None = None
        if isinstance(X, np.ndarray) and X.ndim > 2:
            height, width, channels = (*X.shape[1:], 1)[:3]
            shape = (height, width, channels)
            X = X.reshape(len(X), -1)
        return validate_data(self, X, dtype=(np.float64, np.float32, np.uint8), reset=reset), shape

    def _module(self, dtype: torch.dtype) -> torch.nn.Module:
        """Return the network with the fitted weights, from this process's cache where it is there."""
        device = str(resolve_device(self.device))
        key = (self.critic_hash_, dtype, device)
        if key not in _MODULES:
            module = rebuild(self.config_)
            module.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in self.weights_.items()})
            while len(_MODULES) >= _MAX_MODULES:
                _MODULES.pop(next(iter(_MODULES)))
            _MODULES[key] = module.to(device, dtype).eval().requires_grad_(False)
        return _MODULES[key]

    def _forward(self, X: Rows, layers: Sequence[str] = (), pooling: str = "mean") -> Rows:
        """Return scores (n, 1), or the features of ``layers`` (n, d), in the type of ``X`` (float32 for uint8)."""
        results = []
        with torch.inference_mode():
            for start in range(0, len(X), self.batch_size):
                batch = rows_to_network(X[start : start + self.batch_size], self.config_.image_shape, self.value_range)
                module = self._module(batch.dtype)
                batch = batch.to(resolve_device(self.device))
                out = features(module, batch, layers, pooling) if layers else module(batch).unsqueeze(1)
                results.append(out.cpu().numpy())
        return np.concatenate(results)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        if hasattr(tags, "transformer_tags") and tags.transformer_tags is not None:
            tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class CriticEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, _CriticEstimator):
    """Turn images into a critic's features, for any scikit-learn pipeline.

    Parameters
    ----------
    critic : str, optional
        A run folder or critic folder. None builds an *untrained* critic for the input, seeded by ``random_state``: the
        control that a trained one must beat.
    layers : sequence of str, optional
        Some of the critic's layers; default all.
    pooling : str
        "mean", "std", "max" or "grid4": see `gan_probe.features`.
    n_components : int, optional
        Reduce the features to so many principal components, fitted on the training rows.
    network : str
        Architecture of the untrained critic.
    image_shape : tuple of int, optional
        Height, width, channels of the untrained critic's images. Default: guessed from the rows.
    value_range : tuple of float
        What is black and what is white in the rows.
    batch_size : int
    device : str
        "auto", "cpu", "cuda" or "cuda:N".
    trust_code : bool
        Allow a critic from elsewhere to run the factory that builds it.
    random_state : int, RandomState or None
        Of the untrained critic and of PCA.

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
        pooling: str = "mean",
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
        self.layers_ = self.config_.layers if self.layers is None else tuple(self.layers)
        for name in self.layers_:
            check_name("layer", name, self.config_.layers)
        if not self.layers_:
            raise ConfigError("layers is empty; name at least one, or leave it None for all.")
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


class CriticScorer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, _CriticEstimator):
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


class CriticNovelty(OutlierMixin, _CriticEstimator):
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
