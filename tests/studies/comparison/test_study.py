"""Several critics side by side: differences pair the images, whoever stands first."""

from pathlib import Path

import numpy as np
import pytest

from gan_probe.errors import InputError
from gan_probe.scoring.table import ScoreTable, write_scores
from gan_probe.stats import margin
from gan_probe.stats.margin import difference
from gan_probe.studies.comparison.result import EMBEDDING, SCORE, ComparisonResult
from gan_probe.studies.comparison.study import column_names, comparison
from tests.cli.conftest import call
from tests.studies.separation.test_result import NOISE, STEPS, table


def scored(critic: np.ndarray, name: str, **more: object) -> ScoreTable:
    frame = table(critic, brightness=NOISE).table
    return ScoreTable(frame.assign(**{"sample_id": [f"{n:02d}" for n in range(60)], **more}), {"critic_hash": name})


@pytest.fixture(scope="module")
def found() -> ComparisonResult:
    return comparison({"good": scored(STEPS, "x"), "bad": scored(NOISE, "y")})


def test_the_better_critic_is_ahead_and_both_ways_round_are_one_difference(found: ComparisonResult) -> None:
    up, down = found.against(SCORE, "good")["bad"], found.against(SCORE, "bad")["good"]
    assert up.value == -down.value > 0
    assert (up.ci_low, up.ci_high) == pytest.approx((-down.ci_high, -down.ci_low))
    assert found.opening().judgement.headline == "good is ahead of all others"
    assert found.columns[0].judgement.tone == "better"


def test_images_are_paired_whatever_their_order(found: ComparisonResult) -> None:
    mixed = scored(NOISE, "y")
    order = np.random.default_rng(1).permutation(60)
    shuffled = ScoreTable(mixed.table.iloc[order].reset_index(drop=True), mixed.provenance)
    again = comparison({"good": scored(STEPS, "x"), "bad": shuffled})
    assert again.contrasts == found.contrasts


def test_the_same_numbers_of_two_critics_differ_by_nothing_and_by_no_width() -> None:
    same = comparison({"a": scored(STEPS, "x"), "b": scored(STEPS * 3 - 1, "y")})
    d = same.against(SCORE, "a")["b"]
    assert d.value == 0
    assert d.ci_low <= 0 <= d.ci_high
    unpaired = difference(np.ones((1, 60)), np.zeros((1, 60)))
    assert d.ci_high - d.ci_low <= 2 * (unpaired[0] - unpaired[1])  # whose upper end is cut at 1
    assert same.opening().judgement.headline == "No critic is ahead of all others"


def test_of_many_images_values_and_differences_are_of_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(margin, "MAX_FITTED", 30)
    rows = {name: list(np.stack([values, NOISE[::-1]], axis=1).astype(np.float32))
            for name, values in (("a", STEPS + 0.6 * NOISE), ("b", STEPS + 2 * NOISE))}  # fmt: skip
    both = comparison({name: scored(STEPS, name, **{"embedding.critic": found}) for name, found in rows.items()})
    one, other = (column.margins[EMBEDDING].value for column in both.columns)
    assert both.against(EMBEDDING, "a")["b"].value == pytest.approx(one - other)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"a": scored(STEPS, "x")}, "two tables at least, got 1"),
        ({"a": scored(STEPS, "x"), "b": scored(NOISE, "x")}, "of the same critic"),
        (
            {"a": scored(STEPS, "x"), "b": scored(NOISE, "y", sample_id=[f"z{n}" for n in range(60)])},
            "different images",
        ),
        ({"a": scored(STEPS, "x"), "b": scored(NOISE, "y", label="a")}, "disagree in the column label"),
        ({"a": scored(STEPS, "x"), "b": scored(NOISE * np.nan, "y")}, "b has scores that are not finite"),
    ],
)
def test_what_cannot_be_compared_is_refused(tables: dict[str, ScoreTable], message: str) -> None:
    with pytest.raises(InputError, match=message):
        comparison(tables)


def test_names_are_the_shortest_ends_that_differ() -> None:
    assert column_names(["r/a/s.parquet", "q/a/s.parquet"]) == ["r", "q"]
    assert column_names(["s.parquet", "s.parquet"]) == ["1 s", "2 s"]


def test_the_command_line_writes_columns(tmp_path: Path) -> None:
    for name, values in (("late", STEPS), ("early", NOISE)):
        write_scores(scored(values, name), tmp_path / f"{name}.parquet")
    files = [tmp_path / "late.parquet", tmp_path / "early.parquet"]
    done = call("report", *files, "--compare", "--out", tmp_path / "r")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("verdict: late is ahead of all others.")
    html = (tmp_path / "r" / "report.html").read_text()
    assert '<th scope="col">late</th><th scope="col">early</th>' in html
    assert (tmp_path / "r" / "differences.csv").is_file()
    refused = call("report", *files, "--compare", "--fail-if", "useful=worse", "--out", tmp_path / "q")
    assert refused.exit_code == 3
    assert "--fail-if is of one critic" in refused.stderr
