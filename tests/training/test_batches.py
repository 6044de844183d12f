"""Batches follow from (seed, step), whether images are resident or fetched, whole or in parts."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan_probe.config import TrainConfig
from gan_probe.critics.critic import Critic
from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet, LazyImages
from gan_probe.images.readers.reading import read_images
from gan_probe.images.readers.streaming import stream_images
from gan_probe.training import train
from gan_probe.training.batches import ImageSource, batches
from gan_probe.training.ranks import Ranks
from synthetic import make_dataset, write_dataset
from tests.conftest import BARE, small_spec

CPU = torch.device("cpu")
CONFIG = TrainConfig(batch_size=6, steps=9, n_critic=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(make_dataset(small_spec("article-train", 20)), tmp_path_factory.mktemp("data") / "d")


@pytest.mark.parametrize("format_name", ["folder", "parquet", "npy"])
def test_streamed_images_are_the_resident_ones(format_name: str, tmp_path: Path) -> None:
    path = write_dataset(make_dataset(small_spec("article-train", 6)), tmp_path / "d", format=format_name)
    resident, streamed = read_images(path), stream_images(path)
    assert isinstance(streamed.images, LazyImages)
    assert streamed.fingerprint == resident.fingerprint
    assert streamed.image_shape == resident.image_shape
    assert np.array_equal(streamed.images[np.array([3, 0, 3])], resident.images[[3, 0, 3]])
    assert np.array_equal(streamed.take(np.array([5, 1])).images[:2], resident.images[[5, 1]])


@pytest.mark.slow
def test_a_streamed_training_is_the_resident_one_bit_for_bit(folder: Path, tmp_path: Path) -> None:
    resident = train(read_images(folder), tmp_path / "resident", BARE)
    streamed = train(stream_images(folder), tmp_path / "streamed", BARE)
    assert streamed.hash == resident.hash
    assert Critic.load(tmp_path / "streamed").config.data_fingerprint == resident.config.data_fingerprint


def test_a_resumed_stream_goes_on_where_it_stopped(folder: Path) -> None:
    source = ImageSource.of(stream_images(folder).images, CPU)
    whole = list(batches(source, CONFIG, first=1, sees_reals=True))
    rest = list(batches(source, CONFIG, first=6, sees_reals=True))
    assert len(whole) == 9
    for ours, theirs in zip(rest, whole[5:], strict=True):
        assert torch.equal(ours.critic[1].real, theirs.critic[1].real)
        assert torch.equal(ours.generator.real, theirs.generator.real)


def test_parts_of_several_processes_make_the_whole_batch(train_set: ImageSet) -> None:
    source = ImageSource.of(train_set.images, CPU)
    whole = next(batches(source, CONFIG, first=3, sees_reals=False))
    parts = [next(batches(source, CONFIG, first=3, sees_reals=False, ranks=Ranks(r, 3))) for r in range(3)]
    for name in ("real", "z", "alpha"):
        joined = torch.cat([getattr(part.critic[0], name) for part in parts])
        assert torch.equal(joined, getattr(whole.critic[0], name))


def test_grey_and_colour_files_stream_as_colour(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, shape in (("a.png", (16, 16)), ("b.png", (16, 16, 3))):
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(tmp_path / name)
    resident, streamed = read_images(tmp_path), stream_images(tmp_path)
    assert streamed.image_shape == (16, 16, 3)
    assert np.array_equal(streamed.images[:], resident.images)
    assert streamed.fingerprint == resident.fingerprint


def test_what_cannot_be_streamed_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 16, 16), np.uint8))
    with pytest.raises(InputError, match="x.npz cannot be streamed. Accepted: a folder of images, a picture, .npy,"):
        stream_images(tmp_path / "x.npz")
    np.save(tmp_path / "x.npy", np.zeros((2, 16, 16), np.uint8))
    with pytest.raises(InputError, match="holds 16x16 pixels; an array is not resized on the way"):
        stream_images(tmp_path / "x.npy", size_px=32)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="a.png is not a readable image"):
        stream_images(tmp_path / "broken")
