from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, silhouette_score

from gan_probe.errors import ConfigError, InputError, MissingError
from gan_probe.stats import clustering as clusters
from gan_probe.stats.clustering import (
    NOISE,
    Clustering,
    best_space,
    choose,
    cluster,
    contingency,
    fewest,
    hungarian_accuracy,
    is_one_to_one,
    prepare,
    stable_bits,
)
from gan_probe.stats.information import chosen_rows
from gan_probe.studies.separation.projection import project

RNG = np.random.default_rng(0)
LABELS = np.repeat(["a", "b", "c"], 30)
BLOBS = RNG.normal(size=(90, 5)) * 0.1 + np.repeat([[0.0], [5.0], [10.0]], 30, axis=0)


@pytest.fixture(scope="module")
def found() -> list[Clustering]:
    return cluster(BLOBS, LABELS)


@pytest.fixture(scope="module")
def blind() -> list[Clustering]:
    return cluster(BLOBS)


def test_clear_groups_are_found_without_labels_by_every_method(found: list[Clustering]) -> None:
    assert [(c.method, c.k_from) for c in found] == [
        ("k-means", "stability"), ("k-means", "classes"), ("Gaussian mixture", "bic"), ("Gaussian mixture", "classes"),
        ("HDBSCAN", "density"),
    ]  # fmt: skip
    for c in found:
        assert c.k == 3
        assert c.stability == pytest.approx(1.0)
        assert all(a.value == pytest.approx(1.0) for a in c.agreement.values())


def test_scores_are_clustered_like_embeddings_and_order_does_not_matter() -> None:
    order = RNG.permutation(90)
    for c in cluster(BLOBS[order, 0], LABELS[order]):
        assert c.ari == pytest.approx(1.0)


def test_labels_that_have_nothing_to_do_with_the_rows_agree_by_chance_only() -> None:
    shuffled = RNG.permutation(LABELS)
    assert all(abs(c.agreement[of].value) < 0.1 for c in cluster(BLOBS, shuffled) for of in ("ari", "ami"))


def test_labels_do_not_influence_the_blind_choice_of_k(found: list[Clustering]) -> None:
    other = cluster(BLOBS, np.where(LABELS == "a", "a", "b"))
    chosen = [[c.assignment.tolist() for c in some if c.k_from != "classes"] for some in (found, other)]
    assert chosen[0] == chosen[1]


def test_standardising_decides_whether_a_column_s_unit_counts() -> None:
    rows = np.c_[BLOBS, 1000 * RNG.normal(size=90)]

    def apart(prepared: np.ndarray) -> float:
        return silhouette_score(prepared, LABELS)

    assert apart(prepare(rows, standardise=False)) < 0.2
    assert apart(prepare(rows)) > 0.5
    assert prepare(BLOBS).shape == (90, 5)


def test_what_cannot_be_clustered_is_refused() -> None:
    with pytest.raises(InputError, match="needs at least ten images, got 3"):
        cluster(BLOBS[:3], LABELS[:3])
    with pytest.raises(InputError, match="all rows are equal"):
        cluster(np.ones(90), LABELS)
    with pytest.raises(InputError, match="not finite"):
        cluster(np.full(90, np.nan), LABELS)


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_projections_keep_groups_apart(method: str) -> None:
    view = project(BLOBS, method)
    assert view.shape == (90, 2)
    centres = np.stack([view[c == LABELS].mean(0) for c in "abc"])
    spread = max(view[c == LABELS].std() for c in "abc")
    assert min(np.linalg.norm(centres[i] - centres[j]) for i, j in ((0, 1), (0, 2), (1, 2))) > spread


def test_what_cannot_be_projected_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown projection 'tnse'. Did you mean 'tsne'"):
        project(BLOBS, "tnse")
    with pytest.raises(InputError, match="at least ten rows"):
        project(BLOBS[:3])
    with pytest.raises(InputError, match="varies in one dimension only"):
        project(np.c_[BLOBS[:, 0], np.zeros(90)])


