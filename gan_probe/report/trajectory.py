"""The page of one training's snapshots: how the scores of classes fall apart, beside what needs no training."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import matplotlib.image as mpimg
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from gan_probe.report.page import Page, Section, canvas
from gan_probe.report.style import (
    CONTROL_COLOUR,
    CRITIC_COLOUR,
    MAX_LEGEND,
    class_colours,
    class_fills,
    class_marks,
    legend_name,
    short_name,
)
from gan_probe.stats.auroc import RULE
from gan_probe.stats.pairwise import class_rows
from gan_probe.studies.trajectory.result import CLASS, Course, TrajectoryResult, centred

N_ROWS = 6
N_BINS = 80
FAR = 30  # distances of class means, in units of the spread within classes, that need a logarithmic axis
MAX_TICKS = 12
MAX_PAIRS = 45
MAX_PAIRED = 16  # letters of a name beside another
STATISTIC_COLOUR = "#c98a00"
AS_NAMED, OTHER_WAY = CRITIC_COLOUR, "#d1662a"


def spread_steps(steps: Sequence[int], n: int) -> list[int]:
    """Return up to ``n`` of the steps, evenly spread over their logarithms, with the first and the last.

    Examples
    --------
    >>> spread_steps([0, 1, 2, 4, 7, 13, 24, 45, 84, 159, 300], 4)
    [0, 7, 45, 300]
    """
    places = np.log1p(steps)
    wanted = np.linspace(places[0], places[-1], n)
    return [steps[i] for i in np.unique(np.abs(places - wanted[:, None]).argmin(1))]


def _step_axis(axis: Axes, steps: Sequence[int]) -> None:
    """Spread early steps out as snapshots are: by the logarithm of step + 1, ticks at snapshots."""
    axis.set_xscale("function", functions=(np.log1p, np.expm1))
    axis.xaxis.set_major_locator(FixedLocator(spread_steps(steps, MAX_TICKS)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    first, last = np.log1p(steps[0]), np.log1p(steps[-1])
    axis.set_xlim(np.expm1(first - 0.02 * (last - first)), np.expm1(last + 0.02 * (last - first)))
    axis.set_xlabel("step (logarithmic)")


def _legend(axis: Axes, **options: Any) -> None:
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), **options)


def histograms(result: TrajectoryResult) -> Figure:
    """Return one row for each of up to six snapshots: scores by class, and what the generator drew at that step."""
    return _rows(result, spread_steps(result.steps, N_ROWS))


def histogram_steps(result: TrajectoryResult) -> dict[str, Figure]:
    """Return the same, a figure a snapshot, of up to twelve."""
    return {f"step {step}": _rows(result, [step]) for step in spread_steps(result.steps, MAX_TICKS)}


def _rows(result: TrajectoryResult, chosen: Sequence[int]) -> Figure:
    """Return one row for each of some snapshots."""
    pictures = _pictures(result, chosen)
    fills, rows = class_fills(result.table), class_rows(result.labels)
    moved = centred(result.scores, result.labels, result.reference)
    figure = canvas(12 if pictures else 8.5, max(1.85 * len(chosen) + 0.4, 2.9))
    n_columns = 2 if pictures else 1
    axes = figure.subplots(len(chosen), n_columns, squeeze=False, width_ratios=[1.5, 1][:n_columns])
    for row, step in zip(axes, chosen, strict=True):
        values = moved[result.steps.index(step)]
        bins = np.histogram_bin_edges(values, bins=N_BINS)
        for label, found in rows.items():
            row[0].hist(values[found], bins=bins, label=legend_name(label), histtype="stepfilled", **fills[label])
        row[0].set_ylabel(f"step {step}\nimages", fontsize=9)
        row[0].tick_params(labelsize=8)
        row[0].yaxis.set_major_locator(MaxNLocator(4, integer=True))
        for axis in row[1:]:
            axis.set_axis_off()
            if step in pictures:
                axis.imshow(pictures[step], cmap="gray", interpolation="nearest")
    of = short_name(result.reference)
    axes[-1][0].set_xlabel(f"critic_score less the mean of {of} (each row on its own axis)", fontsize=9)
    if len(rows) <= MAX_LEGEND:
        figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside right upper", fontsize=8, title="class")
    sns.despine(figure)
    return figure


def _pictures(result: TrajectoryResult, steps: Sequence[int]) -> dict[int, Any]:
    """Return the sheets of samples of these steps; one that is not a whole picture is left out."""
    found = {}
    for step in (s for s in steps if s in result.sheets):
        with suppress(OSError, SyntaxError, ValueError):
            found[step] = mpimg.imread(result.sheets[step])
    return found


def separated(result: TrajectoryResult) -> Figure:
    """Return the number of separated pairs against the step, the controls as lines."""
    figure = canvas(9, 3.6)
    axis, n_pairs = figure.subplots(), len(result.courses)
    axis.plot(result.steps, result.n_separated, color=CRITIC_COLOUR, marker="o", markersize=4, label="critic")
    if result.random_init:
        counts = list(result.random_init.values())
        axis.axhspan(min(counts), max(counts), color=CONTROL_COLOUR, alpha=0.25, linewidth=0)
        text = f"{len(counts)} randomly initialised critics\n(median, range)"
        axis.axhline(float(np.median(counts)), color=CONTROL_COLOUR, linestyle="--", label=text)
    if result.statistics:
        text = f"best image statistic\n({result.best_statistic.replace('_', ' ')})"
        axis.axhline(result.statistics[result.best_statistic], color=STATISTIC_COLOUR, linestyle="-.", label=text)
    axis.axhline(n_pairs, color="black", linewidth=0.8, linestyle=":", label=f"all pairs ({n_pairs})")
    axis.set_ylim(-0.02 * n_pairs, 1.05 * n_pairs)
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_ylabel("pairs separated")
    _step_axis(axis, result.steps)
    _legend(axis)
    sns.despine(figure)
    return figure


def class_courses(result: TrajectoryResult) -> Figure:
    """Return each class's mean score against the step, in units of the spread within classes, bands of one sd."""
    table, colours, marks = result.class_table(), class_colours(result.table), class_marks(result.table)
    figure = canvas(10, 4.8)
    axis = figure.subplots()
    for label, rows in table.groupby("label", sort=False):
        mean, sd, colour = rows["scaled_mean"], rows["scaled_sd"], colours[str(label)]
        axis.fill_between(rows["step"], mean - sd, mean + sd, color=colour, alpha=0.2, linewidth=0)
        name, mark = legend_name(str(label)), marks[str(label)]
        axis.plot(rows["step"], mean, color=colour, marker=mark, markersize=3, linewidth=1.3, label=name)
    if table["scaled_mean"].abs().max() > FAR:
        axis.set_yscale("symlog", linthresh=10, linscale=2)
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_ylabel(f"mean score less that of {short_name(result.reference)},\nin units of the spread within classes")
    _step_axis(axis, result.steps)
    if len(colours) <= MAX_LEGEND:
        _legend(axis, title="class")
    sns.despine(figure)
    return figure


