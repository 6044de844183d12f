"""The page in a real browser: explorer, tables, folding, light and dark, phone and paper, with hostile names."""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gan_probe.report.explorer import MAX_POINTS, Points, packed
from gan_probe.report.page import ICONS, Section, _inline
from gan_probe.report.separation import FIGURES
from gan_probe.report.tables import FORMS
from gan_probe.scoring.table import ScoreTable
from gan_probe.studies.judgement import TOLD
from gan_probe.studies.levels import USES
from gan_probe.studies.separation.analysis import analyse
from gan_probe.studies.separation.result import SeparationResult
from tests.browser import CHROMIUM, PATIENCE_S, Tab
from tests.studies.separation.test_result import NOISE, STEPS, table

sys.path.insert(0, str(Path(__file__).parents[2] / "viewer"))  # a script, in no package
import build

EVIL = "</script><script>alert(1)</script>"
NAMES = [EVIL, "猫 कमल قط 🐈", "=1+1"]
needs_browser = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")]
MAX_WORDS, MAX_SCRIPT = 80, 30_000
A4_PX = 718  # of 210 mm less two margins of 10 mm, 96 to the inch


@pytest.fixture(scope="module")
def result() -> SeparationResult:
    """Three classes of 20 images with hostile names, and pictures of most."""
    whole = table(STEPS, [True, True, False], random_init__0=NOISE, brightness=NOISE)
    rng = np.random.default_rng(0)
    frame = whole.table.assign(
        label=np.repeat(NAMES, 20), path=[f"{'a' * 40}/{n}.png" for n in range(60)],
        **{"embedding.critic": list(rng.normal(size=(60, 4)).astype(np.float32) + np.repeat(np.eye(3, 4), 20, 0) * 20)},
    )  # fmt: skip
    places = {"data_source": "/home/ann example/secret/shapes", "critic_source": "/home/ann example/secret/run/critic"}
    found = analyse(ScoreTable(frame, places), clusters=False)
    pictures = list(rng.integers(0, 256, (50, 16, 16, 3), dtype=np.uint8))
    return replace(found, provenance=places, pictured=np.arange(50), pictures=pictures)