def test_umap_without_its_extra_says_what_to_install() -> None:
    try:
        import umap  # noqa: F401
    except ImportError:
        with pytest.raises(MissingError, match=r"pip install 'gan-probe\[umap\]'"):
            project(BLOBS, "umap")
    else:
        assert project(BLOBS, "umap").shape == (90, 2)


def test_without_labels_there_are_clusters_and_no_agreement(blind: list[Clustering]) -> None:
    assert [(c.k_from, c.k) for c in blind] == [("stability", 3), ("bic", 3), ("density", 3)]
    assert all(np.isnan(c.ari) for c in blind)


def test_groups_that_are_there_are_stable_and_noise_is_not(found: list[Clustering]) -> None:
    noise = RNG.uniform(size=(90, 5))
    assert min(c.stability for c in found) > 0.99
    assert min(c.stability for c in cluster(noise, LABELS) if c.k > 1) < 0.7


def test_the_choice_without_labels_is_the_same_without_labels(found: list[Clustering], blind: list[Clustering]) -> None:
    chosen = [[c.method for c in some if c.is_chosen] for some in (found, blind)]
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 1
    assert all(c.k_from != "classes" for c in blind)


def test_of_the_most_stable_bits_the_fewest_clusters_are_chosen_and_never_one(found: list[Clustering]) -> None:
    first = found[0]
    made = [
        replace(first, k_from="bic", k=1, stability=1.0),
        replace(first, k_from="silhouette", k=2, stability=0.99),
        replace(first, k_from="density", k=3, stability=0.98),
        replace(first, k_from="classes", k=4, stability=1.0),
        replace(first, k_from="stability", k=4, stability=0.8),  # a cluster split in two where nothing is to be split
    ]
    assert [c.is_chosen for c in choose(made)] == [False, False, True, False, False]


def test_stable_bits_of_known_clusterings() -> None:
    assert stable_bits(1.0, 8) == pytest.approx(3.0)
    assert stable_bits(0.5, 4) == pytest.approx(2 * 0.5**1.25)
    assert stable_bits(1.0, 1) == stable_bits(0.0, 9) == 0.0
    assert stable_bits(-0.1, 4) < 0
    bits = {3: 1.58, 8: 1.75, 12: 1.8, 20: 1.3}
    assert fewest(bits, lambda k: k) == 3
    assert fewest(bits | {3: 1.5}, lambda k: k) == 8  # 15 % of 1.8 are 0.27
    assert fewest({2: -0.2, 4: -0.1}, lambda k: k) == 4


def test_hungarian_accuracy_of_known_clusters() -> None:
    renamed = np.array([5, 0, 9])[np.repeat([2, 0, 1], 30)]
    order = RNG.permutation(90)
    assert hungarian_accuracy(LABELS, renamed) == 1.0
    assert hungarian_accuracy(LABELS[order], renamed[order]) == 1.0
    assert hungarian_accuracy(LABELS, np.where(np.arange(90) < 9, 7, renamed)) == pytest.approx(81 / 90)
    assert hungarian_accuracy(LABELS, np.zeros(90)) == pytest.approx(1 / 3)  # one cluster has one class
    assert hungarian_accuracy(LABELS, np.arange(90)) == pytest.approx(3 / 90)  # and a class one cluster
    wrong = RNG.choice(90, 20, replace=False)
    given = np.repeat([0, 1, 2], 30)
    given[wrong] = (given[wrong] + 1) % 3
    table = np.zeros((3, 3))
    np.add.at(table, (np.repeat([0, 1, 2], 30), given), 1)
    best = max(sum(table[i, p[i]] for i in range(3)) for p in permutations(range(3)))
    assert hungarian_accuracy(LABELS, given) == pytest.approx(best / 90)


def test_where_noise_has_the_largest_spread_the_space_is_whitened_and_else_it_is_not() -> None:
    """Groups in directions of small spread, beside a few that vary more and say nothing."""
    means = 4.0 * np.eye(6)[np.arange(240) % 6]
    groups = RNG.normal(size=(240, 6)) * 0.3 + means
    noise = RNG.normal(size=(240, 3)) * 20
    for rows, name in ((groups, "plain"), (np.c_[groups, noise], "whitened")):
        space = best_space(prepare(rows, standardise=False), 0)
        assert space.name == name
        assert space.k == 6
    assert best_space(prepare(groups[:, 0]), 0).k_from == "silhouette"


