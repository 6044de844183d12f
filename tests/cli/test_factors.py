import json
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from tests.cli import conftest

QUICK = ("--no-controls", "--per-class", 10, "--bases", 20)
TOML = 'sizing = "area"\n[defaults]\nsize = { low = 0.3, high = 0.5 }\n[grid]\nshape = ["circle", "square"]\n'
call = partial(conftest.call, "factors")


@pytest.mark.slow
def test_one_command_makes_the_page_the_numbers_and_the_table(run: Path, tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(TOML)
    words = (run, "--spec", tmp_path / "two.toml", *QUICK, "--layer", "stem", "--pooling", "std")
    done = call(*words, "--out", tmp_path / "r", "--json")
    record = json.loads(done.stdout)
    assert (done.exit_code, record["status"], record["command"]) == (0, "ok", "factors")
    assert set(record["metrics"]["shares"]) == {"shape", "size"}
    assert set(record["metrics"]["noticed"]) == {"alone", "among others"}
    assert "noise up" in record["metrics"]["noticed"]["alone"]
    assert set(pd.read_csv(record["outputs"]["curves"])["of"]) == {"critic"}
    page = json.loads((tmp_path / "r" / "report.json").read_text())
    assert page["findings"] == record["metrics"]["findings"]
    assert page["provenance"]["spec"] == "two"
    assert page["provenance"]["layers"] == ["stem"]
    again = call(*words, "--out", tmp_path / "r")
    assert (again.exit_code, "exists. Choose another folder" in again.stderr) == (3, True)


def test_the_plan_names_the_factors_and_writes_nothing(run: Path, tmp_path: Path) -> None:
    done = call(run, "--out", tmp_path / "r", "--dry-run")
    assert done.exit_code == 0
    assert "images: 600 of factors, 32 px" in done.stdout
    assert "of noise, base, size, texture_contrast, rotation_deg, x, y, clutter, occlusion, shape, sign" in done.stdout
    assert not (tmp_path / "r").exists()


def test_bad_words_end_with_2_and_bad_input_with_3(run: Path, tmp_path: Path) -> None:
    unknown = call(run, "--out", tmp_path / "r", "--spec", "factor")
    assert (unknown.exit_code, "unknown preset 'factor'. Did you mean 'factors'" in unknown.stderr) == (3, True)
    layer = call(run, "--out", tmp_path / "r", *QUICK, "--layer", "stme")
    assert (layer.exit_code, "unknown layer 'stme'. Did you mean 'stem'" in layer.stderr) == (3, True)
    nowhere = call(tmp_path / "none", "--out", tmp_path / "r")
    assert (nowhere.exit_code, "does not exist" in nowhere.stderr) == (3, True)
    assert call(run, "--out", tmp_path / "r", "--bases", 19).exit_code == 2
    assert not (tmp_path / "r").exists()
