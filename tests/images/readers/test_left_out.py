"""Nothing is left out without a word: what is not read is counted and named, or refused."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from gan_probe.errors import InputError
from gan_probe.images.readers.reading import read_images
from gan_probe.images.readers.streaming import stream_images
from tests.cli.conftest import call

RNG = np.random.default_rng(0)
NOBODY = 65534


def save(path: Path, **options: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path, **options)
    return path


def test_every_suffix_is_read_in_any_case_of_letters(tmp_path: Path) -> None:
    for name in ("a.jfif", "b.JPE", "c.PNG", "d.webp", "e.TIF", "f.pnm", "g.apng"):
        save(tmp_path / name, format={"f": "PPM", "a": "JPEG", "b": "JPEG"}.get(name[0]))
    found = read_images(tmp_path)
    assert len(found) == 7
    assert found.n_skipped == 0


def test_other_kinds_are_counted_named_and_end_in_exit_code_5(run: Path, tmp_path: Path) -> None:
    data = tmp_path / "d"
    image = save(data / "cat" / "0.png")
    save(data / "dog" / "0.png")
    for name in ("owl/0.heic", "owl/1.HEIC", "clip.mp4", "more.npz"):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_bytes(b"?")
    for name in ("0001", "cat/0.png.bak", ".hidden/0.png", "cat/._0.png"):
        (data / name).parent.mkdir(exist_ok=True)
        shutil.copy(image, data / name)
    (data / "notes.txt").write_text("P6 is no picture")
    for found in (read_images(data), stream_images(data)):
        assert found.n_skipped == 6
        assert found.table["label"].tolist() == ["cat", "dog"]
        assert found.warnings == (
            "left out 4 files of kinds that are not read here: 2 .heic (owl/0.heic), 1 .mp4 (clip.mp4),"
            " 1 .npz (more.npz).",
            "left out 2 files that hold pictures and are not named so: 0001, cat/0.png.bak.",
            "1 hidden pictures were not read: .hidden/0.png.",
            "1 other files were not looked at: 1 .txt (notes.txt).",
        )
    result = call("score", run, data, "--size", 32, "--out", tmp_path / "s.parquet", "--no-controls", "--no-embeddings")
    assert result.exit_code == 5
    assert "2 .heic" in result.stderr
    with pytest.raises(InputError, match="owl holds no images. .* Here, left out 2 files of kinds that are not read"):
        read_images(data / "owl")


@pytest.fixture
def readable_by_all() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions are those of POSIX")
def test_folders_that_may_not_be_listed_are_refused_or_counted(readable_by_all: Path) -> None:
    save(readable_by_all / "a" / "0.png")
    save(readable_by_all / "b" / "0.png")
    save(readable_by_all / "c" / "0.png").parent.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)  # root may list everything
    try:
        with pytest.raises(InputError, match="First: c/: this folder cannot be listed: Permission denied"):
            read_images(readable_by_all)
        found = read_images(readable_by_all, skip_bad=True)
    finally:
        os.seteuid(user)
        (readable_by_all / "c").chmod(0o755)
    assert (len(found), found.n_skipped) == (2, 1)


def test_links_are_followed_once_and_loops_end(tmp_path: Path) -> None:
    save(tmp_path / "elsewhere" / "0.png")
    save(tmp_path / "d" / "cat" / "0.png")
    for name, target in {"dog": "../elsewhere", "kitty": "cat", "cat/up": "..", "root": "/"}.items():
        (tmp_path / "d" / name).symlink_to(target)
    found = read_images(tmp_path / "d")
    assert found.table["label"].tolist() == ["cat", "dog"]
    assert found.warnings == ("3 links to folders that are read already were passed over: cat/up, kitty, root.",)


def test_loose_pictures_leave_the_labels_of_the_rest(tmp_path: Path) -> None:
    for name in ("cat/0.png", "007/0.png", "NA/0.png", "cover.png"):
        save(tmp_path / name)
    found = read_images(tmp_path)
    assert sorted(found.table["label"]) == ["(no label)", "007", "NA", "cat"]
    assert "1 pictures lie beside the class folders, in none: cover.png." in found.warnings


def test_names_that_are_not_utf_8_are_read_and_shown(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "0.png").rename(os.fsdecode(os.fsencode(tmp_path / "cat") + b"/caf\xe9.png"))
    save(tmp_path / "dog" / "0.png").parent.rename(os.fsdecode(os.fsencode(tmp_path) + b"/ch\xeen"))
    found = read_images(tmp_path)
    assert found.table["path"].tolist() == ["cat/caf\\xe9.png", "ch\\xeen/0.png"]
    assert found.table["label"].tolist() == ["cat", "ch\\xeen"]


def test_a_contact_sheet_is_passed_over_beside_its_data_set_only(tmp_path: Path) -> None:
    save(tmp_path / "contact-sheet.png")
    save(tmp_path / "0.png")
    assert len(read_images(tmp_path)) == 2
    (tmp_path / "dataset.json").write_text('{"schema": "synthetic.dataset"}')
    assert read_images(tmp_path).warnings == ()
    assert len(read_images(tmp_path)) == 1


def test_pictures_and_arrays_beside_one_file_of_images_are_named(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.zeros((2, 8, 8), np.uint8))
    save(tmp_path / "more" / "0.png")
    warning = "images.npy was read, and not what lies beside it: more/0.png."
    assert warning in read_images(tmp_path).warnings
    (tmp_path / "metadata.csv").write_text("label\na\nb\n")
    warning = "metadata.csv beside images.npy was not read. To read both, give their folder."
    assert warning in read_images(tmp_path / "images.npy").warnings


def test_arrays_of_an_archive_are_read_or_named(tmp_path: Path) -> None:
    images = RNG.integers(0, 256, (4, 8, 8), dtype=np.uint8)
    path = tmp_path / "a.npz"
    np.savez(path, x_train=images, x_val=images + 1, x_other=images + 2, y_train=range(4), y_other=range(4))
    found = read_images(path)
    assert found.table["split"].tolist() == ["train"] * 4 + ["val"] * 4 + ["other"] * 4
    assert found.table["label"].tolist() == [*"0123", *["(no label)"] * 4, *"0123"]
    np.savez(path, X=images, Y=[b"a", b"b", b"c", b"d"], more=images + 1, masks=images, features=np.zeros((4, 2)))
    found = read_images(path)
    assert found.table["label"].tolist() == list("abcd")
    assert found.n_skipped == 4
    assert found.warnings == (
        "array masks (4, 8, 8) was not looked at.",
        "array features (4, 2) was not looked at.",
        "left out 4 images in the array more (4, 8, 8).",
    )
    np.savez(path, images, np.arange(4)[:, None])
    assert read_images(path).table["label"].tolist() == list("0123")
    np.savez(path, x=images, y=np.eye(4))
    with pytest.raises(InputError, match=r"y must hold one value for each of 4 images, \(4,\), got \(4, 4\)"):
        read_images(path)


def test_bad_cells_of_a_parquet_file_are_bad_rows(tmp_path: Path) -> None:
    encoded = save(tmp_path / "0.png").read_bytes()
    cells = [
        None,
        {"bytes": encoded, "path": "a.png"},
        {"bytes": None, "path": "c.png"},
        {"bytes": b"junk", "path": ""},
    ]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(
        pa.table({"image": pa.array(cells, kind), "label": pa.array([1, 7, None, 2])}), tmp_path / "A.PARQUET"
    )
    with pytest.raises(
        InputError, match="3 of 4 files .* A.PARQUET#0: its cell is empty.; c.png: its cell holds a path"
    ):
        read_images(tmp_path / "A.PARQUET")
    found = read_images(tmp_path / "A.PARQUET", skip_bad=True)
    assert found.table["path"].tolist() == ["a.png"]
    assert found.table["label"].tolist() == ["7"]  # beside a null, and still no 7.0
    assert found.n_skipped == 3


@pytest.mark.parametrize("name", ["A.NPY", "A.Npz"])
def test_suffixes_of_arrays_count_in_capitals(name: str, tmp_path: Path) -> None:
    with (tmp_path / name).open("wb") as file:
        (np.save if name == "A.NPY" else np.savez)(file, np.zeros((2, 8, 8), np.uint8))
    assert len(read_images(tmp_path / name)) == 2


def test_masks_beside_images_are_not_read_as_pictures(tmp_path: Path) -> None:
    for folder in ("images/a", "images/b", "Masks/a", "Masks/b"):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / folder / f"{number}.png")
    with pytest.raises(
        InputError, match=r"holds images/ and Masks/ and no metadata .* Give .*images .*--masks .*Masks"
    ):
        read_images(tmp_path)
    assert len(read_images(tmp_path / "images")) == 4
    shutil.rmtree(tmp_path / "images")
    alone = read_images(tmp_path)
    assert len(alone) == 4
    assert any("pictures in Masks/ were read as images" in said for said in alone.warnings)


def test_a_header_that_claims_more_than_there_can_be_is_refused_without_a_library_s_words(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 8, 8), np.uint8))
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content.replace(b"(3, 8, 8), }                ", b"(4611686018427387904, 8, 8)}"))
    with pytest.raises(InputError, match=r"a\.npy"):  # warnings are errors here
        read_images(tmp_path / "a.npy")
