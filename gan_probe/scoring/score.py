"""The verbs as functions: what the command line calls, and what a notebook can call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gan_probe.critics.critic import Critic
from gan_probe.critics.ensemble import EnsembleCritic
from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.scoring.baselines import REPRESENTATIONS
from gan_probe.scoring.controls import _untrained_twins
from gan_probe.scoring.image_statistics import nuisances, pixel_components
from gan_probe.scoring.table import CONTROL, EMBEDDING, UNCERTAINTY, ScoreTable
from gan_probe.types import Progress
from gan_probe.version import VERSION

DESCRIBED, MAX_DESCRIBED = ("hog", "kmeans_patches"), 5000  # the slow controls, and the most images they are made for


def score(
    critic: Critic,
    data: ImageSet,
    *,
    controls: bool = True,
    embeddings: bool = True,
    layers: Sequence[str] | None = None,
    pooling: str = "mean",
    batch_size: int = 256,
    source: str | Path | None = None,
    progress: Progress = iter,
) -> ScoreTable:
    """Return the scores of a data set, beside the controls that they must beat.

    Parameters
    ----------
    critic : Critic
        An `EnsembleCritic` adds ``critic_uncertainty``, the standard deviation over its members.
    data : ImageSet
        Grey images are repeated into three channels, or colour reduced to grey, where the critic needs it.
    controls : bool
        Add ``control.*``: the scores of three untrained critics of the same architecture, plain scalars of the pixels
        (`gan_probe.scoring.image_statistics.NUISANCES`) and the first principal component of the pixels.
    embeddings : bool
        Add ``embedding.critic`` and, with ``controls``, ``embedding.untrained.*``, ``embedding.pixels`` and, for at
        most 5,000 images, ``embedding.hog`` and ``embedding.kmeans_patches``.
    layers : sequence of str, optional
        Layers of the embedding; default all of the critic's.
    pooling : str
        A row of `gan_probe.critics.features.POOLINGS`.
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
    columns: dict[str, Any] = {}
    if isinstance(critic, EnsembleCritic):
        both = critic.score_with_uncertainty(data.images, batch_size=batch_size, progress=progress)
        columns["critic_score"], columns[UNCERTAINTY] = both
    else:
        columns["critic_score"] = critic.score(data.images, batch_size=batch_size, progress=progress)
    if not np.isfinite(columns["critic_score"]).all():
        raise InputError(
            f"the critic {source or ''} returns scores that are not finite numbers; its training diverged."
        )
    warnings = [*data.warnings, *(f"the critic was {note}" for note in critic.notes)]
    if embeddings and not critic.config.layers:
        embeddings = False
        warnings.append(f"no embeddings: {critic.config.network} shows no layers.")
    if embeddings:
        how: dict[str, Any] = {"layers": layers, "pooling": pooling, "batch_size": batch_size}
        columns["embedding.critic"] = list(critic.embed(data.images, progress=progress, **how))
    if controls:
        for number, twin in enumerate(_untrained_twins(critic, warnings)):
            columns[f"control.untrained.{number}"] = twin.score(data.images, batch_size=batch_size)
            if embeddings:
                columns[f"embedding.untrained.{number}"] = list(twin.embed(data.images, **how))
        columns |= {f"control.{name}": values for name, values in nuisances(data.images).items()}
        components = pixel_components(data.images)
        columns["control.pixels_pc1"] = components[:, 0]
        if embeddings:
            columns["embedding.pixels"] = list(components)
            if len(data) <= MAX_DESCRIBED:
                described = {name: REPRESENTATIONS[name](data.images, 0)(data.images) for name in DESCRIBED}
                columns |= {f"embedding.{name}": list(rows) for name, rows in described.items()}
            else:
                warnings.append(
                    f"no {' and '.join(DESCRIBED)} embeddings: they are made for at most {MAX_DESCRIBED:,} images."
                )
    table = data.table.reset_index(drop=True)
    ours = [c for c in table if c in ("critic_score", UNCERTAINTY) or str(c).startswith((CONTROL, EMBEDDING))]
    table = table.drop(columns=ours)
    if "label" in table and critic.config.training_classes:
        table = table.assign(seen=table["label"].isin(critic.config.training_classes))
    if data.fingerprint == critic.config.data_fingerprint:
        warnings.append("these are the images that the critic was trained on; scores of new ones will differ.")
    provenance = {
        **_provenance(critic, data, source),
        "training_fingerprint": critic.config.data_fingerprint,
        "layers": list(layers or critic.config.layers) if embeddings else [],
        "pooling": pooling if embeddings else "",
        "warnings": warnings,
    }
    return ScoreTable(pd.concat([table, pd.DataFrame(columns)], axis=1), provenance)


def _provenance(critic: Critic, data: ImageSet, source: str | Path | None) -> dict[str, Any]:
    """Return where numbers come from: which critic, which data, which version."""
    return {
        "critic_hash": critic.hash,
        "critic_source": str(source) if source else "",
        "gauge": critic.gauge,
        "network": critic.config.network,
        "run_id": critic.config.run_id,
        "step": critic.config.step,
        "training_classes": list(critic.config.training_classes),
        "data_source": str(data.source),
        "data_fingerprint": data.fingerprint,
        "version": VERSION,
    }
