"""What every verb takes beside its own options, once: -o, -q, -v, --config, and the words of older versions."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

EVERY_VERB = "Shared options"
EVERY: Any = {"rich_help_panel": EVERY_VERB}  # where the help shows options that verbs share
USABLE = (0, 4, 5)  # exit codes of commands that left a result
KEPT = "# what a command of gan-probe used"  # how the file beside a result begins
# Words that options had in 0.1.0, by verb: they work for one release more, each with a note.
OLD_WORDS = {
    "ensemble": {"--panel": "--data"},
    "explain": {"--steps": "--points"},
    "outliers": {"--reference": "--reals"},
    "stability": {"--step": "--snapshot"},
    "adapt": {"--labels": "--label-form"},
}


@dataclass(frozen=True)
class Manner:
    """How a command talks: ``quiet`` says results, warnings and errors only, ``verbose`` shows where errors arose."""

    quiet: bool = False
    verbose: bool = False


PLAIN = Manner()
MANNER: ContextVar[Manner] = ContextVar("manner", default=PLAIN)


@cache
def _options() -> list[Any]:
    """Return the options that every verb has, as typer makes them of a function's parameters."""
    one = typer.Typer(add_completion=False, rich_markup_mode=None)
    one.command()(_everywhere)
    return [option for option in typer.main.get_command(one).params if option.name != "help"]


def _everywhere(
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="No progress: results, warnings and errors only.", **EVERY),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="With an error, show where it came about.", **EVERY),
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.toml",
            help="Read options and arguments from it, by name, or from its table of the verb's name; what is typed"
            " counts more. All that was used is written to OUT.toml.",
            **EVERY,
        ),
    ] = None,
) -> None:
    """Hold the options that every verb has."""


class Verb(TyperCommand):
    """A verb: its help in parts, and what every verb takes."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        for param in self.params:
            if param.name == "out":
                param.opts[:] = dict.fromkeys(["-o", *param.opts])
        if any(name.endswith("_COMPLETE") for name in os.environ):  # a shell asks: nobody else waits for the words
            from gan_probe.cli.words import completion

            for param in self.params:
                param._custom_shell_complete = completion(str(self.name), param.name) or param._custom_shell_complete
        self.params += _options()

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options, those of every verb last."""
        panels: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], EVERY_VERB: []}
        for param in self.get_params(ctx):
            told = param.get_help_record(ctx)
            if told is not None:
                is_argument = param.param_type_name == "argument"
                title = "Arguments" if is_argument else getattr(param, "rich_help_panel", None) or "Options"
                named = re.sub(r"<list\[(\w+)\]>", lambda kind: f"<{kind[1].lower()}>", told[0])  # one word of several
                panels[EVERY_VERB if param.name == "help" else title].append((named, told[1]))
        for title, rows in panels.items():
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words that were typed; those of a file stand behind them."""
        words = _renamed(str(self.name), args)
        file = _word_after("--config", words)
        if file is not None and "--help" not in words:
            ctx.default_map = {**(ctx.default_map or {}), **self._settings(Path(file))}
        return super().parse_args(ctx, words)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb in the manner that was asked for."""
        config, manner = ctx.params.pop("config"), Manner(ctx.params.pop("quiet"), ctx.params.pop("verbose"))
        token = MANNER.set(manner)
        given = dict(ctx.params)
        try:
            found = super().invoke(ctx)
        except typer.Exit as ended:
            if ended.exit_code in USABLE:
                self._keep(config, given)
            raise
        finally:
            MANNER.reset(token)
        self._keep(config, given)
        return found

    def _settings(self, file: Path) -> dict[str, Any]:
        """Return what a file says of this verb, by the names of parameters: in its table, and outside of all tables.

        Raises
        ------
        BadParameter
            For a file that cannot be read, and for an unknown name of an option or a table, with the nearest.
        """
        import tomllib

        from gan_probe.cli.app import VERBS
        from gan_probe.errors import ConfigError
        from gan_probe.names import check_name
        from gan_probe.records import regular

        try:
            record = tomllib.loads(regular(file).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise typer.BadParameter(f"--config {file} cannot be read as TOML: {error}") from error
        tables = {name: value for name, value in record.items() if isinstance(value, dict)}
        found = {name: value for name, value in record.items() if name not in tables} | tables.get(str(self.name), {})
        params = self._params_by_name()
        try:
            for name in tables:
                check_name("verb", name, VERBS)
            for name in found:
                check_name("option", name.replace("_", "-"), params)
        except ConfigError as error:
            raise typer.BadParameter(f"--config {file}: {error}") from error
        given = ((params[name.replace("_", "-")], value) for name, value in found.items())
        return {p.name: [v] if isinstance(v, str) and _takes_several(p) else v for p, v in given}

    def _params_by_name(self) -> dict[str, Any]:
        """Return what a file may name: options as they are typed, arguments as the help shows them."""
        found = {}
        for param in self.params:
            if param.name not in ("help", "config"):
                longs = [word for word in param.opts if word.startswith("--")]
                found[longs[0].removeprefix("--") if longs else param.name.replace("_", "-")] = param
        return found

    def _keep(self, config: Path | None, given: Mapping[str, Any]) -> None:
        """Write beside the result all that was used, where a file gave some of it; a file of the user's stays."""
        from synthetic.files import write_atomically

        out = given.get("out")
        if config is None or out is None or not Path(out).exists() or given.get("dry_run"):
            return
        file = Path(out).with_name(f"{Path(out).name}.toml")
        if file.exists() and not file.read_bytes().startswith(KEPT.encode()):
            print(f"warning: {file} is not ours and stays: what this command used was not written.", file=sys.stderr)  # noqa: T201
            return
        lines = [KEPT, f"[{self.name}]"]
        for name, param in self._params_by_name().items():
            value = given.get(param.name)
            if value is not None and param.name not in ("overwrite", "json", "dry_run"):
                lines.append(f"{name} = {_toml(value)}")
        write_atomically(file, "\n".join(lines) + "\n")


def _takes_several(param: Any) -> bool:
    return param.nargs == -1 or bool(getattr(param, "multiple", False))


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _word_after(option: str, words: Sequence[str]) -> str | None:
    """Return the value of an option among words, or None."""
    for place, word in enumerate(words):
        if word == option:
            return next(iter(words[place + 1 :]), None)
        if word.startswith(f"{option}="):
            return word.removeprefix(f"{option}=")
    return None


def _renamed(verb: str, words: Sequence[str]) -> list[str]:
    """Return words with those of older versions by their new names, each with a note on stderr."""
    known, found = OLD_WORDS.get(verb, {}), []
    for word in words:
        name, equals, value = word.partition("=")
        if name in known:
            print(f"note: {name} is {known[name]} now; the old word goes with 0.3.", file=sys.stderr)  # noqa: T201
            word = f"{known[name]}{equals}{value}"
        found.append(word)
    return found
