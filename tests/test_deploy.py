"""What is in deploy/, run as far as it can be without a cluster."""

from __future__ import annotations

import io
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from gan_probe.critics.critic import Critic
from gan_probe.images.image_set import ImageSet
from gan_probe.scoring.engines import LOCAL

DEPLOY = Path(__file__).parents[1] / "deploy"
BARE_PATH = os.pathsep.join([str(Path(sys.base_prefix) / "bin"), "/usr/local/bin", "/usr/bin", "/bin"])
SCRIPT = DEPLOY / "slurm-array.sh"


def task(index: int, count: int, first: int, *words: object, bin: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ, "PATH": f"{bin}:{os.environ['PATH']}", "PYTHONPATH": str(SCRIPT.parents[1]),
        "SLURM_ARRAY_TASK_ID": str(index), "SLURM_ARRAY_TASK_COUNT": str(count), "SLURM_ARRAY_TASK_MIN": str(first),
        "SLURM_CPUS_PER_TASK": "1",
    }  # fmt: skip
    return subprocess.run(["bash", SCRIPT, *map(str, words)], env=environment, capture_output=True, text=True)


@pytest.fixture
def bin(tmp_path: Path) -> Path:
    """A folder with the command gan-probe, of this Python and this tree."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "gan-probe").write_text(f'#!/bin/sh\nexec {sys.executable} -m gan_probe "$@"\n')
    (folder / "gan-probe").chmod(0o755)
    return folder


@pytest.mark.slow
def test_every_task_of_an_array_does_its_shards_and_the_last_one_finishes(
    run: Path,
    test_set,
    tmp_path: Path,
    bin: Path,  # type: ignore[no-untyped-def]
) -> None:
    np.save(tmp_path / "x.npy", test_set.images)
    words = (run, tmp_path / "x.npy", tmp_path / "out", "--shard-size", 20, "--no-controls", "--no-embeddings")
    done = [task(index, 3, 1, *words, bin=bin) for index in (2, 3, 1)]
    assert [d.returncode for d in done] == [0, 0, 0], done[0].stderr
    assert "3 of 4 shards" in done[0].stdout
    assert "80 scores in" in done[2].stdout
    assert len(pd.read_parquet(tmp_path / "out" / "sample.parquet")) == 80
    again = task(1, 3, 1, *words, bin=bin)  # the scheduler put it back in the queue
    assert (again.returncode, "80 scores in" in again.stdout) == (0, True)


def test_a_task_without_its_words_says_which(bin: Path) -> None:
    refused = task(0, 1, 0, "critic", bin=bin)
    assert (refused.returncode, refused.stderr) == (2, "give CRITIC DATA OUT, got 1 words.\n")


def test_the_ray_cluster_is_what_rays_own_schema_wants() -> None:
    util = pytest.importorskip("ray.autoscaler._private.util", reason="the engine ray needs the extra gan-probe[ray]")
    cluster = yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text())
    prepared = util.prepare_config(cluster)
    util.validate_config(prepared)
    with pytest.raises(Exception, match="5 is not of type 'string'"):  # it does look
        util.validate_config({**prepared, "cluster_name": 5})


@pytest.fixture(scope="module")
def encoded(test_set: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with ten encoded pictures, one of them broken."""
    cells = []
    for number, image in enumerate(test_set.images[:10]):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, format="PNG")
        cells.append({"bytes": b"no picture" if number == 3 else buffer.getvalue(), "path": f"{number}.png"})
    path = tmp_path_factory.mktemp("encoded") / "x.parquet"
    pd.DataFrame({"image": cells, "label": test_set.table["label"][:10]}).to_parquet(path)
    return path


def expected_scores(critic: Critic, data: ImageSet) -> np.ndarray:
    (found,) = LOCAL.run([critic], data.images[:10])
    scores = found.scores.copy()
    scores[3] = np.nan
    return scores


def test_what_spark_calls_scores_encoded_pictures(run: Path, test_set: ImageSet, encoded: Path) -> None:
    recipe = runpy.run_path(str(DEPLOY / "spark.py"))
    column = np.array([cell["bytes"] for cell in pd.read_parquet(encoded)["image"]] + [None], dtype=object)
    found = recipe["load"](str(run))(column)
    expected = np.append(expected_scores(Critic.load(run), test_set), np.nan)
    assert np.allclose(found, expected, rtol=1e-5, equal_nan=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_local_spark_scores_every_row_once(run: Path, test_set: ImageSet, encoded: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="needs pyspark")
    if shutil.which("java") is None:
        pytest.skip("needs Java")
    environment = {**os.environ, "PYTHONPATH": f"{DEPLOY.parent}:{os.environ.get('PYTHONPATH', '')}",
                   "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}  # fmt: skip
    words = [sys.executable, DEPLOY / "spark.py", run, encoded, tmp_path / "out"]
    done = subprocess.run(list(map(str, words)), env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = pd.read_parquet(tmp_path / "out").sort_values("path").reset_index(drop=True)
    assert found["path"].tolist() == [f"{number}.png" for number in range(10)]
    assert found["label"].tolist() == test_set.table["label"].tolist()[:10]
    scores = found["critic_score"].to_numpy(np.float32, na_value=np.nan)
    assert np.allclose(scores, expected_scores(Critic.load(run), test_set), rtol=1e-5, equal_nan=True)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_the_lines_of_the_dockerfile_run_as_an_ordinary_user() -> None:
    """Its RUN lines, in order, in a home of their own; what makes a user and the home's name are this test's."""
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    commands = [line.removeprefix("RUN ") for line in lines if line.startswith("RUN ") and "useradd" not in line]
    assert len(commands) == 4
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=DEPLOY.parent, capture_output=True, text=True, check=True)
    with tempfile.TemporaryDirectory() as home:  # pytest's own folders are for one user only
        for name in filter(None, tracked.stdout.split("\0")):
            if (DEPLOY.parent / name).is_file():
                (Path(home) / "source" / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(DEPLOY.parent / name, Path(home) / "source" / name)
        who: dict[str, Any] = {}
        if os.getuid() == 0:
            who = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            for path in [Path(home), *Path(home).rglob("*")]:
                shutil.chown(path, "nobody", "nogroup")
        kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        environment = {**kept, "PATH": f"{home}/venv/bin:{BARE_PATH}", "HOME": home}
        for command in commands:
            words = ["sh", "-c", command.replace("/home/probe", home)]
            done = subprocess.run(words, cwd=f"{home}/source", env=environment, capture_output=True, text=True, **who)
            assert done.returncode == 0, f"{command}\n{done.stderr[-2000:]}"
    assert "compact" in done.stdout
