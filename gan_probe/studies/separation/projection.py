"""A 2-D view of an embedding. To add a method: one function and one row in ``PROJECTIONS``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from gan_probe.errors import InputError, MissingError
from gan_probe.names import check_name
from gan_probe.stats.clustering import prepare
from gan_probe.types import Rows


def _pca(rows: Rows, seed: int) -> Rows:
    with np.errstate(invalid="ignore"):  # rows that are all equal have no variance to share out
        return PCA(2, random_state=seed).fit_transform(rows)


def _tsne(rows: Rows, seed: int) -> Rows:
    perplexity = min(30.0, (len(rows) - 1) / 3)
    return TSNE(2, init="pca", perplexity=perplexity, random_state=seed).fit_transform(rows)


def _umap(rows: Rows, seed: int) -> Rows:
    try:
        from umap import UMAP
    except ImportError as error:
        raise MissingError("the projection 'umap' needs the extra: pip install 'gan-probe[umap]'") from error
    return UMAP(random_state=seed).fit_transform(rows)


TITLES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
PROJECTIONS: dict[str, Callable[[Rows, int], Rows]] = {"pca": _pca, "tsne": _tsne, "umap": _umap}


def project(rows: Rows, method: str = "pca", *, standardise: bool = True, seed: int = 0) -> Rows:
    """Return a 2-D view (n, 2) of an embedding (n, d), after `gan_probe.stats.clustering.prepare`.

    "pca" keeps large distances; "tsne" and "umap" keep neighbours, and neither sizes of nor distances between groups.

    Raises
    ------
    InputError
        For fewer than ten rows, fewer than two dimensions, or rows that are all equal.
    ConfigError
        For an unknown method.
    MissingError
        For "umap" without the extra.
    """
    check_name("projection", method, PROJECTIONS)
    if len(rows) < 10 or np.ndim(rows) != 2:
        raise InputError(f"a projection needs an embedding of at least ten rows, got shape {np.shape(rows)}.")
    prepared = prepare(rows, standardise=standardise, seed=seed)
    if prepared.shape[1] < 2:
        raise InputError("this embedding varies in one dimension only; there is nothing to project.")
    return PROJECTIONS[method](prepared, seed)
