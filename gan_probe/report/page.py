"""A report folder: ``report.html`` (one file, works offline), ``report.json``, ``figures/`` and the scores."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

from gan_probe.analysis.separation import RULE, n_separated
from gan_probe.analysis.summary import Analysis
from gan_probe.data.tables import ScoreTable, write_scores
from gan_probe.report import figures
from synthetic.files import atomic_folder

SCHEMA = "gan_probe.report/1"
MARKER = "report.json"
DPI = 110
PLAIN: Any = {"svg.hashsalt": "gan-probe", "text.parse_math": False}  # the same bytes each time; "$" is a dollar
MAX_PAIRS = 60  # rows of the pair table on the page; report.json has them all


@dataclass(frozen=True)
class TrainingRecord:
    """What a report shows of a training.

    Attributes
    ----------
    settings : mapping
        Name to value.
    facts : mapping
        The run's id, data and device.
    metrics : DataFrame
        One row a step: ``step``, ``w_distance``, ``penalty``, ``elapsed_s``.
    sheets : mapping of int to Path
        Step to a picture of generated images.
    """

    settings: Mapping[str, Any]
    facts: Mapping[str, Any]
    metrics: pd.DataFrame
    sheets: Mapping[int, Path]


@dataclass(frozen=True)
class Material:
    """Everything that goes into a report."""

    scores: ScoreTable
    analysis: Analysis
    findings: Sequence[str]
    training: TrainingRecord | None
    examples: Mapping[str, Sequence[npt.NDArray[np.uint8]]]
    title: str
    command: str
    projection: str = "PCA"


@dataclass(frozen=True)
class Section:
    """One figure of the page: its name, heading, what to see in it, and how to draw it (None where it cannot be)."""

    name: str
    heading: str
    caption: str
    draw: Callable[[Material], Figure | None]
    is_vector: bool = True  # pictures made of pixels gain nothing from SVG


def _examples(m: Material) -> Figure | None:
    seen = dict(zip(m.analysis.classes["label"], m.analysis.classes.get("seen", []), strict=False))
    return figures.class_examples(m.examples, seen) if m.examples else None


def _curves(m: Material) -> Figure | None:
    return figures.training_curves(m.training.metrics) if m.training and len(m.training.metrics) else None


def _samples(m: Material) -> Figure | None:
    return figures.samples_over_time(m.training.sheets) if m.training and m.training.sheets else None


FIGURES: tuple[Section, ...] = (
    Section(
        "examples",
        "The classes",
        "The first images of each class. The critic was trained on the seen ones only, without labels.",
        _examples,
        is_vector=False,
    ),
    Section(
        "scores",
        "Scores by class",
        "A histogram, and below it one mark an image. Colour: shape where it is known; shade: noise. A star marks"
        " classes of the training data.",
        lambda m: figures.score_histogram(m.analysis),
    ),
    Section(
        "controls",
        "How much of this is the training?",
        "Pairs of classes that one number separates: the critic's score beside the scores of untrained critics and"
        " plain scalars of the pixels. Only what it separates beyond the grey bars can be credited to the training.",
        lambda m: figures.separated_pairs(m.analysis) if m.analysis.controls else None,
    ),
    Section(
        "auroc",
        "Every pair",
        "AUROC of each pair of classes, in the direction that separates better.",
        lambda m: figures.auroc_matrix(m.analysis),
    ),
    Section(
        "closest",
        "The closest pairs",
        "Pairs that the score does not separate, or else the three that are closest to it, each on its own axis.",
        lambda m: figures.closest_pairs(m.analysis),
    ),
    Section(
        "projection",
        "Embeddings",
        "Two dimensions of each embedding, found by the method on the axes. The critic's embedding is the mean"
        " activation of each channel of its layers.",
        lambda m: figures.projections(m.analysis, m.projection) if m.analysis.projections else None,
    ),
    Section(
        "clusters",
        "Clusters found without labels",
        "Agreement of clusters with the classes. The number of clusters is chosen without labels (silhouette, BIC,"
        " density) or set to the number of classes. Lines on the bars of untrained embeddings span the seeds.",
        lambda m: figures.cluster_agreement(m.analysis) if m.analysis.clusterings else None,
    ),
    Section(
        "training",
        "The training",
        "The critic's estimate of the Wasserstein-1 distance between real and generated images, and the mean squared"
        " deviation of its slope from 1 (logarithmic scales, linear near zero).",
        _curves,
    ),
    Section(
        "samples",
        "Generated images over time",
        "The same latent points at each step.",
        _samples,
        is_vector=False,
    ),
)


def write_report(material: Material, out: str | Path, *, overwrite: bool = False) -> None:
    """Write a report folder that exists whole or not at all.

    Raises
    ------
    FileExistsError
        When ``out`` is taken.
    """
    with atomic_folder(out, marker=MARKER, overwrite=overwrite) as folder, rc_context(PLAIN):
        (folder / "figures").mkdir()
        sections = []
        for section in FIGURES:
            figure = section.draw(material)
            if figure is not None:
                if section.is_vector:
                    figure.savefig(folder / "figures" / f"{section.name}.svg", metadata={"Date": None})
                png = _png(figure)
                (folder / "figures" / f"{section.name}.png").write_bytes(png)
                sections.append({**vars(section), "png": base64.b64encode(png).decode()})
        record = report_record(material)
        (folder / MARKER).write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        (folder / "report.html").write_text(_render(material, sections), encoding="utf-8")
        scalars = ScoreTable(material.scores.scalars(), material.scores.provenance)
        write_scores(scalars, folder / "scores.parquet")
        scalars.table.to_csv(folder / "scores.csv", index=False)


def _png(figure: Figure) -> bytes:
    """Return a figure as PNG of 256 colours, a third of the size of full colour."""
    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(packed, format="PNG", optimize=True)
    return packed.getvalue()


def _number(value: Any) -> Any:
    """Return a plain value; numbers that are not finite become None, as JSON has no word for them."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(record: Mapping[Any, Any]) -> dict[str, Any]:
    return {k: _number(v) for k, v in record.items()}


