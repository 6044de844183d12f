import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from gan_probe.stats.discriminant import ShrinkageDiscriminant

RNG = np.random.default_rng(0)
LABELS = np.repeat(["a", "b", "c"], 12)


@pytest.mark.parametrize("n_features", [5, 80])
def test_it_is_the_dense_solution(n_features: int) -> None:
    rows = RNG.normal(size=(36, n_features)) + (LABELS == "b")[:, None]
    found = ShrinkageDiscriminant().fit(rows, LABELS)
    means = np.stack([rows[name == LABELS].mean(0) for name in "abc"])
    within = rows - means[np.unique(LABELS, return_inverse=True)[1]]
    scale = within.std(0)
    within, means = within / scale, means / scale
    share = ledoit_wolf_shrinkage(within, assume_centered=True)
    pooled = within.T @ within / 36
    covariance = (1 - share) * pooled + share * np.trace(pooled) / n_features * np.eye(n_features)
    assert found.weights_ == pytest.approx(np.linalg.solve(covariance, means.T).T / scale)


def test_with_many_images_it_is_scikit_learn_s() -> None:
    labels = np.repeat(["a", "b"], 2000)
    rows = RNG.normal(size=(4000, 4)) @ RNG.normal(size=(4, 4)) + (labels == "b")[:, None]
    ours, theirs = ShrinkageDiscriminant().fit(rows, labels), LinearDiscriminantAnalysis().fit(rows, labels)
    assert (ours.predict(rows) == theirs.predict(rows)).mean() > 0.99


def test_the_unit_of_a_feature_does_not_matter_and_constant_ones_do_no_harm() -> None:
    rows = RNG.normal(size=(36, 6)) + 3 * (LABELS == "b")[:, None]
    plain = ShrinkageDiscriminant().fit(rows, LABELS).predict(rows)
    scaled = rows * 10.0 ** np.arange(6)
    constant = np.c_[rows, np.full(36, 7.0)]
    assert (ShrinkageDiscriminant().fit(scaled, LABELS).predict(scaled) == plain).all()
    assert (ShrinkageDiscriminant().fit(constant, LABELS).predict(constant) == plain).all()


def test_classes_without_spread_are_still_told_apart() -> None:
    rows = np.repeat(np.eye(3), 12, axis=0)
    assert (ShrinkageDiscriminant().fit(rows, LABELS).predict(rows) == LABELS).all()
