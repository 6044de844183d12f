"""Image representations that need no critic: what a critic's embedding must beat in a probe.

To add one: a function of the unlabelled images it may learn from (n, h, w, c) uint8 and a seed, that returns a function
from images to rows (n, d) float32; and one row in `gan_probe.scoring.controls.CONTROLS`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from gan_probe.scoring.gradients import oriented_gradients
from gan_probe.types import Images, Rows, SomeImages

Encoder = Callable[[Images], Rows]

N_COMPONENTS = 100
N_FITTED = 10_000  # unlabelled images that PCA and k-means look at
CELLS_PER_SIDE = 8
PATCH_PX, N_CENTROIDS, N_PATCHES = 6, 200, 100_000
POSITIONS_PER_SIDE = 32  # patches along a side of larger images, which are strided
CHUNK = 4  # images at a time: their patches' distances stay in a core's cache, which takes half the time or less


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

    def encode(images: Images) -> Rows:
        cell_px = max(2, min(images.shape[1:3]) // CELLS_PER_SIDE)
        return np.concatenate([oriented_gradients(chunk, cell_px) for chunk in _chunks(images)])

    return encode


def kmeans_patches(
    unlabelled: Images,
    seed: int,
    *,
    patch_px: int = PATCH_PX,
    n_centroids: int | None = None,
    n_patches: int | None = None,
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
    n_centroids : int, optional
        At most so many (default: 200); fewer where there are fewer patches.
    n_patches : int, optional
        Patches that centroids are fitted on: so many (default: 100,000), each once, or all that the images have.

    References
    ----------
    Coates, Lee, Ng 2011, "An Analysis of Single-Layer Networks in Unsupervised Feature Learning", sections 3 and 4.
    """
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.decomposition import PCA

    n_centroids, n_patches = n_centroids or N_CENTROIDS, n_patches or N_PATCHES
    rng = np.random.default_rng(seed)
    per_image = -(-n_patches // min(len(unlabelled), N_FITTED))
    found = []
    for chunk in _chunks(_sample(unlabelled, N_FITTED, seed)):
        windows = _windows(chunk, patch_px)
        rows, columns = windows.shape[1:3]
        chosen = np.tile(np.arange(rows * columns), (len(chunk), 1))
        if per_image < rows * columns:
            chosen = rng.random(chosen.shape).argpartition(per_image, axis=1)[:, :per_image]
        images = np.arange(len(chunk))[:, None]
        found.append(_flat(windows[images, chosen // columns, chosen % columns]))
    sample = _normalised(np.concatenate(found))
    with np.errstate(invalid="ignore"):  # flat images have no variance to explain shares of
        whiten = PCA(whiten=False, svd_solver="covariance_eigh").fit(sample)
    # ZCA; 0.1 is the regulariser that Coates et al. use for patches whose contrast is normalised
    zca = (whiten.components_.T / np.sqrt(np.maximum(whiten.explained_variance_, 0) + 0.1)) @ whiten.components_
    zca = zca.astype(np.float32)
    n = min(n_centroids, len(sample))
    init_size = min(len(sample), 10 * n)  # rows that the first centroids are chosen from: 10 for each
    centres = (
        MiniBatchKMeans(n, batch_size=4096, n_init=3, init_size=init_size, random_state=seed, compute_labels=False)
        .fit((sample - whiten.mean_) @ zca)
        .cluster_centers_.astype(np.float32)
    )

    shift, to_centres = whiten.mean_.astype(np.float32) @ zca, -2 * centres.T
    lengths = (centres**2).sum(1)

    def encode_chunk(images: Images) -> Rows:
        windows = _windows(images, patch_px)
        white = _normalised(_flat(windows)) @ zca - shift
        distance = white @ to_centres  # in place from here: what is written to memory is what takes the time
        distance += np.einsum("ij,ij->i", white, white)[:, None]
        distance += lengths
        np.sqrt(np.maximum(distance, 0, out=distance), out=distance)
        near = np.subtract(distance.mean(1, keepdims=True), distance, out=distance)
        near = np.maximum(near, 0, out=near).reshape(len(images), -1, n)
        return (_quadrants(*windows.shape[1:3]) @ near).reshape(len(images), -1)

    return lambda images: np.concatenate([encode_chunk(chunk) for chunk in _chunks(images)])


def _sample(images: Images, n: int, seed: int) -> Images:
    if len(images) <= n:
        return images
    return images[np.sort(np.random.default_rng(seed).choice(len(images), n, replace=False))]


def _chunks(images: Images) -> list[SomeImages]:
    return [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]


def _windows(images: Images, patch_px: int) -> npt.NDArray[np.uint8]:
    """Return (n, rows, columns, c, patch_px, patch_px): all patches, every so many pixels in large images."""
    side = min(images.shape[1:3])
    stride = -(-(side - patch_px + 1) // POSITIONS_PER_SIDE)
    return sliding_window_view(images, (patch_px, patch_px), axis=(1, 2))[:, ::stride, ::stride]


def _flat(windows: npt.NDArray[np.uint8]) -> Rows:
    """Return patches (..., c, h, w) as rows (patches, values)."""
    return windows.reshape(-1, int(np.prod(windows.shape[-3:]))).astype(np.float32)


def _quadrants(rows: int, columns: int) -> Rows:
    """Return which positions lie in each quarter, (4, rows * columns): 1 where they do, else 0."""
    lower, right = (np.arange(k) >= k // 2 for k in (rows, columns))
    quarter = 2 * lower[:, None] + right
    return (quarter.ravel() == np.arange(4)[:, None]).astype(np.float32)


def _normalised(patches: Rows) -> Rows:
    """Return patches (n, values) of 0..255 with mean 0 and, where there is contrast, variance 1."""
    centred = patches - patches.mean(1, keepdims=True)
    centred /= np.sqrt(centred.var(1, keepdims=True) + 10)
    return centred
