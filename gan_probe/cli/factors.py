"""``gan-probe factors``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.session import Device, DryRun, Json, Overwrite, Seed, Session, TrustCode, command_line


def factors(
    critic: Annotated[Path, typer.Argument(help="A run folder, a snapshot of one, or a critic folder.")],
    out: Annotated[Path, typer.Option(help="The report folder to write.")],
    spec: Annotated[
        str, typer.Option(metavar="PRESET_OR_TOML", help="What images are drawn from, at the critic's size.")
    ] = "factors",
    per_class: Annotated[int, typer.Option(help="Images of each class for shares and probes.", min=10)] = 100,
    bases: Annotated[int, typer.Option(help="Base images of each sweep of one factor.", min=20)] = 40,
    controls: Annotated[
        bool, typer.Option("--controls/--no-controls", help="Ask untrained critics, pixels and plain scalars, too.")
    ] = True,
    layers: Annotated[
        list[str] | None, typer.Option("--layer", help="Layer of the embedding; repeatable. Default: all.")
    ] = None,
    pooling: Annotated[str, typer.Option(help="Of the embedding: mean, std, max or grid4.")] = "mean",
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
    trust_code: TrustCode = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Show which factors score and embedding follow, with images whose every factor is known: colour, size, noise."""
    with Session("factors", json) as session:
        from gan_probe.critics.critic import Critic
        from gan_probe.device import resolve_device
        from gan_probe.report.factors import write_factors
        from gan_probe.report.page import MARKER
        from gan_probe.studies.factors.study import N_PARTS, factors, fitted, questions
        from synthetic import load_spec
        from synthetic.files import check_free

        check_free(out, marker=MARKER, overwrite=overwrite)
        loaded = Critic.load(critic, resolve_device(device), trust_code=trust_code)
        chosen = fitted(load_spec(spec) if spec.endswith(".toml") else spec, loaded)
        asked = questions(chosen)
        session.plan(
            dry_run,
            {
                "critic": f"{critic} ({loaded.hash})",
                "images": f"{per_class * len(chosen.types)} of {chosen.name}, {chosen.side_px} px",
                "sweeps": f"{len(asked)} of {', '.join(dict.fromkeys(q.factor for q in asked))}",
                "bases": bases,
                "controls": controls,
                "device": loaded.device,
                "out": out,
            },
        )
        with session.progress("asking", len(asked) + N_PARTS) as update:
            done: list[str] = []

            def on_step(name: str) -> None:
                done.append(name)
                update(len(done), name)

            result = factors(
                loaded,
                spec=chosen,
                per_class=per_class,
                n_bases=bases,
                controls=controls,
                layers=layers,
                pooling=pooling,
                seed=seed,
                on_step=on_step,
            )
        session.warn(result.warnings)
        lines = write_factors(result, out, title=title or "", command=command_line(), overwrite=overwrite)
        for line in lines:
            session.say(f"- {line}")
        session.say(f"report: {out / 'report.html'}")
        session.outputs |= {"report": str(out / "report.html"), "curves": str(out / "curves.csv")}
        session.metrics |= {**result.headline(), "findings": lines}
