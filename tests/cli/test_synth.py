from pathlib import Path

import pandas as pd

from synthetic import PRESETS
from tests.cli.conftest import call, call_json


def test_synth_writes_lists_and_plans(tmp_path: Path) -> None:
    record = call_json("synth", "article-test", "--out", tmp_path / "d", "--per-class", "2")
    assert record["metrics"] == {"n_images": 20, "n_classes": 10}
    listed = call("synth", "--list", "--out", tmp_path / "sheet.png")
    assert all(name in listed.stdout for name in PRESETS)
    assert (tmp_path / "sheet.png").stat().st_size > 10_000
    assert call("synth", "shapes", "--out", tmp_path / "e", "--dry-run").exit_code == 0
    assert not (tmp_path / "e").exists()
    (tmp_path / "own.toml").write_text('per_class = 2\n[grid]\nshape = ["star", "ring"]\n')
    assert call("synth", tmp_path / "own.toml", "--out", tmp_path / "own").exit_code == 0
    assert len(pd.read_csv(tmp_path / "own" / "metadata.csv")) == 4


def test_what_labels_promise_and_images_do_not_show_is_said(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(
        'per_class = 2\n[[type]]\nlabel = "white"\nbase = 1.0\nnoise = 0.0\n'
        '[[type]]\nlabel = "dot"\nshape = "ring"\nsize = 0.02\nnoise = 0.0\n'
    )
    record = call_json("synth", tmp_path / "own.toml", "--out", tmp_path / "d")
    assert any("2 of 4 images show nothing of their shape: dot" in text for text in record["warnings"])
    assert any("have one colour all over: white" in text for text in record["warnings"])
    assert any("equal, pixel for pixel, in several classes: " in text for text in record["warnings"])
    shards = call_json("synth", tmp_path / "own.toml", "--out", tmp_path / "s", "--shard-size", "2", "--format", "tar")
    assert shards["warnings"] == record["warnings"]
    assert call_json("synth", "article-test", "--out", tmp_path / "e", "--per-class", "1")["warnings"] == []