def test_agreement_has_an_interval_that_holds_the_truth() -> None:
    mixed = np.where(np.arange(90) % 10 == 0, "a", LABELS)
    for name in ("accuracy", "ari"):
        found = cluster(BLOBS, mixed)[0].agreement[name]
        assert found.ci_low < found.value < found.ci_high < 1


def test_rows_beyond_the_sample_are_assigned_to_the_same_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "MAX_FITTED", 45)
    for c in cluster(BLOBS, LABELS):
        assert len(c.assignment) == 90
        assert adjusted_rand_score(LABELS, c.assignment) == pytest.approx(1.0)


def test_components_of_a_sample_place_all_rows_and_rows_that_few_differ_in_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = prepare(BLOBS)
    monkeypatch.setattr(clusters, "MAX_FITTED", 45)
    parts = prepare(BLOBS)
    assert parts.shape == whole.shape
    assert abs(np.corrcoef(parts[:, 0], whole[:, 0])[0, 1]) > 0.999
    assert 7 not in chosen_rows(np.zeros(400), most=45)  # the one row of 400 that differs
    assert np.ptp(prepare(np.eye(1, 400, 7).repeat(3, axis=0).T)) > 0
    assert np.ptp(prepare(np.eye(1, 400, 7).ravel())) > 0


def test_the_contingency_counts_every_image_once() -> None:
    table = contingency(np.repeat([2, 0, 1], 30), LABELS, ["c", "b", "a"])
    assert table.to_numpy().tolist() == [[30, 0, 0], [0, 30, 0], [0, 0, 30]]


def test_fewer_rows_that_differ_than_clusters_asked_for_are_found_without_a_word() -> None:
    rows = np.repeat(np.arange(4.0), 5)  # of 80 % drawn anew, fewer still may differ
    found = cluster(rows, np.repeat(list("abcd"), 5))  # warnings are errors here
    assert {c.k for c in found if c.method == "k-means"} <= {3, 4}


def test_the_adjusted_rand_index_is_scikit_learn_s_bit_by_bit() -> None:
    """Of chance, of the same groups, of one group, of none alike, with noise (-1) and with names."""
    for n, k, most in [(400, 10, 10), (57, 3, 8), (10, 1, 4), (10, 1, 1), (12, 12, 12)]:
        one, other = RNG.integers(k, size=n), RNG.integers(-1, most, size=n)
        for a, b in [(one, other), (one, one), (other, one), (np.arange(n), np.arange(n)[::-1]), (np.arange(n), one)]:
            assert clusters.adjusted_rand(a, b) == adjusted_rand_score(a, b)
            assert clusters.adjusted_rand(a.astype(str), b) == adjusted_rand_score(a.astype(str), b)


def test_clusters_that_are_the_classes_are_told_of_all_images() -> None:
    labels = np.repeat(["a", "b"], 50)
    same = (labels == "b").astype(np.intp)
    one_wrong, in_none = same.copy(), same.copy()
    one_wrong[7], in_none[labels == "b"] = 1, NOISE
    assert [is_one_to_one(found, labels) for found in (same, one_wrong, in_none)] == [True, False, False]


def test_images_in_no_cluster_are_not_in_their_class_s() -> None:
    labels = np.repeat(["a", "b", "c"], 10)
    assert hungarian_accuracy(labels, np.repeat([0, 1, NOISE], 10)) == pytest.approx(2 / 3)
    assert hungarian_accuracy(labels, np.full(30, NOISE)) == 0


@pytest.mark.parametrize("n_classes", [2, 3, 4, 5])
def test_the_room_of_an_interval_is_four_images_in_a_wrong_cluster(n_classes: int) -> None:
    codes = np.repeat(np.arange(n_classes), 6)
    of, put = clusters._wrong(codes, codes)
    assert len(of) == 4
    assert (of != put).all()
