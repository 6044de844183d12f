"""Two real processes on one training, over gloo."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gan_probe.config import TrainConfig
from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError
from gan_probe.images.image_set import ImageSet
from gan_probe.training import RunFolder
from gan_probe.training.ranks import ALONE, Ranks
from tests.training.two_processes import work

TOLERANCE = 1e-12  # of the norm, in double
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}


def torchrun(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *words]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def together(train_set: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left that torchrun started once for all: `two_processes.py` says what they did."""
    folder = tmp_path_factory.mktemp("together")
    np.save(folder / "images.npy", train_set.images)
    done = torchrun(str(Path(__file__).with_name("two_processes.py")), str(folder), "compact")
    assert done.returncode == 0, done.stderr
    return folder


def test_two_processes_take_the_steps_of_one(together: Path, one_thread: None) -> None:
    check_same("compact", together)


@pytest.mark.slow
def test_two_processes_normalise_over_the_whole_batch(tmp_path: Path, one_thread: None) -> None:
    done = torchrun(str(Path(__file__).with_name("two_processes.py")), str(tmp_path), "dcgan")
    assert done.returncode == 0, done.stderr
    check_same("dcgan", tmp_path)


def check_same(network: str, folder: Path) -> None:
    """The gradients of one update with the penalty, and all weights after three steps, are those of the whole batch."""
    apart, whole = load_file(folder / f"{network}.safetensors"), work(network, ALONE)
    assert set(apart) == set(whole)
    for kind in ("gradient", "critic", "generator", "average"):
        names = [n for n in whole if n.startswith(f"{kind}/") and whole[n].is_floating_point()]
        ours, theirs = (torch.cat([found[n].flatten() for n in names]) for found in (apart, whole))
        assert torch.linalg.norm(ours - theirs) <= TOLERANCE * torch.linalg.norm(theirs), kind


def test_the_command_trains_on_two_processes(together: Path) -> None:
    first, second = (json.loads((together / f"said-{rank}.json").read_text()) for rank in range(2))
    assert [run["exit_code"] for run in first] == [run["exit_code"] for run in second] == [0, 3]
    assert json.loads(first[0]["stdout"])["status"] == "ok"
    assert second[0]["stdout"] == ""  # one object: only the first process prints
    run = together / "run"
    assert json.loads((run / "config.json").read_text())["n_processes"] == 2
    assert RunFolder(run).read_metrics()["step"].tolist() == [1, 2, 3]
    assert Critic.load(run).score(np.load(together / "images.npy")).shape == (40,)
    # What only the first process finds wrong ends them all, is said once, and is no bug.
    said = first[1]["stderr"] + second[1]["stderr"]
    assert said.count("was started with other settings: steps (was 3, now 4)") == 1
    assert "This is a bug" not in said


def test_what_cannot_be_shared_out_is_refused() -> None:
    with pytest.raises(ConfigError, match="batch_size 8 is the global batch, and 3 processes cannot share it evenly"):
        Ranks(0, 3).check(TrainConfig(batch_size=8))
    kernels = TrainConfig(objective="hinge", penalty="none", minibatch_kernels=2)
    with pytest.raises(ConfigError, match="minibatch_kernels compares the images of a whole batch"):
        Ranks(0, 2).check(kernels)
    ALONE.check(kernels)


def test_parts_of_a_batch_make_the_whole() -> None:
    batch = torch.arange(12).view(6, 2)
    assert torch.equal(torch.cat([Ranks(r, 3).part(batch) for r in range(3)]), batch)
    assert ALONE.part(batch) is batch
