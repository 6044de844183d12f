"""What the estimators share: finding the critic, checking rows, passing them through the network.

Constructor parameters are paths, names and numbers. Fitted estimators hold weights as a dict of arrays, so they pickle
and hash like any other; the network itself is built when it is needed and kept in this process.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from math import isqrt
from numbers import Integral
from threading import RLock
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import validate_data

from gan_probe.config import POOLING
from gan_probe.critics.boundary import foreign_code
from gan_probe.critics.critic import Critic, rebuild
from gan_probe.critics.features import features
from gan_probe.critics.identity import CriticConfig
from gan_probe.critics.loading import digest_folder
from gan_probe.device import resolve_device
from gan_probe.errors import ConfigError, InputError
from gan_probe.estimators.arrays import as_array, check_shape, guess_shape, range_problem
from gan_probe.images.pixels import rows_to_network
from gan_probe.names import check_name
from gan_probe.networks import NETWORKS
from gan_probe.types import ImageShape, Rows
from gan_probe.version import VERSION

_MODULES: dict[tuple[str, torch.dtype, str], torch.nn.Module] = {}  # networks of this process, by weights, type, device
_MAX_MODULES = 8
PASSING = RLock()  # threads share networks, and what one catches of its layers is not to be another's
MIN_SIDE_PX = 8  # of images; fewer values are a table of numbers
FOLDER = "_gan_probe_folder"  # in pickles and hashes only


def guess_image_shape(n_features: int, network: str) -> ImageShape:
    """Return the image that a row of pixels is: square, grey or RGB, of a size that the network takes.

    Rows of another length are taken as the beginning of the smallest grey image that holds them.

    Raises
    ------
    InputError
        When no image of the network is large enough, and for rows that are square images of another size: taken as the
        beginning of a larger one, each of their lines would stand shifted against the next.
    """
    sides = NETWORKS[network].sides_px
    for channels in (1, 3):
        for side in sides:
            if side * side * channels == n_features:
                return side, side, channels
        side = isqrt(n_features // channels)
        if side * side * channels == n_features and side >= MIN_SIDE_PX:
            others = [name for name, other in NETWORKS.items() if side in other.sides_px]
            takes = f", or choose network={others[0]!r}" if others else ""
            raise InputError(
                f"rows of {n_features} values are images of {side}x{side}x{channels}, and network {network!r} takes"
                f" squares of {', '.join(map(str, sides))} pixels. Resize with ImageLoader(size_px=...){takes}."
            )
    for side in sides:
        if side * side >= n_features:
            return side, side, 1
    raise InputError(f"rows of {n_features} values are longer than the largest image of network {network!r}.")


class CriticEstimator(BaseEstimator):
    """The part of every estimator that has to do with a critic."""

    critic: str | None
    network: str
    image_shape: ImageShape | None
    value_range: tuple[float, float]
    batch_size: Any
    device: str
    trust_code: bool
    random_state: Any

    def _fit_critic(self, X: Any, y: Any = None) -> Rows:
        """Check ``X`` (and ``y``, where there is one), load or build the critic, and return the rows."""
        if not isinstance(self.batch_size, Integral) or self.batch_size < 1:
            raise ConfigError(f"batch_size must be an integer of at least 1, got {self.batch_size!r}.")
        low, high = self.value_range
        if not low < high:
            raise ConfigError(f"value_range must be (black, white) with black < white, got {self.value_range!r}.")
        X, dims = self._rows(X, reset=True)
        if y is not None:
            check_consistent_length(X, y)
        if self.critic is not None:
            critic = Critic.load(self.critic, "cpu", trust_code=self.trust_code)
        else:
            check_name("network", self.network, NETWORKS)
            seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
            shape = guess_shape(dims) if dims and not self.image_shape else None
            chosen = self.image_shape or shape or guess_image_shape(X.shape[1], self.network)
            height, width, channels = chosen
            critic = Critic.from_network(self.network, (height, width, channels), seed=seed)
        self.config_: CriticConfig = critic.config
        self.critic_hash_: str = critic.hash
        self.weights_: dict[str, Rows] = {k: v.numpy().copy() for k, v in critic.module.state_dict().items()}
        if dims:
            check_shape(dims, critic.config.image_shape)
        n_pixels = int(np.prod(critic.config.image_shape))
        if X.shape[1] > n_pixels or (X.shape[1] < n_pixels and (self.critic is not None or self.image_shape)):
            wanted = "x".join(map(str, critic.config.image_shape))
            raise InputError(f"this critic takes rows of {n_pixels} values ({wanted} pixels), got {X.shape[1]}.")
        self.range_problem_ = ""
        self.range_problem_ = self._warn_of_range(X)
        return X

    def _warn_of_range(self, X: Rows) -> str:
        """Return what looks wrong about where values lie, and warn of it where `fit` did not already.

        Rows that are no whole image (`guess_image_shape`) are no pixels, and have no range.
        """
        if X.shape[1] != np.prod(self.config_.image_shape):
            return ""
        problem = range_problem(X, self.value_range)
        if problem and not self.range_problem_:
            warnings.warn(problem, UserWarning, stacklevel=4)
        return problem

    def _rows(self, X: Any, *, reset: bool) -> tuple[Rows, tuple[int, ...]]:
        """Return ``X`` as checked rows, and the shape of an image where ``X`` came as images; else ()."""
        X = as_array(X)
        dims: tuple[int, ...] = X.shape[1:] if getattr(X, "ndim", 0) > 2 else ()
        if dims and not reset:
            check_shape(dims, self.config_.image_shape)
        rows = validate_data(
            self, X.reshape(len(X), -1) if dims else X, dtype=(np.float64, np.float32, np.uint8), reset=reset
        )
        if not reset:
            self._warn_of_range(rows)
        return rows, dims

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with what lies in the critic's folder now: so a cache sees a critic that was replaced."""
        held = digest_folder(self.critic) if isinstance(self.critic, str | os.PathLike) else ""
        return {**super().__getstate__(), FOLDER: f"{VERSION} {held}"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a state."""
        super().__setstate__({name: value for name, value in state.items() if name != FOLDER})

    def _chosen_layers(self, layers: Sequence[str] | None) -> tuple[str, ...]:
        """Return the layers named, or all of the critic's.

        Raises
        ------
        ConfigError
            For an unknown layer, with the nearest, or for none.
        """
        chosen = self.config_.layers if layers is None else tuple(layers)
        for name in chosen:
            check_name("layer", name, self.config_.layers)
        if not chosen:
            raise ConfigError("layers is empty; name at least one, or leave it None for all.")
        return chosen

    def _module(self, dtype: torch.dtype) -> torch.nn.Module:
        """Return the network with the fitted weights, from this process's cache where it is there."""
        device = str(resolve_device(self.device))
        key = (self.critic_hash_, dtype, device)
        if key not in _MODULES:
            module = rebuild(self.config_)
            with foreign_code("the critic does not take the weights that it was fitted with"):
                module.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in self.weights_.items()})
            while len(_MODULES) >= _MAX_MODULES:
                _MODULES.pop(next(iter(_MODULES)))
            _MODULES[key] = module.to(device, dtype).eval().requires_grad_(False)
        return _MODULES[key]

    def _forward(self, X: Rows, layers: Sequence[str] = (), pooling: str = POOLING) -> Rows:
        """Return scores (n, 1), or the features of ``layers`` (n, d), in the type of ``X`` (float32 for uint8)."""
        results = []
        with torch.inference_mode(), PASSING:
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
