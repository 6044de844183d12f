"""How long a training takes on this machine, measured on a few of its own steps; and how many steps fit into a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import torch

from gan_probe.config import TrainConfig
from gan_probe.device import resolve_precision
from gan_probe.errors import ConfigError
from gan_probe.images.image_set import ImageSet
from gan_probe.training.acceleration import accelerate
from gan_probe.training.batches import batches
from gan_probe.training.loop import reals_of, snapshot_steps
from gan_probe.training.runs.folder import RunFolder
from gan_probe.training.runs.health import Examiner
from gan_probe.training.runs.saving import Saver
from gan_probe.training.step import generator_looks, new_state

N_WARM, N_STEPS = 2, 12  # steps that do not count (memory is taken, a graph is captured), and those that do, at most
MEASURED_S = 10.0  # after which no further step is measured, once there are three
MOST_STEPS = 10_000_000


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
    data: ImageSet, config: TrainConfig, *, device: torch.device, clock: Callable[[], float] = time.perf_counter
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
    saver = Saver(RunFolder(data.source), config, data, device)  # writes nothing
    examine = Examiner(reals.training, reals.held_out, config.seed).examine if state.generator is not None else None
    for _ in range(2):  # the first does more
        begun = clock()
        critic = saver.critic(state)
        if examine is not None:
            examine(critic, saver.generator(state, is_kept=False))
    return Pace(median(end - start for start, end in pairwise(ends)), clock() - begun)
