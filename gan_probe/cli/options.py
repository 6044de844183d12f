"""Options that several verbs share, and the words that they take."""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from gan_probe.cli.verb import EVERY
from gan_probe.errors import ConfigError, GateError, InputError
from synthetic.files import check_name_of

CriticFolder = Annotated[
    Path, typer.Argument(metavar="CRITIC", help="A run folder, a snapshot of one, a critic or an ensemble folder.")
]
DATA_HELP = (
    "A folder of images, a .npy, .npz, .parquet or .tar file, a list of paths (.csv), or pictures; several, patterns"
    " such as 'a/*.jpg', or -: paths on standard input."
)
DataPaths = Annotated[list[Path], typer.Argument(metavar="DATA", help=DATA_HELP)]
ReportFolder = Annotated[Path, typer.Option(help="The report folder to write.")]
Title = Annotated[str | None, typer.Option(help="Heading of the page.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout in place of text.", **EVERY)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.", **EVERY)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an output of the same kind.", **EVERY)]
Seed = Annotated[int, typer.Option(help="Seed of everything random.", **EVERY, min=0, max=2**32 - 1)]
Device = Annotated[str, typer.Option(help="auto (CUDA when there is one), cpu, cuda or cuda:N.", **EVERY)]
SizePx = Annotated[int | None, typer.Option("--size", help="Resize every image to a square of this many pixels.")]
Layers = Annotated[
    list[str] | None,
    typer.Option("--layer", help="Layer of the embedding (gan-probe layers CRITIC); repeatable. Default: all."),
]
Pooling = Annotated[
    str,
    typer.Option(
        help="Of each layer over the image: mean, std, max, grid4 (as in DCGAN), quadrants or pyramid; auto: what the"
        " network asks for, which is pyramid but for oriented (grid4)."
    ),
]
BatchSize = Annotated[int | None, typer.Option(help="Images at a time. Default: 32 on a CPU, 256 on a GPU.", min=1)]
Jobs = Annotated[int | None, typer.Option(help="Runs trained at a time. Default: one a core, or one a GPU.", min=1)]
TrustCode = Annotated[bool, typer.Option("--trust-code", help="Run the code that an adapted critic names.")]
SplitName = Annotated[str | None, typer.Option(help="Use only rows whose split is this.")]


def refuse_given(given: Mapping[str, object], why: str) -> None:
    """Raise `ConfigError` where options that would be passed over are given: those with a value that is not false."""
    names = [name for name, value in given.items() if value]
    if names:
        raise ConfigError(f"{' and '.join(names)}: {why}")


def command_line(*more: str) -> str:
    """Return the command that was typed, with ``more`` words where they are not there yet."""
    typed = [word for word in sys.argv[1:] if word != "--overwrite" or "--resume" not in more]
    return shlex.join(["gan-probe", *typed, *(word for word in more if word not in typed)])


def check_apart(out: Path, *inputs: Path, overwrite: bool = True) -> None:
    """Raise where an input is the folder that is written, or lies in it and would be removed with it."""
    whole = out.resolve()
    for path in inputs:
        found = path.resolve()
        if found == whole:
            raise ConfigError(f"{out} is what is read ({path}); name another folder.")
        if overwrite and found.is_relative_to(whole):
            raise ConfigError(f"{path} lies in {out}, which --overwrite would replace. Choose another --out.")


def run_names(runs: Iterable[Path]) -> dict[str, Path]:
    """Return runs by the names of their folders, or by their whole paths where those are not unique.

    Raises
    ------
    InputError
        When a run is given twice.
    """
    paths = list(runs)
    for names in ([run.resolve().name for run in paths], [str(run) for run in paths]):
        if len(set(names)) == len(names):
            return dict(zip(names, paths, strict=True))
    raise InputError("the same run is given twice.")


def check_plain(named: Mapping[str, Path]) -> None:
    """Raise unless runs go by the names of their folders, as what is beside or made of them goes by the same names."""
    for name, run in named.items():
        if name != run.resolve().name:
            raise InputError(f"two runs have the folder name {run.resolve().name}; rename one, so that they differ.")


def check_file_free(path: Path, overwrite: bool, *, suffix: str | tuple[str, ...]) -> None:
    """Raise unless a file of this kind, or of these, may be written to ``path``."""
    check_name_of(path)
    suffixes = (suffix,) if isinstance(suffix, str) else suffix
    if path.suffix not in suffixes:
        raise ConfigError(f"{path} must end in {' or '.join(suffixes)}: that is what is written.")
    if path.is_dir():
        raise FileExistsError(f"{path} is a folder; name a file.")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists. Choose another name, or replace it with --overwrite.")


