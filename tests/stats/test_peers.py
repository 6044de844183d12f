"""Our numbers against those of others' implementations: of scipy and scikit-learn, and of what is installed besides."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.spatial import procrustes as scipy_procrustes
from scipy.stats import binomtest, false_discovery_control, friedmanchisquare, mannwhitneyu
from sklearn.feature_selection import mutual_info_classif
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from gan_probe.stats.agreement import icc, kendall_w
from gan_probe.stats.auroc import auroc, separate
from gan_probe.stats.conformal import call_outliers, detect
from gan_probe.stats.information import bits, entropy, local_information
from gan_probe.stats.intervals import auroc_interval
from gan_probe.stats.pairwise import compare_pairs
from gan_probe.stats.similarity import debiased_cka
from gan_probe.stats.variance import epsilon_squared, eta_squared

RNG = np.random.default_rng(0)
HIGH, LOW = RNG.normal(1, 1, 60), RNG.normal(0, 2, 45)
TIED = np.round(HIGH), np.round(LOW)
RATINGS = RNG.normal(size=(30, 1)) + 0.7 * RNG.normal(size=(30, 5)) + np.arange(5)  # (images, runs)


@pytest.mark.parametrize(("high", "low"), [(HIGH, LOW), TIED])
def test_auroc_and_its_p_value(high: np.ndarray, low: np.ndarray) -> None:
    both, is_high = np.concatenate([high, low]), np.repeat([1, 0], [len(high), len(low)])
    assert auroc(high, low) == pytest.approx(roc_auc_score(is_high, both), abs=1e-12)
    theirs = mannwhitneyu(high, low, alternative="two-sided", method="asymptotic").pvalue
    found = compare_pairs(both[None], np.where(is_high == 1, "a", "b"))
    assert found.p_value[0, 0, 1] == pytest.approx(theirs, rel=1e-9)


def test_few_images_have_exact_p_values() -> None:
    theirs = mannwhitneyu(HIGH[:6], LOW[:7], alternative="two-sided", method="exact").pvalue
    found = compare_pairs(np.concatenate([HIGH[:6], LOW[:7]])[None], ["a"] * 6 + ["b"] * 7)
    assert found.p_value[0, 0, 1] == pytest.approx(theirs, rel=1e-9)


def test_the_variance_of_an_auroc_is_that_of_the_placements() -> None:
    """DeLong, written out: the variances of each class's placements in the other, over their numbers."""
    inside = (HIGH[:, None] > LOW).astype(float)
    written = inside.mean(1).var(ddof=1) / len(HIGH) + inside.mean(0).var(ddof=1) / len(LOW)
    found = compare_pairs(np.concatenate([HIGH, LOW])[None], ["a"] * 60 + ["b"] * 45)
    assert found.variance[0, 0, 1] == pytest.approx(written)


@pytest.mark.parametrize("value", [0.6, 0.9, 1.0])
def test_ends_of_newcombe_s_interval_solve_its_equation(value: float) -> None:
    m, n, z = 40, 30, 1.959963984540054
    for end in auroc_interval(value, m, n):
        if end not in (0.0, 1.0):
            spread = 1 + ((m + n) / 2 - 1) * ((1 - end) / (2 - end) + end / (1 + end))
            assert abs(value - end) == pytest.approx(z * np.sqrt(end * (1 - end) * spread / (m * n)), rel=1e-6)


def test_average_precision_and_both_fpr95() -> None:
    seen, unlike = RNG.normal(0, 1, 300), RNG.normal(-2, 1, 120)
    found = detect("x", unlike, seen, reference=seen)
    is_new, outlier_score = np.repeat([1, 0], [120, 300]), -np.concatenate([unlike, seen])
    assert found.aupr == pytest.approx(average_precision_score(is_new, outlier_score))
    of_class, hit, _ = roc_curve(is_new, outlier_score, drop_intermediate=False)
    assert found.fpr95_class == pytest.approx(of_class[(hit >= 0.95).argmax()])
    of_seen, kept, _ = roc_curve(1 - is_new, -outlier_score, drop_intermediate=False)
    assert found.fpr95 == pytest.approx(of_seen[(kept >= 0.95).argmax()])


def test_information_is_scikit_learn_s_up_to_its_scale() -> None:
    labels = np.repeat(np.arange(4), 50)
    scores = RNG.normal(size=200) + labels
    theirs = mutual_info_classif(scores[:, None], labels, discrete_features=False, random_state=0)[0] / np.log(2)
    apart = mutual_info_classif(100.0 * labels[:, None] + scores[:, None], labels, random_state=0)[0] / np.log(2)
    assert bits(scores, labels) == pytest.approx(theirs / apart * entropy(labels), rel=1e-3)
    assert local_information(scores, labels).mean() == bits(scores, labels)


