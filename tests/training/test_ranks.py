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

TOLERANCE = 1e-5  # of the norm


def torchrun(*words: str, n: int = 2) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n), *words]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)


@pytest.mark.parametrize("network", ["compact", pytest.param("dcgan", marks=pytest.mark.slow)])
def test_two_processes_take_the_steps_of_one(network: str, tmp_path: Path) -> None:
    """The gradients of one update with the penalty, and all weights after three steps, are those of the whole batch."""
    done = torchrun(str(Path(__file__).with_name("two_processes.py")), network, str(tmp_path / "out.safetensors"))
    assert done.returncode == 0, done.stderr
    apart, whole = load_file(tmp_path / "out.safetensors"), work(network, ALONE)
    assert set(apart) == set(whole)
    for kind in ("gradient", "critic", "generator", "average"):
        names = [n for n in whole if n.startswith(f"{kind}/") and whole[n].is_floating_point()]
        ours, theirs = (torch.cat([found[n].flatten() for n in names]) for found in (apart, whole))
        assert torch.linalg.norm(ours - theirs) <= TOLERANCE * torch.linalg.norm(theirs), kind


def test_the_command_trains_on_two_processes(train_set: ImageSet, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", train_set.images)
    arguments = ["--steps", "3", "--batch-size", "8", "--precision", "fp32", "--device", "cpu", "--json"]
    out = tmp_path / "run"
    done = torchrun("-m", "gan_probe", "train", str(tmp_path / "images.npy"), "--out", str(out), *arguments)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "ok"  # one object: only the first process prints
    assert json.loads((out / "config.json").read_text())["n_processes"] == 2
    assert RunFolder(out).read_metrics()["step"].tolist() == [1, 2, 3]
    assert Critic.load(out).score(train_set.images).shape == (40,)
    # What only the first process finds wrong ends them all, is said once, and is no bug.
    refused = torchrun(
        "-m", "gan_probe", "train", str(tmp_path / "images.npy"), "--out", str(out), "--device", "cpu", "--resume",
        "--steps", "4",
    )  # fmt: skip
    assert refused.returncode != 0
    assert refused.stderr.count("was started with other settings: steps (was 3, now 4)") == 1
    assert "This is a bug" not in refused.stderr


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
