import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gan_probe.cli import score
from gan_probe.images.readers import shards
from gan_probe.scoring import sharded
from gan_probe.scoring.table import read_scores
from tests.cli.conftest import call, call_json
from tests.conftest import FEW

ALONE = ("--no-controls", "--no-embeddings")


def test_skipped_files_exit_with_5_and_are_named(run: Path, images: Path, tmp_path: Path) -> None:
    shutil.copytree(images, tmp_path / "data")
    broken = next((tmp_path / "data").rglob("*.png"))
    broken.write_bytes(broken.read_bytes()[:60])
    result = call("score", run, tmp_path / "data", "--out", tmp_path / "s.parquet", *ALONE)
    assert result.exit_code == 5
    assert f"skipped 1 of 80 files: {broken.parent.name}/{broken.name}" in result.stderr
    assert len(pd.read_parquet(tmp_path / "s.parquet")) == 79


def test_grey_arrays_score_with_a_colour_critic_and_a_warning(run: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "g.npy", np.random.default_rng(0).integers(0, 256, (12, 32, 32), dtype=np.uint8))
    record = call_json("score", run, tmp_path / "g.npy", "--out", tmp_path / "s.parquet")
    assert record["status"] == "ok"
    assert record["metrics"]["n_images"] == 12


def test_relative_and_hidden_paths_are_read(
    run: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(images, tmp_path / ".hidden" / "d")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert call_json("score", run, "../.hidden/d", "--out", "s.parquet", *ALONE)["metrics"]["n_images"] == 80


def test_json_has_no_nan(run: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.zeros((1, 32, 32, 3), dtype=np.uint8))
    result = call("score", run, tmp_path / "one.npy", "--out", tmp_path / "s.parquet", "--json")
    assert "NaN" not in result.stdout
    assert json.loads(result.stdout)["metrics"]["std"] is None


def test_an_adapted_critic_is_told_its_training_classes_and_scores_know_seen_from_unseen(
    images: Path, tmp_path: Path
) -> None:
    adapt = ("adapt", "tests.foreign:PatchGan", "--image-shape", "32x32x3", "--out")
    plain = call(*adapt, tmp_path / "plain")
    assert "Which classes it was trained on is unknown" in plain.stdout
    told = call(*adapt, tmp_path / "told", "--training-class", FEW[0], "--training-class", FEW[1])
    assert "is unknown" not in told.stdout

    def seen(critic: str, *more: str) -> set[str] | None:
        out = tmp_path / f"{critic}{len(more)}.parquet"
        assert call("score", tmp_path / critic, images, "--out", out, "--trust-code", *ALONE, *more).exit_code == 0
        table = pd.read_parquet(out)
        return set(table.loc[table["seen"], "label"]) if "seen" in table else None

    assert seen("plain") is None
    assert seen("told") == set(FEW[:2])
    assert seen("told", "--seen", FEW[2]) == {FEW[2]}
    wrong = call(
        "score", tmp_path / "plain", images, "--out", tmp_path / "x.parquet", "--trust-code", "--seen", "squar"
    )
    assert wrong.exit_code == 3
    assert "unknown label 'squar'" in wrong.stderr
    np.save(tmp_path / "x.npy", np.zeros((9, 32, 32, 3), np.uint8))
    bare = call("score", tmp_path / "plain", tmp_path / "x.npy", "--out", tmp_path / "y.parquet", "--trust-code",
                "--seen", FEW[0])  # fmt: skip
    assert (bare.exit_code, "has no labels, so none of them can be seen" in bare.stderr) == (3, True)


def test_a_folder_of_scores_is_resumed_reported_and_guarded(run: Path, few_images: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores"
    words = ("score", run, few_images, "--out", out, "--no-controls", "--shard-size", 10, "--sample", 16)
    record = call_json(*words)
    assert (record["metrics"]["n_images"], record["metrics"]["n_shards"]) == (32, 4)  # type: ignore[index]
    taken = call(*words)
    assert "holds scores. Go on with them with --resume, or replace them with --overwrite" in taken.stderr
    (out / "parts" / "000002.parquet").unlink()
    (out / "sample.parquet").unlink()
    assert "1 of 4 shards are missing" in call("cluster", out).stderr
    assert call(*words, "--resume").exit_code == 0
    found = call("cluster", out, "--out", tmp_path / "c.csv")
    assert found.exit_code == 0
    assert len(pd.read_csv(tmp_path / "c.csv")) == 16
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    assert "so it is left alone" in call("score", run, few_images, "--out", tmp_path / "mine", "--overwrite").stderr
    refused = call("score", run, few_images, "--out", tmp_path / "s.parquet", "--resume", "--engine", "processes")
    assert "--resume and --engine need a folder to write to: --out scores, without a suffix" in refused.stderr
    for words, said in ((("--sample", 9), "--sample need a folder"), (("--on-error", "skp"), "unknown on_error 'skp'")):
        refused = call("score", run, few_images, "--out", tmp_path / "s.parquet", *words)
        assert (refused.exit_code, said in refused.stderr) == (3, True), refused.stderr


def test_controls_of_the_sample_alone_and_of_all_say_so(run: Path, few_images: Path, tmp_path: Path) -> None:
    words = ("score", run, few_images, "--no-embeddings", "--sample", 16)
    alone = tmp_path / "sample"
    assert call(*words, "--out", alone, "--controls", "sample").exit_code == 0
    assert "control.brightness" not in pd.read_parquet(alone / "parts" / "000000.parquet")
    sample = read_scores(alone)
    assert len(sample.table) == 16
    assert "control.brightness" in sample.table
    assert "control.random_init.2" in sample.table
    assert "Controls were made for the sample only." in sample.provenance["warnings"]
    every = tmp_path / "all"
    assert call(*words, "--out", every, "--controls", "all").exit_code == 0
    assert len(read_scores(every).table) == 32
    for more, said in (
        (("--controls", "al", "--out", every), "unknown controls 'al'"),
        (("--controls", "sample", "--out", tmp_path / "s.parquet"), "--controls sample needs a folder to write to"),
        (("--controls", "all", "--no-controls", "--out", every), "--controls all and --no-controls contradict"),
    ):
        refused = call(*words, *more)
        assert (refused.exit_code, said in refused.stderr) == (3, True), refused.stderr


@pytest.mark.parametrize("kind", ["folder", "shards.parquet"])
def test_what_does_not_fit_in_memory_is_refused_before_it_is_read_and_the_folder_named(
    kind: str, run: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = images
    if kind != "folder":
        data = tmp_path / kind
        files = sorted(images.rglob("*.png"))
        rows = [{"image": {"bytes": file.read_bytes(), "path": file.name}} for file in files]
        pd.DataFrame(rows).to_parquet(data)
    pixels = 80 * 32 * 32 * 3
    monkeypatch.setattr("gan_probe.device.memory_bytes", lambda: 2 * pixels - 1)
    refused = call("score", run, data, "--out", tmp_path / "s.parquet", *ALONE)
    assert refused.exit_code == 3
    assert f"--out {tmp_path / 's'}" in refused.stderr.replace("\n", "")
    assert not (tmp_path / "s.parquet").exists()
    assert call("score", run, data, "--out", tmp_path / "s.parquet", *ALONE, "--limit", 12).exit_code == 0
    monkeypatch.setattr("gan_probe.device.memory_bytes", lambda: 2 * pixels)
    assert call("score", run, data, "--out", tmp_path / "t.parquet", *ALONE).exit_code == 0


def test_the_defaults_of_a_folder_are_those_of_the_shards() -> None:
    """They are written twice, so that the help needs no torch."""
    assert (score.N_SAMPLE, score.N_ROWS) == (sharded.N_SAMPLE, shards.N_ROWS)


def test_options_of_a_folder_that_contradict_each_other_are_refused(
    run: Path, few_images: Path, tmp_path: Path
) -> None:
    for more, said in (
        (("--jobs", "4"), "--jobs says how many processes --engine processes starts"),
        (("--resume", "--overwrite"), "--resume and --overwrite contradict each other"),
        (("--no-embeddings", "--layer", "x"), "--no-embeddings makes none"),
    ):
        found = call("score", run, few_images, "--out", tmp_path / "s", *more)
        assert (found.exit_code, said in found.stderr) == (3, True), found.stderr
    call_json("score", run, few_images, "--out", tmp_path / "s", "--no-controls", "--no-embeddings")
    shutil.copytree(few_images, tmp_path / "s" / "new")
    found = call("score", run, tmp_path / "s" / "new", "--out", tmp_path / "s", "--overwrite")
    assert "which --overwrite would replace" in found.stderr
    assert (tmp_path / "s" / "scores.json").is_file()
    unlabelled = tmp_path / "unlabelled"
    unlabelled.mkdir()
    for number, path in enumerate(few_images.rglob("*.png")):
        shutil.copy(path, unlabelled / f"{number}.png")
    found = call("score", run, unlabelled, "--out", tmp_path / "t", "--seen", "x")
    assert "so none of them can be seen" in found.stderr
    assert not (tmp_path / "t").exists()
