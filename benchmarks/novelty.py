"""Detectors of outliers on critics trained here, against the score alone, controls and peers.

OMP_NUM_THREADS=1 python benchmarks/novelty.py train --runs RUNS --data DATA [--only "PROBLEM;..."]
OMP_NUM_THREADS=1 python benchmarks/novelty.py measure --runs RUNS --data DATA [--only "PROBLEM;..."]
OMP_NUM_THREADS=1 python benchmarks/novelty.py speed
python benchmarks/novelty.py files --runs FOLDER --data DATA --only PROBLEM

``train`` makes the trainings (compact, 300 steps; ``VARIANTS`` are others) that RUNS has none of; ``measure`` adds to
``records/novelty.json`` those that RUNS has and the record lacks. A training's seed draws its images, too. Where a data
set is split into single classes (MNIST one class against nine), the class is the unit and has one training; elsewhere
the training is the unit. ``DEVELOPMENT`` are the problems on which kinds of outliers made of reals, poolings and the
rule of choice were decided; means leave them out. ``speed`` writes ``records/novelty-speed.json``.

DATA holds ``mnist.npz``, ``fashion.npz`` (Fashion-MNIST), ``silhouettes.npz`` (animal-shape-mnist) and ``clothing.npz``
(clothing-dataset-small, 64 px), each with ``x``, images, and ``y``, numbers of classes; problems of those that are not
there are passed over. ``files`` writes the images of one problem, seed 0, as .npz into RUNS, for the gallery.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
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
N_TRAINING, N_REALS, N_SEEN, N_UNSEEN = 2000, 600, 200, 60  # N_UNSEEN of each class
N_NEW = 400  # reals for the rate of false alarms, at most
SEEDS, SEEDS_OF_VARIANTS = 5, 3
HARD = ("equal-area", "equal-colour", "equal-noise", "texture-shape", "occluded", "cluttered")
SIZES = {"reals": 10_000, "rows": 100_000, "features": 512}

Sets = tuple[ImageSet, ImageSet, ImageSet, ImageSet]  # to train on, other reals, to be judged, yet other reals


def as_set(source: str, images: np.ndarray, labels: np.ndarray) -> ImageSet:
    """Return grey images padded from 28 to 32 pixels, colour images as they are."""
    if images.ndim == 3:
        images = np.pad(images, ((0, 0), (2, 2), (2, 2)))[..., None]
    names = [hashlib.sha256(image.tobytes()).hexdigest()[:16] for image in images]
    table = pd.DataFrame({"sample_id": names, "path": [f"{source}#{i}" for i in range(len(images))], "label": labels})
    first = ~table["sample_id"].duplicated().to_numpy()
    return ImageSet(images[first], table[first].reset_index(drop=True), Path(source))


def apart(*sets: ImageSet) -> Sets:
    """Return sets without the images that an earlier one has, pixel for pixel: some data sets hold copies."""
    known, found = set[str](), list[ImageSet]()
    for one in sets:
        kept = ~one.table["sample_id"].isin(known).to_numpy()
        found.append(one.take(kept))
        known |= set(one.table["sample_id"])
    training, reals, judged, new = found
    return training, reals, judged, new


@lru_cache(maxsize=2)
def stored(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images, numbers of classes, and their names."""
    with np.load(path) as data:
        names = data["classes"] if "classes" in data else np.arange(data["y"].max() + 1).astype(str)
        return data["x"], data["y"], names


