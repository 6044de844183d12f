import numpy as np
import pytest

from gan_probe.scoring.controls import STATISTICS, measure_statistics
from gan_probe.scoring.image_statistics import pixel_components
from synthetic import Spec, make_dataset
from synthetic.spec import Type


def flat(level: int, channels: int = 3) -> np.ndarray:
    return np.full((2, 16, 16, channels), level, dtype=np.uint8)


def test_flat_images_have_their_brightness_and_nothing_else() -> None:
    found = measure_statistics(flat(51))
    assert found["brightness"] == pytest.approx([0.2, 0.2], abs=1e-6)
    for name in set(STATISTICS) - {"brightness", "high_frequency_power", "png_bytes"}:
        assert found[name].tolist() == [0, 0]
    assert found["high_frequency_power"] == pytest.approx([0, 0], abs=1e-10)
    assert 0 < found["png_bytes"][0] < 0.2


def test_grey_images_have_every_nuisance_too() -> None:
    assert all(v.shape == (2,) and v.dtype == np.float32 for v in measure_statistics(flat(51, channels=1)).values())


def test_filled_area_is_the_mask_s_area() -> None:
    data = make_dataset("jitter-test", per_class=3)
    assert STATISTICS["filled_area"](data.images) == pytest.approx(data.masks.mean((1, 2)), abs=0.002)


def test_total_variation_grows_with_noise_and_edges_with_contrast() -> None:
    images = {
        noise: make_dataset(Spec("s", (Type("t", {"noise": noise}),), per_class=3)).images
        for noise in (0.0, 0.01, 0.03)
    }
    tv = [STATISTICS["total_variation"](i).mean() for i in images.values()]
    assert tv[0] < tv[1] < tv[2]
    half = flat(255)
    half[:, :, 8:] = 0
    assert STATISTICS["edge_density"](half) == pytest.approx([1 / 15 / 2] * 2)


def test_colourfulness_of_pure_red_is_one() -> None:
    red = np.zeros((1, 4, 4, 3), dtype=np.uint8)
    red[..., 0] = 255
    assert STATISTICS["colourfulness"](red).tolist() == [1.0]


def test_pixel_components_keep_distances_when_nothing_is_left_out() -> None:
    images = make_dataset("article-test", per_class=2).images
    components = pixel_components(images, n_components=100)
    rows = images.reshape(20, -1) / 255
    assert components.shape == (20, 20)
    assert np.linalg.norm(components[0] - components[7]) == pytest.approx(np.linalg.norm(rows[0] - rows[7]), rel=1e-3)


def test_pixel_components_of_very_many_images_are_those_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    levels = np.multiply.outer(rng.normal(size=(300, 2)) @ np.diag([20, 8]) @ rng.normal(size=(2, 48)), np.ones(4))
    images = np.clip(128 + levels.reshape(300, 8, 8, 3), 0, 255).astype(np.uint8)
    whole = pixel_components(images, n_components=2)
    monkeypatch.setattr("gan_probe.scoring.image_statistics.N_FITTED", 150)
    monkeypatch.setattr("gan_probe.scoring.image_statistics.AT_A_TIME", 64)
    found = pixel_components(images, n_components=2)
    assert found.shape == whole.shape
    for one, other in zip(found.T, whole.T, strict=True):
        assert abs(np.corrcoef(one, other)[0, 1]) > 0.99


def test_high_frequency_power_is_the_variance_of_a_fine_chequerboard_and_nothing_of_a_slow_wave() -> None:
    y, x = np.mgrid[:16, :16]
    fine = np.where((x + y) % 2, 255, 0).astype(np.uint8)[None, ..., None]
    slow = (127.5 + 127.5 * np.sin(2 * np.pi * x / 16)).astype(np.uint8)[None, ..., None]
    assert STATISTICS["high_frequency_power"](fine) == pytest.approx([0.25])
    assert STATISTICS["high_frequency_power"](slow) == pytest.approx([0], abs=1e-5)


def test_noise_cannot_be_compressed() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    assert STATISTICS["png_bytes"](noise)[0] > 1
