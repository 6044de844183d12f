"""``gan-probe stability``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    TrustCode,
    check_plain,
    gate_option,
    run_names,
)
from gan_probe.cli.run_study import check_start, finish, open_critic, open_images, parts
from gan_probe.cli.session import Session
from gan_probe.errors import InputError
from gan_probe.places import holds_scores
from gan_probe.studies.stability.metrics import StabilityMetrics

AGREED = "agreed"


def stability(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUNS|SCORES",
            help="Run folders of the same training with other seeds, at least 3; or what gan-probe score wrote with"
            " each of them, of the same images.",
        ),
    ],
    out: ReportFolder,
    data: Annotated[
        list[Path] | None,
        typer.Option(help=f"Images with labels, such as the test set, for runs; repeatable. {DATA_HELP}"),
    ] = None,
    step: Annotated[
        str | None,
        typer.Option(
            "--snapshot",
            metavar="STEP",
            help="Compare the snapshots of this step in place of the finished critics; 'agreed': of each run the late"
            " snapshot that agrees best with the other runs, found without labels.",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="Folder of the same runs, by name, trained otherwise: which training is more reproducible?"),
    ] = None,
    controls: Annotated[
        bool, typer.Option("--controls/--no-controls", help="Ask the same of randomly initialised critics, too.")
    ] = True,
    nulls: Annotated[
        bool,
        typer.Option("--nulls", help="Add 40 blank, noise, phase-scrambled and pixel-shuffled images, as a class."),
    ] = False,
    skip_diverged: Annotated[
        bool, typer.Option("--skip-diverged", help="Leave critics out whose scores are not numbers, or all the same.")
    ] = False,
    title: Title = None,
    fail_if: Annotated[str | None, gate_option(StabilityMetrics)] = None,
    split: SplitName = None,
    size: SizePx = None,
    trust_code: TrustCode = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Ask whether scores and embeddings survive a retraining: what is gauge, what is conflict, what runs agree on.

    Of scores that are there already nothing is scored again; of folders of scores the sample is compared.
    """
    with Session("stability", json) as session:
        check_start(out, overwrite=overwrite, fail_if=fail_if, metrics=StabilityMetrics)
        from gan_probe.device import resolve_device
        from gan_probe.report.stability import terminal_tables
        from gan_probe.scoring.table import read_scores
        from gan_probe.studies.stability.study import agreed_snapshots, at_step, stability_of_scores
        from gan_probe.studies.stability.study import stability as run

        named = run_names(runs)
        if any(map(holds_scores, runs)):
            given = {"--data": data, "--snapshot": step, "--against": against, "--nulls": nulls,
                     "--skip-diverged": skip_diverged, "--split": split, "--size": size}  # fmt: skip
            _check_scores(named, [name for name, value in given.items() if value])
            scores = {name: read_scores(path) for name, path in named.items()}
            session.plan(dry_run, {"scores": ", ".join(named), "controls": controls, "out": out})
            session.hold(out)
            with parts(session, "comparing", 2) as on_step:
                result = stability_of_scores(scores, controls=controls, seed=seed, on_step=on_step)
            shown = terminal_tables(result, dict.fromkeys(named, "its scores"))
            finish(session, result, out, title=title, overwrite=overwrite, fail_if=fail_if, tables=shown)
            return
        if not data:
            raise typer.BadParameter("--data is missing: images with labels, on which the runs are compared.")
        if against is not None:
            check_plain(named)
        rivals = None if against is None else {name: against / name for name in named}
        images = open_images(
            session,
            data,
            critic=open_critic(next(iter(named.values())), device, trust_code=trust_code),
            size=size,
            split=split,
        )
        if step == AGREED:
            named = agreed_snapshots(
                named, images, seed=seed, device=resolve_device(device), warn=lambda told: session.warn([told])
            )
            session.metrics["snapshots"] = {name: path.name for name, path in named.items()}
        elif step is not None:
            named = at_step(named, _number(step))
        critics, others = (
            {name: open_critic(path, device, trust_code=trust_code) for name, path in some.items()}
            for some in (named, rivals or {})
        )
        session.plan(
            dry_run,
            {
                "runs": ", ".join(named),
                "images": len(images),
                "controls": controls,
                "nulls": nulls,
                "against": against or "nothing",
                "out": out,
            },
        )
        session.hold(out)
        with parts(session, "comparing", (1 + controls) * len(critics) + len(others) + 2) as on_step:
            result = run(
                critics, images, against=others if rivals else None, controls=controls, nulls=nulls,
                skip_diverged=skip_diverged, seed=seed, on_step=on_step,
            )  # fmt: skip
        tables = terminal_tables(result, {name: _snapshot(path) for name, path in named.items()})
        finish(
            session, result, out, title=title, overwrite=overwrite, fail_if=fail_if, told=images.warnings,
            tables=tables,
        )  # fmt: skip


def _check_scores(named: Mapping[str, Path], given: Sequence[str]) -> None:
    """Raise where runs stand among scores, or an option asks for what scores cannot tell."""
    runs = [name for name, path in named.items() if not holds_scores(path)]
    if runs:
        raise InputError(f"{runs[0]} holds no scores, and others do; give runs or scores, not both.")
    if given:
        raise InputError(
            f"{given[0]} asks for images to be scored, and scores are given; leave it out, or give the run folders."
        )


def _number(step: str) -> int:
    if not (step.isascii() and step.isdigit()):
        raise typer.BadParameter(f"--snapshot takes the number of a step, or {AGREED!r}; got {step!r}.")
    return int(step)


def _snapshot(path: Path) -> str:
    return path.name if path.parent.name == "snapshots" else "the finished critic"
