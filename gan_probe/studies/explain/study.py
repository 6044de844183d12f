"""Which pixels move a critic's score, and is that more than the image shows by itself? The verb ``explain``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gan_probe.critics.attribution import (
    BATCH_SIZE,
    GRADIENTS,
    METHODS,
    N_STEPS,
    OCCLUSION,
    baseline_images,
    completeness_errors,
    image_alone,
    integrated_gradients,
    occlusion,
    patches,
)
from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.names import check_name
from gan_probe.scoring.controls import random_inits
from gan_probe.scoring.engines import LOCAL
from gan_probe.stats.beside import RANDOM_CRITICS
from gan_probe.studies.explain.result import (
    CRITIC,
    IMAGE,
    ExplainResult,
    class_labels,
    compare_maps,
    image_measures,
    usable,
)
from gan_probe.types import Images, Maps, Masks, Progress, SomeMasks
from gan_probe.version import VERSION

Maker = Callable[[Critic, Images], Maps]
PER_CLASS = 4


def explain(
    critic: Critic,
    data: ImageSet,
    masks: Masks | None = None,
    *,
    methods: Sequence[str] = METHODS,
    per_class: int = PER_CLASS,
    patch_px: int | None = None,
    n_steps: int = N_STEPS,
    baseline: str = "border",
    controls: bool = True,
    batch_size: int = BATCH_SIZE,
    seed: int = 0,
    progress: Progress = iter,
) -> ExplainResult:
    """Return maps of which pixels move the score, beside those of three random critics and of the image alone.

    Parameters
    ----------
    critic : Critic
    data : ImageSet
        Grey images are repeated into three channels, or colour reduced to grey, where the critic needs it.
    masks : ndarray of bool, shape (n, h, w), optional
        Where the object is in each image of ``data``, to measure the maps against.
    methods : sequence of str
        Of `gan_probe.critics.attribution.METHODS`.
    per_class : int
        Images of each class, the first ones.
    patch_px : int, optional
        Side of the patch of `occlusion`.
    n_steps : int
        Of `integrated_gradients`.
    baseline : str
        What images are compared with: a row of `gan_probe.critics.attribution.BASELINES`.
    controls : bool
        Make the same maps of randomly initialised critics.
    batch_size, seed : int
    progress : callable, optional
        Wraps the iterable of maps to make.

    Raises
    ------
    InputError
        When images or masks do not fit, the critic has no gradients, or its scores or maps are not finite.
    ConfigError
        For an unknown method or baseline, a patch that does not fit, or fewer than one image or step.
    """
    for method in methods:
        check_name("method", method, METHODS)
    data, masks = _first_of_each(data, masks, per_class)
    data = data.with_channels(critic.config.image_shape[2])
    baselines = baseline_images(data.images, baseline)
    scores = [_finite_scores(critic, images, batch_size) for images in (data.images, baselines)]
    warnings = [*data.warnings, *(f"the critic was {note}" for note in critic.notes)]
    if masks is not None and not usable(masks).all():
        bad = int((~usable(masks)).sum())
        warnings.append(
            f"{bad} of {len(masks)} masks are empty or cover the whole image; their images are not measured."
        )
    others, notes = random_inits(critic) if controls else ([], ())
    warnings.extend(notes)
    networks = {CRITIC: [critic], RANDOM_CRITICS: others}
    patch = patches(data.images.shape[1:3], patch_px)[0][0].stop
    how: dict[str, Any] = {"baseline": baseline, "batch_size": batch_size}
    makers: dict[str, Maker] = {
        OCCLUSION: partial(occlusion, patch_px=patch, **how),
        GRADIENTS: partial(integrated_gradients, n_steps=n_steps, **how),
    }
    maps = _make_maps({method: makers[method] for method in methods}, networks, data.images, progress)
    for method in methods:
        maps[method][IMAGE] = [image_alone(data.images, method, baseline=baseline, patch_px=patch)]
    changed = (data.images != baselines).any(-1)
    return ExplainResult(
        images=data.images,
        masks=masks,
        maps=maps,
        numbers=compare_maps(maps, masks, changed),
        table=_table(critic, data.table, scores, maps=maps, masks=masks),
        provenance={
            **_provenance(critic, data, seed),
            "per_class": per_class,
            "baseline": baseline,
            "patch_px": patch,
            "n_steps": n_steps,
        },
        warnings=warnings,
    )


def _first_of_each(data: ImageSet, masks: Masks | None, per_class: int) -> tuple[ImageSet, SomeMasks | None]:
    """Return the first images of each class, and their masks."""
    if per_class < 1:
        raise ConfigError(f"per_class must be at least 1, got {per_class}.")
    if masks is not None and masks.shape != data.images.shape[:3]:
        raise InputError(
            f"the masks are {masks.shape}, the images {data.images.shape[:3]} (how many, height, width). Give one mask"
            " for each image, of its size."
        )
    labels = class_labels(data.table)
    rows = np.flatnonzero(labels.groupby(labels).cumcount() < per_class)
    if not len(rows):
        raise InputError(f"{data.source} holds no images to explain.")
    return data.take(rows), None if masks is None else np.asarray(masks[rows], dtype=bool)


def _finite_scores(critic: Critic, images: Images, batch_size: int) -> npt.NDArray[np.float32]:
    scores = LOCAL.run([critic], images, batch_size=batch_size)[0].scores
    if not np.isfinite(scores).all():
        raise InputError("the critic returns scores that are not finite numbers; its training diverged.")
    return scores


def _make_maps(
    makers: Mapping[str, Maker], networks: Mapping[str, Sequence[Critic]], images: Images, progress: Progress
) -> dict[str, dict[str, list[Maps]]]:
    """Return the maps (n, h, w) of each method, of each network, made one image at a time."""
    jobs = [
        (method, of, number, row)
        for method in makers
        for of, several in networks.items()
        for number in range(len(several))
        for row in range(len(images))
    ]
    maps = {
        method: {of: [np.zeros(images.shape[:3], np.float32) for _ in several] for of, several in networks.items()}
        for method in makers
    }
    for method, of, number, row in progress(jobs):
        one = makers[method](networks[of][number], images[row : row + 1])[0]
        if not np.isfinite(one).all():
            raise InputError(
                f"{method} gives values that are not finite numbers: the {of} is saturated there. The other method may"
                " still work: --method occlusion, or gradients."
            )
        maps[method][of][number][row] = one
    return maps


def _table(
    critic: Critic,
    table: pd.DataFrame,
    scores: Sequence[npt.NDArray[np.float32]],
    *,
    maps: Mapping[str, Mapping[str, Sequence[Maps]]],
    masks: Masks | None,
) -> pd.DataFrame:
    """Return one row an image: what is known about it, its scores, and the critic's own measures."""
    columns: dict[str, Any] = {"critic_score": scores[0], "baseline_score": scores[1]}
    if GRADIENTS in maps:
        columns["completeness_error"] = completeness_errors(maps[GRADIENTS][CRITIC][0], *scores)
    for method, some in maps.items():
        columns[f"flat.{method}"] = np.ptp(some[CRITIC][0], axis=(1, 2)) == 0
        if masks is None:
            continue
        good = usable(masks)
        for (region, name), values in image_measures({CRITIC: [some[CRITIC][0][good]]}, masks[good]).items():
            columns[f"{method}.{region}.{name}"] = np.full(len(table), np.nan)
            columns[f"{method}.{region}.{name}"][good] = values[CRITIC]
    if "label" in table and critic.config.training_classes:
        columns["seen"] = table["label"].isin(critic.config.training_classes).to_numpy()
    return table.assign(**columns)


def _provenance(critic: Critic, data: ImageSet, seed: int) -> dict[str, Any]:
    return {
        "critic_hash": critic.hash,
        "critic_source": critic.source,
        "network": critic.config.network,
        "run_id": critic.config.run_id,
        "step": critic.config.step,
        "data_source": str(data.source),
        "data_fingerprint": data.fingerprint,
        "images": len(data),
        "seed": seed,
        "version": VERSION,
    }
