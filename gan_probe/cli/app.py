"""The typer app: one command a verb."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gan_probe.cli import (
    adapt,
    arithmetic,
    article,
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
from gan_probe.cli.session import INTERRUPTED, print_record
from gan_probe.version import VERSION

UsageError: Any = typer.BadParameter.__base__  # of the click that typer carries


class Verbs(TyperGroup):
    """The verbs; under ``--json`` a wrong use is told as the one object, too, beside the words on stderr."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Return the context; keep the words as they were typed."""
        words = tuple(args)  # reading them uses the list up
        with self._told(words):
            context = super().make_context(info_name, args, parent, **extra)
        context.meta[__name__] = words
        return context

    def invoke(self, ctx: Any) -> Any:
        """Run the verb."""
        with self._told(ctx.meta[__name__]):
            return super().invoke(ctx)

    @contextmanager
    def _told(self, words: Sequence[str]) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:  # before a verb's own session begins, or after it
            raise typer.Exit(INTERRUPTED) from None
        except UsageError as error:
            if "--json" in words:
                verb = next((word for word in words if word in self.commands), "")
                print_record(verb, "usage", {}, metrics={"error": error.format_message()})
            raise


app = typer.Typer(
    name="gan-probe",
    cls=Verbs,
    help="What did a GAN's discriminator learn? Make toy data, train a critic, score unseen classes, read the report.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0 ok, 1 bug, 2 usage, 3 bad input or config, 4 a gate (--fail-if) failed,"
        " 5 finished with skipped items, 6 missing extra or device,"
        " 130 interrupted (SIGINT) and 143 ended (SIGTERM), both resumable."
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
    demo.demo, article.article, synth.synth, train.train, diagnose.diagnose, sample.sample, arithmetic.arithmetic,
    adapt.adapt, check.check, score.score, cluster.cluster, report.report, stability.stability, settle.settle,
    ensemble.ensemble, trajectory.trajectory, probe.probe, explain.explain, factors.factors, outliers.outliers,
    doctor.doctor,
)  # fmt: skip
for verb in VERBS:
    app.command(verb.__name__)(verb)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter gets its escape
    try:
        app()
    except KeyboardInterrupt:  # while the commands are put together
        sys.exit(INTERRUPTED)
