"""``gan-probe ensemble``."""

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
    Seed,
    SizePx,
    SplitName,
    Title,
    TrustCode,
    check_gate,
    command_line,
    gate_option,
    run_names,
)
from gan_probe.cli.run_study import check_readable, open_images, tell
from gan_probe.cli.session import Session
from gan_probe.errors import InputError
from gan_probe.studies.ensemble.metrics import EnsembleMetrics

REPORT = "report"  # the page's folder in the ensemble's


def ensemble(
    runs: Annotated[list[Path], typer.Argument(help="Run or critic folders, at least 2; with --late one will do.")],
    panel: Annotated[
        list[Path],
        typer.Option(
            "--data",
            help="Real images that no run was trained on; they fix shift, scale and sign of each run; repeatable."
            f" {DATA_HELP}",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The ensemble folder to write, with a page of how far its members agree.")],
    late: Annotated[
        bool,
        typer.Option("--late", help="Take the snapshots of the second half of each run for members, and not its end."),
    ] = False,
    alignment: Annotated[str, typer.Option(help="affine (shift, scale and sign) or shift.")] = "affine",
    split: SplitName = None,
    size: SizePx = None,
    trust_code: TrustCode = False,
    title: Title = None,
    controls: Annotated[
        bool,
        typer.Option(
            "--controls/--no-controls", help="Align as many randomly initialised critics, to stand beside it."
        ),
    ] = True,
    fail_if: Annotated[str | None, gate_option(EnsembleMetrics)] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Put several trainings together: one critic that every verb takes, and how sure it is of each score."""
    with Session("ensemble", json) as session:
        from gan_probe.critics.critic import Critic
        from gan_probe.critics.ensemble import ENSEMBLE, EnsembleCritic
        from gan_probe.device import resolve_device
        from gan_probe.report.ensemble import PAGE
        from gan_probe.studies.ensemble.study import ensemble_agreement
        from gan_probe.training import RunFolder
        from synthetic.files import atomic_folder, check_free

        check_free(out, marker=ENSEMBLE, overwrite=overwrite)
        check_readable(fail_if, EnsembleMetrics)
        named = run_names(runs)
        if late:
            named = {
                f"{name}/{path.name}": path
                for name, run in named.items()
                for path in RunFolder(run).late_snapshots().values()
            }
            if len(named) < 2:
                raise InputError(
                    f"{runs[0]} has one snapshot in the second half of its steps; train with --set late_snapshots=5."
                )
        chosen = resolve_device(device)
        critics = {name: Critic.load(run, chosen, trust_code=trust_code) for name, run in named.items()}
        images = open_images(session, panel, critic=next(iter(critics.values())), size=size, split=split)
        session.plan(
            dry_run, {"runs": ", ".join(named), "alignment": alignment, "panel": f"{len(images)} images", "out": out}
        )
        session.hold(out)
        with session.progress("aligning"):
            made = EnsembleCritic.fit(critics, images, alignment=alignment, seed=seed)
        if any(critic.config.was_trained_on(images) for critic in critics.values()):
            session.warn(["the panel is what a run was trained on; scores of new images spread otherwise."])
        with session.progress("comparing members, and randomly initialised ones"):
            result = ensemble_agreement(made, controls=controls, seed=seed)
        with (
            session.progress("writing the ensemble and its page"),
            atomic_folder(out, marker=ENSEMBLE, overwrite=overwrite) as folder,
        ):
            made.write_into(folder)
            page = result.save(folder / REPORT, title=title or "", command=command_line()).relative_to(folder)
        session.outputs |= {"critic": str(out), "report": str(out / page)}
        session.metrics |= {"gauge": made.gauge, "critic_hash": made.hash}
        session.say(f"{len(named)} critics as one in {out}, aligned on {len(made.panel)} images.")
        tell(session, result, tables=PAGE.tables(result))
        session.say(f"report: {out / page}")
        session.say(result.opening().judgement.line())
        check_gate(fail_if, session.metrics)
