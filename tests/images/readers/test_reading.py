import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from gan_probe.errors import InputError
from gan_probe.images.image_set import NO_LABEL, ImageSet, concatenate, from_arrays
from gan_probe.images.readers.reading import read_images, read_named
from gan_probe.images.readers.sizes import image_sizes
from gan_probe.images.readers.streaming import stream_images
from synthetic import make_dataset, write_dataset
from synthetic.writer import FORMATS

RNG = np.random.default_rng(0)
SHARED = Path(__file__).parents[4] / "shared" / "data"


def picture(size_px: int = 8, channels: int = 3) -> np.ndarray:
    return RNG.integers(0, 256, (size_px, size_px, channels), dtype=np.uint8).squeeze()


def save(path: Path, image: np.ndarray, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).convert(mode).save(path) if mode else Image.fromarray(image).save(path)


@pytest.mark.parametrize("format", FORMATS)
def test_what_synthetic_writes_is_read_back_pixel_for_pixel(format: str, tmp_path: Path) -> None:
    dataset = make_dataset("jitter-test", per_class=2)
    found = read_images(write_dataset(dataset, tmp_path / "d", format=format, masks=format != "tar"))
    assert np.array_equal(found.images, dataset.images)
    for column in ("sample_id", "label", "seen", "factor.noise", "factor.size"):
        assert found.table[column].tolist() == dataset.table[column].tolist()
    assert found.warnings == ()


@pytest.mark.parametrize("format", FORMATS)
def test_some_images_are_read_by_their_names_and_no_other(format: str, tmp_path: Path) -> None:
    path = write_dataset(make_dataset("jitter-test", per_class=2), tmp_path / "d", format=format)
    whole = read_images(path)
    rows = [5, 0, 12]
    found = read_named(path, whole.table["path"].iloc[rows].tolist())
    assert np.array_equal(np.stack(found), whole.images[rows])
    small = read_named(path, [whole.table["path"].iloc[3]], size_px=16)
    assert np.array_equal(small[0], read_images(path, size_px=16).images[3])
    with pytest.raises(InputError, match="holds no images of 1 of 2 names: no such image"):
        read_named(path, [whole.table["path"].iloc[3], "no such image"])


def test_a_broken_image_is_named_where_it_is_wanted_and_left_alone_where_it_is_not(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / f"{name}.png", picture())
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    assert len(read_named(tmp_path, ["a.png"])) == 1
    with pytest.raises(InputError, match=r"1 images in .* cannot be read: b.png"):
        read_named(tmp_path, ["a.png", "b.png"])


def test_csv_metadata_alone_is_enough_and_own_columns_survive(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / f"{i}.png", picture())
    table = pd.DataFrame({"file_name": ["0.png", "1.png", "2.png"], "label": [7, 7, 8], "patient": ["a", "b", "c"]})
    table.to_csv(tmp_path / "metadata.csv", index=False)
    found = read_images(tmp_path)
    assert found.table["label"].tolist() == ["7", "7", "8"]
    assert found.table["patient"].tolist() == ["a", "b", "c"]


def test_sub_folders_are_labels_and_a_flat_folder_has_none(tmp_path: Path) -> None:
    save(tmp_path / "deep" / "cat" / "1.png", picture())
    save(tmp_path / "deep" / "dog" / "1.jpg", picture())
    save(tmp_path / "flat" / "1.png", picture())
    assert read_images(tmp_path / "deep").table["label"].tolist() == ["cat", "dog"]
    assert "label" not in read_images(tmp_path / "flat").table
    assert read_images(tmp_path / "deep").table["path"].tolist() == ["cat/1.png", "dog/1.jpg"]


def test_grey_transparent_palette_and_16_bit_images_are_converted_and_said_so(tmp_path: Path) -> None:
    save(tmp_path / "a_rgb.png", picture())
    save(tmp_path / "b_grey.png", picture(channels=1))
    clear = np.zeros((8, 8, 4), dtype=np.uint8)
    save(tmp_path / "c_rgba.png", clear)
    save(tmp_path / "d_palette.png", picture(), "P")
    Image.fromarray(np.full((8, 8), 257 * 100, dtype=np.uint16)).save(tmp_path / "e_16.png")
    found = read_images(tmp_path)
    assert found.images.shape == (5, 8, 8, 3)
    assert (found.images[2] == 255).all()  # transparent black lies on white
    assert (found.images[4] == 100).all()
    assert {w.split(" ", 1)[1] for w in found.warnings} == {
        "images were transparent, laid on white.",
        "images were P, converted to RGB.",
        "images were 16-bit, scaled to 8.",
        "grey images were repeated into three channels.",
    }


