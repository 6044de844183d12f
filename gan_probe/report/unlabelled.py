"""The page of scores without classes: their histogram, the images at their ends, a map, the training."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gan_probe.report import figures
from gan_probe.report.explorer import Points
from gan_probe.report.page import Page, Section, canvas
from gan_probe.report.scores import Shown
from gan_probe.report.style import CRITIC_COLOUR
from gan_probe.report.tables import Col, Table
from gan_probe.stats.beside import title_of
from gan_probe.stats.describe import describe_classes
from gan_probe.studies.unlabelled.result import UnlabelledResult
from gan_probe.text import without_places

N_PICTURES = 12


def _histogram(m: UnlabelledResult) -> Figure:
    table = m.table.assign(label="images")
    return figures.score_histogram(Shown(table, describe_classes(table)))


def _p_values(m: UnlabelledResult) -> Figure | None:
    if m.p_values is None:
        return None
    figure = canvas(8, 2.8)
    axis = figure.subplots()
    axis.hist(m.p_values, bins=20, range=(0, 1), color=CRITIC_COLOUR)
    axis.axhline(len(m.p_values) / 20, color="black", linewidth=0.8, linestyle=":")
    axis.set_xlabel("two-sided p-value against held-out reals (dotted line: images like these reals)")
    axis.set_ylabel("images")
    return figure


def _ends(m: UnlabelledResult) -> Figure | None:
    """Return rows of pictures: the lowest scores, the highest, and those far from all others in the embedding."""
    image_of = dict(zip(m.pictured.tolist(), m.pictures, strict=True))
    if not image_of:
        return None
    order = np.argsort(m.scores.scores, kind="stable")
    rows = {"lowest": order[:N_PICTURES], "highest": order[::-1][:N_PICTURES]}
    if m.strangeness is not None:
        rows["strangest"] = np.argsort(-m.strangeness, kind="stable")[:N_PICTURES]
    return figures.strips({name: [image_of.get(row) for row in of.tolist()] for name, of in rows.items()}, N_PICTURES)


def _map(m: UnlabelledResult) -> Figure | None:
    if not m.projections:
        return None
    (view,) = m.projections.values()
    figure = canvas(7, 4.5)
    axis = figure.subplots()
    drawn = axis.scatter(*view.T, c=m.scores.scores, s=9, cmap="cividis", linewidths=0, rasterized=True)
    figure.colorbar(drawn, ax=axis, label="critic_score")
    axis.set(xlabel=f"{m.projection} 1", ylabel=f"{m.projection} 2")
    return figure


def _curves(m: UnlabelledResult) -> Figure | None:
    if m.training is None or not len(m.training.metrics):
        return None
    return figures.training_curves(m.training.metrics, m.training.settings.get("objective", "wasserstein"))


def _points(m: UnlabelledResult) -> Points:
    table = m.table
    numbers: dict[str, Any] = {"critic_score": m.scores.scores}
    titles = {"critic_score": "critic's score", "p_value": "p-value", "label": "class"}
    for view in m.projections.values():
        for axis in (0, 1):
            numbers[f"projection.{axis + 1}"] = view[:, axis]
            titles[f"projection.{axis + 1}"] = f"{m.projection} {axis + 1}"
    for name in ("strangeness", "p_value"):
        if name in table:
            numbers[name] = table[name].to_numpy(dtype=np.float64)
    for name, values in m.scores.scores_beside().controls().items():
        numbers[name], titles[name] = values, title_of(name)
    return Points(
        numbers=numbers,
        titles=titles,
        kinds={"label": table["label"].astype(str).to_numpy()} if "label" in table else {},
        paths=without_places(table)["path"].astype(str).tolist() if "path" in table else (),
        pictured=m.pictured,
        pictures=m.pictures,
    )


def _alike(m: UnlabelledResult) -> list[Table]:
    rows = [{"control": title_of(name), "value": value} for name, value in m.alike()]
    columns = [Col(title="control", of="control"), Col(title="rank correlation", of="value", form="signed")]
    return [Table(name="alike", heading="What ranks images alike", columns=columns, rows=rows)] if rows else []


SECTIONS: tuple[Section[UnlabelledResult], ...] = (
    Section("scores", "Scores", "A histogram, and below it one mark an image.", _histogram),
    Section(
        "ends",
        "Lowest, highest, strangest",
        "The images with the lowest and the highest scores, and those that are farthest from their tenth nearest in the"
        " critic's embedding.",
        _ends,
        is_vector=False,
    ),
    Section("p_values", "How unusual", "Flat where the images are like the held-out reals.", _p_values),
    Section("projection", "A map of the embedding", "Two dimensions, coloured by score.", _map),
    Section("training", "The training", "The gap between scores of reals and fakes, and the penalty.", _curves),
)

PAGE = Page[UnlabelledResult](
    schema="gan_probe.unlabelled/1",
    title=lambda m: "How these images score",
    sections=lambda m: SECTIONS,
    tables=_alike,
    points=_points,
)
