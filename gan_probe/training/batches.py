"""What each step looks at: random numbers that follow from (seed, step), and the images that they choose.

Images that fit stay on the device as uint8; others are fetched ahead of the device by a few threads. Either way the
batches are the same, bit for bit. With several processes each takes its part of the same global batch.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from gan_probe.config import TrainConfig
from gan_probe.images.image_set import LazyImages
from gan_probe.training.augmentation import n_numbers
from gan_probe.training.ranks import ALONE, Ranks
from gan_probe.types import Images

REAL, FAKE, REAL_AGAIN, FAKE_AGAIN, CHOICE = range(5)  # whose random numbers stand where in `UpdateBatch.views`
LABELLED = -1  # where there are labelled images
AHEAD = 4  # steps that are fetched before they are wanted


@dataclass(frozen=True)
class UpdateBatch:
    """What one update looks at.

    Attributes
    ----------
    z : Tensor, shape (n, latent_dim)
    alpha : Tensor, shape (n,)
        Where the gradient penalty looks between real and fake; the critic's updates only.
    rows : Tensor of int, shape (n,)
        Which images.
    real : Tensor of uint8, shape (n, h, w, c)
    labels : Tensor of int, shape (n,)
        Of the reals, and of the fakes to be made; conditional trainings only.
    fake : Tensor of uint8, shape (n, h, w, c)
        In place of the generator's.
    nulls : Tensor of uint8, shape (n, h, w, c)
        Images with nothing in them, where scores are anchored.
    views : Tensor, shape (n, v, k)
        Uniform in [0, 1): k numbers for each of `REAL`, `FAKE`, ...; trainings with augmentation or auxiliary tasks.
    labelled : Tensor of uint8, shape (n, h, w, c)
        Images that have a label; semi-supervised trainings only. As drawn, which of them, shape (n,).
    targets : Tensor of int, shape (n,)
        The classes of those.
    """

    z: Tensor
    alpha: Tensor | None = None
    rows: Tensor | None = None
    real: Tensor | None = None
    labels: Tensor | None = None
    fake: Tensor | None = None
    nulls: Tensor | None = None
    views: Tensor | None = None
    labelled: Tensor | None = None
    targets: Tensor | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> UpdateBatch:
        """Return the batch with ``change`` applied to each of its tensors."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: change(value) for name, value in values.items() if value is not None})


@dataclass(frozen=True)
class StepBatch:
    """What one step looks at: a batch for each of the critic's updates, and one for the generator's."""

    critic: tuple[UpdateBatch, ...]
    generator: UpdateBatch

    def map(self, change: Callable[[Tensor], Tensor]) -> StepBatch:
        """Return the batch with ``change`` applied to each of its tensors."""
        return StepBatch(tuple(update.map(change) for update in self.critic), self.generator.map(change))


