import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.conftest import call, call_json

ALONE = ("--no-controls", "--no-embeddings")


def test_skipped_files_exit_with_5_and_are_named(run: Path, images: Path, tmp_path: Path) -> None:
    shutil.copytree(images, tmp_path / "data")
    broken = next((tmp_path / "data").rglob("*.png"))
    broken.write_bytes(broken.read_bytes()[:60])
    result = call("score", run, tmp_path / "data", "--out", tmp_path / "s.parquet", *ALONE)
    assert result.exit_code == 5
    assert f"skipped 1 of 80 files: {broken.parent.name}/{broken.name}" in result.stderr
    assert len(pd.read_parquet(tmp_path / "s.parquet")) == 79


def test_grey_arrays_score_with_a_colour_critic_and_a_warning(run: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "g.npy", np.random.default_rng(0).integers(0, 256, (12, 32, 32), dtype=np.uint8))
    record = call_json("score", run, tmp_path / "g.npy", "--out", tmp_path / "s.parquet")
    assert record["status"] == "ok"
    assert record["metrics"]["n_images"] == 12


def test_relative_and_hidden_paths_are_read(
    run: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(images, tmp_path / ".hidden" / "d")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert call_json("score", run, "../.hidden/d", "--out", "s.parquet", *ALONE)["metrics"]["n_images"] == 80


def test_json_has_no_nan(run: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.zeros((1, 32, 32, 3), dtype=np.uint8))
    result = call("score", run, tmp_path / "one.npy", "--out", tmp_path / "s.parquet", "--json")
    assert "NaN" not in result.stdout
    assert json.loads(result.stdout)["metrics"]["std"] is None
