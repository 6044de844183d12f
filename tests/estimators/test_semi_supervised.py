"""`CriticClassifier(mode="semi-supervised")`: scikit-learn's contract with rows that have no label."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from gan_probe.errors import ConfigError, InputError
from gan_probe.estimators import CriticClassifier

RNG = np.random.default_rng(0)
CHEAP = {"mode": "semi-supervised", "network": "mlp", "steps": 40, "train_batch_size": 16, "random_state": 0}


def dark_and_bright() -> tuple[np.ndarray, np.ndarray]:
    """Sixty images of 16x16, half of them bright, which anything can learn."""
    y = np.arange(60) % 2
    return np.clip(RNG.normal(60 + 130 * y[:, None], 20, size=(60, 256)), 0, 255), y


def test_rows_without_a_label_train_too_and_are_named() -> None:
    X, y = dark_and_bright()
    few = np.where(np.arange(60) < 6, y, -1)
    model = CriticClassifier(**CHEAP).fit(X, few)
    assert model.classes_.tolist() == [0, 1]
    assert model.score(X, y) == 1.0
    odds = model.predict_proba(X)
    assert np.allclose(odds.sum(1), 1)
    assert np.array_equal(model.decision_function(X) > 0, model.predict(X) == 1)
    again = clone(model).fit(X, few)
    assert np.array_equal(again.predict_proba(X), odds)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), odds)
    other = CriticClassifier(**CHEAP).fit(np.concatenate([X[:6], X[:6]]), np.concatenate([few[:6], few[:6]]))
    assert other.critic_hash_ != model.critic_hash_


def test_classes_may_be_text_beside_the_number_of_no_label() -> None:
    X, y = dark_and_bright()
    names = np.array(["dark", "bright"], dtype=object)[y]
    model = CriticClassifier(**CHEAP).fit(X, np.where(np.arange(60) < 6, names, -1))
    assert model.classes_.tolist() == ["bright", "dark"]
    assert model.score(X, names.astype(str)) == 1.0
    every = CriticClassifier(**CHEAP | {"steps": 2}).fit(X, names.astype(str))  # all labelled
    assert set(every.predict(X)) <= {"dark", "bright"}


def test_labels_that_cannot_be_learned_from_are_refused() -> None:
    X, y = dark_and_bright()
    with pytest.raises(ConfigError, match="y has no label at all. Rows without a label have y = -1"):
        CriticClassifier(**CHEAP).fit(X, np.full(60, -1))
    with pytest.raises(ConfigError, match="y has only one class. Rows"):
        CriticClassifier(**CHEAP).fit(X, np.where(y == 0, 0, -1))
    with pytest.raises(InputError, match="y is text and holds '-1'; rows without a label have the number -1"):
        CriticClassifier(**CHEAP).fit(X, np.where(y == 0, "dark", "-1"))
    with pytest.raises(ConfigError, match="trains a critic of its own; leave critic=None"):
        CriticClassifier("run", **CHEAP).fit(X, y)
    with pytest.raises(ConfigError, match="steps must be from 1 to"):
        CriticClassifier(**CHEAP | {"steps": 0}).fit(X, y)
