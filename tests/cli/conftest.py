"""What the tests of every verb share: the command line, called in this process, a folder of images, their scores."""

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from gan_probe.cli import app
from gan_probe.images.image_set import ImageSet


def call(*words: object) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words])


def call_json(*words: object) -> dict[str, object]:
    result = call(*words, "--json")
    record = json.loads(result.stdout)
    assert set(record) == {"schema", "command", "status", "outputs", "metrics", "warnings"}
    assert record["schema"] == "gan_probe.command/1"
    assert record["command"] == words[0]
    return record


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory, test_set: ImageSet) -> Path:
    """A folder with one sub-folder for each class."""
    folder = tmp_path_factory.mktemp("data")
    for i, (image, label) in enumerate(zip(test_set.images, test_set.table["label"], strict=True)):
        (folder / label).mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / label / f"{i}.png")
    return folder


@pytest.fixture(scope="session")
def score_file(tmp_path_factory: pytest.TempPathFactory, run: Path, images: Path) -> Path:
    out = tmp_path_factory.mktemp("scores") / "scores.parquet"
    assert call("score", run, images, "--out", out).exit_code == 0
    return out
