"""Detectors on clouds whose answer is known in closed form."""

import numpy as np
import pytest
from scipy.stats import chi2, ncx2, norm
from sklearn.covariance import LedoitWolf

from gan_probe.errors import InputError
from gan_probe.stats.auroc import auroc
from gan_probe.stats.conformal import conformal_p
from gan_probe.stats.novelty import (
    DETECTORS,
    METHODS,
    MIN_REALS,
    Scale,
    Surprise,
    fit_detector,
    shrunken_axes,
    unlike_together,
)

RNG = np.random.default_rng(0)
N = 2000


def of(method: str, reals: np.ndarray, rows: np.ndarray, labels: object = None) -> np.ndarray:
    return METHODS[method](reals, labels)(rows)  # type: ignore[arg-type]


def shifted_auroc(d: int, shift: float) -> float:
    """P(|z + shift|^2 > |z'|^2) of standard normal vectors in d dimensions, over the quantiles of |z'|^2."""
    shares = (np.arange(20_000) + 0.5) / 20_000
    return float(ncx2.sf(chi2.ppf(shares, d), d, shift**2).mean())


def test_low_scores_of_a_shifted_cloud_have_the_auroc_of_the_shift() -> None:
    reals, new, seen = RNG.normal(size=(N, 1)), RNG.normal(-1, 1, (N, 1)), RNG.normal(size=(N, 1))
    assert auroc(of("low", reals, new), of("low", reals, seen)) == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.03)
    wide = RNG.normal(0, 3, (N, 1))  # |N(0, 9)| against |N(0, 1)|: 2 / pi * arctan(3)
    found = auroc(of("two-sided", reals, wide), of("two-sided", reals, seen))
    assert found == pytest.approx(2 / np.pi * np.arctan(3), abs=0.03)
    assert auroc(of("low", reals, wide), of("low", reals, seen)) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("method", ["mahalanobis", "nearest"])
def test_a_shifted_cloud_is_told_as_well_as_its_distance_from_the_mean_allows(method: str) -> None:
    """Among many reals the nearest of a normal cloud say what its density says, if less exactly."""
    d, shift = 3, 2.0
    new = RNG.normal(size=(N, d)) + shift * np.eye(d)[0]
    reals, seen = RNG.normal(size=(2, N, d))
    found = auroc(of(method, reals, new), of(method, reals, seen))
    assert found == pytest.approx(shifted_auroc(d, shift), abs=0.03 if method == "mahalanobis" else 0.06)


def test_mahalanobis_sees_what_lies_across_a_narrow_direction_in_any_unit() -> None:
    """Two columns of correlation 0.95; the shift of one standard deviation of each breaks the correlation."""
    mix = np.linalg.cholesky(np.array([[1, 0.95], [0.95, 1]])).T
    reals, seen = (RNG.normal(size=(N, 2)) @ mix for _ in range(2))
    new = seen + np.array([1.0, -1.0])
    narrow = np.sqrt(2) / np.sqrt(0.05)  # the shift in standard deviations of the narrow axis
    values = []
    for change in (np.eye(2), 1000 * np.eye(2)):
        found = auroc(of("mahalanobis", reals @ change, new @ change), of("mahalanobis", reals @ change, seen @ change))
        assert found == pytest.approx(shifted_auroc(2, narrow), abs=0.02)
        values.append(found)
    assert values[0] == pytest.approx(values[1], abs=1e-4)


