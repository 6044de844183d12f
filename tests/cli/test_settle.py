import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import call, call_json


@pytest.fixture
def images(few_images: Path) -> Path:
    return few_images


@pytest.mark.slow
def test_runs_are_settled_on_a_shared_bank_and_compared_with_what_they_were(images: Path, tmp_path: Path) -> None:
    words = ["--steps", 2, "--batch-size", 4, "--set", "late_snapshots=2", "--jobs", 1]
    call_json("train", images, "--out", tmp_path / "runs", "--runs", 3, *words)
    runs = [tmp_path / "runs" / f"run-0{k}" for k in range(3)]
    plan = call_json("settle", *runs, "--data", images, "--out", tmp_path / "settled", "--dry-run")["metrics"]["plan"]
    assert plan["fakes"] == "1000 of 3 generators"
    assert not (tmp_path / "settled").exists()
    settle = ["settle", *runs, "--data", images, "--out", tmp_path / "settled", "--updates", 2, "--n-fakes", 7]
    record = call_json(*settle, "--jobs", 1)
    assert [run["run"] for run in record["metrics"]["runs"]] == [run.name for run in runs]
    assert np.load(record["outputs"]["bank"]).shape == (7, 32, 32, 3)
    assert call(*settle).exit_code == 3
    again = call_json(*settle, "--resume", "--jobs", 1)
    assert again["metrics"] == record["metrics"]
    other = call(*settle, "--resume", "--seed", 5)
    assert (other.exit_code, "holds other fakes than these" in other.stderr) == (3, True)
    shutil.copytree(runs[0], tmp_path / "copy")
    copied = call("settle", runs[0], tmp_path / "copy", "--data", images, "--out", tmp_path / "x")
    assert (copied.exit_code, "run-00 and copy are the same run" in copied.stderr) == (3, True)
    shutil.copytree(runs[1], tmp_path / "other" / "run-00")
    same_name = ["settle", runs[0].resolve(), tmp_path / "other" / "run-00", "--data", images, "--out", tmp_path / "x"]
    assert "two runs have the folder name run-00" in call(*same_name, "--overwrite").stderr
    alone = call("settle", runs[0], "--data", images, "--out", tmp_path / "x")
    assert (alone.exit_code, "give at least two runs" in alone.stderr) == (3, True)
    settled = [tmp_path / "settled" / run.name for run in runs]
    options = ["--data", images, "--no-controls"]
    found = call_json("stability", *settled, *options, "--out", tmp_path / "a", "--against", tmp_path / "runs")
    assert set(found["metrics"]["against"]) == {"raw", "affine", "affine, image statistics regressed out"}
    agreed = call_json("stability", *runs, *options, "--out", tmp_path / "b", "--step", "agreed")["metrics"]
    assert set(agreed["snapshots"]) == {run.name for run in runs}
    assert agreed["typical_run"] in agreed["snapshots"]
    assert call("stability", *runs, *options, "--out", tmp_path / "c", "--step", "late").exit_code == 2
    members = call_json("ensemble", runs[0], "--late", "--panel", images, "--out", tmp_path / "late")["metrics"]
    assert members["n_members"] == 2
    twins = call("stability", *runs, *options, "--out", tmp_path / "d", "--against", tmp_path / "runs")
    assert (twins.exit_code, "the same critic run-00" in twins.stderr) == (3, True)
    nested = call("train", images, "--out", runs[0], "--runs", 2, "--resume", *words)
    assert (nested.exit_code, "is a run folder itself" in nested.stderr) == (3, True)
    nowhere = call("stability", *runs, *options, "--out", tmp_path / "d", "--against", tmp_path / "nowhere")
    assert nowhere.exit_code == 3
