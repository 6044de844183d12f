"""Workers that are killed at any moment, twenty times and more: the same table, no row lost and none doubled."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Thread

import numpy as np
import pytest
from pandas.testing import assert_frame_equal

from gan_probe.critics.critic import Critic
from gan_probe.images.image_set import ImageSet
from gan_probe.scoring.engines import LOCAL, Engine, Local, Processes, Ray
from gan_probe.scoring.score import score
from gan_probe.scoring.sharded import Job, score_shards
from gan_probe.scoring.table import read_scores

N_KILLS, PER_ITEM, N_SHARDS = 20, 2, 10  # an item is given up after some more deaths
LONGEST_S = 0.05  # until a worker is killed: a shard takes about as long


@dataclass(frozen=True)
class Mortal:
    """A task in whose process a thread kills it, after a random time: in reading, in scoring, in writing."""

    task: object
    folder: Path

    def __call__(self, item: tuple[int, object]) -> str:
        number = item[0]
        for attempt in range(PER_ITEM):
            mark = self.folder / f"{number}-{attempt}"
            if not mark.exists():
                mark.touch()
                Thread(target=_kill, args=(Random(f"{number} {attempt}").random() * LONGEST_S,), daemon=True).start()
                said = self.task(item)  # type: ignore[operator]
                time.sleep(2 * LONGEST_S)  # it was quicker than its end
                return said
        return self.task(item)  # type: ignore[operator]


def _kill(after_s: float) -> None:
    time.sleep(after_s)
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Killing(Local):
    """An engine whose workers are killed."""

    engine: Engine
    folder: Path

    def each(self, task, items, *, progress=iter):  # type: ignore[no-untyped-def]
        return self.engine.each(Mortal(task, self.folder), items, progress=progress)


def _bare(critic: Critic, data: ImageSet):  # type: ignore[no-untyped-def]
    return score(critic, data, controls=False, embeddings=False)


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")  # of Ray's own
@pytest.mark.parametrize(
    "name", [pytest.param("processes", marks=pytest.mark.slow), pytest.param("ray", marks=pytest.mark.nightly)]
)
def test_workers_that_die_at_random_lose_no_row_and_double_none(
    name: str, run: Path, test_set: ImageSet, tmp_path: Path
) -> None:
    engine: Engine = Processes(2)
    if name == "ray":
        pytest.importorskip("ray", reason="the engine ray needs the extra gan-probe[ray]")
        engine = Ray()
    np.save(tmp_path / "x.npy", test_set.images)
    (tmp_path / "marks").mkdir()

    def made(out: str, by: Engine):  # type: ignore[no-untyped-def]
        job = Job(critic=run, device="cpu", out=tmp_path / out, controls="none", n_sample=20)
        return score_shards(job, [tmp_path / "x.npy"], n_rows=80 // N_SHARDS, engine=by, embed=_bare)

    expected = made("local", LOCAL)
    try:
        found = made("killed", Killing(engine, tmp_path / "marks"))
    finally:
        if name == "ray":
            import ray

            ray.shutdown()
    n_kills = len(list((tmp_path / "marks").iterdir()))
    assert n_kills == PER_ITEM * N_SHARDS
    assert n_kills >= N_KILLS
    assert (found.n_missing, found.failures) == (0, {})
    assert_frame_equal(found.folder.table(), expected.folder.table())
    assert read_scores(found.folder.path).table.equals(read_scores(expected.folder.path).table)
    assert not list((tmp_path / "killed").rglob("*.tmp"))
