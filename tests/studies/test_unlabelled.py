"""Every table of scores has a page: without labels, of one class, of one image."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gan_probe.scoring.table import ScoreTable, write_scores
from gan_probe.studies.unlabelled.study import N_ENDS, has_classes, unlabelled
from synthetic import sample_id
from tests.cli.conftest import call


@pytest.fixture
def scores(tmp_path: Path) -> ScoreTable:
    """Forty images, the first of them far from all others in the embedding, and where they lie."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    rows = rng.normal(size=(40, 4)).astype(np.float32)
    rows[0] += 50
    frame = pd.DataFrame({
        "sample_id": [sample_id(image) for image in images], "critic_score": np.arange(40, dtype=np.float32),
        "control.brightness": -np.arange(40.0), "embedding.critic": list(rows),
    })  # fmt: skip
    return ScoreTable(frame, {"data_source": str(tmp_path / "images.npy"), "image_shape": [8, 8, 3]})


def test_without_labels_ends_map_and_what_ranks_alike_are_shown(scores: ScoreTable, tmp_path: Path) -> None:
    found = unlabelled(scores)
    assert not has_classes(scores)
    assert found.alike() == [("brightness", pytest.approx(-1.0))]
    assert found.strangeness is not None
    assert int(found.strangeness.argmax()) == 0
    lowest = found.plot("ends")[0].get_images()[0].get_array()
    assert np.array_equal(lowest, np.load(tmp_path / "images.npy")[0])
    assert len(found.plot("ends")) == 3 * N_ENDS
    found.save(tmp_path / "r")
    page = (tmp_path / "r" / "report.html").read_text()
    assert "40 images score 19.5 on average" in page
    assert 'id="explorer-data"' in page
    assert str(tmp_path) not in page
    assert json.loads((tmp_path / "r" / "report.json").read_text())["alike"][0]["control"] == "brightness"


@pytest.mark.slow
def test_the_command_line_takes_them_and_one_class_and_one_image(scores: ScoreTable, tmp_path: Path) -> None:
    one_class = ScoreTable(scores.table.assign(label="a"), scores.provenance)
    one_image = ScoreTable(scores.table.head(1).drop(columns="embedding.critic"), {})
    for name, table in {"none": scores, "class": one_class, "image": one_image}.items():
        write_scores(table, tmp_path / f"{name}.parquet")
        done = call("report", tmp_path / f"{name}.parquet", "--out", tmp_path / name, "--no-thumbnails")
        assert done.exit_code == 0, done.stderr
        assert "This page holds no pictures of the images." in (tmp_path / name / "report.html").read_text()
    gated = call("report", tmp_path / "none.parquet", "--out", tmp_path / "g", "--fail-if", "useful=worse")
    assert (gated.exit_code, "useful was not measured: the data has no classes" in gated.stderr) == (3, True)