@pytest.fixture(scope="module")
def page(result: SeparationResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        kept = [s for s in FIGURES if s.name in ("margins", "scores")]
        patch.setattr("gan_probe.report.separation.FIGURES", kept)
        out = tmp_path_factory.mktemp("page") / "r"
        return result.save(out, command="gan-probe report '/home/ann example/secret/s.parquet' --out /tmp/x/r")


@pytest.fixture
def opened(tab: Tab, page: Path) -> Tab:
    tab.open(page)
    return tab


def test_a_page_tells_of_no_machine(page: Path) -> None:
    for file in page.parent.rglob("*"):
        if file.is_file():
            assert b"ann example" not in file.read_bytes(), file.name
            assert b"secret" not in file.read_bytes(), file.name
    record = json.loads((page.parent / "report.json").read_text())
    assert record["provenance"]["command"] == "gan-probe report s.parquet --out r"
    assert record["provenance"]["data_source"] == "shapes"


def test_the_script_that_ships_is_built_from_its_source_and_small() -> None:
    script = build.BUILT.read_bytes()
    assert script.decode() == build.built(build.SOURCE.read_text(encoding="utf-8"))
    assert len(script) <= MAX_SCRIPT


def test_every_level_has_an_icon() -> None:
    assert set(ICONS) == {*USES, TOLD}
    assert len(set(ICONS.values())) == len(ICONS)


def test_more_points_than_are_drawn_are_sampled_and_the_page_says_so() -> None:
    n = MAX_POINTS + 1
    scores = np.r_[np.nan, np.arange(n - 1.0)]
    points = Points(
        numbers={"critic_score": scores}, pictured=np.array([n - 1]), pictures=[np.zeros((8, 8, 1), np.uint8)]
    )
    record = json.loads(packed(points))
    assert record["n"] == MAX_POINTS
    assert record["thumbs"] == [MAX_POINTS - 1]  # what has a picture is kept
    assert f"{MAX_POINTS:,} of {n:,} images, drawn at random" in points.note()
    assert packed(points) == packed(points)


def test_hostile_names_stay_data() -> None:
    text = packed(Points(numbers={"critic_score": np.arange(2.0)}, kinds={"label": np.array([EVIL, "\u202ex"])}))
    assert "<" not in text
    assert json.loads(text)["columns"][1]["names"] == [EVIL, "\\u202ex"]


class TestInABrowser:
    pytestmark = needs_browser

    @pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
    def test_nothing_is_logged_or_asked_for_and_nothing_is_cut(
        self, tab: Tab, page: Path, width: int, scheme: str
    ) -> None:
        tab.open(page, width=width, scheme=scheme)
        assert tab.logged == []
        assert all(url == page.as_uri() or url.startswith("data:image/") for url in tab.requests)
        assert tab.value("document.documentElement.scrollWidth") <= width
        paper = tab.value("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") == (scheme == "light")

    def test_the_first_screen_is_short_and_has_the_verdict(self, opened: Tab) -> None:
        words = opened.value("['header', '#verdict', '#tiles'].map(s => document.querySelector(s).innerText).join(' ')")
        n_words = sum(any(letter.isalnum() for letter in word) for word in words.split())
        assert n_words <= MAX_WORDS, words
        assert "Better than every control" in words
        assert opened.value("document.querySelector('#tiles').getBoundingClientRect().bottom") < 400
        assert opened.value("document.querySelector('#explorer-plot').getBoundingClientRect().bottom") < 800

    def test_names_are_text(self, opened: Tab) -> None:
        shown = opened.value("[...document.querySelectorAll('#explorer-legend button')].map(b => b.title)")
        assert set(shown) == set(NAMES)
        assert opened.value("document.querySelectorAll('script').length") == 2

    def test_hovering_shows_picture_label_score_and_percentile(self, opened: Tab) -> None:
        box = opened.box("#explorer-plot")
        for x in np.linspace(5, box["width"] - 5, 30):
            for y in np.linspace(5, box["height"] - 5, 15):
                opened.mouse("mouseMoved", box["x"] + x, box["y"] + y)
                if not opened.value("document.querySelector('#explorer-tip').hidden"):
                    text = opened.value("document.querySelector('#explorer-tip').textContent")
                    assert "score " in text
                    assert "percentile " in text
                    assert any(text.startswith(name[:12]) for name in NAMES)
                    return
        pytest.fail("no point under the mouse")

    def test_a_lasso_counts_and_saves_what_is_inside(self, opened: Tab, tmp_path: Path) -> None:
        opened.downloads_to(tmp_path)
        b = opened.box("#explorer-plot")
        left, top, right, bottom = b["x"] + 1, b["y"] + 1, b["x"] + b["width"] - 2, b["y"] + b["height"] - 2
        middle = (top + bottom) / 2
        opened.drag([(left, top), (right, top), (right, middle), (right, bottom), (left, bottom), (left, middle)])
        assert opened.value("document.querySelector('#explorer-count').textContent") == "60 of 60 images chosen"
        assert opened.value("document.querySelectorAll('#explorer-classes tr').length") == 3
        assert opened.value("document.querySelector('#explorer-sheet').height") > 0
        opened.click("#explorer-csv")
        rows = read(tmp_path / "chosen.csv").splitlines()
        assert len(rows) == 61
        assert rows[0].startswith('"path","label","critic_score"')
        assert any('"\'=1+1"' in row for row in rows)  # no formula for a spreadsheet
        written = sorted(row.split(",")[-3] for row in rows[1:])  # scores of 0 to 2.5, told apart by 2.5 / 65534
        assert max(len(text.partition(".")[2]) for text in written) == 5

    def test_the_strip_chooses_by_score(self, opened: Tab) -> None:
        b = opened.box("#explorer-strip")
        y = b["y"] + b["height"] / 2
        opened.drag([(b["x"] + 1, y), (b["x"] + b["width"] * 0.1, y)])
        count = opened.value("document.querySelector('#explorer-count').textContent")
        assert 0 < int(count.split()[0]) < 20

    def test_search_filters(self, opened: Tab) -> None:
        opened.value("document.querySelector('#explorer-search').focus()")
        opened.press("1", "+", "1")
        assert opened.value("document.querySelector('#explorer').dataset.shown") == "20"

    def test_keys_do_what_the_mouse_does(self, opened: Tab, tmp_path: Path) -> None:
        opened.downloads_to(tmp_path)
        opened.value("document.querySelector('#explorer-plot').focus()")
        opened.press("ArrowRight", "ArrowRight", " ")
        assert opened.value("document.querySelector('#explorer-count').textContent") == "1 of 60 images chosen"
        opened.press("c")
        assert opened.value("document.querySelector('#explorer-count').textContent") == "20 of 60 images chosen"
        opened.value("document.querySelector('#explorer-paths').focus()")
        opened.press("Enter")
        assert len(read(tmp_path / "paths.txt").splitlines()) == 20
        opened.value("document.querySelector('#explorer-plot').focus()")
        opened.press("Escape")
        assert opened.value("document.querySelector('#explorer-count')") is None

    def test_tables_sort_and_a_pair_shows_its_classes(self, opened: Tab) -> None:
        opened.value("document.querySelector('#pairs').open = true")
        opened.click("#pairs th:nth-child(3) button")
        column = opened.value(
            "[...document.querySelectorAll('#pairs td:nth-child(3)')].map(c => Number(c.textContent))"
        )
        assert column == sorted(column)
        opened.click("#pairs tbody tr button")
        assert opened.value("document.querySelector('#explorer-count').textContent") == "40 of 60 images chosen"

    def test_texts_that_begin_with_numbers_sort_by_them(self, opened: Tab) -> None:
        opened.value("document.querySelector('#pairs').open = true")
        texts = ["> 0.3", "0.2", "0.15 (0.1 to 0.2)"]
        cells = "[...document.querySelectorAll('#pairs td:nth-child(1)')]"
        opened.value(f"{cells}.forEach((c, i) => (c.textContent = {json.dumps(texts)}[i]))")
        opened.click("#pairs th:nth-child(1) button")
        assert opened.value(f"{cells}.map(c => c.textContent)") == texts[::-1]

    def test_without_script_every_static_figure_is_there(self, tab: Tab, page: Path) -> None:
        tab.open(page, script=False)
        html = page.read_text()
        assert html.count("<svg ") == 2
        assert "Without it, the figures below show the same." in html
        tab.ask("Emulation.setScriptExecutionDisabled", value=False)

    def test_nothing_is_cut_on_a4(self, tab: Tab, page: Path) -> None:
        tab.open(page, width=A4_PX)
        tab.ask("Emulation.setEmulatedMedia", media="print")
        tab.value("window.dispatchEvent(new Event('beforeprint'))")
        assert tab.value("document.documentElement.scrollWidth") <= A4_PX

    def test_paper_holds_the_folded_parts(self, opened: Tab, tmp_path: Path) -> None:
        opened.paper(tmp_path / "page.pdf")
        assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
        assert opened.value("document.querySelectorAll('details[data-printed]').length") == 0


def read(path: Path) -> str:
    """What was downloaded, once it is there whole."""
    end = time.monotonic() + PATIENCE_S
    while not path.is_file() or not path.stat().st_size:
        assert time.monotonic() < end, f"{path.name} was not saved"
        time.sleep(0.05)
    return path.read_text(encoding="utf-8")


def test_black_becomes_the_page_s_ink_and_names_stay() -> None:
    paths = '<path style="fill: #000000; stroke: #262626"/><path fill="#000000"/>'
    svg = f'<svg>{paths}<text style="font: 9px">#000000</text></svg>'
    found = _inline(svg, Section("one", "One", "", lambda _: None))
    assert found.count("currentColor") == 4  # a text has the page's ink, too
    assert "#262626" not in found
    assert ">#000000</text>" in found


def test_counts_are_written_out() -> None:
    assert [FORMS["plain"](value) for value in (1_234_567, np.int64(1_234_567), 0.5)] == ["1234567", "1234567", "0.5"]
