"""``gan-probe factors``."""

from __future__ import annotations

from typing import Annotated

import typer

from gan_probe.cli.options import (
    CriticFolder,
    Device,
    DryRun,
    Json,
    Layers,
    Overwrite,
    Pooling,
    ReportFolder,
    Seed,
    Title,
    TrustCode,
    gate_option,
)
from gan_probe.cli.run_study import check_start, finish, open_critic, parts
from gan_probe.cli.session import Session
from gan_probe.config import CHANNEL_POOLING
from gan_probe.studies.factors.metrics import FactorsMetrics


def factors(
    critic: CriticFolder,
    out: ReportFolder,
    spec: Annotated[
        str, typer.Option(metavar="PRESET_OR_TOML", help="What images are drawn from, at the critic's size.")
    ] = "factors",
    per_class: Annotated[int, typer.Option(help="Images of each class for shares and probes.", min=10)] = 100,
    bases: Annotated[int, typer.Option(help="Base images of each sweep of one factor.", min=20)] = 40,
    controls: Annotated[
        bool,
        typer.Option(
            "--controls/--no-controls", help="Ask randomly initialised critics, pixels and image statistics, too."
        ),
    ] = True,
    layers: Layers = None,
    pooling: Pooling = CHANNEL_POOLING,
    title: Title = None,
    fail_if: Annotated[str | None, gate_option(FactorsMetrics)] = None,
    trust_code: TrustCode = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Show which factors score and embedding follow, with images whose every factor is known: colour, size, noise."""
    with Session("factors", json) as session:
        check_start(out, overwrite=overwrite, fail_if=fail_if, metrics=FactorsMetrics)
        from gan_probe.studies.factors.study import N_PARTS, fitted, questions
        from gan_probe.studies.factors.study import factors as run

        loaded = open_critic(critic, device, trust_code=trust_code)
        chosen = fitted(spec, loaded)
        asked = questions(chosen)
        session.plan(
            dry_run,
            {
                "critic": f"{critic} ({loaded.hash})",
                "images": f"{per_class * len(chosen.types)} of {chosen.name}, {chosen.size_px} px",
                "sweeps": f"{len(asked)} of {', '.join(dict.fromkeys(q.factor for q in asked))}",
                "bases": bases,
                "controls": controls,
                "device": loaded.device,
                "out": out,
            },
        )
        session.hold(out)
        with parts(session, "asking", len(asked) + N_PARTS) as on_step:
            result = run(
                loaded, spec=chosen, per_class=per_class, n_bases=bases, controls=controls, layers=layers,
                pooling=pooling, seed=seed, on_step=on_step,
            )  # fmt: skip
        finish(session, result, out, title=title, overwrite=overwrite, fail_if=fail_if)
