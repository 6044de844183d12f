"""Tar files as WebDataset writes them: nothing is unpacked, damage is told, and what leads out is no picture."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_probe.errors import InputError
from gan_probe.images.image_set import NO_LABEL
from gan_probe.images.readers.reading import read_images


def png(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (level, 0, 0)).save(buffer, format="PNG")
    return buffer.getvalue()


def packed(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


SAMPLES = {
    "a/000.png": png(10), "a/000.cls": b"circle\n", "a/000.json": b'{"factor.size": 0.5, "nested": [1]}',
    "a/001.v2.png": png(20), "a/001.cls": b"square", "notes.md": b"hello",
}  # fmt: skip


def test_what_shares_a_key_is_one_row(tmp_path: Path) -> None:
    found = read_images(packed(tmp_path / "x.tar", SAMPLES))
    assert found.images[:, 0, 0, 0].tolist() == [10, 20]
    assert found.table["path"].tolist() == ["x.tar/a/000.png", "x.tar/a/001.v2.png"]
    assert found.table["label"].tolist() == ["circle", "square"]
    assert found.table["factor.size"].tolist()[0] == 0.5
    assert "nested" not in found.table
    assert any("1 other members of x.tar were not looked at: notes.md." in said for said in found.warnings)


@pytest.mark.parametrize("name", ["/etc/0.png", "a/../../0.png"])
def test_names_that_lead_out_are_broken_pictures(name: str, tmp_path: Path) -> None:
    path = packed(tmp_path / "x.tar", {**SAMPLES, name: png(30)})
    with pytest.raises(InputError, match="its name leads out of the archive. Pack it again with relative names"):
        read_images(path)
    found = read_images(path, skip_bad=True)
    assert (len(found), found.n_skipped) == (2, 1)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.tar", SAMPLES)
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("b.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    assert "it is a link or a device" in " ".join(read_images(path, skip_bad=True).warnings)


@pytest.mark.parametrize("n_bytes", [700, 5 * 512, -10240 + 100])
def test_a_file_that_was_cut_short_is_refused_wherever_it_ends(n_bytes: int, tmp_path: Path) -> None:
    path = packed(tmp_path / "x.tar", {f"{i}.png": png(i) for i in range(20)})
    content = path.read_bytes()
    used = content.rstrip(b"\0")
    path.write_bytes(content[:n_bytes] if n_bytes > 0 else used + bytes(-len(used) % 512))
    with pytest.raises(InputError, match="cannot be read as .tar: .*unexpected end of data|was cut short"):
        read_images(path, skip_bad=True)


def test_compressed_and_empty_archives_and_broken_json_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "z.tar", "w:gz") as archive:
        archive.add(packed(tmp_path / "x.tar", SAMPLES), "x.tar")
    (tmp_path / "e.tar").touch()
    for name, said in (("z.tar", "cannot be read as .tar"), ("e.tar", "cannot be read as .tar: ReadError: empty file")):
        with pytest.raises(InputError, match=said):
            read_images(tmp_path / name)
    with pytest.raises(InputError, match="n.tar holds no pictures. In it: notes.md"):
        read_images(packed(tmp_path / "n.tar", {"notes.md": b"x"}))
    with pytest.raises(InputError, match="a member .json is not JSON"):
        read_images(packed(tmp_path / "j.tar", {"0.png": png(1), "0.json": b"{"}))


def test_a_bad_member_is_one_broken_picture(tmp_path: Path) -> None:
    found = read_images(packed(tmp_path / "x.tar", {**SAMPLES, "b.png": png(3)[:40]}), skip_bad=True)
    assert (len(found), found.n_skipped) == (2, 1)
    assert np.unique(found.images[..., 1]).tolist() == [0]


def test_what_systems_leave_behind_is_no_picture(tmp_path: Path) -> None:
    found = read_images(packed(tmp_path / "x.tar", {"0.png": png(1), "._0.png": b"x", "__MACOSX/._0.png": b"x"}))
    assert (len(found), found.n_skipped, found.warnings) == (1, 0, ())


def test_headers_of_json_are_read_as_those_of_tables(tmp_path: Path) -> None:
    found = read_images(packed(tmp_path / "a.tar", {"0.png": png(1), "0.json": b'{" Label": "x"}'}))
    assert found.table["label"].tolist() == ["x"]
    other = packed(tmp_path / "b.tar", {"0.png": png(1), "0.json": b'{"class": "x"}', "1.png": png(2), "1.json": b"[]"})
    assert read_images(other).warnings == (
        "1 other members of b.tar were not looked at: a .json that holds no object.",
        "b.tar has no column label; if class is meant, call it label.",
    )


def test_a_label_that_is_missing_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    members = {"0.png": png(1), "0.json": b'{"label": 1}', "1.png": png(2), "1.json": b'{"label": 2}', "2.png": png(3)}
    assert read_images(packed(tmp_path / "a.tar", members)).table["label"].tolist() == ["1", "2", NO_LABEL]


def test_a_class_that_is_told_twice_and_otherwise_is_said(tmp_path: Path) -> None:
    members = {
        "0.png": png(1),
        "0.json": b'{"label": "a"}',
        "0.cls": b"b",
        "1.png": png(2),
        "1.json": b'{"label": [1]}',
    }
    found = read_images(packed(tmp_path / "a.tar", members))
    assert found.table["label"].tolist() == ["a", NO_LABEL]
    assert any("a .cls that says otherwise than the label in .json" in text for text in found.warnings)
    assert any("a label in .json that is several values" in text for text in found.warnings)
