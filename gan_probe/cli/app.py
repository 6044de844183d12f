"""The typer app: one command a verb, each imported when it is asked for."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gan_probe.cli.verb import Verb
from gan_probe.memory import keep_freed_memory
from gan_probe.version import VERSION

UsageError: Any = typer.BadParameter.__base__  # of the click that typer carries

# What each verb does, in a line, by the part of the help that it stands in; more is said by its function, of the same
# name in the module of the same name. The order is that of the help.
PANELS: dict[str, dict[str, str]] = {
    "Start here": {
        "all": "Train a critic on images, check it, score others, and write the report; the last line is the"
        " verdict.",
        "demo": "Run the whole story: make data, train a critic on two classes, score ten, cluster them, write"
        " the report.",
        "list": "List what has a name: data sets, recipes, networks, controls.",
        "doctor": "Say what this machine has: versions, device, arithmetic, extras; and how long it takes to score"
        " a data set.",
    },
    "Data and training": {
        "synth": "Make a data set of shapes whose every factor is known.",
        "train": "Train a GAN (WGAN-GP by default) on images without labels, or with few, and keep its critic.",
        "diagnose": "Say how trainings went: balance, gradients, mode collapse, memorising; as words and as a page.",
        "sample": "Draw images from a trained generator.",
        "settle": "Train the critics of several runs on against one bank of fakes, so that their scores agree"
        " better.",
        "article": "Run the article's experiment to the letter, and say line by line what of its report holds.",
    },
    "Critics": {
        "adapt": "Bring your own discriminator: build it, load its weights, keep it as a critic that every"
        " verb takes.",
        "check": "Look for what goes wrong with critics: batch dependence, direction, value range, dead layers.",
        "layers": "Say what can be asked of a critic: its images, its layers and their widths, what is known"
        " of its training.",
        "ensemble": "Put several trainings together: one critic that every verb takes, and how sure it is of"
        " each score.",
    },
    "Scores and features": {
        "score": "Score images: higher = more like what the critic was trained on.",
        "report": "Write a report: one HTML page that works offline, figures, and every number as JSON.",
        "outliers": "Find images unlike the training data, with a bound on the share of false alarms.",
        "cluster": "Group scores and embeddings without labels, and compare the groups with the classes.",
        "embed": "Write the critic's features of images as a table (.parquet) or an array (.npy).",
        "export": "Write scores, embedding and pictures as TensorBoard's projector, Embedding Atlas and FiftyOne open"
        " them.",
    },
    "Questions to a critic": {
        "probe": "Ask how many labels the critic's features need, beside random critics, pixels, PCA, HOG, k-means.",
        "stability": "Ask whether scores and embeddings survive a retraining: what is gauge, what is conflict,"
        " what runs agree on.",
        "trajectory": "Show how the scores of classes fall apart during a training: which pairs separate when,"
        " and which are lost.",
        "explain": "Show which pixels move the score, beside maps of randomly initialised critics, and measure"
        " them against masks.",
        "factors": "Show which factors score and embedding follow, with images whose every factor is known:"
        " colour, size, noise.",
        "arithmetic": "Ask whether A - B + C = D holds among a generator's latents, as its critic's own"
        " features see it.",
    },
}  # fmt: skip
VERBS = {verb: line for panel in PANELS.values() for verb, line in panel.items()}


@cache
def _command(verb: str) -> Any:
    """Return the command of a verb, made from its function."""
    one = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    one.command(verb, cls=Verb)(getattr(import_module(f"gan_probe.cli.{verb}"), verb))
    return typer.main.get_command(one)


class Verbs(TyperGroup):
    """The verbs; under ``--json`` a wrong use is told as the one object, too, beside the words on stderr."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        names: Any = dict.fromkeys(VERBS)
        self.commands = names  # without commands: a verb is imported when it is asked for

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of a verb, or None for another word."""
        return _command(cmd_name) if cmd_name in VERBS else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of verbs, each with its whole line."""
        for title, verbs in PANELS.items():
            with formatter.section(title):
                formatter.write_dl(list(verbs.items()))

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
            from gan_probe.cli.session import INTERRUPTED

            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # of the help: a verb's own words are its session's, which outlives its reader
            with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - pathlib takes longer to import than the help to print
                os.dup2(nowhere.fileno(), sys.stdout.fileno())
            raise typer.Exit from None
        except UsageError as error:
            if "--json" in words:
                from gan_probe.cli.session import print_record

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


def main() -> None:
    """Run the command line."""
    keep_freed_memory()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter gets its escape
    try:
        app()
    except KeyboardInterrupt:  # while the commands are put together
        from gan_probe.cli.session import INTERRUPTED

        sys.exit(INTERRUPTED)