def test_relative_mahalanobis_ignores_what_varies_between_all_reals() -> None:
    """One direction separates the classes; a second is wide in all reals and says nothing."""
    labels = np.repeat(["a", "b"], N // 2)
    reals = np.c_[RNG.normal(size=N) + np.where(labels == "a", 8.0, -8.0), RNG.normal(size=N)]
    between = np.c_[RNG.normal(size=N), RNG.normal(size=N)]
    seen = np.c_[RNG.normal(size=N) + np.where(labels == "a", 8.0, -8.0), RNG.normal(size=N)]
    found = auroc(of("relative", reals, between, labels), of("relative", reals, seen, labels))
    assert found == pytest.approx(1.0, abs=0.01)
    assert auroc(of("mahalanobis", reals, between), of("mahalanobis", reals, seen)) < 0.5
    with pytest.raises(InputError, match="at least two classes, with their labels"):
        METHODS["relative"](reals, np.repeat("a", N))
    with pytest.raises(InputError, match="at least two classes, with their labels"):
        METHODS["relative"](reals, None)


@pytest.mark.parametrize("shape", [(300, 20), (30, 50)])
def test_the_shrunken_covariance_is_ledoit_and_wolf_s(shape: tuple[int, int]) -> None:
    rows = RNG.normal(size=shape) * np.linspace(1, 4, shape[1])
    rows -= rows.mean(0)
    axes, variances, other = shrunken_axes(rows)
    rest = np.eye(shape[1]) - axes.T @ axes
    np.testing.assert_allclose(
        axes.T * variances @ axes + other * rest, LedoitWolf(assume_centered=True).fit(rows).covariance_, atol=1e-8
    )


def test_a_column_that_is_constant_among_reals_counts_and_does_not_outweigh_all() -> None:
    reals = np.c_[RNG.normal(size=(200, 4)), np.zeros(200)]
    lit = np.array([[0, 0, 0, 0, 1.0]])
    scaled = Scale.of(reals)(lit)[0, 4]
    assert 5 < scaled < 15  # a tenth of the mean width is its unit
    with pytest.raises(InputError, match="the same in every real image"):
        Scale.of(np.ones((20, 3)))


def test_surprise_is_the_share_of_reals_beyond_and_goes_on_where_they_end() -> None:
    usual = RNG.exponential(size=20_000)
    surprise = Surprise.of(usual)
    at = np.array([0.5, 1.0, 2.0, 5.0, 20.0])
    np.testing.assert_allclose(surprise(at), at, rtol=0.06)  # -ln P(x > a) = a, far beyond the largest of the reals
    steps = surprise(np.linspace(usual.min(), 3 * usual.max(), 5000))
    assert (np.diff(steps) >= 0).all()
    assert np.isfinite(Surprise.of(np.ones(20))(np.array([0.0, 1.0, 2.0]))).all()


def views(n: int, shift: float = 0.0, rng: np.random.Generator | None = None) -> dict[tuple[str, str], np.ndarray]:
    """Two layers with two features each, of which the second alone shifts; and a score that says nothing."""
    rng = rng or RNG
    found = {("quadrants", "first"): rng.normal(size=(n, 2)), ("quadrants", "second"): rng.normal(size=(n, 2)) + shift}
    return {**found, ("score", ""): rng.normal(size=(n, 1))}


def test_several_layers_are_one_number_and_say_which_of_them_it_was() -> None:
    fitted = fit_detector(DETECTORS["mahalanobis-quadrants"], views(500))
    new, seen = views(500, shift=3.0), views(500)
    assert fitted.views == (("quadrants", "first"), ("quadrants", "second"))
    assert auroc(fitted.unlike(new), fitted.unlike(seen)) > 0.97
    by_view = fitted.by_view(new).mean(1)
    assert by_view[1] > 5 * by_view[0]
    np.testing.assert_allclose(fitted.unlike(new), fitted.by_view(new).sum(0))
    assert fitted.by_view(seen).mean() == pytest.approx(1.0, abs=0.1)  # -ln p of uniform p-values
    assert fitted.surprise(seen).mean() == pytest.approx(1.0, abs=0.1)


def test_a_combination_holds_what_one_detector_knows_and_one_alone_stays_itself() -> None:
    reals, new, seen = views(500), views(500, shift=3.0), views(500)
    good, poor = (fit_detector(DETECTORS[name], reals) for name in ("nearest-quadrants", "score-low"))
    assert unlike_together([good], new).tolist() == good.unlike(new).tolist()
    together = auroc(unlike_together([good, poor], new), unlike_together([good, poor], seen))
    assert auroc(poor.unlike(new), poor.unlike(seen)) == pytest.approx(0.5, abs=0.06)
    assert together > 0.9


def test_p_values_of_new_reals_are_uniform_for_every_detector() -> None:
    """Fitted on some reals, calibrated on others: no more false alarms than promised, with few reals and many views."""
    for name in ("score-low", "nearest-quadrants", "mahalanobis-quadrants"):
        alarms = []
        for seed in range(40):
            rng = np.random.default_rng(seed)
            fitted = fit_detector(DETECTORS[name], views(40, rng=rng))
            usual, new = (-fitted.unlike(views(n, rng=rng)) for n in (99, 200))
            alarms.append((conformal_p(new, usual) <= 0.05).mean())
        assert np.mean(alarms) == pytest.approx(0.05, abs=0.015)


def test_order_and_company_do_not_change_what_is_said_of_an_image() -> None:
    fitted = fit_detector(DETECTORS["mahalanobis-quadrants"], views(100))
    rows = views(50)
    turned = {view: found[::-1] for view, found in rows.items()}
    np.testing.assert_allclose(fitted.unlike(turned)[::-1], fitted.unlike(rows))
    alone = {view: found[:1] for view, found in rows.items()}
    np.testing.assert_allclose(fitted.unlike(alone), fitted.unlike(rows)[:1])


def test_what_cannot_be_fitted_is_refused() -> None:
    detector = DETECTORS["nearest-quadrants"]
    with pytest.raises(InputError, match=f"at least {MIN_REALS} reals to be fitted on, got 9"):
        fit_detector(detector, views(9))
    with pytest.raises(InputError, match="needs 'mean' of each image, and there is none"):
        fit_detector(DETECTORS["nearest-mean"], views(20))
    broken = views(20)
    broken["quadrants", "first"][3, 0] = np.nan
    with pytest.raises(InputError, match="the features of 1 of 20 images are not finite"):
        fit_detector(detector, broken)
    flat = {view: np.ones_like(rows) for view, rows in views(20).items()}
    with pytest.raises(InputError, match="the same features in every real image"):
        fit_detector(detector, flat)
    half = views(20)
    half["quadrants", "first"][:] = 1.0
    assert fit_detector(detector, half).views == (("quadrants", "second"),)
