"""The campaigns in short: hostile inputs and kills, seeded; the long forms are ``make fuzz`` and ``make chaos``."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gan_probe.cli.app import VERBS
from tests.campaigns import chaos, fuzz


def run(script: str, *words: object, tmp_path: Path) -> dict[str, Any]:
    record = tmp_path / "record.json"
    command = [sys.executable, f"tests/campaigns/{script}.py", *map(str, words), "--record", str(record)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    found: dict[str, Any] = json.loads(record.read_text())
    return found


@pytest.mark.slow
def test_hostile_inputs_are_refused_told_or_read_as_anybody_reads_them(tmp_path: Path) -> None:
    assert run("fuzz", "--inputs", 12, "--seed", 5, "--jobs", 1, tmp_path=tmp_path)["n_inputs"] == 12


@pytest.mark.slow
def test_kills_full_disks_and_two_writers_lose_nothing(tmp_path: Path) -> None:
    words = ("--kills", 6, "--others", 3, "--seed", 5, "--verbs", "synth,sample,adapt,score,outliers")
    assert run("chaos", *words, tmp_path=tmp_path)["n_kills"] == 6


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_hostile_inputs_in_full(tmp_path: Path) -> None:
    assert run("fuzz", "--inputs", 2000, "--seed", 1, "--jobs", 2, tmp_path=tmp_path)["n_inputs"] >= 2000


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_kills_in_full(tmp_path: Path) -> None:
    assert run("chaos", "--kills", 240, "--seed", 1, tmp_path=tmp_path)["n_kills"] >= 200


def test_every_verb_and_every_format_is_met() -> None:
    kinds = fuzz.kinds()
    verbs = {command.split()[0] for kind in kinds for command in kind.commands}
    assert verbs == set(VERBS)
    reading = {command.split()[0] for kind in kinds if kind.files for command in kind.commands}
    assert verbs - reading == {"demo", "article", "doctor", "list"}  # which read nothing of others
    assert verbs - {job.verb for job in chaos.jobs()} == {
        "article",
        "doctor",
        "layers",
        "list",
    }  # article trains for hours; the others write nothing
