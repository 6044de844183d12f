"""Who passes images through critics, and where: everything that is scored or embedded goes through an engine.

To add one: a class with `Engine.run` and `Engine.each`, and a row in ``ENGINES``. An engine reads each batch once,
whatever the number of critics, and gives scores and features of each from one forward pass. Work that is cut into
pieces (`gan_probe.scoring.sharded`) is given to `Engine.each`: here, to processes, or to the machines of a cluster.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import torch

from gan_probe.config import POOLING
from gan_probe.critics.critic import Critic, Forward
from gan_probe.critics.features import check_pooling
from gan_probe.device import batch_size_for, cpu_count
from gan_probe.ending import TERMINATED, Terminated, terminable
from gan_probe.errors import ConfigError, MissingError
from gan_probe.images.image_set import LazyImages
from gan_probe.images.pixels import to_network
from gan_probe.types import Images, Progress

TRIES = 5  # of one piece of work whose process dies
LOST = "its process ended {n} times before it was done, the last time with exit code {code}; out of memory perhaps."

T = TypeVar("T")
Task = Callable[[T], str]  # picklable; returns nothing, or why it failed


class Wanted(NamedTuple):
    """What is asked of each critic beside its scores.

    ``layers`` are those of the features: None, all of each critic's own; empty, no features.
    """

    layers: Sequence[str] | None = ()
    pooling: str = POOLING

    def layers_of(self, critic: Critic) -> tuple[str, ...]:
        """Return the layers of one critic; none where it shows none and none was named."""
        if self.layers is None:
            return critic.config.layers
        return critic.chosen_layers(self.layers) if self.layers else ()


SCORES = Wanted()


@runtime_checkable
class Engine(Protocol):
    """Passes images through critics."""

    def run(
        self,
        critics: Sequence[Critic],
        images: Images | LazyImages,
        wanted: Wanted = SCORES,
        *,
        batch_size: int | None = None,
        progress: Progress = iter,
    ) -> list[Forward]:
        """Return what each critic gives of all images, in order.

        Parameters
        ----------
        critics : sequence of Critic
            All for images of one shape.
        images : ndarray of uint8, shape (n, h, w, c); or LazyImages
        wanted : Wanted
        batch_size : int, optional
            Images at a time. Default: 32 on a CPU, 256 on a GPU; scores agree to rounding, whatever it is.
        progress : callable, optional
            Wraps the iterable of batches.

        Raises
        ------
        ConfigError
            For an unknown layer or pooling, or a batch size below 1.
        InputError
            For images of another shape or type than a critic's.
        """

    def each(self, task: Task[T], items: Sequence[T], *, progress: Progress = iter) -> Iterator[tuple[T, str]]:
        """Yield each item with what the task said of it, as they are done, in whatever order.

        A task may be done more than once, where a process died in the middle of it; so it must not matter how often.

        Parameters
        ----------
        task : callable
            Picklable; called with one item. It returns nothing, or why it failed.
        items : sequence
            Picklable.
        progress : callable, optional
            Wraps the iterable of items.
        """


class Local:
    """Everything in the process that asks, on each critic's device."""

    def each(self, task: Task[T], items: Sequence[T], *, progress: Progress = iter) -> Iterator[tuple[T, str]]:
        """Yield each item with what the task said of it: see `Engine.each`."""
        for item in progress(items):
            yield item, task(item)

    def run(
        self,
        critics: Sequence[Critic],
        images: Images | LazyImages,
        wanted: Wanted = SCORES,
        *,
        batch_size: int | None = None,
        progress: Progress = iter,
    ) -> list[Forward]:
        """Return what each critic gives of all images: see `Engine.run`."""
        check_pooling(wanted.pooling)
        if batch_size is None:
            batch_size = max((batch_size_for(critic.device) for critic in critics), default=1)
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size!r}.")
        for critic in critics:
            critic.check_images(images)
        layers = [wanted.layers_of(critic) for critic in critics]
        parts: list[list[Forward]] = [[] for _ in critics]
        with torch.inference_mode():
            for start in progress(range(0, len(images), batch_size)):
                chunk = images[start : start + batch_size]
                on = {device: to_network(chunk, device) for device in {critic.device for critic in critics}}
                for critic, names, found in zip(critics, layers, parts, strict=True):
                    found.append(critic.forward_batch(on[critic.device], names, wanted.pooling))
        return [Forward.together(found) for found in parts]


@dataclass(frozen=True)
class Processes(Local):
    """All cores, or all GPUs, of this machine: a process each. One that dies is replaced, and its item done again.

    Attributes
    ----------
    jobs : int, optional
        Processes. Default: one a GPU, or one a core.
    """

    jobs: int | None = None

    def each(self, task: Task[T], items: Sequence[T], *, progress: Progress = iter) -> Iterator[tuple[T, str]]:
        """Yield each item with what the task said of it: see `Engine.each`."""
        jobs = min(self.jobs or torch.cuda.device_count() or cpu_count(), len(items))
        crew = _Crew(task, jobs)
        try:
            yield from _counted(crew.work_on(items), items, progress)
        finally:
            crew.stop()


