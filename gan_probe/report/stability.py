"""The page of several retrainings: class by class, level by level, and where the variance comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from gan_probe.report.page import Page, Section, canvas
from gan_probe.report.style import legend_name, short_name
from gan_probe.report.tables import Col, Table, shown
from gan_probe.studies.stability.result import StabilityResult

PARTS = {
    "class_": ("class (what runs share)", "#1f5aa6"),
    "run": ("run (gauge)", "#c9c9c9"),
    "conflict": ("class x run (conflict)", "#b04030"),
    "image": ("image (shared)", "#8fb4dc"),
    "rest": ("single scores", "#e6e6e6"),
}
COLOURS = ("#1f5aa6", "#9a9a9a", "#c98a00")


def class_lines(result: StabilityResult) -> Figure:
    """Return the mean score of each class in each run, as it is and after the affine alignment."""
    levels = {level.alignment: level for level in result.levels}
    order = np.argsort(levels["affine"].means.mean(0))
    n_classes = len(order)
    figure = canvas(10, 0.32 * n_classes + 1.6)
    axes = figure.subplots(1, 2, sharey=True)
    colours = sns.color_palette("husl", len(result.runs))
    titles = {"raw": "as they are", "affine": "after shift, scale and sign"}
    for axis, (name, title) in zip(axes, titles.items(), strict=True):
        for colour, run, means in zip(colours, result.runs, levels[name].means, strict=True):
            line = {"color": colour, "marker": "o", "markersize": 3.5, "linewidth": 1}
            axis.plot(means[order], range(n_classes), label=legend_name(run), **line)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("mean critic_score of a class (half of the images)")
    axes[0].set_yticks(range(n_classes), [short_name(result.classes[i]) for i in order], fontsize=8)
    axes[1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), title="run", title_fontsize=8)
    sns.despine(figure)
    return figure


def level_lines(result: StabilityResult) -> Figure:
    """Return the reproducible fraction at each alignment level, with intervals, beside what stands beside it."""
    figure = canvas(9, 3.4)
    axis, names = figure.subplots(), [level.alignment for level in result.levels]
    for number, (label, levels) in enumerate(result.series().items()):
        x = np.arange(len(levels)) + 0.16 * (number - 1)
        values = np.array([(r.reproducible, r.ci_low, r.ci_high) for r in levels])
        errors = np.abs(values[:, 1:].T - values[:, 0])
        axis.errorbar(
            x, values[:, 0], yerr=errors, fmt="o", color=COLOURS[number], capsize=3, markersize=5, label=label
        )
    axis.set_xticks(range(len(names)), names)
    axis.set_ylim(-0.03, 1.03)
    axis.set_ylabel("reproducible fraction")
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    sns.despine(figure)
    return figure


def variance_bars(result: StabilityResult) -> Figure:
    """Return where the variance of scores comes from, as shares."""
    bars = {f"trained, {r.alignment}": r for r in result.levels}
    bars |= {
        f"{name}, affine": next(r for r in levels if r.alignment == "affine") for name, levels in result.others.items()
    }
    figure = canvas(9, 0.42 * len(bars) + 1.1)
    axis = figure.subplots()
    left = np.zeros(len(bars))
    values = {part: np.array([getattr(r.components, part) for r in bars.values()]) for part in PARTS}
    total = np.maximum(sum(values.values()), 1e-300)
    for part, (label, colour) in PARTS.items():
        width = values[part] / total
        axis.barh(list(bars), width, left=left, color=colour, label=label)
        left = left + width
    axis.invert_yaxis()
    axis.set_xlim(0, 1)
    axis.set_xlabel("share of the variance")
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    sns.despine(figure)
    return figure


def embeddings(result: StabilityResult) -> Figure | None:
    """Return how alike embeddings and clusters of two runs are, trained beside random, with intervals and chance."""
    names = [s.measure for s in next(iter(result.similarities.values()))]
    if not names:
        return None
    figure = canvas(9, 0.45 * len(names) + 1.1)
    axis = figure.subplots()
    for number, (label, found) in enumerate(result.similarities.items()):
        y = np.arange(len(found)) + 0.18 * number
        values = np.array([(s.value, s.ci_low, s.ci_high) for s in found])
        errors = np.abs(values[:, 1:].T - values[:, 0])
        axis.errorbar(
            values[:, 0], y, xerr=errors, fmt="o", color=COLOURS[number], capsize=3, markersize=5, label=label
        )
    chance = [s.chance for s in next(iter(result.similarities.values()))]
    axis.plot(chance, np.arange(len(names)) + 0.09, "|", color="black", markersize=12, label="chance")
    axis.set_yticks(np.arange(len(names)) + 0.09, names)
    axis.invert_yaxis()
    axis.set_xlim(min(-0.03, axis.get_xlim()[0]), 1.03)
    axis.set_xlabel("mean over all pairs of runs (1 = the same)")
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    sns.despine(figure)
    return figure


SECTIONS: tuple[Section[StabilityResult], ...] = (
    Section(
        "classes",
        "What each run says of each class",
        "One line a run. Parallel lines differ in gauge only; lines that cross disagree about classes.",
        class_lines,
    ),
    Section(
        "levels",
        "How much does an alignment mend?",
        "class / (class + class x run), with 95 % intervals over new runs and new images, on images that the"
        " alignment was not fitted on. A trained critic that does no better than a randomly initialised one shows"
        " what the images make easy.",
        level_lines,
    ),
    Section(
        "shares",
        "Where the variance comes from",
        "Gauge can be aligned away, conflict cannot. Shares of the variance of single scores.",
        variance_bars,
    ),
    Section(
        "embeddings",
        "Do runs see the same?",
        "Embeddings of two runs on the same images, channels standardised: variance shared after a rotation fitted on"
        " the other half, debiased linear CKA, the share of ten nearest neighbours that both name; and the adjusted"
        " Rand index of the clusters that each run's scores or embedding fall into without labels. 95 % intervals over"
        " new runs. Pixels are no control here: they are the same in every run.",
        embeddings,
    ),
)


def _with_ends(name: str) -> Callable[[Mapping[str, Any]], str]:
    """Return what writes a measure with its interval."""

    def text(row: Mapping[str, Any]) -> str:
        ends = [shown(row[f"{name}_{end}"], "two") for end in ("low", "high")]
        return f"{shown(row[name], 'three')} ({' to '.join(ends)})"

    return text


def _tables(result: StabilityResult) -> list[Table]:
    """Return every number of the page."""
    panel = result.panel_record()
    note = (
        f"{panel['n_fitted']} images to fit on, {panel['n_reported']} to report on: panel {panel['fingerprint']}, seed"
        f" {panel['seed']}. Flips: how often two runs put two classes in different order. ICC(2,1): agreement of single"
        " scores; ICC(3,1): the same without the shift between runs. In brackets: 95 % intervals. Within: mean rank"
        " correlation of two runs among the images of a class."
    )
    levels = [
        Col(title="of", of="of"),
        Col(title="alignment", of="alignment"),
        Col(title="reproducible", of="reproducible", form="three"),
        Col(title="95 % interval", of=("ci_low", "ci_high"), form="three"),
        Col(title="Kendall's W", of=_with_ends("kendall_w")),
        Col(title="flips", of=_with_ends("flip_rate")),
        Col(title="ICC(2,1)", of=_with_ends("icc_2_1")),
        Col(title="ICC(3,1)", of=_with_ends("icc_3_1")),
        Col(title="within", of="spearman_within", form="two"),
    ]
    alike = [
        Col(title="of", of="of"),
        Col(title="over all pairs of runs", of="measure"),
        Col(title="mean", of="value", form="three"),
        Col(title="95 % interval", of=("ci_low", "ci_high"), form="three"),
        Col(title="chance", of="chance", form="three"),
    ]
    compared = [
        Col(title="reproducible fraction", of="of"),
        Col(title="here", of="here", form="three"),
        Col(title="of the other training", of="there", form="three"),
        Col(title="difference", of="difference", form="signed"),
        Col(title="95 % interval", of=("ci_low", "ci_high"), form="signed"),
    ]
    agreement = [
        Col(title="run", of="run"),
        Col(title="rank correlation with the mean of the others, found without labels", of="value", form="three"),
    ]
    ranked = sorted(result.agreement.items(), key=lambda item: -item[1])
    found = [
        Table(name="numbers", heading="Every number", note=note, columns=levels, rows=result.level_rows()),
        Table(
            name="alike", heading="Embeddings and clusters of two runs", columns=alike, rows=result.similarity_rows()
        ),
        Table(
            name="compared",
            heading="Against the other training",
            columns=compared,
            rows=[vars(c) for c in result.comparisons],
        ),
        Table(
            name="agreement",
            heading="Which run is typical",
            columns=agreement,
            rows=[{"run": run, "value": value} for run, value in ranked],
        ),
    ]
    return [table for table in found if table.rows]


def terminal_tables(result: StabilityResult, snapshots: Mapping[str, str]) -> list[Table]:
    """Return what the terminal shows: alignment levels, similarities, and how each run agrees with the others."""
    levels = [
        Col(title="alignment", of="alignment"),
        Col(title="reproducible", of="reproducible", form="three"),
        Col(title="95 % interval", of=("ci_low", "ci_high"), form="three"),
        Col(title="Kendall's W", of="kendall_w", form="three"),
        Col(title="flips", of="flip_rate", form="percent"),
    ]
    own = [row for row in result.level_rows() if row["of"] == "trained critics"]
    runs = [
        {"run": run, "value": value, "snapshot": snapshots[run]}
        for run, value in sorted(result.agreement.items(), key=lambda item: -item[1])
    ]
    agreement = [
        Col(title="run", of="run"),
        Col(title="agrees with the others", of="value", form="two"),
        Col(title="snapshot", of="snapshot"),
    ]
    return [
        Table(name="levels", columns=levels, rows=own),
        *(table for table in _tables(result) if table.name == "alike"),
        Table(name="agreement", columns=agreement, rows=runs),
    ]


PAGE = Page[StabilityResult](
    schema="gan_probe.stability/2",
    title=lambda result: "Would it come out the same if it were trained again?",
    sections=lambda result: SECTIONS,
    tables=_tables,
)