def step_generator(seed: int, step: int) -> torch.Generator:
    """Return the source of a step's random numbers, which follow from (seed, step) and nothing else."""
    digest = hashlib.sha256(f"{seed}/{step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))


def draw_views(config: TrainConfig, rng: torch.Generator) -> Tensor | None:
    """Return the random numbers of an update's augmentations and tasks, (n, v, k); None where there are none."""
    if not (config.augment or config.auxiliary):
        return None
    n_views = (CHOICE if config.auxiliary else FAKE) + 1 + config.semi_supervised
    return torch.rand(config.batch_size, n_views, max(1, n_numbers(config.augmentations)), generator=rng)


def draw(config: TrainConfig, step: int, n_images: int, *, sees_reals: bool, n_labelled: int = 0) -> StepBatch:
    """Return the random numbers of a step and the rows that they choose, on the CPU, without images.

    Parameters
    ----------
    config : TrainConfig
    step : int
    n_images : int
    sees_reals : bool
        Whether the generator's loss looks at reals.
    n_labelled : int
        How many images have labels that the critic learns from.
    """
    rng, n = step_generator(config.seed, step), config.batch_size

    def rows() -> Tensor:
        return torch.randint(n_images, (n,), generator=rng)

    def latents() -> Tensor:
        return torch.randn(n, config.latent_dim, generator=rng)

    critic = []
    for _ in range(config.n_critic):
        chosen, z = rows(), latents()
        critic.append(UpdateBatch(z, torch.rand(n, generator=rng), chosen, views=draw_views(config, rng)))
    z, chosen_by_generator = latents(), rows() if sees_reals or config.conditional else None
    generator = UpdateBatch(z, rows=chosen_by_generator, views=draw_views(config, rng))
    if n_labelled:  # last, so that all else is drawn as without labels, but for augmentation's numbers
        critic = [replace(c, labelled=torch.randint(n_labelled, (n,), generator=rng)) for c in critic]
    return StepBatch(tuple(critic), generator)


@dataclass(frozen=True)
class ImageSource:
    """Training images, resident on the device or fetched from disk, with their class numbers where they are wanted.

    Attributes
    ----------
    images : Tensor of uint8, shape (n, h, w, c), on the device; or LazyImages
    device : torch.device
    labels : ndarray of int, shape (n,), optional
    nulls : Tensor of uint8, shape (k, h, w, c), optional
        On the device.
    labelled, targets : ndarray of int, shape (m,), optional
        Which images have a label that the critic learns from, and the numbers of their classes.
    """

    images: Tensor | LazyImages
    device: torch.device
    labels: np.ndarray | None = None
    nulls: Tensor | None = None
    labelled: np.ndarray | None = None
    targets: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        images: Images | LazyImages,
        device: torch.device,
        labels: np.ndarray | None = None,
        nulls: Images | None = None,
    ) -> ImageSource:
        """Return a source that keeps arrays on the device, and leaves lazy images where they are."""

        def resident(array: Images) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)

        kept = images if isinstance(images, LazyImages) else resident(images)
        return cls(kept, device, labels, None if nulls is None else resident(nulls))

    def fill(self, batch: StepBatch, *, sees_reals: bool) -> StepBatch:
        """Return a drawn batch with its images and labels."""
        critic = tuple(self.with_reals(update) for update in batch.critic)
        return StepBatch(critic, self._fill(batch.generator, wants_images=sees_reals))

    def with_reals(self, update: UpdateBatch) -> UpdateBatch:
        """Return a drawn batch of the critic with its images and labels."""
        return self._label(self._anchor(self._fill(update, wants_images=True)))

    def _label(self, update: UpdateBatch) -> UpdateBatch:
        if self.labelled is None or self.targets is None or update.labelled is None:
            return update
        chosen = update.labelled.numpy()
        targets = torch.from_numpy(self.targets[chosen])
        return replace(update, labelled=self._images(torch.from_numpy(self.labelled[chosen])), targets=targets)

    def _images(self, rows: Tensor) -> Tensor:
        if isinstance(self.images, Tensor):
            return self.images[rows.to(self.device)]
        return torch.from_numpy(self.images[rows.numpy()])

    def _anchor(self, update: UpdateBatch) -> UpdateBatch:
        if self.nulls is None or update.rows is None:
            return update
        return replace(update, nulls=self.nulls[update.rows.to(self.device) % len(self.nulls)])

    def _fill(self, update: UpdateBatch, *, wants_images: bool) -> UpdateBatch:
        rows = update.rows
        if rows is None:
            return update
        labels = None if self.labels is None else torch.from_numpy(self.labels[rows.numpy()])
        if not wants_images:
            return replace(update, labels=labels)
        return replace(update, real=self._images(rows), labels=labels)


def batches(
    source: ImageSource, config: TrainConfig, *, first: int, sees_reals: bool, ranks: Ranks = ALONE
) -> Iterator[StepBatch]:
    """Yield the batch of every step from ``first`` to the last, on the device."""

    def prepare(step: int) -> StepBatch:
        n_labelled = 0 if source.labelled is None else len(source.labelled)
        drawn = draw(config, step, len(source.images), sees_reals=sees_reals, n_labelled=n_labelled).map(ranks.part)
        return source.fill(drawn, sees_reals=sees_reals)

    steps = range(first, config.steps + 1)
    if isinstance(source.images, Tensor):
        for step in steps:
            yield prepare(step).map(lambda tensor: tensor.to(source.device))
        return
    with ThreadPoolExecutor(1) as pool:  # decoding itself is spread over threads
        waiting = deque(pool.submit(prepare, step) for step in steps[:AHEAD])
        try:
            for step in steps:
                batch = waiting.popleft().result()
                if step + AHEAD <= config.steps:
                    waiting.append(pool.submit(prepare, step + AHEAD))
                yield batch.map(lambda tensor: tensor.to(source.device, non_blocking=True))
        finally:
            for future in waiting:
                future.cancel()
