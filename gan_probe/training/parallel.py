"""Several trainings side by side: a process each, as many at a time as the machine has cores or GPUs.

A training that fails leaves the others alone; under torchrun, where all processes take part in each, it ends all of
them, if not each knows of it. Each run folder is resumable by itself, so what is cut off goes on.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from gan_probe.device import cpu_count, memory_bytes
from gan_probe.ending import TERMINATED, UNDERSTOOD, Terminated, in_words, terminable
from gan_probe.errors import ConfigError
from gan_probe.images.image_set import ImageSet, LazyImages
from gan_probe.training.loop import DivergedError
from gan_probe.training.ranks import is_shared

KILLED = ": the system killed it, out of memory perhaps. Run fewer at a time (--jobs)."
ENDED = ": it was ended from outside (SIGTERM)."

PATIENCE_S = 20.0  # for a process that was told to end: it comes to the end of a step first

Task = Callable[..., Any]  # picklable; called with on_step=, which it calls with a step and its metrics
OnTaskStep = Callable[[Path, int, Mapping[str, float]], None]


def default_jobs(n_tasks: int, data: ImageSet, device: torch.device) -> int:
    """Return how many trainings run at a time: one a GPU, or one a core where the images fit into half of the memory.

    Each holds them twice, as they were sent and as they are split, and this process once.
    """
    if device.type == "cuda":
        return min(n_tasks, len(devices_for(device)))
    resident = 0 if isinstance(data.images, LazyImages) else data.images.nbytes
    return max(1, min(n_tasks, cpu_count(), (memory_bytes() // 2 // max(1, resident) - 1) // 2))


def devices_for(device: torch.device) -> list[torch.device]:
    """Return the devices that trainings are spread over: all GPUs where none is named."""
    if str(device) == "cuda":
        return [torch.device("cuda", number) for number in range(torch.cuda.device_count())]
    return [device]


@contextmanager
def with_threads_of(jobs: int) -> Iterator[None]:
    """Run a block with as many threads as each of so many trainings at a time has."""
    before = torch.get_num_threads()
    try:
        if jobs > 1:
            torch.set_num_threads(max(1, cpu_count() // jobs))
        yield
    finally:
        torch.set_num_threads(before)


def side_by_side(
    tasks: Mapping[Path, Task],
    *,
    jobs: int,
    on_step: OnTaskStep | None = None,
    on_end: Callable[[Path], None] | None = None,
) -> dict[Path, str]:
    """Do all tasks, ``jobs`` at a time, and return why some failed, by their folders.

    Parameters
    ----------
    tasks : mapping of path to callable
        By the folder that each writes: such as a ``functools.partial`` of `gan_probe.training.train`.
    jobs : int
        With 1 everything happens in this process.
    on_step : callable, optional
        Called as ``on_step(folder, step, metrics)`` every ten steps of each.
    on_end : callable, optional
        Called with the folder of each task that came to its end, as it does.
    """
    show, tell = on_step or (lambda out, step, row: None), on_end or (lambda out: None)
    if jobs == 1:
        return _one_by_one(tasks, show, tell)
    crew = _Crew(list(tasks.items()), max(1, cpu_count() // jobs))
    try:
        while crew.waiting or crew.at_work:
            while crew.waiting and len(crew.at_work) < jobs:
                crew.start()
            for out, what, value in crew.news():
                if what == "step":
                    show(out, *value)
                elif what == "end":
                    tell(out)
    finally:
        crew.stop()
    return crew.failures


def _one_by_one(tasks: Mapping[Path, Task], show: OnTaskStep, tell: Callable[[Path], None]) -> dict[Path, str]:
    failures = {}
    for out, task in tasks.items():
        try:
            task(on_step=lambda step, row, out=out: show(out, step, row))
        except UNDERSTOOD as error:
            if is_shared() and not isinstance(error, (DivergedError, ConfigError)):
                raise  # the other processes may know nothing of it: all end, and go on with --resume
            failures[out] = _words_of(error)
        else:
            tell(out)
    return failures


def _words_of(error: Exception) -> str:
    """Return what went wrong in words; raise a bug again."""
    words = in_words(error)
    if words is None:
        raise error
    return words


def _context() -> Any:
    """Return what makes processes: forks of one that has imported all they need and computed nothing.

    A fork of this process, which computed with threads, may hang; a process from nothing imports for seconds.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["gan_probe.training", "torch._dynamo"])  # the latter by torch's optimisers
    return context


@dataclass
class _Crew:
    """The processes at work, and what has not begun yet."""

    waiting: list[tuple[Path, Task]]
    n_threads: int

    def __post_init__(self) -> None:
        self.at_work: dict[Connection, tuple[BaseProcess, Path]] = {}
        self.failures: dict[Path, str] = {}

    def start(self) -> None:
        out, task = self.waiting.pop(0)
        context = _context()
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(theirs, task, self.n_threads), daemon=True)
        process.start()
        theirs.close()
        self.at_work[ours] = process, out

    def news(self) -> list[tuple[Path, str, Any]]:
        """Wait for something to happen; return it as (folder, "step" | "end" | "failure", what about it)."""
        found = []
        for pipe in wait(list(self.at_work)):
            assert isinstance(pipe, Connection)
            process, out = self.at_work[pipe]
            try:
                what, value = pipe.recv()
            except EOFError:
                process.join()
                if process.exitcode == 1:
                    raise RuntimeError(f"the process of {out} failed; what it says stands above") from None
                what, value = "failure", f"its process ended with exit code {process.exitcode}"
                value += KILLED if process.exitcode == -signal.SIGKILL else ""
                value += ENDED if process.exitcode in (TERMINATED, -signal.SIGTERM) else ""
            if what != "step":
                del self.at_work[pipe]
                process.join()
            if what == "failure":
                self.failures[out] = value
            found.append((out, what, value))
        return found

    def stop(self) -> None:
        """End what still runs; checkpoints are written atomically, so nothing is lost."""
        for process, _ in self.at_work.values():
            process.terminate()
        for process, _ in self.at_work.values():
            process.join(PATIENCE_S)
            process.kill()  # where it heeds nothing
            process.join()


def _work(pipe: Connection, task: Task, n_threads: int) -> None:
    """Do a task in a process of its own; a broken pipe, when the first process is gone, ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process is interrupted, and stops the others
    torch.set_num_threads(n_threads)
    try:
        with terminable():
            task(on_step=lambda step, row: pipe.send(("step", (step, dict(row)))))
            pipe.send(("end", None))
    except BrokenPipeError:
        return
    except Terminated:
        pass  # and with it go the frames that it holds, whose clean-up is still to run
    except UNDERSTOOD as error:
        pipe.send(("failure", _words_of(error)))
        return
    else:
        return
    raise SystemExit(TERMINATED)
