"""``gan-probe ensemble``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    TrustCode,
    run_names,
)
from gan_probe.cli.run_study import open_images
from gan_probe.cli.session import Session
from gan_probe.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt


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
    out: Annotated[Path, typer.Option(help="The ensemble folder to write.")],
    late: Annotated[
        bool,
        typer.Option("--late", help="Take the snapshots of the second half of each run for members, and not its end."),
    ] = False,
    alignment: Annotated[str, typer.Option(help="affine (shift, scale and sign) or shift.")] = "affine",
    split: SplitName = None,
    size: SizePx = None,
    trust_code: TrustCode = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Put several trainings together: one critic that every verb takes, and how sure it is of each score."""
    with Session("ensemble", json) as session:
        import numpy as np

        from gan_probe.critics.critic import Critic
        from gan_probe.critics.ensemble import ENSEMBLE, EnsembleCritic
        from gan_probe.device import resolve_device
        from gan_probe.report.tables import Col, Table
        from gan_probe.scoring.controls import random_inits
        from gan_probe.training import RunFolder
        from synthetic.files import check_free

        check_free(out, marker=ENSEMBLE, overwrite=overwrite)
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
        if images.fingerprint in {critic.config.data_fingerprint for critic in critics.values()}:
            session.warn(["the panel is what a run was trained on; scores of new images spread otherwise."])
        session.warn(f"the ensemble was {note}" for note in made.notes)
        made.save(out, overwrite=overwrite)
        with session.progress("comparing members, and randomly initialised ones"):
            agreement = made.correlations()
            inits, notes = random_inits(made)
            random_init = [_off_diagonal(other.correlations()) for other in inits if isinstance(other, EnsembleCritic)]
        session.warn(notes)
        rows = [
            {"member": name, "shift": f"{float(made.module.shifts[number]):.3g}",
             "scale": f"{float(made.module.scales[number]):.3g}",
             "agrees with the others": float(np.delete(agreement[number], number).mean())}
            for number, name in enumerate(named)
        ]  # fmt: skip
        columns = [
            Col(title=title, of=title, form="two" if title.startswith("agrees") else "text") for title in rows[0]
        ]
        session.show(Table(name="members", columns=columns, rows=rows).terminal())
        mean = _off_diagonal(agreement)
        beside = (
            f", of randomly initialised ones {min(random_init):.2f} to {max(random_init):.2f}" if random_init else ""
        )
        session.say(f"{len(named)} critics as one in {out}, aligned on {len(made.panel)} images.")
        session.say(f"Mean correlation of two members there: {mean:.2f}{beside}.")
        session.say(f"Turned round: {', '.join(made.turned) or 'none'}.")
        session.outputs["critic"] = str(out)
        session.metrics |= {
            "n_members": len(named),
            "n_panel": len(made.panel),
            "agreement": mean,
            "agreement_random_init": random_init,
            "turned": list(made.turned),
            "gauge": made.gauge,
            "critic_hash": made.hash,
        }


def _off_diagonal(correlations: npt.NDArray[Any]) -> float:
    """Return the mean correlation of two members."""
    n = len(correlations)
    return float((correlations.sum() - n) / (n * (n - 1)))
