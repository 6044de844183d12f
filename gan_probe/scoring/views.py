"""What detectors of outliers see of images: a critic's scores and layers, or what needs no critic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gan_probe.critics.attribution import slope_norms
from gan_probe.critics.features import POOLINGS
from gan_probe.critics.stored import KINDS
from gan_probe.scoring.controls import PROBED
from gan_probe.scoring.engines import LOCAL, Engine, Wanted
from gan_probe.stats.novelty import ROWS, SCORE, SLOPE, UNCERTAIN, View
from gan_probe.types import Images, Rows

if TYPE_CHECKING:
    from gan_probe.critics.critic import Critic

Viewer = Callable[[Images], dict[View, Rows]]

BATCH_SIZE = 32  # faster than larger ones on a CPU, and the same numbers
BASELINES = ("pixels", "hog", "kmeans_patches")  # rows of `gan_probe.scoring.controls.PROBED`


def viewer(critic: Critic, kinds: Sequence[str], *, engine: Engine = LOCAL) -> Viewer:
    """Return what turns images into the views of a critic that are of some kinds.

    Parameters
    ----------
    critic : Critic
    kinds : sequence of str
        As `gan_probe.stats.novelty.Detector` has them; those that this critic has not are left out.
    engine : Engine
    """
    poolings = [kind for kind in POOLINGS if kind in kinds] if critic.config.layers else []
    widths: dict[tuple[str, str], int] = {}
    has_slopes = critic.config.factory not in KINDS  # a stored graph has no gradients

    def view(images: Images) -> dict[View, Rows]:
        found: dict[View, Rows] = {}
        for pooling in poolings or ["mean"]:
            wanted = Wanted(None if poolings else (), pooling)
            (passed,) = engine.run([critic], images, wanted, batch_size=BATCH_SIZE)
            if passed.features is not None:
                found |= _by_layer(critic, passed.features, pooling, widths=widths, images=images, engine=engine)
            if SCORE in kinds:
                found[SCORE, ""] = passed.scores[:, None].astype(np.float64)
            if UNCERTAIN in kinds and passed.spread is not None:
                found[UNCERTAIN, ""] = passed.spread[:, None].astype(np.float64)
        if SLOPE in kinds and has_slopes:
            found[SLOPE, ""] = slope_norms(critic, images, batch_size=BATCH_SIZE)[:, None].astype(np.float64)
        return found

    return view


def _by_layer(
    critic: Critic,
    features: Rows,
    pooling: str,
    *,
    widths: dict[tuple[str, str], int],
    images: Images,
    engine: Engine,
) -> dict[View, Rows]:
    """Return features (n, d) as one array a layer; how wide a layer is says one image, once."""
    layers = critic.config.layers
    for layer in layers:
        if (pooling, layer) not in widths:
            (one,) = engine.run([critic], images[:1], Wanted((layer,), pooling))
            assert one.features is not None
            widths[pooling, layer] = one.features.shape[1]
    ends = np.cumsum([widths[pooling, layer] for layer in layers])
    parts = np.split(features, ends[:-1], axis=1)
    return {(pooling, layer): part for layer, part in zip(layers, parts, strict=True)}


def baseline_viewers(reals: Images, names: Sequence[str] = BASELINES, seed: int = 0) -> dict[str, Viewer]:
    """Return what turns images into rows without a critic, by name; fitted on the reals where it is fitted at all."""

    def viewer_of(name: str) -> Viewer:
        encode = PROBED[name](reals, seed)
        return lambda images: {(ROWS, name): encode(images)}

    return {name: viewer_of(name) for name in names}
