import json
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.conftest import call_json


@pytest.mark.slow
def test_what_was_trained_is_scored_and_what_was_scored_clustered(images: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained = call_json("train", images, "--out", run, "--steps", "2", "--batch-size", "4", "--set", "n_snapshots=1")
    assert trained["metrics"]["steps"] == 2
    settings = json.loads((run / "config.json").read_text())["settings"]
    assert settings["steps"] == {"value": 2, "origin": "given"}
    assert settings["beta2"]["origin"] == "default"
    scored = call_json("score", run, images, "--out", tmp_path / "s.parquet", "--no-controls")
    assert scored["metrics"]["n_images"] == 80
    assert pd.read_parquet(tmp_path / "s.parquet")["seen"].all()
    clustered = call_json("cluster", tmp_path / "s.parquet", "--out", tmp_path / "c.csv")
    assert {row["of"] for row in clustered["metrics"]["clusters"]} >= {"critic_score", "embedding.critic"}
    assert len(pd.read_csv(tmp_path / "c.csv")) == 80
