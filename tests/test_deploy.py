"""What is in deploy/, run as far as it can be without a cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[1] / "deploy" / "slurm-array.sh"


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
    import numpy as np

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
