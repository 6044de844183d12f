import numpy as np
import pytest
from skimage.feature import hog
from sklearn.decomposition import PCA

from gan_probe.scoring.controls import PROBED

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("name", PROBED)
@pytest.mark.parametrize("shape", [(16, 16, 1), (32, 32, 3), (64, 64, 1)])
def test_every_representation_gives_finite_rows_that_depend_on_the_image_alone(
    name: str, shape: tuple[int, int, int]
) -> None:
    images = RNG.integers(0, 256, (60, *shape), dtype=np.uint8)
    images[0] = 7  # an image without contrast
    encode = PROBED[name](images[:40], 0)
    rows = encode(images)
    assert rows.shape[0] == 60
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    assert np.allclose(encode(images[[5]]), rows[[5]], atol=1e-2 * np.abs(rows).max())
    again = PROBED[name](images[:40], 0)(images)
    assert np.allclose(again, rows, atol=1e-3 * np.abs(rows).max())


def test_pixels_and_principal_components_are_what_they_say() -> None:
    images = RNG.integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
    rows = PROBED["pixels"](images, 0)(images)
    assert np.array_equal(rows, images.reshape(40, 64).astype(np.float32) / np.float32(255))
    components = PROBED["pca"](images, 0)(images)
    assert np.allclose(components, PCA(40, svd_solver="full").fit_transform(rows), atol=1e-4)


def test_patches_are_blind_to_brightness_and_see_where_things_are() -> None:
    """The same texture in another corner changes the quadrants, a brighter ground changes nothing."""
    base = np.full((60, 16, 16, 1), 90, dtype=np.uint8)
    base += RNG.integers(0, 40, base.shape, dtype=np.uint8)
    encode = PROBED["kmeans_patches"](base, 0)
    plain = encode(base[:1])
    assert np.allclose(encode(base[:1] + 50), plain, atol=1e-2 * plain.max())
    moved = encode(base[:1, ::-1])
    quarter = plain.shape[1] // 4
    assert not np.allclose(moved[:, :quarter], plain[:, :quarter], atol=1e-2 * plain.max())


def test_hog_tells_directions_apart() -> None:
    stripes = (np.indices((32, 32))[1] // 4 % 2 * 255).astype(np.uint8)
    images = np.stack([stripes, stripes.T])[..., None]
    rows = PROBED["hog"](images, 0)(images)
    assert rows[0] @ rows[1] < 0.2 * (rows[0] @ rows[0])


@pytest.mark.parametrize("shape", [(64, 64, 3), (28, 28, 1), (33, 41, 3)])
def test_hog_of_many_images_is_that_of_scikit_image(shape: tuple[int, int, int]) -> None:
    images = RNG.integers(0, 256, (5, *shape), dtype=np.uint8)
    images[0] = 7
    cell_px = max(2, min(shape[:2]) // 8)
    expected = [
        hog(image.squeeze(), orientations=9, pixels_per_cell=(cell_px, cell_px), cells_per_block=(2, 2),
            channel_axis=-1 if shape[-1] > 1 else None)
        for image in images
    ]  # fmt: skip
    assert np.allclose(PROBED["hog"](images, 0)(images), expected, atol=1e-6)
