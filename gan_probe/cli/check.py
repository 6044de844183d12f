"""``gan-probe check``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.options import (
    DATA_HELP,
    CriticFolder,
    Device,
    Json,
    Overwrite,
    SizePx,
    SplitName,
    Title,
    TrustCode,
    check_gate,
    gate_option,
)
from gan_probe.cli.run_study import check_readable, check_start, open_critic, open_images, parts, save
from gan_probe.cli.session import Session
from gan_probe.errors import GateError
from gan_probe.studies.check.metrics import CheckMetrics


def check(
    critic: CriticFolder,
    data: Annotated[list[Path], typer.Argument(metavar="DATA", help=f"Images of its training data. {DATA_HELP}")],
    fakes: Annotated[
        Path | None,
        typer.Option(
            help="Images that its generator made, or a run folder that has one: they tell which way the critic points."
            " Default: of the generator beside the critic, where there is one."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The report folder to write. Without it only the table is printed.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 4 when a check fails: as --fail-if 'n_failed>0'.")
    ] = False,
    fail_if: Annotated[str | None, gate_option(CheckMetrics)] = None,
    title: Title = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Images at a time, for a discriminator that takes batches of one size only, or large images. Default:"
            " as many as each check wants, up to 128.",
            min=1,
        ),
    ] = None,
    split: SplitName = None,
    size: SizePx = None,
    trust_code: TrustCode = False,
    overwrite: Overwrite = False,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Look for what goes wrong with critics: batch dependence, direction, value range, dead layers."""
    with Session("check", json) as session:
        check_readable(fail_if, CheckMetrics)
        if out is not None:
            check_start(out, overwrite=overwrite)
        from gan_probe.report.check import check_table
        from gan_probe.studies.check.study import CHECKS, check_critic, read_fakes

        loaded = open_critic(critic, device, trust_code=trust_code)
        images = open_images(session, data, critic=loaded, size=size, split=split)
        if out is not None:
            session.hold(out)
        made = None if fakes is None else read_fakes(fakes)
        with parts(session, "checking", len(CHECKS)) as on_step:
            result = check_critic(loaded, images, made, batch_size=batch_size, on_step=on_step)
        session.warn(w for w in result.warnings if w not in images.warnings)
        session.show(check_table(result).terminal())
        session.metrics |= asdict(result.metrics())
        if out is not None:
            save(session, result, out, title=title, overwrite=overwrite)
        check_gate(fail_if, session.metrics)
        if strict and result.failed:
            raise GateError(f"these checks failed: {', '.join(result.failed)}.")
