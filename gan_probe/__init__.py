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
    from gan_probe.critics.generator import Generator as Generator
    from gan_probe.critics.hub import from_hub as from_hub
    from gan_probe.critics.hub import push_to_hub as push_to_hub
    from gan_probe.images.image_set import from_arrays as from_arrays
    from gan_probe.images.image_set import from_synthetic as from_synthetic
    from gan_probe.images.readers.reading import read_images as read_images
    from gan_probe.report.displays import SeparationDisplay as SeparationDisplay
    from gan_probe.report.displays import StudyDisplay as StudyDisplay
    from gan_probe.scoring.score import score as score
    from gan_probe.scoring.table import read_scores as read_scores
    from gan_probe.scoring.table import write_scores as write_scores
    from gan_probe.studies.arithmetic.study import arithmetic as arithmetic
    from gan_probe.studies.check.study import check_critic as check_critic
    from gan_probe.studies.cluster.study import cluster_scores as cluster_scores
    from gan_probe.studies.comparison.study import comparison as comparison
    from gan_probe.studies.diagnose.study import diagnose as diagnose
    from gan_probe.studies.ensemble.study import ensemble_agreement as ensemble_agreement
    from gan_probe.studies.explain.study import explain as explain
    from gan_probe.studies.factors.study import factors as factors
    from gan_probe.studies.outliers.detection import detect_outliers as detect_outliers
    from gan_probe.studies.outliers.study import outliers as outliers
    from gan_probe.studies.probe.study import probe as probe
    from gan_probe.studies.separation.study import separation as separation
    from gan_probe.studies.stability.study import stability as stability
    from gan_probe.studies.stability.study import stability_of_scores as stability_of_scores
    from gan_probe.studies.trajectory.study import trajectory as trajectory
    from gan_probe.training import train as train

_PUBLIC = {
    "Critic": "critics.critic",
    "EnsembleCritic": "critics.ensemble",
    "Generator": "critics.generator",
    "SeparationDisplay": "report.displays",
    "StudyDisplay": "report.displays",
    "TrainConfig": "config",
    "arithmetic": "studies.arithmetic.study",
    "check_critic": "studies.check.study",
    "cluster_scores": "studies.cluster.study",
    "comparison": "studies.comparison.study",
    "detect_outliers": "studies.outliers.detection",
    "diagnose": "studies.diagnose.study",
    "ensemble_agreement": "studies.ensemble.study",
    "explain": "studies.explain.study",
    "factors": "studies.factors.study",
    "from_arrays": "images.image_set",
    "from_hub": "critics.hub",
    "from_synthetic": "images.image_set",
    "outliers": "studies.outliers.study",
    "probe": "studies.probe.study",
    "push_to_hub": "critics.hub",
    "read_images": "images.readers.reading",
    "read_scores": "scoring.table",
    "score": "scoring.score",
    "separation": "studies.separation.study",
    "stability": "studies.stability.study",
    "stability_of_scores": "studies.stability.study",
    "train": "training",
    "trajectory": "studies.trajectory.study",
    "write_scores": "scoring.table",
}
__all__ = [
    "Critic", "EnsembleCritic", "Generator", "SeparationDisplay", "StudyDisplay", "TrainConfig", "__version__",
    "arithmetic", "check_critic", "cluster_scores", "comparison", "detect_outliers", "diagnose",
    "ensemble_agreement", "explain", "factors",
    "from_arrays", "from_hub", "from_synthetic", "outliers", "probe", "push_to_hub",
    "read_images", "read_scores", "score", "separation", "stability", "stability_of_scores",
    "train", "trajectory", "write_scores",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used, so that ``gan-probe --help`` waits for nothing."""
    if name in _PUBLIC:
        return getattr(import_module(f"gan_probe.{_PUBLIC[name]}"), name)
    if name == "estimators":
        return import_module("gan_probe.estimators")
    if name in moved.MOVED:
        return import_module(f"gan_probe.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return what a user needs: the public names, and the estimators' module."""
    return sorted([*__all__, "estimators"])


moved.install()
