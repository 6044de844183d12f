"""How long a data set takes to score on this machine, and how much is written: measured on its first images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter, process_time

from gan_probe.critics.critic import Critic
from gan_probe.errors import InputError
from gan_probe.images.readers.shards import find_shards, read_blocks
from gan_probe.scoring.controls import measure_statistics, random_inits
from gan_probe.scoring.engines import LOCAL

N_MEASURED = 512  # images at most
BYTES_A_ROW = 160  # of a part: id, path, label, the score and its controls; a data set's own columns come on top


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What scoring a data set takes, as far as its first images tell.

    Attributes
    ----------
    n_images : int or None
        In all; None where only opening every file would tell.
    n_measured : int
        Images that were read and scored for this.
    read_s, score_s : float
        Seconds an image: to read and decode, and to score it with its scalar controls.
    cpu_s : float
        CPU seconds an image, of both.
    n_cores : int
    """

    n_images: int | None
    n_measured: int
    read_s: float
    score_s: float
    cpu_s: float
    n_cores: int

    def sentence(self) -> str:
        """Return the estimate in words."""
        per_hour = f"{3600 / self.cpu_s:,.0f} images an hour and core"
        measured = f"(measured on {self.n_measured}: {1e3 * self.cpu_s:.1f} ms of CPU an image)"
        if self.n_images is None:
            return f"{per_hour} {measured}; how many there are is known once every tar file is opened."
        hours = self.n_images * max(self.read_s, self.score_s) / 3600  # one goes on while the other waits
        took = f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.1f} minutes"
        return (
            f"{self.n_images:,} images take about {took} here in one process, {per_hour} {measured}; their scores take"
            f" about {self.n_images * BYTES_A_ROW / 1e9:.2f} GB."
        )


def estimate_cost(critic: Critic, data: Sequence[str | Path], *, size_px: int | None = None) -> Estimate:
    """Return what scoring data sets takes, from their first images.

    Raises
    ------
    InputError
        When there is nothing to read, or the images do not fit the critic.
    """
    shards = [shard for path in data for shard in find_shards(path)]
    start, cpu = perf_counter(), process_time()
    blocks = (b for shard in shards for b in read_blocks(shard, critic.config.image_shape[2], size_px=size_px))
    found = [block.images for block in islice(blocks, 2) if len(block.images)]
    read = perf_counter() - start
    if not found:
        raise InputError("no image can be read, so nothing can be measured.")
    critics = [critic, *random_inits(critic)[0]]
    LOCAL.run(critics, found[0][:8])  # the first pass allocates
    middle = perf_counter()
    for images in found:
        LOCAL.run(critics, images)
        measure_statistics(images)
    n = sum(map(len, found))
    sizes = [shard.n for shard in shards]
    return Estimate(
        n_images=None if None in sizes else sum(size or 0 for size in sizes),
        n_measured=n,
        read_s=read / n,
        score_s=(perf_counter() - middle) / n,
        cpu_s=(process_time() - cpu) / n,
        n_cores=os.cpu_count() or 1,
    )
