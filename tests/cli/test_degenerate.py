"""Images and scores that say nothing: a sentence, or results without a nan, and no library's warning (errors here)."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_probe.scoring.table import ScoreTable, write_scores
from tests.cli.conftest import call

COLOURS = {"black": {"a": 0, "b": 0}, "one colour a class": {"a": 90, "b": 200}}
NO_CONTROLS = ("--no-controls", "--device", "cpu")


def flat(folder: Path, colours: dict[str, int], n: int = 6) -> Path:
    for label, value in colours.items():
        (folder / label).mkdir(parents=True)
        for number in range(n):
            Image.new("RGB", (32, 32), (value,) * 3).save(folder / label / f"{number}.png")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", COLOURS)
def test_flat_images_are_scored_and_clustered_without_a_library_s_words(kind: str, run: Path, tmp_path: Path) -> None:
    data = flat(tmp_path / "data", COLOURS[kind])
    for words in (
        ("score", run, data, "--out", tmp_path / "s.parquet"),
        ("cluster", tmp_path / "s.parquet", "--out", tmp_path / "c.csv"),
        ("explain", run, data, "--out", tmp_path / "e", "--per-class", 1, "--steps", 2, *NO_CONTROLS),
    ):
        done = call(*words)
        assert done.exit_code == 0, done.stderr
        assert "nan" not in done.stdout.lower().split()


@pytest.mark.slow
def test_runs_on_images_that_are_all_alike_have_nothing_to_agree_on(runs: list[Path], tmp_path: Path) -> None:
    same = flat(tmp_path / "same", {"a": 7, "b": 7})
    done = call("stability", *runs, "--data", same, "--out", tmp_path / "s", *NO_CONTROLS)
    assert (done.exit_code, "are equal; there is nothing that runs could agree on" in done.stderr) == (3, True)
    flat(tmp_path / "flat", {"a": 90, "b": 200})
    done = call("stability", *runs, "--data", tmp_path / "flat", "--out", tmp_path / "f", *NO_CONTROLS)
    assert done.exit_code == 0, done.stderr
    assert "Within a class no scores differ, so that there is no rank correlation." in done.stdout
    assert "nan" not in done.stdout


def test_too_little_is_named_by_every_verb(run: Path, runs: list[Path], tmp_path: Path) -> None:
    one = flat(tmp_path / "one", {"a": 50}, n=1)
    two = flat(tmp_path / "two", {"a": 50, "b": 60}, n=1)
    cases = [
        (("probe", run, one), "a probe needs labels of at least two classes"),
        (("probe", run, two), "a probe needs at least four of each"),
        (("trajectory", run, one), "separation needs at least two classes"),
        (("trajectory", run, two), "each class needs at least two images; a, b have one"),
        (("stability", *runs, "--data", one), "are equal"),
        (("stability", *runs, "--data", two), "at least four are needed"),
        (("arithmetic", run, one, "a - a + a = a"), "at least two classes"),
        (("ensemble", *runs, "--panel", one), "a panel needs at least 10 images, got 1"),
    ]
    for words, said in cases:
        more = () if words[0] in ("arithmetic", "ensemble") else ("--no-controls",)
        done = call(*words, "--out", tmp_path / "x", *more, "--device", "cpu")
        assert (done.exit_code, said in done.stderr) == (3, True), (words[0], done.stderr)
    assert call("check", run, one, "--device", "cpu").exit_code == 3
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(("value", "code", "said"), [(1.0, 0, ""), (np.nan, 3, "are not finite numbers")])
def test_scores_that_do_not_vary_or_are_no_numbers(
    value: float, code: int, said: str, few_scores: ScoreTable, tmp_path: Path
) -> None:
    table = few_scores.without_embeddings().assign(critic_score=np.float32(value))
    write_scores(ScoreTable(table, few_scores.provenance), tmp_path / "s.parquet")
    done = call("cluster", tmp_path / "s.parquet", "--out", tmp_path / "c.csv")
    if code == 0:  # the scores have no clusters, the controls have
        assert done.exit_code == 0
        assert "clusters of critic_score: left out, all rows are equal" in done.stderr.replace("\n", " ")
    else:
        assert (done.exit_code, said in done.stderr) == (code, True)
