"""Scoring starts without what only pages need."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
import gan_probe.cli.score
import gan_probe.scoring.score
print(sorted({"matplotlib", "seaborn", "jinja2"} & set(sys.modules)))
"""


def test_scoring_loads_no_plotting() -> None:
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
