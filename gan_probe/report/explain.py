"""The page of maps: which pixels move the score, and whether that is more than the image shows by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gan_probe.report.page import Page, Section, canvas
from gan_probe.report.style import short_name
from gan_probe.stats.beside import RANDOM_CRITICS
from gan_probe.studies.explain.pointing import BAND_PX, MEASURES
from gan_probe.studies.explain.result import (
    CHANCE,
    CHANGED,
    CORRELATION,
    CRITIC,
    CRITIC_IMAGE,
    CRITIC_RANDOM,
    EDGE,
    EVERYWHERE,
    IMAGE,
    MASK,
    RANDOM_RANDOM,
    TITLES,
    ExplainResult,
)

MAX_ROWS = 24  # classes whose maps are drawn
CLIPPED = 0.995  # colours reach as far as this part of the pixels; single ones beyond are as dark as these
COLOURS = {CRITIC: "#1f5aa6", RANDOM_CRITICS: "#8a8a8a", IMAGE: "#c98a00"}
PAIR_COLOURS = {CRITIC_RANDOM: "#1f5aa6", RANDOM_RANDOM: "#8a8a8a", CRITIC_IMAGE: "#c98a00"}
REGIONS = {MASK: "in the mask", EDGE: f"within {BAND_PX} px of its edge"}


def map_rows(result: ExplainResult) -> Figure:
    """Return one row a class, its first image: the image, and the maps of the critic and of a random one."""
    first = result.labels.drop_duplicates()[:MAX_ROWS]
    rows = first.index.to_numpy(dtype=np.intp)
    columns = [
        (f"{TITLES[method]}{'' if of == CRITIC else ', randomly initialised'}", maps[of][0])
        for method, maps in result.maps.items()
        for of in (CRITIC, RANDOM_CRITICS)
        if maps[of]
    ]
    n_rows, n_columns = len(first), len(columns) + 1
    figure = canvas(1.75 * n_columns + 1.6, 1.3 * n_rows + 1.1)
    grid = figure.add_gridspec(n_rows + 1, n_columns, height_ratios=[1] * n_rows + [0.09])
    axes = [[figure.add_subplot(grid[row, column]) for column in range(n_columns)] for row in range(n_rows)]
    for row, label, cells in zip(rows, first, axes, strict=True):
        cells[0].imshow(result.images[row].squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        cells[0].set_ylabel(short_name(str(label)), rotation=0, ha="right", va="center", fontsize=8)
        for axis in cells:
            axis.set(xticks=[], yticks=[])
    axes[0][0].set_title("image", fontsize=9)
    for column, (title, maps) in enumerate(columns, start=1):
        axes[0][column].set_title(title.replace(", ", ",\n"), fontsize=9)
        chosen = maps[rows]
        limit = float(np.quantile(np.abs(chosen), CLIPPED)) or float(np.abs(chosen).max()) or 1.0
        for row, one, cells in zip(rows, chosen, axes, strict=True):
            drawn = cells[column].imshow(one, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
            _outline(cells[column], result, int(row))
        extend = "both" if np.abs(chosen).max() > limit else "neither"
        bar = figure.colorbar(
            drawn, cax=figure.add_subplot(grid[n_rows, column]), orientation="horizontal", extend=extend
        )
        bar.set_label("score", fontsize=8)
        bar.set_ticks([-limit, 0, limit], labels=[f"{-limit:.2g}", "0", f"{limit:.2g}"], fontsize=7)
    return figure


def _outline(axis: Axes, result: ExplainResult, row: int) -> None:
    """Draw the edge of a mask, where it is known."""
    if result.masks is not None and result.masks[row].any() and not result.masks[row].all():
        axis.contour(result.masks[row], levels=[0.5], colors="black", linewidths=0.5)


def truth(result: ExplainResult) -> Figure | None:
    """Return the measures against masks, with intervals and chance; None without masks."""
    if not result.numbers["region"].isin(REGIONS).any():
        return None
    methods = list(result.maps)
    figure = canvas(10, 0.62 * len(methods) * len(REGIONS) + 2.3)
    axes = figure.subplots(len(REGIONS), len(MEASURES), sharey=True, sharex=True, squeeze=False)
    for cells, (region, where) in zip(axes, REGIONS.items(), strict=True):
        for axis, name in zip(cells, MEASURES, strict=True):
            for of, colour in COLOURS.items():
                found = [result.number(method, region, name, of) for method in methods]
                _points(axis, found, colour, of, shift=0.2 * (list(COLOURS).index(of) - 1))
            chance = result.number(methods[0], region, name, CHANCE)
            axis.axvline(chance["value"] if chance else 0, color="black", linewidth=0.9, linestyle=":", label=CHANCE)
            axis.set_title(f"{name}, {where}", fontsize=9)
        cells[0].set_yticks(range(len(methods)), [TITLES[method] for method in methods], fontsize=9)
        cells[0].set_ylim(len(methods) - 0.5, -0.5)
    axes[0][0].set_xlim(-0.03, 1.03)
    for axis, name in zip(axes[-1], MEASURES, strict=True):
        axis.set_xlabel(f"{name} (mean over images)", fontsize=9)
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    sns.despine(figure)
    return figure


def sanity(result: ExplainResult) -> Figure | None:
    """Return how alike maps are with trained and with random weights; None without randomly initialised critics."""
    if not (result.numbers["measure"] == CORRELATION).any():
        return None
    methods = list(result.maps)
    figure = canvas(9, 0.62 * len(methods) + 1.7)
    axes = figure.subplots(1, 2, sharey=True, sharex=True)
    for axis, region in zip(axes, (CHANGED, EVERYWHERE), strict=True):
        for number, (pair, colour) in enumerate(PAIR_COLOURS.items()):
            found = [result.number(method, region, CORRELATION, pair) for method in methods]
            _points(axis, found, colour, pair, shift=0.2 * (number - 1))
        axis.axvline(0, color="black", linewidth=0.9, linestyle=":")
        axis.set_title(region, fontsize=9)
        axis.set_xlabel("Spearman's rank correlation of |maps|", fontsize=9)
    axes[0].set_yticks(range(len(methods)), [TITLES[method] for method in methods], fontsize=9)
    axes[0].set_ylim(len(methods) - 0.5, -0.5)
    axes[0].set_xlim(-1.03, 1.03)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    sns.despine(figure)
    return figure


def _points(
    axis: Axes, found: Sequence[dict[str, Any] | None], colour: str, label: str, *, shift: float
) -> None:  # fmt: skip
    """Draw one number a method with its interval, beside the others of its method."""
    rows = [(place + shift, row) for place, row in enumerate(found) if row is not None and row["n"]]
    if rows:
        values = np.array([(row["value"], row["ci_low"], row["ci_high"]) for _, row in rows])
        errors = np.abs(values[:, 1:].T - values[:, 0])
        axis.errorbar(
            values[:, 0], [y for y, _ in rows], xerr=errors, fmt="o", color=colour, capsize=3, markersize=5, label=label
        )


SECTIONS: tuple[Section[ExplainResult], ...] = (
    Section(
        "maps",
        "Which pixels move the score?",
        "The first image of each class. Red: the score is higher because of these pixels as they are; blue: lower."
        " Occlusion covers a patch and shows how far the score falls, once for each pixel as the mean over its"
        " patches; integrated gradients share out score(image) - score(baseline), and add up to it. Where an image"
        " equals its baseline a map is zero whatever the critic is. Beside each map that of a randomly initialised"
        f" critic, with a colour bar of its own, as scales are not comparable. Colours end at the {CLIPPED:.1%}"
        " quantile of a column. Thin lines: edges of the masks.",
        map_rows,
        is_vector=False,
    ),
    Section(
        "truth",
        "Do the maps lie where the object is?",
        "Pointing: is the largest |value| inside? IoU: of the k largest |values| with the mask, k its area. Share:"
        " how much of all |values| lies inside. Beside the critic's maps those of randomly initialised critics (mean"
        " over them), and the map that needs no critic: how far each pixel is from the baseline. Dotted: maps of"
        " random numbers. Bars: 95 % intervals over images (of the difference from randomly initialised critics over"
        " these, too); one without width says that all images agree. On a plain ground every map lies inside the mask,"
        " so only a lead over the randomly initialised critics and the image alone says something of the critic.",
        truth,
    ),
    Section(
        "sanity",
        "Would a critic with random weights show the same?",
        "If a map hardly changes when all weights are drawn anew, it shows the image and not what the critic learned."
        " Grey is the same between two randomly initialised critics: how low it comes out without any training."
        " Pixels that equal their baseline are zero in every map and make all of them alike, so the numbers at the"
        " left leave them out.",
        sanity,
    ),
)


def _left_out(result: ExplainResult) -> list[str]:
    n_classes = result.labels.nunique()
    return [f"maps of the first {MAX_ROWS} of {n_classes} classes are drawn."] if n_classes > MAX_ROWS else []


PAGE = Page[ExplainResult](
    schema="gan_probe.explain/2",
    title=lambda result: "Which pixels move the score?",
    sections=lambda result: SECTIONS,
    notes=_left_out,
)
