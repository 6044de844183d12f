"""What every command shares: options, progress on stderr, results on stdout, exit codes."""

from __future__ import annotations

import json
import math
import shlex
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from gan_probe.errors import ConfigError, GanProbeError, GateError, InputError
from synthetic.errors import SpecError

SCHEMA = "gan_probe.command/1"
OK, BUG, BAD_INPUT, SKIPPED, INTERRUPTED = 0, 1, 3, 5, 130
PLAIN_LINE_EVERY_S = 10.0

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout in place of text.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an output of the same kind.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.", min=0, max=2**32 - 1)]
Device = Annotated[str, typer.Option(help="auto (CUDA when there is one), cpu, cuda or cuda:N.")]
SizePx = Annotated[int | None, typer.Option("--size", help="Resize every image to a square of this many pixels.")]
Jobs = Annotated[int | None, typer.Option(help="Runs trained at a time. Default: one a core, or one a GPU.", min=1)]
TrustCode = Annotated[bool, typer.Option("--trust-code", help="Run the code that an adapted critic names.")]
Split = Annotated[str | None, typer.Option(help="Use only rows whose split is this.")]


class Done(Exception):
    """Ends a command early, successfully."""


@dataclass
class Session:
    """One command: a context that turns errors into messages and exit codes.

    Attributes
    ----------
    command : str
        The verb.
    as_json : bool
        Print one object in place of text.
    outputs, metrics : dict
        What `--json` prints: paths, and numbers.
    warnings : list of str
    n_skipped : int
        Items left out; above zero the exit code is 5.
    quiet : bool
        Print errors only: for all but the first of several processes.
    """

    command: str
    as_json: bool = False
    outputs: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    n_skipped: int = 0
    resume_hint: str = ""
    quiet: bool = False

    def __post_init__(self) -> None:
        self._stdout, self._stderr = Console(soft_wrap=True, highlight=False), Console(stderr=True, highlight=False)

    # --- talking ---

    def say(self, text: str) -> None:
        """Print a result on stdout (not under ``--json``)."""
        if not self.as_json and not self.quiet:
            self._stdout.print(text, markup=False)

    def log(self, text: str) -> None:
        """Print news of the work on stderr."""
        if self.quiet:
            return
        self._stderr.print(text, markup=False, soft_wrap=True)

    def show(self, table: Any) -> None:
        """Print a rich table on stdout (not under ``--json``)."""
        if not self.as_json:
            self._stdout.print(table)

    def warn(self, texts: Iterable[str]) -> None:
        """Print warnings on stderr and keep them for ``--json``."""
        for text in texts:
            self.warnings.append(text)
            self.log(f"warning: {text}")

    def plan(self, dry_run: bool, steps: Mapping[str, Any]) -> None:
        """Under ``--dry-run`` print what would be done and end the command."""
        if dry_run:
            self.metrics["plan"] = {k: str(v) for k, v in steps.items()}
            self.say("\n".join(f"{name}: {value}" for name, value in steps.items()))
            raise Done

    @contextmanager
    def progress(self, text: str, total: int | None = None) -> Iterator[Callable[[int, str], None]]:
        """Yield ``update(n_done, note)``: a bar on a terminal, a line every ten seconds elsewhere."""
        if self._stderr.is_terminal and not self.quiet:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
            )
            with Progress(*columns, console=self._stderr) as bar:
                task = bar.add_task(text, total=total, note="")
                yield lambda done, note: bar.update(task, completed=done, note=note)
            return
        last = time.perf_counter()

        def line(done: int, note: str) -> None:
            nonlocal last
            if time.perf_counter() - last >= PLAIN_LINE_EVERY_S or done == total:
                last = time.perf_counter()
                self.log(f"{text}: {done}{f' of {total}' if total else ''} {note}".rstrip())

        yield line

    @contextmanager
    def each(self, text: str) -> Iterator[Callable[[Iterable[Any]], Iterable[Any]]]:
        """Yield a wrapper that shows progress over an iterable."""
        with self.progress(text) as update:

            def wrap(items: Iterable[Any]) -> Iterable[Any]:
                for number, item in enumerate(items, start=1):
                    yield item
                    update(number, "")

            yield wrap

    def side_by_side(
        self,
        text: str,
        tasks: Mapping[Path, Callable[..., Any]],
        *,
        jobs: int,
        steps: int,
        tell: Callable[[Path], dict[str, Any]],
    ) -> dict[Path, dict[str, Any]]:
        """Do tasks of ``steps`` steps each, ``jobs`` at a time; return what ``tell`` says of each that ended, in order.

        Failed ones become warnings and count as skipped.

        Raises
        ------
        InputError
            When every one failed.
        """
        from gan_probe.training.parallel import side_by_side

        done, results = dict.fromkeys(tasks, 0), dict[Path, dict[str, Any]]()
        with self.progress(text, steps * len(tasks)) as update:

            def show() -> None:
                update(sum(done.values()), f"steps, {len(results)} of {len(tasks)} runs done")

            def on_step(out: Path, step: int, row: Mapping[str, float]) -> None:
                done[out] = step
                show()

            def on_end(out: Path) -> None:
                done[out], results[out] = steps, tell(out)
                show()

            failures = side_by_side(tasks, jobs=jobs, on_step=on_step, on_end=on_end)
        if len(failures) == len(tasks):
            raise InputError(f"every run failed; the first: {next(iter(failures.values()))}")
        self.warn(f"{out.name} failed, the others went on: {why}" for out, why in failures.items())
        if failures:
            self.log(self.resume_hint)
        self.n_skipped += len(failures)
        return {out: results[out] for out in tasks if out in results}

    # --- ending ---

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if error is None or isinstance(error, Done):
            self._finish("ok" if not self.n_skipped else "skipped", SKIPPED if self.n_skipped else OK)
        elif isinstance(error, typer.Exit | SystemExit | typer.BadParameter):
            return False
        elif isinstance(error, KeyboardInterrupt):
            self._fail(f"interrupted. {self.resume_hint}".strip(), "interrupted", INTERRUPTED)
        elif isinstance(error, GanProbeError):
            self._fail(str(error), "gate" if isinstance(error, GateError) else "error", error.exit_code)
        elif isinstance(error, SpecError | FileExistsError):
            self._fail(str(error), "error", BAD_INPUT)
        elif isinstance(error, OSError):
            where = f"{error.filename}: " if error.filename else ""
            self._fail(
                f"{where}{error.strerror or error}. Check the path, its permissions and the free space.",
                "error",
                BAD_INPUT,
            )
        elif isinstance(error, MemoryError):
            self._fail("out of memory. Use fewer or smaller images, or a smaller --batch-size.", "error", BAD_INPUT)
        else:
            traceback.print_exception(error, file=sys.stderr)
            self._fail(f"{kind.__name__ if kind else ''}: {error}. This is a bug in gan-probe.", "bug", BUG)
        return True

    def _fail(self, message: str, status: str, code: int) -> None:
        if not (self.quiet and code == INTERRUPTED):
            self._stderr.print(f"error: {message}", markup=False, soft_wrap=True)
        self.metrics["error"] = message
        self._finish(status, code)

    def _finish(self, status: str, code: int) -> None:
        if self.as_json and not self.quiet:
            record = {
                "schema": SCHEMA,
                "command": self.command,
                "status": status,
                "outputs": self.outputs,
                "metrics": self.metrics,
                "warnings": self.warnings,
            }
            print(json.dumps(_finite(record), default=str, allow_nan=False))  # noqa: T201 (this is the result)
        if code:
            raise typer.Exit(code)


