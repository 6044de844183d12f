from pathlib import Path

from tests.cli.conftest import call, call_json


def test_doctor_names_versions_and_devices() -> None:
    record = call_json("doctor")
    assert {"torch", "python", "device (auto)", "precision (auto)", "extra ray"} <= set(record["metrics"])


def test_doctor_measures_how_long_a_data_set_takes(run: Path, few_images: Path) -> None:
    found = call_json("doctor", few_images, run)["metrics"]["estimate"]  # type: ignore[index]
    assert (found["n_images"], found["n_measured"]) == (32, 32)
    assert min(found["read_s"], found["score_s"], found["cpu_s"]) > 0
    assert "32 images take about" in call("doctor", few_images, run).stdout
    refused = call("doctor", few_images)
    assert (refused.exit_code, "name a critic: gan-probe doctor" in refused.stderr) == (3, True)
