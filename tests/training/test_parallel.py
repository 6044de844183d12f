import multiprocessing
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_probe.critics.critic import Critic
from gan_probe.images.image_set import ImageSet
from gan_probe.images.readers.reading import read_images
from gan_probe.images.readers.streaming import stream_images
from gan_probe.training import RunFolder, train
from gan_probe.training.parallel import Task, default_jobs, side_by_side
from tests.conftest import BARE

CPU = torch.device("cpu")
SHORT = replace(BARE, network="mlp", steps=12)  # small; the first news of a training is that of step 10


def children() -> list[BaseProcess]:
    """Those of this test: joblib's, which other tests of the same process may have left, are of another kind."""
    return [
        child for child in multiprocessing.active_children() if type(child).__module__.startswith("multiprocessing")
    ]


def trainings(data: ImageSet, folder: Path, n: int = 2, **options: bool) -> dict[Path, Task]:
    outs = {folder / f"run-{k}": SHORT.varied("all", k) for k in range(n)}
    return {out: partial(train, data, out, config, **options) for out, config in outs.items()}


@pytest.mark.slow
def test_side_by_side_is_the_same_as_one_by_one(train_set: ImageSet, tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []

    def on_step(out: Path, step: int, row: Mapping[str, float]) -> None:
        seen.append((out.name, step))

    ended: list[Path] = []
    for jobs in (1, 2):
        tasks = trainings(train_set, tmp_path / str(jobs))
        assert not side_by_side(tasks, jobs=jobs, on_step=on_step, on_end=ended.append)
    assert sorted(ended) == sorted(tmp_path / str(jobs) / f"run-{k}" for jobs in (1, 2) for k in range(2))
    assert seen.count(("run-0", SHORT.steps)) == seen.count(("run-1", SHORT.steps)) == 2
    scores = [[Critic.load(tmp_path / j / f"run-{k}").score(train_set.images) for k in range(2)] for j in ("1", "2")]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-3, atol=1e-3)
    assert np.abs(np.subtract(*scores[0])).max() > 0.1


@pytest.mark.slow
def test_what_fails_leaves_the_others_alone_and_goes_on_later(train_set: ImageSet, tmp_path: Path) -> None:
    (tmp_path / "run-0").write_text("in the way")

    def on_step(out: Path, step: int, row: Mapping[str, float]) -> None:
        if out.name == "run-1":
            for child in children():
                child.kill()

    failures = side_by_side(trainings(train_set, tmp_path), jobs=2, on_step=on_step)
    assert "Choose another" in failures[tmp_path / "run-0"]
    assert "exit code -9: the system killed it" in failures[tmp_path / "run-1"]
    (tmp_path / "run-0").unlink()
    again = trainings(train_set, tmp_path, resume=True)
    assert not side_by_side(again, jobs=1)
    assert all(RunFolder(out).critic.is_dir() for out in again)


def test_an_interruption_ends_every_process(train_set: ImageSet, tmp_path: Path) -> None:
    def interrupt(out: Path, step: int, row: Mapping[str, float]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        side_by_side(trainings(train_set, tmp_path), jobs=2, on_step=interrupt)
    assert not children()


@pytest.mark.slow
def test_images_are_streamed_by_each_process(train_set: ImageSet, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", train_set.images)
    whole = trainings(read_images(tmp_path / "x.npy"), tmp_path / "whole", 1)
    lazy = trainings(stream_images(tmp_path / "x.npy"), tmp_path / "lazy", 1)
    assert not side_by_side(whole | lazy, jobs=2)
    hashes = [Critic.load(out).hash for out in whole | lazy]
    assert hashes[0] == hashes[1]


def test_as_many_at_a_time_as_there_are_cores_and_runs(train_set: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan_probe.training.parallel.cpu_count", lambda: 4)
    assert [default_jobs(n, train_set, CPU) for n in (1, 3, 10)] == [1, 3, 4]
    monkeypatch.setattr("gan_probe.training.parallel.memory_bytes", lambda: 12 * train_set.images.nbytes)
    assert default_jobs(10, train_set, CPU) == 2