def test_grey_images_alone_stay_grey(tmp_path: Path) -> None:
    save(tmp_path / "1.png", picture(channels=1))
    assert read_images(tmp_path).image_shape == (8, 8, 1)


def test_mixed_sizes_are_refused_and_can_be_resized(tmp_path: Path) -> None:
    save(tmp_path / "1.png", picture(8))
    save(tmp_path / "2.png", picture(10))
    with pytest.raises(InputError, match=r"differ in size: 8x8 \(1\), 10x10 \(1\). Resize them all with --size N"):
        read_images(tmp_path)
    assert read_images(tmp_path, size_px=16).image_shape == (16, 16, 3)


def test_a_truncated_png_is_named_and_can_be_skipped(tmp_path: Path) -> None:
    save(tmp_path / "good.png", picture(64))
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("not an image")
    with pytest.raises(InputError, match="2 of 3 files in .* cannot be read as images. First: cut.png: cut.png is not"):
        read_images(tmp_path)
    found = read_images(tmp_path, skip_bad=True)
    assert (len(found), found.n_skipped) == (1, 2)
    assert found.warnings[0].startswith("skipped 2 of 3 files: cut.png")
    (tmp_path / "good.png").unlink()
    with pytest.raises(InputError, match="2 of 2 files"):
        read_images(tmp_path, skip_bad=True)


def test_a_missing_file_that_the_metadata_names_is_named(tmp_path: Path) -> None:
    save(tmp_path / "1.png", picture())
    pd.DataFrame({"file_name": ["1.png", "2.png"]}).to_csv(tmp_path / "metadata.csv", index=False)
    with pytest.raises(InputError, match="1 of 2 files.*2.png"):
        read_images(tmp_path)


def test_metadata_cannot_reach_out_of_its_folder(tmp_path: Path) -> None:
    save(tmp_path / "secret.png", picture())
    save(tmp_path / "data" / "1.png", picture())
    pd.DataFrame({"file_name": ["../secret.png"]}).to_csv(tmp_path / "data" / "metadata.csv", index=False)
    with pytest.raises(InputError, match=r"names a file outside of the folder: '\.\./secret.png'"):
        read_images(tmp_path / "data")


def test_folders_and_files_that_hold_no_images_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist. Give a folder of images"):
        read_images(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no images. Accepted: .png"):
        read_images(tmp_path / "empty")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(
        InputError,
        match="is not a kind of file that is known. Accepted: a folder of images, a picture, .npy, .npz, .parquet",
    ):
        read_images(tmp_path / "notes.txt")
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "metadata.csv").write_text("name\nx.png\n")
    with pytest.raises(InputError, match="has no column file_name. Columns: name"):
        read_images(tmp_path / "meta")


