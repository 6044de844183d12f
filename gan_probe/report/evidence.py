"""Figures of what stands behind a separation: margin over controls, factors, distances, unseen classes, clusters."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from gan_probe.report.page import canvas
from gan_probe.report.style import CONTROL_COLOUR, CRITIC_COLOUR, MAX_LEGEND, class_colours, short_name
from gan_probe.scoring.table import CRITIC_ROWS, CRITIC_SCORE, Source
from gan_probe.stats.beside import title_of
from gan_probe.stats.clustering import contingency
from gan_probe.stats.conformal import Detection
from gan_probe.stats.margin import Margin
from gan_probe.stats.variance import Share
from gan_probe.studies.separation.result import FIRST_INIT, FIRST_SCORE, SeparationResult

MAX_ROWS = 40  # classes that are drawn one by one
SHARE_NAMES = {
    CRITIC_SCORE: ("critic's score", CRITIC_COLOUR),
    FIRST_SCORE: ("randomly initialised critic's score", "#9a9a9a"),
    CRITIC_ROWS: ("critic's embedding", "#7fb0e6"),
    FIRST_INIT: ("embedding of a randomly initialised critic", "#d0d0d0"),
}


def margin_bars(measures: Sequence[Margin]) -> Figure:
    """Return each measure of the critic beside its controls, and the margin over the best one."""
    figure = canvas(6.8, 0.66 * len(measures) + 1.7)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.2, 1.0])
    for place, e in enumerate(measures):
        left.scatter(list(e.controls.values()), [place] * len(e.controls), s=26, color=CONTROL_COLOUR, zorder=2)
        _point(left, e.value, e.ci_low, high=e.ci_high, place=place, colour=CRITIC_COLOUR)
        left.plot([e.chance, e.chance], [place - 0.3, place + 0.3], color="black", linewidth=1)
        if e.best_control:
            colour = {"ahead": "#2a7f3f", "behind": "#b3321b"}.get(e.verdict, "#555555")
            _point(right, 100 * e.margin, 100 * e.margin_low, high=100 * e.margin_high, place=place, colour=colour)
            right.annotate(  # beside the panel: inside it would lie on a line, or on the axis
                textwrap.fill(f"over {title_of(e.best_control).replace('randomly initialised', 'random')}", 14),
                (1.0, place),
                xycoords=right.get_yaxis_transform(),
                xytext=(6, 0),
                textcoords="offset points",
                fontsize=7,
                va="center",
                annotation_clip=False,
            )
    left.set_yticks(range(len(measures)), ["\n".join(textwrap.wrap(e.measure, 18)) for e in measures], fontsize=9)
    left.set_ylim(len(measures) - 0.4, -0.7)
    left.set_xlim(-0.02, 1.02)
    left.xaxis.set_major_formatter(PercentFormatter(1.0))
    left.set_xlabel("images right: critic (blue), controls (grey),\nalways the largest class (line)", fontsize=8)
    right.axvline(0, color="black", linewidth=0.8)
    right.set_xlabel("margin over the best control,\npoints (95 %)", fontsize=8)
    right.margins(x=0.15)
    for axis in (left, right):
        axis.tick_params(labelsize=8)
        axis.grid(axis="x", alpha=0.25)
    sns.despine(figure)
    return figure


def _point(axis: Axes, value: float, low: float, *, high: float, place: float, colour: object) -> None:
    axis.plot([low, high], [place, place], color=colour, linewidth=2, zorder=3)
    axis.scatter([value], [place], s=42, color=colour, zorder=4)


def factor_shares(shares: Mapping[Source, Sequence[Share]]) -> Figure:
    """Return what each factor alone explains of scores and embeddings, with intervals."""
    known = {name: [s for s in found if s.eta_squared == s.eta_squared] for name, found in shares.items()}
    factors = [s.factor for s in next(iter(known.values()))]
    height = 0.8 / len(known)
    figure = canvas(9, 0.62 * len(factors) + 1.3)
    axis = figure.subplots()
    for number, (name, found) in enumerate(known.items()):
        label, colour = SHARE_NAMES[name]
        by_name = {s.factor: s for s in found}
        places = np.arange(len(factors)) + (number - (len(known) - 1) / 2) * height
        values = np.array([by_name[f].epsilon_squared for f in factors])
        ends = np.array([(by_name[f].ci_low, by_name[f].ci_high) for f in factors])
        errors = np.maximum(np.abs(ends.T - values), 0)
        axis.barh(places, values, height, xerr=errors, color=colour, label=label, error_kw={"linewidth": 0.8})
    axis.set_yticks(range(len(factors)), [f.replace("_", " ") for f in factors], fontsize=8)
    axis.invert_yaxis()
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_xlim(axis.get_xlim()[0], min(1.0, axis.get_xlim()[1]))
    axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set_xlabel("share of the variance that the factor alone explains (epsilon squared; 0 = chance)")
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    sns.despine(figure)
    return figure


def of_distances(analysis: SeparationResult) -> str:
    """Return what stands beside the heading of distances."""
    if analysis.distances is None:
        return ""
    n = len(analysis.distances)
    if n > MAX_ROWS:
        return f"{n} classes are too many to draw; report.json has them"
    return "in standard deviations of the reference class"


def distances(analysis: SeparationResult) -> Figure | None:
    """Return classes on a line: distance from the reference class and one standard deviation to either side."""
    rows = analysis.distances
    if rows is None or len(rows) > MAX_ROWS:
        return None
    colours = class_colours(analysis.table)
    noise = rows["noise"] if "noise" in rows else pd.Series(dtype=float)
    with_noise = bool(noise.max() > noise.min())
    figure = canvas(10, 0.28 * len(rows) + 1.4)
    axes = figure.subplots(1, 2, width_ratios=[2.6, 1.0]) if with_noise else [figure.subplots()]
    line = axes[0]
    for place, row in enumerate(rows.to_dict("records")):
        colour = colours[str(row["label"])]
        centre, width = row["distance"], row["width"]
        band: dict[str, Any] = {"color": colour, "linewidth": 6, "alpha": 0.4, "solid_capstyle": "butt"}
        line.plot([centre - width, centre + width], [place, place], **band)
        line.plot([row["ci_low"], row["ci_high"]], [place, place], color="black", linewidth=1)
        line.scatter([centre], [place], s=30, color=colour, edgecolor="black", linewidth=0.5, zorder=3)
    reference = rows.loc[(rows["ci_low"] == 0) & (rows["ci_high"] == 0), "label"].iloc[0]
    line.axvline(0, color="black", linewidth=0.8, linestyle=":")
    line.set_yticks(range(len(rows)), [short_name(str(name)) for name in rows["label"]], fontsize=8)
    of = short_name(reference)
    line.set_xlabel(
        f"distance from {of}, in its standard deviations (bar: +- one of the class's own)",
        fontsize=8,
    )
    if with_noise:
        axes[1].scatter(noise, rows["width"], s=30, color=[colours[str(n)] for n in rows["label"]])
        axes[1].set_xlabel("noise of the class", fontsize=8)
        axes[1].set_ylabel("width of its scores (1 = the reference)", fontsize=8)
        axes[1].set_ylim(bottom=0)
        axes[1].margins(x=0.15)
        axes[1].xaxis.set_major_locator(MaxNLocator(4))
    for axis in axes:
        axis.tick_params(labelsize=8)
    sns.despine(figure)
    return figure


def unseen(detections: Sequence[Detection]) -> Figure | None:
    """Return how well each unseen class is told from seen ones, by a low score and by an unusual one."""
    every = list(dict.fromkeys(d.label for d in detections))
    labels = every[:MAX_ROWS]
    if not labels:
        return None
    figure = canvas(9, 0.36 * len(labels) + 1.4)
    axis = figure.subplots()
    styles = {"low": (CRITIC_COLOUR, -0.14, "low score"), "two-sided": ("#d98c1f", 0.14, "unusual score, either side")}
    for direction, (colour, shift, name) in styles.items():
        found = [d for d in detections if d.direction == direction and d.label in labels]
        for d in found:
            _point(axis, d.auroc, d.ci_low, high=d.ci_high, place=labels.index(d.label) + shift, colour=colour)
        axis.scatter([], [], color=colour, label=name)
    axis.axvspan(0, 0.5, color="#fdf1ef", zorder=0)
    axis.axvline(0.5, color="black", linewidth=0.8)
    axis.set_yticks(range(len(labels)), [short_name(name) for name in labels], fontsize=8)
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.set_xlim(-0.02, 1.02)
    axis.set_xlabel("AUROC of unseen against seen (0.5 = chance; shaded: the score points the wrong way)")
    if len(labels) < len(every):
        axis.set_ylabel(f"the first {len(labels)} of {len(every)} unseen classes", fontsize=8)
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), title="unlike means")
    axis.tick_params(labelsize=8)
    sns.despine(figure)
    return figure


def contingencies(analysis: SeparationResult) -> Figure | None:
    """Return which classes the clusters chosen without labels hold, for the scores and for the critic's embedding."""
    order = analysis.classes["label"].tolist()
    labels = analysis.table["label"].astype(str).to_numpy()
    names = {CRITIC_SCORE: "the scores", CRITIC_ROWS: "the critic's embedding"}
    shown = {names[what]: c for what in names for c in analysis.chosen(what)}
    if not shown or len(order) > MAX_LEGEND:
        return None
    figure = canvas(1.8 + 4.2 * len(shown), 0.34 * len(order) + 1.6)
    axes = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axis, (name, c) in zip(axes, shown.items(), strict=True):
        table = contingency(c.assignment, labels, order)
        shares = table.div(table.sum(axis=1), axis=0)
        sns.heatmap(
            shares, ax=axis, vmin=0, vmax=1, cmap="Blues", annot=table, fmt="d", annot_kws={"fontsize": 7}, cbar=False
        )
        axis.set_title(f"{name}: {c.method}, k = {c.k}\nARI {c.ari:.2f}, stability {c.stability:.2f}", fontsize=9)
        axis.set_xlabel("cluster")
        axis.set_ylabel("")
        axis.tick_params(labelsize=8, length=0)
        axis.tick_params(axis="y", rotation=0)
    return figure
