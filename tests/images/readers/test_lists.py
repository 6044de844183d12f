"""Lists of paths: tables, and lines on standard input."""

import io
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from gan_probe.errors import InputError
from gan_probe.images.readers.reading import read_images


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    (tmp_path / "deep").mkdir()
    paths = [tmp_path / "deep" / f"{i}.png" for i in range(3)]
    for i, path in enumerate(paths):
        Image.new("L", (8, 8), i).save(path)
    return paths


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_names_pictures_from_its_own_folder_or_whole(suffix: str, pictures: list[Path], tmp_path: Path) -> None:
    names = ["deep/0.png", str(pictures[1]), "deep/gone.png", None]
    table = pd.DataFrame({"path": names, "label": ["007", "b", "c", "d"], "score": [1.0, 2.0, 3.0, 4.0]})
    path = tmp_path / f"list{suffix}"
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path)
    found = read_images(path, skip_bad=True)
    assert found.images[:, 0, 0, 0].tolist() == [0, 1]
    assert found.table["label"].tolist() == ["007", "b"]
    assert found.table["score"].tolist() == [1.0, 2.0]
    assert found.n_skipped == 2
    assert "gone.png is not a file" in " ".join(found.warnings)
    assert "this row names no file" in " ".join(found.warnings)


def test_lines_on_standard_input_name_pictures(pictures: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{path}\n" for path in pictures) + "\n"))
    assert read_images("-").images[:, 0, 0, 0].tolist() == [0, 1, 2]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    with pytest.raises(InputError, match="the list names no pictures. Give one path a line"):
        read_images("-")


def test_a_table_without_paths_is_refused_with_its_columns(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(InputError, match="no column file_name or path that names picture files. Columns: a"):
        read_images(tmp_path / "x.csv")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(InputError, match="has no column image. Columns: a"):
        read_images(tmp_path / "x.parquet")


def test_a_column_that_may_be_meant_for_the_label_is_named(pictures: list[Path], tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("".join(f"{p}\n" for p in ["path,class", *(f"{p},x" for p in pictures)]))
    assert read_images(tmp_path / "list.csv").warnings == (
        "list.csv has no column label; if class is meant, call it label.",
    )
