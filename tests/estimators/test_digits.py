"""Real images, small: scikit-learn's digits, a critic trained on them without labels, or with few."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from gan_probe import TrainConfig, read_images, train
from gan_probe.estimators import CriticClassifier
from gan_probe.stats.linear import fit_best
from gan_probe.studies.probe.result import CRITIC, paired_margin
from gan_probe.studies.probe.study import probe


@pytest.mark.nightly
def test_a_critic_of_digits_beats_pixels_and_is_set_beside_everything_else(tmp_path: Path) -> None:
    digits = load_digits()
    np.savez(tmp_path / "digits.npz", x=(digits.images * 255 / 16).round().astype(np.uint8), y=digits.target)
    data = read_images(tmp_path / "digits.npz", size_px=16)
    critic = train(data, tmp_path / "run", TrainConfig(steps=300, n_critic=5, n_snapshots=0))
    result = probe(critic, data, per_class=(10,), n_draws=30, classifiers=("linear",))
    ours, pixels = (result.of(name, "linear")[0] for name in (CRITIC, "pixels"))
    assert ours.accuracy() > 0.9
    assert paired_margin(ours, pixels).ci_low > 0
    best = result.against(result.controls, "linear")[0][1]
    assert best.accuracy() >= pixels.accuracy()  # on images this small k-means patches do as well, and the page says so


@pytest.mark.slow
def test_with_five_labels_a_class_training_on_all_digits_beats_a_linear_classifier_of_the_labelled() -> None:
    digits = load_digits()
    images = np.kron(digits.images, np.ones((2, 2))) * 255 / 16
    X, y = images.reshape(len(images), -1), digits.target
    order = np.random.default_rng(0).permutation(len(y))
    training, test = order[:1000], order[1000:]
    known = np.concatenate([training[y[training] == k][:5] for k in range(10)])
    few = np.where(np.isin(training, known), y[training], -1)
    model = CriticClassifier(mode="semi-supervised", network="dcgan-half", steps=800, random_state=0)
    model.fit(X[training], few)
    plain = fit_best(X[known].astype(np.float32), y[known]).predict(X[test])
    assert model.score(X[test], y[test]) > (plain == y[test]).mean()
