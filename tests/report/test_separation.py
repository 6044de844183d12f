import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from gan_probe.critics.critic import Critic
from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.images.readers.reading import read_images
from gan_probe.report import figures
from gan_probe.report.separation import FIGURES
from gan_probe.report.style import PALETTE, class_colours, class_marks
from gan_probe.scoring.score import score
from gan_probe.scoring.table import ScoreTable, read_scores
from gan_probe.studies.separation.analysis import analyse
from gan_probe.studies.separation.result import N_EXAMPLES, SeparationResult
from gan_probe.studies.separation.study import read_pictures, separation

CHROMIUM = shutil.which("chromium")
EVIL = "<script>alert(1)</script>"
OBEYED = "\x1b]0;title\x07\u202egpj"  # by terminals, and by whatever writes from right to left


@pytest.fixture(scope="module")
def scalars(few_scores: ScoreTable) -> ScoreTable:
    """Four classes without embeddings and most controls: a page in a fraction of the time."""
    table = few_scores.without_embeddings()
    extra = [c for c in table if c.startswith("control.") and c != "control.brightness"]
    return ScoreTable(table.drop(columns=extra), few_scores.provenance)


@pytest.fixture(scope="module")
def analysis(scores: ScoreTable) -> SeparationResult:
    """All ten classes, by scores alone."""
    return analyse(ScoreTable(scores.without_embeddings(), scores.provenance), clusters=False)


@pytest.fixture(scope="module")
def lean(few_scores: ScoreTable) -> ScoreTable:
    """Four classes with one embedding of each kind: what is clustered takes most of the time."""
    extra = [f"embedding.{name}" for name in ("random_init.1", "random_init.2", "hog", "kmeans_patches")]
    return ScoreTable(few_scores.table.drop(columns=extra), few_scores.provenance)


