"""``gan-probe probe``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.options import (
    DATA_HELP,
    BatchSize,
    CriticFolder,
    Device,
    DryRun,
    Json,
    Overwrite,
    Pooling,
    ReportFolder,
    Seed,
    SizePx,
    Title,
    TrustCode,
    gate_option,
)
from gan_probe.cli.run_study import check_start, finish, open_critic, open_images
from gan_probe.cli.session import Session
from gan_probe.config import POOLING
from gan_probe.studies.probe.metrics import ProbeMetrics


def probe(
    critic: CriticFolder,
    data: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATA", help=f"Images with labels; rows of split 'test' are tested on, if there are. {DATA_HELP}"
        ),
    ],
    out: ReportFolder,
    per_class: Annotated[
        list[int] | None,
        typer.Option("--labels", help="Labels a class; repeatable. Default: 1, 2, 5, 10, ... up to all."),
    ] = None,
    draws: Annotated[int, typer.Option(help="How often labels are drawn at each number.", min=2)] = 100,
    classifiers: Annotated[
        list[str] | None, typer.Option("--classifier", help="linear or knn; repeatable. Default: both.")
    ] = None,
    pooling: Pooling = POOLING,
    max_pool: Annotated[
        int, typer.Option(help="Images at most that labels are drawn from; more are thinned by class.", min=4)
    ] = 20_000,
    controls: Annotated[
        bool, typer.Option("--controls/--no-controls", help="Probe what the critic must beat, too.")
    ] = True,
    control: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="The same network trained --without-generator: one more control, which says whether the game added"
            " anything.",
        ),
    ] = None,
    title: Title = None,
    fail_if: Annotated[str | None, gate_option(ProbeMetrics)] = None,
    batch_size: BatchSize = None,
    size: SizePx = None,
    trust_code: TrustCode = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Ask how many labels the critic's features need, beside random critics, pixels, PCA, HOG, k-means."""
    with Session("probe", json) as session:
        check_start(out, overwrite=overwrite, fail_if=fail_if, metrics=ProbeMetrics)
        from gan_probe.report.probe import lead_table
        from gan_probe.studies.probe.result import CLASSIFIERS
        from gan_probe.studies.probe.study import check_task_alone
        from gan_probe.studies.probe.study import probe as run

        loaded = open_critic(critic, device, trust_code=trust_code)
        alone = None if control is None else open_critic(control, device)
        if alone is not None:
            session.warn(check_task_alone(alone, loaded))
        images = open_images(session, data, critic=loaded, size=size)
        chosen = tuple(classifiers or CLASSIFIERS)
        session.plan(
            dry_run,
            {
                "critic": f"{critic} ({loaded.hash})",
                "images": len(images),
                "labels a class": ", ".join(map(str, per_class)) if per_class else "1, 2, 5, 10, ... up to all",
                "draws": draws,
                "classifiers": ", ".join(chosen),
                "controls": controls,
                "control": f"{control} ({alone.hash})" if alone else "none by the auxiliary task alone",
                "out": out,
            },
        )
        session.hold(out)
        with session.each("probing") as progress:
            result = run(
                loaded, images, per_class=per_class, n_draws=draws, classifiers=chosen, pooling=pooling,
                max_pool=max_pool, controls=controls, task_alone=alone, batch_size=batch_size, seed=seed,
                progress=progress,
            )  # fmt: skip
        finish(
            session, result, out, title=title, overwrite=overwrite, fail_if=fail_if, told=images.warnings,
            tables=[lead_table(result)],
        )  # fmt: skip
