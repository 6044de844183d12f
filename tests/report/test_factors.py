import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gan_probe.report import factors as page
from gan_probe.studies.factors.responses import ALONE, AMONG, Response, effect, respond
from gan_probe.studies.factors.result import FactorsResult

VALUES = [0.0, 0.1, 0.2, 0.3]


@pytest.fixture(scope="module")
def result(asked: FactorsResult) -> FactorsResult:
    return asked


@pytest.fixture(scope="module")
def folder(result: FactorsResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("factors") / "r"
    result.save(out, title="<b>What</b>", command="gan-probe factors x")
    return out


def stepping(factor: str, setting: str, slope: float) -> Response:
    """A score that moves by ``slope`` of its spread with each value; randomly initialised ones that stay."""
    base = np.random.default_rng(0).normal(size=60)
    scores = np.stack([base + slope * base.std(ddof=1) * k for k in range(4)])
    return respond(factor, setting, VALUES, scores=scores, random_init=[np.stack([base] * 4)] * 3)


def bare(*responses: Response) -> FactorsResult:
    return FactorsResult(
        shares={}, probes=[], disentanglement={}, responses=responses, n_bases=60, provenance={}, warnings=[]
    )


@pytest.mark.slow
def test_the_folder_holds_the_page_the_figures_and_every_number(folder: Path, result: FactorsResult) -> None:
    record = json.loads((folder / "report.json").read_text())
    assert record["schema"] == "gan_probe.factors/2"
    assert record["findings"] == result.findings()
    assert set(record["shares"]) == {source.column for source in result.shares}
    assert [p["factor"] for p in record["probes"]] == ["shape", "base", "size"]
    added = result.probes[0].added
    assert added is not None
    assert record["probes"][0]["over_random_init"]["margin"] == added.value
    assert set(record["disentanglement"]) == {"critic", "random_init.0", "random_init.1", "random_init.2"}
    assert len(record["thresholds"]) == 2 * 12  # nine numbers, three of them in both directions
    assert len(record["curves"]) == len(result.curve_table())
    assert record["headline"]["noticed"] == result.metrics().noticed
    drawn = {p.stem for p in (folder / "figures").glob("*.png")}
    assert drawn == {p.stem for p in (folder / "figures").glob("*.svg")}
    assert drawn == {"alone", "among", "names", "shares", "probes"}
    html = (folder / "report.html").read_text()
    assert "&lt;b&gt;What&lt;/b&gt;" in html
    assert "http" not in html.replace("http-equiv", "")
    for heading in ("Detection thresholds", "Shares of the variance", "Probes", "Disentanglement of the embedding"):
        assert f"<h2>{heading}" in html


@pytest.mark.slow
def test_the_table_of_curves_says_the_same_as_the_responses(folder: Path, result: FactorsResult) -> None:
    table = pd.read_csv(folder / "curves.csv")
    assert list(table) == ["factor", "setting", "direction", "of", "value", "difference", "sd", "auroc"]
    assert set(table["of"]) == {"critic", "random_init.0", "random_init.1", "random_init.2"}
    noise = table[(table["factor"] == "noise") & (table["setting"] == ALONE) & (table["direction"] == "up")]
    (response,) = (r for r in result.numeric(ALONE) if r.name == "noise up")
    np.testing.assert_allclose(noise[noise["of"] == "critic"]["difference"], effect(response.critic)[0])
    assert table["auroc"].between(0.5, 1).all()


@pytest.mark.slow
def test_an_output_that_is_taken_is_left_alone(folder: Path, result: FactorsResult) -> None:
    with pytest.raises(FileExistsError, match="exists. Choose another folder"):
        result.save(folder)


def test_a_panel_shows_the_curve_its_random_init_critics_and_where_it_tells() -> None:
    response = stepping("clutter", ALONE, 2.0)  # two spreads a step: AUROC 0.92, 0.998
    figure = page.response_curves(bare(response), ALONE)
    assert figure is not None
    axis = figure.axes[0]
    drawn = [line for line in axis.lines if len(line.get_xdata()) == 4]
    assert len(drawn) == 4
    np.testing.assert_allclose(drawn[-1].get_ydata(), [0, 2, 4, 6], atol=1e-9)
    np.testing.assert_allclose(drawn[0].get_ydata(), 0, atol=1e-9)
    upright = {line.get_linestyle(): line.get_xdata()[0] for line in axis.lines if len(set(line.get_xdata())) == 1}
    assert (upright["--"], upright[":"]) == (0.1, 0.2)
    assert axis.get_yscale() == "linear"
    assert axis.get_xlabel() == "clutter"
    far = page.response_curves(bare(stepping("x", ALONE, 50.0)), ALONE)
    assert far is not None
    assert far.axes[0].get_yscale() == "symlog"
    assert page.response_curves(bare(response), AMONG) is None


def test_names_are_filled_where_they_are_told(result: FactorsResult) -> None:
    base = np.random.default_rng(0).normal(size=40)
    scores = np.stack([base, base + 3, base])
    response = respond("texture", AMONG, ["plain", "dots", "checks"], scores=scores, random_init=[])
    figure = page.names(bare(response))
    assert figure is not None
    (points,) = figure.axes[0].collections[-1:]
    filled = [tuple(colour[:3]) != (1, 1, 1) for colour in points.get_facecolor()]
    assert filled == [True, False]
    texts = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert texts == ["texture: plain to dots", "texture: plain to checks"]
    assert page.names(bare()) is None
    both = page.names(result)
    assert both is not None
    assert [axis.get_title() for axis in both.axes] == ["all else fixed", "all else differs from image to image"]


def test_without_shares_probes_or_embeddings_the_page_is_still_made(tmp_path: Path) -> None:
    result = bare(stepping("noise", ALONE, 2.0))
    result.save(tmp_path / "r")
    assert {p.stem for p in (tmp_path / "r" / "figures").glob("*.png")} == {"alone"}
    assert not any("probe" in line or "DCI" in line for line in result.findings())
    assert "<h2>Probes" not in (tmp_path / "r" / "report.html").read_text()


def test_findings_say_what_is_noticed_and_what_is_not() -> None:
    lines = bare(stepping("noise", ALONE, 2.0), stepping("x", ALONE, 0.0)).findings()
    assert lines == [
        "The smallest difference that the score notices with all else fixed (images of one class that differ in their"
        " random noise only): noise 0.1 up from 0 (randomly initialised > 0.3).",
        "Noticed at no swept difference: with all else fixed x up.",
        "Detection thresholds beside randomly initialised critics: with all else fixed 1 of 2 finer and 0 coarser"
        " than those of each. Of one more randomly initialised critic about a quarter would be finer, and a quarter"
        " coarser.",
    ]
    assert bare().findings() == ["Nothing could be said; see the warnings."]
