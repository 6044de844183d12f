"""``gan-probe outliers``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.session import DryRun, Json, Overwrite, Seed, Session, check_file_free, check_gate, parse_gate

GATE_NAMES = ("n_outliers", "share")


def outliers(
    scores: Annotated[Path, typer.Argument(help="A table made by gan-probe score.")],
    out: Annotated[Path, typer.Option(help="CSV to write: p-value and verdict for each image.")] = Path("outliers.csv"),
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Scores of held-out reals by the same critic. Default: those that the training kept beside the critic."
        ),
    ] = None,
    fdr: Annotated[
        float, typer.Option(help="Share of the flagged images that may be flagged wrongly, on average.")
    ] = 0.1,
    two_sided: Annotated[
        bool, typer.Option("--two-sided", help="Flag unusually high scores, too: some critics rank the unknown high.")
    ] = False,
    fail_if: Annotated[
        str | None,
        typer.Option(metavar="NAME<NUMBER", help=f"Exit with 4 when this holds. Names: {', '.join(GATE_NAMES)}."),
    ] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Flag images unlike the training data, with a bound on the share of false alarms."""
    with Session("outliers", json) as session:
        from rich.table import Table

        from gan_probe.scoring.table import read_scores
        from gan_probe.studies.outliers.study import find_outliers
        from synthetic.files import write_atomically

        check_file_free(out, overwrite, suffix=".csv")
        if fail_if is not None:
            parse_gate(fail_if, GATE_NAMES)
        loaded = read_scores(scores)
        reals = None if reference is None else read_scores(reference)
        session.plan(dry_run, {"scores": scores, "images": len(loaded.table), "reference": reference, "out": out})
        direction = "two-sided" if two_sided else "low"
        result = find_outliers(loaded, reals, direction=direction, fdr=fdr, seed=seed)
        session.warn(result.warnings)
        write_atomically(out, result.table.to_csv(index=False))
        if result.detections:
            table = Table("class", "images", "flagged", "AUROC (95 % interval)", "FPR95", box=None)
            for d, share in result.by_class():
                interval = f"{d.auroc:.3f} ({d.ci_low:.3f} to {d.ci_high:.3f})"
                table.add_row(d.label, str(d.n), f"{share:.1%}", interval, f"{d.fpr95:.1%}")
            session.show(table)
        session.outputs["outliers"] = str(out)
        session.metrics |= result.headline()
        for line in result.findings():
            session.say(f"- {line}")
        session.say(f"p-value of each image: {out}")
        check_gate(fail_if, session.metrics)
