"""Every measure of stability on runs whose agreement is known."""

import numpy as np
import pytest

from gan_probe.analysis.stability import (
    ALIGNMENTS,
    Components,
    class_means,
    climb,
    components,
    findings,
    flip_rate,
    halves,
    icc,
    kendall_w,
    lowest_agreement,
    regressed_out,
    spearman_within,
)
from gan_probe.errors import InputError

LABELS = np.repeat([f"c{i}" for i in range(10)], 40)


def runs(seed: int, *, n: int = 8, class_: float = 1.0, run: float = 0.0, conflict: float = 0.0, image: float = 0.0,
         rest: float = 0.0) -> np.ndarray:  # fmt: skip
    """Scores drawn with these standard deviations."""
    rng = np.random.default_rng(seed)
    _, codes = np.unique(LABELS, return_inverse=True)
    return (
        class_ * rng.normal(size=10)[codes]
        + run * rng.normal(size=(n, 1))
        + conflict * rng.normal(size=(n, 10))[:, codes]
        + image * rng.normal(size=len(LABELS))
        + rest * rng.normal(size=(n, len(LABELS)))
    )


def test_identical_runs_agree_fully_on_every_rung() -> None:
    for rung in climb(np.repeat(runs(0, n=1, image=0.5), 5, axis=0), LABELS):
        assert (rung.reproducible, rung.ci_low, rung.ci_high) == pytest.approx((1, 1, 1))
        assert (rung.kendall_w, rung.flip_rate, rung.icc_2_1) == pytest.approx((1, 0, 1))
        assert rung.spearman_within == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "from_rung"),
    [
        (lambda s, r: s + 5 * r, "raw"),  # a shift is no conflict of classes
        (lambda s, r: s * (1 + r), "affine"),
        (lambda s, r: s * (-1 if r == 0 else 1 + r), "affine"),
        (lambda s, r: np.sinh((0.5 + 0.5 * r) * s), "monotone"),
    ],
)
def test_changed_gauges_agree_from_their_rung_on(change, from_rung: str) -> None:
    one = runs(1, n=1, image=0.3)[0]
    rungs = climb(np.stack([change(one, r) for r in range(5)]), LABELS)
    names = list(ALIGNMENTS)
    for rung in rungs[names.index(from_rung) :]:
        assert rung.reproducible > 0.995
    for rung in rungs[: names.index(from_rung)]:
        assert rung.reproducible < 0.99
    assert rungs[0].icc_2_1 < 0.95  # but a shift is a disagreement of single scores


def test_independent_noise_gives_nothing() -> None:
    rungs = climb(runs(2, class_=0.0, rest=1.0), LABELS)
    for rung in rungs:
        assert rung.ci_low <= 0.05
        assert rung.kendall_w < 0.4
        assert rung.flip_rate == pytest.approx(0.5, abs=0.15)
        assert abs(rung.icc_3_1) < 0.1
        assert abs(rung.spearman_within) < 0.15
    assert lowest_agreement(rungs) is None


def test_components_are_those_that_were_put_in() -> None:
    put = {"class_": 1.0, "run": 0.7, "conflict": 0.5, "image": 0.8, "rest": 0.6}
    found = [components(runs(seed, n=10, **put), LABELS) for seed in range(60)]
    for name, deviation in put.items():
        assert np.mean([getattr(f, name) for f in found]) == pytest.approx(deviation**2, rel=0.15)
    assert np.mean([f.reproducible for f in found]) == pytest.approx(1 / 1.25, abs=0.05)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """The same ten classes, runs drawn anew: 0.8 is the fraction of the classes' own spread."""
    rng, covered = np.random.default_rng(0), 0
    _, codes = np.unique(LABELS, return_inverse=True)
    means = rng.normal(size=10)
    truth = means.var(ddof=1) / (means.var(ddof=1) + 0.25)
    for _ in range(60):
        scores = means[codes] + 0.5 * rng.normal(size=(10, 10))[:, codes] + 0.1 * rng.normal(size=(10, 400))
        rung = climb(scores, LABELS)[0]
        covered += rung.ci_low <= truth <= rung.ci_high
    assert covered / 60 > 0.85


def test_reversing_all_scores_changes_nothing() -> None:
    scores = runs(3, conflict=0.3, image=0.3, rest=0.2)
    for a, b in zip(climb(scores, LABELS), climb(-scores, LABELS), strict=True):
        assert a.reproducible == pytest.approx(b.reproducible, abs=0.01)


def test_what_follows_a_nuisance_alone_is_gone_without_it() -> None:
    brightness = runs(4, n=1, image=0.2)[0]
    scores = brightness + 0.3 * np.random.default_rng(0).normal(size=(6, 400))
    with_it, without = climb(scores, LABELS), climb(scores, LABELS, nuisances=brightness[None])
    assert with_it[0].reproducible > 0.95
    assert without[0].reproducible < 0.6
    fit = halves(LABELS)
    assert abs(np.corrcoef(regressed_out(scores, brightness[None], fit)[0, ~fit], brightness[~fit])[0, 1]) < 0.15


def test_closed_forms() -> None:
    means = np.array([[1.0, 2, 3], [1, 2, 3], [3, 2, 1]])
    assert kendall_w(means[:2]) == 1
    assert kendall_w(means) == pytest.approx(1 / 9)
    assert flip_rate(means[:2]) == 0
    assert flip_rate(means) == pytest.approx(2 / 3)
    scores = np.array([[9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4], [8, 2, 8, 6, 9, 7]], dtype=float)
    assert icc(scores) == pytest.approx((0.29, 0.71), abs=0.01)  # Shrout and Fleiss 1979, table 4
    assert class_means(scores, np.array(list("aabbcc"))).shape == (4, 3)
    assert Components(3.0, 9.0, 1.0, 9.0, 9.0, 0.01).reproducible == 0.75
    assert Components(3.0, 9.0, 1.0, 9.0, 9.0, 0.2).reproducible == 0


def test_halves_share_every_class_out() -> None:
    fit = halves(LABELS, seed=3)
    assert [fit[name == LABELS].sum() for name in np.unique(LABELS)] == [20] * 10


def test_findings_say_it_in_words() -> None:
    lines = findings(climb(runs(5, conflict=0.2), LABELS), {"untrained critics": climb(runs(6, conflict=2.0), LABELS)})
    assert lines[0].startswith("Reproducible fraction of 8 runs over 10 classes")
    assert "The runs agree (lower end of the interval at least 0.9) from the rung" in lines[1]
    assert lines[-1].startswith("The same, untrained critics: ")


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (runs(0, n=2), LABELS, "stability needs at least 3 runs, got 2"),
        (runs(0), np.repeat("a", 400), "the data has fewer than two"),
        (runs(0)[:, :12], np.array(["a"] * 9 + ["b"] * 3), "class 'b' has 3 images; at least four are needed"),
        (np.vstack([runs(0), np.full(400, np.nan)]), LABELS, "run 9 has scores that are not finite"),
        (np.vstack([runs(0), np.ones(400)]), LABELS, "run 9 scores every image the same"),
        (runs(0)[:, :5], LABELS, r"scores must be \(runs, 400\), got \(8, 5\)"),
    ],
)
def test_what_cannot_be_compared_is_refused(scores: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        climb(scores, labels)


def test_spearman_within_is_nan_without_enough_images() -> None:
    assert np.isnan(spearman_within(np.ones((3, 4)), np.array(list("aabb"))))
