"""``gan-probe trajectory``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.session import (
    Device,
    DryRun,
    Json,
    Overwrite,
    Session,
    SizePx,
    Split,
    check_gate,
    command_line,
    parse_gate,
)

GATE_NAMES = ("n_separated", "n_lost", "n_never", "n_comes_and_goes", "n_flipped")


def trajectory(
    run: Annotated[Path, typer.Argument(help="A run folder with snapshots, finished or not.")],
    data: Annotated[Path, typer.Argument(help="Images with labels, such as the test set.")],
    out: Annotated[Path, typer.Option(help="The report folder to write.")],
    reference: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="Centre scores on this class; default: the first of the training."),
    ] = None,
    controls: Annotated[
        bool, typer.Option("--controls/--no-controls", help="Count pairs of untrained critics and plain scalars, too.")
    ] = True,
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
    fail_if: Annotated[
        str | None,
        typer.Option(metavar="NAME<NUMBER", help=f"Exit with 4 when this holds. Names: {', '.join(GATE_NAMES)}."),
    ] = None,
    split: Split = None,
    size: SizePx = None,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Show how the scores of classes fall apart during a training: which pairs separate when, and which are lost."""
    with Session("trajectory", json) as session:
        from gan_probe.device import resolve_device
        from gan_probe.images.readers.reading import read_images
        from gan_probe.report.page import MARKER
        from gan_probe.report.trajectory import write_trajectory
        from gan_probe.studies.trajectory.study import find_snapshots, trajectory
        from synthetic.files import check_free

        check_free(out, marker=MARKER, overwrite=overwrite)
        if fail_if is not None:
            parse_gate(fail_if, GATE_NAMES)
        chosen = resolve_device(device)
        found = find_snapshots(run)
        images = read_images(data, size_px=size, split=split, skip_bad=True)
        session.warn(images.warnings)
        session.n_skipped = images.n_skipped
        steps = ", ".join(map(str, found))
        session.plan(dry_run, {"run": run, "steps": steps, "images": len(images), "controls": controls, "out": out})
        n_critics = len(found) + 1
        with session.progress("scoring", n_critics) as update:
            done: list[str] = []

            def on_step(name: str) -> None:
                done.append(name)
                update(len(done), name)

            result = trajectory(run, images, reference=reference, controls=controls, device=chosen, on_step=on_step)
        session.n_skipped += result.n_skipped
        session.warn(w for w in result.warnings if w not in images.warnings)
        lines = write_trajectory(result, out, title=title or "", command=command_line(), overwrite=overwrite)
        for line in lines:
            session.say(f"- {line}")
        session.say(f"report: {out / 'report.html'}")
        session.outputs |= {"report": str(out / "report.html"), "scores": str(out / "trajectory.parquet")}
        session.metrics |= {**result.headline(), "findings": lines}
        check_gate(fail_if, session.metrics)
