"""Every measure of likeness on embeddings whose likeness is known."""

import numpy as np
import pytest
from scipy.stats import ortho_group

from gan_probe.stats.similarity import (
    MEASURES,
    Measure,
    debiased_cka,
    over_pairs,
    procrustes,
    shared_neighbours,
    similarities,
    standardised_rows,
)

N, D = 120, 12
LABELS = np.repeat(["a", "b", "c"], N // 3)
FIT = np.arange(N) % 2 == 0


def rows(seed: int, d: int = D) -> np.ndarray:
    return standardised_rows(np.random.default_rng(seed).normal(size=(N, d)), FIT)


@pytest.mark.parametrize("name", MEASURES)
def test_a_rotation_a_scale_and_an_order_of_channels_change_nothing(name: str) -> None:
    one = rows(0)
    for other in (one, -3 * one, one[:, ::-1], one @ ortho_group.rvs(D, random_state=1)):
        assert MEASURES[name](one, other, FIT) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", MEASURES)
def test_likeness_does_not_depend_on_which_run_comes_first(name: str) -> None:
    one, other = rows(0), rows(0) + rows(1)
    assert MEASURES[name](one, other, FIT) == pytest.approx(MEASURES[name](other, one, FIT))


def test_over_runs_each_measure_is_that_of_the_pairs_bit_by_bit_and_looks_at_a_run_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is taken once a run gives what two embeddings alone give."""
    monkeypatch.setattr("gan_probe.stats.clustering.MAX_K", 3)  # clusters are compared, too, and not looked at here
    monkeypatch.setattr("gan_probe.stats.clustering.N_RESAMPLED", 2)
    embedded = [rows(seed) + rows(9) for seed in range(4)]
    direct = {
        "Procrustes": lambda a, b: procrustes(a, b, FIT),
        "debiased CKA": lambda a, b: debiased_cka(a[~FIT], b[~FIT]),
        "shared neighbours": lambda a, b: shared_neighbours(a[~FIT], b[~FIT]),
    }
    seen: list[int] = []
    for name, (of_run, of_pair) in MEASURES.items():
        counted = Measure(lambda r, fit, of_run=of_run: (seen.append(id(r)), of_run(r, fit))[1], of_pair)
        monkeypatch.setitem(MEASURES, name, counted)
    found = {
        s.measure: s.value
        for s in similarities(np.arange(4.0 * N).reshape(4, N), embedded, LABELS, FIT)
        if s.measure in direct
    }
    assert len(seen) == 4 * len(MEASURES)
    again = [standardised_rows(e, FIT) for e in embedded]
    for name, compare in direct.items():
        expected = over_pairs(name, lambda i, j, compare=compare: compare(again[i], again[j]), 4)
        assert found[name] == expected.value


def test_independent_embeddings_share_nothing() -> None:
    pairs = [(rows(seed), rows(seed + 1000)) for seed in range(30)]
    assert np.mean([procrustes(a, b, FIT) for a, b in pairs]) == pytest.approx(0, abs=0.02)
    assert np.mean([debiased_cka(a, b) for a, b in pairs]) == pytest.approx(0, abs=0.01)
    assert np.mean([shared_neighbours(a, b) for a, b in pairs]) == pytest.approx(10 / (N - 1), abs=0.01)


def plain_cka(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(0), b - b.mean(0)
    return float(np.linalg.norm(a.T @ b) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)))


def test_plain_cka_of_few_independent_images_is_far_above_chance_and_debiased_cka_is_not() -> None:
    rng = np.random.default_rng(0)
    pairs = [rng.normal(size=(2, 32, 8)) for _ in range(200)]
    assert np.mean([plain_cka(*pair) for pair in pairs]) == pytest.approx(0.198, abs=0.01)
    assert abs(np.mean([debiased_cka(*pair) for pair in pairs])) < 0.017


def test_debiased_cka_of_many_images_is_plain_cka() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(2000, 5)) * [3, 2, 1, 1, 1]
    b = a + rng.normal(size=(2000, 5))
    assert debiased_cka(a, b) == pytest.approx(plain_cka(a, b), abs=0.005)


def test_variance_shared_is_that_which_was_put_in() -> None:
    """Two noisy views of one signal: correlation s / (s + e) of the coordinates, its square the variance shared."""
    rng = np.random.default_rng(0)
    signal, fit = rng.normal(size=(4000, D)), np.arange(4000) % 2 == 0
    a, b = (signal + rng.normal(size=signal.shape) for _ in range(2))
    assert procrustes(a, b @ ortho_group.rvs(D, random_state=0), fit) == pytest.approx(0.25, abs=0.02)


def test_more_channels_than_images_neither_make_nor_hide_a_likeness() -> None:
    wide = [rows(seed, d=400) for seed in range(2)]
    assert abs(procrustes(*wide, FIT)) < 0.05
    assert procrustes(wide[0], wide[0] @ ortho_group.rvs(400, random_state=0), FIT) == pytest.approx(1)


def test_dead_channels_and_units_do_not_count() -> None:
    one = np.random.default_rng(0).normal(size=(N, D))
    other = np.hstack([one * np.logspace(-2, 2, D) + 7, np.ones((N, 3))])
    assert standardised_rows(other, FIT)[:, :D] == pytest.approx(standardised_rows(one, FIT))
    assert (standardised_rows(other, FIT)[:, D:] == 0).all()
    assert debiased_cka(standardised_rows(np.ones((N, 3)), FIT), standardised_rows(one, FIT)) == 0


def test_the_interval_over_pairs_leaves_out_whole_runs() -> None:
    table = np.full((6, 6), 0.8)
    same = over_pairs("x", lambda i, j: float(table[i, j]), 6)
    assert (same.value, same.ci_low, same.ci_high) == pytest.approx((0.8, 0.8, 0.8))
    table[5] = table[:, 5] = 0.2  # one run unlike the others lowers five pairs of fifteen at once
    odd = over_pairs("x", lambda i, j: float(table[i, j]), 6)
    assert odd.value == pytest.approx(0.6)
    assert odd.ci_high - odd.ci_low > 0.5


@pytest.mark.slow
def test_clusters_agree_where_runs_see_the_same_groups_and_not_where_they_see_noise() -> None:
    rng, half = np.random.default_rng(0), np.arange(60) % 2 == 0
    groups = np.repeat(np.arange(3), 20)
    scores = np.stack([run + 9.0 * groups + 0.1 * rng.normal(size=60) for run in range(3)])
    found = {s.measure: s for s in similarities(scores, list(rng.normal(size=(3, 60, 5))), LABELS[::2], half)}
    assert list(found) == [*MEASURES, "clusters of scores", "clusters of embeddings"]
    assert found["clusters of scores"].value == pytest.approx(1)
    assert found["clusters of embeddings"].value == pytest.approx(0, abs=0.1)
    assert found["shared neighbours"].chance == pytest.approx(10 / 29)


def test_without_embeddings_only_scores_are_clustered_and_of_few_images_nothing() -> None:
    scores = np.random.default_rng(0).normal(size=(3, 12))
    assert [s.measure for s in similarities(scores, [], LABELS[:12], FIT[:12])] == ["clusters of scores"]
    assert similarities(scores[:, :8], [], LABELS[:8], FIT[:8]) == []
