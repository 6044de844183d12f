import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
from sklearn.preprocessing import StandardScaler

from gan_probe.stats.linear import fit_best, fit_discriminant, fit_ridge

RNG = np.random.default_rng(0)
LABELS = np.repeat(["a", "b", "c"], 12)
CODES = np.repeat(np.arange(3), 12)


@pytest.mark.parametrize("n_features", [5, 80])
def test_the_discriminant_is_the_dense_solution(n_features: int) -> None:
    rows = RNG.normal(size=(36, n_features)) + (LABELS == "b")[:, None]
    found = fit_discriminant(rows, LABELS)
    means = np.stack([rows[name == LABELS].mean(0) for name in "abc"])
    within = rows - means[CODES]
    scale = within.std(0)
    within, means = within / scale, means / scale
    share = ledoit_wolf_shrinkage(within, assume_centered=True)
    pooled = within.T @ within / 36
    covariance = (1 - share) * pooled + share * np.trace(pooled) / n_features * np.eye(n_features)
    assert found.weights == pytest.approx(np.linalg.solve(covariance, means.T).T / scale)


@pytest.mark.parametrize("n_features", [5, 80])
def test_ridge_regression_is_scikit_learn_s(n_features: int) -> None:
    rows = RNG.normal(size=(36, n_features)) * np.arange(1, n_features + 1) + (LABELS == "b")[:, None]
    scaled = StandardScaler().fit_transform(rows)
    unit = (scaled**2).sum() / min(scaled.shape)
    for weight, found in zip((0.01, 1.0), fit_ridge(rows, LABELS, (0.01, 1.0)), strict=True):
        theirs = RidgeClassifier(alpha=weight * unit).fit(scaled, LABELS)
        ours = rows @ found.weights.T + found.offset
        assert ours == pytest.approx(theirs.decision_function(scaled), abs=1e-8)


def test_with_many_images_the_discriminant_is_scikit_learn_s() -> None:
    labels = np.repeat(["a", "b"], 2000)
    rows = RNG.normal(size=(4000, 4)) @ RNG.normal(size=(4, 4)) + (labels == "b")[:, None]
    theirs = LinearDiscriminantAnalysis().fit(rows, labels)
    assert (fit_discriminant(rows, labels).predict(rows) == theirs.predict(rows)).mean() > 0.99


@pytest.mark.parametrize("fit", [fit_discriminant, lambda *given: fit_ridge(*given)[3], fit_best])
def test_the_unit_of_a_feature_does_not_matter_and_constant_ones_do_no_harm(fit) -> None:
    rows = RNG.normal(size=(36, 6)) + 3 * (LABELS == "b")[:, None]
    plain = fit(rows, LABELS).predict(rows)
    scaled = rows * 10.0 ** np.arange(-2, 4)
    constant = np.c_[rows, np.full(36, 7.0)]
    assert (fit(scaled, LABELS).predict(scaled) == plain).all()
    assert (fit(constant, LABELS).predict(constant) == plain).all()


@pytest.mark.parametrize("fit", [fit_discriminant, fit_best])
def test_classes_without_spread_are_still_told_apart(fit) -> None:
    rows = np.repeat(np.eye(3), 12, axis=0)
    assert (fit(rows, LABELS).predict(rows) == LABELS).all()


def loud(rng: np.random.Generator) -> np.ndarray:
    """Six columns with one loud nuisance in common: two of them hold the class, a small penalty finds it."""
    nuisance = rng.normal(size=(36, 1)) * 30
    return np.c_[CODES == 1, CODES == 2, np.zeros((36, 4))] * 2 + nuisance + 0.3 * rng.normal(size=(36, 6))


def quiet(rng: np.random.Generator) -> np.ndarray:
    """Three columns that hardly vary within classes among 400 of noise: the discriminant knows which they are."""
    return np.c_[np.eye(3)[CODES] + 0.1 * rng.normal(size=(36, 3)), rng.normal(size=(36, 400))]


@pytest.mark.parametrize(("draw", "is_discriminant"), [(loud, False), (quiet, True)])
def test_the_better_of_both_is_taken(draw, is_discriminant: bool) -> None:
    """Accuracy on new images of the same classes, mean of twenty data sets."""
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rows = draw(rng)
        given = rng.permuted(np.tile(np.arange(12) < 6, (3, 1)), axis=1).ravel()
        learned = rows[given], LABELS[given]
        models = [fit_discriminant(*learned), *fit_ridge(*learned), fit_best(*learned)]
        found.append([(model.predict(rows[~given]) == LABELS[~given]).mean() for model in models])
    discriminant, *ridge, best = np.mean(found, axis=0)
    assert (discriminant > max(ridge) + 0.1) == is_discriminant
    assert (max(ridge) > discriminant + 0.1) != is_discriminant
    assert best > max(discriminant, *ridge) - 0.03


def test_with_one_image_a_class_it_is_the_nearest_one() -> None:
    rows = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    assert fit_best(rows, np.array(list("abc"))).predict(rows + 0.3).tolist() == ["a", "b", "c"]
