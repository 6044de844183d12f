import json
import shutil
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from gan_probe.critics.critic import Critic
from gan_probe.images.image_set import ImageSet
from tests.cli import conftest

call = partial(conftest.call, "trajectory")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, test_set: ImageSet) -> Path:
    """A folder with one sub-folder for each of three classes."""
    folder = tmp_path_factory.mktemp("data")
    for i, (image, label) in enumerate(zip(test_set.images, test_set.table["label"], strict=True)):
        if label.startswith("triangle"):
            (folder / label).mkdir(exist_ok=True)
            Image.fromarray(image).save(folder / label / f"{i}.png")
    return folder


@pytest.mark.slow
def test_one_command_makes_the_page_the_numbers_and_the_table(run: Path, images: Path, tmp_path: Path) -> None:
    done = call(run, images, "--out", tmp_path / "r", "--reference", "triangle_0.7-_n0.03", "--json")
    record = json.loads(done.stdout)
    assert (done.exit_code, record["status"], record["command"]) == (0, "ok", "trajectory")
    assert record["metrics"]["n_pairs"] == 3
    assert list(record["metrics"]["n_separated_by_step"]) == ["0", "1", "3", "8"]
    assert len(pd.read_parquet(record["outputs"]["scores"])) == 4 * 24
    page = json.loads((tmp_path / "r" / "report.json").read_text())
    assert page["reference"] == "triangle_0.7-_n0.03"
    assert page["findings"] == record["metrics"]["findings"]
    again = call(run, images, "--out", tmp_path / "r")
    assert (again.exit_code, "exists. Choose another folder" in again.stderr) == (3, True)


def test_the_plan_names_the_steps_and_writes_nothing(run: Path, images: Path, tmp_path: Path) -> None:
    done = call(run, images, "--out", tmp_path / "r", "--dry-run")
    assert (done.exit_code, "steps: 0, 1, 3, 8" in done.stdout) == (0, True)
    assert not (tmp_path / "r").exists()


@pytest.mark.slow
def test_a_gate_fails_with_4_after_the_page_is_written(run: Path, images: Path, tmp_path: Path) -> None:
    words = (run, images, "--no-controls", "--out", tmp_path / "r")
    gated = call(*words, "--fail-if", "n_lost>=0")
    assert (gated.exit_code, "the gate 'n_lost>=0' holds" in gated.stderr) == (4, True)
    assert "no controls were run." in (tmp_path / "r" / "report.html").read_text()
    unknown = call(*words, "--overwrite", "--fail-if", "n_lots>0")
    assert (unknown.exit_code, "Names: n_snapshots, n_pairs, n_separated" in unknown.stderr) == (3, True)


@pytest.mark.slow
def test_a_snapshot_that_is_left_out_ends_with_5(run: Path, images: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    broken = Critic.load(tmp_path / "run" / "snapshots" / "step-000003")
    broken.module.head.weight.data.fill_(float("nan"))
    broken.save(tmp_path / "run" / "snapshots" / "step-000003", overwrite=True)
    done = call(tmp_path / "run", images, "--no-controls", "--out", tmp_path / "r")
    assert (done.exit_code, "warning: step-000003 is left out" in done.stderr) == (5, True)


def test_what_is_no_run_or_no_class_ends_with_3(run: Path, images: Path, tmp_path: Path) -> None:
    wrong = call(images, images, "--out", tmp_path / "r")
    assert (wrong.exit_code, "is not a run folder" in wrong.stderr) == (3, True)
    unknown = call(run, images, "--out", tmp_path / "r", "--reference", "triangle_0.7-_n0.04")
    assert (unknown.exit_code, "unknown reference class" in unknown.stderr) == (3, True)
