"""``gan-probe diagnose``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.options import DryRun, Json, Overwrite, Title, run_names
from gan_probe.cli.run_study import check_start, save
from gan_probe.cli.session import Session


def diagnose(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, finished or not; several are drawn side by side.")],
    out: Annotated[
        Path | None, typer.Option(help="The report folder to write. Without it only words are printed.")
    ] = None,
    title: Title = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Say how trainings went: balance, gradients, mode collapse, memorising; as words and as a page."""
    with Session("diagnose", json) as session:
        from gan_probe.studies.diagnose.study import diagnose as run

        named = run_names(runs)
        if out is not None:
            check_start(out, overwrite=overwrite)
        with session.progress("reading runs"):
            result = run(named)
        session.warn(result.warnings)
        session.plan(dry_run, {"runs": ", ".join(named), "out": out or "(words only)"})
        session.metrics |= asdict(result.metrics())
        for name, record in result.runs.items():
            session.say(f"{name}:")
            for line in record.diagnosis:
                session.say(f"- {line}")
        if out is not None:
            session.hold(out)
            save(session, result, out, title=title, overwrite=overwrite)
