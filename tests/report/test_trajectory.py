import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gan_probe.images.image_set import ImageSet
from gan_probe.report import trajectory as page
from gan_probe.stats.auroc import n_separated, separate
from gan_probe.studies.trajectory.result import TrajectoryResult, courses, shares_by_step
from gan_probe.studies.trajectory.study import trajectory


@pytest.fixture(scope="module")
def result(run: Path, test_set: ImageSet) -> TrajectoryResult:
    return trajectory(run, test_set)


@pytest.fixture(scope="module")
def folder(result: TrajectoryResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trajectory") / "r"
    result.save(out, title="<b>Way</b>", command="gan-probe trajectory x")
    return out


def many_classes(n: int) -> TrajectoryResult:
    """n classes of four images: at step 0 all alike, at step 1 all far apart."""
    labels = np.repeat([f"class {i:02d}" for i in range(n)], 10)
    scores = np.stack([np.tile(np.arange(10.0), n), np.arange(10.0 * n)]).astype(np.float32)
    table = pd.DataFrame({"sample_id": labels, "label": labels})
    return TrajectoryResult(
        steps=(0, 1), scores=scores, table=table, reference=str(labels[0]), courses=courses((0, 1), scores, labels),
        shares=shares_by_step((0, 1), scores, table), random_init={}, statistics={}, sheets={},
        provenance={}, warnings=[],
    )  # fmt: skip


def test_every_class_is_in_the_legend_by_a_name_that_fits_and_a_mark_of_its_own() -> None:
    result = many_classes(14)
    names = dict(zip(sorted(set(result.labels))[1:], ["_hidden", "x" * 90], strict=False))
    table = result.table.assign(label=result.table["label"].replace(names))
    result = replace(result, table=table, courses=courses((0, 1), result.scores, table["label"].to_numpy()))
    axis = page.class_courses(result).axes[0]
    texts = [text.get_text() for text in axis.get_legend().get_texts()]
    assert len(texts) == 14
    assert max(map(len, texts)) <= 30
    looks = {(line.get_color(), line.get_marker()) for line in axis.lines}
    assert len(looks) == 14


@pytest.mark.slow
def test_the_folder_holds_the_page_the_figures_and_every_number(folder: Path, result: TrajectoryResult) -> None:
    record = json.loads((folder / "report.json").read_text())
    assert record["schema"] == "gan_probe.trajectory/2"
    assert record["steps"] == [0, 1, 3, 8]
    assert len(record["pairs"]) == 45
    assert len(record["classes"]) == 4 * 10
    assert record["headline"]["n_separated"] == sum(pair["separated"][-1] for pair in record["pairs"])
    assert set(record["shares"][0]) == {"step", "shape", "base", "sign", "noise", "class"}
    assert record["controls"]["random_init"] == dict(result.random_init)
    drawn = {p.stem for p in (folder / "figures").glob("*.png")}
    assert drawn == {p.stem for p in (folder / "figures").glob("*.svg")} | {"histograms"}
    assert drawn == {"histograms", "separated", "means", "timeline", "factors"}
    html = (folder / "report.html").read_text()
    assert "&lt;b&gt;Way&lt;/b&gt;" in html
    assert "http" not in html.replace("http-equiv", "")


@pytest.mark.slow
def test_the_table_of_scores_says_the_same_as_the_record(folder: Path, result: TrajectoryResult) -> None:
    table = pd.read_parquet(folder / "trajectory.parquet")
    assert list(table) == ["step", "sample_id", "label", "critic_score"]
    assert table["critic_score"].dtype == np.float32
    by_step = {
        step: n_separated(separate(t["critic_score"].to_numpy(), t["label"].to_numpy()))
        for step, t in table.groupby("step")
    }
    assert list(by_step.values()) == list(result.n_separated)


@pytest.mark.slow
def test_an_output_that_is_taken_is_left_alone(folder: Path, result: TrajectoryResult) -> None:
    with pytest.raises(FileExistsError, match="exists. Choose another folder"):
        result.save(folder)


def test_steps_are_spread_over_their_logarithms_with_both_ends() -> None:
    steps = [0, 1, 2, 4, 7, 13, 24, 45, 84, 159, 300]
    assert page.spread_steps(steps, 6) == [0, 2, 7, 24, 84, 300]
    assert page.spread_steps(steps, 50) == steps
    assert page.spread_steps([3, 9], 6) == [3, 9]


def test_histograms_show_each_chosen_snapshot_beside_its_samples(result: TrajectoryResult) -> None:
    figure = page.histograms(result)
    assert len(figure.axes) == 2 * 4
    assert [axis.get_ylabel().split("\n")[0] for axis in figure.axes[::2]] == ["step 0", "step 1", "step 3", "step 8"]
    assert all(len(axis.images) == 1 for axis in figure.axes[1::2])
    drawn = {patch.get_label(): patch.get_xy()[:, 1].max() for patch in figure.axes[0].patches}
    values = result.scores[0]
    bins = np.histogram_bin_edges(values, bins=page.N_BINS)
    for label, top in drawn.items():
        assert top == np.histogram(values[result.labels == label], bins=bins)[0].max()
    assert set(drawn) == set(result.labels)
    assert len(page.histograms(replace(result, sheets={})).axes) == 4


def test_a_broken_sheet_is_left_out(result: TrajectoryResult, tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(b"\x89PNG")
    figure = page.histograms(replace(result, sheets={**result.sheets, 3: tmp_path / "cut.png"}))
    assert [len(axis.images) for axis in figure.axes[1::2]] == [1, 1, 0, 1]


def test_counts_are_drawn_with_their_controls(result: TrajectoryResult) -> None:
    axis = page.separated(result).axes[0]
    lines = {line.get_label().split("\n")[0]: line for line in axis.lines}
    np.testing.assert_array_equal(lines["critic"].get_ydata(), result.n_separated)
    assert lines["4 randomly initialised critics"].get_ydata()[0] == np.median(list(result.random_init.values()))
    assert lines["best image statistic"].get_ydata()[0] == max(result.statistics.values())
    bare = page.separated(replace(result, random_init={}, statistics={})).axes[0]
    assert {line.get_label() for line in bare.lines} == {"critic", "all pairs (45)"}


def test_the_reference_stays_at_zero_in_the_figure_of_means(result: TrajectoryResult) -> None:
    lines = {line.get_label(): line.get_ydata() for line in page.class_courses(result).axes[0].lines}
    np.testing.assert_allclose(lines[result.reference], 0, atol=1e-5)
    assert len(lines) == 10


def test_the_timeline_fills_what_is_separated_and_shows_45_pairs_at_most(result: TrajectoryResult) -> None:
    axis = page.timeline(result).axes[0]
    assert len(axis.patches) == sum(result.n_separated)
    assert len(axis.get_yticklabels()) == 45
    many = many_classes(11)
    axis = page.timeline(many).axes[0]
    assert axis.get_title() == "45 of 55 pairs: lost, or separated last"
    assert len(axis.patches) == 45
    assert axis.get_yticklabels()[0].get_text() == "class 01 > class 00"


def test_a_pair_that_is_lost_is_red_and_one_that_turns_round_is_drawn_so() -> None:
    labels = np.repeat(["a", "b"], 10)
    apart, same = np.where(labels == "b", 20.0, 0.0) + np.tile(np.arange(10), 2), np.tile(np.arange(10.0), 2)
    base = many_classes(2)
    lost = replace(base, courses=courses((0, 1), np.stack([apart, same]), labels))
    (text,) = page.timeline(lost).axes[0].get_yticklabels()
    assert (text.get_text(), text.get_color()) == ("b > a", "#b04030")
    turned = replace(base, courses=courses((0, 1), np.stack([apart, -apart]), labels))
    first, second = page.timeline(turned).axes[0].patches
    assert first.get_facecolor() != second.get_facecolor()
    never = replace(base, courses=courses((0, 1), np.stack([same, same]), labels))
    (text,) = page.timeline(never).axes[0].get_yticklabels()
    assert (text.get_text(), text.get_color()) == ("a / b", "#777777")


def test_without_factors_there_is_no_figure_of_them(tmp_path: Path) -> None:
    plain = many_classes(3)
    assert page.share_courses(plain) is None
    plain.save(tmp_path / "r")
    assert not (tmp_path / "r" / "figures" / "factors.png").exists()
    assert not any("factor" in line for line in plain.findings())


def test_every_class_is_named_up_to_twenty(result: TrajectoryResult) -> None:
    for n, n_legends in ((2, 1), (20, 1), (21, 0)):
        assert len(page.histograms(many_classes(n)).legends) == n_legends