def report_record(material: Material) -> dict[str, Any]:
    """Return every number on the page, as plain data of schema ``gan_probe.report/1``."""
    analysis = material.analysis
    pairs = [
        _plain(
            {
                **dataclasses.asdict(p.pair),
                "best_control": p.best_control,
                "control_auroc": p.control_auroc,
                "excess": p.excess,
            }
        )
        for p in analysis.pairs
    ]
    controls = {
        name: {"n_separated": n_separated(found), "pairs": [{"a": p.a, "b": p.b, "auroc": p.auroc} for p in found]}
        for name, found in analysis.controls.items()
    }
    clusters = {
        name: [_plain({k: v for k, v in vars(c).items() if k != "assignment"}) for c in found]
        for name, found in analysis.clusterings.items()
    }
    training = material.training
    return {
        "schema": SCHEMA,
        "title": material.title,
        "provenance": {
            "command": material.command,
            **{k: v for k, v in material.scores.provenance.items() if k != "warnings"},
        },
        "findings": list(material.findings),
        "classes": [_plain(row) for row in analysis.classes.to_dict("records")],
        "separation": {
            "rule": RULE,
            "n_pairs": len(pairs),
            "n_separated": n_separated(analysis.critic_pairs),
            "n_certain": sum(p.certain for p in analysis.critic_pairs),
            "pairs": pairs,
        },
        "controls": controls,
        "clusters": clusters,
        "training": None if training is None else {"settings": dict(training.settings), "facts": dict(training.facts)},
        "warnings": analysis.warnings,
    }


def _render(material: Material, sections: Sequence[Mapping[str, Any]]) -> str:
    analysis = material.analysis
    environment = Environment(loader=PackageLoader("gan_probe.report"), autoescape=True, undefined=StrictUndefined)
    place = {id(pair): i for i, pair in enumerate(analysis.closest())}
    ranked = sorted(analysis.pairs, key=lambda p: place[id(p.pair)])
    clusters = [(name, c) for name, found in analysis.clusterings.items() for c in found]
    controls = sorted(
        ((name, n_separated(found)) for name, found in analysis.controls.items()), key=lambda row: -row[1]
    )
    return environment.get_template("report.html.j2").render(
        title=material.title,
        command=material.command,
        findings=material.findings,
        sections=sections,
        classes=analysis.classes.to_dict("records"),
        pairs=ranked[:MAX_PAIRS],
        n_pairs=len(ranked),
        clusters=clusters,
        controls=controls,
        rule=RULE,
        training=material.training,
        provenance={k: v for k, v in material.scores.provenance.items() if k != "warnings"},
        warnings=analysis.warnings,
        clipped=any(c == "factor.base" for c in analysis.table),
    )
