"""A real Ray on this machine gives the same table, also where a worker is killed in the middle of every shard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pandas.testing import assert_frame_equal

from gan_probe.critics.critic import Critic
from gan_probe.errors import MissingError
from gan_probe.images.image_set import ImageSet
from gan_probe.scoring import engines
from gan_probe.scoring.engines import LOCAL, Engine, Ray
from gan_probe.scoring.score import score
from gan_probe.scoring.sharded import Job, score_shards
from tests.scoring.fatal import Deadly


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")  # of Ray's own
def test_ray_loses_no_row_and_doubles_none_when_workers_are_killed(
    run: Path, test_set: ImageSet, tmp_path: Path
) -> None:
    ray = pytest.importorskip("ray", reason="the engine ray needs the extra gan-probe[ray]")
    np.save(tmp_path / "x.npy", test_set.images)
    (tmp_path / "marks").mkdir()

    def made(out: str, engine: Engine):  # type: ignore[no-untyped-def]
        job = Job(critic=run, device="cpu", out=tmp_path / out, controls="none", n_sample=20)
        return score_shards(job, [tmp_path / "x.npy"], n_rows=20, engine=engine, embed=_bare).folder.table()

    expected = made("local", LOCAL)
    try:
        found = made("ray", Deadly(Ray(), tmp_path / "marks"))
    finally:
        ray.shutdown()
    assert len(list((tmp_path / "marks").iterdir())) == 4  # each shard's worker was killed once
    assert_frame_equal(found, expected)


def _bare(critic: Critic, data: ImageSet):  # type: ignore[no-untyped-def]
    return score(critic, data, controls=False, embeddings=False)


def test_without_ray_the_engine_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingError, match=r"--engine ray needs Ray: pip install 'gan-probe\[ray\]'"):
        list(engines.Ray().each(lambda item: "", [1]))
