"""Time and memory of `gan-probe score --out FOLDER` as data grow, and of merging the summaries of very many scores.

OMP_NUM_THREADS=1 python benchmarks/scale.py [--images 5000,20000 or ""] [--merged 1000 or 0] [--name scale]

Each size is one command of its own, after one of 64 images, whose CPU time counts as that of a start: CPU seconds and
peak memory are those that the system counted for it. Images are 4,000 drawn ones, repeated with other noise in their
lowest bits, in one .npy file. Summaries that are merged are of 10^6 drawn scores of ten classes and three controls
each; a few are made, and merged again and again.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pandas as pd
import record

from gan_probe.critics.critic import Critic
from gan_probe.scoring.summary import make_grid, merge, read_summary, summarise, write_summary
from synthetic import make_dataset

# The peak is the process's own (VmHWM): what wait4 counts begins with the memory of the process that started it.
CHILD = """
import atexit, pathlib
atexit.register(lambda: print(pathlib.Path("/proc/self/status").read_text()))
from gan_probe.cli import main
main()
"""
N_START = 64  # images of the run that says what a start costs
LEAN = ("--no-controls", "--no-embeddings", "--sample", "100")


def write_images(folder: Path, n: int) -> None:
    data = make_dataset("jitter-test", per_class=min(400, n // 10))
    drawn, labels = data.images, data.table["label"].astype(str).to_numpy()
    folder.mkdir(exist_ok=True)
    out = np.lib.format.open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=(n, *drawn.shape[1:]))
    for start in range(0, n, len(drawn)):
        part = drawn[: n - start]
        noise = np.random.default_rng(start).integers(0, 4, part.shape, dtype=np.uint8) if start else np.uint8(0)
        out[start : start + len(part)] = part ^ noise
    pd.DataFrame({"label": np.resize(labels, n)}).to_parquet(folder / "metadata.parquet")


def command(*words: str) -> dict[str, float]:
    """Run a command; return its CPU seconds and the most memory that it had, in MiB."""
    process = subprocess.Popen([sys.executable, "-c", CHILD, *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{words} ended with {os.waitstatus_to_exitcode(status)}")
    return {
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "peak_mib": int(printed.split("VmHWM:")[1].split()[0]) / 1024,
    }


def grown(folder: Path, sizes: list[int]) -> dict[str, Any]:
    Critic.from_network("compact", (64, 64, 3), seed=1).save(folder / "critic")
    rows: list[dict[str, Any]] = []
    for n, more in [(N_START, LEAN), (sizes[0], ()), *((n, LEAN) for n in sizes)]:
        write_images(folder / "x", n)
        out = folder / "scores"
        used = command("score", f"{folder}/critic", f"{folder}/x", "--out", str(out), "--device", "cpu", *more)
        rows.append({"images": n, "options": " ".join(more) or "all by default", **used, "folder_mib": held(out)})
        if n >= sizes[0]:
            for verb, made in (("cluster", "clusters.csv"), ("report", "report")):
                used = command(verb, str(out), "--out", str(folder / made))
                rows.append(
                    {"images": n, "options": f"{verb} of that folder", **used, "folder_mib": held(folder / made)}
                )
                (shutil.rmtree if (folder / made).is_dir() else os.remove)(folder / made)
        shutil.rmtree(out)
        print(rows, flush=True)
    start, *lean = (row for row in rows if row["options"] == " ".join(LEAN))
    growth = math.log((lean[-1]["cpu_s"] - start["cpu_s"]) / (lean[0]["cpu_s"] - start["cpu_s"]))
    return {"scored": rows, "exponent_of_cpu_time": growth / math.log(lean[-1]["images"] / lean[0]["images"])}


def held(path: Path) -> float:
    """Return the size of a file, or of all files in a folder, in MiB."""
    return sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file()) / 2**20


def _mib(what: str) -> float:
    return int(Path("/proc/self/status").read_text().split(f"{what}:")[1].split()[0]) / 1024


def merged(folder: Path, n: int, n_scores: int = 1_000_000, n_made: int = 4) -> dict[str, Any]:
    rng, files = np.random.default_rng(0), []
    grids: dict[str, Any] = {}
    for number in range(n_made):
        classes = np.arange(n_scores) % 10
        table = pd.DataFrame({
            "sample_id": [f"{i:016x}" for i in rng.integers(0, 2**62, n_scores)],
            "label": np.array([f"class-{c}" for c in range(10)])[classes],
            **{c: (0.3 * classes + rng.normal(size=n_scores)).astype(np.float32)
               for c in ("critic_score", "control.a", "control.b", "control.c")},
        })  # fmt: skip
        grids = grids or {c: make_grid(table[c].to_numpy(np.float64)) for c in table.columns[2:]}
        files.append(folder / f"{number}.parquet")
        write_summary(summarise(table, grids, shard=number, rows=np.arange(n_scores), most=5000), files[-1])
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _mib("VmRSS")
    wall, cpu = perf_counter(), process_time()
    total = merge((read_summary(files[i % n_made]) for i in range(n)), most=5000)
    cpu, wall, peak = process_time() - cpu, perf_counter() - wall, _mib("VmHWM")
    pairs = perf_counter()
    found = total.pairs()
    return {
        "summaries": n, "scores": total.n_images, "cpu_s": cpu, "wall_s": wall, "mib_more_at_peak": peak - before,
        "mib_a_summary": max(
            f.stat().st_size for f in files) / 2**20, "pairs_s": perf_counter() - pairs,
        "auroc_error_at_most": float(found["error_at_most"].max()),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", default="5000,20000")
    parser.add_argument("--merged", type=int, default=1000)
    parser.add_argument("--name", default="scale")
    arguments = parser.parse_args()
    sizes = [int(n) for n in arguments.images.split(",") if n]
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        if sizes:
            found |= grown(Path(folder), sizes)
            record.save(arguments.name, found)  # so that work cut short is not lost
        if arguments.merged:
            found["merged"] = merged(Path(folder), arguments.merged)
    record.save(arguments.name, found)


if __name__ == "__main__":
    main()
