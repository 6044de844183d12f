"""Write ``docs/commands.md`` from the commands' own help: ``python docs/generate.py [--check]``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["COLUMNS"] = os.environ["TERMINAL_WIDTH"] = "100"

from typer.main import get_command
from typer.testing import CliRunner

from gan_probe.cli import app
from gan_probe.config import PRESETS, TrainConfig

PAGE = Path(__file__).parent / "commands.md"
INTRO = """\
# Commands

Written by `python docs/generate.py` from the commands' own help.

Results go to stdout, progress and warnings to stderr. `--json` prints one object
`{schema, command, status, outputs, metrics, warnings}`; `--dry-run` prints the plan. Nothing is overwritten without
`--overwrite`; of folders it replaces only those that gan-probe wrote.

| exit code | meaning |
|---|---|
| 0 | ok |
| 1 | a bug in gan-probe |
| 2 | usage |
| 3 | bad input or config; a training that diverged |
| 4 | a gate (`--fail-if`) failed; the output is kept |
| 5 | finished, some items skipped |
| 6 | an extra or a device is missing |
| 130 | interrupted; trainings go on with `--resume` |
"""


def page() -> str:
    """Return the whole page."""
    parts = [INTRO]
    for name in get_command(app).commands:
        shown = CliRunner().invoke(app, [name, "--help"], prog_name="gan-probe").stdout
        lines = "\n".join(line.rstrip() for line in shown.strip().splitlines())
        parts.append(f"## gan-probe {name}\n\n```text\n{lines}\n```\n")
    return "\n".join([*parts, settings()])


def settings() -> str:
    """Return the training settings with their defaults, and what each recipe sets otherwise."""
    defaults = TrainConfig().as_dict()
    lines = [
        "## Training settings",
        "",
        "What `gan-probe train --set NAME=VALUE` takes; their meaning is in the docstring of `gan_probe.TrainConfig`.",
        "",
        "| setting | default (recipe `compact`) |",
        "|---|---|",
        *(f"| `{name}` | {value} |" for name, value in defaults.items()),
        "",
        "| recipe | what it sets otherwise |",
        "|---|---|",
    ]
    for name, recipe in PRESETS.items():
        changes = [f"{k} {v}" for k, v in recipe.as_dict().items() if v != defaults[k]]
        lines.append(f"| `{name}` | {', '.join(changes) or 'nothing'} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(None if PAGE.read_text() == page() else "docs/commands.md is out of date: run python docs/generate.py")
    PAGE.write_text(page())
