"""How long a training takes on this machine, measured on a few of its own steps; and how many steps fit into a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import torch

from gan_probe.config import TrainConfig
from gan_probe.device import environment, resolve_precision
from gan_probe.errors import ConfigError
from gan_probe.images.image_set import ImageSet
from gan_probe.training.acceleration import accelerate
from gan_probe.training.batches import batches
from gan_probe.training.loop import Reals, reals_of, snapshot_steps
from gan_probe.training.runs.folder import RunFolder
from gan_probe.training.runs.health import Examiner
from gan_probe.training.runs.saving import Saver
from gan_probe.training.step import State, generator_looks, new_state

N_WARM, N_STEPS = 2, 12  # steps that do not count (memory is taken, a graph is captured), and those that do, at most
MEASURED_S = 10.0  # after which no further step is measured, once there are three
MOST_STEPS = 10_000_000
MACHINE = ("machine", "system", "cores", "computes_with")  # facts that make it the same one
CLEARLY = (
    1.1  # several threads must be faster by this: on a machine that others use, too, they may be four times slower
)

Clock = Callable[[], float]


@dataclass(frozen=True)
class Pace:
    """What a training costs here.

    Attributes
    ----------
    step_s : float
        Median seconds of a step, with all its updates.
    snapshot_s : float
        Seconds of a snapshot, with the look at its samples.
    """

    step_s: float
    snapshot_s: float

    def seconds(self, config: TrainConfig) -> float:
        """Return how long a training takes."""
        n_saves = len({*snapshot_steps(config.steps, config.n_snapshots, config.late_snapshots), config.steps})
        return config.steps * self.step_s + n_saves * self.snapshot_s

    def steps_within(self, seconds: float, config: TrainConfig) -> int:
        """Return the most steps that a time is enough for, snapshots included.

        Raises
        ------
        ConfigError
            Where it is not enough for one.

        Examples
        --------
        >>> Pace(step_s=0.5, snapshot_s=2.0).steps_within(60, TrainConfig(n_snapshots=0))
        116
        """
        low, high = 0, min(MOST_STEPS, int(seconds / self.step_s))
        while low < high:  # the number of snapshots grows with the steps
            middle = (low + high + 1) // 2
            fits = self.seconds(config.updated({"steps": middle})) <= seconds
            low, high = (middle, high) if fits else (low, middle - 1)
        if low:
            return low
        least = self.seconds(config.updated({"steps": 1}))
        raise ConfigError(
            f"{seconds:.3g} s are not enough: a step takes {self.step_s:.2g} s here, a snapshot {self.snapshot_s:.2g},"
            f" so one step and its snapshots take {least:.2g} s. Give more minutes, or --set n_snapshots=0."
        )


def measure_pace(
    data: ImageSet, config: TrainConfig, *, device: torch.device, clock: Clock = time.perf_counter
) -> Pace:
    """Return the pace of a training on this device, from steps on weights that are then forgotten.

    No random state is touched, so the training that follows is the same with it or without.

    Parameters
    ----------
    data : ImageSet
    config : TrainConfig
        Its number of steps does not matter.
    device : torch.device
    clock : callable
        Returns seconds.
    """
    step_s, reals, state = _take_steps(data, config, device, clock)
    saver = Saver(RunFolder(data.source), config.updated({"steps": MOST_STEPS}), data, device)  # writes nothing
    examine = Examiner(reals.training, reals.held_out, config.seed).examine if state.generator is not None else None
    for _ in range(2):  # the first does more
        begun = clock()
        critic = saver.critic(state)
        if examine is not None:
            examine(critic, saver.generator(state, is_kept=False), is_last=False)
    return Pace(step_s, clock() - begun)


def choose_threads(
    data: ImageSet,
    config: TrainConfig,
    *,
    known: Mapping[str, Any] | None = None,
    clock: Clock = time.perf_counter,
) -> int:
    """Return how many threads take steps fastest on this CPU: one, or one a core where that is clearly faster.

    Sums are rounded otherwise in other numbers of threads, so a run that goes on keeps the number that it had.

    Parameters
    ----------
    data, config, clock
        See `measure_pace`.
    known : mapping, optional
        ``environment.json`` of the run so far: on the same machine its number is taken, on another it is measured anew.
    """
    here = environment()
    if known is not None and all(known.get(fact) == here[fact] for fact in MACHINE):
        return int(known["threads"])
    before, spent = torch.get_num_threads(), {}
    try:
        for n in (1, here["cores"]):
            torch.set_num_threads(n)
            spent[n] = _take_steps(data, config, torch.device("cpu"), clock)[0]
    finally:
        torch.set_num_threads(before)
    return min(spent, key=lambda n: spent[n] * (1.0 if n == 1 else CLEARLY))


def _take_steps(data: ImageSet, config: TrainConfig, device: torch.device, clock: Clock) -> tuple[float, Reals, State]:
    """Return the median seconds of a few steps, what they saw, and the state that they led to."""
    config = config.updated({"steps": MOST_STEPS})
    reals = reals_of(data, config, device)
    state = new_state(config, data.image_shape, device, n_classes=len(reals.classes))
    take_step = accelerate(state, config, resolve_precision(config.precision, device))
    ends: list[float] = []
    for batch in batches(reals.source, config, first=1, sees_reals=generator_looks(config)):
        take_step(batch)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if state.step >= N_WARM:
            ends.append(clock())
        if len(ends) > N_STEPS or (len(ends) > 3 and ends[-1] - ends[0] > MEASURED_S):
            break
    return median(end - start for start, end in pairwise(ends)), reals, state
