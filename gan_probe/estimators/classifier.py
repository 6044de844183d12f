"""`CriticClassifier`: few labels on top of a critic, its weights frozen or fine-tuned, or in its training itself."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d
from torch import Tensor, nn

from gan_probe.config import POOLING, PRESETS
from gan_probe.critics.boundary import foreign_code
from gan_probe.critics.critic import Critic
from gan_probe.critics.features import check_pooling, features
from gan_probe.critics.stored import KINDS
from gan_probe.device import resolve_device
from gan_probe.errors import ConfigError, InputError
from gan_probe.estimators.base import PASSING, CriticEstimator
from gan_probe.images.image_set import NO_LABEL, from_arrays
from gan_probe.images.pixels import rows_to_network, to_uint8
from gan_probe.names import check_name
from gan_probe.training import train
from gan_probe.types import ImageShape, Rows

SEMI_SUPERVISED = "semi-supervised"
SEMI = PRESETS[SEMI_SUPERVISED]
MODES = ("probe", "finetune", SEMI_SUPERVISED)
UNLABELLED = -1  # in y, as in scikit-learn's own semi-supervised estimators


class CriticClassifier(ClassifierMixin, CriticEstimator):
    """Classify images by a critic's features, learned from few labels.

    Parameters
    ----------
    critic : str, optional
        A run folder or critic folder. None: a randomly initialised critic, seeded by ``random_state``. With
        ``mode="finetune"`` that is the same network trained from scratch.
    mode : {"probe", "finetune", "semi-supervised"}
        "probe": logistic regression on frozen features. "finetune": that first, then the whole network with the
        regression as its head (Kumar et al. 2022), by Adam. "semi-supervised": a GAN is trained from scratch on all
        rows, its critic with an output a class (Salimans et al. 2016, section 5); rows whose ``y`` is -1 have no label.
        ``y`` of text must then be of dtype object, as in `sklearn.semi_supervised.SelfTrainingClassifier`.
    layers, pooling
        See `CriticEmbedder`.
    C : float
        Inverse weight of the logistic regression's penalty, on features whose mean square length is 1.
    learning_rate : float
        Of fine-tuning.
    max_epochs, patience : int
        Fine-tuning stops after ``max_epochs`` passes, or after ``patience`` without a lower loss on held-out rows; the
        best pass is kept, the probe included.
    validation_share : float
        Share of the rows, by class, held out for that. Where a class has fewer than two rows nothing can be held out
        of it, and fine-tuning takes all of ``max_epochs``.
    train_batch_size : int
        Rows in each step of fine-tuning or of a semi-supervised training.
    steps : int
        Of a semi-supervised training; its other settings are those of the recipe `semi-supervised`.
    network, image_shape, value_range, batch_size, device, trust_code, random_state
        See `CriticEmbedder`.

    Attributes
    ----------
    classes_ : ndarray
    coef_, intercept_ : ndarray, shape (n_classes, d) and (n_classes,)
        Of the head, on features of length 1 minus ``mean_``, divided by ``scale_``. Not of a semi-supervised critic,
        whose outputs are its own.
    best_epoch_ : int
        The pass of fine-tuning that was kept; 0 is the probe.
    n_epochs_ : int
        Passes taken.

    References
    ----------
    Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution", section 3.4.
    Salimans et al. 2016, "Improved Techniques for Training GANs", section 5.

    Examples
    --------
    >>> from synthetic import make_dataset
    >>> data = make_dataset("article-test", per_class=4)
    >>> X, y = data.images.reshape(40, -1), data.table["label"]
    >>> float(CriticClassifier(random_state=0).fit(X[:20], y[:20]).score(X[20:], y[20:]))
    1.0
    """

    def __init__(
        self,
        critic: str | None = None,
        *,
        mode: str = "probe",
        layers: Sequence[str] | None = None,
        pooling: str = POOLING,
        C: float = 100.0,
        learning_rate: float = 3e-4,
        max_epochs: int = 100,
        patience: int = 10,
        validation_share: float = 0.2,
        train_batch_size: int = 32,
        steps: int = SEMI.steps,
        network: str = "compact",
        image_shape: ImageShape | None = None,
        value_range: tuple[float, float] = (0.0, 255.0),
        batch_size: int = 256,
        device: str = "cpu",
        trust_code: bool = False,
        random_state: Any = None,
    ) -> None:
        self.critic = critic
        self.mode = mode
        self.layers = layers
        self.pooling = pooling
        self.C = C
        self.learning_rate = learning_rate
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation_share = validation_share
        self.train_batch_size = train_batch_size
        self.steps = steps
        self.network = network
        self.image_shape = image_shape
        self.value_range = value_range
        self.batch_size = batch_size
        self.device = device
        self.trust_code = trust_code
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Load the critic, fit the head and, with ``mode="finetune"``, train the network with it; or train both."""
        self._check_settings()
        if y is None:
            raise InputError("CriticClassifier requires y to be passed, but the target y is None.")
        y = column_or_1d(check_array(y, ensure_2d=False, dtype=None), warn=True)
        is_semi = self.mode == SEMI_SUPERVISED
        has_label = _has_label(y) if is_semi else np.ones(len(y), dtype=bool)
        check_classification_targets(y[has_label])
        X = self._fit_critic(X, y)
        self.classes_ = np.unique(y[has_label])
        if len(self.classes_) < 2:
            raise ConfigError(self._too_few(has_label))
        if is_semi:
            return self._train_semi_supervised(X, y, has_label)
        targets = np.searchsorted(self.classes_, y)
        self.layers_ = self._chosen_layers(self.layers)
        lengths_one = _unit(self._forward(X, self.layers_, self.pooling))
        self.mean_ = lengths_one.mean(0)
        self.scale_ = float(np.sqrt(((lengths_one - self.mean_) ** 2).sum(1).mean())) or 1.0
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        head = LogisticRegression(C=self.C, max_iter=1000).fit((lengths_one - self.mean_) / self.scale_, targets)
        self.coef_, self.intercept_ = head.coef_, head.intercept_
        if len(self.classes_) == 2:  # scikit-learn gives two classes one row; one row each is simpler here
            self.coef_ = np.concatenate([-head.coef_, head.coef_]) / 2
            self.intercept_ = np.concatenate([-head.intercept_, head.intercept_]) / 2
        self.best_epoch_ = self.n_epochs_ = 0
        if self.mode == "finetune":
            self._finetune(X, targets, seed)
        return self

    def decision_function(self, X: Any) -> Rows:
        """Return the logits, (n, n_classes); for two classes the second's minus the first's, (n,)."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> Rows:
        """Return the probability of each class, (n, n_classes)."""
        logits = self._logits(X)
        odds = np.exp(logits - logits.max(1, keepdims=True))
        return odds / odds.sum(1, keepdims=True)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the most probable class of each row, (n,)."""
        best = self._logits(X).argmax(1)
        return self.classes_[best]

    def _logits(self, X: Any) -> Rows:
        check_is_fitted(self)
        X, _ = self._rows(X, reset=False)
        if self.mode == SEMI_SUPERVISED:
            return self._class_scores(X)
        rows = (_unit(self._forward(X, self.layers_, self.pooling)) - self.mean_) / self.scale_
        return rows @ self.coef_.T + self.intercept_

    def _check_settings(self) -> None:
        check_name("mode", self.mode, MODES)
        if self.mode == SEMI_SUPERVISED and self.critic is not None:
            raise ConfigError(
                f"mode={SEMI_SUPERVISED!r} trains a critic of its own; leave critic=None, or use mode='finetune'."
            )
        check_pooling(self.pooling)
        for name, value, low, high in (
            ("C", self.C, 1e-12, 1e12),
            ("learning_rate", self.learning_rate, 0, 1),
            ("max_epochs", self.max_epochs, 1, 100_000),
            ("patience", self.patience, 1, 100_000),
            ("validation_share", self.validation_share, 0, 0.9),
            ("train_batch_size", self.train_batch_size, 1, 65_536),
            ("steps", self.steps, 1, 10_000_000),
        ):
            if not low <= value <= high:
                raise ConfigError(f"{name} must be from {low:g} to {high:g}, got {value!r}.")

    def _too_few(self, has_label: npt.NDArray[np.bool_]) -> str:
        found = "no label at all" if not has_label.any() else "only one class"
        more = f" Rows without a label have y = {UNLABELLED}." if self.mode == SEMI_SUPERVISED else ""
        return f"a classifier needs labels of at least two classes; y has {found}.{more}"

    # --- semi-supervised ---

    def _train_semi_supervised(self, X: Rows, y: npt.NDArray[Any], has_label: npt.NDArray[np.bool_]) -> Self:
        """Train a critic with an output a class on all rows and the labels that there are."""
        places = np.searchsorted(self.classes_, y[has_label])
        labels = np.full(len(y), NO_LABEL, dtype=object)
        labels[has_label] = [f"{place:06d}" for place in places]  # whatever the classes are: text, in their order
        config = SEMI.updated(
            {
                "network": self.config_.network,
                "steps": int(self.steps),
                "batch_size": int(self.train_batch_size),
                "n_snapshots": 0,
                "held_out": 0.0,
                "precision": "fp32",
                "seed": int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max)),
            }
        )
        pixels = to_uint8(rows_to_network(X, self.config_.image_shape, self.value_range))
        images = from_arrays(pixels, labels.tolist(), name="X")
        with tempfile.TemporaryDirectory() as folder:
            critic = train(images, Path(folder) / "run", config, device=resolve_device(self.device))
        self.config_ = critic.config
        self.critic_hash_ = critic.hash
        self.weights_ = {k: v.cpu().numpy().copy() for k, v in critic.module.state_dict().items()}
        self.best_epoch_ = self.n_epochs_ = 0
        return self

    def _class_scores(self, X: Rows) -> Rows:
        """Return the critic's outputs for the classes, (n, n_classes), in the type of ``X`` (float32 for uint8)."""
        results = []
        with torch.inference_mode(), PASSING:
            for start in range(0, len(X), self.batch_size):
                batch = rows_to_network(X[start : start + self.batch_size], self.config_.image_shape, self.value_range)
                module: Any = self._module(batch.dtype)
                results.append(module.class_scores(batch.to(resolve_device(self.device))).cpu().numpy())
        return np.concatenate(results)

    # --- fine-tuning ---

    def _finetune(self, X: Rows, targets: npt.NDArray[np.intp], seed: int) -> None:
        """Train the network with its head in float32, from the probe; keep the pass with the lowest held-out loss."""
        device = resolve_device(self.device)
        if self.config_.factory in KINDS:
            raise ConfigError(f"{self.config_.network} is a stored graph and cannot be trained; use mode='probe'.")
        module = copy.deepcopy(self._module(torch.float32)).to(device).requires_grad_(True)
        head = nn.Linear(self.coef_.shape[1], self.coef_.shape[0]).to(device)
        mean = torch.as_tensor(self.mean_, dtype=torch.float32, device=device)
        with torch.no_grad():
            head.weight.copy_(torch.as_tensor(self.coef_))
            head.bias.copy_(torch.as_tensor(self.intercept_))
        model = nn.ModuleDict({"body": module, "head": head})

        def loss_of(rows: npt.NDArray[np.intp]) -> Tensor:
            images = rows_to_network(X[rows], self.config_.image_shape, self.value_range).float().to(device)
            found = F.normalize(features(module, images, self.layers_, self.pooling), dim=1, eps=1e-12)
            labels = torch.as_tensor(targets[rows], device=device)
            return F.cross_entropy(head((found - mean) / self.scale_), labels)

        training, held_out = self._held_out(targets, seed)
        order = np.random.default_rng(seed)
        optimizer = torch.optim.Adam(model.parameters(), lr=self.learning_rate)
        best, best_loss = _copy(model), self._mean_loss(loss_of, held_out)
        for epoch in range(1, self.max_epochs + 1):
            shuffled = order.permutation(training)
            for start in range(0, len(shuffled), self.train_batch_size):
                optimizer.zero_grad(set_to_none=True)
                with foreign_code(
                    f"{self.config_.network} cannot be fine-tuned", advice="Use mode='probe', which needs no gradients."
                ):
                    loss_of(shuffled[start : start + self.train_batch_size]).backward()
                optimizer.step()
            self.n_epochs_ = epoch
            loss = self._mean_loss(loss_of, held_out)
            if loss < best_loss or not len(held_out):
                best, best_loss, self.best_epoch_ = _copy(model), loss, epoch
            elif epoch - self.best_epoch_ >= self.patience:
                break
        model.load_state_dict(best)
        self.coef_, self.intercept_ = head.weight.detach().cpu().numpy(), head.bias.detach().cpu().numpy()
        self.weights_ = {k: v.detach().cpu().numpy().copy() for k, v in module.state_dict().items()}
        self.critic_hash_ = Critic(module, self.config_, device).hash

    def _held_out(self, targets: npt.NDArray[np.intp], seed: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return (rows to train on, rows that say when to stop): of each class its share, where it has two rows."""
        rows = np.arange(len(targets))
        n_classes, smallest = len(self.classes_), np.bincount(targets).min()
        n = max(round(self.validation_share * len(rows)), n_classes)
        if not self.validation_share or smallest < 2 or n > len(rows) - n_classes:
            return rows, rows[:0]
        training, held_out = train_test_split(rows, test_size=n, stratify=targets, random_state=seed % 2**32)
        return training, held_out

    def _mean_loss(self, loss_of: Any, rows: npt.NDArray[np.intp]) -> float:
        if not len(rows):
            return float("inf")
        with torch.inference_mode():
            starts = range(0, len(rows), self.batch_size)
            parts = [rows[s : s + self.batch_size] for s in starts]
            return sum(float(loss_of(part)) * len(part) for part in parts) / len(rows)


def _has_label(y: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which rows have a label: those whose ``y`` is not -1."""
    if y.dtype.kind in "US":
        if str(UNLABELLED) in y.astype(str):
            raise InputError(
                f"y is text and holds {str(UNLABELLED)!r}; rows without a label have the number {UNLABELLED}. Give an"
                f" array of dtype object: np.where(known, y, {UNLABELLED}) of np.asarray(y, dtype=object)."
            )
        return np.ones(len(y), dtype=bool)
    return np.asarray(y != UNLABELLED, dtype=bool)


def _unit(rows: Rows) -> Rows:
    """Return rows of length 1; rows of zeros are left as they are."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1)


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
