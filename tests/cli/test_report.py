import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from gan_probe.critics.critic import Critic
from gan_probe.images.image_set import ImageSet, from_synthetic
from gan_probe.report.separation import FIGURES
from gan_probe.scoring.score import score
from gan_probe.scoring.table import ScoreTable, write_scores
from gan_probe.training import train
from synthetic import make_dataset
from tests.cli.conftest import call
from tests.conftest import BARE, small_spec

REFERENCE = "triangle_0.85+_n0.03"


@pytest.fixture(scope="module", autouse=True)
def few_figures() -> Iterator[None]:
    """One figure a page: what they show is seen to in tests/report, and they are most of the work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gan_probe.report.separation.FIGURES", [s for s in FIGURES if s.name == "training"])
        yield


@pytest.fixture(scope="module")
def tables(
    few_scores: ScoreTable, train_set: ImageSet, few_set: ImageSet, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """The same images, scored by two trainings."""
    folder = tmp_path_factory.mktemp("tables")
    other = train(train_set, folder / "other", replace(BARE, seed=1, steps=2))
    found = [few_scores, score(other, few_set)]
    kept = ["sample_id", "path", "label", "seen", "critic_score", "control.brightness", "embedding.critic"]
    for number, table in enumerate(found):
        write_scores(
            ScoreTable(table.table[[*kept, "embedding.random_init.0"]], table.provenance), folder / f"{number}.parquet"
        )
    return [folder / f"{number}.parquet" for number in range(2)]


@pytest.fixture(scope="module")
def one(tables: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The page of the first training, with a reference class and a gate that fails."""
    out = tmp_path_factory.mktemp("one") / "r"
    result = call("report", tables[0], "--out", out, "--reference", REFERENCE, "--fail-if", "probe_margin<2", "--json")
    assert result.exit_code == 4
    record = json.loads(result.stdout)
    assert (record["status"], record["metrics"]["n_runs"]) == ("gate", 1)
    assert "the gate 'probe_margin<2' holds: probe_margin is" in record["metrics"]["error"]
    return json.loads((out / "report.json").read_text())


@pytest.mark.slow
def test_a_report_over_two_trainings_says_so_and_has_wider_intervals(
    tables: list[Path], one: dict[str, object], tmp_path: Path
) -> None:
    both = json.loads(call("report", *tables, "--out", tmp_path / "both", "--json").stdout)
    assert both["metrics"]["n_runs"] == 2
    pages = [json.loads((tmp_path / "both" / "report.json").read_text()), one]
    assert pages[0]["n_runs"] == 2
    widths = [sum(p["ci_high"] - p["ci_low"] for p in page["separation"]["pairs"]) for page in pages]
    assert widths[0] > widths[1]
    assert "Means over 2 trainings" in (tmp_path / "both" / "report.html").read_text()
    assert [e["measure"] for e in pages[0]["margins"]] == [e["measure"] for e in pages[1]["margins"]]


def test_distances_are_those_from_a_reference_class(tables: list[Path], one: dict[str, object], tmp_path: Path) -> None:
    assert next(row for row in one["distances"] if row["label"] == REFERENCE)["distance"] == 0
    wrong = call("report", tables[0], "--out", tmp_path / "w", "--reference", "triangel")
    assert (wrong.exit_code, "reference class" in wrong.stderr) == (3, True)


@pytest.mark.slow
def test_outliers_are_written_with_their_p_values(tables: list[Path], run: Path, tmp_path: Path) -> None:
    few = call("outliers", tables[0], "--out", tmp_path / "o.csv")
    assert (few.exit_code, "at least 10 held-out reals, got 8" in few.stderr) == (3, True)
    reals = from_synthetic(make_dataset(small_spec("article-train", 20), seed=9))
    write_scores(score(Critic.load(run), reals), tmp_path / "r.parquet")
    done = call("outliers", tables[0], "--reference", tmp_path / "r.parquet", "--out", tmp_path / "o.csv", "--json")
    record = json.loads(done.stdout)
    assert (done.exit_code, record["metrics"]["n_reference"]) == (0, 40)
    written = pd.read_csv(tmp_path / "o.csv")
    assert written["p_value"].is_monotonic_increasing
    assert written["is_outlier"].sum() == record["metrics"]["n_outliers"]
    taken = call("outliers", tables[0], "--reference", tmp_path / "r.parquet", "--out", tmp_path / "o.csv")
    assert (taken.exit_code, "exists" in taken.stderr) == (3, True)


def test_a_gate_that_does_not_hold_lets_the_report_pass(
    score_file: Path, one: dict[str, object], tmp_path: Path
) -> None:
    assert len(one["margins"]) > 1  # its gate failed, and it is kept
    assert call("report", score_file, "--out", tmp_path / "r", "--fail-if", "n_pairs<6").exit_code == 0
    assert (tmp_path / "r" / "report.html").is_file()
    assert (tmp_path / "r" / "figures" / "training.png").is_file()  # the scores name their run
    assert len(json.loads((tmp_path / "r" / "report.json").read_text())["margins"]) == 1  # without embeddings


def test_gates_that_cannot_be_read_stop_before_the_work(score_file: Path, tmp_path: Path) -> None:
    for gate in ("n_separated 42", "n_separated<nan", "==3", "n_pears<4"):
        result = call("report", score_file, "--out", tmp_path / "r", "--fail-if", gate)
        assert (result.exit_code, "Names: n_pairs, n_separated, n_certain" in result.stderr) == (3, True), gate
    for gate in ("useful<1", "useful=bad", "added!=better"):
        result = call("report", score_file, "--out", tmp_path / "r", "--fail-if", gate)
        assert (result.exit_code, "Words: " in result.stderr) == (3, True), gate
    assert not (tmp_path / "r").exists()


def test_the_verdict_is_the_last_line_and_the_gate_of_words(score_file: Path, tmp_path: Path) -> None:
    done = call("report", score_file, "--out", tmp_path / "r", "--fail-if", "added!=yes")
    assert done.exit_code == 4  # these scores have one control, no randomly initialised critic
    assert "the gate 'added!=yes' holds: added is unknown" in done.stderr
    verdict = json.loads((tmp_path / "r" / "report.json").read_text())["verdict"]
    assert verdict["added"] == {"level": "unknown", "measure": "", "value": None, "low": None, "high": None}
    last = done.stdout.splitlines()[-1]
    assert last.startswith("verdict: ")
    assert "What the training added cannot be known" in last


def test_options_of_one_report_are_refused_where_critics_are_compared(tables: list[Path], tmp_path: Path) -> None:
    words = ("--compare", "--reference", REFERENCE, "--no-thumbnails", "--out", tmp_path / "r")
    refused = call("report", *tables, *words)
    assert refused.exit_code == 3
    assert "--reference and --no-thumbnails: of one critic's report" in refused.stderr
    assert not (tmp_path / "r").exists()
