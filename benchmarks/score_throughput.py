"""What scoring costs beside the bare forward pass, beside the loop that a user writes, and beside an older version.

OMP_NUM_THREADS=1 python benchmarks/score_throughput.py [--pairs 5] [--before CHECKOUT] [--name score-throughput]

Ratios are of CPU time, of both sides in turn, so that whatever else the machine does hits both; larger than 1: the
first side takes longer. Network `compact`, 64 px RGB, one thread. BEFORE is a checkout of another commit: a default
score of 1,000 images is then made by both, each in a process of its own, start-up and a first small score left out.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import record
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from gan_probe import Critic
from gan_probe.images.pixels import to_network
from gan_probe.images.readers.shards import find_shards, read_blocks
from gan_probe.memory import keep_freed_memory
from gan_probe.scoring.engines import LOCAL, Wanted
from gan_probe.scoring.score import score
from gan_probe.scoring.sharded import Job, score_shards
from synthetic import make_dataset

N_IMAGES = 1000
N_SHARDED = 4000  # the bins of histograms are found on 256 images first, which counts among few
BATCH_SIZES = (8, 16, 64, 128, 256)
CHILD = """
import time
import numpy as np
try:
    from gan_probe.memory import keep_freed_memory  # as the commands of today begin
except ImportError:
    pass
else:
    keep_freed_memory()
from gan_probe import Critic
from gan_probe.pipeline import from_synthetic, score  # the names of 0.1.0, which both have
from synthetic import make_dataset
data = from_synthetic(make_dataset("jitter-test", per_class=100))
critic = Critic.untrained("compact", (64, 64, 3), seed=1)
score(critic, data.take(np.arange(0, 1000, 50)))
start = time.process_time()
score(critic, data)
print(time.process_time() - start)
"""


def cpu_s(work: Callable[[], object]) -> float:
    """Return the CPU seconds of some work, of this process and of those that it started and waited for."""
    before = process_time(), _children_s()
    work()
    return process_time() - before[0] + _children_s() - before[1]


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ratios(one: Callable[[], object], other: Callable[[], object], n: int) -> dict[str, Any]:
    one(), other()
    return record.spread([cpu_s(one) / cpu_s(other) for _ in range(n)])


# --- the forward pass ---------------------------------------------------------------------------------------------


def two_passes(critic: Critic, images: np.ndarray) -> None:
    critic.score(images, batch_size=256)
    critic.embed(images, batch_size=256)


def bare(critic: Critic, images: np.ndarray, batch_size: int = 32) -> None:
    with torch.inference_mode():
        for start in range(0, len(images), batch_size):
            critic.module(to_network(images[start : start + batch_size]))


def one_pass(critic: Critic, images: np.ndarray, wanted: Wanted, batch_size: int | None = None) -> None:
    LOCAL.run([critic], images, wanted, batch_size=batch_size)


# --- from files ---------------------------------------------------------------------------------------------------


def write_images(folder: Path, images: np.ndarray) -> dict[str, Path]:
    (folder / "png").mkdir()
    cells = []
    for number, image in enumerate(images):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, format="PNG")
        cells.append({"bytes": buffer.getvalue(), "path": f"{number}.png"})
        (folder / "png" / f"{number:05d}.png").write_bytes(buffer.getvalue())
    pd.DataFrame({"image": cells}).to_parquet(folder / "x.parquet", row_group_size=500)
    np.save(folder / "x.npy", images)
    return {"npy": folder / "x.npy", "parquet": folder / "x.parquet", "png": folder / "png"}


def read(path: Path) -> None:
    for shard in find_shards(path):
        for _ in read_blocks(shard, 3):
            pass


def sharded(critic: Path, path: Path, out: Path) -> None:
    """Score as `gan-probe score --out FOLDER --no-controls --no-embeddings --sample 2` does."""
    shutil.rmtree(out, ignore_errors=True)
    embed = partial(score, controls=False, embeddings=False)
    score_shards(
        Job(critic=critic, device="cpu", out=out, controls="none", n_sample=2), [path], n_rows=1000, embed=embed
    )


class Pictures(Dataset[torch.Tensor]):
    """What a user writes."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.iterdir())

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> torch.Tensor:
        pixels = np.array(Image.open(self.paths[number]).convert("RGB"))
        return torch.from_numpy(pixels).permute(2, 0, 1).float() / 127.5 - 1


def users_loop(critic: Critic, folder: Path) -> None:
    scores = []
    with torch.no_grad():
        for batch in DataLoader(Pictures(folder), batch_size=64, num_workers=2):
            scores.append(critic.module(batch))
    torch.cat(scores).numpy()


# --- beside another version ---------------------------------------------------------------------------------------


def default_score_s(tree: Path) -> float:
    """Return the CPU seconds of a default score by the code of a checkout."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    environment = {**ours, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD], env=environment, cwd=tree, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stderr)
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--name", default="score-throughput")
    arguments = parser.parse_args()
    n = arguments.pairs
    torch.set_num_threads(1)
    keep_freed_memory()  # as the commands do
    images = make_dataset("jitter-test", per_class=N_SHARDED // 10).images
    critic = Critic.from_network("compact", (64, 64, 3), seed=1)
    everything, scores = Wanted(None), Wanted()
    few = images[:256]
    found: dict[str, Any] = {
        "two_passes_at_256_over_one_pass": ratios(
            lambda: two_passes(critic, few), lambda: one_pass(critic, few, everything), n
        ),
        "engine_over_bare_forward": ratios(lambda: one_pass(critic, few, scores), lambda: bare(critic, few), n),
        "batch_size_over_32": {
            size: ratios(partial(one_pass, critic, few, everything, size), lambda: one_pass(critic, few, everything), n)
            for size in BATCH_SIZES
        },
    }
    with tempfile.TemporaryDirectory() as folder:
        critic.save(f"{folder}/critic")
        out, saved = Path(folder) / "out", Path(folder) / "critic"
        paths = write_images(Path(folder), images)
        found["scoring_by_shards_over_bare_forward"] = {
            name: ratios(partial(sharded, saved, path, out), lambda: bare(critic, images), n)
            for name, path in paths.items()
        }
        found["reading_over_bare_forward"] = {
            name: ratios(partial(read, path), lambda: bare(critic, images), n) for name, path in paths.items()
        }
        found["users_loop_over_scoring_by_shards"] = ratios(
            lambda: users_loop(critic, paths["png"]), lambda: sharded(saved, paths["png"], out), n
        )
    if arguments.before:
        here = Path(__file__).parents[1]
        pairs = [(default_score_s(arguments.before), default_score_s(here)) for _ in range(min(n, 3))]
        found["default_score_of_1000_before_over_now"] = record.spread([before / now for before, now in pairs])
        found["default_score_ms_an_image"] = record.spread([1e3 * now / N_IMAGES for _, now in pairs])
    record.save(arguments.name, found)


if __name__ == "__main__":
    main()
