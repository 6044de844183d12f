"""``gan-probe arithmetic``."""

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
    Seed,
    SizePx,
    SplitName,
    Title,
    gate_option,
)
from gan_probe.cli.run_study import check_start, finish, open_critic, open_images
from gan_probe.cli.sample import Run
from gan_probe.cli.session import Session
from gan_probe.errors import ConfigError
from gan_probe.studies.arithmetic.metrics import ArithmeticMetrics


def arithmetic(
    run_folder: Run,
    data: Annotated[
        list[Path], typer.Argument(metavar="DATA", help=f"Labelled images, to name concepts with. {DATA_HELP}")
    ],
    equation: Annotated[str, typer.Argument(help="'A - B + C = D' with labels of the data.")],
    out: ReportFolder,
    draws: Annotated[int, typer.Option(help="How often the sum is made, each time of other latents.", min=2)] = 200,
    title: Title = None,
    fail_if: Annotated[str | None, gate_option(ArithmeticMetrics)] = None,
    split: SplitName = None,
    size: SizePx = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Ask whether A - B + C = D holds among a generator's latents, as its critic's own features see it."""
    with Session("arithmetic", json) as session:
        check_start(out, overwrite=overwrite, fail_if=fail_if, metrics=ArithmeticMetrics)
        if swapped := [path for path in data if "=" in str(path) and not path.exists()]:
            raise ConfigError(f"the equation comes last: gan-probe arithmetic RUN DATA '{swapped[0]}' --out DIR.")
        from gan_probe.critics.generator import Generator
        from gan_probe.device import resolve_device
        from gan_probe.studies.arithmetic.study import arithmetic as run

        critic, generator = open_critic(run_folder, device), Generator.load(run_folder, resolve_device(device))
        images = open_images(session, data, critic=critic, size=size, split=split)
        session.plan(
            dry_run, {"run": run_folder, "images": len(images), "equation": equation, "draws": draws, "out": out}
        )
        session.hold(out)
        with session.progress("asking generator and critic"):
            result = run(generator, critic, images, equation, n_draws=draws, seed=seed)
        finish(session, result, out, title=title, overwrite=overwrite, fail_if=fail_if, told=images.warnings)
