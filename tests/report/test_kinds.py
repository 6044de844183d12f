"""What every page kind has: the verdict in one frame, by one rule, the same in the record and for gates."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from gan_probe.studies.levels import GAINS, USES
from tests.browser import AXE, CHROMIUM, Tab
from tests.report.kinds import KINDS


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_each_opens_with_a_verdict_or_with_what_it_answers_instead(kind: str, tmp_path: Path) -> None:
    result = KINDS[kind](tmp_path)
    opening, numbers = result.opening(), asdict(result.metrics())
    judged, record = opening.judgement, opening.record()["verdict"]
    assert judged.headline
    assert all(line.endswith(".") and "{" not in line for line in judged.sentences())
    assert judged.line().startswith(f"verdict: {judged.headline}. ")
    assert (judged.useful is None) == ("useful" not in record)
    assert judged.useful is not None or judged.answer is not None
    json.dumps(record, allow_nan=False)
    for name, levels in (("useful", USES), ("added", GAINS)):
        if name in numbers:
            told = record.get(name, {"level": "unknown", "value": None, "low": None})
            assert (numbers[name], numbers[f"{name}_margin"], numbers[f"{name}_low"]) == (
                told["level"], told["value"], told["low"]
            )  # fmt: skip
            assert numbers[name] in levels
    assert not any("somebody" in text for text in opening.about)


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not here: pip install axe-playwright-python")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_or_moderate_on_any_page(tab: Tab, pages: dict[str, Path], scheme: str) -> None:
    found = {}
    for name, folder in pages.items():
        tab.open(folder / "report.html", scheme=scheme)
        assert tab.logged == [], name
        found[name] = tab.faults()
    assert {name: faults for name, faults in found.items() if faults} == {}


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not here: pip install axe-playwright-python")
def test_axe_would_find_a_fault(tab: Tab, tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text("<html><title>x</title><main><h1>x</h1><img src=x><a href=x></a></main>")
    tab.open(tmp_path / "bad.html")
    assert {line.split(": ")[1] for line in tab.faults()} >= {"html-has-lang", "image-alt", "link-name"}


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_a_slider_shows_one_snapshot_at_a_time_by_keyboard_too_and_without_script_all(
    tab: Tab, pages: dict[str, Path]
) -> None:
    page = pages["trajectory"] / "report.html"
    tab.open(page)
    shown = "[...document.querySelectorAll('.frames figure')].filter(f => !f.hidden).map(f => f.dataset.title)"
    assert tab.value(shown) == ["step 10"]
    tab.value("document.querySelector('.frames input').focus()")
    tab.press("ArrowLeft")
    assert tab.value(shown) == ["step 5"]
    assert tab.value("document.querySelector('.frames input').getAttribute('aria-valuetext')") == "step 5"
    html = page.read_text()
    assert html.count('<figure data-title="step ') == 3
    assert "<figure hidden" not in html
