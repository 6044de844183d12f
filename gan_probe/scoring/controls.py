"""What a critic must beat, in one table: image statistics, baselines, and randomly initialised critics of its kind.

To add a control: its function in `image_statistics` or `baselines`, and one row in ``CONTROLS``. Scores, probes, pages
and the rules for putting tables together follow from the row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gan_probe.errors import InputError
from gan_probe.scoring import baselines, image_statistics
from gan_probe.scoring.baselines import Encoder
from gan_probe.types import Column, Images, Rows, Scores

if TYPE_CHECKING:
    from gan_probe.critics.critic import Critic

CHUNK = 32  # images that statistics are computed of at a time, so that they stay in a core's cache
SEEDS = (101, 102, 103)  # of randomly initialised critics; none that a user is likely to train with
MAX_DESCRIBED = 5000  # images that the slow baselines are made for


@dataclass(frozen=True, kw_only=True)
class Control:
    """One thing that needs no training, to set a critic beside.

    Attributes
    ----------
    name : str
        In columns, records and tables.
    title : str
        On pages.
    statistic : callable, optional
        Images to one number each: an image statistic.
    first_of : str
        The baseline whose first column this number is; in place of ``statistic``.
    fit : callable, optional
        Unlabelled images and a seed to an encoder of images: a baseline.
    in_scores, in_probes : bool
        Where it is used.
    fitted : bool
        On the images at hand, so that two tables of it cannot be put together.
    shares_unit : bool
        Its columns share a unit, so they are not standardised.
    max_images : int or None
        Not made for more in a score table: it is slow.
    """

    name: str
    title: str
    statistic: Callable[[Images], Column] | None = None
    first_of: str = ""
    fit: Callable[[Images, int], Encoder] | None = None
    in_scores: bool = True
    in_probes: bool = False
    fitted: bool = False
    shares_unit: bool = True
    max_images: int | None = None


def _statistic(name: str, statistic: Callable[[Images], Column]) -> Control:
    return Control(name=name, title=name.replace("_", " "), statistic=statistic)


def _components(unlabelled: Images, seed: int) -> Encoder:
    return lambda images: image_statistics.pixel_components(images, seed=seed)


CONTROLS: tuple[Control, ...] = (
    _statistic("brightness", image_statistics.brightness),
    _statistic("colourfulness", image_statistics.colourfulness),
    _statistic("filled_area", image_statistics.filled_area),
    _statistic("edge_density", image_statistics.edge_density),
    _statistic("total_variation", image_statistics.total_variation),
    _statistic("high_frequency_power", image_statistics.high_frequency_power),
    _statistic("png_bytes", image_statistics.png_bytes),
    Control(name="pixels_pc1", title="first component of the pixels", first_of="pixels", fitted=True),
    Control(name="pixels", title="raw pixels (PCA)", fit=_components, fitted=True),
    Control(name="pixels", title="pixels", fit=baselines.pixels, in_scores=False, in_probes=True),
    Control(name="pca", title="PCA", fit=baselines.pca, in_scores=False, in_probes=True),
    Control(name="hog", title="HOG", fit=baselines.hog_descriptor, in_probes=True, max_images=MAX_DESCRIBED),
    Control(name="kmeans_patches", title="k-means patches", fit=baselines.kmeans_patches, in_probes=True, fitted=True,
            max_images=MAX_DESCRIBED),
)  # fmt: skip

STATISTICS: dict[str, Callable[[Images], Column]] = {c.name: c.statistic for c in CONTROLS if c.statistic}
SCORED: dict[str, Control] = {c.name: c for c in CONTROLS if c.in_scores and c.fit}
PROBED: dict[str, Callable[[Images, int], Encoder]] = {c.name: c.fit for c in CONTROLS if c.in_probes and c.fit}


def measure_statistics(images: Images) -> dict[str, Column]:
    """Return every image statistic, each (n,) float32, computed in chunks."""
    starts = range(0, len(images), CHUNK)
    return {
        name: np.concatenate([measure(images[s : s + CHUNK]) for s in starts]).astype(np.float32)
        for name, measure in STATISTICS.items()
    }


def statistic_rows(images: Images) -> Scores:
    """Return the statistics that differ between the images, (k, n), each with mean 0 and standard deviation 1."""
    values = np.stack(list(measure_statistics(images).values()))
    values = values[values.std(1) > 0]
    return (values - values.mean(1, keepdims=True)) / values.std(1, keepdims=True)


def together(scalars: Mapping[str, Any]) -> Rows | None:
    """Return the image statistics among some scalars side by side, (n, k), or None where there are none."""
    found = [scalars[name] for name in STATISTICS if name in scalars]
    return np.stack(found, axis=1) if found else None


def encode(images: Images, *, seed: int = 0) -> tuple[dict[str, Rows], list[str]]:
    """Return the baselines of a score table, each (n, d), and what was left out, in words."""
    rows, late = {}, []
    for name, control in SCORED.items():
        if control.max_images is not None and len(images) > control.max_images:
            late.append(name)
        elif control.fit is not None:
            rows[name] = control.fit(images, seed)(images)
    if not late:
        return rows, []
    return rows, [f"no {' and '.join(late)} embeddings: they are made for at most {MAX_DESCRIBED:,} images."]


def first_components(rows: Mapping[str, Rows]) -> dict[str, Column]:
    """Return the numbers that are first columns of baselines, each (n,)."""
    return {c.name: rows[c.first_of][:, 0] for c in CONTROLS if c.first_of in rows}


def random_inits(
    critics: Mapping[str, Critic] | Critic, seeds: Sequence[int] = SEEDS
) -> tuple[list[Critic], tuple[str, ...]]:
    """Return randomly initialised critics of the same architecture, and what is to be said where there can be none.

    Parameters
    ----------
    critics : Critic, or mapping of str to Critic
        One critic: a control for each seed. Several: the first seed and those after it, one for each critic.
    seeds : sequence of int

    Returns
    -------
    tuple of (list of Critic, tuple of str)
        No critics and one sentence where the weights of one of them cannot be drawn anew: every study then warns, says
        it on its page, and goes on.
    """
    if isinstance(critics, Mapping):
        jobs = [(critic, seeds[0] + number) for number, critic in enumerate(critics.values())]
    else:
        jobs = [(critics, seed) for seed in seeds]
    try:
        return [critic.random_init(seed) for critic, seed in jobs], ()
    except InputError as error:
        return [], (f"no randomly initialised control: {error}",)
