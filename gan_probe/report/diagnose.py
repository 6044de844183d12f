"""The page of one training or several: samples, health, curves, and what they say in plain words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import matplotlib.image as mpimg
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from gan_probe.report.page import Page, Section, canvas
from gan_probe.studies.diagnose.result import DiagnoseResult, TrainingRecord

N_SHEETS = 4
SHOWN = ("network", "objective", "penalty", "steps", "batch_size", "n_critic", "minibatch_kernels", "spectral_norm")


Runs = Mapping[str, TrainingRecord]


def samples(runs: Runs) -> Figure | None:
    """Return one row a run: its generator's images at some of the steps, the last one last."""
    pictures = {name: found for name, run in runs.items() if (found := _chosen(run.sheets))}
    if not pictures:
        return None
    aspect = max(p.shape[0] / p.shape[1] for row in pictures.values() for p in row.values())
    figure = canvas(3.3 * N_SHEETS, len(pictures) * (3.3 * aspect + 0.45))
    axes = figure.subplots(len(pictures), N_SHEETS, squeeze=False)
    for row, (name, found) in zip(axes, pictures.items(), strict=True):
        for axis in row:
            axis.set_axis_off()
        for axis, (step, picture) in zip(row, found.items(), strict=False):
            axis.imshow(picture, cmap="gray", interpolation="nearest")
            axis.set_title(f"{name}: step {step}", fontsize=9)
    return figure


def _chosen(sheets: Mapping[int, Path]) -> dict[int, Any]:
    """Return the last picture and some before it, evenly spread over the snapshots after the first."""
    if not sheets:
        return {}
    steps = sorted(sheets)[1:] or sorted(sheets)
    if not steps:
        return {}
    rows = np.unique(np.linspace(0, len(steps) - 1, N_SHEETS + 1)[1:].round().astype(int))
    found = {}
    for step in (steps[i] for i in rows):
        with suppress(OSError, SyntaxError, ValueError):  # a sheet that is not a whole picture is left out
            found[step] = mpimg.imread(sheets[step])
    return found


