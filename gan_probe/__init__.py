"""Analyse what a GAN's discriminator learned: scores, embeddings, separations, each beside its controls."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gan_probe import moved
from gan_probe.version import VERSION as __version__

if TYPE_CHECKING:
    from gan_probe.config import TrainConfig as TrainConfig
    from gan_probe.critics.critic import Critic as Critic
    from gan_probe.critics.ensemble import EnsembleCritic as EnsembleCritic
    from gan_probe.images.image_set import from_synthetic as from_synthetic
    from gan_probe.images.readers.reading import read_images as read_images
    from gan_probe.scoring.score import score as score
    from gan_probe.scoring.table import read_scores as read_scores
    from gan_probe.training import train as train

_PUBLIC = {
    "Critic": "critics.critic",
    "EnsembleCritic": "critics.ensemble",
    "TrainConfig": "config",
    "from_synthetic": "images.image_set",
    "read_images": "images.readers.reading",
    "read_scores": "scoring.table",
    "score": "scoring.score",
    "train": "training",
}
__all__ = [
    "Critic",
    "EnsembleCritic",
    "TrainConfig",
    "__version__",
    "from_synthetic",
    "read_images",
    "read_scores",
    "score",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used, so that ``gan-probe --help`` waits for nothing."""
    if name in _PUBLIC:
        return getattr(import_module(f"gan_probe.{_PUBLIC[name]}"), name)
    if name in moved.MOVED:
        return import_module(f"gan_probe.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


moved.install()
