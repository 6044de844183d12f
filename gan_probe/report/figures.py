"""Figures: an analysis in, a matplotlib Figure out. To add one: one function, and one row in ``page.FIGURES``."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import matplotlib.image as mpimg
import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gan_probe.report.page import canvas
from gan_probe.report.style import (
    CONTROL_COLOUR,
    CRITIC_COLOUR,
    MAX_LEGEND,
    Colour,
    class_colours,
    class_fills,
    class_marks,
    filled,
    legend_name,
    short_name,
)
from gan_probe.scoring.controls import SCORED
from gan_probe.scoring.table import BASELINE, CRITIC, CRITIC_ROWS, Source
from gan_probe.stats.auroc import THRESHOLD, n_separated
from gan_probe.stats.clustering import Clustering
from gan_probe.studies.separation.result import FIRST_INIT, PIXELS, SeparationResult

N_BINS = 120
MAX_MARKS = 2000  # beyond, marks in an SVG are pixels
MAX_CLASSES = 40  # drawn one by one
MAX_COLUMNS = 12  # of pictures
MAX_MATRIX = 40  # classes beyond which the matrix of pairs shows those that are hardest to tell
MEDIAN = "randomly initialised critic (median)"
K_FROM = {"bic": "BIC"}
N_CLOSEST = 6
N_SHEETS = 6
MAX_ANNOTATED = 15  # classes up to which numbers are written into the matrix


class Described(Protocol):
    """A table of scores, and one row a class."""

    @property
    def table(self) -> pd.DataFrame:
        """One row an image: ``label``, ``critic_score``."""

    @property
    def classes(self) -> pd.DataFrame:
        """One row a class, highest mean score first."""


def class_examples(examples: Mapping[str, Sequence[npt.NDArray[np.uint8]]], seen: Mapping[str, bool]) -> Figure:
    """Return one column a class, up to twelve: its first images."""
    n_classes = len(examples)
    examples = dict(list(examples.items())[:MAX_COLUMNS])
    n_rows = max(map(len, examples.values()))
    figure = canvas(1.15 * max(4, len(examples)), 0.75 * n_rows + 1.0)
    axes = figure.subplots(n_rows, len(examples), squeeze=False)
    for column, (label, images) in enumerate(examples.items()):
        for row in range(n_rows):
            axis: Axes = axes[row][column]
            axis.set(xticks=[], yticks=[], frame_on=row < len(images))
            if row < len(images):
                axis.imshow(images[row].squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        title = "\n".join(textwrap.wrap(short_name(label).replace("_", " "), 12))
        known = f"\n{'seen' if seen[label] else 'unseen'}" if label in seen else ""
        axes[0][column].set_title(f"{title}{known}", fontsize=7)
    if n_classes > len(examples):
        figure.suptitle(f"{len(examples)} of {n_classes} classes", fontsize=9)
    return figure


def strips(rows: Mapping[str, Sequence[npt.NDArray[np.uint8] | None]], columns: int) -> Figure:
    """Return named rows of up to ``columns`` pictures; where one is None its place stays empty."""
    figure = canvas(11, 1.05 * len(rows) + 0.2)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for (name, pictures), line in zip(rows.items(), axes, strict=True):
        for axis in line:
            axis.set(xticks=[], yticks=[], frame_on=False)
        for axis, picture in zip(line, pictures, strict=False):
            if picture is not None:
                axis.imshow(picture.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        line[0].set_ylabel(name, fontsize=9)
    return figure


def score_histogram(analysis: Described) -> Figure:
    """Return the histogram of scores by class, and below it each class's spread; of many classes some."""
    table, colours = analysis.table, class_colours(analysis.table)
    every = analysis.classes["label"].astype(str).tolist()
    order = _ends(every)
    figure = canvas(10, 3.6 + 0.27 * len(order))
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3.0, 0.27 * len(order) + 0.4])
    bins = np.histogram_bin_edges(table["critic_score"].astype(np.float64), bins=N_BINS)
    fills = class_fills(table)
    for name, rows, colour in _histograms(analysis, every, colours):
        counts = np.histogram(table.loc[rows, "critic_score"].astype(np.float64), bins=bins)[0]
        top.stairs(counts, bins, fill=True, label=legend_name(name), **fills.get(name, filled(colour)))
    top.set_ylim(bottom=0)
    top.set_ylabel("images")
    top.yaxis.set_major_locator(MaxNLocator(integer=True))
    top.set_title("Scores by class (all on one axis)")
    if len(top.patches) > 1:
        top.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    for place, label in enumerate(order):
        values = table.loc[table["label"].astype(str) == label, "critic_score"].to_numpy()
        _ticks(bottom, values, place, colours[label], as_pixels=len(table) > MAX_MARKS)
    bottom.set_yticks(range(len(order)), [short_name(name) for name in _marked(analysis, order)], fontsize=7)
    bottom.set_ylim(len(order) - 0.5, -0.5)
    if len(order) < len(every):
        bottom.axhline(len(order) / 2 - 0.5, color="black", linewidth=0.8, linestyle=":")
        bottom.set_ylabel(f"{len(order)} of {len(every)} classes: the highest and the lowest", fontsize=8)
    bottom.set_xlabel(
        "critic_score (higher = more like the training data; shift and scale are arbitrary); * = in training"
    )
    sns.despine(figure)
    return figure


