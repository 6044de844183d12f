"""Every verb still gives the numbers of `summary.json`; ``make golden BASE=...`` compares bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden import golden

TOLERANCE, MAX_SHARE = 0.05, 0.05  # CPUs round differently, twelve steps of training carry that along, and counts jump


@pytest.mark.slow
def test_every_verb_gives_the_committed_numbers(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, golden.__file__, "run", str(tmp_path / "out")], env=environment, check=True)
    found, expected = golden.summary(tmp_path / "out"), json.loads(golden.SUMMARY.read_text())
    assert found.keys() == expected.keys()
    wrong = {place for place in expected if not golden.same(found[place], expected[place], TOLERANCE)}
    assert len(wrong) <= MAX_SHARE * len(expected), sorted(wrong)[:20]
