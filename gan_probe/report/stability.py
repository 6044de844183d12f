"""The page of several retrainings: class by class, rung by rung, and where the variance comes from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from gan_probe.report.page import Section, page_folder, plain
from gan_probe.studies.stability.result import Rung, StabilityResult, findings

SCHEMA = "gan_probe.stability/1"
PARTS = {
    "class_": ("class (what runs share)", "#1f5aa6"),
    "run": ("run (gauge)", "#c9c9c9"),
    "conflict": ("class x run (conflict)", "#b04030"),
    "image": ("image (shared)", "#8fb4dc"),
    "rest": ("single scores", "#e6e6e6"),
}
COLOURS = ("#1f5aa6", "#9a9a9a", "#c98a00")


def _series(result: StabilityResult) -> dict[str, Sequence[Rung]]:
    return {"trained critics": result.rungs, **result.others}


def class_lines(result: StabilityResult) -> Figure:
    """Return the mean score of each class in each run, as it is and after the affine alignment."""
    rungs = {rung.alignment: rung for rung in result.rungs}
    order = np.argsort(rungs["affine"].means.mean(0))
    n_classes = len(order)
    figure = Figure(figsize=(10, 0.32 * n_classes + 1.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    colours = sns.color_palette("husl", len(result.runs))
    titles = {"raw": "as they are", "affine": "after shift, scale and sign"}
    for axis, (name, title) in zip(axes, titles.items(), strict=True):
        for colour, run, means in zip(colours, result.runs, rungs[name].means, strict=True):
            axis.plot(means[order], range(n_classes), color=colour, marker="o", markersize=3.5, linewidth=1, label=run)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("mean critic_score of a class (half of the images)")
    axes[0].set_yticks(range(n_classes), [result.classes[i] for i in order], fontsize=8)
    axes[1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), title="run", title_fontsize=8)
    sns.despine(figure)
    return figure


def ladder(result: StabilityResult) -> Figure:
    """Return the reproducible fraction on each rung, with intervals, beside what stands beside it."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axis, names = figure.subplots(), [rung.alignment for rung in result.rungs]
    for number, (label, rungs) in enumerate(_series(result).items()):
        x = np.arange(len(rungs)) + 0.16 * (number - 1)
        values = np.array([(r.reproducible, r.ci_low, r.ci_high) for r in rungs])
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


def shares(result: StabilityResult) -> Figure:
    """Return where the variance of scores comes from, as shares."""
    bars = {f"trained, {r.alignment}": r for r in result.rungs}
    bars |= {
        f"{name}, affine": next(r for r in rungs if r.alignment == "affine") for name, rungs in result.others.items()
    }
    figure = Figure(figsize=(9, 0.42 * len(bars) + 1.1), layout="constrained")
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


def embeddings(result: StabilityResult) -> Figure:
    """Return how alike embeddings and clusters of two runs are, trained beside untrained, with intervals and chance."""
    names = [s.measure for s in next(iter(result.similarities.values()))]
    figure = Figure(figsize=(9, 0.45 * len(names) + 1.1), layout="constrained")
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
        "ladder",
        "How much does an alignment mend?",
        "class / (class + class x run), with 95 % intervals over new runs and new images, on images that the alignment"
        " was not fitted on. A trained critic that does no better than an untrained one shows what the images make"
        " easy.",
        ladder,
    ),
    Section(
        "shares",
        "Where the variance comes from",
        "Gauge can be aligned away, conflict cannot. Shares of the variance of single scores.",
        shares,
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


def _rows(result: StabilityResult) -> list[dict[str, Any]]:
    """Return every number of every rung, flat but for the components."""
    rows = []
    for name, rungs in _series(result).items():
        for rung in rungs:
            row: dict[str, Any] = {"of": name, "alignment": rung.alignment}
            row |= {"reproducible": rung.reproducible, "ci_low": rung.ci_low, "ci_high": rung.ci_high}
            for measure in ("kendall_w", "flip_rate", "icc_2_1", "icc_3_1"):
                low, high = rung.intervals[measure]
                row |= {measure: getattr(rung, measure), f"{measure}_low": low, f"{measure}_high": high}
            row["spearman_within"] = rung.spearman_within
            rows.append({**plain(row), "components": plain(dataclasses.asdict(rung.components))})
    return rows


def write_stability(
    result: StabilityResult, out: str | Path, *, title: str = "", command: str = "", overwrite: bool = False
) -> list[str]:
    """Write ``report.html``, ``report.json``, ``panel.csv`` (each image's half) and ``figures/``; return the findings.

    Raises
    ------
    FileExistsError
        When ``out`` is taken.
    """
    lines, rows = findings(result), _rows(result)
    alike = [
        {"of": name, **plain(dataclasses.asdict(pair))} for name, found in result.similarities.items() for pair in found
    ]
    compared = [plain(dataclasses.asdict(found)) for found in result.comparisons]
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "provenance": {"command": command, **result.provenance},
        "findings": lines,
        "classes": list(result.classes),
        "panel": result.panel_record(),
        "rungs": rows,
        "similarities": alike,
        "agreement": plain(result.agreement),
        "comparisons": compared,
        "warnings": result.warnings,
    }
    context = {
        "title": title or "Would it come out the same if it were trained again?",
        "command": command,
        "findings": lines,
        "warnings": result.warnings,
        "provenance": result.provenance,
        "rows": rows,
        "alike": alike,
        "agreement": sorted(result.agreement.items(), key=lambda item: -item[1]),
        "compared": compared,
        "panel": result.panel_record(),
    }
    with page_folder(
        out, SECTIONS, result, template="stability.html.j2", record=record, context=context, overwrite=overwrite
    ) as folder:
        result.panel.to_csv(folder / "panel.csv", index=False)
    return lines
