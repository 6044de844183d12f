"""The study ``separation``: tables of scores analysed, beside the training and the pictures that belong to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from gan_probe.errors import InputError
from gan_probe.images.image_set import fit_channels
from gan_probe.images.readers.reading import read_images, read_named
from gan_probe.names import check_name
from gan_probe.scoring.reference import read_held_out
from gan_probe.scoring.table import ScoreTable, by_critic
from gan_probe.studies.base import quiet
from gan_probe.studies.diagnose.result import TrainingRecord
from gan_probe.studies.diagnose.study import training_record
from gan_probe.studies.separation.analysis import analyse
from gan_probe.studies.separation.projection import PROJECTIONS
from gan_probe.studies.separation.result import N_EXAMPLES, SeparationResult
from gan_probe.types import Indices, OneImage, OnPart
from synthetic import sample_id

MAX_PICTURES = 2000
_NO_ROWS: Indices = np.zeros(0, dtype=np.intp)


def separation(
    scores: ScoreTable | Sequence[ScoreTable],
    *,
    reference: str | None = None,
    run: str | Path | None = None,
    data: str | Path | None = None,
    projection: str = "pca",
    thumbnails: bool = True,
    seed: int = 0,
    on_step: OnPart = quiet,
) -> SeparationResult:
    """Return which classes the critic's scores tell apart, and what that owes to the training.

    Parameters
    ----------
    scores : ScoreTable or sequence of ScoreTable
        Tables of one critic are put together. Of several critics (trainings) each must hold the same images: figures
        then show the first, and intervals are over trainings too.
    reference : str, optional
        Class from which distances are measured; default the first seen one.
    run : path, optional
        The run folder, for training curves and samples. Default: where the critic was loaded from.
    data : path, optional
        The data set, for pictures of each class. Default: where the images were read from.
    projection : str
        A row of `gan_probe.studies.separation.projection.PROJECTIONS`.
    thumbnails : bool
        Look for the images, and show small pictures of them.
    seed : int
        Of everything random: folds, draws, clustering, projection.
    on_step : callable, optional
        Called with the name of each part before it is computed.

    Raises
    ------
    InputError
        When the scores cannot be analysed.
    ConfigError
        For an unknown reference class or projection.
    """
    first, *more = by_critic([scores] if isinstance(scores, ScoreTable) else scores)
    source = run or first.provenance.get("critic_source") or ""
    check_name("projection", projection, PROJECTIONS)
    found = analyse(
        first,
        more,
        reference=reference,
        held_out=read_held_out(source, first),
        projection=projection,
        seed=seed,
        on_step=on_step,
    )
    training, training_note = read_training(source, first)
    kept = ScoreTable(found.scores.table, first.provenance)
    pictured, pictures, pictures_note = read_pictures(kept, data) if thumbnails else (_NO_ROWS, [], "")
    said = (*first.provenance.get("warnings", ()), training_note, pictures_note)
    return replace(
        found,
        training=training,
        pictured=pictured,
        pictures=pictures,
        provenance={k: v for k, v in first.provenance.items() if k != "warnings"},
        warnings=[*found.warnings, *(note for note in said if note)],
    )


def read_training(path: str | Path, scores: ScoreTable) -> tuple[TrainingRecord | None, str]:
    """Return the record of the run in ``path``, or None and why there is none."""
    folder = next((f for f in (Path(path), *Path(path).parents[:2]) if (f / "metrics.jsonl").is_file()), None)
    if not str(path) or folder is None:
        return None, "no run folder was found, so training curves and samples are left out. Name it with --run."
    record = training_record(folder)
    facts = record.facts
    expected = scores.provenance.get("run_id")
    if expected and facts.get("run_id") != expected:
        return (
            None,
            f"{folder} now holds run {facts.get('run_id')}, and the scores are of run {expected}; it is left out.",
        )
    return record, ""


def read_pictures(
    scores: ScoreTable, data: str | Path | None, rows: Indices | None = None
) -> tuple[Indices, list[OneImage], str]:
    """Return rows, by default up to 2,000 with each class in its share, and their images; or none and why."""
    source = data or scores.provenance.get("data_source") or "(no source known)"
    first = scores.table.assign(row=np.arange(len(scores.table)))
    if rows is None:
        share = max(N_EXAMPLES, MAX_PICTURES // first["label"].nunique())
        first = first.groupby("label", sort=False).head(share).head(MAX_PICTURES)
    else:
        first = first.iloc[rows]
    height, width, *_ = scores.provenance.get("image_shape") or (0, 1)  # older tables do not say it
    size_px = height if height == width else None  # as --size left them; others are never resized
    sources = [Path(source)] * len(first)
    if data is None and "source" in first and str(source) in set(scores.table["source"].astype(str)):
        sources = [Path(str(of)) for of in first["source"]]  # several data sets that were scored as one
    try:
        images = _as_scored(first, sources, size_px)
    except (InputError, KeyError, TypeError):
        note = f"the images scored were not found as they were at {source}, so none are shown. Name them with --data."
        return _NO_ROWS, [], note
    return first["row"].to_numpy(dtype=np.intp), images, ""


def _as_scored(wanted: pd.DataFrame, sources: Sequence[Path], size_px: int | None) -> list[OneImage]:
    """Return the images of some rows, by their names; where others have those by now, by what all of them hold.

    Raises
    ------
    InputError, KeyError
        When they are not there as they were scored.
    """
    samples = wanted["sample_id"].tolist()
    try:
        keys = list(zip(sources, wanted["path"], strict=True))
        named: dict[tuple[Path, str], OneImage] = {}
        for of in dict.fromkeys(sources):
            names = [name for place, name in keys if place == of]
            named |= {(of, n): image for n, image in zip(names, read_named(of, names, size_px=size_px), strict=True)}
        found = [_with_id(named[key], sample) for key, sample in zip(keys, samples, strict=True)]
    except (InputError, KeyError):
        sets = [read_images(of, size_px=size_px, skip_bad=True) for of in dict.fromkeys(sources)]
        by_id = {sample: image for s in sets for sample, image in zip(s.table["sample_id"], s.images, strict=True)}
        found = [by_id[sample] for sample in samples]
    n_channels = max(image.shape[-1] for image in found)
    return [fit_channels(image, n_channels) for image in found]


def _with_id(image: OneImage, sample: str) -> OneImage:
    """Return an image as it was scored; older tables name a grey one among pictures in colour by three channels."""
    for candidate in (image, fit_channels(image, 3)):
        if sample_id(candidate) == sample:
            return candidate
    raise InputError("changed since it was scored")