@pytest.fixture(scope="module")
def report(lean: ScoreTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reports") / "r"
    separation(lean).save(out, title="A <b>bold</b> title", command="gan-probe report x")
    return out


def test_the_folder_holds_what_the_docs_promise(report: Path, few_scores: ScoreTable) -> None:
    record = json.loads((report / "report.json").read_text())
    assert record["schema"] == "gan_probe.separation/2"
    assert record["separation"]["n_pairs"] == 6
    assert len(record["separation"]["pairs"]) == 6
    assert record["separation"]["n_separated"] == sum(p["separated"] for p in record["separation"]["pairs"])
    assert {"a", "b", "auroc", "ci_low", "ci_high", "best_control", "margin"} <= set(record["separation"]["pairs"][0])
    assert len(record["classes"]) == 4
    assert set(record["clusters"]) >= {"critic_score", "embedding.critic", "embedding.pixels"}
    assert set(record["controls"]) >= {"random_init.0", "brightness", "pixels_pc1"}
    assert record["provenance"]["critic_hash"] == few_scores.provenance["critic_hash"]
    assert len(pd.read_csv(report / "scores.csv")) == len(few_scores.table)
    assert len(read_scores(report / "scores.parquet").table) == len(few_scores.table)


def test_every_figure_is_drawn_and_the_samples_come_from_the_run(report: Path) -> None:
    drawn = {p.stem for p in (report / "figures").glob("*.png")}
    missing = {"examples", "unseen"}  # no images on a disk; few reals
    said = {"auroc": "Each of the 6 pairs has an AUROC of 1.000.", "contingency": "Each cluster is one class"}
    assert drawn == {section.name for section in FIGURES} - missing - said.keys()
    page = (report / "report.html").read_text()
    assert all(sentence in page for sentence in said.values())
    assert {p.stem for p in (report / "figures").glob("*.svg")} == drawn - {"samples"}


def test_pictures_of_the_classes_appear_when_the_data_is_there(
    scalars: ScoreTable, few_set: ImageSet, tmp_path: Path
) -> None:
    np.save(tmp_path / "images.npy", few_set.images)
    axes = separation(scalars, data=tmp_path / "images.npy").plot("examples")
    shown = [axis.get_images()[0].get_array() for axis in axes if axis.get_images()]
    assert len(shown) == 4 * N_EXAMPLES
    assert any(np.array_equal(few_set.images[0], image) for image in shown)


def test_several_data_sets_scored_as_one_show_their_pictures_and_tell_of_no_machine(
    scalars: ScoreTable, few_set: ImageSet, tmp_path: Path
) -> None:
    halves, table = np.array_split(np.arange(len(few_set)), 2), scalars.table.copy()
    for number, rows in enumerate(halves):
        np.save(tmp_path / f"{number}.npy", few_set.images[rows])
    table["source"] = [str(tmp_path / f"{number}.npy") for number, rows in enumerate(halves) for _ in rows]
    origin = {**scalars.provenance, "data_source": str(tmp_path / "0.npy")}
    found = separation(ScoreTable(table, origin))
    assert len(found.pictures) == len(few_set)
    assert all(np.array_equal(one, other) for one, other in zip(found.pictures, few_set.images, strict=True))
    assert set(found.tables()["scores"]["source"]) == {"0.npy", "1.npy"}
    np.save(tmp_path / "all.npy", few_set.images)
    cameras = table.assign(source="")  # a column that somebody else called so
    origin["data_source"] = str(tmp_path / "all.npy")
    assert len(separation(ScoreTable(cameras, origin)).pictures) == len(few_set)


def test_the_page_asks_for_nothing_from_anywhere(report: Path) -> None:
    html = (report / "report.html").read_text()
    addresses: list[str] = []

    class Finder(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            addresses.extend(v for k, v in attributes if k in ("src", "href", "srcset", "action") and v)

    Finder().feed(html)
    assert addresses
    assert all(a.startswith(("data:image/png", "#")) for a in addresses)
    assert "default-src 'none'" in html
    assert not re.search(r"url\((?!#)|@import", html)
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html
    assert html.count("<script") == 2  # the script, and what it reads
    assert len(html) < 2_000_000


@pytest.fixture(scope="module")
def odd(scalars: ScoreTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two classes whose names are code, for a browser and for matplotlib, and of one for a terminal."""
    names = {"square_0.7+_n0.03": EVIL, "circle_0.85-_n0.03": "$5_$10", "triangle_0.85+_n0.03": OBEYED}
    table = scalars.table.assign(label=scalars.table["label"].replace(names))
    out = tmp_path_factory.mktemp("odd") / "r"
    separation(ScoreTable(table, scalars.provenance)).save(out)
    return out


def test_titles_and_labels_are_text_not_markup(report: Path, odd: Path) -> None:
    assert "A &lt;b&gt;bold&lt;/b&gt; title" in (report / "report.html").read_text()
    page = (odd / "report.html").read_text()
    assert EVIL not in page
    assert "&lt;script&gt;" in page


def test_controls_in_labels_are_shown_and_not_obeyed(odd: Path) -> None:
    pages = [odd / "report.html", *(odd / "figures").glob("*.svg")]
    assert len(pages) > 3
    for page in pages:
        text = page.read_text()
        assert not set("\x1b\x07\u202e") & set(text), page.name
        assert EVIL not in text
    assert r"\x1b]0;title\x07\u202egpj" in (odd / "report.html").read_text()


def test_a_class_of_one_image_is_left_out_and_said(scalars: ScoreTable) -> None:
    label = "triangle_0.85+_n0.03"
    rows = np.flatnonzero(scalars.table["label"] == label)[1:]
    found = separation(ScoreTable(scalars.table.drop(index=rows).reset_index(drop=True), scalars.provenance))
    assert any("1 classes of one image are left out: a pair needs two of each" in said for said in found.warnings)
    assert label not in {name for pair in found.critic_pairs for name in (pair.a, pair.b)}


def test_pictures_of_classes_are_those_that_were_scored_at_another_size(critic: Critic, tmp_path: Path) -> None:
    for number, label in enumerate("abab"):
        (tmp_path / "d" / label).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (48, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "d" / label / f"{number}.png")
    data = read_images(tmp_path / "d", size_px=32)
    rows, pictures, said = read_pictures(score(critic, data, controls=False), None)
    assert said == ""
    assert rows.tolist() == [0, 1, 2, 3]
    assert {image.shape for image in pictures} == {(32, 32, 3)}


def test_pictures_are_found_by_name_else_by_content_and_never_other_ones(critic: Critic, tmp_path: Path) -> None:
    folder = tmp_path / "d"
    for number, label in enumerate("abab"):
        (folder / label).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels if number else pixels[..., 0]).save(folder / label / f"{number}.png")  # one is grey
    data = read_images(folder)
    scores = score(critic, data, controls=False)
    for change in (lambda: None, lambda: (folder / "a" / "0.png").rename(folder / "a" / "of another name.png")):
        change()
        rows, pictures, said = read_pictures(scores, None)
        assert said == ""
        assert np.array_equal(np.stack(pictures), data.images[rows])
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(folder / "b" / "1.png")
    assert "not found as they were" in read_pictures(scores, None)[2]


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_a_real_browser_shows_the_page_without_complaints(report: Path, tmp_path: Path) -> None:
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    flags = ["--headless", "--no-sandbox", "--disable-gpu", *quiet, f"--user-data-dir={tmp_path}"]
    done = subprocess.run(
        [str(CHROMIUM), *flags, "--enable-logging=stderr", "--dump-dom", (report / "report.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "The critic's score separates" in done.stdout
    assert "CONSOLE" not in done.stderr  # where the browser reports blocked loads and script errors


@pytest.mark.slow
def test_the_same_scores_make_the_same_report(
    lean: ScoreTable, report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gan_probe.report.separation.FIGURES", [s for s in FIGURES if s.name == "scores"])
    separation(lean).save(tmp_path / "r", title="A <b>bold</b> title", command="gan-probe report x")
    assert (tmp_path / "r" / "report.json").read_bytes() == (report / "report.json").read_bytes()
    assert (tmp_path / "r" / "figures" / "scores.svg").read_bytes() == (report / "figures" / "scores.svg").read_bytes()


def test_a_report_is_possible_from_scores_of_any_origin(tmp_path: Path) -> None:
    frame = pd.DataFrame({"critic_score": range(40), "label": ["a"] * 20 + ["b"] * 20})
    analysis = separation(ScoreTable(frame, {}))
    analysis.save(tmp_path / "r")
    text = " ".join(analysis.warnings)
    assert "no controls" in text
    assert "no run folder was found" in text
    assert "so none are shown" in text
    assert json.loads((tmp_path / "r" / "report.json").read_text())["separation"]["pairs"][0]["margin"] is None


def test_a_failed_report_leaves_nothing_behind(tmp_path: Path) -> None:
    frame = pd.DataFrame({"critic_score": range(4), "label": ["a"] * 4})
    with pytest.raises(InputError):
        separation(ScoreTable(frame, {})).save(tmp_path / "r")
    assert list(tmp_path.iterdir()) == []


def test_the_histogram_shows_every_image_once_in_its_class_s_colour(
    analysis: SeparationResult, scores: ScoreTable
) -> None:
    figure = figures.score_histogram(analysis)
    counts, colours = 0, set()
    for patch in figure.axes[0].patches:
        counts += patch.get_data()[0].sum()
        colours.add(to_hex(patch.get_facecolor()))
    assert counts == len(scores.table)
    assert colours == {to_hex(c) for c in class_colours(analysis.table).values()}
    assert len(colours) == 10
    assert figure.axes[1].get_xlabel().startswith("critic_score (higher = more like the training data")


def test_the_bars_show_the_counts(analysis: SeparationResult) -> None:
    axis = figures.separated_pairs(analysis).axes[0]
    assert axis.patches[0].get_width() == sum(p.separated for p in analysis.critic_pairs)
    assert axis.get_yticklabels()[0].get_text() == "critic"


def test_marks_follow_the_shape_and_colours_the_class() -> None:
    table = pd.DataFrame({"label": ["s3", "s1", "c3"], "factor.shape": ["square", "square", "circle"]})
    marks = class_marks(table)
    assert (marks["s1"], len(set(marks.values()))) == (marks["s3"], 2)
    assert len(set(class_colours(table).values())) == len(set(class_marks(table[["label"]]).values())) == 3


def test_colour_and_mark_together_are_of_one_class_up_to_a_hundred() -> None:
    table = pd.DataFrame({"label": [f"class {n}" for n in range(100)]})
    colours, marks = class_colours(table), class_marks(table)
    assert len({(colours[label], marks[label]) for label in table["label"]}) == 100


MACHADO = {  # Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("kind", MACHADO)
def test_any_two_colours_of_ten_classes_differ_for_every_kind_of_eye(kind: str) -> None:
    rgb = np.array([to_rgb(c) for c in PALETTE])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(MACHADO[kind]).T, 0, 1)
    seen = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = rgb2lab(seen[None])[0]
    differences = [deltaE_ciede2000(a, b) for a, b in combinations(lab, 2)]
    assert len(differences) == 45
    assert min(differences) >= 10


def test_dollars_in_labels_are_dollars(odd: Path) -> None:
    assert "$5_$10" in (odd / "report.html").read_text()


def test_another_run_and_changed_images_are_not_shown_as_those_scored(
    scalars: ScoreTable, few_set: ImageSet, tmp_path: Path
) -> None:
    other = ScoreTable(scalars.table, {**scalars.provenance, "run_id": "another"})
    np.save(tmp_path / "images.npy", 255 - few_set.images)
    analysis = separation(other, data=tmp_path / "images.npy")
    for name in ("training", "samples", "examples"):
        with pytest.raises(InputError, match=f"the figure '{name}' has nothing to show"):
            analysis.plot(name)
    assert any("the scores are of run another" in w for w in analysis.warnings)
    assert any("not found as they were" in w for w in analysis.warnings)


def test_labels_with_an_underscore_stand_in_the_legend_and_huge_scores_are_drawn() -> None:
    frame = pd.DataFrame({"critic_score": np.float32([-3e38, 0, 1, 3e38]), "label": ["_a", "_a", "b", "b"]})
    figure = figures.score_histogram(analyse(ScoreTable(frame, {}), clusters=False))
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["b", " _a"]


def test_logarithmic_axes_have_numbers_and_no_formulas() -> None:
    steps = np.arange(1, 200)
    frame = pd.DataFrame({"step": steps, "w_distance": 5000.0 / steps, "penalty": 80.0 / steps})
    figure = figures.training_curves(frame)
    figure.canvas.draw()
    ticks = [label.get_text() for axis in figure.axes for label in axis.get_yticklabels()]
    assert ticks
    assert all(re.fullmatch(r"-?[0-9.e+]+", text) for text in ticks if text), ticks
