"""Detectors of outliers on critics trained here, against the score alone, controls and peers.

OMP_NUM_THREADS=1 python benchmarks/novelty.py train --out RUNS [--mnist MNIST.npz]
OMP_NUM_THREADS=1 python benchmarks/novelty.py measure --runs RUNS [--mnist MNIST.npz] [--only PROBLEM,PROBLEM]
OMP_NUM_THREADS=1 python benchmarks/novelty.py speed

``train`` makes one training (compact, 300 steps, seed 0) for each problem that RUNS has none of; ``measure`` writes
``records/novelty.json`` of those that it has. Problems: the jittered shapes, and MNIST one class against nine, the
class being the unit. ``DEVELOPMENT`` are the ones on which kinds of outliers made of reals, poolings and the rule of
choice were decided; means leave them out. ``speed`` writes ``records/novelty-speed.json``.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import record
from scipy.stats import t

from gan_probe.config import TrainConfig
from gan_probe.critics.critic import Critic
from gan_probe.images.image_set import ImageSet, from_synthetic
from gan_probe.scoring.views import viewer
from gan_probe.stats.auroc import auroc
from gan_probe.stats.conformal import conformal_p
from gan_probe.stats.novelty import METHODS, fit_detector
from gan_probe.studies.outliers.detection import CANDIDATES, detect_outliers
from gan_probe.training import train
from synthetic import make_dataset

CONFIG = TrainConfig(steps=300, batch_size=16, n_critic=2, n_snapshots=0, precision="fp32")
DEVELOPMENT = ("jitter-dev", "mnist-3")
N_TRAINING, N_REALS, N_SEEN, N_UNSEEN = 2000, 600, 200, 60  # of MNIST; N_UNSEEN of each other digit
N_NEW = 400  # reals for the rate of false alarms, at most
SIZES = {"reals": 10_000, "rows": 100_000, "features": 512}


def digits(path: str, part: str, rows: np.ndarray) -> ImageSet:
    """Return rows of MNIST, padded to 32 pixels."""
    with np.load(path) as data:
        images, labels = data[f"x_{part}"][rows], data[f"y_{part}"][rows]
    images = np.pad(images, ((0, 0), (2, 2), (2, 2)))[..., None]
    names = [hashlib.sha256(image.tobytes()).hexdigest()[:16] for image in images]
    table = pd.DataFrame({"sample_id": names, "path": [f"{part}#{row}" for row in rows], "label": labels.astype(str)})
    return ImageSet(images, table, Path("mnist"))


def rows_of(path: str, part: str, digit: int) -> np.ndarray:
    with np.load(path) as data:
        return np.flatnonzero(data[f"y_{part}"] == digit)


def training_set(problem: str, mnist: str) -> ImageSet:
    if problem.startswith("mnist"):
        return digits(mnist, "train", rows_of(mnist, "train", int(problem[-1]))[:N_TRAINING])
    return from_synthetic(make_dataset("jitter-train"))


def judged(problem: str, mnist: str) -> tuple[ImageSet, ImageSet, ImageSet]:
    """Return reals that the critic was not trained on, the data to be judged, and yet other reals."""
    if problem.startswith("mnist"):
        digit = int(problem[-1])
        rest = rows_of(mnist, "train", digit)[N_TRAINING:]
        others = [rows_of(mnist, "test", other)[: N_SEEN if other == digit else N_UNSEEN] for other in range(10)]
        return (
            digits(mnist, "train", rest[:N_REALS]),
            digits(mnist, "test", np.concatenate(others)),
            digits(mnist, "train", rest[N_REALS : N_REALS + N_NEW]),
        )
    drawn = [make_dataset("jitter-train", per_class=n, seed=seed) for n, seed in ((300, 9), (200, 11))]
    reals, new = (from_synthetic(one) for one in drawn)
    return reals, from_synthetic(make_dataset(problem, per_class=40, seed=5)), new


def run_of(problem: str, runs: Path) -> Path:
    return runs / ("jitter-0-300" if problem.startswith("jitter") else f"mnist{problem[-1]}-0-300")


def peers() -> dict[str, Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]]]:
    """Return detectors of pyod, where it is installed: fitted on rows of reals, higher = more unlike."""
    if importlib.util.find_spec("pyod") is None:
        return {}
    from pyod.models.ecod import ECOD
    from pyod.models.iforest import IForest
    from pyod.models.knn import KNN
    from pyod.models.lof import LOF

    kinds: dict[str, Callable[[], Any]] = {
        "ecod": ECOD,
        "iforest": lambda: IForest(random_state=0),
        "knn": lambda: KNN(method="mean"),
        "lof": LOF,
    }

    def fitted(kind: Callable[[], Any], rows: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        score: Callable[[np.ndarray], np.ndarray] = kind().fit(rows).decision_function
        return score

    return {name: partial(fitted, kind) for name, kind in kinds.items()}


def measure(problem: str, runs: Path, mnist: str) -> dict[str, Any]:
    """Return AUROCs of the default, of every detector, layer, control and peer, and rates of false alarms."""
    critic = Critic.load(run_of(problem, runs))
    reals, data, new = judged(problem, mnist)
    start = time.process_time()
    found = detect_outliers(critic, data, reals)
    seconds = time.process_time() - start
    assert found.novelty is not None
    assert found.advantage is not None
    by = {(row["of"], row["name"]): row["auroc"] for row in found.novelty.compared}
    classes = {d.label: round(d.auroc, 4) for d in found.detections}
    beside = {
        name: None if d is None else [round(v, 4) for v in d]
        for name, d in (("over_score", found.novelty.over_score), ("over_random_init", found.advantage.training),
                        ("over_best_control", found.advantage.use))
    }  # fmt: skip
    return {
        "default": round(found.auroc, 4),
        "used": list(found.novelty.names),
        "n_reals": {"fitted": found.novelty.n_fitted, "calibration": found.n_reference},
        "mean_over_classes": round(float(np.mean(list(classes.values()))), 4),
        "classes": classes,
        **beside,
        "best_control": found.advantage.control,
        "detectors": {name: round(v, 4) for (of, name), v in by.items() if of == "critic"},
        "controls": {name: round(v, 4) for (of, name), v in by.items() if of == "control"},
        "made_up": {row["detector"]: round(row["made_up"], 4) for row in found.novelty.choice},
        "peers_on_layers": measure_peers(critic, data, reals, found),
        "false_alarms": false_alarms(critic, reals, new, found.novelty.names),
        "seconds_cpu": round(seconds, 1),
    }


def measure_peers(critic: Critic, data: ImageSet, reals: ImageSet, found: Any) -> dict[str, float]:
    """Return the AUROC of pyod's detectors on the quadrants of all layers, side by side; fitted on the same half."""
    view = viewer(critic, ["quadrants"])
    kept = np.random.default_rng(0).permutation(len(reals))[len(reals) // 2 :]  # as detect_outliers halves them
    fitting, rows = (
        np.concatenate(list(view(images).values()), axis=1) for images in (reals.images[kept], data.images)
    )
    seen = found.table.set_index("sample_id").loc[data.table["sample_id"], "seen"].to_numpy(dtype=bool)
    scored = {name: fit(fitting)(rows) for name, fit in peers().items()}
    return {name: round(auroc(values[~seen], values[seen]), 4) for name, values in scored.items()}


def false_alarms(critic: Critic, reals: ImageSet, new: ImageSet, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the share of new reals that the detectors that are used call at 5 % and 1 %, one at a time."""
    rows = [row for row in CANDIDATES if row.name in names]
    view = viewer(critic, [row.kind for row in rows])
    order = np.random.default_rng(1).permutation(len(reals))
    half = len(reals) // 2
    fitting, usual = (view(reals.images[part]) for part in (order[:half], order[half:]))
    tested, labels = view(new.images), reals.table["label"].to_numpy(str)[order[:half]]
    rates = {}
    for row in rows:
        fitted = fit_detector(row, fitting, labels)
        p_values = conformal_p(-fitted.unlike(tested), -fitted.unlike(usual))
        rates[row.name] = {f"{level:.0%}": round(float((p_values <= level).mean()), 4) for level in (0.05, 0.01)}
    return {"n_new": len(new), "n_calibration": len(reals) - half, **rates}


def mean_interval(values: list[float]) -> dict[str, float]:
    """Return the mean over problems, with Student's 95 % interval: the problem is the unit."""
    mean, half = float(np.mean(values)), 0.0
    if len(values) > 1:
        half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return {"n": len(values), "mean": round(mean, 4), "ci_low": round(mean - half, 4), "ci_high": round(mean + half, 4)}


def summary(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return means over the digits that are reported, paired where they are differences."""
    rows = [row for name, row in found.items() if name.startswith("mnist") and name not in DEVELOPMENT]
    if not rows:
        return {}
    best = [row["default"] - max(row["controls"].values()) for row in rows]
    names = set.intersection(*(set(row["detectors"]) for row in rows)) - {"all that are used"}
    return {
        "default": mean_interval([row["default"] for row in rows]),
        "score-low": mean_interval([row["detectors"]["score-low"] for row in rows]),
        "default minus score-low": mean_interval([row["default"] - row["detectors"]["score-low"] for row in rows]),
        "default minus random_init": mean_interval([row["default"] - row["controls"]["random_init"] for row in rows]),
        "default minus best control": mean_interval(best),
        **{f"detector {name}": mean_interval([row["detectors"][name] for row in rows]) for name in sorted(names)},
        **{f"control {name}": mean_interval([row["controls"][name] for row in rows]) for name in rows[0]["controls"]},
    }


def problems(mnist: str) -> Iterator[str]:
    yield from ("jitter-dev", "jitter-test")
    if mnist:
        yield from (f"mnist-{digit}" for digit in range(10))


def speed() -> dict[str, Any]:
    """Return seconds for many rows against many reals, one detector a time, and the memory at the end."""
    rng = np.random.default_rng(0)
    reals, rows = (rng.normal(size=(SIZES[of], SIZES["features"])).astype(np.float32) for of in ("reals", "rows"))
    found: dict[str, Any] = {}
    for name in ("nearest", "mahalanobis"):
        wall, cpu = time.perf_counter(), time.process_time()
        METHODS[name](reals, None)(rows)
        found[name] = {
            "seconds_wall": round(time.perf_counter() - wall, 1), "seconds_cpu": round(time.process_time() - cpu, 1)
        }  # fmt: skip
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {**SIZES, **found, "peak_gib": round(peak, 2), "rows_gib": round((reals.nbytes + rows.nbytes) / 2**30, 2)}


def read_record() -> dict[str, dict[str, Any]]:
    """Return the problems of the record, as they were measured last."""
    path = record.RECORDS / "novelty.json"
    return json.loads(path.read_text())["problems"] if path.is_file() else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "measure", "speed"))
    parser.add_argument("--out", "--runs", dest="runs", type=Path, default=Path("runs-novelty"))
    parser.add_argument("--mnist", default="")
    parser.add_argument("--only", default="", help="Problems, with commas; others stay as they are in the record.")
    options = parser.parse_args()
    if options.what == "speed":
        record.save("novelty-speed", {"what": "100,000 rows against 10,000 reals, fitted and judged", **speed()})
        return
    if options.what == "train":
        for problem in problems(options.mnist):
            if not run_of(problem, options.runs).exists():
                train(training_set(problem, options.mnist), run_of(problem, options.runs), replace(CONFIG, seed=0))
        return
    asked = options.only.split(",") if options.only else list(problems(options.mnist))
    for problem in asked:
        if run_of(problem, options.runs).exists():
            save(read_record() | {problem: measure(problem, options.runs, options.mnist)})


def save(measured: dict[str, dict[str, Any]]) -> None:
    """Write the record, after each problem: one takes minutes."""
    found = {name: measured[name] for name in problems("all") if name in measured}
    record.save(
        "novelty",
        {
            "what": "AUROC of unseen against seen images; one training a problem, compact, 300 steps, batch 16",
            "development": list(DEVELOPMENT),
            "not_made": [name for name in problems("all") if name not in found],
            "over_digits": summary(found),
            "problems": found,
        },
    )


if __name__ == "__main__":
    main()
