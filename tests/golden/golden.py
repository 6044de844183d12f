"""The same commands on two versions of the code, and what they wrote compared: ``make golden BASE=<commit>``.

    python tests/golden/golden.py run OUT        every verb on small data, fixed seeds, one thread, float32
    python tests/golden/golden.py compare A B    two such folders, bit for bit
    python tests/golden/golden.py summary OUT    what is committed as tests/golden/summary.json

Compared are the values of JSON, CSV and Parquet files and of arrays, and what each command prints with ``--json``;
not compared are times, versions, hashes and the command lines themselves.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SUMMARY = Path(__file__).parent / "summary.json"
# Keys whose values differ between two runs of the same code, or between versions by what they are.
LEFT_OUT = re.compile(
    r"(^|[._])(hash|hashes|checksum|version|command|elapsed_s|seconds|schema|torch|numpy|python|scikit_learn|machine|threads|cores|computes_with)$"
    r"|critic_hash|^environment|images_per_s|^bank"
)
SPEC = """\
name = "golden-{part}"
size_px = 32
per_class = {n}
{seen}
[defaults]
size = {{ low = 0.4, high = 0.7 }}
rotation_deg = {{ low = 0, high = 360 }}

{types}
"""
TYPE = """\
[[type]]
label = "{label}"
shape = "{shape}"
base = {base}
sign = {sign}
noise = {noise}
"""
SEEN = [("square", "square", 0.7, 1, 0.03), ("circle", "circle", 0.85, -1, 0.03)]
UNSEEN = [("triangle", "triangle", 0.7, 1, 0.03), ("dark square", "square", 0.4, 1, 0.01)]
SMALL = "--steps 12 --batch-size 8 --precision fp32 --set n_critic=2 --set n_snapshots=3 --device cpu"

COMMANDS = (
    "synth train.toml --out train",
    "synth test.toml --out test --masks",
    "synth test.toml --out test-npy --format npy --seed 1",
    "synth test.toml --out test-parquet --format parquet --seed 1",
    f"train train --out run --seed 3 {SMALL}",
    f"train train --out runs --runs 3 --jobs 1 --seed 5 {SMALL}",
    f"train train --out other --runs 3 --jobs 1 --seed 5 --set decay_share=0 {SMALL}",
    f"train train --out hinge --preset hinge --set conditional=true {SMALL}",
    "diagnose run hinge --out diagnosis",
    "sample run --out samples --n 12 --interpolate 2 --device cpu",
    "arithmetic run train 'square - square + square = square' --out arithmetic-a --draws 20 --device cpu",
    "arithmetic run train 'circle - circle + circle = circle' --out arithmetic-b --draws 20 --device cpu",
    "adapt foreign_critic:patches --out adapted --image-shape 32x32x3",
    "adapt foreign_critic:patches --out reversed --image-shape 32x32x3 --reverse --value-range 0,1",
    "check run train --device cpu",
    "check adapted train --trust-code --device cpu",
    "score run test --out scores.parquet --device cpu",
    "score runs/run-00 test --out scores-0.parquet --device cpu",
    "score runs/run-01 test --out scores-1.parquet --device cpu",
    "score adapted test-npy --out scores-adapted.parquet --trust-code --pooling max --device cpu",
    "score hinge test-parquet --out scores-hinge.parquet --no-embeddings --device cpu",
    "cluster scores.parquet --out clusters.csv",
    "report scores.parquet --out report",
    "report scores-0.parquet scores-1.parquet --out report-two",
    "report scores-adapted.parquet --out report-adapted --data test-npy",
    "outliers scores.parquet --out outliers.csv",
    "outliers scores.parquet --out outliers-two.csv --two-sided",
    "stability runs/run-00 runs/run-01 runs/run-02 --data test --out stability --against other --nulls --device cpu",
    "stability runs/run-00 runs/run-01 runs/run-02 --data test --out agreed --step agreed --no-controls --device cpu",
    "settle runs/run-00 runs/run-01 --data train --out settled --n-fakes 40 --updates 6 --jobs 1 --device cpu",
    "ensemble runs/run-00 runs/run-01 runs/run-02 --panel train --out ensemble --device cpu",
    "score ensemble test --out scores-ensemble.parquet --device cpu",
    "trajectory run test --out trajectory --device cpu",
    "probe run test --out probe --labels 1 --labels 3 --draws 6 --device cpu",
    "explain run test --out explain --per-class 2 --steps 8 --device cpu",
    "factors run --out factors --per-class 10 --bases 20 --device cpu",
)


def run(out: Path) -> None:
    """Do every command in ``out``, with the gan_probe that is imported first, and keep what each printed."""
    if out.exists():
        shutil.rmtree(out)
    out.mkdir(parents=True)
    os.chdir(out)
    _write_specs()
    import torch

    torch.set_num_threads(1)
    from typer.testing import CliRunner

    import gan_probe
    from gan_probe.cli import app

    print(f"golden numbers of {Path(gan_probe.__file__).parent} in {out}")
    import shlex

    printed: dict[str, Any] = {}
    for command in COMMANDS:
        words = [*shlex.split(command), "--json"]
        sys.argv = ["gan-probe", *words]
        result = CliRunner().invoke(app, words)
        printed[command] = {"exit_code": result.exit_code, **json.loads(result.stdout or "{}")}
        print(f"{result.exit_code}  {command}", flush=True)
        if result.exit_code not in (0, 3):
            print(result.stderr)
    Path("printed.json").write_text(json.dumps(printed, indent=1))


def _write_specs() -> None:
    for part, types, n in (("train", SEEN, 24), ("test", SEEN + UNSEEN, 12)):
        rows = "\n".join(TYPE.format(label=a, shape=b, base=c, sign=d, noise=e) for a, b, c, d, e in types)
        Path(f"{part}.toml").write_text(SPEC.format(part=part, n=n, types=rows, seen='seen = ["square", "circle"]'))


# --- what was written --------------------------------------------------------------------------------------------


def values(folder: Path) -> dict[str, Any]:
    """Return every value in the files of a folder, by file and place in it."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".json" or path.name.endswith(".jsonl"):
            lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
            for number, line in enumerate(lines):
                found |= {f"{name}#{number}{place}": value for place, value in _leaves(json.loads(line))}
        elif path.suffix in (".csv", ".parquet"):
            found |= {f"{name}:{column}": cells for column, cells in _table(path)}
        elif path.suffix == ".npy":
            import numpy as np

            found[name] = np.load(path).ravel().tolist()
    return {place: value for place, value in found.items() if not any(map(LEFT_OUT.search, re.split(r"[#:]", place)))}


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if not LEFT_OUT.search(str(key)):
                yield from _leaves(inner, f"{place}.{key}")
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{place}[{number}]")
    else:
        yield place, value


