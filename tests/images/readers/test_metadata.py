"""Classes, splits and file names are text, as written; tables that can be read in two ways are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.images.readers.reading import read_images

NAMES = ["007", "NA", "None", "1.0", "true", "2020-01-01", "null", "1e3", "<NA>", "a,b"]


def read(folder: Path, text: str, *, files: int = 2, kind: str = "csv", **options: bool) -> ImageSet:
    for number in range(files):
        Image.fromarray(np.full((8, 8), number, np.uint8)).save(folder / f"{number}.png")
    (folder / f"metadata.{kind}").write_text(text, encoding="utf-8")
    return read_images(folder, **options)


def test_classes_and_splits_are_text_as_written(tmp_path: Path) -> None:
    rows = "".join(f'{i}.png,"{name}","{name}"\n' for i, name in enumerate(NAMES))
    found = read(tmp_path, f"file_name,label,split\n{rows}", files=len(NAMES))
    assert found.table["label"].tolist() == found.table["split"].tolist() == NAMES
    assert len(read_images(tmp_path, split="007")) == 1


def test_file_names_are_text_as_written(tmp_path: Path) -> None:
    for name in ("001", "002"):
        Image.new("L", (8, 8), int(name)).save(tmp_path / name, format="PNG")
    (tmp_path / "metadata.csv").write_text("file_name,label\n001,a\n002,b\n")
    assert read_images(tmp_path).table["path"].tolist() == ["001", "002"]


def test_other_columns_lose_nothing(tmp_path: Path) -> None:
    text = "file_name,patient,country,age,flag,id\n0.png,007,NA,1.5,True,12345678901234567\n1.png,010,US,,False,\n"
    table = read(tmp_path, text).table
    assert table["patient"].tolist() == ["007", "010"]
    assert table["country"].tolist() == ["NA", "US"]
    assert table["age"].dtype == np.float64
    assert table["flag"].tolist() == [True, False]
    assert table["id"].tolist()[0] == "12345678901234567"


def test_blanks_and_capitals_of_headers_do_not_lose_labels(tmp_path: Path) -> None:
    found = read(tmp_path, "\ufeffFile_Name , Label\n0.png, x\n1.png, y\n")
    assert found.table["label"].tolist() == ["x", "y"]
    with pytest.raises(InputError, match="has more than one column 'label'. Rename or remove one"):
        read(tmp_path, "file_name,label, label\n0.png,x,y\n1.png,y,z\n")
    assert read(tmp_path, "file_name,class\n0.png,x\n1.png,y\n").warnings == (
        "metadata.csv has no column label; if class is meant, call it label.",
    )


def test_rows_that_do_not_fit_the_header_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rows are longer than its header. Name each column; quote commas"):
        read(tmp_path, "file_name,label\n0.png,x,1\n1.png,y,2\n")


def test_seen_is_true_or_false(tmp_path: Path) -> None:
    assert read(tmp_path, "file_name,seen\n0.png,no\n1.png,yes\n").table["seen"].tolist() == [False, True]
    with pytest.raises(InputError, match="the column seen of .* must hold true or false in each row, got 'maybe'"):
        read(tmp_path, "file_name,seen\n0.png,no\n1.png,maybe\n")


def test_json_lines_are_read(tmp_path: Path) -> None:
    rows = [{"file_name": "0.png", "label": 7, "x": 1.5, "tags": ["a"]}, {"file_name": "1.png", "label": True, "x": 2}]
    found = read(tmp_path, "\n\n".join(map(json.dumps, rows)), kind="jsonl")
    assert found.table["label"].tolist() == ["7", "true"]
    assert found.table["x"].tolist() == [1.5, 2]
    assert found.table["tags"].tolist()[0] == '["a"]'
    with pytest.raises(InputError, match="metadata.jsonl, line 2 is not an object"):
        read(tmp_path, '{"file_name": "0.png"}\n[1]', kind="jsonl")
    with pytest.raises(InputError, match="metadata.jsonl, line 1 is not JSON"):
        read(tmp_path, '{"file_name": "0.png"', kind="jsonl")


def test_a_second_metadata_file_is_named_where_it_says_otherwise(tmp_path: Path) -> None:
    pd.DataFrame({"file_name": ["0.png", "1.png"], "label": [1, 2]}).to_parquet(tmp_path / "metadata.parquet")
    assert read(tmp_path, "file_name,label\n0.png,1\n1.png,2\n").warnings == ()
    found = read(tmp_path, "file_name,label\n0.png,1\n1.png,3\n")
    assert found.warnings == ("metadata.csv is not read, and says otherwise than metadata.parquet.",)


def test_pictures_that_the_metadata_do_not_name_are_named(tmp_path: Path) -> None:
    found = read(tmp_path, "file_name,label\n0.png,a\n", files=3)
    assert found.warnings == ("2 pictures are not named by the metadata and were not read: 1.png, 2.png.",)


def test_rows_without_a_file_are_bad_rows(tmp_path: Path) -> None:
    text = "file_name,label\n0.png,a\n,b\n../x.png,c\ngone.png,d\n"
    with pytest.raises(InputError, match="3 of 4 files .* row 2 of the metadata in .* names no file"):
        read(tmp_path, text)
    found = read_images(tmp_path, skip_bad=True)
    assert (len(found), found.n_skipped) == (1, 3)


def test_whole_paths_and_backslashes_lead_to_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "d"
    (folder / "cat").mkdir(parents=True)
    (tmp_path / "link").symlink_to("d")
    for number in range(2):
        Image.new("L", (8, 8), number).save(folder / "cat" / f"{number}.png")
    (folder / "metadata.csv").write_text(f"file_name,label\n{folder}/cat/0.png,a\ncat\\1.png,b\n")
    monkeypatch.chdir(tmp_path)
    for given in (folder, Path("d"), Path("link"), Path("d/../d")):
        assert read_images(given).table["path"].tolist() == ["cat/0.png", "cat/1.png"]


def test_metadata_without_labels_leave_those_of_the_sub_folders(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8), ord(name[0])).save(tmp_path / name / f"{name}.png")
    (tmp_path / "metadata.csv").write_text("file_name,age\ncat/cat.png,1\ndog/dog.png,2\n")
    found = read_images(tmp_path)
    assert found.table["label"].tolist() == ["cat", "dog"]
    assert found.warnings == ("the metadata has no column label: the names of the sub-folders are taken.",)


def test_classes_of_hugging_face_go_by_their_names(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "0.png")
    encoded = [{"bytes": (tmp_path / "0.png").read_bytes(), "path": f"{n}.png"} for n in range(3)]
    told = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    table = pa.table({"image": encoded, "label": [1, 0, -1]})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(told)}), tmp_path / "a.parquet")
    assert read_images(tmp_path / "a.parquet").table["label"].tolist() == ["dog", "cat", "(no label)"]


@pytest.mark.parametrize("order", [[2, 0, 1], [5, 9, 7]])
def test_an_index_that_pandas_wrote_moves_no_label(order: list[int], tmp_path: Path) -> None:
    for name in ("cat", "dog", "eel"):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8), ord(name[0])).save(tmp_path / name / "0.png")
    names = pd.DataFrame({"file_name": ["cat/0.png", "dog/0.png", "eel/0.png"], "age": [1, 2, 3]}, index=order)
    names.to_parquet(tmp_path / "metadata.parquet")
    found = read_images(tmp_path)
    assert found.table["label"].tolist() == ["cat", "dog", "eel"]
    assert found.table.columns.tolist() == ["sample_id", "path", "age", "label"]
    names.set_index("file_name").to_parquet(tmp_path / "metadata.parquet")
    assert read_images(tmp_path).table["path"].tolist() == ["cat/0.png", "dog/0.png", "eel/0.png"]
