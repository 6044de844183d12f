"""Small real things that many tests share: data, a trained run, its scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gan_probe.config import TrainConfig
from gan_probe.critics.critic import Critic
from gan_probe.images.image_set import ImageSet, from_synthetic
from gan_probe.scoring.score import score
from gan_probe.scoring.table import ScoreTable
from gan_probe.training import train
from synthetic import PRESETS, Spec, make_dataset

SMALL = TrainConfig(steps=8, batch_size=8, n_critic=2, n_snapshots=3, precision="fp32", critic_average=0.9)


def small_spec(preset: str, per_class: int) -> Spec:
    """A preset at 32 pixels."""
    return replace(PRESETS[preset], side_px=32, per_class=per_class)


@pytest.fixture(scope="session")
def train_set() -> ImageSet:
    return from_synthetic(make_dataset(small_spec("article-train", 20)))


@pytest.fixture(scope="session")
def test_set() -> ImageSet:
    return from_synthetic(make_dataset(small_spec("article-test", 8)))


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, train_set: ImageSet) -> Path:
    """A run folder, trained for eight steps."""
    out = tmp_path_factory.mktemp("runs") / "run"
    train(train_set, out, SMALL)
    return out


@pytest.fixture(scope="session")
def critic(run: Path) -> Critic:
    return Critic.load(run)


@pytest.fixture(scope="session")
def scores(critic: Critic, test_set: ImageSet, run: Path) -> ScoreTable:
    return score(critic, test_set)
