from pathlib import Path

import pytest
import torch

from gan_probe.studies.article.trained import folder_of
from tests.cli.conftest import call, call_json
from tests.conftest import contents
from tests.studies.article.made import make


@pytest.mark.parametrize("epochs", ["0", "-1", "ten", "10,,20", "10,10", "", "1.5"])
def test_lengths_that_are_none_are_refused(epochs: str, tmp_path: Path) -> None:
    result = call("article", "--epochs", epochs, "--out", tmp_path / "a")
    assert result.exit_code == 3
    assert "--epochs" in result.stderr
    assert not (tmp_path / "a").exists()


def test_the_plan_says_what_is_ahead_and_writes_nothing(tmp_path: Path) -> None:
    result = call("article", "--epochs", "10,20", "--seeds", "2", "--out", tmp_path / "a", "--dry-run")
    assert result.exit_code == 0
    assert "4, of 10,20 epochs, 2 of each" in result.stdout
    assert f"critic updates: {2 * 75 * 30}" in result.stdout
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
def test_a_page_is_made_of_the_results_that_are_there(tmp_path: Path) -> None:
    make(tmp_path, 10)
    make(tmp_path, 20)
    record = call_json("article", "--page-only", "--out", tmp_path)
    assert record["metrics"]["n_trainings"] == 2
    assert set(record["metrics"]["pairs_by_epochs"]) == {"10", "20"}
    assert (tmp_path / "report" / "report.html").is_file()
    assert any("Not trained: 100 epochs, seed 0; 200 epochs, seed 0" in line for line in record["metrics"]["findings"])
    call("article", "--page-only", "--out", tmp_path)  # and again, over the older page


def test_without_results_there_is_no_page(tmp_path: Path) -> None:
    result = call("article", "--page-only", "--out", tmp_path / "none")
    assert result.exit_code == 3
    assert "holds no results of trainings yet" in result.stderr


def test_broken_results_are_named(tmp_path: Path) -> None:
    make(tmp_path, 10)
    (folder_of(tmp_path, 10, 0) / "losses.parquet").write_bytes(b"PAR1 and no more")
    result = call("article", "--page-only", "--out", tmp_path)
    assert result.exit_code == 3
    assert "does not hold the results of a training" in result.stderr


def test_a_folder_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    result = call("article", "--epochs", "1", "--out", tmp_path)
    assert result.exit_code == 3
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


SMALL = ("article", "--jobs", "1", "--device", "cpu", "--per-class", "32")


@pytest.mark.slow
def test_the_experiment_on_a_small_scale(tmp_path: Path) -> None:
    """Two epochs of 64 images; going on with other data is refused."""
    torch.set_num_threads(1)
    done = call_json(*SMALL, "--epochs", "2", "--out", tmp_path / "a")
    assert done["status"] == "ok"
    assert done["metrics"]["n_pairs"] == 45
    assert str(tmp_path).encode() not in (folder_of(tmp_path / "a", 2, 0) / "scores.parquet").read_bytes()
    refused = call(*SMALL, "--per-class", "64", "--epochs", "2", "--resume", "--out", tmp_path / "a")
    assert "was begun with --per-class 32, not 64" in refused.stderr
    assert not list((tmp_path / "a").rglob("checkpoint.safetensors"))


@pytest.mark.nightly
def test_the_experiment_goes_on_with_further_lengths_and_keeps_what_was_trained(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    call_json(*SMALL, "--epochs", "1", "--out", tmp_path / "a")
    kept = contents(folder_of(tmp_path / "a", 1, 0))
    second = call_json(*SMALL, "--epochs", "1,2", "--resume", "--out", tmp_path / "a")
    assert set(second["metrics"]["pairs_by_epochs"]) == {"1", "2"}
    assert contents(folder_of(tmp_path / "a", 1, 0)) == kept
