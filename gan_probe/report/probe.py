"""The page of a probe: label-efficiency curves of the critic and its controls, and every number as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from gan_probe.report.page import Page, Section, canvas
from gan_probe.report.tables import Col, Table, control_of
from gan_probe.stats.beside import title_of
from gan_probe.studies.probe.result import CRITIC, EVERY, PROTOCOL, Outcome, ProbeResult, middle_outcome

CRITIC_COLOUR = "#1f5aa6"


def colours(result: ProbeResult) -> dict[str, Any]:
    """Return a colour for each representation: blue the critic, greys the random ones, a hue each the others."""
    others = [*result.baselines, *result.references]
    hues = sns.color_palette("Set2", max(3, len(others)))
    greys = dict.fromkeys(result.random_init, "#8a8a8a")
    layers = dict(zip(result.layers, sns.color_palette("Blues", len(result.layers) + 2)[2:], strict=True))
    return {CRITIC: CRITIC_COLOUR, **greys, **dict(zip(others, hues, strict=False)), **layers}


def error_curves(result: ProbeResult, classifier: str, group: str = EVERY) -> Figure:
    """Return the error against labels a class, with intervals; the randomly initialised critics as one range."""
    figure = canvas(9, 5)
    axis = figure.subplots()
    shown = [CRITIC, *result.references, *result.baselines]
    paint = colours(result)
    for name in shown:
        _curve(axis, result.of(name, classifier), group, paint[name], is_lead=name == CRITIC)
    inits = [result.of(c, classifier) for c in result.random_init]
    if inits:
        x = [o.per_class for o in inits[0]]
        values = np.array([[o.accuracy(group) for o in init] for init in inits])
        error, floor = 1 - values, _floor(inits[0], group)
        axis.plot(
            x, np.maximum(np.median(error, 0), floor), color="#8a8a8a", linestyle="--",
            label=f"randomly initialised (median of {len(inits)})",
        )  # fmt: skip
        axis.fill_between(
            x,
            np.maximum(error.min(0), floor),
            np.maximum(error.max(0), floor),
            color="#8a8a8a",
            alpha=0.25,
            linewidth=0,
        )
    _label_axis(axis, [o.per_class for o in result.of(CRITIC, classifier)])
    axis.axhline(1 - 1 / result.sizes["classes"], color="black", linewidth=0.8, linestyle=":", label="chance")
    _error_axis(axis, group)
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    sns.despine(figure)
    return figure


def _curve(axis: Axes, outcomes: Sequence[Outcome], group: str, colour: Any, *, is_lead: bool = False) -> None:
    x = [o.per_class for o in outcomes]
    low, high = np.array([o.interval(group) for o in outcomes]).T
    name = title_of(outcomes[0].representation)
    floor = _floor(outcomes, group)
    axis.plot(
        x, [max(floor, 1 - o.accuracy(group)) for o in outcomes], color=colour, label=name, marker="o", markersize=4,
        linewidth=2.2 if is_lead else 1.2, zorder=3 if is_lead else 2,
    )  # fmt: skip
    axis.fill_between(x, np.maximum(floor, 1 - high), np.maximum(floor, 1 - low), color=colour, alpha=0.2, linewidth=0)


def _floor(outcomes: Sequence[Outcome], group: str) -> float:
    """Return half an image: where an error of zero is drawn on a logarithmic axis."""
    return 0.5 / len(outcomes[0].by_image[group])


def _error_axis(axis: Axes, group: str = EVERY) -> None:
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    where = "" if group == EVERY else f" of {group} classes"
    axis.set_ylabel(f"error on test images{where} (logarithmic)")


def _label_axis(axis: Axes, counts: Sequence[int]) -> None:
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator(counts))
    axis.xaxis.set_minor_locator(NullLocator())
    labels = [str(n) for n in counts]
    if len(counts) > 1 and counts[-1] / counts[-2] < 1.2:
        labels[-2] = ""  # the last two would overlap
    axis.set_xticklabels(labels, fontsize=8)
    axis.set_xlabel("labels a class (logarithmic)")


def lead(result: ProbeResult, group: str = EVERY) -> Figure | None:
    """Return how far the critic is ahead of the best control, in points of accuracy, with intervals."""
    figure = canvas(9, 4.2)
    axes = figure.subplots(1, len(result.classifiers), sharey=True, squeeze=False)[0]
    for axis, classifier in zip(axes, result.classifiers, strict=True):
        compared = result.against(result.controls, classifier, group)
        if not compared:
            return None
        x = [critic.per_class for critic, _, _ in compared]
        value, low, high = 100 * np.array([(e.value, e.ci_low, e.ci_high) for _, _, e in compared]).T
        axis.axhline(0, color="black", linewidth=0.8)
        axis.errorbar(x, value, yerr=(value - low, high - value), fmt="o", color=CRITIC_COLOUR, markersize=5, capsize=3)
        for n, (_, rival, _) in zip(x, compared, strict=True):
            axis.text(
                n, 1.02, title_of(rival.representation), transform=axis.get_xaxis_transform(),
                fontsize=6.5, rotation=60, ha="left", va="bottom", color="#555555", rotation_mode="anchor",
            )  # fmt: skip
        axis.set_title(classifier, fontsize=10, pad=64)
        _label_axis(axis, x)
    axes[0].set_ylabel("critic ahead by (points)")
    sns.despine(figure)
    return figure


def layers(result: ProbeResult) -> Figure | None:
    """Return the curves of the critic's single layers beside all of them together."""
    if not result.layers:
        return None
    figure = canvas(9, 4.2)
    axis = figure.subplots()
    paint, classifier = colours(result), result.classifiers[0]
    for name in (CRITIC, *result.layers):
        outcomes = result.of(name, classifier)
        _curve(axis, outcomes, EVERY, paint[name] if name != CRITIC else "black", is_lead=name == CRITIC)
    _label_axis(axis, [o.per_class for o in result.of(CRITIC, classifier)])
    _error_axis(axis)
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    sns.despine(figure)
    return figure


