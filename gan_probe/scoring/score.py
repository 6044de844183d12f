"""A data set's scores and embeddings, beside the controls that they must beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gan_probe.config import POOLING
from gan_probe.critics.critic import Critic, Forward
from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.images.readers.reading import as_images
from gan_probe.names import check_name
from gan_probe.scoring.controls import encode, first_components, measure_statistics, random_inits
from gan_probe.scoring.engines import LOCAL, Engine, Wanted
from gan_probe.scoring.image_statistics import pixel_components
from gan_probe.scoring.table import PREDICTED, UNCERTAINTY, ScoreTable, columns_of, without_ours
from gan_probe.stats.beside import Beside
from gan_probe.types import AnyData, Column, Progress, Rows
from gan_probe.version import VERSION


def score(
    critic: Critic,
    data: AnyData,
    *,
    controls: bool = True,
    embeddings: bool = True,
    layers: Sequence[str] | None = None,
    pooling: str = POOLING,
    seen: Sequence[str] | None = None,
    batch_size: int | None = None,
    engine: Engine = LOCAL,
    progress: Progress = iter,
) -> ScoreTable:
    """Return the scores of a data set, beside the controls that they must beat.

    Parameters
    ----------
    critic : Critic
        An ensemble adds ``critic_uncertainty``, the standard deviation over its members.
    data : ImageSet, path or ndarray
        Grey images are repeated into three channels, or colour reduced to grey, where the critic needs it.
    controls : bool
        Add ``control.*``: the scores of three randomly initialised critics of the same architecture, image statistics
        (`gan_probe.scoring.controls.CONTROLS`) and the first principal component of the pixels.
    embeddings : bool
        Add ``embedding.critic`` and, with ``controls``, ``embedding.random_init.*``, ``embedding.pixels`` and, for at
        most 5,000 images, ``embedding.hog`` and ``embedding.kmeans_patches``.
    layers : sequence of str, optional
        Layers of the embedding; default all of the critic's.
    pooling : str
        A row of `gan_probe.critics.features.POOLINGS`; "auto": what the network asks for.
    seen : sequence of str, optional
        Labels of the data that the critic was trained on. Default: its training classes; where it knows none, a column
        ``seen`` of the data; else seen and unseen stay unknown.
    batch_size : int, optional
    engine : Engine
        Who passes the images through the networks.
    progress : callable, optional
        Wraps the iterable of batches.

    Raises
    ------
    InputError
        When the images do not fit the critic, or have no labels where ``seen`` names some.
    ConfigError
        For a label in ``seen`` that no image has, with the nearest.
    """
    data = as_images(data, image_shape=critic.config.image_shape)
    known = _check_seen(data, seen) or critic.config.training_classes
    data = data.with_channels(critic.config.image_shape[2])
    warnings = [*data.warnings, *(f"the critic was {note}" for note in critic.notes)]
    if embeddings and not critic.config.layers:
        embeddings = False
        warnings.append(f"no embeddings: {critic.config.network} shows no layers.")
    others, notes = random_inits(critic) if controls else ([], ())
    warnings.extend(notes)
    wanted = Wanted(layers if embeddings else (), pooling)
    own, *controls_found = engine.run([critic, *others], data.images, wanted, batch_size=batch_size, progress=progress)
    if not np.isfinite(own.scores).all():
        raise InputError(
            f"the critic {critic.source} returns scores that are not finite numbers; its training diverged."
        )
    baselines: dict[str, Rows] = {}
    statistics: dict[str, Column] = {}
    if controls:
        baselines, late = encode(data.images) if embeddings else ({}, [])
        warnings.extend(late)
        first = first_components(baselines or {"pixels": pixel_components(data.images)})
        statistics = measure_statistics(data.images) | first
    scores = Beside(critic=own.scores, random_init=tuple(f.scores for f in controls_found), baselines=statistics)
    rows = None
    if embeddings:
        rows = Beside(critic=own.features, random_init=tuple(f.features for f in controls_found), baselines=baselines)
    columns = columns_of(scores, rows) | own_columns(critic, own)
    table = without_ours(data.table.reset_index(drop=True))
    if "label" in table and known:
        table = table.assign(seen=table["label"].astype(str).isin(known))
    if critic.config.was_trained_on(data):
        warnings.append("these are the images that the critic was trained on; scores of new ones will differ.")
    provenance = {
        **describe_origin(critic, data),
        "training_fingerprint": critic.config.data_fingerprint,
        "layers": list(wanted.layers_of(critic)),
        "pooling": critic.chosen_pooling(pooling) if embeddings else "",
        "warnings": warnings,
    }
    return ScoreTable(pd.concat([table, pd.DataFrame(columns)], axis=1), provenance)


def own_columns(critic: Critic, own: Forward) -> dict[str, Any]:
    """Return what only some critics add to a table: an ensemble its uncertainty, a semi-supervised critic classes."""
    found: dict[str, Any] = {}
    if own.spread is not None:
        found[UNCERTAINTY] = own.spread
    if own.places is not None:
        found[PREDICTED] = np.asarray(critic.config.training_classes, dtype=object)[own.places]
    return found


def _check_seen(data: ImageSet, seen: Sequence[str] | None) -> tuple[str, ...]:
    """Return the labels that are said to be seen; raise where the data has them not."""
    if not seen:
        return ()
    if "label" not in data.table:
        raise InputError(f"{data.source} has no labels, so none of them can be seen: give it a column label or seen.")
    for name in seen:
        check_name("label", name, sorted(set(data.table["label"].astype(str))))
    return tuple(seen)


def describe_origin(critic: Critic, data: ImageSet) -> dict[str, Any]:
    """Return where numbers come from: which critic, which data, which version."""
    return {
        **describe_critic(critic),
        "data_source": str(data.source),
        "image_shape": list(data.image_shape),
        "data_fingerprint": data.fingerprint,
        "version": VERSION,
    }


def describe_critic(critic: Critic) -> dict[str, Any]:
    """Return which critic numbers come from."""
    return {
        "critic_hash": critic.hash,
        "critic_source": critic.source,
        "gauge": critic.gauge,
        "network": critic.config.network,
        "run_id": critic.config.run_id,
        "step": critic.config.step,
        "training_classes": list(critic.config.training_classes),
    }
