"""Data sets that Hugging Face datasets saved: read without that package, and written by it where it is installed."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from gan_probe.errors import InputError
from gan_probe.images.readers.reading import as_images, read_images
from gan_probe.images.readers.shards import find_shards, read_blocks

TOLD = {"info": {"features": {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}


def png(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (level, 0, 0)).save(buffer, format="PNG")
    return buffer.getvalue()


def saved(folder: Path, levels: list[int], *, per_file: int = 3) -> Path:
    """A folder as `save_to_disk` of datasets 5.2 lays it out."""
    folder.mkdir(parents=True)
    names = []
    for start in range(0, len(levels), per_file):
        part = levels[start : start + per_file]
        table = pa.table({
            "image": pa.array([{"bytes": png(level), "path": None} for level in part],
                              pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            "label": pa.array([level % 2 for level in part], pa.int64()),
        }).replace_schema_metadata({"huggingface": json.dumps(TOLD)})  # fmt: skip
        names.append(f"data-{start:05d}.arrow")
        with pa.ipc.new_stream(folder / names[-1], table.schema) as writer:
            writer.write_table(table)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    return folder


@pytest.fixture
def split_folder(tmp_path: Path) -> Path:
    for name, levels in (("train", [10, 11, 12, 13]), ("test", [20, 21])):
        saved(tmp_path / "d" / name, levels)
    (tmp_path / "d" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    return tmp_path / "d"


def test_a_saved_data_set_has_its_rows_names_and_splits(split_folder: Path) -> None:
    found = read_images(split_folder)
    assert found.images[:, 0, 0, 0].tolist() == [10, 11, 12, 13, 20, 21]
    assert found.table["label"].tolist() == ["cat", "dog"] * 3
    assert found.table["split"].tolist() == ["train"] * 4 + ["test"] * 2
    assert found.table["path"].tolist()[3] == "data-00003.arrow#0"
    assert len(read_images(split_folder, split="test")) == 2
    assert len(read_images(split_folder / "train")) == 4
    with pytest.raises(InputError, match=r"has no split 'val'. Splits: train, test"):
        read_images(split_folder, split="val")


def test_it_is_cut_into_shards(split_folder: Path) -> None:
    shards = find_shards(split_folder, n_rows=2)
    assert [(shard.name, shard.n) for shard in shards] == [
        ("train/data-00000.arrow#0", 2), ("train/data-00000.arrow#2", 1), ("train/data-00003.arrow#0", 1),
        ("test/data-00000.arrow#0", 2),
    ]  # fmt: skip
    blocks = [block for shard in shards for block in read_blocks(shard, 3)]
    whole = read_images(split_folder)
    assert np.array_equal(np.concatenate([block.images for block in blocks]), whole.images)
    assert [name for block in blocks for name in block.table["sample_id"]] == whole.table["sample_id"].tolist()
    assert [shard.n for shard in find_shards(split_folder, split="test")] == [2]
    with pytest.raises(InputError, match="has no split 'tset'. Splits: train, test"):
        find_shards(split_folder, split="tset")


def test_what_leads_out_and_what_is_damaged_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path / "d", [1, 2])
    (folder / "data-00000.arrow").write_bytes((folder / "data-00000.arrow").read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read as a data set"):
        read_images(folder)
    (folder / "state.json").write_text('{"_data_files": [{"filename": "../x.arrow"}]}')
    with pytest.raises(InputError, match="names the file '../x.arrow', which leads out of it"):
        read_images(folder)
    (folder / "state.json").write_text("{}")
    with pytest.raises(InputError, match="is not what datasets writes .* Save the data set again"):
        find_shards(folder)


def test_what_datasets_itself_writes_and_holds_is_read(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="needs Hugging Face datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    rows = {"image": [Image.new("RGB", (8, 8), (level, 0, 0)) for level in range(6)], "label": [0, 1] * 3}
    data = datasets.Dataset.from_dict(rows, features=features)
    chosen = as_images(data.select([4, 1]))
    assert chosen.images[:, 0, 0, 0].tolist() == [4, 1]
    assert chosen.table["label"].tolist() == ["cat", "dog"]
    datasets.DatasetDict({"train": data, "test": data.select([5])}).save_to_disk(tmp_path / "d")
    found = read_images(tmp_path / "d")
    assert found.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5, 5]
    assert found.table["split"].value_counts().to_dict() == {"train": 6, "test": 1}