def _sections(result: ProbeResult) -> tuple[Section[ProbeResult], ...]:
    found = [
        Section[ProbeResult](
            f"curves_{classifier}" + ("" if group == EVERY else f"_{group}"),
            f"{classifier.capitalize()} classifier" + ("" if group == EVERY else f", images of {group} classes"),
            "Error against the number of labels, both logarithmic. Bands: 95 % intervals; of the randomly initialised"
            " critics the range over seeds.",
            partial(error_curves, classifier=classifier, group=group),
        )
        for classifier in result.classifiers
        for group in result.groups
    ]
    first = Section[ProbeResult](
        "lead",
        "Is it useful?",
        "The critic's accuracy minus that of the best control at each number of labels, on the same draws and test"
        " images. Above the line the critic is ahead; an interval that crosses it decides nothing. The names above are"
        " those of the best controls.",
        lead,
        is_lead=True,
    )
    last = Section[ProbeResult](
        "layers",
        "Layer by layer",
        f"The critic's layers alone and together, {result.classifiers[0]} classifier.",
        layers,
    )
    return (first, *found, last)


def lead_table(result: ProbeResult) -> Table:
    """Return the critic against its best control: of the page, and of the terminal."""
    columns = [
        Col(title="classifier", of="classifier"),
        Col(title="classes", of="classes"),
        Col(title="labels a class", of="labels_per_class", form="plain"),
        Col(title="critic", of="accuracy", form="percent"),
        Col(title="best control", of=control_of("best_control")),
        Col(title="its accuracy", of="control_accuracy", form="percent"),
        Col(title="difference, points", of="margin", form="points"),
        Col(title="95 % interval", of=("ci_low", "ci_high"), form="points"),
        Col(title="training added, points", of="added", form="points"),
        Col(title="95 % interval", of=("added_low", "added_high"), form="points"),
    ]
    return Table(
        name="lead-table", heading="Against the controls", note=PROTOCOL, columns=columns, rows=result.lead(),
        is_marked=lambda row: row["ci_high"] < 0,
    )  # fmt: skip


def question_table(result: ProbeResult) -> Table:
    """Return what the training added, whether it is useful, and what it knows beyond: features and single layers."""

    def ends(row: Mapping[str, Any], name: str) -> dict[str, Any]:
        found = row[name] or {}
        return {name: found.get("value"), f"{name}_low": found.get("ci_low"), f"{name}_high": found.get("ci_high")}

    asked = {
        "training_added": "training added, points",
        "over_best_control": "over the best control, points",
        "beyond_best_control": "both together over the control, points",
    }
    rows = [{**row, **{k: v for name in asked for k, v in ends(row, name).items()}} for row in result.questions()]
    columns = [Col(title=name, of=name) for name in ("representation", "classifier", "classes")]
    for name, title in asked.items():
        columns += [
            Col(title=title, of=name, form="points"),
            Col(title="95 % interval", of=(f"{name}_low", f"{name}_high"), form="points"),
        ]
    columns.insert(5, Col(title="best control", of=control_of("best_control")))
    n = middle_outcome(result.of(CRITIC, result.classifiers[0])).per_class
    return Table(name="questions", heading=f"Three questions, at {n} labels a class", columns=columns, rows=rows)


def _tables(result: ProbeResult) -> list[Table]:
    """Return the critic against its controls, what that answers, and every number."""
    every = [
        Col(title="representation", of="representation"),
        Col(title="classifier", of="classifier"),
        Col(title="classes", of="classes"),
        Col(title="labels a class", of="labels_per_class", form="plain"),
        Col(title="draws", of="n_draws", form="plain"),
        Col(title="setting", of="setting"),
        Col(title="accuracy", of="accuracy", form="percent"),
        Col(title="95 % interval", of=("ci_low", "ci_high"), form="hundredths"),
        Col(title="sd over draws", of="sd_over_draws", form="hundredths"),
    ]
    rows = result.table().to_dict("records")
    return [
        lead_table(result),
        question_table(result),
        Table(name="outcomes", heading="Every number", folded=f"{len(rows)} rows", columns=every, rows=rows),
    ]  # fmt: skip


PAGE = Page[ProbeResult](
    schema="gan_probe.probe/2",
    title=lambda result: "How many labels the critic's features need",
    sections=_sections,
    tables=_tables,
    provenance=lambda result: {**result.sizes, **result.provenance},
)
