"""``gan-probe check``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.options import DATA_HELP, CriticFolder, Device, Json, SizePx, SplitName, TrustCode
from gan_probe.cli.run_study import open_critic, open_images
from gan_probe.cli.session import Session
from gan_probe.errors import GateError


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
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 4 when a check fails.")] = False,
    split: SplitName = None,
    size: SizePx = None,
    trust_code: TrustCode = False,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Look for what goes wrong with critics: batch dependence, direction, value range, dead layers."""
    with Session("check", json) as session:
        from gan_probe.report.check import check_table
        from gan_probe.studies.check.study import check_critic, read_fakes

        loaded = open_critic(critic, device, trust_code=trust_code)
        images = open_images(session, data, critic=loaded, size=size, split=split)
        result = check_critic(loaded, images, None if fakes is None else read_fakes(fakes))
        session.warn(w for w in result.warnings if w not in images.warnings)
        session.show(check_table(result).terminal())
        session.metrics |= asdict(result.metrics())
        if strict and result.failed:
            raise GateError(f"these checks failed: {', '.join(result.failed)}.")
