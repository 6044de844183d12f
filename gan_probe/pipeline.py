"""The verbs as functions: what the command line calls, and what a notebook can call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import gan_probe
from gan_probe.analysis.clusters import Clustering
from gan_probe.analysis.controls import nuisances, pixel_components
from gan_probe.analysis.summary import Analysis, analyse, findings
from gan_probe.critic import Critic
from gan_probe.data import ImageSet, ScoreTable, read_images
from gan_probe.data.reading import decode_image, inside
from gan_probe.data.tables import CONTROL, EMBEDDING
from gan_probe.errors import InputError
from gan_probe.report import Material, TrainingRecord, write_report
from gan_probe.training.run_folder import RunFolder
from synthetic import Dataset, sample_id

Progress = Callable[[Iterable[Any]], Iterable[Any]]

UNTRAINED_SEEDS = (101, 102, 103)  # none that a user is likely to train with: seed 0's untrained twin is its own start
N_EXAMPLES = 6


def from_synthetic(dataset: Dataset) -> ImageSet:
    """Return a data set of `synthetic` as an `ImageSet`, without a detour over the disk."""
    table = dataset.table.copy()
    table.insert(1, "path", [f"{dataset.spec.name}#{i}" for i in range(len(table))])
    return ImageSet(dataset.images, table, Path(dataset.spec.name))


def score(
    critic: Critic,
    data: ImageSet,
    *,
    controls: bool = True,
    embeddings: bool = True,
    batch_size: int = 256,
    source: str | Path | None = None,
    progress: Progress = iter,
) -> ScoreTable:
    """Return the scores of a data set, beside the controls that they must beat.

    Parameters
    ----------
    critic : Critic
    data : ImageSet
        Grey images are repeated into three channels, or colour reduced to grey, where the critic needs it.
    controls : bool
        Add ``control.*``: the scores of three untrained critics of the same architecture, plain scalars of the pixels
        (`gan_probe.analysis.controls.NUISANCES`) and the first principal component of the pixels.
    embeddings : bool
        Add ``embedding.critic`` and, with ``controls``, ``embedding.untrained.*`` and ``embedding.pixels``.
    batch_size : int
    source : path, optional
        Where the critic was loaded from, for the record.
    progress : callable, optional
        Wraps the iterable of batches.

    Raises
    ------
    InputError
        When the images do not fit the critic.
    """
    data = data.with_channels(critic.config.image_shape[2])
    columns: dict[str, Any] = {"critic_score": critic.score(data.images, batch_size=batch_size, progress=progress)}
    if not np.isfinite(columns["critic_score"]).all():
        raise InputError(
            f"the critic {source or ''} returns scores that are not finite numbers; its training diverged."
        )
    if embeddings:
        columns["embedding.critic"] = list(critic.embed(data.images, batch_size=batch_size, progress=progress))
    if controls:
        for number, seed in enumerate(UNTRAINED_SEEDS):
            twin = critic.untrained_twin(seed)
            columns[f"control.untrained.{number}"] = twin.score(data.images, batch_size=batch_size)
            if embeddings:
                columns[f"embedding.untrained.{number}"] = list(twin.embed(data.images, batch_size=batch_size))
        columns |= {f"control.{name}": values for name, values in nuisances(data.images).items()}
        components = pixel_components(data.images)
        columns["control.pixels_pc1"] = components[:, 0]
        if embeddings:
            columns["embedding.pixels"] = list(components)
    table = data.table.reset_index(drop=True)
    ours = [c for c in table if c == "critic_score" or str(c).startswith((CONTROL, EMBEDDING))]
    table = table.drop(columns=ours)
    if "label" in table and critic.config.training_classes:
        table = table.assign(seen=table["label"].isin(critic.config.training_classes))
    warnings = list(data.warnings)
    if data.fingerprint == critic.config.data_fingerprint:
        warnings.append("these are the images that the critic was trained on; scores of new ones will differ.")
    provenance = {
        "critic_hash": critic.hash,
        "critic_source": str(source) if source else "",
        "network": critic.config.network,
        "run_id": critic.config.run_id,
        "step": critic.config.step,
        "training_classes": list(critic.config.training_classes),
        "training_fingerprint": critic.config.data_fingerprint,
        "data_source": str(data.source),
        "data_fingerprint": data.fingerprint,
        "version": gan_probe.__version__,
        "warnings": warnings,
    }
    return ScoreTable(pd.concat([table, pd.DataFrame(columns)], axis=1), provenance)


def report(
    scores: ScoreTable,
    out: str | Path,
    *,
    run: str | Path | None = None,
    data: str | Path | None = None,
    title: str | None = None,
    command: str = "",
    projection: str = "pca",
    overwrite: bool = False,
    seed: int = 0,
) -> tuple[Analysis, list[str]]:
    """Analyse a table of scores and write a report folder; return the analysis and its findings in plain words.

    Parameters
    ----------
    scores : ScoreTable
    out : path
    run : path, optional
        The run folder, for training curves and samples. Default: where the critic was loaded from.
    data : path, optional
        The data set, for pictures of each class. Default: where the images were read from.
    title, command : str
        Printed on the page.
    projection : str
        A row of `gan_probe.analysis.projection.PROJECTIONS`.
    overwrite : bool
        Replace a report folder in ``out``.
    seed : int
        Of clustering and projection.

    Raises
    ------
    InputError
        When the scores cannot be analysed.
    FileExistsError
        When ``out`` is taken.
    """
    analysis = analyse(scores, projection=projection, seed=seed)
    training, training_note = read_training(run or scores.provenance.get("critic_source") or "", scores)
    examples, examples_note = read_examples(scores, data)
    analysis.warnings.extend(
        note for note in (*scores.provenance.get("warnings", ()), training_note, examples_note) if note
    )
    lines = findings(analysis)
    axes = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}[projection]
    material = Material(
        scores, analysis, lines, training, examples, title or "What the critic separates", command, axes
    )
    write_report(material, out, overwrite=overwrite)
    return analysis, lines


def read_training(path: str | Path, scores: ScoreTable) -> tuple[TrainingRecord | None, str]:
    """Return the record of the run in ``path``, or None and why there is none."""
    folder = next((f for f in (Path(path), *Path(path).parents[:2]) if (f / "metrics.jsonl").is_file()), None)
    if not str(path) or folder is None:
        return None, "no run folder was found, so training curves and samples are left out. Name it with --run."
    run = RunFolder(folder)
    config, facts = run.read_config()
    expected = scores.provenance.get("run_id")
    if expected and facts.get("run_id") != expected:
        return (
            None,
            f"{folder} now holds run {facts.get('run_id')}, and the scores are of run {expected}; it is left out.",
        )
    sheets = {int(p.stem[5:]): p for p in sorted((folder / "samples").glob("step-*.png")) if p.stem[5:].isdigit()}
    return TrainingRecord(config.as_dict(), facts, run.read_metrics(), sheets), ""


def read_examples(scores: ScoreTable, data: str | Path | None) -> tuple[dict[str, list[np.ndarray]], str]:
    """Return up to six images of each class, or none and why."""
    source = Path(data or scores.provenance.get("data_source") or "(no source known)")
    first = scores.table.groupby("label", sort=False).head(N_EXAMPLES)
    try:
        if source.is_dir() and all((source / name).is_file() for name in first["path"]):
            images: Sequence[np.ndarray] = [decode_image(inside(source, name), None)[0] for name in first["path"]]
        else:
            found = read_images(source, skip_bad=True)
            row_of = {sample: i for i, sample in enumerate(found.table["sample_id"])}
            images = [found.images[row_of[sample]] for sample in first["sample_id"]]
        if any(sample_id(image) != sample for image, sample in zip(images, first["sample_id"], strict=True)):
            raise InputError("changed since they were scored")
    except (InputError, KeyError, TypeError):
        return (
            {},
            f"the images scored were not found as they were at {source}, so none are shown. Name them with --data.",
        )
    pictures: dict[str, list[np.ndarray]] = {}
    for label, image in zip(first["label"], images, strict=True):
        pictures.setdefault(str(label), []).append(image)
    return pictures, ""


def cluster_table(table: pd.DataFrame, clusterings: Mapping[str, Sequence[Clustering]]) -> pd.DataFrame:
    """Return one row an image: what names it, and the cluster that each clustering puts it in (-1: in none)."""
    columns: dict[str, Any] = {c: table[c] for c in ("sample_id", "path", "label") if c in table}
    for what, found in clusterings.items():
        columns |= {f"{what} {c.method} ({c.k_from})": c.assignment for c in found}
    return pd.DataFrame(columns)
