import json
import shutil
from pathlib import Path

import pytest

from gan_probe.critics.critic import Critic
from gan_probe.images.image_set import ImageSet
from tests.cli.conftest import call, call_json


@pytest.mark.slow
def test_stability_of_three_runs(runs: list[Path], few_images: Path, tmp_path: Path) -> None:
    record = call_json(
        "stability", *runs, "--data", few_images, "--out", tmp_path / "page", "--fail-if", "flip_rate>=0"
    )
    assert record["status"] == "gate"
    found = record["metrics"]
    assert {"reproducible_fraction", "ci_low", "lowest_level", "runs_needed"} <= set(found)
    assert 0 <= found["ci_low"] <= found["reproducible_fraction"] <= found["ci_high"] <= 1
    page = json.loads((tmp_path / "page" / "report.json").read_text())
    assert {row["of"] for row in page["levels"]} == {
        "trained critics", "randomly initialised critics", "image statistics regressed out"
    }  # fmt: skip
    assert {p.stem for p in (tmp_path / "page" / "figures").glob("*.png")} == {
        "classes",
        "levels",
        "shares",
        "embeddings",
    }
    few = call("stability", *runs[:2], "--data", few_images, "--out", tmp_path / "few")
    assert (few.exit_code, "at least 3 runs, got 2" in few.stderr) == (3, True)
    twice = call("stability", *runs, runs[0], "--data", few_images, "--out", tmp_path / "twice")
    assert (twice.exit_code, "the same run is given twice" in twice.stderr) == (3, True)


@pytest.mark.slow
def test_stability_refuses_copies_and_leaves_diverged_runs_out_when_told(
    runs: list[Path], few_images: Path, train_set: ImageSet, tmp_path: Path
) -> None:
    shutil.copytree(runs[0], tmp_path / "copy")
    copied = call("stability", *runs, tmp_path / "copy", "--data", few_images, "--out", tmp_path / "a")
    assert (copied.exit_code, "seed-0 and copy are the same critic" in copied.stderr) == (3, True)
    broken = Critic.load(runs[1])
    broken.module.head.weight.data.fill_(float("nan"))
    broken.save(tmp_path / "diverged")
    words = ("stability", *runs, tmp_path / "diverged", "--data", few_images, "--out", tmp_path / "b")
    refused = call(*words)
    assert (refused.exit_code, "diverged diverged: its scores are not finite" in refused.stderr) == (3, True)
    record = call_json(*words, "--skip-diverged", "--no-controls")
    assert "diverged diverged and is left out." in record["warnings"]


def test_scores_that_are_there_are_compared_and_not_mixed_with_runs(
    runs: list[Path], few_images: Path, tmp_path: Path
) -> None:
    tables = [tmp_path / f"{run.name}.parquet" for run in runs]
    for run, table in zip(runs, tables, strict=True):
        assert call("score", run, few_images, "--out", table, "--no-embeddings", "--no-controls").exit_code == 0
    found = call_json("stability", *tables, "--out", tmp_path / "page", "--no-controls")
    assert found["metrics"]["typical_run"] in {table.name for table in tables}
    assert (tmp_path / "page" / "report.html").is_file()
    mixed = call("stability", *tables[:2], runs[2], "--out", tmp_path / "x")
    assert (mixed.exit_code, "give runs or scores, not both" in mixed.stderr) == (3, True)
    asked = call("stability", *tables, "--data", few_images, "--out", tmp_path / "x")
    assert (asked.exit_code, "--data asks for images to be scored, and scores are given" in asked.stderr) == (3, True)
    without = call("stability", *runs, "--out", tmp_path / "x")
    assert (without.exit_code, "--data is missing" in without.stderr) == (2, True)


def test_stability_takes_folders_of_scores(runs: list[Path], few_images: Path, tmp_path: Path) -> None:
    folders = [tmp_path / run.name for run in runs]
    for run, folder in zip(runs, folders, strict=True):
        call_json("score", run, few_images, "--out", folder, "--controls", "sample")
    record = call_json("stability", *folders, "--out", tmp_path / "page")
    assert 0 <= record["metrics"]["reproducible_fraction"] <= 1
