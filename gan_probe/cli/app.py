"""The typer app: one command a verb."""

from __future__ import annotations

from typing import Annotated

import typer

from gan_probe.cli import (
    adapt,
    arithmetic,
    check,
    cluster,
    demo,
    diagnose,
    doctor,
    ensemble,
    explain,
    factors,
    outliers,
    probe,
    report,
    sample,
    score,
    settle,
    stability,
    synth,
    train,
    trajectory,
)
from gan_probe.version import VERSION

app = typer.Typer(
    name="gan-probe",
    help="What did a GAN's discriminator learn? Make toy data, train a critic, score unseen classes, read the report.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0 ok, 1 bug, 2 usage, 3 bad input or config, 4 a gate (--fail-if) failed,"
        " 5 finished with skipped items, 6 missing extra or device, 130 interrupted and resumable."
    ),
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"gan-probe {VERSION}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


# The order is that of the help.
VERBS = (
    demo.demo, synth.synth, train.train, diagnose.diagnose, sample.sample, arithmetic.arithmetic, adapt.adapt,
    check.check, score.score, cluster.cluster, report.report, stability.stability, settle.settle, ensemble.ensemble,
    trajectory.trajectory, probe.probe, explain.explain, factors.factors, outliers.outliers, doctor.doctor,
)  # fmt: skip
for verb in VERBS:
    app.command(verb.__name__)(verb)


def main() -> None:
    """Run the command line."""
    app()
