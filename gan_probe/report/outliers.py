"""The page of outliers: how images score against held-out reals, and how well each unseen class is told."""

from __future__ import annotations

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from gan_probe.report import evidence
from gan_probe.report.page import Page, Section, canvas
from gan_probe.report.style import CONTROL_COLOUR, CRITIC_COLOUR
from gan_probe.report.tables import Col, Table
from gan_probe.studies.outliers.result import OutlierResult

N_BINS = 60


def histogram(result: OutlierResult) -> Figure:
    """Return the histogram of scores, those of images that are called outliers in another colour."""
    figure = canvas(9, 3.2)
    axis = figure.subplots()
    scores = result.table["critic_score"].to_numpy(dtype=np.float64)
    called = result.table["is_outlier"].to_numpy(dtype=bool)
    bins = np.histogram_bin_edges(scores, bins=N_BINS)
    axis.hist([scores[~called], scores[called]], bins=bins, stacked=True, color=[CONTROL_COLOUR, CRITIC_COLOUR],
              label=["like the training data", "called outliers"])  # fmt: skip
    axis.set_xlabel("critic_score (higher = more like the training data)")
    axis.set_ylabel("images")
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    sns.despine(ax=axis)
    return figure


SECTIONS: tuple[Section[OutlierResult], ...] = (
    Section(
        "scores",
        "Which images are called",
        "Scores of all images; the share of false calls is bounded on average, as long as the held-out reals are like"
        " those that will come.",
        histogram,
        is_notable=lambda result: True,
    ),
    Section(
        "unseen",
        "Telling unseen from seen",
        "Images of each unseen class against new images of seen ones; below 0.5 the score points the wrong way.",
        lambda result: evidence.unseen(result.detections),
        is_notable=lambda result: True,
    ),
)


def detection_table(result: OutlierResult) -> Table:
    """Return how well each unseen class is told: of the page, and of the terminal."""
    columns = [
        Col(title="class", of="label"),
        Col(title="images", of="n", form="plain"),
        Col(title="called", of="called", form="percent"),
        Col(title="AUROC", of="auroc", form="three"),
        Col(title="95 % interval", of=("ci_low", "ci_high"), form="three"),
        Col(title="FPR95: accepted where 95 % of the seen are", of="fpr95", form="percent"),
        Col(title="the other FPR95: seen rejected where 95 % of the class are", of="fpr95_class", form="percent"),
    ]
    return Table(name="classes", heading="Unseen classes", columns=columns, rows=result.class_rows())


PAGE = Page[OutlierResult](
    schema="gan_probe.outliers/1",
    title=lambda result: "Which images are unlike the training data",
    sections=lambda result: SECTIONS,
    tables=lambda result: [detection_table(result)] if result.detections else [],
)
