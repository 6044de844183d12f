from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet, from_arrays
from gan_probe.images.masks import find_masks, read_masks
from gan_probe.images.readers.reading import read_images
from synthetic import Dataset, make_dataset, write_dataset
from synthetic.writer import FORMATS
from tests.conftest import small_spec

MASKED = [name for name in FORMATS if name != "tar"]  # which holds no masks, and says so


@pytest.fixture(scope="module")
def shapes() -> Dataset:
    return make_dataset(small_spec("jitter-test", 2))


@pytest.fixture(scope="module")
def written(shapes: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same data set in every format, with its masks."""
    folder = tmp_path_factory.mktemp("masks")
    for name in MASKED:
        write_dataset(shapes, folder / name, format=name, masks=True)
    return folder


def found_beside(path: Path) -> tuple[Path, ImageSet]:
    data = read_images(path)
    masks = find_masks(data)
    assert masks is not None
    return masks, data


@pytest.mark.parametrize("place", [*MASKED, "npy/images.npy", "parquet/images.parquet", "folder/images"])
def test_masks_that_synth_wrote_are_found_and_read(place: str, written: Path, shapes: Dataset) -> None:
    masks, data = found_beside(written / place)
    found = read_masks(masks, data)
    assert found.dtype == bool
    rows = {image.tobytes(): mask for image, mask in zip(shapes.images, shapes.masks, strict=True)}
    assert all(np.array_equal(rows[image.tobytes()], mask) for image, mask in zip(data.images, found, strict=True))


@pytest.mark.parametrize("name", MASKED)
def test_masks_follow_images_that_are_resized(name: str, written: Path, shapes: Dataset) -> None:
    data = read_images(written / name, size_px=16)
    masks = find_masks(data)
    assert masks is not None
    found = read_masks(masks, data, size_px=16)
    assert found.shape == (20, 16, 16)
    assert found.mean() == pytest.approx(shapes.masks.mean(), rel=0.1)
    with pytest.raises(InputError, match="is 32x32, its image 16x16 .* Give masks of the images' size"):
        read_masks(masks, data)


def test_without_masks_none_are_found(shapes: Dataset, tmp_path: Path) -> None:
    for name in FORMATS:
        write_dataset(shapes, tmp_path / name, format=name)
        assert find_masks(read_images(tmp_path / name)) is None
    np.savez(tmp_path / "images.npz", x=shapes.images)
    assert find_masks(read_images(tmp_path / "images.npz")) is None


def test_rows_left_out_while_reading_take_their_masks_with_them(written: Path, shapes: Dataset, tmp_path: Path) -> None:
    shutil.copytree(written / "folder", tmp_path / "d")
    broken = sorted((tmp_path / "d" / "images").rglob("*.png"))[0]
    broken.write_bytes(b"no image")
    data = read_images(tmp_path / "d", skip_bad=True)
    found = read_masks(tmp_path / "d" / "masks", data)
    assert len(found) == len(data) == 19
    rows = {image.tobytes(): mask for image, mask in zip(shapes.images, shapes.masks, strict=True)}
    assert all(np.array_equal(rows[image.tobytes()], mask) for image, mask in zip(data.images, found, strict=True))


def test_inside_is_above_half_of_the_largest_value(written: Path, tmp_path: Path) -> None:
    data = read_images(written / "npy").take(np.arange(3))
    values = np.zeros((3, 32, 32, 1), np.uint8)
    values[0, 0], values[1, 0, 0], values[1, 0, 1] = 1, 255, 100
    np.save(tmp_path / "masks.npy", values)
    found = read_masks(tmp_path / "masks.npy", data)
    assert found.sum((1, 2)).tolist() == [32, 1, 0]


def test_masks_of_jpegs_may_be_png(tmp_path: Path) -> None:
    for kind, suffix in (("images", "jpg"), ("masks", "png")):
        (tmp_path / kind / "a").mkdir(parents=True)
        Image.new("L", (8, 8), 200).save(tmp_path / kind / "a" / f"1.{suffix}")
    masks, data = found_beside(tmp_path / "images")
    assert read_masks(masks, data).all()


def test_masks_that_do_not_match_are_refused(written: Path, tmp_path: Path) -> None:
    data = read_images(written / "folder")
    (tmp_path / "masks").mkdir()
    with pytest.raises(InputError, match="there is no mask for the image images/square_.*is not a file"):
        read_masks(tmp_path / "masks", data)
    np.save(tmp_path / "few.npy", np.zeros((3, 32, 32), bool))
    with pytest.raises(InputError, match="few.npy holds 3 masks for 20 images. Give one for each"):
        read_masks(tmp_path / "few.npy", data)
    np.save(tmp_path / "float.npy", np.zeros((20, 32, 32)))
    with pytest.raises(InputError, match=r"masks must be \(n, h, w\), uint8 or bool, got \(20, 32, 32\) of float64"):
        read_masks(tmp_path / "float.npy", data)
    np.save(tmp_path / "small.npy", np.zeros((20, 8, 8), bool))
    with pytest.raises(InputError, match="the mask of images/.* is 8x8, its image 32x32"):
        read_masks(tmp_path / "small.npy", data)
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(InputError, match="the masks in .*text.npy cannot be read"):
        read_masks(tmp_path / "text.npy", data)
    with pytest.raises(InputError, match="no masks that are known. Accepted: a folder, .npy, .parquet"):
        read_masks(tmp_path / "masks.txt", data)


def test_masks_that_can_be_read_in_two_ways_are_refused(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    Image.new("L", (8, 8), 200).save(tmp_path / "images" / "1.png")
    masks, data = found_beside(tmp_path / "images")
    frames = [Image.new("L", (8, 8), value) for value in (0, 255)]
    doubtful = {
        "transparent, laid on white": (Image.new("RGBA", (8, 8), (0, 0, 0, 9)), {}),
        "of several frames": (frames[0], {"save_all": True, "append_images": frames[1:]}),
        "need only 8 bits": (Image.fromarray(np.eye(8, dtype=np.uint16)), {}),
    }
    for why, (mask, options) in doubtful.items():
        mask.save(tmp_path / "masks" / "1.png", **options)
        with pytest.raises(
            InputError, match=f"the mask of 1.png can be read in more than one way: .*{why}.*8-bit grey"
        ):
            read_masks(masks, data)


def test_parquet_files_that_do_not_match_are_refused(written: Path, tmp_path: Path) -> None:
    data = read_images(written / "parquet")
    table = pd.read_parquet(written / "parquet" / "images.parquet")
    table.drop(columns="mask").to_parquet(tmp_path / "bare.parquet")
    with pytest.raises(InputError, match="has no columns image and mask. Columns: file_name"):
        read_masks(tmp_path / "bare.parquet", data)
    table.iloc[:5].to_parquet(tmp_path / "few.parquet")
    with pytest.raises(InputError, match="has no masks for 15 of 20 images, such as images/"):
        read_masks(tmp_path / "few.parquet", data)


@pytest.mark.parametrize("values", [(0, 15, 255), (1, 2, 3), (0, 1, 2)])
def test_masks_of_classes_or_instances_are_refused(values: tuple[int, int, int], tmp_path: Path) -> None:
    mask = np.full((1, 16, 16), values[0], np.uint8)
    mask[:, 2:8, 2:8], mask[:, 10:14, 10:14] = values[1], values[2]
    np.save(tmp_path / "masks.npy", mask)
    data = from_arrays(np.zeros((1, 16, 16, 3), np.uint8))
    with pytest.raises(InputError, match=f"areas of {values[1]} between .* Save masks as 0 outside and 255 inside"):
        read_masks(tmp_path / "masks.npy", data)


def test_soft_edges_and_jpeg_are_no_classes(tmp_path: Path) -> None:
    big = Image.new("L", (64, 64))
    big.paste(255, (9, 9, 40, 44))
    image = np.zeros((1, 16, 16, 3), np.uint8)
    (tmp_path / "masks").mkdir()
    big.resize((16, 16), Image.Resampling.BOX).save(tmp_path / "masks" / "0.jpg", quality=90)
    data = from_arrays(image)
    data = replace(data, table=data.table.assign(path=["0.jpg"]))
    assert read_masks(tmp_path / "masks", data).sum() == pytest.approx(31 * 35 / 16, rel=0.1)


def test_parquet_masks_of_images_that_share_a_name_go_by_their_rows(shapes: Dataset, tmp_path: Path) -> None:
    write_dataset(shapes, tmp_path / "d", format="parquet", masks=True)
    table = pd.read_parquet(tmp_path / "d" / "images.parquet")
    table["image"] = [{"bytes": cell["bytes"], "path": f"{row % 3}.png"} for row, cell in enumerate(table["image"])]
    table.drop(columns="file_name", errors="ignore").to_parquet(tmp_path / "same.parquet")
    data = read_images(tmp_path / "same.parquet")
    assert np.array_equal(read_masks(tmp_path / "same.parquet", data), shapes.masks)
    with pytest.raises(InputError, match="several images by the name 0.png"):
        read_masks(tmp_path / "same.parquet", data.take(np.arange(5)))
