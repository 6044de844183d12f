"""``gan-probe trajectory``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.options import (
    DATA_HELP,
    Device,
    DryRun,
    Json,
    Overwrite,
    ReportFolder,
    SizePx,
    SplitName,
    Title,
    gate_option,
)
from gan_probe.cli.run_study import check_start, finish, open_critic, open_images, parts
from gan_probe.cli.session import Session
from gan_probe.studies.trajectory.metrics import TrajectoryMetrics


def trajectory(
    run: Annotated[Path, typer.Argument(help="A run folder with snapshots, finished or not.")],
    data: Annotated[
        list[Path], typer.Argument(metavar="DATA", help=f"Images with labels, such as the test set. {DATA_HELP}")
    ],
    out: ReportFolder,
    reference: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="Centre scores on this class; default: the first of the training."),
    ] = None,
    controls: Annotated[
        bool,
        typer.Option(
            "--controls/--no-controls", help="Count pairs of randomly initialised critics and image statistics, too."
        ),
    ] = True,
    title: Title = None,
    fail_if: Annotated[str | None, gate_option(TrajectoryMetrics)] = None,
    split: SplitName = None,
    size: SizePx = None,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Show how the scores of classes fall apart during a training: which pairs separate when, and which are lost."""
    with Session("trajectory", json) as session:
        check_start(out, overwrite=overwrite, fail_if=fail_if, metrics=TrajectoryMetrics)
        from gan_probe.device import resolve_device
        from gan_probe.studies.trajectory.study import find_snapshots
        from gan_probe.studies.trajectory.study import trajectory as follow

        chosen, found = resolve_device(device), find_snapshots(run)
        images = open_images(
            session, data, critic=open_critic(next(iter(found.values())), device), size=size, split=split
        )
        steps = ", ".join(map(str, found))
        session.plan(dry_run, {"run": run, "steps": steps, "images": len(images), "controls": controls, "out": out})
        session.hold(out)
        with parts(session, "scoring", len(found) + 1) as on_step:
            result = follow(run, images, reference=reference, controls=controls, device=chosen, on_step=on_step)
        session.n_skipped += result.n_skipped
        session.outputs["scores"] = str(out / "trajectory.parquet")
        finish(session, result, out, title=title, overwrite=overwrite, fail_if=fail_if, told=images.warnings)
