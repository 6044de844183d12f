from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gan_probe.critics.critic import Critic
from synthetic import PRESETS, make_dataset, write_dataset
from tests.cli import conftest

QUICK = ("--per-class", 1, "--patch", 16, "--steps", 2)
call = partial(conftest.call, "explain")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of 32 pixels with their masks, one of each class in each split."""
    folder = tmp_path_factory.mktemp("data") / "d"
    spec = PRESETS["jitter-test"]
    write_dataset(make_dataset(replace(spec, size_px=32, per_class=2, types=spec.types[:3])), folder, masks=True)
    table = pd.read_parquet(folder / "metadata.parquet")
    table["split"] = table.groupby("label").cumcount().map({0: "even", 1: "odd"})
    table.to_parquet(folder / "metadata.parquet", index=False)
    return folder


@pytest.fixture(scope="module")
def random_init(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("critic") / "c"
    Critic.from_network("compact", (32, 32, 3)).save(folder)
    return folder


@pytest.mark.slow
def test_masks_are_found_and_the_report_is_written(run: Path, data: Path, tmp_path: Path) -> None:
    result = call(run, data, "--out", tmp_path / "r", *QUICK, "--json")
    record = json.loads(result.stdout)
    assert (result.exit_code, record["status"], record["command"]) == (0, "ok", "explain")
    assert record["metrics"]["n_images"] == 3
    assert 0 <= record["metrics"]["measures"]["occlusion.mask.pointing.critic"] <= 1
    assert set(record["outputs"]) == {"report", "json", "images", "maps_occlusion", "maps_gradients"}
    assert all(Path(path).is_file() for path in record["outputs"].values())
    assert np.load(record["outputs"]["maps_occlusion"], allow_pickle=False).shape == (3, 32, 32)
    assert json.loads((tmp_path / "r" / "report.json").read_text())["provenance"]["patch_px"] == 16
    text = call(run, data, "--out", tmp_path / "r", *QUICK, "--overwrite", "--method", "occlusion")
    assert text.exit_code == 0
    assert "- Occlusion with random weights: the critic's |map| has a rank correlation of" in text.stdout
    assert not (tmp_path / "r" / "maps-gradients.npy").exists()


@pytest.mark.slow
def test_a_split_takes_its_own_masks(random_init: Path, data: Path, tmp_path: Path) -> None:
    words = (random_init, data, "--method", "occlusion", "--no-controls", *QUICK, "--json")
    record = json.loads(call(*words, "--split", "odd", "--out", tmp_path / "r").stdout)
    assert record["metrics"]["n_images"] == 3
    table = pd.read_csv(tmp_path / "r" / "images.csv")
    assert set(table["split"]) == {"odd"}
    whole = json.loads(call(*words[:5], "--per-class", 2, *QUICK[2:], "--json", "--out", tmp_path / "all").stdout)
    assert whole["metrics"]["n_images"] == 6
    every = pd.read_csv(tmp_path / "all" / "images.csv").set_index("sample_id")
    for name in ("occlusion.mask.share", "occlusion.edge.IoU"):
        assert table[name].tolist() == pytest.approx(every.loc[table["sample_id"], name].tolist())


def test_dry_run_writes_nothing(random_init: Path, data: Path, tmp_path: Path) -> None:
    result = call(random_init, data, "--out", tmp_path / "r", "--dry-run")
    assert result.exit_code == 0
    assert f"masks: {data / 'masks'}" in result.stdout
    assert "up to 4 of each class, of 6" in result.stdout
    assert not (tmp_path / "r").exists()


@pytest.mark.slow
def test_images_of_another_size_are_resized_with_their_masks(random_init: Path, tmp_path: Path) -> None:
    write_dataset(make_dataset("article-train", per_class=1), tmp_path / "d", masks=True, format="npy")
    result = call(random_init, tmp_path / "d", "--out", tmp_path / "r", *QUICK, "--size", 32, "--no-controls")
    assert result.exit_code == 0
    assert "Occlusion against the masks" in result.stdout
    own = call(random_init, tmp_path / "d", "--out", tmp_path / "s", *QUICK, "--no-controls")
    assert own.exit_code == 0
    assert "images of 64x64 become squares of 32 pixels, which the critic takes" in own.stderr
    said = [[x for x in run.stdout.splitlines() if not x.startswith("report: ")] for run in (own, result)]
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--masks", "{tmp}/few.npy"), "few.npy holds 4 masks for 6 images"),
        (("--masks", "{tmp}/small.npy"), "is 8x8, its image 32x32"),
        (("--masks", "{tmp}/nowhere"), "holds no masks that are known"),
        (("--patch", "33"), "a patch of 33 px does not fit images of 32x32; give 1 to 32"),
        (("--patch", "0"), "a patch of 0 px does not fit"),
        (("--method", "oclusion"), "Did you mean 'occlusion'"),
        (("--baseline", "grey"), "unknown baseline 'grey'"),
        (("--split", "none"), "has no split 'none'"),
    ],
)
def test_bad_input_is_said_and_exits_with_3(
    words: tuple[str, str], message: str, random_init: Path, data: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "few.npy", np.ones((4, 32, 32), bool))
    np.save(tmp_path / "small.npy", np.ones((6, 8, 8), bool))
    result = call(random_init, data, "--out", tmp_path / "r", *(word.format(tmp=tmp_path) for word in words))
    assert result.exit_code == 3
    assert message in result.stderr
    assert not (tmp_path / "r").exists()


def test_a_folder_without_images_is_refused(random_init: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = call(random_init, tmp_path / "empty", "--out", tmp_path / "r")
    assert result.exit_code == 3
    assert "holds no images" in result.stderr
