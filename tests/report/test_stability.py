import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gan_probe.report import stability as page
from gan_probe.stats.similarity import Similarity
from gan_probe.stats.splits import halves
from gan_probe.studies.stability.result import StabilityResult, alignment_levels, compare_runs


def made_up(n_classes: int, *, n_runs: int = 4) -> StabilityResult:
    """n classes of 24 images; runs differ in shift and a little in conflict."""
    rng, labels = np.random.default_rng(0), np.repeat([f"class {i:02d}" for i in range(n_classes)], 24)
    codes = np.repeat(np.arange(n_classes), 24)
    scores = codes + rng.normal(size=(n_runs, 1)) + rng.normal(size=(n_runs, len(labels)))
    seen = codes == 0
    table = pd.DataFrame({"sample_id": labels, "label": labels, "half": np.where(halves(labels), "fit", "report")})
    alike = [Similarity("Procrustes", 0.9, 0.8, 1.0, 0.0), Similarity("shared neighbours", 0.2, -0.1, 0.4, 0.05)]
    levels = alignment_levels(scores, labels, seen=seen)
    return StabilityResult(
        levels=levels,
        others={"randomly initialised critics": levels, "image statistics regressed out": levels},
        similarities={"trained critics": alike, "randomly initialised critics": alike},
        runs=tuple(f"run-{i:02d}" for i in range(n_runs)),
        classes=tuple(np.unique(labels)),
        panel=table,
        provenance={"data_fingerprint": "0123", "seed": 0},
        warnings=["a warning"],
        agreement={f"run-{i:02d}": i / n_runs for i in range(n_runs)},
        comparisons=[compare_runs(scores, scores[::-1] + 1, labels, of="<affine>")],
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("stability") / "r"
    made_up(3).save(out, title="<b>Again</b>", command="gan-probe stability a b c d")
    return out


def test_the_folder_holds_the_page_the_figures_and_every_number(folder: Path) -> None:
    record = json.loads((folder / "report.json").read_text())
    assert record["schema"] == "gan_probe.stability/2"
    assert len(record["levels"]) == 3 * 6
    first = record["levels"][0]
    assert first["kendall_w_low"] <= first["kendall_w"] <= first["kendall_w_high"]
    assert record["agreement"] == {"run-00": 0.0, "run-01": 0.25, "run-02": 0.5, "run-03": 0.75}
    assert record["comparisons"][0]["of"] == "<affine>"
    assert "&lt;affine&gt;" in (folder / "report.html").read_text()
    assert first["ci_low"] <= first["reproducible"] <= first["ci_high"]
    assert set(first["components"]) >= {"class_", "run", "conflict", "image", "rest"}
    assert record["panel"] == {
        "fingerprint": "0123", "seed": 0, "n_fitted": 36, "n_reported": 36,
        "classes": ["class 00", "class 01", "class 02"],
    }  # fmt: skip
    assert record["similarities"][0] == {
        "of": "trained critics", "measure": "Procrustes", "value": 0.9, "ci_low": 0.8, "ci_high": 1.0, "chance": 0.0
    }  # fmt: skip
    assert {p.stem for p in (folder / "figures").glob("*.png")} == {"classes", "levels", "shares", "embeddings"}


def test_the_panel_lies_beside_the_page(folder: Path) -> None:
    panel = pd.read_csv(folder / "panel.csv")
    assert list(panel) == ["sample_id", "label", "half"]
    assert panel.groupby("label")["half"].value_counts().to_list() == [12] * 6


def test_the_page_escapes_titles_and_shows_warnings(folder: Path) -> None:
    html = (folder / "report.html").read_text()
    assert "&lt;b&gt;Again&lt;/b&gt;" in html
    assert "a warning" in html
    assert "36 images to fit on, 36 to report on: panel 0123, seed 0" in html
    assert "Do runs see the same?" in html


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [2, 20])
def test_figures_name_every_class_and_stay_within_bounds(n_classes: int) -> None:
    result = made_up(n_classes)
    lines = page.class_lines(result)
    assert [t.get_text() for t in lines.axes[0].get_yticklabels()] == sorted(result.classes)
    axis = page.embeddings(result).axes[0]
    assert [t.get_text() for t in axis.get_yticklabels()] == ["Procrustes", "shared neighbours"]
    assert axis.get_xlim()[0] <= -0.1
    ticks = [t.get_text() for t in page.level_lines(result).axes[0].get_xticklabels()]
    assert ticks == ["raw", "shift", "affine", "monotone", "density-ratio", "conformal"]
