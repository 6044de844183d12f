from tests.cli.conftest import call_json


def test_doctor_names_versions_and_devices() -> None:
    record = call_json("doctor")
    assert {"torch", "python", "device (auto)", "precision (auto)"} <= set(record["metrics"])