def test_benjamini_and_hochberg_s_calls() -> None:
    p = np.concatenate([RNG.random(80), RNG.random(20) / 500])
    assert (call_outliers(p, fdr=0.1) == (false_discovery_control(p) <= 0.1)).all()


def test_kendall_s_w_is_friedman_s_statistic_over_its_most() -> None:
    means = RATINGS.T  # five runs order thirty classes
    assert kendall_w(means) == pytest.approx(friedmanchisquare(*means.T).statistic / (5 * 29))


def test_debiased_cka_of_the_same_is_one_and_of_a_rotation_too() -> None:
    rows = RNG.normal(size=(50, 6))
    turn = np.linalg.qr(RNG.normal(size=(6, 6)))[0]
    assert debiased_cka(rows, 3 * rows @ turn) == pytest.approx(1)
    assert scipy_procrustes(rows, 3 * rows @ turn)[2] == pytest.approx(0, abs=1e-12)


def test_debiased_cka_is_song_s_estimator_written_out() -> None:
    """Song et al. 2012, equation 5, over pairs, triples and quadruples by brute force."""
    a, b = RNG.normal(size=(9, 3)), RNG.normal(size=(9, 4))

    def hsic(x: np.ndarray, y: np.ndarray) -> float:
        k, m = x @ x.T, y @ y.T
        np.fill_diagonal(k, 0)
        np.fill_diagonal(m, 0)
        n = len(k)
        mixed = (k @ m).sum() / (n - 2)
        return float((np.trace(k @ m) + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 * mixed) / (n * (n - 3)))

    assert debiased_cka(a, b) == pytest.approx(hsic(a, b) / np.sqrt(hsic(a, a) * hsic(b, b)))


def test_the_interval_of_a_share_of_draws_is_wilson_s() -> None:
    centre, z = (17 + 1.96**2 / 2) / (20 + 1.96**2), 1.96
    half = z / (20 + z**2) * np.sqrt(17 * 3 / 20 + z**2 / 4)
    found = binomtest(17, 20).proportion_ci(0.95, method="wilson")
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half), abs=1e-4)


def test_bonferroni_s_correction_is_that_of_the_pairs() -> None:
    labels = np.repeat(list("abc"), 20)
    scores = RNG.normal(size=60) + 0.5 * (labels == "b")
    plain = {frozenset((p.a, p.b)): p.p_value for p in separate(scores, labels)}
    for (a, b), corrected in ((tuple(pair), p) for pair, p in plain.items()):
        theirs = mannwhitneyu(scores[labels == a], scores[labels == b], alternative="two-sided", method="asymptotic")
        assert corrected == pytest.approx(min(1, 3 * theirs.pvalue))


# --- what need not be installed --------------------------------------------------------------------------------------


def test_icc_and_effect_sizes_are_pingouin_s() -> None:
    pingouin = pytest.importorskip("pingouin", reason="pingouin is not installed; it is GPL, and no dependency")
    long = pd.DataFrame(RATINGS).melt(ignore_index=False, var_name="run", value_name="score").reset_index(names="image")
    theirs = pingouin.intraclass_corr(long, targets="image", raters="run", ratings="score").set_index("Type")["ICC"]
    two, three = icc(RATINGS.T)
    named = {name.replace("ICC(A,1)", "ICC2").replace("ICC(C,1)", "ICC3"): value for name, value in theirs.items()}
    assert (two, three) == pytest.approx((named["ICC2"], named["ICC3"]), abs=1e-6)
    codes = np.repeat(np.arange(3), 20)
    values = RNG.normal(size=60) + codes
    table = pingouin.anova(pd.DataFrame({"v": values, "f": codes}), dv="v", between="f", detailed=True, effsize="n2")
    assert eta_squared(values, codes) == pytest.approx(table["n2"][0], abs=1e-3)
    ss, df, ms = table["SS"], table["DF"], table["MS"]
    omega = (ss[0] - df[0] * ms[1]) / (ss[0] + ss[1] + ms[1])  # Hays 1963, as of classes of a set number of images
    assert epsilon_squared(values, codes, codes) == pytest.approx(omega, abs=1e-3)


def test_detection_is_pytorch_ood_s() -> None:
    why = "pytorch-ood cannot be imported; it needs torchvision, and is no dependency"
    utils = pytest.importorskip("pytorch_ood.utils", reason=why, exc_type=ImportError)
    seen, unlike = RNG.normal(0, 1, 300), RNG.normal(-2, 1, 120)
    metrics = utils.OODMetrics()
    metrics.update(torch.tensor(-np.concatenate([seen, unlike])), torch.tensor([1] * 300 + [-1] * 120))
    theirs = {name: float(value) for name, value in metrics.compute().items()}
    found = detect("x", unlike, seen, reference=seen)
    assert found.auroc == pytest.approx(theirs["AUROC"], abs=1e-6)
    assert found.fpr95_class == pytest.approx(theirs["FPR95TPR"], abs=1e-6)