def _curve(axis: Axes, run: TrainingRecord, column: str, *, name: str, colour: Any) -> None:
    """Draw a metric: each step pale, the running median strong."""
    window = max(1, len(run.metrics) // 20)
    values = run.metrics[column]
    axis.plot(run.metrics["step"], values, color=colour, linewidth=0.5, alpha=0.25)
    axis.plot(run.metrics["step"], values.rolling(window, min_periods=1).median(), color=colour, label=name)


def _drawn(runs: Runs, panels: Sequence[tuple[str, str, Callable[[Axes], None]]], *, of_health: bool) -> Figure | None:
    """Return one panel for each (column, label, finish) that some run has, a line for each run that has it."""
    tables = {name: pd.DataFrame(list(run.health)) if of_health else run.metrics for name, run in runs.items()}
    has = {(name, column): column in table and table[column].notna().any()
           for name, table in tables.items() for column, _, _ in panels}  # fmt: skip
    panels = [panel for panel in panels if any(has[name, panel[0]] for name in runs)]
    if not panels:
        return None
    figure = canvas(4.4 * len(panels), 3.2)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    colours = sns.color_palette("colorblind", len(runs))
    for axis, (column, label, finish) in zip(axes, panels, strict=True):
        for colour, (name, run) in zip(colours, runs.items(), strict=True):
            if not has[name, column]:
                continue
            if of_health:
                axis.plot(
                    tables[name]["step"], tables[name][column], color=colour, marker="o", markersize=4, label=name
                )
            else:
                _curve(axis, run, column, name=name, colour=colour)
        axis.set_xlabel("step")
        axis.set_ylabel(label)
        finish(axis)
    if len(runs) > 1:
        axes[-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    sns.despine(figure)
    return figure


def _log_steps(axis: Axes) -> None:
    """Spread early steps out: logarithmic, and linear below 1, as snapshots are."""
    axis.set_xscale("symlog", linthresh=1)
    axis.xaxis.set_major_locator(FixedLocator([0, *(10**i for i in range(8))]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(_PLAIN_NUMBERS)
    axis.set_xlim(-0.1, 1.5 * max(1.0, axis.dataLim.x1))


_PLAIN_NUMBERS = FuncFormatter(lambda value, _: f"{value:g}")


def _reference(value: float, text: str, *, low: float = 0.0, high: float | None = None) -> Callable[[Axes], None]:
    def finish(axis: Axes) -> None:
        axis.axhline(value, color="black", linewidth=0.8, linestyle=":")
        axis.text(0.99, value, text, transform=axis.get_yaxis_transform(), fontsize=7, ha="right", va="bottom")
        _log_steps(axis)
        axis.set_ylim(low, high)

    return finish


def health(runs: Runs) -> Figure | None:
    """Return how varied the fakes are, how near to the reals, and how many classes they show."""

    def whole(axis: Axes) -> None:
        _log_steps(axis)
        axis.yaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_ylim(0, None)

    panels = (
        ("diversity", "diversity of fakes", _reference(1.0, "as reals")),
        ("distance", "distance to the nearest real", _reference(1.0, "as between reals")),
        ("n_covered", "classes covered", whole),
    )
    return _drawn(runs, panels, of_health=True)


def balance(runs: Runs) -> Figure | None:
    """Return the critic's accuracy against equilibrium, and both networks' gradients."""

    def half(axis: Axes) -> None:
        axis.axhline(0.5, color="black", linewidth=0.8, linestyle=":")
        axis.text(0.99, 0.5, "equilibrium", transform=axis.get_yaxis_transform(), fontsize=7, ha="right", va="bottom")
        axis.set_ylim(0.3, 1.02)

    def log(axis: Axes) -> None:
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(_PLAIN_NUMBERS)

    panels = (
        ("critic_accuracy", "critic's accuracy", half),
        ("critic_gradient", "critic's gradient norm", log),
        ("generator_gradient", "generator's gradient norm", log),
    )
    return _drawn(runs, panels, of_health=False)


def losses(runs: Runs) -> Figure | None:
    """Return the gap between scores, the penalty, the generator's loss and that of auxiliary tasks."""

    def symlog(axis: Axes) -> None:
        axis.set_yscale("symlog", linthresh=1.0)
        axis.yaxis.set_major_formatter(_PLAIN_NUMBERS)

    panels = [
        ("w_distance", "mean score, reals - fakes", symlog),
        ("penalty", "penalty (unweighted)", symlog),
        ("generator_loss", "generator's loss", symlog),
        ("auxiliary_loss", "auxiliary tasks, weighted", symlog),
    ]
    if all((run.metrics["penalty"] == 0).all() for run in runs.values()):
        del panels[1]
    return _drawn(runs, panels, of_health=False)


SECTIONS: tuple[Section[DiagnoseResult], ...] = (
    Section(
        "samples",
        "Generated images over time",
        "The same latents at each step, through the averaged generator.",
        lambda result: samples(result.runs),
        is_vector=False,
    ),
    Section(
        "health",
        "Are the fakes varied, and are they near?",
        "Diversity: how far fakes lie from each other, in units of how far reals do; 0 is collapse. Distance: how far"
        " a fake is from the nearest real, in the same units. Classes covered: those that fakes show at least a quarter"
        " as often as reals do, as a nearest-neighbour classifier sees them. At 16x16 pixels; logarithmic steps.",
        lambda result: health(result.runs),
    ),
    Section(
        "balance",
        "Who is winning?",
        "Accuracy: share of the pairs of a real and a fake in which the critic scores the real higher."
        " Lines are running medians.",
        lambda result: balance(result.runs),
    ),
    Section(
        "losses",
        "Losses",
        "The gap between mean scores estimates a distance with the Wasserstein objective only; scales differ between"
        " objectives. Logarithmic, linear below 1.",
        lambda result: losses(result.runs),
    ),
)


def _origins(result: DiagnoseResult) -> dict[str, str]:
    return {
        name: ", ".join(f"{k} {run.settings[k]}" for k in SHOWN if k in run.settings)
        + f"; run {run.facts.get('run_id')}"
        for name, run in result.runs.items()
    }


PAGE = Page[DiagnoseResult](
    schema="gan_probe.trainings/1",
    title=lambda result: f"How {'these trainings' if len(result.runs) > 1 else 'this training'} went",
    sections=lambda result: SECTIONS,
    provenance=_origins,
)
