from pathlib import Path

import pytest

from tests.cli.conftest import call, call_json


@pytest.mark.slow
def test_the_whole_story_on_a_small_scale(tmp_path: Path) -> None:
    record = call_json("demo", "--out", tmp_path / "d", "--steps", "1", "--per-class", "8")
    assert record["status"] == "ok"
    assert record["metrics"]["n_pairs"] == 45
    assert record["metrics"]["findings"][0].startswith("The score alone names the class of")
    assert "one training is no verdict" in record["metrics"]["findings"][-2]
    assert "--runs 5" in record["metrics"]["findings"][-1]
    for name in ("data-train/contact-sheet.png", "run/critic/critic.safetensors", "scores.parquet", "clusters.csv",
                 "report/report.html", "report/figures/examples.png"):  # fmt: skip
        assert (tmp_path / "d" / name).is_file(), name
    again = call("demo", "--out", tmp_path / "d")
    assert again.exit_code == 3
    assert "exists. Choose another folder, or replace this one with --overwrite" in again.stderr


@pytest.mark.nightly
def test_the_demo_reaches_its_floor(tmp_path: Path) -> None:
    """42 of 45 pairs is the floor in every seed; the record in benchmarks/ says what is reached."""
    record = call_json("demo", "--out", tmp_path / "d", "--seed", "11")
    assert record["metrics"]["n_separated"] >= 42
