from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gan_probe.critics.critic import Critic
from gan_probe.images.image_set import from_synthetic
from gan_probe.report import explain as explain_page
from gan_probe.report.explain import map_rows, sanity, truth
from gan_probe.studies.explain.result import CRITIC, ExplainResult
from gan_probe.studies.explain.study import explain
from synthetic import make_dataset
from tests.conftest import small_spec


@pytest.fixture(scope="module")
def result(critic: Critic) -> ExplainResult:
    spec = small_spec("article-test", 2)
    shapes = make_dataset(replace(spec, types=spec.types[:4]))
    data = from_synthetic(shapes)
    named = Critic(critic.module, critic.config, source="runs/<x>")
    found = explain(named, data, shapes.masks, per_class=2, patch_px=8, n_steps=8)
    return replace(found, table=found.table.assign(mine="<b>kept</b>"))


@pytest.fixture(scope="module")
def folder(result: ExplainResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("explain") / "r"
    assert result.save(out, title="<b>Maps</b>", command="gan-probe explain x") == out / "report.html"
    return out


@pytest.mark.slow
def test_the_folder_holds_the_page_the_maps_and_every_number(folder: Path, result: ExplainResult) -> None:
    record = json.loads((folder / "report.json").read_text())
    assert record["schema"] == "gan_probe.explain/2"
    assert len(record["numbers"]) == len(result.numbers) > 0
    assert record["findings"] == result.findings()
    assert len(record["images"]) == 8
    assert "mine" not in record["images"][0]
    table = pd.read_csv(folder / "images.csv")
    assert table["sample_id"].tolist() == result.table["sample_id"].tolist()
    assert set(table["mine"]) == {"<b>kept</b>"}
    for method in ("occlusion", "gradients"):
        maps = np.load(folder / f"maps-{method}.npy", allow_pickle=False)
        assert maps.dtype == np.float32
        assert np.array_equal(maps, result.maps[method][CRITIC][0])
        assert table[f"{method}.edge.share"].between(0, 1).all()
    assert {p.stem for p in (folder / "figures").iterdir()} == {"maps", "truth", "sanity"}
    html = (folder / "report.html").read_text()
    assert "&lt;b&gt;Maps&lt;/b&gt;" in html
    assert "runs/&lt;x&gt;" in html
    assert "http" not in html.replace("http-equiv", "")


def test_each_class_has_a_row_and_each_map_a_column(result: ExplainResult) -> None:
    figure = map_rows(result)
    pictures = [axis for axis in figure.axes if axis.images]
    assert len(pictures) == 4 * 5
    assert [axis.get_ylabel() for axis in pictures[::5]] == list(result.labels.unique())
    assert [axis.get_title() for axis in pictures[:5]] == [
        "image", "occlusion", "occlusion,\nrandomly initialised", "integrated gradients", "integrated"
        " gradients,\nrandomly initialised",
    ]  # fmt: skip
    second = int((result.labels == result.labels.unique()[1]).to_numpy().argmax())
    assert np.array_equal(pictures[6].images[0].get_array(), result.maps["occlusion"][CRITIC][0][second])
    for axis in pictures[1:5]:
        low, high = axis.images[0].get_clim()
        assert low == -high < 0
    bars = [axis for axis in figure.axes if axis.get_xlabel() == "score"]
    assert len(bars) == 4


def test_numbers_are_drawn_beside_their_controls_and_chance(result: ExplainResult) -> None:
    figure = truth(result)
    assert figure is not None
    assert [axis.get_title() for axis in figure.axes] == [
        f"{name}, {where}" for where in ("in the mask", "within 3 px of its edge")
        for name in ("pointing", "IoU", "share")
    ]  # fmt: skip
    row = result.number("occlusion", "edge", "share", CRITIC)
    assert row is not None
    drawn = figure.axes[5].containers[0]
    assert drawn.get_label() == CRITIC
    assert drawn.lines[0].get_xdata()[0] == pytest.approx(row["value"])
    assert [text.get_text() for text in figure.legends[0].get_texts()][1:] == [
        "critic", "randomly initialised critics", "image alone",
    ]  # fmt: skip
    other = sanity(result)
    assert other is not None
    assert [axis.get_title() for axis in other.axes] == ["pixels unlike the baseline", "all pixels"]


def test_without_masks_and_random_init_critics_only_maps_are_drawn(critic: Critic, tmp_path: Path) -> None:
    data = from_synthetic(make_dataset(small_spec("article-train", 1)))
    bare = explain(critic, data, methods=["gradients"], n_steps=4, controls=False)
    assert truth(bare) is None
    assert sanity(bare) is None
    bare.save(tmp_path / "r")
    assert {p.stem for p in (tmp_path / "r" / "figures").iterdir()} == {"maps"}
    assert "Without masks it is not known" in (tmp_path / "r" / "report.html").read_text()
    assert not (tmp_path / "r" / "maps-occlusion.npy").exists()
    with pytest.raises(FileExistsError, match="exists"):
        bare.save(tmp_path / "r")


@pytest.mark.slow
def test_of_many_classes_the_first_are_drawn_and_the_page_says_so(
    result: ExplainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain_page, "MAX_ROWS", 2)
    many = replace(result, maps={"occlusion": result.maps["occlusion"]})
    assert len([axis for axis in map_rows(many).axes if axis.images]) == 2 * 3
    many.save(tmp_path / "r")
    assert "maps of the first 2 of 4 classes are drawn" in (tmp_path / "r" / "report.html").read_text()


def test_flat_maps_and_grey_images_are_drawn(result: ExplainResult) -> None:
    flat = {"occlusion": {of: [np.zeros_like(m) for m in some] for of, some in result.maps["occlusion"].items()}}
    pictures = [a for a in map_rows(replace(result, maps=flat, images=result.images[..., :1])).axes if a.images]
    assert pictures[1].images[0].get_clim() == (-1.0, 1.0)
    assert pictures[0].images[0].get_array().ndim == 2
