"""The article's experiment as a function: data, trainings from scratch, scores; what is there already is kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from gan_probe.config import TrainConfig, preset
from gan_probe.critics.critic import Critic
from gan_probe.critics.generator import Generator
from gan_probe.device import environment, resolve_precision
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import ImageSet, from_synthetic
from gan_probe.scoring.engines import LOCAL
from gan_probe.scoring.score import score
from gan_probe.scoring.table import ScoreTable, write_scores
from gan_probe.studies.article.claims import LENGTHS
from gan_probe.studies.article.result import ArticleResult
from gan_probe.studies.article.trained import (
    CIRCLE,
    LOSSES,
    MARKER,
    MORE,
    REFERENCE,
    SAMPLES,
    SCHEMA,
    SCORES,
    WRAPPED,
    folder_of,
    read_all,
    read_trained,
)
from gan_probe.text import placeless
from gan_probe.training import train
from gan_probe.training.loop import OnStep
from gan_probe.training.runs.folder import RunFolder
from gan_probe.version import VERSION
from synthetic import make_dataset
from synthetic.files import atomic_folder

SETTINGS = "article.json"
SETTINGS_SCHEMA = "gan_probe.article_settings/1"
DATA_SEED, REFERENCE_SEED = 0, 1
PER_CLASS, N_REFERENCE, N_CLIPPED = 300, 100, 256  # images of a type; new ones of each; generated ones
KEPT_LOSSES = ["step", "w_distance", "penalty", "critic_loss", "generator_loss"]


def config_of(epochs: int, seed: int, n_images: int) -> TrainConfig:
    """Return the settings of one training: the preset's, of a length in passes over the images."""
    config = preset("article")
    steps = config.steps_for(epochs, n_images)
    return config.updated({"steps": steps, "seed": seed, "n_snapshots": 1})


def training_images(per_class: int = PER_CLASS) -> ImageSet:
    """Return the two types that every training is on."""
    return from_synthetic(make_dataset("article-train", per_class=per_class, seed=DATA_SEED))


def run_folder(out: Path, epochs: int, seed: int) -> Path:
    """Return where a training happens."""
    return out / "runs" / f"epochs-{epochs:04d}" / f"seed-{seed}"


def train_one(
    out: Path,
    epochs: int,
    seed: int,
    *,
    per_class: int = PER_CLASS,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
    on_step: OnStep | None = None,
) -> None:
    """Train once, from scratch or from where it was cut off, and keep the results; do nothing where they are kept.

    Parameters
    ----------
    out : path
        Of the whole experiment.
    epochs, seed : int
    per_class : int
        Training images of each of the two types.
    device : str or torch.device
    precision : str
        See `gan_probe.config.TrainConfig`; the preset's is fp32.
    on_step : callable, optional
        See `gan_probe.training.train`.
    """
    results, run = folder_of(out, epochs, seed), run_folder(out, epochs, seed)
    if (results / MARKER).is_file():
        return
    images = training_images(per_class)
    config = config_of(epochs, seed, len(images)).updated({"precision": precision})
    critic = train(images, run, config, resume=True, device=device, on_step=on_step)
    results.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(results, marker=MARKER) as folder:
        _keep(folder, critic, RunFolder(run), config, epochs=epochs, n_images=len(images), device=torch.device(device))
    RunFolder(run).checkpoint.unlink(missing_ok=True)  # four times the networks, and nothing goes on from it
    shutil.rmtree(run / "snapshots", ignore_errors=True)


def _keep(
    folder: Path,
    critic: Critic,
    run: RunFolder,
    config: TrainConfig,
    *,
    epochs: int,
    n_images: int,
    device: torch.device,
) -> None:
    """Write the small results of a finished training."""
    table = score(critic, _drawn("article-test"), embeddings=False)
    write_scores(ScoreTable(table.table, placeless(table.provenance)), folder / SCORES)  # they are copied elsewhere
    more = [_scores_of(critic, name, _drawn(name)) for name in (CIRCLE, WRAPPED)]
    new = from_synthetic(make_dataset("article-train", per_class=N_REFERENCE, seed=REFERENCE_SEED))
    pd.concat([*more, _scores_of(critic, REFERENCE, new)]).to_parquet(folder / MORE, index=False)
    losses = run.read_metrics()
    losses[KEPT_LOSSES].astype("float32").to_parquet(folder / LOSSES, index=False)
    shutil.copyfile(run.sample_sheet(config.steps), folder / SAMPLES)
    seconds = float(losses["elapsed_s"].iloc[-1])
    health = run.read_health()[-1]
    facts = {
        "schema": SCHEMA,
        "epochs": epochs,
        "seed": config.seed,
        "settings": config.as_dict(),
        "n_images": n_images,
        "elapsed_s": seconds,
        "seconds_per_epoch": seconds / epochs,
        "device": _name(device),
        "precision": resolve_precision(config.precision, device),
        "critic_hash": critic.hash,
        "clipped": _clipped(Generator.load(run.path, device)),
        "distance": health["distance"],
        "diversity": health["diversity"],
        "version": VERSION,
        **environment(),
    }
    (folder / MARKER).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _drawn(name: str) -> ImageSet:
    return from_synthetic(make_dataset(name, seed=DATA_SEED))


