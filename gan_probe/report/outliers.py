"""The page of outliers: how images score against held-out reals, and how well each unseen class is told."""

from __future__ import annotations

from functools import partial

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from gan_probe.report import evidence
from gan_probe.report.page import Page, Section, canvas
from gan_probe.report.style import CONTROL_COLOUR, CRITIC_COLOUR
from gan_probe.report.tables import Col, Row, Table
from gan_probe.stats.beside import title_of
from gan_probe.studies.outliers.result import Novelty, OutlierResult

N_BINS = 60
N_COLUMNS = 3  # of the strangest images, each beside its nearest reals


def histogram(result: OutlierResult) -> Figure:
    """Return the histogram of scores, those of images that are called outliers in another colour."""
    figure = canvas(9, 3.2)
    axis = figure.subplots()
    column, text = ("critic_score", "critic_score (higher = more like the training data)")
    if result.novelty is not None:
        column, text = "unlike", "how unlike reals (higher = more unlike)"
    scores = result.table[column].to_numpy(dtype=np.float64)
    called = result.table["is_outlier"].to_numpy(dtype=bool)
    bins = np.histogram_bin_edges(scores, bins=N_BINS)
    axis.hist([scores[~called], scores[called]], bins=bins, stacked=True, color=[CONTROL_COLOUR, CRITIC_COLOUR],
              label=["like the training data", "called outliers"])  # fmt: skip
    axis.set_xlabel(text)
    axis.set_ylabel("images")
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    sns.despine(ax=axis)
    return figure


