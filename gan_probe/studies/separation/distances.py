"""Classes on a line: how far each lies from a reference class, and how wide it is."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gan_probe.errors import InputError
from gan_probe.names import check_name
from gan_probe.stats.intervals import distance_interval


def relative_distances(table: pd.DataFrame, reference: str | None = None) -> pd.DataFrame:
    """Return one row a class, nearest to the training data last: its place and width in units of a reference class.

    Shift and scale of the scores cancel; a sign does not.

    Parameters
    ----------
    table : DataFrame
        ``critic_score``, ``label``; ``seen`` and ``factor.noise`` where known.
    reference : str, optional
        A class. Default: the first seen one, or without ``seen`` the class with the highest mean score.

    Returns
    -------
    DataFrame
        ``label``; ``distance`` (mean minus the reference's mean, in standard deviations of the reference's scores) with
        ``ci_low`` and ``ci_high`` (95 %, the unit being estimated, too; NaN where that cannot be known); ``width``
        (standard deviation over the reference's); ``noise`` where it is one number for a class.

    Raises
    ------
    ConfigError
        For an unknown class.
    InputError
        When the reference class scores all its images the same.
    """
    grouped = table.groupby("label", sort=False)["critic_score"]
    of = grouped.agg(n="size", mean="mean", std="std")
    name = reference or default_reference(table)
    check_name("reference class", name, list(of.index))
    unit, centre = float(of.loc[name, "std"]), float(of.loc[name, "mean"])
    if not unit > 0:
        raise InputError(f"class {name!r} has one score for all its images, so it cannot be a unit of length.")
    unit_scores = grouped.get_group(name).to_numpy(dtype=np.float64)
    ends = [distance_interval(scores.to_numpy(dtype=np.float64), unit_scores) for _, scores in grouped]
    low, high = (pd.Series(end, index=of.index) for end in zip(*ends, strict=True))
    low[name] = high[name] = 0.0  # it is zero by definition
    rows = pd.DataFrame(
        {
            "label": of.index,
            "distance": (of["mean"] - centre) / unit,
            "ci_low": low,
            "ci_high": high,
            "width": of["std"] / unit,
        }
    )
    if "factor.noise" in table:
        noise = table.groupby("label", sort=False)["factor.noise"]
        rows["noise"] = noise.first().where(noise.min() == noise.max())
    return rows.sort_values("distance", ignore_index=True)


def default_reference(table: pd.DataFrame) -> str:
    """Return the first seen class, or without ``seen`` the one with the highest mean score."""
    if "seen" in table and table["seen"].any():
        return str(table.loc[table["seen"].astype(bool), "label"].iloc[0])
    return str(table.groupby("label")["critic_score"].mean().idxmax())
