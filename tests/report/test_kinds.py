"""What every page kind has: the verdict in one frame, by one rule, the same in the record and for gates."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, tzinfo
from pathlib import Path

import pytest

from gan_probe.report.glossary import ALIASES, METRICS, WORDS, glossary, meaning_of
from gan_probe.studies.base import StudyResult
from gan_probe.studies.levels import GAINS, USES
from tests.browser import AXE, CHROMIUM, Tab
from tests.conftest import contents
from tests.report.kinds import KINDS


@pytest.fixture(params=KINDS)
def result(request: pytest.FixtureRequest, results: Callable[[str], StudyResult]) -> StudyResult:
    return results(request.param)


def test_each_opens_with_a_verdict_or_with_what_it_answers_instead(result: StudyResult) -> None:
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


# Headings of numbers that say themselves what they count.
PLAIN = {
    "images", "mean", "std", "min", "max", "seed", "draws", "labels a class", "mean score", "standard deviation",
    "clipped", "wrapped", "epochs", "seconds", "seconds an epoch", "control", "class", "value",
}  # fmt: skip


def test_every_number_of_a_page_is_explained_where_it_stands(result: StudyResult) -> None:
    columns = [c for table in result._page().tables(result) for c in table.columns if c.is_number]
    assert [c.title for c in columns if not c.help and c.title not in PLAIN] == []
    assert all(meaning_of(tile.title) for tile in result.opening().tiles)


def test_every_heading_in_other_words_leads_to_a_word() -> None:
    assert all(meaning_of(title) for title in ALIASES)
    assert len({word.casefold() for word in glossary()}) == len(WORDS) + len(METRICS)


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


class Later(datetime):
    """Another day."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime(2001, 2, 3, tzinfo=tz)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["separation", "trajectory", "without_labels", "article"])
def test_the_same_result_makes_the_same_bytes_but_for_one_date(
    name: str,
    results: Callable[[str], StudyResult],
    pages: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gan_probe.report.page.datetime", Later)
    results(name).save(tmp_path / name, command=f"gan-probe {name} x")
    now, then = contents(pages[name]), contents(tmp_path / name)
    assert {file for file in now if now[file] != then.get(file)} == {"report.html"}
    assert set(now) == set(then)
    dated = re.compile(r'<time datetime="([0-9-]+)">\1</time>')
    first, second = ((folder / "report.html").read_text() for folder in (pages[name], tmp_path / name))
    assert dated.findall(second) == ["2001-02-03"]
    assert dated.sub("", first) == dated.sub("", second)
