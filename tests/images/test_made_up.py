import numpy as np
import pytest

from gan_probe.images.made_up import OUTLIERS, make_outliers

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(6, 32, 32, 3), (6, 28, 28, 1), (1, 9, 7, 1), (2, 2, 2, 3)])
def test_outliers_are_as_many_images_of_the_same_kind_and_the_reals_stay_as_they_are(shape: tuple[int, ...]) -> None:
    images = RNG.integers(0, 256, shape, dtype=np.uint8)
    before = images.copy()
    made = make_outliers(images, seed=1)
    assert made.keys() == OUTLIERS.keys()
    for found in made.values():
        assert (found.shape, found.dtype) == (shape, np.uint8)
    np.testing.assert_array_equal(images, before)
    again = make_outliers(images, seed=1)
    assert all((again[kind] == found).all() for kind, found in made.items())
    if min(shape) > 1:
        assert any((make_outliers(images, seed=2)[kind] != found).any() for kind, found in made.items())


def test_each_kind_keeps_what_it_says() -> None:
    images = RNG.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    made = make_outliers(images)
    shuffled = made["shuffled patches"]
    assert (np.sort(shuffled.reshape(20, -1)) == np.sort(images.reshape(20, -1))).all()
    assert (shuffled != images).any((1, 2, 3)).all()
    pasted = made["pasted patch"]
    changed = (pasted != images).any(-1).mean((1, 2))
    assert changed.min() > 0.01
    assert changed.max() < 0.45**2 + 0.05
    assert np.diff(made["blurred"].astype(float), axis=1).std() < 0.8 * np.diff(images.astype(float), axis=1).std()
    order = np.argsort(images[0, ..., 0], axis=None, kind="stable")
    assert (np.diff(made["recoloured"][0, ..., 0].ravel()[order].astype(int)) >= 0).all()  # a gamma keeps the order
    flat = np.full((3, 16, 16, 1), 77, np.uint8)
    assert (make_outliers(flat)["warped"] == flat).all()