@dataclass(frozen=True)
class Stored:
    """Classes of a stored data set that are seen, and those that are not, of it or of another one."""

    source: str
    seen: tuple[int, ...]
    unseen: tuple[int, ...]
    other: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the training, other than CONFIG
    sizes: tuple[int, int, int, int] = (N_TRAINING, N_REALS, N_SEEN, N_NEW)

    def __call__(self, seed: int, data: Path) -> Sets:
        rng = np.random.default_rng(seed)
        images, classes, names = stored(data / f"{self.source}.npz")
        rows = rng.permutation(np.flatnonzero(np.isin(classes, self.seen)))
        parts = np.split(rows, np.cumsum(self.sizes))[:4]
        sets = [as_set(self.source, images[part], named("seen", names[classes[part]])) for part in parts]
        others, numbers, names = stored(data / f"{self.other or self.source}.npz")
        news = np.concatenate([rng.permutation(np.flatnonzero(numbers == c))[:N_UNSEEN] for c in self.unseen])
        new = as_set(self.source, others[news], named("unseen", names[numbers[news]]))
        judged = ImageSet(
            np.concatenate([sets[2].images, new.images]), pd.concat([sets[2].table, new.table], ignore_index=True),
            Path(self.source),
        )  # fmt: skip
        return apart(sets[0], sets[1], judged, sets[3])

    def is_there(self, data: Path) -> bool:
        return all((data / f"{name}.npz").is_file() for name in (self.source, self.other or self.source))


@dataclass(frozen=True)
class Drawn:
    """A preset to train on, and one with unseen classes."""

    training: str
    test: str

    def __call__(self, seed: int, data: Path) -> Sets:
        drawn = [make_dataset(self.training, per_class=n, seed=100 * seed + k) for k, n in enumerate((300, 300, 200))]
        training, reals, new = (from_synthetic(one) for one in drawn)
        return training, reals, from_synthetic(make_dataset(self.test, per_class=40, seed=100 * seed + 5)), new

    def is_there(self, data: Path) -> bool:
        return True


def named(what: str, classes: np.ndarray) -> np.ndarray:
    return np.array([f"{what} {name}" for name in classes])


HALVES = (tuple(range(5)), tuple(range(5, 10)))
ALL = tuple(range(10))
VARIANTS: dict[str, dict[str, Any]] = {
    "four times as long": {"steps": 1200},
    "contrastive task": {"auxiliary": "contrastive", "augment": "crop"},
}
PROBLEMS: dict[str, Stored | Drawn] = {
    **{f"mnist-{c}": Stored("mnist", (c,), tuple(o for o in ALL if o != c)) for c in ALL},
    "mnist-halves": Stored("mnist", *HALVES),
    "fashion-halves": Stored("fashion", *HALVES),
    "silhouettes-halves": Stored("silhouettes", *HALVES),
    "fashion-mnist": Stored("fashion", ALL, ALL, other="mnist"),
    "mnist-fashion": Stored("mnist", ALL, ALL, other="fashion"),
    "garments": Stored("clothing", (2, 4, 5, 9), (0, 1, 3, 6, 7, 8), sizes=(1500, 400, 200, 300)),
    "jitter-dev": Drawn("jitter-train", "jitter-dev"),
    "jitter-test": Drawn("jitter-train", "jitter-test"),
    "article-test": Drawn("article-train", "article-test"),
    **{f"{name}-test": Drawn(f"{name}-train", f"{name}-test") for name in HARD},
    **{
        f"{name}-halves, {variant}": Stored(name, *HALVES, settings=settings)
        for variant, settings in VARIANTS.items()
        for name in ("mnist", "fashion", "silhouettes")
    },
}


def is_single(problem: str) -> bool:
    """Return whether a problem is one class of a data set, which is then the unit."""
    return problem.startswith("mnist-") and problem[-1].isdigit()


def seeds_of(problem: str) -> range:
    if "," in problem:
        return range(SEEDS_OF_VARIANTS)
    return range(1 if is_single(problem) or problem in DEVELOPMENT else SEEDS)


def run_of(problem: str, seed: int, runs: Path) -> Path:
    made = PROBLEMS[problem]
    name = made.training if isinstance(made, Drawn) else problem.replace(", ", "+").replace(" ", "-")
    return runs / f"{name}.{seed}"