def _table(path: Path) -> Iterator[tuple[str, list[Any]]]:
    import numpy as np
    import pandas as pd

    frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    for column in frame.columns:
        cells = frame[column].tolist()
        if cells and isinstance(cells[0], dict):
            continue  # encoded images
        if cells and isinstance(cells[0], np.ndarray):
            cells = np.stack(cells).ravel().tolist()
        yield str(column), cells


def same(a: Any, b: Any, tolerance: float = 0.0) -> bool:
    """Return whether two values are equal: numbers within a relative tolerance, nothing else approximately."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float | int):
        return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
    return bool(a == b)


def compare(before: Path, after: Path) -> list[str]:
    """Return the places in which two golden folders differ, each with both values."""
    old, new = values(before), values(after)
    lines = [f"only before: {place}" for place in old if place not in new]
    lines += [f"only after: {place}" for place in new if place not in old]
    lines += [
        f"{place}: {str(old[place])[:120]} -> {str(new[place])[:120]}"
        for place in old
        if place in new and not same(old[place], new[place])
    ]
    return lines


def summary(folder: Path) -> dict[str, Any]:
    """Return what is committed: how many numbers stand at each place, rows taken together, their mean and deviation."""
    gathered: dict[str, list[float]] = {}
    for place, value in values(folder).items():
        numbers = value if isinstance(value, list) else [value]
        if numbers and all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
            gathered.setdefault(re.sub(r"\[\d+\]|#\d+", "", place), []).extend(numbers)
    found: dict[str, Any] = {}
    for place, numbers in gathered.items():
        finite = [n for n in numbers if math.isfinite(n)] or [0.0]
        mean = sum(finite) / len(finite)
        spread = math.sqrt(sum((n - mean) ** 2 for n in finite) / len(finite))
        found[place] = [len(numbers), float(f"{mean:.6g}"), float(f"{spread:.6g}")]
    return found


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    match sys.argv[1:]:
        case ["run", out]:
            run(Path(out).resolve())
        case ["compare", a, b]:
            lines = compare(Path(a), Path(b))
            print("\n".join(lines) or "golden: equal, bit for bit")
            sys.exit(bool(lines))
        case ["summary", out]:
            rows = (f"{json.dumps(place)}: {json.dumps(row)}" for place, row in sorted(summary(Path(out)).items()))
            SUMMARY.write_text("{\n" + ",\n".join(rows) + "\n}\n")
        case _:
            sys.exit(__doc__)
