"""The page of an ensemble: how its members' scores correlate, beside untrained ones, and what they disagree about."""

from __future__ import annotations

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from gan_probe.report import figures
from gan_probe.report.page import Page, Section, canvas
from gan_probe.report.style import CONTROL_COLOUR, CRITIC_COLOUR, MAX_LEGEND, short_name
from gan_probe.report.tables import Col, Table
from gan_probe.stats.beside import RANDOM_CRITICS
from gan_probe.studies.ensemble.result import EnsembleResult

N_PICTURES = 12
MAX_WRITTEN = 10  # members up to which numbers stand in the cells


def _correlations(result: EnsembleResult) -> Figure | None:
    """Return the matrix of correlations; of two members it is one number, which the page says."""
    names = [short_name(name, 16) for name in result.members]
    if len(names) < 3:
        return None
    side, shown = 1.6 + 0.45 * min(len(names), MAX_LEGEND), names if len(names) <= MAX_LEGEND else False
    figure = canvas(side + 1.2, side)
    axis = figure.subplots()
    sns.heatmap(
        result.correlations, ax=axis, vmin=-1, vmax=1, cmap="RdBu_r", square=True, fmt=".2f",
        annot=len(names) <= MAX_WRITTEN, annot_kws={"fontsize": 8}, cbar_kws={"label": "correlation on the panel"},
        xticklabels=shown, yticklabels=shown,
    )  # fmt: skip
    axis.tick_params(labelsize=8, length=0)
    axis.tick_params(axis="x", rotation=90 if len(names) > 5 else 0)
    axis.tick_params(axis="y", rotation=0)
    return figure


def _beside(result: EnsembleResult) -> Figure:
    """Return a mark for each pair, of members and of randomly initialised critics, and the means."""
    upper = np.triu_indices(len(result.members), 1)
    rows = {"members": result.correlations[upper]}
    rows |= {f"untrained {number + 1}": np.corrcoef(scores)[upper] for number, scores in enumerate(result.random_init)}
    figure = canvas(7.5, 0.9 + 0.38 * len(rows))
    axis = figure.subplots()
    for place, (name, values) in enumerate(rows.items()):
        colour = CRITIC_COLOUR if name == "members" else CONTROL_COLOUR
        axis.plot(values, np.full(len(values), place), "|", color=colour, markersize=11, alpha=0.7)
        axis.plot(values.mean(), place, "o", color=colour, markeredgecolor="black", markersize=7)
    axis.set_yticks(range(len(rows)), list(rows))
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlim(min(-0.05, *(float(values.min()) for values in rows.values())) - 0.03, 1.03)
    axis.axvline(0, color="black", linewidth=0.6, linestyle=":")
    axis.set_xlabel("correlation of two on the panel (a mark a pair; dots: means)")
    sns.despine(figure)
    return figure


def _pictures(result: EnsembleResult) -> Figure:
    """Return the panel's images with the lowest and highest mean scores, and those agreed on least and most."""
    mean, spread = result.scores.mean(0), result.scores.std(0, ddof=1)
    by_score, by_spread = np.argsort(mean, kind="stable"), np.argsort(spread, kind="stable")
    rows = {"lowest": by_score, "highest": by_score[::-1], "agreed on": by_spread, "disputed": by_spread[::-1]}
    return figures.strips({name: list(result.panel[of[:N_PICTURES]]) for name, of in rows.items()}, N_PICTURES)


def _table(result: EnsembleResult) -> list[Table]:
    columns = [
        Col(title="member", of="member"), Col(title="shift", of="shift", form="three"),
        Col(title="scale", of="scale", form="three"),
        Col(title="mean correlation with the others", of="agrees", form="two"),
    ]  # fmt: skip
    note = (
        "A member's score of an image is (score - shift) / scale; a negative scale turned it round. Correlations are"
        " of scores of the panel."
    )
    return [Table(name="members", heading="Members", note=note, columns=columns, rows=result.rows())]


SECTIONS: tuple[Section[EnsembleResult], ...] = (
    Section(
        "beside",
        "Do members agree?",
        f"Beside ensembles of as many {RANDOM_CRITICS}, aligned on the same images.",
        _beside,
    ),
    Section("correlations", "Who agrees with whom", "1: two members say the same of the panel.", _correlations),
    Section(
        "pictures",
        "What they agree on, and what not",
        "Images of the panel with the lowest and the highest mean scores, and those on which the members' aligned"
        " scores spread least and most.",
        _pictures,
        is_vector=False,
    ),
)

PAGE = Page[EnsembleResult](
    schema="gan_probe.ensemble_agreement/1",
    title=lambda result: f"Do {len(result.members)} trainings agree?",
    sections=lambda result: SECTIONS,
    tables=_table,
)