def _shown(courses: Sequence[Course]) -> list[Course]:
    """Return up to 45 courses in order of their first step: those that are lost before those that separate last."""

    def first(course: Course) -> float:
        return np.inf if course.first_step is None else course.first_step

    chosen = sorted(courses, key=lambda c: (not c.is_lost, c.first_step is None, -first(c)))[:MAX_PAIRS]
    return sorted(chosen, key=lambda c: (first(c), -sum(c.separated), c.name))


def _text(course: Course) -> str:
    """Return the pair as "higher > lower", as it was when it was separated last."""
    a, b = (short_name(name, MAX_PAIRED) for name in (course.a, course.b))
    if not course.stretches:
        return f"{a} / {b}"
    return f"{a} > {b}" if course.stretches[-1][2] > 0 else f"{b} > {a}"


def timeline(result: TrajectoryResult) -> Figure:
    """Return one row for each pair, up to 45: filled at the snapshots that separate it."""
    shown = _shown(result.courses)
    figure = canvas(10, 0.2 * len(shown) + 1.6)
    axis = figure.subplots()
    for place, course in enumerate(shown):
        for snapshot, direction in enumerate(course.directions):
            if direction:
                colour = AS_NAMED if direction == course.stretches[-1][2] else OTHER_WAY
                axis.barh(place, 1, left=snapshot - 0.5, height=0.7, color=colour)
    ticks = [result.steps.index(step) for step in spread_steps(result.steps, 2 * MAX_TICKS)]
    axis.set_xticks(ticks, [str(result.steps[i]) for i in ticks], fontsize=8)
    axis.set_xlim(-0.5, len(result.steps) - 0.5)
    axis.set_xlabel("step (one column a snapshot)")
    axis.set_yticks(range(len(shown)), [_text(c) for c in shown], fontsize=6.5)
    axis.set_ylim(len(shown) - 0.5, -0.5)
    for course, text in zip(shown, axis.get_yticklabels(), strict=True):
        text.set_color("#b04030" if course.is_lost else "#777777" if not course.stretches else "black")
    handles = [Patch(color=AS_NAMED, label="separated, as named"), Patch(color=OTHER_WAY, label="the other way round")]
    figure.legend(handles=handles, loc="outside upper right", ncols=2, fontsize=8, frameon=False)
    if len(shown) < len(result.courses):
        axis.set_title(f"{len(shown)} of {len(result.courses)} pairs: lost, or separated last", fontsize=9)
    sns.despine(figure)
    return figure