def peers() -> dict[str, Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]]]:
    """Return detectors of pyod and pytorch-ood, where installed: fitted on rows of reals, higher = more unlike."""
    found: dict[str, Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {}
    if importlib.util.find_spec("pyod") is not None:
        from pyod.models.ecod import ECOD
        from pyod.models.iforest import IForest
        from pyod.models.knn import KNN
        from pyod.models.lof import LOF

        kinds: dict[str, Callable[[], Any]] = {
            "pyod ECOD": ECOD,
            "pyod isolation forest": lambda: IForest(random_state=0),
            "pyod kNN": lambda: KNN(method="mean"),
            "pyod LOF": LOF,
        }

        def fitted(kind: Callable[[], Any], rows: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
            score: Callable[[np.ndarray], np.ndarray] = kind().fit(rows).decision_function
            return score

        found |= {name: partial(fitted, kind) for name, kind in kinds.items()}
    if importlib.util.find_spec("pytorch_ood") is not None:
        import torch
        from pytorch_ood.detector import KNN as NearestOOD
        from pytorch_ood.detector import Mahalanobis

        def of_features(kind: Callable[[], Any], rows: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
            one = kind()
            one.fit_features(torch.from_numpy(rows), torch.zeros(len(rows), dtype=torch.long))
            return lambda new: one.predict_features(torch.from_numpy(new)).numpy()

        found["pytorch-ood kNN"] = partial(of_features, lambda: NearestOOD(None))
        found["pytorch-ood Mahalanobis"] = partial(of_features, lambda: Mahalanobis(None))
    return found


def measure(problem: str, seed: int, runs: Path, data: Path) -> dict[str, Any]:
    """Return AUROCs of the default, of every detector, layer, control and peer, and rates of false alarms."""
    critic = Critic.load(run_of(problem, seed, runs))
    _, reals, judged, new = PROBLEMS[problem](seed, data)
    start = time.process_time()
    found = detect_outliers(critic, judged, reals)
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
        "classes": classes,
        **beside,
        "best_control": found.advantage.control,
        "detectors": {name: round(v, 4) for (of, name), v in by.items() if of == "critic"},
        "controls": {name: round(v, 4) for (of, name), v in by.items() if of == "control"},
        "made_up": {row["detector"]: round(row["made_up"], 4) for row in found.novelty.choice},
        "peers_on_layers": measure_peers(critic, judged, reals, found),
        "false_alarms": false_alarms(critic, reals, new, found.novelty.names),
        "seconds_cpu": round(seconds, 1),
    }


def measure_peers(critic: Critic, judged: ImageSet, reals: ImageSet, found: Any) -> dict[str, float]:
    """Return the AUROC of peers on the quadrants of all layers, side by side; fitted on the same half of the reals."""
    view = viewer(critic, ["quadrants"])
    kept = np.random.default_rng(0).permutation(len(reals))[len(reals) // 2 :]  # as detect_outliers halves them
    fitting, rows = (
        np.concatenate(list(view(images).values()), axis=1) for images in (reals.images[kept], judged.images)
    )
    seen = found.table.set_index("sample_id").loc[judged.table["sample_id"], "seen"].to_numpy(dtype=bool)
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


# --- over trainings and classes ---------------------------------------------------------------------------------------


def mean_interval(values: Sequence[float]) -> dict[str, float]:
    """Return the mean over units, with Student's 95 % interval."""
    mean, half = float(np.mean(values)), 0.0
    if len(values) > 1:
        half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return {"n": len(values), "mean": round(mean, 4), "ci_low": round(mean - half, 4), "ci_high": round(mean + half, 4)}


def over_units(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return means over classes or trainings, paired where they are differences."""

    def in_all(of: str) -> list[str]:
        return sorted(set.intersection(*(set(row[of]) for row in rows)))

    def means(of: str) -> dict[str, dict[str, float]]:
        return {name: mean_interval([row[of][name] for row in rows]) for name in in_all(of)}

    controls = means("controls")
    best = max(controls, key=lambda name: controls[name]["mean"])
    rates = [
        (level, rate)
        for row in rows
        for found in row["false_alarms"].values()
        if isinstance(found, dict)
        for level, rate in found.items()
    ]
    return {
        "default": mean_interval([row["default"] for row in rows]),
        "minus score-low": mean_interval([row["default"] - row["detectors"]["score-low"] for row in rows]),
        "minus random_init": mean_interval([row["default"] - row["controls"]["random_init"] for row in rows]),
        "best control": best,
        "minus best control": mean_interval([row["default"] - row["controls"][best] for row in rows]),
        "detectors": means("detectors"),
        "controls": controls,
        "peers_on_layers": means("peers_on_layers"),
        "false_alarms": {level: mean_interval([r for at, r in rates if at == level]) for level in ("5%", "1%")},
    }


def summary(problems: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what is reported of each problem; single digits are one problem, those of development left out."""
    digits = [name for name in problems if is_single(name) and name not in DEVELOPMENT]
    found = {"mnist one against nine": over_units([problems[name]["0"] for name in digits])} if digits else {}
    others = [name for name in problems if not is_single(name)]
    found |= {name: over_units(list(problems[name].values())) for name in others}
    for name in (name for name in others if "," in name):  # VARIANTS, by seed
        own, usual = problems[name], problems[name.split(",")[0]]
        both = [own[seed]["default"] - usual[seed]["default"] for seed in own if seed in usual]
        found[name]["minus the usual training"] = mean_interval(both)
    return found


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


def save(measured: dict[str, dict[str, Any]]) -> None:
    """Write the record, after each training: one takes minutes."""
    problems = {name: dict(sorted(measured[name].items())) for name in PROBLEMS if name in measured}
    missing = [
        f"{name}, seed {seed}"
        for name in PROBLEMS
        for seed in seeds_of(name)
        if str(seed) not in problems.get(name, {})
    ]
    record.save(
        "novelty",
        {
            "what": "AUROC of unseen against seen images; compact, 300 steps of 16 images",
            "development": list(DEVELOPMENT),
            "not_made": missing,
            "summary": summary(problems),
            "problems": problems,
        },
    )


def units(options: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """Return problems and seeds: the first seed of all problems, then the next."""
    asked = options.only.split(";") if options.only else list(PROBLEMS)
    there = [name for name in asked if PROBLEMS[name].is_there(options.data)]
    print("no data for:", ", ".join(set(asked) - set(there)) or "none")
    return ((name, seed) for seed in range(SEEDS) for name in there if seed in seeds_of(name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "measure", "speed", "files"))
    parser.add_argument("--runs", type=Path, default=Path("runs-novelty"))
    parser.add_argument("--data", type=Path, default=Path("data-novelty"))
    parser.add_argument("--only", default="", help="Problems, with semicolons between them.")
    options = parser.parse_args()
    if options.what == "speed":
        record.save("novelty-speed", {"what": "100,000 rows against 10,000 reals, fitted and judged", **speed()})
        return
    if options.what == "files":
        sets = PROBLEMS[options.only](0, options.data)
        for name, images in zip(("training", "reals", "judged", "new"), sets, strict=True):
            labels = images.table["label"].to_numpy(str)
            np.savez_compressed(options.runs / f"{options.only}-{name}.npz", x=images.images, y=labels)
        return
    for problem, seed in units(options):
        out = run_of(problem, seed, options.runs)
        if options.what == "train" and not out.exists():
            made = PROBLEMS[problem]
            settings = made.settings if isinstance(made, Stored) else {}
            train(made(seed, options.data)[0], out, CONFIG.updated({**settings, "seed": seed}))
        elif options.what == "measure" and (out / "critic").exists():
            known = read_record()
            if str(seed) in known.get(problem, {}):
                continue
            known.setdefault(problem, {})[str(seed)] = measure(problem, seed, options.runs, options.data)
            save(known)


if __name__ == "__main__":
    main()
