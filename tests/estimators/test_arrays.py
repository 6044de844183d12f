"""What comes in at the estimators: arrays whose axes, ranges and types are not what they seem; files that change."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from gan_probe.critics.critic import Critic
from gan_probe.errors import InputError
from gan_probe.estimators import CriticClassifier, CriticEmbedder, CriticNovelty, CriticScorer, ImageLoader

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def colour(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("colour") / "c"
    Critic.untrained("compact", (32, 32, 3)).save(folder)
    return str(folder)


@pytest.fixture(scope="module")
def grey(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("grey") / "c"
    Critic.untrained("compact", (32, 32, 1)).save(folder)
    return str(folder)


@pytest.mark.parametrize("kind", [CriticScorer, CriticEmbedder, CriticNovelty, CriticClassifier])
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES.transpose(0, 3, 1, 2), r"takes images of 32x32x3 .* got 3x32x32.*X.transpose\(0, 2, 3, 1\)"),
        (torch.from_numpy(IMAGES).permute(0, 3, 1, 2), r"X.transpose\(0, 2, 3, 1\)"),
        (IMAGES.reshape(12, 1024, 3), "got 1024x3"),
        (IMAGES.reshape(12, 16, 64, 3), "got 16x64x3"),
        (IMAGES.reshape(12, 1, 32, 32, 3), "got 1x32x32x3"),
        (IMAGES[0], r"One image is a batch of one: X\[None\]"),
        ([IMAGES[0], IMAGES[1][:16]], "arrays in the list differ in shape"),
    ],
)  # fmt: skip
def test_images_of_another_shape_are_refused_in_fit_and_after_it(
    kind: Any, images: Any, message: str, colour: str
) -> None:
    y = np.arange(len(images)) % 2
    with pytest.raises(InputError, match=message):
        kind(colour).fit(images, y)
    fitted = kind(colour).fit(IMAGES, np.arange(12) % 2)
    with pytest.raises(InputError, match=message):
        (fitted.transform if hasattr(fitted, "transform") else fitted.predict)(images)


def test_lists_tensors_and_nested_lists_are_arrays(colour: str, grey: str) -> None:
    expected = CriticScorer(colour).fit_transform(IMAGES)
    for images in (list(IMAGES), torch.from_numpy(IMAGES), tuple(IMAGES), IMAGES.reshape(12, -1)):
        assert np.array_equal(CriticScorer(colour).fit_transform(images), expected)
    assert np.allclose(CriticScorer(colour).fit_transform(IMAGES.tolist()), expected, atol=1e-4)
    one = IMAGES[..., :1]
    first = CriticScorer(grey).fit_transform(one)
    for images in (one[..., 0], one.transpose(0, 3, 1, 2)):  # the same pixels in the same order
        assert np.array_equal(CriticScorer(grey).fit_transform(images), first)


def test_without_a_critic_channels_are_last_or_asked_about() -> None:
    cases = [
        (IMAGES.transpose(0, 3, 1, 2), r"images of 3x32x32: channels come first; .*X.transpose\(0, 2, 3, 1\)"),
        (IMAGES[:, :3], "3x32x3 can be read with channels first or last"),
        (IMAGES[:, :1], "1x32x3 can be read with channels first or last"),
        (IMAGES[0], "one RGB image .* or grey ones"),
        (np.repeat(IMAGES, 2, axis=-1), "have 6 channels; known are 1"),
        (IMAGES[None], "images must be"),
    ]
    for images, message in cases:
        for estimator in (CriticScorer(), ImageLoader()):
            with pytest.raises(InputError, match=message):
                estimator.fit(images)


@pytest.mark.parametrize(
    ("rows", "value_range", "message"),
    [
        (IMAGES / 255, (0, 255), r"values up to 1 are all black .*Is it value_range=\(0, 1\)"),
        ((IMAGES > 127).astype(np.uint8), (0, 255), r"all black .*Is it value_range=\(0, 1\)"),
        (IMAGES / 127.5 - 1, (0, 255), r"all black|from -1 to 1 lie beyond .*"),
        (IMAGES, (0, 1), r"from 0 to 255 lie beyond .*Is it value_range=\(0, 255\)"),
        (IMAGES * 257.0, (0, 255), r"lie beyond .*Is it value_range=\(0, 65535\)"),
        ((IMAGES - 100.0) / 50, (0, 1), "lie beyond .*Say what is black and white"),
        (IMAGES / 255, (-1, 1), r"dark half .*Is it value_range=\(0, 1\)"),
    ],
)
def test_values_that_look_out_of_range_are_warned_of_once(
    rows: np.ndarray, value_range: tuple[float, float], message: str, colour: str
) -> None:
    rows = rows.reshape(12, -1)
    with pytest.warns(UserWarning, match=message) as seen:
        CriticScorer(colour, value_range=value_range).fit_transform(rows)
    assert len(seen) == 1


def test_values_that_go_wrong_after_fit_are_warned_of_too(colour: str) -> None:
    fitted = CriticScorer(colour).fit(IMAGES)
    with pytest.warns(UserWarning, match="all black"):
        fitted.transform(IMAGES / 255)


def test_right_values_are_not_warned_of(colour: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rows, value_range in (
            (IMAGES, (0, 255)), (IMAGES / 255, (0, 1)), (IMAGES / 127.5 - 1, (-1, 1)), (IMAGES * 0, (0, 255)),
            (IMAGES.astype(float) - 0.5, (0, 255)),
        ):  # fmt: skip
            CriticScorer(colour, value_range=value_range).fit_transform(rows)


@pytest.mark.parametrize(
    "make", [CriticScorer, CriticEmbedder, lambda path: CriticEmbedder(Path(path), n_components=2)]
)
def test_a_cache_never_serves_the_features_of_a_replaced_critic(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "c"

    def cached() -> np.ndarray:
        model = make_pipeline(make(str(path)), FunctionTransformer(), memory=str(tmp_path / "cache"))
        return model.fit_transform(IMAGES)

    def n_stored() -> int:
        return len(list((tmp_path / "cache").rglob("output.pkl")))

    Critic.untrained("compact", (32, 32, 3), seed=1).save(path)
    first = cached()
    assert (np.array_equal(cached(), first), n_stored()) == (True, 1)
    Critic.untrained("compact", (32, 32, 3), seed=2).save(path, overwrite=True)
    assert np.allclose(cached(), make(str(path)).fit_transform(IMAGES), atol=1e-5)
    assert not np.allclose(cached(), first)
    (path / "critic.safetensors").write_bytes((path / "critic.safetensors").read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(InputError, match="was changed since it was saved"):
        cached()
    assert make(str(path)).get_params() == clone(make(str(path))).get_params()


def test_a_cache_never_serves_what_a_file_held_before(colour: str, tmp_path: Path) -> None:
    file = tmp_path / "a.png"

    def cached() -> np.ndarray:
        model = make_pipeline(ImageLoader(), CriticScorer(colour), FunctionTransformer(), memory=str(tmp_path / "m"))
        return model.fit_transform([str(file)])

    found = []
    for image in IMAGES[:2]:
        Image.fromarray(image).save(file)
        found.append(cached())
    assert not np.allclose(*found)


# --- ImageLoader -------------------------------------------------------------------------------------------------


def encoded(image: np.ndarray, format_: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format=format_)
    return buffer.getvalue()


def test_bytes_of_every_type_are_images() -> None:
    content = encoded(IMAGES[0])
    items = [content, bytearray(content), memoryview(content), np.bytes_(content), IMAGES[0]]
    for images in (items, pd.Series(items[:4]), np.array([content, content])):
        assert all(np.array_equal(row, IMAGES[0].ravel()) for row in ImageLoader().fit_transform(images))


def test_zeros_at_the_end_of_bytes_are_kept() -> None:
    dark = np.zeros((8, 8, 3), np.uint8)  # a BMP of it ends in zeros, which numpy's arrays of bytes cut off
    assert ImageLoader().fit_transform(np.array([encoded(dark, "BMP")])).shape == (1, 192)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I;16"])
@pytest.mark.filterwarnings("ignore:1 of 1 images were")
def test_pictures_of_every_mode_are_decoded(mode: str) -> None:
    picture = Image.new(mode, (8, 8)) if mode == "I;16" else Image.fromarray(IMAGES[0]).convert(mode)
    assert ImageLoader(8).fit_transform([picture]).shape == (1, 192)


def test_arrays_are_resized_where_asked_for() -> None:
    small = ImageLoader(16).fit_transform(IMAGES)
    pictures = ImageLoader(16).fit_transform([Image.fromarray(image) for image in IMAGES])
    assert np.array_equal(small, pictures)
    assert np.array_equal(ImageLoader(16).fit_transform(list(IMAGES)), pictures)
    assert ImageLoader(16).fit(IMAGES).image_shape_ == (16, 16, 3)
    assert ImageLoader(32).fit_transform(IMAGES.reshape(12, -1)).shape == (12, 3072)


def test_what_is_converted_is_counted() -> None:
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    with pytest.warns(UserWarning, match="1 of 2 images were transparent, laid on white"):
        ImageLoader(8).fit_transform([clear, IMAGES[0]])


def test_what_is_not_a_list_of_images_is_refused(tmp_path: Path) -> None:
    Image.fromarray(IMAGES[0]).save(tmp_path / "a.png")
    path = str(tmp_path / "a.png")
    cases = [
        (pd.DataFrame({"left": [path] * 4, "right": [path] * 4}), "one column of images is needed, got 2: left, right"),
        ([[path, path], [path, path]], "one column of images is needed, got 2"),
        (path, r"this is one image; give a list of images: \[X\]"),
        (Path(path), "this is one image"),
        (b"abc", "this is one image"),
        (Image.new("RGB", (8, 8)), "this is one image"),
        ((p for p in [path]), "in a generator have no order, or can be read only once"),
        ({path}, "in a set have no order"),
        ({"a": path}, "in a dict have no order"),
        ([], "the list is empty"),
        ([path, None], "image 1: cannot read an image from NoneType"),
        ([path, IMAGES[0].transpose(2, 0, 1)], "image 1: images of 3x32x32: channels come first"),
        ([path, IMAGES[0] / 255], "image 1: an array among pictures must be uint8"),
    ]
    for images, message in cases:
        with pytest.raises(InputError, match=message):
            ImageLoader().fit_transform(images)
    with pytest.raises(InputError, match="only images of uint8 .* are resized, got float64"):
        ImageLoader(16).fit(IMAGES / 255)
    with pytest.raises(InputError, match="rows of 3072 numbers cannot be resized to 16 pixels"):
        ImageLoader(16).fit(IMAGES.reshape(12, -1))
    with pytest.raises(InputError, match="size_px must be from 4 to 4096, got 0"):
        ImageLoader(0).fit([path])
    with pytest.raises(InputError, match=r"images are \(16, 64, 3\), the first one was \(32, 32, 3\)"):
        ImageLoader().fit(IMAGES).transform(IMAGES.reshape(12, 16, 64, 3))
    assert ImageLoader().fit_transform([[path], [path]]).shape == (2, 3072)
    assert ImageLoader().fit_transform(pd.DataFrame({"one": [path, path]})).shape == (2, 3072)
