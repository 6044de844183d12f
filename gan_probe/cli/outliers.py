"""``gan-probe outliers``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.options import (
    DryRun,
    Json,
    Overwrite,
    Seed,
    check_file_free,
    check_gate,
    gate_names,
    gate_option,
    parse_gate,
)
from gan_probe.cli.run_study import tell
from gan_probe.cli.session import Session
from gan_probe.studies.outliers.metrics import OutlierMetrics


def outliers(
    scores: Annotated[Path, typer.Argument(help="A table made by gan-probe score.")],
    out: Annotated[Path, typer.Option(help="CSV to write: p-value and verdict for each image.")] = Path("outliers.csv"),
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reals",
            help="Scores of held-out reals by the same critic. Default: those kept beside the critic.",
        ),
    ] = None,
    fdr: Annotated[
        float, typer.Option(help="Share of the images called outliers that may be called so wrongly, on average.")
    ] = 0.1,
    two_sided: Annotated[
        bool, typer.Option("--two-sided", help="Flag unusually high scores, too: some critics rank the unknown high.")
    ] = False,
    fail_if: Annotated[str | None, gate_option(OutlierMetrics)] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Find images unlike the training data, with a bound on the share of false alarms."""
    with Session("outliers", json) as session:
        check_file_free(out, overwrite, suffix=".csv")
        if fail_if is not None:
            parse_gate(fail_if, gate_names(OutlierMetrics))
        from gan_probe.report.outliers import detection_table
        from gan_probe.scoring.table import read_scores
        from gan_probe.studies.outliers.study import outliers as find_outliers
        from gan_probe.text import as_csv
        from synthetic.files import write_atomically

        loaded = read_scores(scores)
        reals = None if reference is None else read_scores(reference)
        session.plan(dry_run, {"scores": scores, "images": len(loaded.table), "reference": reference, "out": out})
        session.hold(out)
        direction = "two-sided" if two_sided else "low"
        result = find_outliers(loaded, reals, direction=direction, fdr=fdr, seed=seed)
        write_atomically(out, as_csv(result.table), overwrite=overwrite)
        session.outputs["outliers"] = str(out)
        tell(session, result, tables=[detection_table(result)] if result.detections else [])
        session.say(f"p-value of each image: {out}")
        check_gate(fail_if, session.metrics)
