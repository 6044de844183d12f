"""``gan-probe all``: from bare folders of JPEGs of differing sizes to the verdict."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_probe.images.image_set import ImageSet, hold_out
from tests.cli.conftest import call, call_json
from tests.conftest import contents

SMALL = ("--steps", "1", "--device", "cpu")


def jpegs(data: ImageSet, folder: Path, *, labelled: bool = True) -> Path:
    """Images as a camera leaves them: JPEG, no two rows of one size, beside a file that is none."""
    for i, (image, label) in enumerate(zip(data.images, data.table["label"], strict=True)):
        path = folder / (label if labelled else "") / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).resize((28 + i % 9, 30 + i % 7)).save(path)
    (folder / "notes.txt").write_text("mine")
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, train_set: ImageSet, test_set: ImageSet) -> tuple[Path, Path, str]:
    """A folder of pictures without labels, what the command made of it, and its last words."""
    folder = tmp_path_factory.mktemp("all")
    for number, data in enumerate((train_set, test_set)):
        jpegs(data, folder / "pictures" / str(number), labelled=False)
    for path in list((folder / "pictures").rglob("*.jpg")):
        path.rename(folder / "pictures" / f"{path.parent.name}-{path.name}")
    result = call("all", folder / "pictures", "--out", folder / "out", *SMALL)
    assert result.exit_code == 0, result.stderr
    assert "other sizes become squares of 32 pixels; choose others with --size" in result.stderr
    return folder / "pictures", folder / "out", result.stdout.splitlines()[-1]


def test_one_folder_without_labels_ends_in_outliers_and_clusters(done: tuple[Path, Path, str]) -> None:
    _, out, last = done
    assert re.match("verdict: [0-9]+ of 24 images have scores too low for the training data", last)
    assert json.loads((out / "report" / "report.json").read_text())["schema"].startswith("gan_probe.outliers")
    for name in ("clusters/report.html", "outliers.csv", "check/report.html", "summary.json"):
        assert (out / name).is_file(), name


@pytest.mark.slow
def test_a_second_call_uses_what_is_there(done: tuple[Path, Path, str]) -> None:
    pictures, out, last = done
    before = contents(out)
    assert f"verdict: {call_json('all', pictures, '--out', out, *SMALL)['metrics']['verdict']}" == last
    assert contents(out) == before


@pytest.mark.slow
def test_what_was_cut_off_is_gone_on_with(done: tuple[Path, Path, str]) -> None:
    pictures, out, last = done
    (out / "summary.json").unlink()
    (out / ".check.0123abcd.tmp").mkdir()  # as a kill leaves it
    parts = ("scores.parquet", "check/report.json", "run/critic/critic.safetensors")
    kept = {name: (out / name).stat().st_mtime_ns for name in parts}
    assert call("all", pictures, "--out", out, *SMALL).stdout.splitlines()[-1] == last
    assert {name: (out / name).stat().st_mtime_ns for name in parts} == kept
    assert not list(out.glob(".*"))


@pytest.mark.slow
def test_other_images_or_settings_do_not_go_on_there(done: tuple[Path, Path, str], images: Path) -> None:
    pictures, out, _ = done
    for words, what in (((pictures, "--steps", "2"), "training"), ((pictures, images, *SMALL), "trained_on")):
        result = call("all", *words, "--out", out)
        assert result.exit_code == 3
        assert f"{out} was begun with others: {what}" in result.stderr


@pytest.mark.slow
def test_a_gate_needs_classes(done: tuple[Path, Path, str]) -> None:
    pictures, out, _ = done
    result = call("all", pictures, "--out", out, *SMALL, "--fail-if", "n_pairs<7")
    assert result.exit_code == 3
    assert "--fail-if reads numbers of classes" in result.stderr


@pytest.mark.slow
def test_two_folders_of_pictures_end_in_a_report_and_a_verdict(
    tmp_path: Path, train_set: ImageSet, few_set: ImageSet
) -> None:
    train, test = jpegs(train_set, tmp_path / "train"), jpegs(few_set, tmp_path / "test")
    words = ("all", train, test, "--out", tmp_path / "out", *SMALL)
    last = call(*words).stdout.splitlines()[-1]
    assert last.startswith("verdict: ")
    assert "The score alone names the class of" in last
    for name in ("scores.parquet", "report/report.html", "report/figures/examples.png"):
        assert (tmp_path / "out" / name).is_file(), name
    again = call_json(*words)
    assert (again["metrics"]["n_pairs"], f"verdict: {again['metrics']['verdict']}") == (6, last)
    assert call(*words, "--fail-if", "n_pairs<7").exit_code == 4


def test_what_is_held_out_follows_from_the_images(train_set: ImageSet) -> None:
    rest, part = hold_out(train_set, 0.2, seed=3)
    assert (len(rest), len(part)) == (32, 8)
    assert set(part.table["label"].value_counts()) == {4}
    turned = train_set.take(np.arange(len(train_set))[::-1])
    assert set(hold_out(turned, 0.2, seed=3)[1].table["sample_id"]) == set(part.table["sample_id"])
    assert set(hold_out(train_set, 0.2, seed=4)[1].table["sample_id"]) != set(part.table["sample_id"])
    twice = train_set.take(np.repeat(np.arange(40), 2))
    rest, part = hold_out(twice, 0.2, seed=3)
    assert not set(rest.table["sample_id"]) & set(part.table["sample_id"])
    with pytest.raises(ValueError, match="2 different images, too few to hold out 20% of each class"):
        hold_out(train_set.take(np.array([0, 20])), 0.2)


def test_what_is_there_stays_where_the_new_work_cannot_begin(tmp_path: Path, train_set: ImageSet) -> None:
    pictures = jpegs(train_set, tmp_path / "pictures")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "all.json").write_text('{"schema": "gan_probe.all/1"}')
    (tmp_path / "out" / "kept").write_text("mine")
    for more in (("--device", "cuda:9"), ("--size", "50")):
        found = call("all", pictures, "--out", tmp_path / "out", "--overwrite", *more)
        assert found.exit_code != 0
        assert (tmp_path / "out" / "kept").read_text() == "mine"
    within = jpegs(train_set, tmp_path / "out" / "pictures")
    found = call("all", within, "--out", tmp_path / "out", "--overwrite", *SMALL)
    assert "pictures lies in" in found.stderr
    assert "which --overwrite would replace" in found.stderr
    assert len(list(within.rglob("*.jpg"))) == len(train_set)
