"""``gan-probe diagnose``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.session import DryRun, Json, Overwrite, Session, command_line, run_names


def diagnose(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, finished or not; several are drawn side by side.")],
    out: Annotated[
        Path | None, typer.Option(help="The report folder to write. Without it only words are printed.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Say how trainings went: balance, gradients, mode collapse, memorising; as words and as a page."""
    with Session("diagnose", json) as session:
        from gan_probe.report.diagnose import write_trainings
        from gan_probe.report.page import MARKER
        from gan_probe.studies.diagnose.study import training_record
        from synthetic.files import check_free

        named = run_names(runs)
        if out is not None:
            check_free(out, marker=MARKER, overwrite=overwrite)
        found = {name: training_record(run) for name, run in named.items()}
        session.plan(dry_run, {"runs": ", ".join(named), "out": out or "(words only)"})
        session.metrics["diagnosis"] = {name: list(record.diagnosis) for name, record in found.items()}
        for name, record in found.items():
            session.say(f"{name}:")
            for line in record.diagnosis:
                session.say(f"- {line}")
        if out is not None:
            write_trainings(found, out, title=title or "", command=command_line(), overwrite=overwrite)
            session.outputs["report"] = str(out / "report.html")
            session.say(f"report: {out / 'report.html'}")