def _finite(value: Any) -> Any:
    """Return plain data in which numbers that are not finite are None, as JSON has no word for them."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def command_line(*more: str) -> str:
    """Return the command that was typed, with ``more`` words where they are not there yet."""
    typed = [word for word in sys.argv[1:] if word != "--overwrite" or "--resume" not in more]
    return shlex.join(["gan-probe", *typed, *(word for word in more if word not in typed)])


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


def check_file_free(path: Path, overwrite: bool, *, suffix: str) -> None:
    """Raise unless a file of this kind may be written to ``path``."""
    if path.suffix != suffix:
        raise ConfigError(f"{path} must end in {suffix}: that is what is written.")
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


_GATES: dict[str, Callable[[float, float], bool]] = {
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
}


def check_gate(gate: str | None, metrics: Mapping[str, Any]) -> None:
    """Raise `GateError` when ``--fail-if`` holds, such as ``n_separated<42``.

    Raises
    ------
    GateError
        When it holds.
    """
    if gate is not None:
        name, sign, bound = parse_gate(gate, metrics)
        if _GATES[sign](float(metrics[name]), bound):
            raise GateError(f"the gate {gate!r} holds: {name} is {metrics[name]:g}.")


def parse_gate(gate: str, names: Iterable[str]) -> tuple[str, str, float]:
    """Return (name, sign, bound) of a gate such as ``n_separated<42``.

    Raises
    ------
    ConfigError
        For a gate that cannot be read, or an unknown name.
    """
    sign = next((s for s in _GATES if s in gate), "")
    name, _, limit = gate.partition(sign or " ")
    try:
        bound = float(limit)
    except ValueError:
        bound = math.nan
    if not sign or name.strip() not in set(names) or math.isnan(bound):
        raise ConfigError(f"--fail-if takes NAME<NUMBER (or <=, >, >=), got {gate!r}. Names: {', '.join(names)}.")
    return name.strip(), sign, bound
