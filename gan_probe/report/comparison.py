"""The page of several critics side by side."""

from __future__ import annotations

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from gan_probe.report.page import ICONS, Page, Section, canvas
from gan_probe.report.style import (
    CONTROL_COLOUR,
    CRITIC_COLOUR,
    MAX_LEGEND,
    class_fills,
    legend_name,
    short_name,
)
from gan_probe.report.tables import Col, Row, Table, shown
from gan_probe.stats.beside import title_of
from gan_probe.stats.pairwise import class_rows
from gan_probe.studies.comparison.result import TITLES, ComparisonResult

N_BINS = 60
N_ACROSS = 3


def measures_by_critic(result: ComparisonResult) -> Figure:
    """Return each measure of each critic beside its best control, and less that of the first critic."""
    names = [column.name for column in result.columns]
    figure = canvas(9, len(result.measures) * (0.42 * len(names) + 1.1))
    axes = figure.subplots(len(result.measures), 2, squeeze=False, sharey=True, width_ratios=[1.2, 1.0])
    for (left, right), measure in zip(axes, result.measures, strict=True):
        for place, column in enumerate(result.columns):
            found = column.margins[measure]
            _point(left, 100 * found.value, (100 * found.ci_low, 100 * found.ci_high), place)
            if found.best_control:
                left.scatter([100 * found.control], [place], s=30, color=CONTROL_COLOUR, marker="|", zorder=2)
            if place:
                d = result.against(measure, column.name)[names[0]]
                _point(right, 100 * d.value, (100 * d.ci_low, 100 * d.ci_high), place)
        left.set_title(TITLES[measure], fontsize=9, loc="left")
        left.set_yticks(range(len(names)), [short_name(name) for name in names], fontsize=8)
        left.set_ylim(len(names) - 0.5, -0.5)
        left.xaxis.set_major_formatter(PercentFormatter())
        right.axvline(0, color="black", linewidth=0.8)
        for axis in (left, right):
            axis.tick_params(labelsize=8)
            axis.grid(axis="x", alpha=0.25)
    axes[-1][0].set_xlabel("images right (grey: the best control)", fontsize=8)
    axes[-1][1].set_xlabel(f"less {short_name(names[0])}, points (95 %, paired)", fontsize=8)
    sns.despine(figure)
    return figure


def _point(axis: Axes, value: float, ends: tuple[float, float], place: float) -> None:
    axis.plot(list(ends), [place, place], color=CRITIC_COLOUR, linewidth=2)
    axis.scatter([value], [place], s=36, color=CRITIC_COLOUR, zorder=3)


def scores_by_critic(result: ComparisonResult) -> Figure:
    """Return the scores of each critic by class, each on its own axis."""
    fills, rows = class_fills(result.table), class_rows(result.table["label"].astype(str).to_numpy())
    n_down = -(-len(result.columns) // N_ACROSS)
    n_across = min(N_ACROSS, len(result.columns))
    figure = canvas(3.6 * n_across + 1, 2.4 * n_down)
    axes = figure.subplots(n_down, n_across, squeeze=False).ravel()
    for axis, column in zip(axes, result.columns, strict=False):
        low, high = float(column.scores.min()), float(column.scores.max())
        for label, found in rows.items():
            axis.hist(column.scores[found], bins=N_BINS, range=(low, high), histtype="stepfilled",
                      label=legend_name(label), **fills[label])  # fmt: skip
        axis.set_title(short_name(column.name), fontsize=9)
        axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axis.tick_params(labelsize=8)
    for axis in axes[len(result.columns) :]:
        axis.set_axis_off()
    if len(rows) <= MAX_LEGEND:
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", fontsize=8, title="class")
    sns.despine(figure)
    return figure


SECTIONS: tuple[Section[ComparisonResult], ...] = (
    Section(
        "side_by_side",
        "Which critic is ahead?",
        "Left: how many images are given their right class, from the score alone and by a linear probe on the"
        " embedding, with 95 % intervals. Right: less the same of the first critic, on the same images.",
        measures_by_critic,
    ),
    Section(
        "scores",
        "Scores by class",
        "Shift and scale of a critic's scores are arbitrary, so each has an axis of its own: compare the shapes.",
        scores_by_critic,
    ),
)


def _columns(result: ComparisonResult) -> Table:
    """Return one column a critic, one row a number."""
    rows: list[Row] = []

    def add(title: str, told: list[str]) -> None:
        rows.append({"": title, **{str(place): text for place, text in enumerate(told)}})

    columns = result.columns
    add("verdict", [f"{ICONS[c.judgement.tone]} {c.judgement.headline}" for c in columns])
    add(f"pairs separated, of {result.n_pairs}", [str(c.n_separated) for c in columns])
    for measure in result.measures:
        found = [c.margins[measure] for c in columns]
        title = TITLES[measure]
        add(title, [f"{shown(m.value, 'percent')} ({100 * m.ci_low:.1f} to {100 * m.ci_high:.1f})" for m in found])
        add("its best control", [f"{title_of(m.best_control)} {shown(m.control, 'percent')}" if m.best_control else
                                 "none" for m in found])  # fmt: skip
        add("over it", [m.over_best.points() if m.over_best else "cannot be known" for m in found])
        add("the training added", [m.added.points() if m.added else "cannot be known" for m in found])
    heads = [Col(title="number", of=""), *(Col(title=c.name, of=str(place)) for place, c in enumerate(columns))]
    return Table(name="columns", heading="Side by side", columns=heads, rows=rows)


def _differences(result: ComparisonResult) -> Table:
    columns = [
        Col(title="measure", of=lambda row: TITLES[row["measure"]]),
        Col(title="critic", of="critic"),
        Col(title="less", of="other"),
        Col(title="points", of="value", form="points"),
        Col(title="95 % interval", of=("low", "high"), form="points"),
    ]
    return Table(
        name="differences", heading="Every two", columns=columns, rows=result.metrics().differences,
        note="Paired by image. With many critics some of these intervals lie off 0 by chance: one of twenty.",
    )  # fmt: skip


PAGE = Page[ComparisonResult](
    schema="gan_probe.comparison/1",
    title=lambda result: "Critics side by side",
    sections=lambda result: SECTIONS,
    tables=lambda result: [_columns(result), _differences(result)],
)
