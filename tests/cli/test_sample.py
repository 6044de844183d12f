from pathlib import Path

from tests.cli.conftest import call, call_json


def test_sample_and_arithmetic(run: Path, images: Path, tmp_path: Path) -> None:
    record = call_json("sample", run, "--out", tmp_path / "s", "-n", 12, "--interpolate", 2)
    assert record["metrics"] == {"n_images": 12, "step": 8}
    assert len(list((tmp_path / "s" / "images").glob("*.png"))) == 12
    assert call("sample", run, "--out", tmp_path / "s").exit_code == 3
    assert call("sample", run, "--out", tmp_path / "s", "--overwrite").exit_code == 0
    wrong = call("arithmetic", run, images, "a - b", "--out", tmp_path / "a")
    assert wrong.exit_code == 3
    assert "an equation is written 'A - B + C = D'" in wrong.stderr
    assert not (tmp_path / "a").exists()
