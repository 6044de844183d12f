from pathlib import Path

import pytest

from tests.cli.conftest import call, call_json

FEW = ("--labels", 1, "--labels", 3, "--draws", 3, "--classifier", "linear")


@pytest.mark.slow
def test_probe_prints_the_comparison_writes_the_page_and_gates(run: Path, few_images: Path, tmp_path: Path) -> None:
    record = call_json("probe", run, few_images, "--out", tmp_path / "r", *FEW, "--fail-if", "accuracy<1.1")
    assert record["status"] == "gate"
    assert set(record["metrics"]) >= {"accuracy", "best_control", "margin", "ci_low", "ci_high", "labels_per_class"}
    assert (tmp_path / "r" / "report.html").is_file()
    assert (tmp_path / "r" / "probe.csv").is_file()


def test_what_cannot_be_known_is_said_and_bad_words_are_refused(run: Path, few_images: Path, tmp_path: Path) -> None:
    alone = ("--no-controls", "--labels", 1, "--draws", 2, "--classifier", "knn", "--fail-if", "accuracy>1")
    shown = call("probe", run, few_images, "--out", tmp_path / "s", *alone)
    assert shown.exit_code == 0
    assert "best control" in shown.stdout
    assert shown.stdout.splitlines()[-1].startswith("verdict: Cannot say whether it is useful.")
    assert call("probe", run, few_images, "--out", tmp_path / "s", *FEW).exit_code == 3
    cases = {
        ("--labels", 500): "labels a class must be from 1 to",
        ("--classifier", "svm"): "unknown classifier 'svm'",
        ("--pooling", "men"): "Did you mean 'mean'",
        ("--control", run): "was not trained without a generator",
        ("--fail-if", "acc<1"): "--fail-if takes NAME<NUMBER",
    }
    for options, message in cases.items():
        refused = call("probe", run, few_images, "--out", tmp_path / "t", *options)
        assert (refused.exit_code, message in refused.stderr) == (3, True), refused.stderr
        assert not (tmp_path / "t").exists()
