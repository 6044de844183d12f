"""Image representations that need no critic: what a critic's embedding must beat in a probe.

To add one: a function of the unlabelled images it may learn from (n, h, w, c) uint8 and a seed, that returns a function
from images to rows (n, d) float32; and one row in `gan_probe.scoring.controls.CONTROLS`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gan_probe.types import Images, Rows, SomeImages

Encoder = Callable[[Images], Rows]

N_COMPONENTS = 100
N_FITTED = 10_000  # unlabelled images that PCA and k-means look at
CELLS_PER_SIDE, ORIENTATIONS = 8, 9
PATCH_PX, N_CENTROIDS, N_PATCHES = 6, 200, 100_000
POSITIONS_PER_SIDE = 32  # patches along a side of larger images, which are strided
CHUNK = 8  # images at a time: their patches' distances stay in a core's cache, which takes half the time or less


def pixels(unlabelled: Images, seed: int) -> Encoder:
    """Return the raw pixels in [0, 1], one row an image."""
    return lambda images: images.reshape(len(images), -1).astype(np.float32) / np.float32(255)


def pca(unlabelled: Images, seed: int) -> Encoder:
    """Return the first 100 principal components of the pixels, fitted on at most 10,000 unlabelled images."""
    from sklearn.decomposition import PCA  # late, as below: scoring starts without scikit-learn

    rows = pixels(unlabelled, seed)(_sample(unlabelled, N_FITTED, seed))
    n = min(N_COMPONENTS, *rows.shape)
    solver = "full" if n == min(rows.shape) else "randomized"
    with np.errstate(invalid="ignore"):  # rows that are all equal have no variance to share out
        fitted = PCA(n, svd_solver=solver, random_state=seed).fit(rows)
    return lambda images: fitted.transform(pixels(images, seed)(images)).astype(np.float32)


def hog_descriptor(unlabelled: Images, seed: int) -> Encoder:
    """Return histograms of oriented gradients: 9 orientations in 8x8 cells, blocks of 2x2.

    References
    ----------
    Dalal and Triggs 2005, "Histograms of Oriented Gradients for Human Detection".
    """
    from skimage.feature import hog  # late: scoring starts without SciPy

    def encode(images: Images) -> Rows:
        cell = max(2, min(images.shape[1:3]) // CELLS_PER_SIDE)
        found = [
            hog(
                image if image.shape[-1] > 1 else image[..., 0],
                orientations=ORIENTATIONS,
                pixels_per_cell=(cell, cell),
                cells_per_block=(2, 2),
                channel_axis=-1 if image.shape[-1] > 1 else None,
            )
            for image in images
        ]
        return np.asarray(found, dtype=np.float32)

    return encode


def kmeans_patches(
    unlabelled: Images,
    seed: int,
    *,
    patch_px: int = PATCH_PX,
    n_centroids: int = N_CENTROIDS,
    n_patches: int = N_PATCHES,
) -> Encoder:
    """Return how near the patches in each quadrant are to centroids of whitened patches, (n, 4 * n_centroids).

    Patches are normalised for brightness and contrast and whitened; the "triangle" activation max(0, mean distance -
    distance) is summed over each quadrant. Patches of images above 37 px are strided.

    Parameters
    ----------
    unlabelled : ndarray of uint8, shape (n, h, w, c)
    seed : int
    patch_px : int
        Side of a patch.
    n_centroids : int
        At most so many; fewer where there are fewer patches.
    n_patches : int
        Patches that centroids are fitted on: so many, each once, or all that the images have.

    References
    ----------
    Coates, Lee, Ng 2011, "An Analysis of Single-Layer Networks in Unsupervised Feature Learning", sections 3 and 4.
    """
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(seed)
    per_image = -(-n_patches // min(len(unlabelled), N_FITTED))
    found = []
    for chunk in _chunks(_sample(unlabelled, N_FITTED, seed)):
        patches = _patches(chunk, patch_px)
        patches = patches.reshape(len(chunk), -1, patches.shape[-1])
        if per_image < patches.shape[1]:
            columns = rng.random(patches.shape[:2]).argpartition(per_image, axis=1)[:, :per_image]
            patches = np.take_along_axis(patches, columns[..., None], axis=1)
        found.append(patches.reshape(-1, patches.shape[-1]))
    sample = _normalised(np.concatenate(found))
    with np.errstate(invalid="ignore"):  # flat images have no variance to explain shares of
        whiten = PCA(whiten=False, svd_solver="covariance_eigh").fit(sample)
    # ZCA; 0.1 is the regulariser that Coates et al. use for patches whose contrast is normalised
    zca = (whiten.components_.T / np.sqrt(np.maximum(whiten.explained_variance_, 0) + 0.1)) @ whiten.components_
    zca = zca.astype(np.float32)
    n = min(n_centroids, len(sample))
    init_size = min(len(sample), 10 * n)  # rows that the first centroids are chosen from: 10 for each
    centres = (
        MiniBatchKMeans(n, batch_size=4096, n_init=3, init_size=init_size, random_state=seed)
        .fit((sample - whiten.mean_) @ zca)
        .cluster_centers_.astype(np.float32)
    )

    def encode_chunk(images: Images) -> Rows:
        patches = _patches(images, patch_px)
        rows, columns = patches.shape[1:3]
        flat = (_normalised(patches.reshape(-1, patches.shape[-1])) - whiten.mean_.astype(np.float32)) @ zca
        squared = (flat**2).sum(1, keepdims=True) - 2 * flat @ centres.T + (centres**2).sum(1)
        distance = np.sqrt(np.maximum(squared, 0))
        near = np.maximum(distance.mean(1, keepdims=True) - distance, 0).reshape(len(images), rows, columns, n)
        half_row, half_column = rows // 2, columns // 2
        quadrants = [
            near[:, r, c].sum((1, 2))
            for r in (slice(None, half_row), slice(half_row, None))
            for c in (slice(None, half_column), slice(half_column, None))
        ]
        return np.concatenate(quadrants, axis=1)

    return lambda images: np.concatenate([encode_chunk(chunk) for chunk in _chunks(images)])


def _sample(images: Images, n: int, seed: int) -> Images:
    if len(images) <= n:
        return images
    return images[np.sort(np.random.default_rng(seed).choice(len(images), n, replace=False))]


def _chunks(images: Images) -> list[SomeImages]:
    return [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]


def _patches(images: Images, patch_px: int) -> Rows:
    """Return (n, rows, columns, values) of all patches, every so many pixels in large images."""
    side = min(images.shape[1:3])
    stride = -(-(side - patch_px + 1) // POSITIONS_PER_SIDE)
    windows = sliding_window_view(images, (patch_px, patch_px), axis=(1, 2))[:, ::stride, ::stride]
    return windows.reshape(*windows.shape[:3], -1).astype(np.float32)


def _normalised(patches: Rows) -> Rows:
    """Return patches (n, values) of 0..255 with mean 0 and, where there is contrast, variance 1."""
    centred = patches - patches.mean(1, keepdims=True)
    return centred / np.sqrt(centred.var(1, keepdims=True) + 10)
