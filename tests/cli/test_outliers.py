"""``gan-probe outliers CRITIC DATA --reals REALS``: its page, its gate, its words."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from gan_probe.images.image_set import from_synthetic
from synthetic import make_dataset, write_dataset
from tests.cli.conftest import call, call_json
from tests.conftest import small_spec


@pytest.fixture(scope="module")
def reals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reals") / "r"
    write_dataset(make_dataset(small_spec("article-train", 30), seed=4), folder)
    return folder


@pytest.mark.slow
def test_a_critic_and_images_give_a_page_with_pictures(
    run: Path, few_images: Path, reals: Path, tmp_path: Path
) -> None:
    words = ("outliers", run, few_images, "--reals", reals, "--detector", "mahalanobis-quadrants", "--no-controls")
    record = call_json(*words, "--out", tmp_path / "o")
    assert record["status"] == "ok"
    written = json.loads((tmp_path / "o" / "report.json").read_text())
    assert written["schema"] == "gan_probe.outliers/1"
    assert written["novelty"]["detectors"] == ["mahalanobis-quadrants"]
    assert written["novelty"]["how"] == "named by the user"
    assert (tmp_path / "o" / "figures" / "strangest.png").is_file()
    table = pd.read_csv(tmp_path / "o" / "outliers.csv")
    assert table["p_value"].is_monotonic_increasing
    assert table["is_outlier"].sum() == record["metrics"]["n_outliers"]  # type: ignore[index]
    held = call(*words, "--out", tmp_path / "p", "--fail-if", "auroc>0")
    assert held.exit_code == 4
    assert (tmp_path / "p" / "report.html").is_file()


def test_words_of_the_two_ways_are_not_mixed(
    run: Path, few_images: Path, reals: Path, score_file: Path, tmp_path: Path
) -> None:
    cases = (
        ((score_file, "--reals", few_images, "--out", tmp_path / "o.csv"), "score"),
        ((score_file, "--detector", "nearest-mean"), "--detector is for a critic and images"),
        ((score_file, "--title", "A", "--no-controls"), "--title and --no-controls: for a critic and images"),
        ((run, few_images), "name some with --reals"),
        ((run, few_images, "--reals", reals, "--two-sided", "--detector", "slope"), "choose one"),
        ((run, few_images, "--reals", few_images), "are among the reals, pixel by pixel"),
        ((run, few_images, "--reals", reals, "--detector", "nearest"), "nearest-mean"),
    )
    for words, message in cases:
        result = call("outliers", "--out", tmp_path / "o", *words)
        assert (result.exit_code, message in " ".join(result.stderr.split())) == (3, True), (words, result.stderr)
    assert not (tmp_path / "o").exists()
    plan = call("outliers", run, few_images, "--reals", reals, "--out", tmp_path / "o", "--dry-run")
    assert (plan.exit_code, (tmp_path / "o").exists()) == (0, False)


def test_reals_and_images_from_python_are_those_of_the_command_line(reals: Path) -> None:
    from gan_probe import read_images

    ours = from_synthetic(make_dataset(small_spec("article-train", 30), seed=4))
    assert set(read_images(reals).table["sample_id"]) == set(ours.table["sample_id"])