def test_arrays_are_read_and_their_mistakes_named(tmp_path: Path) -> None:
    grey = RNG.integers(0, 256, (5, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "a.npy", grey)
    assert read_images(tmp_path / "a.npy").images.shape == (5, 8, 8, 1)
    assert read_images(tmp_path / "a.npy", size_px=12).images.shape == (5, 12, 12, 1)
    np.save(tmp_path / "f.npy", grey / 255)
    with pytest.raises(InputError, match=r"images must be uint8 \(0..255\), got float64"):
        read_images(tmp_path / "f.npy")
    np.save(tmp_path / "d.npy", grey[0])
    with pytest.raises(InputError, match=r"got \(8, 8\)"):
        read_images(tmp_path / "d.npy")
    np.save(tmp_path / "p.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read as .npy"):
        read_images(tmp_path / "p.npy")
    (tmp_path / "b.npz").write_bytes(b"PK but no zip")
    with pytest.raises(InputError, match="cannot be read as .npz"):
        read_images(tmp_path / "b.npz")
    np.savez(tmp_path / "n.npz", pictures=grey)
    with pytest.raises(InputError, match="has no array named x or images. Arrays: pictures"):
        read_images(tmp_path / "n.npz")


def test_npz_archives_say_which_images_are_seen(tmp_path: Path) -> None:
    grey = np.zeros((4, 8, 8), np.uint8)
    np.savez(tmp_path / "s.npz", x=grey, y=[0, 0, 1, 1], seen=[True, True, False, False])
    assert read_images(tmp_path / "s.npz").table["seen"].tolist() == [True, True, False, False]
    np.savez(tmp_path / "w.npz", x=grey, seen=[True, False])
    with pytest.raises(InputError, match="seen must hold one value for each of 4 images"):
        read_images(tmp_path / "w.npz")
    np.savez(tmp_path / "v.npz", x=grey, seen=[3, 0, 1, 1])
    with pytest.raises(InputError, match="must hold true or false in each row, got 3"):
        read_images(tmp_path / "v.npz")


def test_npz_archives_with_labels_under_two_names(tmp_path: Path) -> None:
    grey = np.zeros((2, 8, 8), np.uint8)
    np.savez(tmp_path / "same.npz", x=grey, y=[0, 1], labels=[0, 1])
    assert read_images(tmp_path / "same.npz").table["label"].tolist() == ["0", "1"]
    np.savez(tmp_path / "other.npz", x=grey, y=[0, 1], labels=[1, 0])
    with pytest.raises(InputError, match="holds labels twice, and they differ: y, labels. Keep one of them"):
        read_images(tmp_path / "other.npz")


def test_npz_archives_with_classes_and_splits(tmp_path: Path) -> None:
    grey = RNG.integers(0, 256, (4, 8, 8), dtype=np.uint8)
    np.savez(
        tmp_path / "c.npz", x=grey, y=[0, 1, 1, 0], classes=["hat", "shoe"], split=["train", "train", "test", "test"]
    )
    found = read_images(tmp_path / "c.npz", split="test")
    assert found.table["label"].tolist() == ["shoe", "hat"]
    with pytest.raises(InputError, match="has no split 'valid'. Known: test, train"):
        read_images(tmp_path / "c.npz", split="valid")
    np.savez(tmp_path / "m.npz", x_train=grey, y_train=[1, 2, 3, 4], x_test=grey[:1], y_test=[5])
    assert read_images(tmp_path / "m.npz").table["split"].tolist() == ["train"] * 4 + ["test"]
    np.save(tmp_path / "a.npy", grey)
    with pytest.raises(InputError, match="has no splits, so split 'test' cannot be chosen"):
        read_images(tmp_path / "a.npy", split="test")


def test_missing_labels_and_copies_are_said(tmp_path: Path) -> None:
    image = picture()
    for i in range(2):
        save(tmp_path / f"{i}.png", image)
    pd.DataFrame({"file_name": ["0.png", "1.png"], "label": ["a", None]}).to_csv(tmp_path / "metadata.csv", index=False)
    found = read_images(tmp_path)
    assert found.table["label"].tolist() == ["a", "(no label)"]
    assert found.warnings == ("1 images have no label.", "1 images are copies of others, pixel for pixel.")


def test_the_fingerprint_follows_from_images_and_labels(train_set: ImageSet) -> None:
    relabelled = ImageSet(train_set.images, train_set.table.assign(label="x"), train_set.source)
    moved = ImageSet(train_set.images, train_set.table.assign(path="elsewhere"), Path("elsewhere"))
    assert train_set.fingerprint == moved.fingerprint
    assert train_set.fingerprint != relabelled.fingerprint
    assert train_set.fingerprint != train_set.take(np.arange(3)).fingerprint


def test_several_sets_become_one_and_keep_their_source(train_set: ImageSet, test_set: ImageSet) -> None:
    both = concatenate([train_set, test_set])
    assert len(both) == len(train_set) + len(test_set)
    assert both.table["source"].tolist()[-1] == "article-test"
    small = ImageSet(train_set.images[:, :16, :16], train_set.table, Path("small"))
    differ = r"the data sets differ in size \(small: 16x16x3; article-test: 32x32x3\).*--size N"
    with pytest.raises(InputError, match=differ):
        concatenate([small, small, test_set])


def test_a_grey_set_beside_colour_is_read_as_in_one_folder(tmp_path: Path) -> None:
    for name, mode in (("a", "RGB"), ("b", "L")):
        (tmp_path / name).mkdir()
        Image.new(mode, (8, 8), 7).save(tmp_path / name / "0.png")
    together, apart = read_images(tmp_path), concatenate([read_images(tmp_path / name) for name in "ab"])
    assert np.array_equal(apart.images, together.images)
    assert apart.table["sample_id"].tolist() == together.table["sample_id"].tolist()
    assert "1 grey images were repeated into three channels." in apart.warnings
    lazy = [stream_images(tmp_path / name) for name in "ab"]
    with pytest.raises(InputError, match="some data sets are grey and some are in colour .* say --no-stream"):
        concatenate(lazy)


def test_what_only_some_sets_know_is_said(train_set: ImageSet, test_set: ImageSet) -> None:
    plain = ImageSet(test_set.images, test_set.table[["sample_id", "path"]], Path("plain"))
    both = concatenate([train_set, plain])
    assert "seen" in train_set.table
    assert "seen" not in both.table
    assert both.table["label"].tolist()[-1] == "(no label)"
    assert both.warnings == (
        f"{len(plain)} images have no label.",
        "the column seen is left out, for it is not known of all: plain has none.",
    )


def test_colour_to_grey_and_back_warns(train_set: ImageSet) -> None:
    grey = train_set.with_channels(1)
    assert grey.image_shape == (32, 32, 1)
    assert grey.warnings == ("colour images were converted to grey for the critic.",)
    white = grey.images[train_set.images.min(-1, keepdims=True) == 255]
    assert (white == 255).all()
    assert (grey.with_channels(3).images[..., 0] == grey.images[..., 0]).all()


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data folder is not here")
def test_real_archives_are_read() -> None:
    mnist = read_images(SHARED / "mnist_28.npz", split="test", size_px=32)
    assert mnist.images.shape == (10_000, 32, 32, 1)
    assert sorted(mnist.table["label"].unique()) == list("0123456789")
    clothing = read_images(SHARED / "clothing_small_64.npz")
    assert clothing.image_shape == (64, 64, 3)
    assert clothing.table["label"].nunique() == 10


def test_damaged_files_are_bad_input_whatever_the_library_raises(tmp_path: Path) -> None:
    damaged = {"a.npy": b"", "b.npy": b"\x93NUMPY", "c.npz": b"", "d.parquet": b"PAR1", "e.npz": b"\x93NUMPY"}
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name} cannot be read as"):
            read_images(tmp_path / name)
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "images.npy").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be read as a data set"):
        read_images(tmp_path / "f")
    np.savez(tmp_path / "g.npz", x=np.zeros((2, 8, 8), np.uint8), y=[0, -1], classes=["a", "b"])
    with pytest.raises(InputError, match="labels must be from 0 to 1: it names 2 classes"):
        read_images(tmp_path / "g.npz")
    np.save(tmp_path / "h.npy", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(InputError, match="is one RGB image"):
        read_images(tmp_path / "h.npy")


def test_a_data_set_of_ours_that_lost_its_metadata_says_so(tmp_path: Path) -> None:
    write_dataset(make_dataset("jitter-test", per_class=1), tmp_path / "d", format="npy")
    next((tmp_path / "d").glob("metadata.*")).unlink()
    assert any("its metadata are gone: no labels are known" in text for text in read_images(tmp_path / "d").warnings)


def test_a_pipe_among_pictures_is_not_waited_for(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    os.mkfifo(tmp_path / "b.png")
    assert image_sizes(tmp_path) == {(8, 8): 1}
    assert read_images(tmp_path, skip_bad=True).n_skipped == 1


def test_outermost_folders_that_are_called_so_are_splits(tmp_path: Path) -> None:
    for number, name in enumerate(("train/cat/0", "train/dog/0", "val/cat/0", "val/dog/0", "val/dog/1")):
        save(tmp_path / "deep" / f"{name}.png", np.full((8, 8), number, np.uint8))
    found = read_images(tmp_path / "deep")
    assert found.table["label"].tolist() == ["cat", "dog", "cat", "dog", "dog"]
    assert found.table["split"].tolist() == ["train"] * 2 + ["val"] * 3
    assert found.warnings == ("the outermost folders are taken as splits: train, val. Choose one with --split.",)
    assert len(read_images(tmp_path / "deep", split="val")) == 3
    (tmp_path / "deep" / "more").mkdir()
    save(tmp_path / "deep" / "more" / "2.png", picture(channels=1))
    other = read_images(tmp_path / "deep")
    assert "split" not in other.table
    assert set(other.table["label"]) == {"cat", "dog", "more"}


def test_splits_without_classes_are_no_classes(tmp_path: Path) -> None:
    for name in ("Train/0", "Test/0"):
        save(tmp_path / f"{name}.png", picture())
    found = read_images(tmp_path)
    assert found.table["split"].tolist() == ["Test", "Train"]
    assert "label" not in found.table


def test_a_folder_of_one_name_under_several_says_no_class(tmp_path: Path) -> None:
    for name in ("cats/images/0", "dogs/images/0"):
        save(tmp_path / f"{name}.png", picture())
    found = read_images(tmp_path)
    assert "label" not in found.table
    assert found.warnings == (
        "every picture lies in a folder called images, which says no class. If those above it do (cats, dogs), move the"
        " pictures up, or name labels in a metadata.csv.",
    )


def test_innermost_folders_that_are_called_so_are_splits_and_the_class_is_above(tmp_path: Path) -> None:
    for number, name in enumerate(("cat/train/0", "cat/val/0", "dog/train/0", "dog/val/0")):
        save(tmp_path / "a" / f"{name}.png", np.full((8, 8), number, np.uint8))
    found = read_images(tmp_path / "a")
    assert found.table["label"].tolist() == ["cat", "cat", "dog", "dog"]
    assert found.table["split"].tolist() == ["train", "val"] * 2
    assert found.warnings == ("the innermost folders are taken as splits: train, val. Choose one with --split.",)
    for number, name in enumerate(("images/train/0", "images/val/0")):
        save(tmp_path / "b" / f"{name}.png", np.full((8, 8), number, np.uint8))
    other = read_images(tmp_path / "b")
    assert other.table["split"].tolist() == ["train", "val"]
    assert "label" not in other.table


@pytest.mark.parametrize("names", [("images", "labels"), ("JPEGImages", "SegmentationClass"), ("x/images", "x/masks")])
def test_masks_beside_pictures_are_refused_by_whatever_name(tmp_path: Path, names: tuple[str, str]) -> None:
    for number, name in enumerate(names):
        save(tmp_path / name / "0.png", np.full((8, 8), number, np.uint8))
    with pytest.raises(InputError, match="no metadata that tell them apart, so masks would be read as pictures"):
        read_images(tmp_path)


def test_what_dataset_tool_of_stylegan_writes_is_read_with_its_labels(tmp_path: Path) -> None:
    names = ["00000/img00000000.png", "00000/img00000001.png", "00001/img00001000.png"]
    for number, name in enumerate(names):
        save(tmp_path / name, np.full((8, 8), number, np.uint8))
    told = [[name, label] for name, label in zip(names, (6, 0, 6), strict=True)]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": told}))
    found = read_images(tmp_path)
    assert found.table["label"].tolist() == ["6", "0", "6"]
    assert found.table["path"].tolist() == names
    (tmp_path / "dataset.json").write_text('{"labels": null}')
    without = read_images(tmp_path)
    assert set(without.table["label"]) == {NO_LABEL}
    assert len(without) == 3
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": [[names[0], [0.5, 1.0]]]}))
    with pytest.raises(InputError, match="and one class is wanted"):
        read_images(tmp_path)
    for other in ("{}", '{"labels": ["cat", "dog"]}', '{"labels": []}', '{"labels": null, "name": "mine"}', "[1]"):
        (tmp_path / "dataset.json").write_text(other)  # of another program
        found = read_images(tmp_path)
        assert any("1 other files were not looked at: 1 .json" in text for text in found.warnings), other
        assert len(found) == 3


def test_an_id_follows_from_the_picture_alone(tmp_path: Path) -> None:
    """A grey one has the same among grey ones, among colour, streamed, and in blocks."""
    for name, mode in (("grey/0", "L"), ("both/0", "L"), ("both/1", "RGB")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new(mode, (8, 8), 7).save(tmp_path / f"{name}.png")
    ids = [
        read_images(tmp_path / "grey").table["sample_id"].iloc[0],
        read_images(tmp_path / "both").table["sample_id"].iloc[0],
        stream_images(tmp_path / "both").table["sample_id"].iloc[0],
    ]
    assert len(set(ids)) == 1


def test_columns_of_the_user_s_with_names_of_ours_are_kept(tmp_path: Path) -> None:
    for part in "ab":
        save(tmp_path / part / "0.png", picture())
        (tmp_path / part / "metadata.csv").write_text("file_name,source,sample_id,path\n0.png,north,S-12,/x/0.png\n")
    one, both = read_images(tmp_path / "a"), concatenate([read_images(tmp_path / part) for part in "ab"])
    assert one.table["source"].tolist() == ["north"]
    assert one.table["own.sample_id"].tolist() == ["S-12"]
    assert one.table["own.path"].tolist() == ["/x/0.png"]
    assert both.table["own.source"].tolist() == ["north", "north"]
    assert both.table["source"].tolist() == [str(tmp_path / "a"), str(tmp_path / "b")]


@pytest.mark.parametrize("labels", [[[1], [0]], np.array([[1], [0]]), torch.tensor([1, 0]), np.array([b"1", b"0"])])
def test_labels_are_one_an_image_whatever_holds_them(labels: Any) -> None:
    images = np.zeros((2, 8, 8), np.uint8)
    if isinstance(labels, list):
        with pytest.raises(InputError, match="labels must be one value an image"):
            from_arrays(images, labels)
        with pytest.raises(InputError, match="Of one-hot rows the classes are labels.argmax"):
            from_arrays(images, np.eye(2))
    else:
        assert from_arrays(images, labels).table["label"].tolist() == ["1", "0"]
