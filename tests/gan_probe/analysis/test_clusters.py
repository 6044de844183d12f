import numpy as np
import pytest

from gan_probe.analysis.clusters import cluster, prepare
from gan_probe.analysis.projection import project
from gan_probe.errors import ConfigError, InputError, MissingError

RNG = np.random.default_rng(0)
LABELS = np.repeat(["a", "b", "c"], 30)
BLOBS = RNG.normal(size=(90, 5)) * 0.1 + np.repeat([[0.0], [5.0], [10.0]], 30, axis=0)


def test_clear_groups_are_found_without_labels_by_every_method() -> None:
    found = cluster(BLOBS, LABELS)
    assert [(c.method, c.k_from) for c in found] == [
        ("k-means", "silhouette"), ("k-means", "classes"), ("Gaussian mixture", "bic"), ("Gaussian mixture", "classes"),
        ("HDBSCAN", "density"),
    ]  # fmt: skip
    for c in found:
        assert (c.k, c.ari, c.homogeneity) == (3, pytest.approx(1.0), pytest.approx(1.0))


def test_scores_are_clustered_like_embeddings_and_order_does_not_matter() -> None:
    order = RNG.permutation(90)
    for c in cluster(BLOBS[order, 0], LABELS[order]):
        assert c.ari == pytest.approx(1.0)


def test_labels_that_have_nothing_to_do_with_the_rows_agree_by_chance_only() -> None:
    shuffled = RNG.permutation(LABELS)
    assert all(abs(c.ari) < 0.1 and abs(c.ami) < 0.1 for c in cluster(BLOBS, shuffled))


def test_labels_do_not_influence_the_blind_choice_of_k() -> None:
    two = np.where(LABELS == "a", "a", "b")
    blind = [[c.assignment.tolist() for c in cluster(BLOBS, y) if c.k_from != "classes"] for y in (LABELS, two)]
    assert blind[0] == blind[1]


def test_standardising_decides_whether_a_column_s_unit_counts() -> None:
    rows = np.c_[BLOBS, 1000 * RNG.normal(size=90)]
    alone = [c.ari for c in cluster(rows, LABELS, standardise=False) if c.k_from == "classes"]
    scaled = [c.ari for c in cluster(rows, LABELS) if c.k_from == "classes"]
    assert max(alone) < 0.2
    assert min(scaled) > 0.8
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


def test_without_labels_there_are_clusters_and_no_agreement() -> None:
    found = cluster(BLOBS)
    assert [(c.k_from, c.k) for c in found] == [("silhouette", 3), ("bic", 3), ("density", 3)]
    assert all(np.isnan(c.ari) for c in found)
