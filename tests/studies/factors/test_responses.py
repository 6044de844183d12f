import math
import sys

import numpy as np
import pytest
from scipy.stats import norm

from gan_probe.errors import InputError
from gan_probe.studies.factors.curve import curve
from gan_probe.studies.factors.responses import (
    ALONE,
    DOWN,
    NAMES,
    UP,
    DetectionThreshold,
    _drawn_aurocs,
    _from_where_on,
    aurocs,
    effect,
    respond,
)


@pytest.fixture(autouse=True)
def same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test draws its own numbers from the start, in whatever order tests run."""
    monkeypatch.setattr(sys.modules[__name__], "RNG", np.random.default_rng(0))


RNG = np.random.default_rng(0)
VALUES = [round(0.1 * i, 10) for i in range(51)]


def shifted(n: int = 1000, slope: float = 1.0) -> np.ndarray:
    """Scores whose mean is the value times the slope, and whose sd is 1."""
    return slope * np.array(VALUES)[:, None] + RNG.normal(size=(len(VALUES), n))


def test_the_smallest_difference_of_normal_scores_is_where_theory_puts_it() -> None:
    found = respond("noise", ALONE, VALUES, scores=shifted(), random_init=[shifted(slope=2.0), shifted(slope=0.5)])
    for threshold, wanted in ((found.noticed, 0.75), (found.separated, 0.99)):
        distance = math.sqrt(2) * norm.ppf(wanted)  # of the means of two normal samples with this AUROC
        assert threshold is not None
        assert threshold.value == pytest.approx(distance, abs=0.16)
        assert threshold.ci_low is not None
        assert threshold.ci_high is not None
        assert threshold.ci_low <= threshold.value <= threshold.ci_high < threshold.ci_low + 0.6
        assert threshold.verdict == "among"
        assert threshold.largest == 5
    assert found.noticed is not None
    assert found.noticed.random_init[0] == pytest.approx(0.95 / 2, abs=0.1)
    assert found.noticed.random_init_median == pytest.approx((0.95 / 2 + 0.95 * 2) / 2, abs=0.2)


def test_shift_scale_and_sign_of_a_score_change_nothing() -> None:
    scores = shifted(100)
    plain, moved = (respond("noise", ALONE, VALUES, scores=s, random_init=[]) for s in (scores, 3 - 7 * scores))
    assert plain.noticed == moved.noticed
    assert plain.separated == moved.separated
    np.testing.assert_allclose(effect(plain.critic)[0], -effect(moved.critic)[0], atol=1e-9)
    np.testing.assert_allclose(aurocs(plain.critic), aurocs(moved.critic), atol=1e-9)


def test_an_effect_is_the_paired_difference_in_units_of_the_first_spread() -> None:
    base = RNG.normal(size=50)
    mean, sd = effect(
        respond("x", ALONE, [0.0, 1.0], scores=np.stack([base, base + 2 * base.std(ddof=1)]), random_init=[]).critic
    )
    np.testing.assert_allclose(mean, [0, 2])
    np.testing.assert_allclose(sd, [0, 0], atol=1e-12)  # all move alike, however far apart they are
    flat = respond("x", ALONE, [0.0, 1.0], scores=np.stack([np.ones(50), np.zeros(50)]), random_init=[])
    assert np.isnan(effect(flat.critic)[0]).all()
    assert flat.noticed is not None
    assert flat.noticed.value == 1.0  # any change is told


def test_draws_that_take_every_image_once_give_the_aurocs_and_differences_themselves() -> None:
    scores = np.round(shifted(30), 1)  # with ties
    drawn = _drawn_aurocs(scores, np.ones((1, 30), dtype=np.int64))
    np.testing.assert_allclose(drawn[0], aurocs(curve("noise", VALUES, scores))[1:])
    for wanted in (0.6, 0.75, 0.9, 0.99):
        steps = _from_where_on(VALUES, drawn, wanted)
        above = [v for v, a in zip(VALUES[1:], drawn[0], strict=True) if a < wanted]
        assert steps[0] == pytest.approx(max(above, default=0.0) + 0.1)
    assert _from_where_on(VALUES, np.full((1, 50), 0.5), 0.75).tolist() == [math.inf]


def test_scores_that_ignore_a_factor_notice_no_difference() -> None:
    for _ in range(20):
        found = respond(
            "x", ALONE, [0.0, 1.0, 2.0], scores=RNG.normal(size=(3, 40)), random_init=[RNG.normal(size=(3, 40))]
        )
        assert found.noticed is not None
        assert found.noticed.value is None
        assert found.noticed.ci_high is None
        assert found.noticed.random_init_median is None
        assert found.noticed.text(None) == "> 2"


def test_directions_and_names_are_told_apart() -> None:
    scores = np.stack([np.arange(20.0), np.arange(20.0) + 1, np.arange(20.0) + 30])
    assert respond("size", ALONE, [0.3, 0.4, 0.5], scores=scores, random_init=[]).direction == UP
    down = respond("size", ALONE, [0.3, 0.2, 0.1], scores=scores, random_init=[])
    assert (down.direction, down.name) == (DOWN, "size down")
    assert down.separated is not None
    assert down.separated.value == 0.2
    names = respond("noise_kind", ALONE, ["white", "fine", "rows"], scores=scores, random_init=[])
    assert (names.direction, names.name, names.told) == (NAMES, "noise kind", ["rows"])
    assert names.noticed is None
    rows = names.rows()
    assert list(rows["value"]) == ["white", "fine", "rows"]
    assert rows["auroc"].tolist()[0] == 0.5
    assert rows["auroc"].tolist()[2] == 1


def test_a_critic_is_finer_than_random_init_ones_only_if_than_each() -> None:
    assert DetectionThreshold(0.1, 0.1, 0.2, (0.2, None, 0.3), 1.0).verdict == "finer"
    assert DetectionThreshold(0.2, 0.1, 0.2, (0.2, None, 0.3), 1.0).verdict == "among"
    assert DetectionThreshold(None, None, None, (0.2, 0.1, 0.3), 1.0).verdict == "coarser"
    assert DetectionThreshold(None, None, None, (0.2, None, 0.3), 1.0).verdict == "among"
    assert DetectionThreshold(0.1, 0.1, 0.2, (), 1.0).verdict == ""
    assert DetectionThreshold(0.1, 0.1, 0.2, (0.2, None, 0.3), 1.0).random_init_median == 0.3
    assert DetectionThreshold(0.1, 0.1, 0.2, (), 1.0).random_init_median is None


def test_too_few_base_images_are_refused() -> None:
    with pytest.raises(InputError, match="a sweep needs at least 20 base images, got 19"):
        respond("x", ALONE, [0.0, 1.0], scores=np.zeros((2, 19)), random_init=[])
