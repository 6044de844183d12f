"""Several trainings of one kind side by side: a process each, as many at a time as the machine has cores or GPUs.

A training that fails leaves the others alone. Each run folder is resumable by itself, so what is cut off goes on.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from joblib import cpu_count

from gan_probe.config import TrainConfig
from gan_probe.data.images import ImageSet, LazyImages
from gan_probe.device import memory_bytes
from gan_probe.errors import GanProbeError
from gan_probe.training.loop import train

KILLED = ": the system killed it, out of memory perhaps. Train fewer at a time (--jobs)."
OnRunStep = Callable[[Path, int, Mapping[str, float]], None]


@dataclass(frozen=True)
class Plan:
    """One of the trainings: what `train` is told beside the data."""

    out: Path
    config: TrainConfig
    origins: Mapping[str, str]
    resume: bool = False
    overwrite: bool = False


def default_jobs(n_runs: int, data: ImageSet, device: torch.device) -> int:
    """Return how many trainings run at a time: one a GPU, or one a core where as many copies of the images fit."""
    if device.type == "cuda":
        return min(n_runs, len(devices_for(device)))
    resident = 0 if isinstance(data.images, LazyImages) else data.images.nbytes
    return max(1, min(n_runs, cpu_count(), memory_bytes() // 2 // max(1, resident)))


def devices_for(device: torch.device) -> list[torch.device]:
    """Return the devices that trainings are spread over: all GPUs where none is named."""
    if str(device) == "cuda":
        return [torch.device("cuda", number) for number in range(torch.cuda.device_count())]
    return [device]


def train_several(
    data: ImageSet,
    plans: Sequence[Plan],
    *,
    jobs: int,
    device: torch.device,
    on_step: OnRunStep | None = None,
    on_end: Callable[[Path], None] | None = None,
    log: Callable[[str], None] | None = None,
) -> dict[Path, str]:
    """Train all of them, ``jobs`` at a time, and return why some failed, by their folders.

    Parameters
    ----------
    data : ImageSet
        Each process gets a copy.
    plans : sequence of Plan
    jobs : int
        With 1 everything happens in this process.
    device : torch.device
        "cuda" without a number spreads the trainings over all GPUs.
    on_step : callable, optional
        Called as ``on_step(folder, step, metrics)`` every ten steps of each.
    on_end : callable, optional
        Called with the folder of each training that came to its end, as it does.
    log : callable, optional
        Told in words how steps are taken; with one job only.
    """
    show, tell = on_step or (lambda out, step, row: None), on_end or (lambda out: None)
    if jobs == 1:
        return _one_by_one(data, plans, device, show, tell, log)
    crew = _Crew(data, list(enumerate(plans)), devices_for(device), max(1, cpu_count() // jobs))
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


def _one_by_one(
    data: ImageSet,
    plans: Sequence[Plan],
    device: torch.device,
    show: OnRunStep,
    tell: Callable[[Path], None],
    log: Callable[[str], None] | None,
) -> dict[Path, str]:
    failures = {}
    for plan in plans:
        try:
            _train(data, plan, device, lambda step, row, out=plan.out: show(out, step, row), log)  # type: ignore[misc]
            tell(plan.out)
        except (GanProbeError, OSError) as error:
            failures[plan.out] = str(error)
    return failures


def _train(
    data: ImageSet,
    plan: Plan,
    device: torch.device,
    on_step: Callable[[int, Mapping[str, float]], None],
    log: Callable[[str], None] | None = None,
) -> None:
    train(
        data,
        plan.out,
        plan.config,
        origins=plan.origins,
        resume=plan.resume,
        overwrite=plan.overwrite,
        device=device,
        on_step=on_step,
        log=log,
    )


@dataclass
class _Crew:
    """The processes that train, and what has not begun yet."""

    data: ImageSet
    waiting: list[tuple[int, Plan]]
    devices: list[torch.device]
    n_threads: int

    def __post_init__(self) -> None:
        self.at_work: dict[Connection, tuple[BaseProcess, Path]] = {}
        self.failures: dict[Path, str] = {}

    def start(self) -> None:
        number, plan = self.waiting.pop(0)
        context = multiprocessing.get_context("spawn")  # a fork of a process that computed with threads may hang
        ours, theirs = context.Pipe(duplex=False)
        device = self.devices[number % len(self.devices)]
        process = context.Process(target=_work, args=(theirs, self.data, plan, device, self.n_threads), daemon=True)
        process.start()
        theirs.close()
        self.at_work[ours] = process, plan.out

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
                what, value = (
                    "failure",
                    f"its process ended with exit code {process.exitcode}" + KILLED * (process.exitcode == -9),
                )
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
            process.join()


def _work(pipe: Connection, data: ImageSet, plan: Plan, device: torch.device, n_threads: int) -> None:
    """Train in a process of its own; a broken pipe, when the first process is gone, ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process is interrupted, and stops the others
    torch.set_num_threads(n_threads)
    try:
        _train(data, plan, device, lambda step, row: pipe.send(("step", (step, dict(row)))))
    except BrokenPipeError:
        return
    except (GanProbeError, OSError) as error:
        pipe.send(("failure", str(error)))
    else:
        pipe.send(("end", None))
