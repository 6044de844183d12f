"""A report folder: ``report.html`` (one file, works offline), ``report.json``, ``figures/`` and the scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from gan_probe.report import evidence, figures
from gan_probe.report.page import Section, page_folder, plain
from gan_probe.scoring.table import ScoreTable, write_scores
from gan_probe.stats.auroc import RULE, n_separated
from gan_probe.studies.diagnose.result import TrainingRecord
from gan_probe.studies.separation.result import Analysis

SCHEMA = "gan_probe.report/1"
MAX_PAIRS = 60  # rows of the pair table on the page; report.json has them all


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


def _examples(m: Material) -> Figure | None:
    seen = dict(zip(m.analysis.classes["label"], m.analysis.classes.get("seen", []), strict=False))
    return figures.class_examples(m.examples, seen) if m.examples else None


def _curves(m: Material) -> Figure | None:
    if not m.training or not len(m.training.metrics):
        return None
    return figures.training_curves(m.training.metrics, m.training.settings.get("objective", "wasserstein"))


def _samples(m: Material) -> Figure | None:
    return figures.samples_over_time(m.training.sheets) if m.training and m.training.sheets else None


FIGURES: tuple[Section[Material], ...] = (
    Section(
        "excess",
        "What did the training add?",
        "How many images are given their right class, from the score alone and from the embedding, beside the same for"
        " every control. The excess is over the control that does best, on the same images. Probes are linear"
        " discriminants in five folds, or on five labels a class, drawn twenty times.",
        lambda m: evidence.excess(m.analysis.excess) if m.analysis.excess else None,
    ),
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
        lambda m: figures.separated_pairs(m.analysis) if m.analysis.controls.controls() else None,
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
        "factors",
        "What does the score follow?",
        "How much of the variance each factor alone explains. Factors that go together in the data explain the same"
        " part twice; the table says what is left of each beside the others.",
        lambda m: evidence.factor_shares(m.analysis.shares) if m.analysis.shares else None,
    ),
    Section(
        "distances",
        "Classes on a line",
        "Each class's mean score, measured from a reference class and in its standard deviations: shift and scale,"
        " which a loss leaves free, cancel.",
        lambda m: evidence.distances(m.analysis),
    ),
    Section(
        "unseen",
        "Telling unseen from seen",
        "Images of each unseen class against new images of seen ones. A critic promises low scores for what it does not"
        " know; where the AUROC is below 0.5 it does the opposite.",
        lambda m: evidence.unseen(m.analysis.detections),
    ),
    Section(
        "projection",
        "Embeddings",
        "Two dimensions of each embedding, found by the method on the axes. The critic's embedding is the pooled"
        " activations of its layers; which ones and how, Provenance says.",
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
        "contingency",
        "Which classes share a cluster",
        "Images of each class (rows) in each cluster (columns), for the clustering that is chosen without labels: the"
        " one that changes least when a fifth of the images is left out.",
        lambda m: evidence.contingencies(m.analysis),
    ),
    Section(
        "training",
        "The training",
        "The gap between the critic's mean scores of real and generated images (with the Wasserstein objective an"
        " estimate of their distance), and the penalty on its slope (logarithmic scales, linear near zero)."
        " Which ones: see the settings.",
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
    context = _context(material)
    record = report_record(material)
    with page_folder(
        out, FIGURES, material, template="report.html.j2", record=record, context=context, overwrite=overwrite
    ) as folder:
        scalars = ScoreTable(material.scores.without_embeddings(), material.scores.provenance)
        write_scores(scalars, folder / "scores.parquet")
        scalars.table.to_csv(folder / "scores.csv", index=False)


def report_record(material: Material) -> dict[str, Any]:
    """Return every number on the page, as plain data of schema ``gan_probe.report/1``."""
    analysis = material.analysis
    pairs = [
        plain(
            {
                **dataclasses.asdict(p.pair),
                "best_control": p.best_control,
                "control_auroc": p.control_auroc,
                "excess": p.excess,
                "cohens_d": p.cohens_d,
                "overlap": p.overlap,
                "excess_low": p.ci_low,
                "excess_high": p.ci_high,
            }
        )
        for p in analysis.pairs
    ]
    controls = {
        name: {"n_separated": n_separated(found), "pairs": [{"a": p.a, "b": p.b, "auroc": p.auroc} for p in found]}
        for name, found in analysis.controls.controls().items()
    }
    clusters = {name.column: [plain(c.as_dict()) for c in found] for name, found in analysis.clusterings.items()}
    training = material.training
    return {
        "schema": SCHEMA,
        "title": material.title,
        "provenance": {
            "command": material.command,
            **{k: v for k, v in material.scores.provenance.items() if k != "warnings"},
        },
        "findings": list(material.findings),
        "n_runs": analysis.n_runs,
        "ari_over_runs": analysis.ari_over_runs,
        "excess": [plain(vars(e)) | {"verdict": e.verdict, "controls": plain(e.controls)} for e in analysis.excess],
        "information": None
        if analysis.information is None
        else plain(vars(analysis.information)) | {"controls": plain(analysis.information.controls)},
        "classes": [plain(row) for row in analysis.classes.to_dict("records")],
        "separation": {
            "rule": RULE,
            "n_pairs": len(pairs),
            "n_separated": n_separated(analysis.critic_pairs),
            "n_certain": sum(p.certain for p in analysis.critic_pairs),
            "n_separated_without_scalars": n_separated(analysis.remaining) if analysis.remaining else None,
            "pairs": pairs,
        },
        "factors": {name.column: [plain(vars(s)) for s in found] for name, found in analysis.shares.items()},
        "distances": [] if analysis.distances is None else [plain(r) for r in analysis.distances.to_dict("records")],
        "unseen": [plain(vars(d)) for d in analysis.detections],
        "controls": controls,
        "clusters": clusters,
        "training": None
        if training is None
        else {
            "settings": dict(training.settings),
            "facts": dict(training.facts),
            "diagnosis": list(training.diagnosis),
        },
        "warnings": analysis.warnings,
    }


def _context(material: Material) -> dict[str, Any]:
    """Return what the template of the page needs."""
    analysis = material.analysis
    place = {id(pair): i for i, pair in enumerate(analysis.closest())}
    ranked = sorted(analysis.pairs, key=lambda p: place[id(p.pair)])
    clusters = [(name.column, c) for name, found in analysis.clusterings.items() for c in found]
    controls = sorted(
        ((name, n_separated(found)) for name, found in analysis.controls.controls().items()), key=lambda row: -row[1]
    )
    return {
        "title": material.title,
        "command": material.command,
        "findings": material.findings,
        "classes": analysis.classes.to_dict("records"),
        "pairs": ranked[:MAX_PAIRS],
        "n_pairs": len(ranked),
        "clusters": [(name, c.as_dict()) for name, c in clusters],
        "excess": analysis.excess,
        "shares": {source.column: found for source, found in analysis.shares.items()},
        "detections": analysis.detections,
        "n_runs": analysis.n_runs,
        "null_auroc": max(p.null_auroc for p in analysis.critic_pairs),
        "controls": controls,
        "rule": RULE,
        "training": material.training,
        "provenance": {k: v for k, v in material.scores.provenance.items() if k != "warnings"},
        "warnings": analysis.warnings,
        "clipped": any(c == "factor.base" for c in analysis.table),
    }
