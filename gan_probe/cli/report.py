"""``gan-probe cluster`` and ``gan-probe report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.session import DryRun, Json, Overwrite, Seed, Session, check_gate, command_line, parse_gate
from gan_probe.errors import InputError

GATE_NAMES = ("n_pairs", "n_separated", "n_certain", "n_runs", "probe_excess", "probe_excess_low")


def report(
    scores: Annotated[
        list[Path],
        typer.Argument(
            help="Tables made by gan-probe score: of one critic, or of several trainings on the same images."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The report folder to write.")],
    run: Annotated[
        Path | None, typer.Option(help="The run folder, for training curves. Default: where the critic came from.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The data set, for pictures. Default: where the images came from.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
    reference: Annotated[
        str | None, typer.Option(help="Class from which distances are measured. Default: the first seen one.")
    ] = None,
    projection: Annotated[str, typer.Option(help="2-D view of the embeddings: pca, tsne or umap.")] = "pca",
    fail_if: Annotated[
        str | None,
        typer.Option(metavar="NAME<NUMBER", help=f"Exit with 4 when this holds. Names: {', '.join(GATE_NAMES)}."),
    ] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Write a report: one HTML page that works offline, figures, and every number as JSON."""
    with Session("report", json) as session:
        from gan_probe.report.page import MARKER
        from gan_probe.scoring.table import by_critic, read_scores
        from gan_probe.stats.auroc import n_separated
        from gan_probe.studies.separation.study import report
        from synthetic.files import check_free

        check_free(out, marker=MARKER, overwrite=overwrite)
        if fail_if is not None:
            parse_gate(fail_if, GATE_NAMES)
        loaded = by_critic([read_scores(path) for path in scores])
        session.plan(
            dry_run,
            {
                "scores": ", ".join(map(str, scores)),
                "images": len(loaded[0].table),
                "trainings": len(loaded),
                "out": out,
            },
        )
        with session.progress("analysing") as update:
            parts: list[str] = []

            def on_step(part: str) -> None:
                parts.append(part)
                update(len(parts), part)

            analysis, lines = report(
                loaded,
                out,
                reference=reference,
                run=run,
                data=data,
                title=title,
                command=command_line(),
                projection=projection,
                overwrite=overwrite,
                seed=seed,
                on_step=on_step,
            )
        session.warn(analysis.warnings)
        session.outputs |= {"report": str(out / "report.html"), "json": str(out / "report.json")}
        session.metrics |= {
            "n_pairs": len(analysis.pairs),
            "n_separated": n_separated(analysis.critic_pairs),
            "n_certain": sum(p.certain for p in analysis.critic_pairs),
            "n_runs": analysis.n_runs,
        }
        probe = next((e for e in analysis.excess if e.measure == "linear probe"), None)
        if probe is not None:
            session.metrics |= {"probe_excess": probe.excess, "probe_excess_low": probe.excess_low}
        for line in lines:
            session.say(f"- {line}")
        session.say(f"report: {out / 'report.html'}")
        if fail_if is not None and (name := parse_gate(fail_if, GATE_NAMES)[0]) not in session.metrics:
            raise InputError(f"{name} was not measured: the table has no embeddings, or no controls beside them.")
        check_gate(fail_if, session.metrics)
