"""A stream gives the pixels whose names it gave, or ends in words."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_probe.errors import InputError
from gan_probe.images.image_set import LazyImages, concatenate
from gan_probe.images.readers.reading import read_images
from gan_probe.images.readers.streaming import stream_images

RNG = np.random.default_rng(0)


def arrays() -> tuple[np.ndarray, np.ndarray]:
    first, second = RNG.integers(0, 256, (2, 6, 8, 8), dtype=np.uint8)
    return first, second


def test_a_replaced_array_is_read_anew_and_noticed_in_use(tmp_path: Path) -> None:
    path, (first, second) = tmp_path / "x.npy", arrays()
    np.save(path, first)
    old = stream_images(path)
    assert np.array_equal(old.images[:][..., 0], first)
    np.save(tmp_path / "y.npy", second)
    (tmp_path / "y.npy").replace(path)
    new = stream_images(path)
    assert np.array_equal(new.images[:][..., 0], second)
    assert new.table["sample_id"].tolist() == read_images(path).table["sample_id"].tolist()
    for stream in (old.images, pickle.loads(pickle.dumps(old.images)), old.take(np.array([3])).images):
        with pytest.raises(InputError, match="x.npy was replaced or changed while its images were streamed"):
            stream[:1]


@pytest.mark.parametrize("change", ["written over", "cut short", "removed"])
def test_an_array_that_changes_under_a_stream_ends_it_in_words(change: str, tmp_path: Path) -> None:
    path, (first, second) = tmp_path / "x.npy", arrays()
    np.save(path, first)
    stream = stream_images(path).images
    if change == "written over":
        np.save(path, np.concatenate([second, second]))
    elif change == "cut short":
        path.write_bytes(path.read_bytes()[:200])
    else:
        path.unlink()
    with pytest.raises(InputError, match="x.npy was replaced or changed .* start again"):
        stream[4:]


def test_a_picture_that_changes_under_a_stream_is_named(tmp_path: Path) -> None:
    for number in range(3):
        Image.new("L", (8, 8), number).save(tmp_path / f"{number}.png")
    stream = stream_images(tmp_path).images
    Image.new("L", (8, 8), 200).save(tmp_path / "new.png")
    (tmp_path / "new.png").replace(tmp_path / "1.png")
    assert stream[:1].max() == 0
    with pytest.raises(InputError, match="1.png was replaced or changed"):
        stream[1:]


def test_images_in_memory_do_not_change_with_their_file(tmp_path: Path) -> None:
    path, (first, second) = tmp_path / "x.npy", arrays()
    np.save(path, first)
    found = read_images(path)
    np.lib.format.open_memmap(path, mode="r+")[:] = second
    assert np.array_equal(found.images[..., 0], first)


def test_a_broken_picture_is_named_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "0.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="^cat/0.png: 0.png is not a readable image"):
        stream_images(tmp_path)


def test_arrays_in_fortran_order_cannot_be_fetched_row_by_row(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.asfortranarray(arrays()[0]))
    assert len(read_images(tmp_path / "x.npy")) == 6
    with pytest.raises(InputError, match="in Fortran order cannot be fetched row by row. Save it with np.ascont"):
        stream_images(tmp_path / "x.npy")


def test_several_streams_joined_are_the_images_read_at_once(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", arrays()[0])
    for number in range(3):
        Image.new("L", arrays()[0].shape[2:0:-1], number).save(tmp_path / f"{number}.png")
    (tmp_path / "pictures").mkdir()
    for path in tmp_path.glob("*.png"):
        path.rename(tmp_path / "pictures" / path.name)
    paths = [tmp_path / "x.npy", tmp_path / "pictures"]
    stream, whole = (concatenate([read(path) for path in paths]) for read in (stream_images, read_images))
    assert isinstance(stream.images, LazyImages)
    assert np.array_equal(pickle.loads(pickle.dumps(stream.images))[:], whole.images)
    assert np.array_equal(stream.take(np.array([8, 0])).images[:], whole.images[[8, 0]])
    mixed = concatenate([stream_images(paths[0]), read_images(paths[1])])
    assert stream.fingerprint == whole.fingerprint == mixed.fingerprint
    assert np.array_equal(mixed.images, whole.images)