class _Crew:
    """Processes that do one task for many items."""

    def __init__(self, task: Callable[[Any], str], jobs: int) -> None:
        self._task, self._jobs = task, jobs
        self._busy: dict[Connection, tuple[BaseProcess, Any]] = {}
        self._idle: list[tuple[Connection, BaseProcess]] = []
        self._n_started = 0

    def work_on(self, items: Sequence[T]) -> Iterator[tuple[T, str]]:
        waiting, tries = deque(range(len(items))), Counter[int]()
        while waiting or self._busy:
            while waiting and len(self._busy) < self._jobs:
                self._hand(waiting.popleft(), items)
            for pipe in wait(list(self._busy)):
                assert isinstance(pipe, Connection)
                process, number = self._busy.pop(pipe)
                try:
                    said = pipe.recv()
                except (EOFError, ConnectionError):
                    process.join()
                    if process.exitcode == 1:
                        raise RuntimeError("a process failed; what it says stands above") from None
                    tries[number] += 1
                    if tries[number] < TRIES:
                        waiting.append(number)
                        continue
                    said = LOST.format(n=TRIES, code=process.exitcode)
                else:
                    self._idle.append((pipe, process))
                yield items[number], said

    def _hand(self, number: int, items: Sequence[Any]) -> None:
        """Give an item to a process that waits for one, or to a new one."""
        while True:
            pipe, process = self._idle.pop() if self._idle else self._start()
            try:
                pipe.send(items[number])
            except ConnectionError:  # it died while it waited
                continue
            self._busy[pipe] = process, number
            return

    def _start(self) -> tuple[Connection, BaseProcess]:
        context = _context()
        ours, theirs = context.Pipe()
        how = (theirs, self._task, max(1, cpu_count() // self._jobs), self._n_started % self._jobs)
        process = context.Process(target=_serve, args=how, daemon=True)
        process.start()
        theirs.close()
        self._n_started += 1
        return ours, process

    def stop(self) -> None:
        """End every process; what they write appears whole or not at all."""
        processes = [process for process, _ in self._busy.values()] + [process for _, process in self._idle]
        for process in processes:
            process.kill()
        for process in processes:
            process.join()


def _context() -> Any:
    """Return what makes processes: forks of one that has imported what they need and computed nothing."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["gan_probe.scoring.sharded"])
    return context


def _serve(pipe: Connection, task: Callable[[Any], str], n_threads: int, number: int) -> None:
    """Do a task for what comes through a pipe, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process is interrupted, and stops the others
    torch.set_num_threads(n_threads)
    if torch.cuda.is_available():
        os.environ["LOCAL_RANK"] = str(number % torch.cuda.device_count())  # as torchrun says which GPU is whose
    try:
        with terminable():
            while True:
                pipe.send(task(pipe.recv()))
    except (EOFError, ConnectionError):
        return
    except Terminated:
        pass  # and with it go the frames that it holds, whose clean-up is still to run
    raise SystemExit(TERMINATED)


class Ray(Local):
    """The machines of a Ray cluster: the one that ``RAY_ADDRESS`` names or that runs here, else one that is started.

    An actor for each of its CPUs, or for each GPU with its share of the CPUs, which decode beside it; each keeps the
    critic that it loaded. Ray starts those again whose process or machine died, elsewhere if need be, with what they
    were at. All machines must see the data and the folder that is written, by the same paths.
    """

    def each(self, task: Task[T], items: Sequence[T], *, progress: Progress = iter) -> Iterator[tuple[T, str]]:
        """Yield each item with what the task said of it: see `Engine.each`."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what a later version does, and warns of
        try:
            import ray
        except ImportError as error:
            raise MissingError("--engine ray needs Ray: pip install 'gan-probe[ray]'.") from error
        if not ray.is_initialized():
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.WARNING)
        has = ray.cluster_resources()
        n_cpus, n_gpus = int(has.get("CPU", 1)), int(has.get("GPU", 0))
        share: dict[str, Any] = {"num_cpus": max(1, n_cpus // n_gpus), "num_gpus": 1} if n_gpus else {"num_cpus": 1}
        actor: Any = ray.remote(max_restarts=-1, max_task_retries=TRIES, **share)(_Actor)
        held = ray.put(task)
        actors = [actor.remote(held) for _ in range(min(n_gpus or n_cpus or 1, len(items)))]
        try:
            yield from _counted(_as_done(ray, actors, items), items, progress)
        finally:
            for one in actors:
                ray.kill(one)


class _Actor:
    """Does one task for one item after the other, in a process of its own."""

    def __init__(self, task: Callable[[Any], str]) -> None:
        self._task = task

    def do(self, item: Any) -> str:
        return self._task(item)


def _as_done(ray: Any, actors: Sequence[Any], items: Sequence[T]) -> Iterator[tuple[T, str]]:
    """Yield items as they are done; each actor has one at a time: Ray counts an actor's end against all that it has."""
    waiting, idle, busy = deque(items), list(actors), dict[Any, tuple[Any, T]]()
    while waiting or busy:
        while waiting and idle:
            actor, item = idle.pop(), waiting.popleft()
            busy[actor.do.remote(item)] = actor, item
        (first, *_), _ = ray.wait(list(busy), num_returns=1)
        actor, item = busy.pop(first)
        idle.append(actor)
        try:
            said = ray.get(first)
        except ray.exceptions.RayActorError as error:
            said = f"its process ended {TRIES + 1} times before it was done; out of memory perhaps. {error}"
        yield item, said


def _counted(found: Iterator[tuple[T, str]], items: Sequence[T], progress: Progress) -> Iterator[tuple[T, str]]:
    """Yield what is found, one for each step of a progress bar."""
    steps: Iterable[Any] = progress(items)
    for _ in steps:
        yield next(found)


ENGINES: dict[str, type[Local]] = {"local": Local, "processes": Processes, "ray": Ray}
LOCAL = Local()
