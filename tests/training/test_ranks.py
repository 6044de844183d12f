"""Two real processes on one training, over gloo."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from gan_probe.config import TrainConfig
from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError
from gan_probe.images.image_set import ImageSet
from gan_probe.training import RunFolder
from gan_probe.training.ranks import ALONE, Ranks
from tests.training.two_processes import work

TOLERANCE = 1e-12  # of the norm, in double
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
TRAIN = ("-m", "gan_probe", "train", "--network", "mlp", "--device", "cpu")


def torchrun(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *words]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=240)


def both(*words: str) -> list[tuple[int, str]]:
    """Start two processes as torchrun does, without its own; return how each ended and what it said."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen(
            [sys.executable, *words],
            env={**ENVIRONMENT, **place, "RANK": rank, "LOCAL_RANK": rank},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    ]
    said = [process.communicate(timeout=240)[1] for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("network", ["compact", "auxiliary", pytest.param("dcgan", marks=pytest.mark.slow)])
def test_two_processes_take_the_steps_of_one(network: str, tmp_path: Path, one_thread: None) -> None:
    """The gradients of one update with the penalty, and all weights after three steps, are those of the whole batch."""
    ended = both(str(Path(__file__).with_name("two_processes.py")), network, str(tmp_path / "out.safetensors"))
    assert [code for code, _ in ended] == [0, 0], ended
    apart, whole = load_file(tmp_path / "out.safetensors"), work(network, ALONE)
    assert set(apart) == set(whole)
    for kind in ("gradient", "critic", "generator", "average"):
        names = [n for n in whole if n.startswith(f"{kind}/") and whole[n].is_floating_point()]
        ours, theirs = (torch.cat([found[n].flatten() for n in names]) for found in (apart, whole))
        assert torch.linalg.norm(ours - theirs) <= TOLERANCE * torch.linalg.norm(theirs), kind


@pytest.mark.slow
def test_the_command_trains_on_two_processes(train_set: ImageSet, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", train_set.images)
    out = tmp_path / "run"
    words = [*TRAIN, str(tmp_path / "images.npy"), "--out", str(out), "--batch-size", "8", "--precision", "fp32"]
    done = torchrun(*words, "--steps", "3", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "ok"  # one object: only the first process prints
    assert json.loads((out / "config.json").read_text())["n_processes"] == 2
    assert RunFolder(out).read_metrics()["step"].tolist() == [1, 2, 3]
    assert Critic.load(out).score(train_set.images).shape == (40,)
    # What only the first process finds wrong ends them all, is said once, and is no bug.
    refused = both(*words, "--steps", "4", "--resume")
    assert all(code == 3 for code, _ in refused), refused
    said = "".join(text for _, text in refused)
    assert said.count("was started with other settings: steps (was 3, now 4)") == 1
    assert "This is a bug" not in said


@pytest.mark.slow
def test_where_one_process_fails_alone_none_is_waited_for(tmp_path: Path) -> None:
    ended = both(str(Path(__file__).with_name("lonely_failure.py")), str(tmp_path))
    assert [code for code, _ in ended] == [0, 0], ended
    assert "OSError" in ended[0][1]
    assert all("took leave of the others" in said for _, said in ended), ended
    assert not (tmp_path / "two").exists()


def test_shared_statistics_lie_where_the_weights_lie() -> None:
    layer = Ranks(0, 2).share_statistics(nn.Sequential(nn.BatchNorm2d(3, device="meta", dtype=torch.float64)))[0]
    assert {(x.device.type, x.dtype) for x in (layer.weight, layer.running_mean)} == {("meta", torch.float64)}


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
