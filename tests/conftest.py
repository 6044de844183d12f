"""Small real things that many tests share: data, a trained run, its scores."""

from __future__ import annotations

import hashlib
import os
import pickle
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import torch
from filelock import FileLock

from gan_probe.config import TrainConfig
from gan_probe.critics.critic import Critic
from gan_probe.images.image_set import ImageSet, from_synthetic
from gan_probe.scoring.score import score
from gan_probe.scoring.table import ScoreTable
from gan_probe.studies.factors.result import FactorsResult
from gan_probe.studies.factors.study import factors
from gan_probe.training import train
from synthetic import PRESETS, Spec, make_dataset
from synthetic.spec import Choice, Type
from tests.foreign import PatchGan

T = TypeVar("T")

SMALL = TrainConfig(steps=8, batch_size=8, n_critic=2, n_snapshots=3, precision="fp32", critic_average=0.9)
FEW = ("square_0.7+_n0.03", "circle_0.85-_n0.03", "triangle_0.85+_n0.03", "triangle_0.7-_n0.01")
_TWO_WAYS = {"base": Choice((0.3, 0.7)), "size": Choice((0.3, 0.5))}
VARIED = Spec("small", (Type("square", _TWO_WAYS), Type("circle", {"shape": "circle", **_TWO_WAYS})), sizing="area")
BARE = replace(SMALL, n_snapshots=0)  # a snapshot costs more than all eight steps


def small_spec(preset: str, per_class: int) -> Spec:
    """A preset at 32 pixels."""
    return replace(PRESETS[preset], size_px=32, per_class=per_class)


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder, by its path, as a hash of what it holds."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that one of pytest's processes makes and all of them read."""
    ours = tmp_path_factory.getbasetemp()
    folder = (ours.parent if "PYTEST_XDIST_WORKER" in os.environ else ours) / name
    with FileLock(folder.with_suffix(".lock")):
        done = folder.with_suffix(".done")
        if not done.exists():
            make(folder)
            done.touch()
    return folder


def kept_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[], T]) -> T:
    """What one of pytest's processes computes and all of them look at."""
    file = made_once(tmp_path_factory, name, lambda path: path.write_bytes(pickle.dumps(make())))
    return pickle.loads(file.read_bytes())


@pytest.fixture(scope="session", autouse=True)
def few_latents() -> Iterator[None]:
    """Statistics of batch normalisation from 128 latents, not 1,024, which are half the time of short trainings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gan_probe.critics.generator.N_CALIBRATION", 128)
        yield


@pytest.fixture(scope="module", autouse=True)
def few_clusterings(request: pytest.FixtureRequest) -> Iterator[None]:
    """Up to 6 clusters, three resamplings, 50 draws, but where those are tested: most of an analysis's time."""
    with pytest.MonkeyPatch.context() as patch:
        if request.path.parent.name != "stats":
            patch.setattr("gan_probe.stats.clustering.MAX_K", 6)
            patch.setattr("gan_probe.stats.clustering.N_RESAMPLED", 3)
            patch.setattr("gan_probe.studies.stability.result.N_DRAWS", 50)
        yield


@pytest.fixture(scope="module", autouse=True)
def few_patches(request: pytest.FixtureRequest) -> Iterator[None]:
    """40 centroids of 5,000 patches, but where baselines are tested: the 200 of 100,000 are most of a score's time."""
    with pytest.MonkeyPatch.context() as patch:
        if request.path.name != "test_baselines.py":
            patch.setattr("gan_probe.scoring.baselines.N_CENTROIDS", 40)
            patch.setattr("gan_probe.scoring.baselines.N_PATCHES", 5000)
        yield


@pytest.fixture(autouse=True)
def own_numbers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test draws its own numbers, of its module's RNG and of torch, in whatever order tests run."""
    seed = zlib.crc32(request.node.name.encode())
    torch.manual_seed(seed)
    if hasattr(getattr(request, "module", None), "RNG"):
        monkeypatch.setattr(request.module, "RNG", np.random.default_rng(seed))


@pytest.fixture(scope="session")
def train_set() -> ImageSet:
    return from_synthetic(make_dataset(small_spec("article-train", 20)))


@pytest.fixture(scope="session")
def test_set() -> ImageSet:
    return from_synthetic(make_dataset(small_spec("article-test", 8)))


@pytest.fixture(scope="session")
def few_set(test_set: ImageSet) -> ImageSet:
    """Four classes, two of them seen, where ten would only take longer."""
    return test_set.take(test_set.table["label"].isin(FEW).to_numpy())


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, train_set: ImageSet) -> Iterator[Path]:
    """A run folder, trained for eight steps."""
    out = made_once(tmp_path_factory, "run", lambda folder: train(train_set, folder, SMALL))
    before = contents(out)
    yield out
    assert contents(out) == before, "a test changed the run that all tests share"


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, train_set: ImageSet) -> Iterator[list[Path]]:
    """Three run folders, of trainings that differ in their seed."""

    def make(folder: Path) -> None:
        for seed in range(3):
            train(train_set, folder / f"seed-{seed}", replace(BARE, seed=seed))

    folder = made_once(tmp_path_factory, "runs", make)
    before = contents(folder)
    yield [folder / f"seed-{seed}" for seed in range(3)]
    assert contents(folder) == before, "a test changed the runs that all tests share"


@pytest.fixture(scope="session")
def critic(run: Path) -> Critic:
    return Critic.load(run)


@pytest.fixture(scope="session")
def scores(critic: Critic, test_set: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> ScoreTable:
    return kept_once(tmp_path_factory, "scores", lambda: score(critic, test_set))


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> FactorsResult:
    """What a randomly initialised `PatchGan` follows in `VARIED`, with controls."""

    def ask() -> FactorsResult:
        torch.manual_seed(0)
        return factors(Critic.from_module(PatchGan().eval(), (16, 16, 3)), spec=VARIED, per_class=60, n_bases=20)

    return kept_once(tmp_path_factory, "asked", ask)


@pytest.fixture(scope="session")
def few_scores(scores: ScoreTable) -> ScoreTable:
    """The rows of `few_set`: a page of six pairs."""
    return ScoreTable(scores.table[scores.table["label"].isin(FEW)].reset_index(drop=True), scores.provenance)
