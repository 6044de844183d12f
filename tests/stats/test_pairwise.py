import itertools

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from gan_probe.errors import InputError
from gan_probe.stats.pairwise import compare_pairs

SIZES = [(5, 9, 30), (40, 41, 50), (3, 2, 8)]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("steps", [None, 2])
def test_every_pair_is_what_scipy_makes_of_it(sizes: tuple[int, ...], steps: int | None) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(list("abc"), sizes)
    scalars = rng.normal(size=(2, len(labels))) + (labels == "b")
    scalars = scalars if steps is None else np.round(scalars * steps)  # many ties
    found = compare_pairs(scalars, labels)
    for s, (i, j) in itertools.product(range(2), itertools.permutations(range(3), 2)):
        a, b = (scalars[s][labels == found.classes[k]] for k in (i, j))
        test = mannwhitneyu(a, b)
        assert found.auroc[s, i, j] == pytest.approx(test.statistic / len(a) / len(b))
        assert found.p_value[s, i, j] == pytest.approx(test.pvalue)


def test_the_variance_is_that_of_many_data_sets() -> None:
    rng, labels = np.random.default_rng(1), np.repeat(["a", "b"], [40, 60])
    values, variances, products = [], [], []
    for _ in range(400):
        first = rng.normal(size=100) + (labels == "a")
        scalars = np.stack([first, first + rng.normal(size=100)])
        found = compare_pairs(scalars, labels)
        values.append(found.auroc[:, 0, 1])
        variances.append(found.variance[:, 0, 1])
        products.append(found.covariance[1, 0, 1])
    assert np.mean(variances, axis=0) == pytest.approx(np.var(values, axis=0), rel=0.2)
    assert np.mean(products) == pytest.approx(np.cov(np.transpose(values))[0, 1], rel=0.25)


def test_runs_are_averaged_image_by_image() -> None:
    rng, labels = np.random.default_rng(2), np.repeat(["a", "b"], 30)
    scores = rng.normal(size=60) + (labels == "a")
    one, same = compare_pairs(scores[None], labels), compare_pairs(np.stack([scores, scores]), labels, n_runs=2)
    opposite = compare_pairs(np.stack([scores, -scores]), labels, n_runs=2)
    assert same.run_variance == pytest.approx(one.run_variance)
    assert opposite.run_variance[0, 1] == pytest.approx(0, abs=1e-12)  # what one run wins by an image the other loses


def test_scores_that_are_not_numbers_are_counted() -> None:
    with pytest.raises(InputError, match="2 of 4 scores are not finite"):
        compare_pairs(np.array([[1, 2, np.nan, np.inf]]), list("aabb"))