def _scores_of(critic: Critic, name: str, images: ImageSet) -> pd.DataFrame:
    scores = LOCAL.run([critic], images.images)[0].scores.astype(np.float32)
    return pd.DataFrame({"set": name, "label": images.table["label"].astype(str), "critic_score": scores})


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def _clipped(generator: Generator) -> float:
    """Return the share of the values of generated images that lie outside of [-1, 1]."""
    latents = torch.from_numpy(generator.latents(N_CLIPPED, seed=0)).to(generator.device)
    with torch.inference_mode():
        return float((generator.module(latents).abs() > 1).float().mean())


def tasks(
    out: Path, epochs: Sequence[int], seeds: int, *, devices: Sequence[torch.device], **options: Any
) -> dict[int, dict[Path, partial[None]]]:
    """Return the trainings that are still to be done, by their length and folder; shorter ones first."""
    found: dict[int, dict[Path, partial[None]]] = {}
    for length in sorted(epochs):
        todo = [s for s in range(seeds) if not (folder_of(out, length, s) / MARKER).is_file()]
        found[length] = {
            run_folder(out, length, seed): partial(
                train_one, out, length, seed, device=devices[number % len(devices)], **options
            )
            for number, seed in enumerate(todo)
        }
    return {length: todo for length, todo in found.items() if todo}


def write_settings(out: Path, settings: Mapping[str, Any]) -> None:
    """Write what the experiment was begun with."""
    record = {"schema": SETTINGS_SCHEMA, **settings}
    (out / SETTINGS).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def check_settings(out: Path, per_class: int) -> None:
    """Raise unless an experiment that is there may be gone on with.

    Raises
    ------
    InputError
        For a folder that is not one of this experiment.
    ConfigError
        For another number of training images.
    """
    try:
        record = json.loads((out / SETTINGS).read_text(encoding="utf-8"))
        known = int(record["per_class"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{out} is not a folder of gan-probe article: {error}.") from error
    if known != per_class:
        raise ConfigError(
            f"{out} was begun with --per-class {known}, not {per_class}. Leave it as it was, or start anew elsewhere."
        )


def article(out: str | Path, *, epochs: Sequence[int] = LENGTHS, seeds: int = 1) -> ArticleResult:
    """Return what of the article's report holds, from the results that are in a folder.

    Parameters
    ----------
    out : path
        That `gan-probe article` wrote, or a folder with its ``results``.
    epochs : sequence of int
        The lengths that were wanted: what is missing of them is named.
    seeds : int
        Trainings of each that were wanted.

    Raises
    ------
    InputError
        When no results are there, or they are broken.
    """
    out = Path(out)
    trainings = read_all(out)
    if not trainings:
        raise InputError(f"{out} holds no results of trainings yet. Run gan-probe article --out {out}.")
    differing = {int(t.facts["settings"]["batch_size"]) for t in trainings}
    provenance = {
        "trainings": ", ".join(t.name for t in trainings),
        "devices": ", ".join(sorted({str(t.facts["device"]) for t in trainings})),
        "precision": ", ".join(sorted({str(t.facts["precision"]) for t in trainings})),
        "batch_size": ", ".join(map(str, sorted(differing))),
        "training_images": "the preset article-train, seed 0",
        "test_images": "the presets article-test, article-circle and article-wrapped, seed 0",
        "version": VERSION,
    }
    return ArticleResult(
        trainings=trainings, wanted=tuple(sorted(epochs)), n_seeds=seeds, provenance=provenance, warnings=()
    )


__all__ = ["article", "check_settings", "config_of", "read_trained", "tasks", "train_one", "write_settings"]
