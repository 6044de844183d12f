"""What a user of Python meets first: names, what things say of themselves, and wrong first tries."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gan_probe
import synthetic
from gan_probe.critics.critic import Critic
from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet


def test_dir_shows_what_a_user_needs() -> None:
    shown = [name for name in dir(gan_probe) if not name.startswith("__")]
    assert shown == sorted([*(name for name in gan_probe.__all__ if not name.startswith("__")), "estimators"])
    assert all(getattr(gan_probe, name).__doc__ for name in shown)


def test_things_say_what_they_are(critic: Critic, few_set: ImageSet) -> None:
    assert repr(critic).startswith("<Critic compact 32x32x3, 8 steps, ")
    assert critic.hash in repr(critic)
    assert repr(few_set) == "<ImageSet: 32 images of 32x32x3, 4 classes, from article-test>"
    assert "no labels" in repr(gan_probe.from_arrays(few_set.images))


def test_paths_and_arrays_are_images_too(critic: Critic, few_set: ImageSet, tmp_path: Path) -> None:
    expected = critic.score(few_set.images[:2])
    for number, image in enumerate(few_set.images[:2]):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    for data in (tmp_path, str(tmp_path), few_set.images[:2], few_set.take(np.arange(2))):
        found = gan_probe.score(critic, data, controls=False, embeddings=False)
        assert np.array_equal(found.scores.astype(np.float32), expected)
    Image.fromarray(few_set.images[0]).resize((50, 40)).save(tmp_path / "2.png")
    assert len(gan_probe.score(critic, tmp_path, controls=False, embeddings=False).table) == 3


def test_wrong_first_tries_get_the_sentence_that_helps(critic: Critic, few_set: ImageSet) -> None:
    image = few_set.images[0]
    tries = [
        (lambda: critic.score(image), r"images\[None\]"),
        (lambda: critic.score("a.png"), "gan_probe.read_images"),
        (lambda: critic.score(few_set), r"Of a path or an ImageSet: gan_probe.read_images\(path\).images"),
        (lambda: critic.score(few_set.images / 255), r"\(255 \* images\)"),
        (lambda: gan_probe.score(critic, few_set.images / 255), r"got float64. Of values from 0 to 1"),
        (lambda: gan_probe.score(critic, image), "One image is a set of one"),
        (lambda: gan_probe.score(critic, [image]), "got list"),
        (lambda: gan_probe.from_arrays(few_set.images, ["a"]), "32 images and 1 labels"),
    ]
    for attempt, message in tries:
        with pytest.raises(InputError, match=message):
            attempt()


def test_a_missing_label_in_an_array_is_no_class_of_its_own(few_set: ImageSet) -> None:
    found = gan_probe.from_arrays(few_set.images[:4], ["a", None, float("nan"), "nan"])
    assert found.table["label"].tolist() == ["a", "(no label)", "(no label)", "nan"]
    assert found.warnings == ("2 images have no label.",)


def test_a_spec_file_is_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "mine"\nsize_px = 16\nper_class = 2\n[[type]]\nshape = "circle"\n')
    spec = synthetic.load_spec(tmp_path / "mine.toml")
    made = synthetic.make_dataset(str(tmp_path / "mine.toml"))
    assert np.array_equal(made.images, synthetic.make_dataset(spec).images)