def parse_settings(pairs: Iterable[str]) -> dict[str, Any]:
    """Return ``name=value`` words as a mapping; values are read as JSON where they are JSON.

    Raises
    ------
    ConfigError
        For a word without "=".

    Examples
    --------
    >>> parse_settings(["beta1=0.5", "penalty_norm=article"])
    {'beta1': 0.5, 'penalty_norm': 'article'}
    """
    settings: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"--set takes name=value, got {pair!r}.")
        try:
            settings[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            settings[name.strip()] = value
    return settings


ANY_OF = ".NAME"  # stands for what a mapping among the numbers holds, by name


def gate_names(metrics: type) -> dict[str, tuple[str, ...]]:
    """Return what of a study's metrics gates may read: of numbers nothing more, of words those that they may be.

    The study's own come first, then those of the verdict, which many studies share. Numbers by name, such as shares by
    factor, stand as ``shares.NAME``.
    """
    numbers = ("int", "float", "int | None", "float | None")
    own_first = sorted(fields(metrics), key=lambda f: f.name not in metrics.__annotations__)
    found: dict[str, tuple[str, ...]] = {f.name: () for f in own_first if f.type in numbers}
    found |= {f"{f.name}{ANY_OF}": () for f in own_first if f.type in _OF_NUMBERS}
    words = {name: get_args(kind) for name, kind in get_type_hints(metrics).items() if get_origin(kind) is Literal}
    return found | words


_OF_NUMBERS = ("dict[str, float]", "dict[str, dict[str, float | None]]", "dict[str, Any] | None")


def gate_option(metrics: type) -> Any:
    """Return the option ``--fail-if`` over a study's metrics."""
    found = gate_names(metrics)
    numbers = ", ".join(name for name, words in found.items() if not words)
    worded = "".join(f" {name}=WORD or !=WORD ({', '.join(words)})." for name, words in found.items() if words)
    shown = f"Exit with 4 when this holds. Names: {numbers}.{worded and ' Or'}{worded}"
    return typer.Option(metavar="NAME<NUMBER", help=shown)


_GATES: dict[str, Callable[[float, float], bool]] = {
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
}
_WORD_GATES: dict[str, Callable[[str, str], bool]] = {"!=": lambda a, b: a != b, "=": lambda a, b: a == b}


def check_gate(gate: str | None, metrics: Mapping[str, Any]) -> None:
    """Raise `GateError` when ``--fail-if`` holds, such as ``n_separated<42`` or ``useful=worse``.

    Raises
    ------
    GateError
        When it holds.
    """
    if gate is None:
        return
    name, sign, limit = _split(gate)
    value = _measured(name, metrics)
    if isinstance(value, Mapping):
        raise InputError(f"{name} are several numbers; name one: {', '.join(f'{name}.{key}' for key in value)}.")
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise InputError(f"{name} was not measured: the data has no classes, embeddings, or controls beside them.")
    if isinstance(value, str):
        if _WORD_GATES[sign](value, limit):
            raise GateError(f"the gate {gate!r} holds: {name} is {value}.")
    elif _GATES[sign](float(value), float(limit)):
        raise GateError(f"the gate {gate!r} holds: {name} is {value:g}.")


def _measured(name: str, metrics: Mapping[str, Any]) -> Any:
    """Return a number or word by its name, or by its way through mappings: ``shares.colour``.

    Raises
    ------
    InputError
        For a name that a mapping lacks.
    """
    if name in metrics:
        return metrics[name]
    first, dot, rest = name.partition(".")
    while dot and first not in metrics:  # names of classes may have dots, too
        more, dot, rest = rest.partition(".")
        first = f"{first}.{more}"
    inner = metrics.get(first)
    if not dot or not isinstance(inner, Mapping):
        return None
    found = _measured(rest, inner)
    if found is None and not any(rest == key or rest.startswith(f"{key}.") for key in inner):
        raise InputError(f"{first} has nothing of the name {rest!r}. Known: {', '.join(map(str, inner))}.")
    return found


def parse_gate(gate: str, names: Mapping[str, Sequence[str]]) -> tuple[str, str, str]:
    """Return (name, sign, bound) of a gate such as ``n_separated<42``.

    Raises
    ------
    ConfigError
        For a gate that cannot be read, an unknown name, or an unknown word.
    """
    name, sign, limit = _split(gate)
    if words := names.get(name):
        if sign not in _WORD_GATES or limit not in words:
            raise ConfigError(f"--fail-if takes {name}=WORD or {name}!=WORD, got {gate!r}. Words: {', '.join(words)}.")
        return name, sign, limit
    try:
        bound = float(limit)
    except ValueError:
        bound = math.nan
    is_known = name in names or f"{name.partition('.')[0]}{ANY_OF}" in names
    if sign not in _GATES or not is_known or math.isnan(bound):
        raise ConfigError(f"--fail-if takes NAME<NUMBER (or <=, >, >=), got {gate!r}. Names: {', '.join(names)}.")
    return name, sign, limit


def _split(gate: str) -> tuple[str, str, str]:
    """Return name, sign and the rest of a gate; signs of two characters are looked for first."""
    sign = next((s for s in ("<=", ">=", "!=", "<", ">", "=") if s in gate), "")
    name, _, limit = gate.partition(sign or " ")
    return name.strip(), sign, limit.strip()
