import numpy as np
import pandas as pd
import pytest

from gan_probe.errors import InputError
from gan_probe.stats.conformal import call_outliers, conformal_p, detect, detections, least_detectable, split_reals
from gan_probe.studies.outliers.result import find

RNG = np.random.default_rng(0)
SEEN, REFERENCE = RNG.normal(size=200), RNG.normal(size=200)


def test_a_low_class_is_found_by_its_low_scores() -> None:
    found = detect("x", RNG.normal(-20, 1, 50), SEEN, reference=REFERENCE)
    assert (found.auroc, found.aupr, found.fpr95, found.is_reversed) == (1.0, 1.0, 0.0, False)


def test_a_class_above_the_reals_is_reversed_for_low_and_found_by_two_sided() -> None:
    high = RNG.normal(20, 1, 50)
    low, two = (detect("x", high, SEEN, reference=REFERENCE, direction=direction) for direction in ("low", "two-sided"))
    assert (low.auroc, low.fpr95, low.is_reversed) == (0.0, 1.0, True)
    assert (two.auroc, two.fpr95, two.is_reversed) == (1.0, 0.0, False)


def test_more_of_the_same_is_chance() -> None:
    found = detect("x", RNG.normal(size=400), SEEN, reference=REFERENCE)
    assert found.auroc == pytest.approx(0.5, abs=0.06)
    assert found.aupr == pytest.approx(found.prevalence, abs=0.08)
    assert found.fpr95 == pytest.approx(0.95, abs=0.04)
    assert found.fpr95_class == pytest.approx(0.95, abs=0.04)


def test_the_two_fpr95_ask_for_95_percent_of_either_side() -> None:
    seen, unlike = np.arange(100.0), [*np.arange(-1.0, -96.0, -5.0).tolist(), 60.0]
    found = detect("x", np.array(unlike), seen, reference=seen)
    assert found.fpr95 == 1 / 20  # 95 of 100 seen lie at 5 or above, and so does one of twenty
    assert found.fpr95_class == 0  # nineteen of twenty lie below 0, and none of the seen
    other = detect("x", np.repeat([-1.0, 60.0], 10), seen, reference=seen)
    assert (other.fpr95, other.fpr95_class) == (0.5, 0.61)


def test_conformal_p_values_of_reals_are_uniform() -> None:
    for direction in ("low", "two-sided"):
        p = np.concatenate([conformal_p(RNG.normal(size=40), RNG.normal(size=99), direction) for _ in range(200)])
        for level in (0.05, 0.2, 0.5):
            assert (p <= level).mean() == pytest.approx(level, abs=0.02)


def test_false_discoveries_stay_below_their_rate_and_clear_outliers_are_found() -> None:
    wrong, found = [], []
    for _ in range(100):
        scores = np.r_[RNG.normal(size=90), RNG.normal(-6, 1, 30)]
        called = call_outliers(conformal_p(scores, RNG.normal(size=300)), fdr=0.1)
        wrong.append(called[:90].sum() / max(1, called.sum()))
        found.append(called[90:].mean())
    assert np.mean(wrong) <= 0.1
    assert np.mean(found) > 0.95


def test_few_reals_cannot_make_one_image_of_many_an_outlier() -> None:
    needed = least_detectable(100, 59, fdr=0.1)
    assert needed == 17
    for extreme in (needed, needed - 1):
        scores = np.r_[np.full(extreme, -99.0), np.full(100 - extreme, 0.0)]
        called = call_outliers(conformal_p(scores, np.linspace(-1, 1, 59)), fdr=0.1)
        assert called.sum() == (extreme if extreme >= needed else 0)


def test_every_unseen_class_is_measured_in_both_directions_hardest_first() -> None:
    table = pd.DataFrame(
        {
            "critic_score": np.r_[SEEN, RNG.normal(-9, 1, 50), RNG.normal(0, 1, 50)],
            "label": np.repeat(["real", "far", "near"], [200, 50, 50]),
            "seen": np.repeat([True, False, False], [200, 50, 50]),
        }
    )
    found = detections(table)
    assert [(d.label, d.direction) for d in found] == [
        ("near", "low"), ("near", "two-sided"), ("far", "low"), ("far", "two-sided"),
    ]  # fmt: skip
    seen, reference = split_reals(table)
    assert len(seen) == len(reference) == 100
    assert sorted(np.r_[seen, reference]) == sorted(SEEN)
    assert len(split_reals(table, REFERENCE)[0]) == 200


