"""Who passes images through critics: everything that is scored or embedded goes through an engine.

To add one: a class with `Engine.run`, and a row in ``ENGINES``. An engine reads each batch once, whatever the number of
critics, and gives scores and features of each from one forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch

from gan_probe.config import POOLING
from gan_probe.critics.critic import Critic, Forward
from gan_probe.critics.features import POOLINGS
from gan_probe.errors import ConfigError
from gan_probe.images.pixels import to_network
from gan_probe.names import check_name
from gan_probe.types import Images, Progress

BATCH_SIZE = 256


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


class Engine(Protocol):
    """Passes images through critics."""

    def run(
        self,
        critics: Sequence[Critic],
        images: Images,
        wanted: Wanted = SCORES,
        *,
        batch_size: int = BATCH_SIZE,
        progress: Progress = iter,
    ) -> list[Forward]:
        """Return what each critic gives of all images, in order.

        Parameters
        ----------
        critics : sequence of Critic
            All for images of one shape.
        images : ndarray of uint8, shape (n, h, w, c); or LazyImages
        wanted : Wanted
        batch_size : int
        progress : callable, optional
            Wraps the iterable of batches.

        Raises
        ------
        ConfigError
            For an unknown layer or pooling, or a batch size below 1.
        InputError
            For images of another shape or type than a critic's.
        """


class Local:
    """Everything in the process that asks, on each critic's device."""

    def run(
        self,
        critics: Sequence[Critic],
        images: Images,
        wanted: Wanted = SCORES,
        *,
        batch_size: int = BATCH_SIZE,
        progress: Progress = iter,
    ) -> list[Forward]:
        """Return what each critic gives of all images: see `Engine.run`."""
        check_name("pooling", wanted.pooling, POOLINGS)
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


ENGINES: dict[str, type[Local]] = {"local": Local}
LOCAL = Local()
