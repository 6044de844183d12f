"""The usual wrong first tries: each gets the sentence that helps, whichever verb it was."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan_probe.critics.critic import Critic
from gan_probe.errors import InputError
from gan_probe.images.readers.reading import read_images
from gan_probe.places import CRITIC, DATA, KINDS, RUN, SCORES, hint, no_images
from gan_probe.scoring.table import ScoreTable, read_scores, write_scores
from gan_probe.training.runs.folder import RunFolder
from synthetic.files import check_free


@pytest.fixture(scope="module")
def at_hand(tmp_path_factory: pytest.TempPathFactory, run: Path, few_scores: ScoreTable) -> Path:
    """A folder of what people have at hand."""
    place = tmp_path_factory.mktemp("at hand")
    shutil.copytree(run, place / "runs" / "a")
    shutil.copytree(run / "critic", place / "critic")
    (place / "images" / "cat").mkdir(parents=True)
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(place / "images" / "cat" / "1.png")
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(place / "one.png")
    write_scores(few_scores, place / "scores.parquet")
    torch.save({"a": torch.zeros(2)}, place / "d.pt")
    with zipfile.ZipFile(place / "images.zip", "w") as archive:
        archive.writestr("1.png", b"")
    (place / "report").mkdir()
    (place / "report" / "report.json").write_text('{"schema": "gan_probe.report/3"}')
    (place / "table.csv").write_text("critic_score\n1\n")
    (place / "empty").mkdir()
    return place


TRIES = [
    ("images", CRITIC, "It holds images. The critic comes first"),
    ("images", RUN, "gan-probe train .*images --out RUN"),
    ("images", SCORES, "score them first: gan-probe score CRITIC .*images"),
    ("one.png", CRITIC, "It is a picture. The critic comes first"),
    ("one.png", RUN, "give a run folder"),
    ("one.png", SCORES, "Scores are made with: gan-probe score"),
    ("runs/a", SCORES, "score images with it first: gan-probe score .*a DATA"),
    ("runs/a", DATA, "a is a run of gan-probe train, not images. The critic comes first"),
    ("runs", CRITIC, r"It holds runs: name one of them, or several: .*runs/\*"),
    ("runs", RUN, r"It holds runs: name them: .*runs/\*"),
    ("critic", DATA, "is a critic's folder, not images"),
    ("critic", RUN, "the record of its training is missing. Give the run folder that it came from"),
    ("critic", SCORES, "score images with it first"),
    ("critic/critic.safetensors", CRITIC, "A critic is a folder: give .*critic. "),
    ("scores.parquet", CRITIC, "It holds scores. Give the critic that made them"),
    ("scores.parquet", DATA, "is a table of scores. What it shows: gan-probe report"),
    ("d.pt", CRITIC, "It is a checkpoint: make a critic of it with gan-probe adapt"),
    ("d.pt", DATA, "It is a checkpoint. gan-probe adapt"),
    ("d.pt", RUN, "It is a checkpoint. gan-probe adapt"),
    ("images.zip", CRITIC, "It is an archive: unpack it"),
    ("images.zip", DATA, "It is an archive: unpack it"),
    ("images.zip", SCORES, "It is an archive: unpack it"),
    ("report", CRITIC, "report is a report"),
    ("report", DATA, "report is a report"),
    ("table.csv", SCORES, "Scores are read from .parquet files"),
]
OPEN = {
    CRITIC: Critic.load,
    RUN: lambda path: RunFolder(path).read_config(),
    DATA: lambda path: read_images(path, size_px=32),
    SCORES: read_scores,
}


@pytest.mark.parametrize(("name", "wanted", "message"), TRIES)
def test_a_wrong_first_try_gets_the_sentence_that_helps(at_hand: Path, name: str, wanted: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        OPEN[wanted](at_hand / name)


def test_every_kind_is_tried(at_hand: Path) -> None:
    met = {next(k for k, kind in enumerate(KINDS) if kind.matches(at_hand / name)) for name, _, _ in TRIES}
    assert met == set(range(len(KINDS)))


def test_what_is_right_or_unknown_gets_no_word(at_hand: Path) -> None:
    for name, wanted in (
        ("runs/a", CRITIC),
        ("images", DATA),
        ("scores.parquet", SCORES),
        ("empty", DATA),
        ("no", RUN),
    ):
        assert hint(at_hand / name, wanted) == ""
    assert no_images(at_hand / "images") == no_images(at_hand / "runs" / "a" / "samples") == ""


@pytest.mark.parametrize("name", ["x.csv", "x.html", "x.PNG", "x.zip"])
def test_a_folder_does_not_get_the_name_of_a_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileExistsError, match="leave the suffix out, such as x"):
        check_free(tmp_path / name, marker="m.json", overwrite=False)
    check_free(tmp_path / "run.v1", marker="m.json", overwrite=False)
    (tmp_path / "y").touch()
    with pytest.raises(FileExistsError, match="y is a file, and a folder is written, so it is left alone"):
        check_free(tmp_path / "y", marker="m.json", overwrite=True)