def test_what_cannot_be_told_is_refused() -> None:
    table = pd.DataFrame({"critic_score": range(8), "label": "a", "seen": [True] * 4 + [False] * 4})
    with pytest.raises(InputError, match="at least 10 seen images to measure on and 10 to compare with; got 2 and 2"):
        detections(table)
    with pytest.raises(InputError, match="needs images of both"):
        detections(table.assign(seen=True))
    with pytest.raises(InputError, match="at least 10 held-out reals, got 3"):
        conformal_p(np.zeros(2), np.zeros(3))
    with pytest.raises(InputError, match="must lie between 0 and 1, got 2"):
        call_outliers(np.ones(3), fdr=2)


def test_finding_names_the_images_most_unlike_first_and_says_what_it_cannot_do() -> None:
    table = pd.DataFrame(
        {
            "sample_id": [f"s{i}" for i in range(60)],
            "critic_score": np.r_[RNG.normal(size=30), RNG.normal(-9, 1, 30)],
            "label": np.repeat(["real", "far"], 30),
            "seen": np.repeat([True, False], 30),
        }
    )
    found = find(table, REFERENCE)
    assert found.table["is_outlier"].head(30).all()
    assert set(found.table["label"].head(30)) == {"far"}
    assert found.metrics().share_of_seen < 0.2
    assert found.by_class()[0][1] == 1.0
    assert "images have scores too low" in found.findings()[0]
    assert not any("More reals" in line for line in found.findings())
    few = find(table.iloc[:40], REFERENCE[:20])
    assert "images lie beyond every held-out real, and none is called: with 20 of these" in few.findings()[1]
    assert "it takes 20 such images among 40. More reals" in few.findings()[1]
    high = find(table.assign(critic_score=-table["critic_score"]), -REFERENCE)
    assert "a low score will never find them. --two-sided tells of these far (1.00)" in high.findings()[-1]
    two = find(table.assign(critic_score=-table["critic_score"]), -REFERENCE, direction="two-sided")
    assert two.table["is_outlier"].head(30).all()


def test_two_sided_is_advised_only_where_it_was_computed_to_help() -> None:
    """A class a little above the reals: on the wrong side for low scores, and no further out on either side."""
    near = pd.DataFrame(
        {
            "critic_score": np.r_[RNG.normal(size=300), RNG.normal(0.4, 0.5, 300)],
            "label": np.repeat(["real", "near"], 300),
            "seen": np.repeat([True, False], 300),
        }
    )
    (line,) = [line for line in find(near, REFERENCE).findings() if line.startswith("Careful")]
    assert "Nor does --two-sided tell near (0." in line
    assert not any("--two-sided tells" in line for line in find(near, REFERENCE).findings())


def test_more_reals_are_asked_for_only_where_they_are_few() -> None:
    reals = RNG.normal(size=3000)
    few_extreme = pd.DataFrame({"critic_score": np.r_[RNG.uniform(-1, 1, 998), -99.0, -99.0]})
    for reference, is_asked in ((reals[:200], True), (reals, False)):
        found = find(few_extreme, reference)
        assert found.metrics().n_outliers == 0
        assert any("More reals" in line for line in found.findings()) == is_asked
    quiet = find(pd.DataFrame({"critic_score": RNG.uniform(-1, 1, 1000)}), reals[:200])  # none lies beyond them
    assert not any("More reals" in line for line in quiet.findings())


def test_without_labels_images_are_still_called_outliers() -> None:
    found = find(pd.DataFrame({"critic_score": np.r_[np.zeros(5), np.full(20, -99.0)]}), REFERENCE)
    assert found.metrics().n_outliers == 20
    assert found.metrics().classes == []


def test_shares_at_a_quantile_have_intervals_that_know_of_both_samples() -> None:
    rng = np.random.default_rng(0)
    few, many = (detect("x", -rng.normal(2, 1, 200), -rng.normal(0, 1, n), reference=np.zeros(1)) for n in (40, 4000))
    for name in ("fpr95", "fpr95_class", "tpr01"):
        ends = [(getattr(d, f"{name}_low"), getattr(d, name), getattr(d, f"{name}_high")) for d in (few, many)]
        assert all(low <= value <= high for low, value, high in ends), name
        assert ends[0][2] - ends[0][0] > ends[1][2] - ends[1][0], name
    assert few.tpr01_low == 0  # none of forty is known to lie beyond 99 % of all
    assert many.tpr01_low > 0.2


def test_a_class_apart_from_the_seen_keeps_an_interval() -> None:
    found = detect("x", np.arange(-140.0, -100), np.arange(400.0), reference=np.zeros(1))
    assert (found.fpr95, found.fpr95_low, found.tpr01, found.tpr01_high) == (0, 0, 1, 1)
    assert 0 < found.fpr95_high < 0.1
    assert 0.9 < found.tpr01_low < 1
