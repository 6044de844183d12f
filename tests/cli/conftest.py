"""What the tests of every verb share: the command line, called in this process, a folder of images, their scores."""

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from gan_probe.cli import app
from gan_probe.images.image_set import ImageSet
from gan_probe.scoring.table import ScoreTable, write_scores


def call(*words: object) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words])


def call_json(*words: object) -> dict[str, object]:
    result = call(*words, "--json")
    record = json.loads(result.stdout)
    assert set(record) == {"schema", "command", "status", "outputs", "metrics", "warnings"}
    assert record["schema"] == "gan_probe.command/1"
    assert record["command"] == words[0]
    return record


def saved(data: ImageSet, folder: Path) -> Path:
    for i, (image, label) in enumerate(zip(data.images, data.table["label"], strict=True)):
        (folder / label).mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / label / f"{i}.png")
    return folder


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory, test_set: ImageSet) -> Path:
    """A folder with one sub-folder for each of ten classes."""
    return saved(test_set, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def few_images(tmp_path_factory: pytest.TempPathFactory, few_set: ImageSet) -> Path:
    """A folder with one sub-folder for each of four classes."""
    return saved(few_set, tmp_path_factory.mktemp("few"))


@pytest.fixture(scope="session")
def score_file(tmp_path_factory: pytest.TempPathFactory, few_scores: ScoreTable) -> Path:
    """Scores of four classes beside one control, without embeddings."""
    table = few_scores.without_embeddings()
    table = table.drop(columns=[c for c in table if c.startswith("control.") and c != "control.brightness"])
    out = tmp_path_factory.mktemp("scores") / "scores.parquet"
    write_scores(ScoreTable(table, few_scores.provenance), out)
    return out