def shortened(text: str, most: int = 120) -> str:
    """Return a text that fits below a figure."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def strangest(result: OutlierResult) -> Figure | None:
    """Return the images most unlike the reals, each beside the reals that are nearest in the layer that says so."""
    if result.novelty is None or result.novelty.pictures is None or not len(result.novelty.pictures):
        return None
    pictures, found = result.novelty.pictures, result.novelty.strangest
    n_rows = -(-len(found) // N_COLUMNS)
    figure = canvas(3.2 * N_COLUMNS, 1.15 * n_rows)
    axes = figure.subplots(n_rows, N_COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, row, images in zip(axes, found, pictures, strict=False):
        facts = result.table.iloc[row["place"]]
        label = f"{shortened(str(facts['label']), 24)}, " if "label" in result.table else ""
        axis.set_title(f"{label}p = {facts['p_value']:.2g}, {shortened(row['layer'], 24)}", fontsize=7)
        _, height, width, channels = images.shape
        wide, thin = (np.full((height, max(1, width // part), channels), 255, np.uint8) for part in (2, 12))
        beside = [images[0], wide, *(part for image in images[1:] for part in (image, thin)), wide]
        axis.imshow(np.concatenate(beside, axis=1).squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    return figure


def by_detector(result: OutlierResult) -> Figure | None:
    """Return the AUROC of all unseen images against seen ones by every detector and control, with intervals."""
    if result.novelty is None:
        return None
    rows = [row for row in result.novelty.compared if row["of"] != "layer"]
    if not rows:
        return None
    figure = canvas(9, 0.3 * len(rows) + 1.2)
    axis = figure.subplots()
    for place, row in enumerate(rows):
        colour = CRITIC_COLOUR if row["of"] == "critic" else CONTROL_COLOUR
        axis.plot([row["ci_low"], row["ci_high"]], [place, place], color=colour, linewidth=2)
        axis.scatter([row["auroc"]], [place], s=42 if row["used"] else 18, color=colour, zorder=3)
    names = [f"{'' if row['of'] == 'critic' else 'control: '}{title_of(row['name'])}" for row in rows]
    axis.set_yticks(range(len(rows)), [f"{n} *" if r["used"] else n for n, r in zip(names, rows, strict=True)])
    axis.tick_params(labelsize=8)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.axvline(0.5, color="black", linewidth=0.8)
    axis.set_xlabel("AUROC of all unseen images against seen ones (0.5 = chance; * used)", fontsize=8)
    sns.despine(ax=axis)
    return figure


SECTIONS: tuple[Section[OutlierResult], ...] = (
    Section(
        "scores",
        "Which images are called",
        "Scores of all images; the share of false calls is bounded on average, as long as the held-out reals are like"
        " those that will come.",
        histogram,
    ),
    Section(
        "unseen",
        "Telling unseen from seen",
        "Images of each unseen class against new images of seen ones; below 0.5 the score points the wrong way.",
        lambda result: evidence.unseen(result.detections),
    ),
)


OF_DETECTORS: tuple[Section[OutlierResult], ...] = (
    Section(
        "strangest",
        "The strangest images",
        "Most unlike first. Beside each the three reals that are nearest in the layer that is most surprised by it,"
        " whose name stands above. p: the share of new reals that look as strange, at most.",
        strangest,
        is_vector=False,
    ),
    Section(
        "scores",
        "Which images are called",
        "How unlike reals all images are; the share of false calls is bounded on average, as long as the held-out reals"
        " are like those that will come.",
        histogram,
    ),
    Section(
        "detectors",
        "Every detector, and the controls",
        "Unseen classes were not looked at to choose the detectors that are used (*); so a better one may stand here."
        " Bars: 95 % intervals over images.",
        by_detector,
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
        Col(title="95 % interval", of=("fpr95_low", "fpr95_high"), form="percent"),
        Col(title="the other FPR95: seen rejected where 95 % of the class are", of="fpr95_class", form="percent"),
        Col(title="95 % interval", of=("fpr95_class_low", "fpr95_class_high"), form="percent"),
        Col(title="average precision", of="aupr", form="three"),
        Col(title="found at 1 % false alarms", of="tpr01", form="percent"),
        Col(title="95 % interval", of=("tpr01_low", "tpr01_high"), form="percent"),
    ]
    return Table(name="classes", heading="Unseen classes", columns=columns, rows=result.class_rows())


def choice_table(novelty: Novelty) -> Table:
    """Return how well each candidate tells reals from outliers made of reals, and which are used."""
    kinds = list(novelty.choice[0]["by_kind"])
    columns = [
        Col(title="detector", of="title"),
        Col(title="used", of="used", form="yes"),
        Col(title="AUROC, mean", of="made_up", form="three"),
        Col(title="the best is ahead by", of=("behind_low", "behind_high"), form="signed"),
        *(Col(title=kind, of=partial(_of_kind, kind=kind), form="three") for kind in kinds),
    ]
    note = f"Used: {novelty.how}. No outlier of the data was looked at."
    return Table(name="choice", heading="How detectors were chosen", note=note, columns=columns, rows=novelty.choice)


def _of_kind(row: Row, *, kind: str) -> float:
    return float(row["by_kind"][kind])


def layer_table(novelty: Novelty) -> Table:
    """Return the AUROC of each layer alone."""
    columns = [
        Col(title="layer", of="name"),
        Col(title="AUROC", of="auroc", form="three"),
        Col(title="95 % interval", of=("ci_low", "ci_high"), form="three"),
    ]
    rows = [row for row in novelty.compared if row["of"] == "layer"]
    return Table(name="layers", heading="Each layer alone", columns=columns, rows=rows, folded="layers")


def _tables_of(result: OutlierResult) -> list[Table]:
    found = [detection_table(result)] if result.detections else []
    if result.novelty is not None and result.novelty.choice:
        found.append(choice_table(result.novelty))
    if result.novelty is not None and any(row["of"] == "layer" for row in result.novelty.compared):
        found.append(layer_table(result.novelty))
    return found


PAGE = Page[OutlierResult](
    schema="gan_probe.outliers/1",
    title=lambda result: "Which images are unlike the training data",
    sections=lambda result: SECTIONS if result.novelty is None else OF_DETECTORS,
    tables=_tables_of,
)