def share_courses(result: TrajectoryResult) -> Figure | None:
    """Return the share of the variance between the levels of each factor, against the step; None without factors."""
    factors = result.shares.drop(columns=CLASS)
    if factors.empty:
        return None
    figure = canvas(9, 3.8)
    axis = figure.subplots()
    axis.plot(result.steps, result.shares[CLASS], color="black", linestyle=":", label="all classes")
    for colour, name in zip(sns.color_palette("colorblind", factors.shape[1]), factors, strict=True):
        axis.plot(result.steps, factors[name], color=colour, marker="o", markersize=4, label=str(name))
    axis.axhline(0, color="black", linewidth=0.6)
    axis.set_ylim(min(-0.03, 1.1 * float(factors.to_numpy().min())), 1.03)
    axis.set_ylabel("share of the variance of scores")
    _step_axis(axis, result.steps)
    _legend(axis, title="factor")
    sns.despine(figure)
    return figure


SECTIONS: tuple[Section[TrajectoryResult], ...] = (
    Section(
        "histograms",
        "How the classes fall apart",
        "Left: scores at some of the snapshots, the mean of the reference class at 0. Shift and scale of scores are"
        " arbitrary and the scale grows, so each row has an axis of its own: compare the shapes. Right: what the"
        " generator drew at that step.",
        histograms,
        is_vector=False,
        steps=histogram_steps,
    ),
    Section(
        "separated",
        "How many pairs are separated",
        f"{RULE} Randomly initialised critics are of the same architecture; image statistics are brightness and the"
        f" like.",
        separated,
    ),
    Section(
        "means",
        "Where the classes go",
        "Class means, the reference class at 0, in units of the spread within classes; bands are one standard deviation"
        " wide on either side. Two classes of equal spread are separated from about 3.3 apart. Where the axis is"
        " logarithmic, it is linear up to 10.",
        class_courses,
    ),
    Section(
        "timeline",
        "When each pair separates",
        "A row a pair, first come first. Between two snapshots with different directions the scores of the classes must"
        " have met. Named in red: lost, separated at some snapshot and not at the last. In grey: never separated.",
        timeline,
    ),
    Section(
        "factors",
        "What the score groups by",
        "Share of the variance of scores between the levels of a factor (epsilon squared: 0 on average for a factor"
        " that plays no part). Factors that go together in the data share what they explain: shares do not add up.",
        share_courses,
    ),
)


PAGE = Page[TrajectoryResult](
    schema="gan_probe.trajectory/2",
    title=lambda result: "How the classes fell apart during the training",
    sections=lambda result: SECTIONS,
)
