"""Results of trainings whose scores are made up, in the files that real trainings leave."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from gan_probe.config import preset
from gan_probe.scoring.controls import measure_statistics
from gan_probe.scoring.table import ScoreTable, columns_of, write_scores
from gan_probe.stats.beside import Beside
from gan_probe.studies.article.trained import (
    CIRCLE,
    LOSSES,
    MARKER,
    MORE,
    REFERENCE,
    SAMPLES,
    SCHEMA,
    SCORES,
    SEEN,
    WRAPPED,
    Trained,
    folder_of,
    read_trained,
)
from synthetic import Dataset, make_dataset

PER_CLASS = 20

# A world as the article describes it: class means and, by noise, standard deviations.
AS_SAID = {
    "square_0.7+_n0.03": -10.0, "square_0.7+_n0.01": -12.0, "square_0.85-_n0.03": -6.5,
    "triangle_0.7-_n0.01": 0.0, "triangle_0.7-_n0.03": 0.1, "triangle_0.85+_n0.03": 3.0,
    "circle_0.85-_n0.03": 8.0, "circle_0.85-_n0.01": 8.9, "circle_0.7+_n0.03": 11.5, "circle_0.7-_n0.03": 5.5,
}  # fmt: skip


def make(
    out: Path,
    epochs: int = 200,
    seed: int = 0,
    *,
    means: Mapping[str, float] = AS_SAID,
    widths: tuple[float, float] = (0.3, 0.12),
    losses: pd.DataFrame | None = None,
    **facts: Any,
) -> Trained:
    """Write the results of a training whose classes have these means, and widths at noise 0.03 and 0.01; read them."""
    rng, folder = np.random.default_rng((epochs, seed)), folder_of(out, epochs, seed)
    folder.mkdir(parents=True)
    data, statistics = _test_images()
    labels = data.table["label"].astype(str)
    scores = _drawn(rng, labels, means, widths)
    random_init = tuple(rng.normal(size=len(labels)) for _ in range(3))
    beside = Beside(critic=scores, random_init=random_init, baselines=statistics)
    table = data.table.assign(seen=labels.isin(SEEN), path="x", **columns_of(beside, None))
    write_scores(ScoreTable(table, {"critic_hash": f"{epochs}-{seed}", "warnings": []}), folder / SCORES)
    more = [
        pd.DataFrame({"set": name, "label": found, "critic_score": _drawn(rng, found, means, widths)})
        for name, found in (
            (CIRCLE, _labels("article-circle")), (WRAPPED, _labels("article-wrapped")),
            (REFERENCE, labels[labels.isin(SEEN)]),
        )
    ]  # fmt: skip
    pd.concat(more).to_parquet(folder / MORE, index=False)
    (falling() if losses is None else losses).to_parquet(folder / LOSSES, index=False)
    Image.new("RGB", (64, 64), "white").save(folder / SAMPLES)
    record = {
        "schema": SCHEMA, "epochs": epochs, "seed": seed, "settings": preset("article").as_dict(), "elapsed_s": 10.0,
        "seconds_per_epoch": 10 / epochs, "device": "cpu", "precision": "fp32", "critic_hash": "x", "clipped": 0.25,
        "distance": 1.5, "diversity": 1.0, **facts,
    }  # fmt: skip
    (folder / MARKER).write_text(json.dumps(record))
    return read_trained(folder)


@cache
def _test_images() -> tuple[Dataset, dict[str, Any]]:
    data = make_dataset("article-test", per_class=PER_CLASS, seed=0)
    return data, measure_statistics(data.images)


@cache
def _labels(name: str) -> pd.Series[str]:
    return make_dataset(name, per_class=PER_CLASS, seed=0).table["label"].astype(str)


def _drawn(
    rng: np.random.Generator, labels: pd.Series[str], means: Mapping[str, float], widths: tuple[float, float]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    noisy = labels.str.endswith("n0.03").to_numpy()
    middle = np.array([means.get(name, 6.0) for name in labels])
    return middle + rng.normal(size=len(labels)) * np.where(noisy, *widths)


def falling(n_steps: int = 3000, *, jump: float = 4.0) -> pd.DataFrame:
    """Return losses that fall to a tenth, with a jump in the last 200 steps."""
    step = np.arange(1, n_steps + 1)
    w = 20 * np.exp(-step / (n_steps / 3)) + 1
    w[-100:] += jump
    penalty = np.exp(-step / n_steps)
    columns = {"step": step, "w_distance": w, "penalty": penalty, "critic_loss": -w, "generator_loss": w}
    return pd.DataFrame(columns).astype("float32")