def _ends(order: Sequence[str]) -> list[str]:
    """Return the classes that are drawn one by one: all, or the first and the last of many."""
    return [*order] if len(order) <= MAX_CLASSES else [*order[: MAX_CLASSES // 2], *order[-MAX_CLASSES // 2 :]]


def _histograms(
    analysis: Described, order: Sequence[str], colours: Mapping[str, Colour]
) -> Iterator[tuple[str, npt.NDArray[np.bool_], Any]]:
    """Yield what one histogram each is of: a class; of many classes seen and unseen, or all images."""
    labels = analysis.table["label"].astype(str).to_numpy()
    if len(order) <= MAX_LEGEND:
        yield from ((label, labels == label, colours[label]) for label in order)
    elif "seen" in analysis.table:
        seen = analysis.table["seen"].to_numpy(dtype=bool)
        yield from (("unseen classes", ~seen, CONTROL_COLOUR), ("seen classes", seen, CRITIC_COLOUR))
    else:
        yield "all classes", np.ones(len(labels), dtype=bool), CRITIC_COLOUR


def _ticks(axis: Axes, values: npt.NDArray[Any], place: float, colour: Colour, *, as_pixels: bool) -> None:
    """Draw one mark an image, all of them as one path."""
    across = np.repeat(values.astype(np.float64), 3)
    up = np.tile([place - 0.3, place + 0.3, np.nan], len(values))
    axis.plot(across, up, color=colour, linewidth=0.8, rasterized=as_pixels)


def _marked(analysis: Described, order: Sequence[str]) -> list[str]:
    """Return labels, those of classes in the training data marked with a star."""
    if "seen" not in analysis.classes:
        return list(order)
    seen = dict(zip(analysis.classes["label"], analysis.classes["seen"], strict=True))
    return [f"{label} *" if seen[label] else label for label in order]


def closest_pairs(analysis: SeparationResult) -> Figure:
    """Return histograms of the pairs with the smallest AUROC, each zoomed to its own range."""
    table, colours = analysis.table, class_colours(analysis.table)
    pairs = analysis.closest()[:N_CLOSEST]
    pairs = [p for p in pairs if p.auroc < THRESHOLD] or pairs[:3]
    n_columns = min(3, len(pairs))
    n_rows = -(-len(pairs) // n_columns)
    figure = canvas(3.6 * n_columns, 2.5 * n_rows)
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axis, pair in zip(axes, pairs, strict=False):
        both = table[table["label"].isin([pair.a, pair.b])]
        bins = np.histogram_bin_edges(both["critic_score"].astype(np.float64), bins=30)
        for label in (pair.a, pair.b):
            axis.hist(
                both.loc[both["label"] == label, "critic_score"],
                bins=bins,
                alpha=0.6,
                color=colours[label],
                label=legend_name(label),
            )
        axis.set_title(f"AUROC {pair.auroc:.3f} [{pair.ci_low:.3f}, {pair.ci_high:.3f}]", fontsize=9)
        axis.set_xlabel("critic_score", fontsize=8)
        axis.legend(fontsize=6.5, loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=1, frameon=False)
        axis.tick_params(labelsize=7)
        axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set_ylabel("images", fontsize=8)
    for axis in axes[len(pairs) :]:
        axis.set_axis_off()
    sns.despine(figure)
    return figure


def auroc_matrix(analysis: SeparationResult) -> Figure:
    """Return two triangles in one matrix: below the diagonal the critic, above it the best control of each pair."""
    every = analysis.classes["label"].astype(str).tolist()
    order = _hardest(analysis, every)
    values = pd.DataFrame(np.nan, index=order, columns=order, dtype=float)
    for found in analysis.pairs:
        if found.pair.a not in order or found.pair.b not in order:
            continue
        first, second = sorted((found.pair.a, found.pair.b), key=order.index)
        values.loc[second, first] = found.pair.auroc
        values.loc[first, second] = found.control_auroc
    size = max(5.0, (0.62 if len(order) <= MAX_ANNOTATED else 0.2) * len(order) + 2.5)
    figure = canvas(size + 1, size)
    axis = figure.subplots()
    sns.heatmap(
        values,
        ax=axis,
        vmin=0.5,
        vmax=1.0,
        cmap="viridis",
        square=True,
        annot=len(order) <= MAX_ANNOTATED,
        rasterized=len(order) > MAX_ANNOTATED,
        fmt=".3f",
        annot_kws={"fontsize": 6.5},
        cbar_kws={"label": "AUROC (0.5 = chance)", "shrink": 0.7},
    )
    more = "" if len(order) == len(every) else f"\n{len(order)} of {len(every)} classes: the hardest to tell"
    axis.set_title(f"Below the diagonal: the critic. Above: the best control of the pair.{more}", fontsize=10)
    names = [short_name(name) for name in order]
    axis.set_xticks(np.arange(len(order)) + 0.5, names, rotation=90)
    axis.set_yticks(np.arange(len(order)) + 0.5, names)
    axis.tick_params(labelsize=7, length=0)
    axis.tick_params(axis="y", rotation=0)
    return figure


def _hardest(analysis: SeparationResult, every: Sequence[str]) -> list[str]:
    """Return the classes that the matrix shows, in order: all, or those of the pairs that are hardest to tell."""
    if len(every) <= MAX_MATRIX:
        return list(every)
    kept: dict[str, None] = {}
    for pair in analysis.closest():
        if len(kept | {pair.a: None, pair.b: None}) <= MAX_MATRIX:
            kept |= {pair.a: None, pair.b: None}
    return [name for name in every if name in kept]


def separated_pairs(analysis: SeparationResult) -> Figure:
    """Return one bar each for the critic and its controls: the number of pairs separated."""
    rows: list[tuple[str, float, str | Colour]] = [("critic", n_separated(analysis.critic_pairs), CRITIC_COLOUR)]
    random_init = analysis.random_init_counts()
    if random_init:
        rows.append((MEDIAN, statistics.median(random_init), CONTROL_COLOUR))
    rows += [
        (name.replace("_", " "), n_separated(pairs), CONTROL_COLOUR)
        for name, pairs in analysis.controls.baselines.items()
    ]
    rows[1:] = sorted(rows[1:], key=lambda row: -row[1])
    total = len(analysis.pairs)
    figure = canvas(8, 0.34 * len(rows) + 1.1)
    axis = figure.subplots()
    axis.barh([r[0] for r in rows], [r[1] for r in rows], color=[r[2] for r in rows])
    for place, (name, count, _) in enumerate(rows):
        inside = "white" if count > total / 20 else "black"  # a short bar cannot hold its number
        axis.text(total / 100, place, f"{count:g}", va="center", fontsize=8, color=inside, fontweight="bold")
        if random_init and name == MEDIAN:
            axis.plot([min(random_init), max(random_init)], [place, place], color="black", linewidth=2)
    axis.invert_yaxis()
    axis.axvline(total, color="black", linewidth=0.8, linestyle=":")
    axis.set_xlim(0, total * 1.08)
    axis.set_xlabel(f"pairs separated (dotted line: all {total}; black line: range over random seeds)")
    axis.tick_params(labelsize=8)
    sns.despine(figure)
    return figure


def projections(analysis: SeparationResult, method: str) -> Figure:
    """Return the embeddings side by side, coloured by class."""
    colours = class_colours(analysis.table)
    names = {
        CRITIC_ROWS: "critic",
        FIRST_INIT: "randomly initialised critic (1 of 3)",
        PIXELS: "raw pixels",
    }
    shown = {name: view for name, view in analysis.projections.items() if name in names}
    figure = canvas(4 * len(shown) + (1.8 if len(colours) <= MAX_LEGEND else 0), 4)
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    labels, marks = analysis.table["label"].astype(str).to_numpy(), class_marks(analysis.table)
    for axis, (name, view) in zip(axes, shown.items(), strict=True):
        for label, colour in colours.items():
            rows = labels == label
            axis.plot(
                view[rows, 0], view[rows, 1], marks[label], markersize=3, color=colour, label=legend_name(label),
                alpha=0.8, markeredgewidth=0, rasterized=len(labels) > MAX_MARKS,
            )  # fmt: skip
        axis.set_title(names[name], fontsize=10)
        axis.set_xlabel(f"{method} 1")
        axis.tick_params(labelsize=7)
    axes[0].set_ylabel(f"{method} 2")
    if len(colours) <= MAX_LEGEND:
        axes[-1].legend(fontsize=7, markerscale=2, loc="center left", bbox_to_anchor=(1.0, 0.5))
    sns.despine(figure)
    return figure


def cluster_agreement(clusterings: Mapping[Source, Sequence[Clustering]]) -> Figure | None:
    """Return the adjusted Rand index of every clustering, k chosen without labels beside k = number of classes.

    None where nothing could be clustered.
    """
    rows = [
        {"of": _source_name(name), "method": f"{c.method}, k from {K_FROM.get(c.k_from, c.k_from)}", "ARI": c.ari}
        for name, found in clusterings.items()
        for c in found
    ]
    if not rows:
        return None
    frame = pd.DataFrame(rows)
    figure = canvas(9, 4)
    axis = figure.subplots()
    sns.barplot(
        frame,
        x="of",
        y="ARI",
        hue="method",
        ax=axis,
        estimator="median",
        errorbar=("pi", 100),
        palette="Paired",
        err_kws={"linewidth": 1.2},
    )
    axis.set_xlabel("")
    axis.set_ylim(min(0.0, frame["ARI"].min() * 1.1), 1.02)
    axis.set_ylabel("ARI (1 = the classes, 0 = chance)")
    axis.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    sns.despine(figure)
    return figure


def _source_name(source: Source) -> str:
    if source.of == CRITIC:
        return "critic\nembedding" if source.is_embedding else "critic\nscore"
    if source.of != BASELINE:
        return "random critics\n(median, range)"
    return SCORED[source.name].title.replace(" (", "\n(").replace("k-means ", "k-means\n")


def training_curves(metrics: pd.DataFrame, objective: str = "wasserstein") -> Figure:
    """Return the gap between scores of reals and fakes, and the penalty, against the step."""
    figure = canvas(9, 2.9)
    left, right = figure.subplots(1, 2)
    gap = "W-distance estimate" if objective == "wasserstein" else "mean score, reals - fakes"
    for axis, column, label in ((left, "w_distance", gap), (right, "penalty", "penalty on the slope")):
        axis.plot(metrics["step"], metrics[column], color=CONTROL_COLOUR, linewidth=0.7, label="each step")
        window = max(1, len(metrics) // 20)
        axis.plot(
            metrics["step"],
            metrics[column].rolling(window, min_periods=1).median(),
            color=CRITIC_COLOUR,
            label=f"median of {window}",
        )
        axis.set_xlabel("generator step")
        axis.set_ylabel(label)
        axis.set_yscale("symlog", linthresh=1.0 if column == "w_distance" else 0.01)
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))  # the other writes formulas
        axis.legend(fontsize=7)
        axis.tick_params(labelsize=8)
    sns.despine(figure)
    return figure


def samples_over_time(sheets: Mapping[int, Path]) -> Figure:
    """Return the generator's images after some of the steps at which they were saved."""
    steps = sorted(sheets)
    chosen = [steps[i] for i in np.unique(np.linspace(0, len(steps) - 1, N_SHEETS).round().astype(int))]
    n_columns = min(3, len(chosen))
    n_rows = -(-len(chosen) // n_columns)
    pictures = [mpimg.imread(sheets[step]) for step in chosen]
    aspect = pictures[0].shape[0] / pictures[0].shape[1]
    figure = canvas(3.6 * n_columns, n_rows * (3.6 * aspect + 0.35))
    axes: npt.NDArray[Any] = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, step, picture in zip(axes, chosen, pictures, strict=False):
        axis.imshow(picture, cmap="gray", interpolation="nearest")
        axis.set_title(f"after {step} steps", fontsize=9)
    return figure
