"""``gan-probe check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.session import Device, Json, Session, SizePx, Split, TrustCode
from gan_probe.errors import GateError


def check(
    critic: Annotated[Path, typer.Argument(help="A run folder, a snapshot of one, or a critic folder.")],
    data: Annotated[Path, typer.Argument(help="Images of its training data.")],
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 4 when a check fails.")] = False,
    split: Split = None,
    size: SizePx = None,
    trust_code: TrustCode = False,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Look for what goes wrong with critics: batch dependence, direction, value range, dead layers."""
    with Session("check", json) as session:
        from dataclasses import asdict

        from rich.table import Table

        from gan_probe.critics.critic import Critic
        from gan_probe.device import resolve_device
        from gan_probe.images.readers.reading import read_images
        from gan_probe.studies.check.study import FAIL, check_critic

        loaded = Critic.load(critic, resolve_device(device), trust_code=trust_code)
        images = read_images(data, size_px=size, split=split, skip_bad=True)
        session.warn(images.warnings)
        session.n_skipped = images.n_skipped
        findings = check_critic(loaded, images)
        table = Table("check", "", "found", "what to do", box=None)
        for finding in findings:
            table.add_row(finding.check, finding.verdict, finding.found, finding.advice)
        session.show(table)
        failed = [f.check for f in findings if f.verdict == FAIL]
        session.metrics |= {"checks": [asdict(f) for f in findings], "n_failed": len(failed)}
        if strict and failed:
            raise GateError(f"these checks failed: {', '.join(failed)}.")
