"""What every command shares: options, progress on stderr, results on stdout, exit codes."""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import time
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from gan_probe.cli.verb import MANNER
from gan_probe.ending import TERMINATED, Terminated, exit_code, in_words, terminable
from gan_probe.errors import GateError, InputError
from gan_probe.text import visible

SCHEMA = "gan_probe.command/1"
IN_A_PIPE = 1000  # characters: wider than any table, so that nothing is cut or wrapped
OK, BUG, USAGE, SKIPPED, INTERRUPTED = 0, 1, 2, 5, 130
FIRST_LINE_AFTER_S, PLAIN_LINE_EVERY_S = 2.0, 10.0
MARK_EVERY_S, LATELY_S = 1.0, 60.0  # how often progress is noted down, and how far back its speed is taken from


class Done(Exception):
    """Ends a command early, successfully."""


class Voice(Console):
    """A console that outlives its reader: where the pipe is closed or the disk full, what is left to say goes nowhere.

    The work is what counts, and it goes on.
    """

    lost: OSError | None = None

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, or remember why it could not be printed."""
        try:
            super().print(*objects, **options)
        except OSError as error:
            self.give_up(error)

    def on_broken_pipe(self) -> None:
        """Go on: ``gan-probe ... | head`` is no reason to leave work undone."""
        self.give_up(BrokenPipeError())

    def give_up(self, error: OSError) -> None:
        """Say nothing more; what lies in buffers goes nowhere, too."""
        self.lost, self.quiet = self.lost or error, True
        with suppress(OSError, ValueError):  # a stream without a descriptor
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.file.fileno())
            os.close(nowhere)


class Update(Protocol):
    """Takes down how far work is."""

    def __call__(self, done: int, note: str, found: int = 0) -> None:
        """Tell what is done, and of that what was ``found`` done, by an earlier call that this one goes on with."""


class Speed:
    """How fast work goes of late, from what was noted of it; times are seconds of any clock.

    Parameters
    ----------
    begun : float
        When it began.
    done : int
        What was done then, by an earlier call.
    """

    def __init__(self, begun: float, done: int = 0) -> None:
        self._begun = begun
        self._marks = deque([(begun, done)])  # when how much was done
        self._latest = self._marks[0]

    def note(self, now: float, done: int) -> None:
        """Take down what is done by now."""
        self._latest = now, done
        if len(self._marks) == 1 or now - self._marks[-1][0] >= MARK_EVERY_S:
            self._marks.append(self._latest)

    def seconds_left(self, now: float, total: int) -> float | None:
        """Return how long the rest takes if it goes as fast, what is under way counted; None where nothing is done.

        What precedes the first item, as a start, counts for it alone.
        """
        while len(self._marks) > 2 and (self._marks[0][0] == self._begun or self._marks[1][0] < now - LATELY_S):
            self._marks.popleft()
        (then, before), (last, done) = self._marks[0], self._latest
        if done <= before:
            return None
        return max((last - then) / (done - before) * (total - done) - (now - last), 0.0)


class _Lines:
    """Progress where there is no terminal: a line after two seconds, one every ten, and one at the end of long work.

    They come on time also while nothing ends: a thread writes them.
    """

    def __init__(self, log: Callable[[str], None], text: str, total: int | None) -> None:
        self._log, self._text, self._note, self._said = log, text, "", False
        self.begin(total)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def begin(self, total: int | None) -> None:
        """Count from here, up to a total where it is known."""
        self._begun, self._total, self._done = time.perf_counter(), total, 0
        self._found = 0  # of what is done, by an earlier call: no sign of how fast this one is
        self._speed = Speed(self._begun)

    def update(self, done: int, note: str, found: int = 0) -> None:
        """Take down how far the work is; the last part is told at once, where a line came before it."""
        if found != self._found:
            self._found, self._speed = found, Speed(self._begun, found)
        self._done, self._note = done, note
        self._speed.note(time.perf_counter(), done)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        if self._said and self._done:
            self._log(self._line())

    def _tick(self) -> None:
        wait = FIRST_LINE_AFTER_S
        while not self._ended.wait(wait):
            wait, self._said = PLAIN_LINE_EVERY_S, True
            self._log(self._line(time.perf_counter()))

    def _line(self, now: float | None = None) -> str:
        """Return how far the work is; of work under way with the seconds that are left, if the rest goes as fast."""
        if now is not None and not self._total and not self._done:
            return f"{self._text}: {now - self._begun:.0f} s so far"
        of = f" of {self._total}" if self._total else ""
        left = ""
        if now is not None and self._total and self._done < self._total:
            seconds = self._speed.seconds_left(now, self._total)
            left = "" if seconds is None else f", about {seconds:.0f} s left"
        return f"{self._text}: {self._done}{of}{left} {self._note}".rstrip()


class _Bar:
    """Progress on a terminal."""

    def __init__(self, bar: Progress, text: str, total: int | None) -> None:
        self._bar, self._task, self._found = bar, bar.add_task(text, total=total, note=""), 0

    def begin(self, total: int | None) -> None:
        """Count from here, up to a total where it is known."""
        self._bar.reset(self._task, total=total)

    def update(self, done: int, note: str, found: int = 0) -> None:
        """Show how far the work is."""
        if found != self._found:  # the speed is measured from there
            self._bar.reset(self._task, completed=done - 1)
            self._found = found
        self._bar.update(self._task, completed=done, note=visible(note, keep=""))


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
        self._manner = MANNER.get()
        self._stdout, self._stderr = Voice(soft_wrap=True, highlight=False), Voice(stderr=True, highlight=False)
        if not self._stdout.is_terminal:
            self._stdout.width = IN_A_PIPE
        self._until_the_end, self._until_a_word = ExitStack(), ExitStack()

    # --- talking ---

    def say(self, text: str) -> None:
        """Print a result on stdout (not under ``--json``)."""
        self._until_a_word.close()
        if not self.as_json and not self.quiet:
            self._stdout.print(visible(text), markup=False)

    def log(self, text: str) -> None:
        """Print news of the work on stderr."""
        if not self._manner.quiet:
            self._tell(text)

    def _tell(self, text: str) -> None:
        self._until_a_word.close()
        if not self.quiet:
            self._stderr.print(visible(text), markup=False, soft_wrap=True)

    def show(self, table: Any) -> None:
        """Print a rich table on stdout (not under ``--json``)."""
        self._until_a_word.close()
        if not self.as_json:
            self._stdout.print(table)

    def warn(self, texts: Iterable[str]) -> None:
        """Print warnings on stderr and keep them for ``--json``."""
        for text in texts:
            self.warnings.append(text)
            self._tell(f"warning: {text}")

    @contextmanager
    def _hearing_libraries(self) -> Iterator[None]:
        """Pass on what libraries warn of, such as Pillow of a damaged tag, as warnings of the command."""

        def heard(message: Warning | str, category: type[Warning], filename: str, *_: object) -> None:
            places = Path(filename).parts
            name = places[places.index("site-packages") + 1] if "site-packages" in places[:-1] else Path(filename).stem
            self.warn([f"{Path(name).stem} says: {' '.join(str(message).split())}"])

        usual = warnings.showwarning
        warnings.showwarning = heard  # type: ignore[assignment] # its last two are where and which line
        try:
            yield
        finally:
            warnings.showwarning = usual

    def plan(self, dry_run: bool, steps: Mapping[str, Any]) -> None:
        """Under ``--dry-run`` print what would be done and end the command."""
        if dry_run:
            self.metrics["plan"] = {k: str(v) for k, v in steps.items()}
            self.say("\n".join(f"{name}: {value}" for name, value in steps.items()))
            raise Done

    def hold(self, out: Path) -> None:
        """Keep other writers of ``out`` away until the command ends.

        Raises
        ------
        InUseError
            When another command writes there: which one.
        """
        from synthetic.files import hold

        self._until_the_end.enter_context(hold(out))

    @contextmanager
    def progress(self, text: str, total: int | None = None) -> Iterator[Update]:
        """Yield ``update``: a bar on a terminal, lines elsewhere; both with the time that is left, once known."""
        with self._shown(text, total) as shown:
            yield shown.update

    @contextmanager
    def _shown(self, text: str, total: int | None) -> Iterator[_Bar | _Lines]:
        self._until_a_word.close()
        if self._stderr.is_terminal and not (self.quiet or self._manner.quiet):
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}", markup=False),
            )
            with Progress(*columns, console=self._stderr) as bar:
                yield _Bar(bar, text, total)
            return
        with _Lines(self.log, text, total) as lines:
            yield lines

    @contextmanager
    def each(self, text: str, then: str = "") -> Iterator[Callable[[Iterable[Any]], Iterable[Any]]]:
        """Yield a wrapper that shows progress over an iterable, with a total where its length is known.

        What is done before and after the items is shown as well; ``then`` says what comes after them.
        """
        with self._shown(text, None) as shown:

            def wrap(items: Iterable[Any]) -> Iterable[Any]:
                shown.begin(len(items) if isinstance(items, Sized) else None)
                number = 0
                for number, item in enumerate(items, start=1):
                    yield item
                    shown.update(number, "")
                shown.update(number, then)

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
        from gan_probe.training.loop import REPORT_EVERY
        from gan_probe.training.parallel import side_by_side

        done, results = dict.fromkeys(tasks, 0), dict[Path, dict[str, Any]]()
        found = dict[Path, int]()
        with self.progress(text, steps * len(tasks)) as update:

            def show() -> None:
                note = f"steps, {len(results)} of {len(tasks)} runs done"
                update(sum(done.values()), note, sum(found.values()))

            def on_step(out: Path, step: int, row: Mapping[str, float]) -> None:
                done[out] = step
                found.setdefault(out, max(0, step - REPORT_EVERY))
                show()

            def on_end(out: Path) -> None:
                done[out], results[out] = steps, tell(out)
                found.setdefault(out, steps)
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
        self._until_the_end.enter_context(terminable())
        self._until_the_end.enter_context(self._hearing_libraries())
        if not (self.quiet or self._manner.quiet):  # torch takes seconds to import, more where others work
            self._until_a_word.enter_context(_Lines(self._starting, "starting", None))
        return self

    def _starting(self, text: str) -> None:
        """Print that the work has not begun yet; this word ends no waiting for the first."""
        self._stderr.print(text, markup=False, soft_wrap=True)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        self._until_a_word.close()
        try:
            self._until_the_end.close()
        except KeyboardInterrupt as late:  # it waited until everything was cleaned up
            error = late
        if error is None or isinstance(error, Done):
            self._finish("ok" if not self.n_skipped else "skipped", SKIPPED if self.n_skipped else OK)
        elif isinstance(error, typer.Exit | SystemExit | typer.BadParameter):
            return False
        elif isinstance(error, Terminated):
            self._fail(f"ended from outside (SIGTERM). {self.resume_hint}".strip(), "interrupted", TERMINATED)
        elif isinstance(error, KeyboardInterrupt):
            self._fail(f"interrupted. {self.resume_hint}".strip(), "interrupted", INTERRUPTED)
        elif words := in_words(error):
            if self._manner.verbose:
                traceback.print_exception(error, file=sys.stderr)
            self._fail(words, "gate" if isinstance(error, GateError) else "error", exit_code(error))
        else:
            traceback.print_exception(error, file=sys.stderr)
            self._fail(f"{kind.__name__ if kind else ''}: {error}. This is a bug in gan-probe.", "bug", BUG)
        return True

    def _fail(self, message: str, status: str, code: int) -> None:
        if not (self.quiet and code in (INTERRUPTED, TERMINATED)):
            self._stderr.print(visible(f"error: {message}"), markup=False, soft_wrap=True)
        self.metrics["error"] = message
        self._finish(status, code)

    def _finish(self, status: str, code: int) -> None:
        if self.as_json and not self.quiet:
            try:
                print_record(self.command, status, self.outputs, metrics=self.metrics, warnings=self.warnings)
            except OSError as error:
                self._stdout.give_up(error)
        if (lost := self._stdout.lost) and not isinstance(lost, BrokenPipeError):
            self._stderr.print(f"error: stdout: {in_words(lost)}", markup=False, soft_wrap=True)
            code = code or exit_code(lost)
        if code:
            raise typer.Exit(code)


def print_record(
    command: str,
    status: str,
    outputs: Mapping[str, str],
    *,
    metrics: Mapping[str, Any],
    warnings: Iterable[str] = (),
) -> None:
    """Print the one object of ``--json``."""
    record = {
        "schema": SCHEMA,
        "command": command,
        "status": status,
        "outputs": dict(outputs),
        "metrics": dict(metrics),
        "warnings": list(warnings),
    }
    print(json.dumps(_finite(record), default=str, allow_nan=False), flush=True)  # noqa: T201 (the result)


def _finite(value: Any) -> Any:
    """Return plain data in which numbers that are not finite are None, as JSON has no word for them."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
