import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from gan_probe.errors import ConfigError, InputError
from gan_probe.estimators import CriticClassifier
from gan_probe.images.image_set import ImageSet

TUNED = {"mode": "finetune", "max_epochs": 8, "learning_rate": 1e-3, "random_state": 0}


@pytest.fixture(scope="module")
def X(test_set: ImageSet) -> np.ndarray:
    return test_set.images.reshape(len(test_set), -1)


@pytest.fixture(scope="module")
def y(test_set: ImageSet) -> np.ndarray:
    return test_set.table["factor.shape"].to_numpy()


def test_a_frozen_probe_leaves_the_critic_as_it_is(run: Path, X: np.ndarray, y: np.ndarray) -> None:
    model = CriticClassifier(str(run)).fit(X[:40], y[:40])
    assert model.score(X[40:], y[40:]) > 0.9
    assert model.best_epoch_ == model.n_epochs_ == 0
    assert CriticClassifier(str(run)).fit(X, y).critic_hash_ == model.critic_hash_


def test_fine_tuning_changes_the_weights_and_keeps_the_best_pass(run: Path, X: np.ndarray, y: np.ndarray) -> None:
    frozen = CriticClassifier(str(run)).fit(X, y)
    tuned = CriticClassifier(str(run), **TUNED).fit(X, y)
    assert tuned.critic_hash_ != frozen.critic_hash_
    assert 1 <= tuned.best_epoch_ <= tuned.n_epochs_ == 8
    assert tuned.score(X, y) >= frozen.score(X, y)
    again = CriticClassifier(str(run), **TUNED).fit(X, y)
    assert np.array_equal(again.predict_proba(X), tuned.predict_proba(X))


def test_a_step_too_large_is_not_kept(run: Path, X: np.ndarray, y: np.ndarray) -> None:
    """The probe is pass 0: where every pass makes the held-out loss worse, it is what is left."""
    wild = CriticClassifier(str(run), **TUNED | {"learning_rate": 1.0, "patience": 2}).fit(X, y)
    frozen = CriticClassifier(str(run), random_state=0).fit(X, y)
    assert (wild.best_epoch_, wild.n_epochs_) == (0, 2)
    assert np.allclose(wild.predict_proba(X), frozen.predict_proba(X), atol=1e-4)


def test_one_label_a_class_is_enough(run: Path, X: np.ndarray, y: np.ndarray) -> None:
    first = [int(np.flatnonzero(y == label)[0]) for label in np.unique(y)]
    model = CriticClassifier(str(run), **TUNED).fit(X[first], y[first])
    assert model.n_epochs_ == 8  # nothing can be held out
    assert (model.predict(X[first]) == y[first]).all()


def test_probabilities_and_decisions_agree(run: Path, X: np.ndarray, y: np.ndarray) -> None:
    for labels in (y, y == "square"):
        model = CriticClassifier(str(run)).fit(X, labels)
        odds = model.predict_proba(X)
        assert np.allclose(odds.sum(1), 1)
        assert np.array_equal(model.classes_[odds.argmax(1)], model.predict(X))
        decision = model.decision_function(X)
        assert decision.shape == ((80, 3) if labels is y else (80,))
        if labels is not y:
            assert np.allclose(1 / (1 + np.exp(-decision)), odds[:, 1])


def test_fitted_models_pickle_clone_and_search(run: Path, X: np.ndarray, y: np.ndarray) -> None:
    model = CriticClassifier(str(run), **TUNED).fit(X, y)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), model.predict_proba(X))
    assert clone(model).get_params() == model.get_params()
    search = GridSearchCV(CriticClassifier(str(run)), {"pooling": ["mean", "grid4"], "C": [1.0, 100.0]}, cv=2)
    assert search.fit(X, y).best_score_ > 0.8


def test_without_a_critic_fine_tuning_is_training_from_scratch(X: np.ndarray, y: np.ndarray) -> None:
    model = CriticClassifier(**TUNED).fit(X, y)
    assert model.config_.run_id == "random_init"
    assert model.score(X, y) > 0.8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "fine-tune"}, "Did you mean 'finetune'"),
        ({"pooling": "grid"}, "Did you mean 'grid4'"),
        ({"C": 0}, "C must be from 1e-12"),
        ({"max_epochs": 0}, "max_epochs must be from 1"),
        ({"patience": 0}, "patience must be from 1"),
        ({"learning_rate": 2}, "learning_rate must be from 0 to 1"),
        ({"validation_share": 1.0}, "validation_share must be from 0 to 0.9"),
        ({"layers": ["stm"]}, "Did you mean 'stem'"),
    ],
)
def test_bad_settings_are_named(options: dict[str, object], message: str, X: np.ndarray, y: np.ndarray) -> None:
    with pytest.raises(ConfigError, match=message):
        CriticClassifier(**options).fit(X, y)


def test_labels_are_needed(X: np.ndarray, y: np.ndarray) -> None:
    with pytest.raises(InputError, match="requires y to be passed"):
        CriticClassifier().fit(X, None)
    with pytest.raises(ConfigError, match="only one class"):
        CriticClassifier().fit(X, np.zeros(len(X)))
