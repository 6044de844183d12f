import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gan_probe.images.readers.shards import find_shards, read_blocks
from synthetic import Dataset, SpecError, contact_sheet, make_dataset, write_dataset, write_shards
from synthetic.files import atomic_folder, write_atomically
from synthetic.writer import FORMATS, SHARDED, preset_sheet


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return make_dataset("jitter-test", per_class=2)


def test_the_image_folder_holds_the_images_and_their_table(dataset: Dataset, tmp_path: Path) -> None:
    out = write_dataset(dataset, tmp_path / "d", masks=True)
    table = pd.read_parquet(out / "metadata.parquet")
    assert list(pd.read_csv(out / "metadata.csv").columns) == list(table.columns)
    assert {"file_name", "label", "split", "seen", "sample_id", "factor.shape", "factor.noise"} <= set(table.columns)
    for i, name in enumerate(table["file_name"]):
        assert np.array_equal(np.asarray(Image.open(out / name)), dataset.images[i])
        mask = np.asarray(Image.open(out / name.replace("images", "masks", 1)))
        assert np.array_equal(mask, dataset.masks[i])
    described = json.loads((out / "dataset.json").read_text())
    assert described["n_images"] == 20
    assert described["spec"]["types"][0]["factors"]["size"] == {"low": 0.32, "high": 0.42}


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_seed_gives_the_same_bytes(format: str, tmp_path: Path) -> None:
    folders = [
        write_dataset(make_dataset("article-test", per_class=2, seed=3), tmp_path / n, format=format) for n in "ab"
    ]
    contents = [{p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders]
    assert contents[0] == contents[1]
    assert len(contents[0]) > 2


def test_a_failed_write_leaves_nothing_behind(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="unknown format 'foldr'. Did you mean 'folder'"):
        write_dataset(dataset, tmp_path / "d", format="foldr")
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "d", marker="m") as folder:
        (folder / "m").write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_overwrite_replaces_data_sets_and_nothing_else(dataset: Dataset, tmp_path: Path) -> None:
    write_dataset(dataset, tmp_path / "d")
    with pytest.raises(FileExistsError, match="exists. Choose another folder, or replace this one with --overwrite"):
        write_dataset(dataset, tmp_path / "d")
    write_dataset(make_dataset("article-test", per_class=1), tmp_path / "d", overwrite=True)
    assert len(pd.read_csv(tmp_path / "d" / "metadata.csv")) == 10
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.txt").write_text("years")
    with pytest.raises(FileExistsError, match="holds no dataset.json of this kind, so it is left alone"):
        write_dataset(dataset, home, overwrite=True)
    (home / "dataset.json").write_text('{"schema": "somebody else"}')
    with pytest.raises(FileExistsError, match="so it is left alone"):
        write_dataset(dataset, home, overwrite=True)
    assert (home / "thesis.txt").read_text() == "years"
    (tmp_path / "empty").mkdir()
    write_dataset(dataset, tmp_path / "empty")


def test_write_atomically_replaces_the_file_and_keeps_no_temporary(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "f.txt", "one")
    write_atomically(tmp_path / "a" / "f.txt", "two")
    assert [p.read_text() for p in (tmp_path / "a").iterdir()] == ["two"]


def test_contact_sheets_show_every_class(dataset: Dataset) -> None:
    sheet = np.asarray(contact_sheet(dataset, n_columns=2))
    assert sheet.shape == (10 * 68 + 4, 200 + 2 * 68 + 4, 3)
    assert np.array_equal(sheet[4:68, 200:264], dataset.images[0])
    assert preset_sheet().size[0] > 700


@pytest.mark.parametrize("format", SHARDED)
def test_shards_hold_the_images_that_are_drawn_at_once(format: str, tmp_path: Path) -> None:
    whole = make_dataset("jitter-test", per_class=2, seed=5)
    out = write_shards("jitter-test", tmp_path / "d", per_class=2, seed=5, format=format, shard_size=8)
    shards = find_shards(out)
    blocks = [block for shard in shards for block in read_blocks(shard, 3)]
    assert np.array_equal(np.concatenate([block.images for block in blocks]), whole.images)
    table = pd.concat([block.table for block in blocks], ignore_index=True)
    for column in ("sample_id", "label", "split", "seen", "factor.noise"):
        assert table[column].tolist() == whole.table[column].tolist(), column
    assert len(shards) == (1 if format == "npy" else 3)
    if format != "npy":  # a shard alone, drawn in another company, has the same bytes
        other = write_shards("jitter-test", tmp_path / "e", per_class=2, seed=5, format=format, shard_size=8)
        assert [f.read_bytes() for f in sorted(other.iterdir())] == [f.read_bytes() for f in sorted(out.iterdir())]


def test_what_shards_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="unknown format of shards 'folder'"):
        write_shards("jitter-test", tmp_path / "d", format="folder")
    with pytest.raises(SpecError, match="a shard holds at least 1 image, got 0"):
        write_shards("jitter-test", tmp_path / "d", shard_size=0)
    with pytest.raises(SpecError, match="tar files hold no masks"):
        write_dataset(make_dataset("jitter-test", per_class=1), tmp_path / "d", format="tar", masks=True)
    assert list(tmp_path.iterdir()) == []
