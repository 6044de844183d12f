import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import call, call_json


@pytest.mark.slow
def test_diagnose_draws_runs_side_by_side(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "again")
    record = call_json("diagnose", run, tmp_path / "again", "--out", tmp_path / "page", "--title", "Two")
    assert set(record["metrics"]["diagnosis"]) == {"run", "again"}
    page = json.loads((tmp_path / "page" / "report.json").read_text())
    assert page["runs"]["again"]["health"][-1]["step"] == 8
    figures = {p.stem for p in (tmp_path / "page" / "figures").glob("*.png")}
    assert figures == {"samples", "health", "balance", "losses"}
    assert "run: " in (tmp_path / "page" / "report.html").read_text()
    assert call("diagnose", run).exit_code == 0
    assert "the same run is given twice" in call("diagnose", run, run).stderr
    assert call("diagnose", tmp_path).exit_code == 3


def test_records_that_are_gone_are_named(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "r")
    (tmp_path / "r" / "metrics.jsonl").unlink()
    (tmp_path / "r" / "health.jsonl").write_text("")
    told = call_json("diagnose", tmp_path / "r")["warnings"]
    assert ["metrics.jsonl is gone or empty after 8 steps" in told[0], "health.jsonl is gone" in told[1]] == [True] * 2
