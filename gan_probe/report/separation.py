"""A report folder: ``report.html`` (one file, works offline), ``report.json``, ``figures/`` and the scores."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gan_probe.report import evidence, figures
from gan_probe.report.explorer import Points, numeric
from gan_probe.report.page import Page, Section
from gan_probe.report.style import MARKS, MAX_LEGEND, PALETTE, class_colours, class_marks
from gan_probe.report.tables import Col, Table, control_of, pairs, shown
from gan_probe.scoring.table import CRITIC_ROWS, CRITIC_SCORE, Source, factor_columns
from gan_probe.stats.auroc import RULE, n_separated
from gan_probe.stats.beside import RANDOM_INIT, title_of
from gan_probe.stats.clustering import Clustering, is_one_to_one
from gan_probe.studies.separation.findings import SeparationFacts
from gan_probe.studies.separation.result import SeparationResult
from gan_probe.text import without_places

PLAIN_AUROC = 0.9995  # reads 1.000
MAX_PAIRS = 60  # rows of the pair table on the page; report.json has them all
AS_TABLE = "As a table"
CHOSEN = (
    "* chosen without labels: of those within 15 % of the most stable bits (stability^1.25 times log2 of k) that with"
    " the fewest clusters"
)
CLIPPED = (
    "Colours are (b, b+0.1s, b+0.2s), clipped at white. The article's code does not clip: its (0.85, +1) reaches 1.05"
    " in the blue channel, which wraps around to nearly black in 8 bits."
)


def _examples(m: SeparationResult) -> Figure | None:
    seen = dict(zip(m.classes["label"], m.classes.get("seen", []), strict=False))
    return figures.class_examples(m.examples, seen) if m.examples else None


def _curves(m: SeparationResult) -> Figure | None:
    if not m.training or not len(m.training.metrics):
        return None
    return figures.training_curves(m.training.metrics, m.training.settings.get("objective", "wasserstein"))


def _samples(m: SeparationResult) -> Figure | None:
    return figures.samples_over_time(m.training.sheets) if m.training and m.training.sheets else None


def _counts(m: SeparationResult) -> str:
    best = m.best_statistic()
    found = [f"the critic separates {n_separated(m.critic_pairs)} of {len(m.pairs)}"] if m.controls.controls() else []
    if counts := m.random_init_counts():
        found.append(f"randomly initialised critics {statistics.median(counts):g}")
    return ", ".join(found + ([f"{title_of(best[0])} {best[1]}"] if best else []))


def _is_ahead(m: SeparationResult) -> bool:
    """Return whether the critic separates more pairs than every control."""
    counts = [n_separated(pairs) for pairs in m.controls.controls().values()]
    return n_separated(m.critic_pairs) > max(counts, default=-1)


def _is_plain(m: SeparationResult) -> bool:
    """Return whether every pair reads 1.000: a matrix of that says no more than a sentence."""
    return all(p.pair.auroc >= PLAIN_AUROC for p in m.pairs)


def _separated(m: SeparationResult) -> str:
    if _is_plain(m):
        return f"Each of the {len(m.pairs)} pairs has an AUROC of 1.000."
    return f"{n_separated(m.critic_pairs)} of {len(m.pairs)} separated"


def _closest(m: SeparationResult) -> str:
    first = m.closest()[0]
    return f"{first.a} / {first.b}, AUROC {first.auroc:.3f}"


def _wrong_way(m: SeparationResult) -> str:
    found = [d for d in m.detections if d.direction == "low"]
    n_wrong = sum(d.is_reversed for d in found)
    return f"{n_wrong} of {len(found)} unseen classes rank above the critic's own reals" if found else ""


def _agrees(m: SeparationResult) -> bool:
    """Return whether the clusters chosen are the classes: a table of that says no more than a sentence."""
    found = [c for what in (CRITIC_SCORE, CRITIC_ROWS) for c in m.chosen(what)]
    labels = m.table["label"].astype(str).to_numpy()
    return bool(found) and all(is_one_to_one(c.assignment, labels) for c in found)


def _contingent(m: SeparationResult) -> str:
    return "Each cluster is one class, and each class one cluster." if _agrees(m) else ""


FIGURES: tuple[Section[SeparationResult], ...] = (
    Section(
        "margins",
        "What did the training add, and is it useful?",
        "How many images are given their right class, from the score alone and from the embedding, beside the same for"
        " every control. What the training added is the critic minus randomly initialised critics; whether it is"
        " useful, the margin over the control that does best, on the same images. Probes are linear: a shrunken"
        " discriminant or ridge regression, whichever does better within the images learned from; in five folds, or on"
        " five labels a class, drawn twenty times.",
        lambda m: evidence.margin_bars(m.margins) if m.margins else None,
        is_lead=True,
    ),
    Section(
        "examples",
        "The classes",
        "The first images of each class.",
        _examples,
        is_vector=False,
        says=lambda m: f"{len(m.examples)} classes" if m.examples else "",
    ),
    Section(
        "scores",
        "Scores by class",
        "A histogram, and below it one mark an image.",
        lambda m: figures.score_histogram(m),
        says=lambda m: f"{len(m.table):,} images",
        is_notable=lambda m: True,
    ),
    Section(
        "controls",
        "How much of this is the training?",
        "Pairs of classes that one number separates: the critic's score beside the scores of randomly initialised"
        " critics and image statistics. Only what it separates beyond the grey bars can be credited to the training.",
        lambda m: figures.separated_pairs(m) if m.controls.controls() else None,
        says=_counts,
        is_notable=lambda m: not _is_ahead(m),
    ),
    Section(
        "auroc",
        "Every pair",
        "AUROC of each pair of classes, in the direction that separates better.",
        lambda m: figures.auroc_matrix(m),
        says=_separated,
        instead=_is_plain,
        is_notable=lambda m: n_separated(m.critic_pairs) < len(m.pairs),
    ),
    Section(
        "closest",
        "The closest pairs",
        "Pairs that the score does not separate, or else the three that are closest to it, each on its own axis.",
        lambda m: figures.closest_pairs(m),
        says=_closest,
    ),
    Section(
        "factors",
        "What does the score follow?",
        "How much of the variance each factor alone explains. Factors that go together in the data explain the same"
        " part twice; the table says what is left of each beside the others.",
        lambda m: evidence.factor_shares(m.shares) if m.shares else None,
        says=lambda m: SeparationFacts(m).shares,
    ),
    Section(
        "distances",
        "Classes on a line",
        "Each class's mean score, measured from a reference class and in its standard deviations: shift and scale,"
        " which a loss leaves free, cancel.",
        lambda m: evidence.distances(m),
        says=lambda m: evidence.of_distances(m),
    ),
    Section(
        "unseen",
        "Telling unseen from seen",
        "Images of each unseen class against new images of seen ones. A critic promises low scores for what it does not"
        " know; where the AUROC is below 0.5 it does the opposite. What its layers know of them:"
        " gan-probe outliers CRITIC DATA --reals REALS.",
        lambda m: evidence.unseen(m.detections),
        says=_wrong_way,
        is_notable=lambda m: any(d.is_reversed for d in m.detections),
    ),
    Section(
        "projection",
        "Embeddings",
        "Two dimensions of each embedding, found by the method on the axes. The critic's embedding is the pooled"
        " activations of its layers; which ones and how, Provenance says.",
        lambda m: figures.projections(m, m.projection) if m.projections else None,
        says=lambda m: m.projection if m.projections else "",
    ),
    Section(
        "clusters",
        "Clusters found without labels",
        "Agreement of clusters with the classes. The number of clusters is chosen without labels (stability, BIC,"
        " density; of scores silhouette) or set to the number of classes. Lines on the bars of embeddings of randomly"
        " initialised critics span the seeds.",
        lambda m: figures.cluster_agreement(m.clusterings) if m.clusterings else None,
        says=lambda m: SeparationFacts(m).agreements,
    ),
    Section(
        "contingency",
        "Which classes share a cluster",
        "Images of each class (rows) in each cluster (columns), for the clustering that is chosen without labels: the"
        " one of the fewest clusters that say most (see the table of clusterings).",
        lambda m: evidence.contingencies(m),
        says=_contingent,
        instead=_agrees,
    ),
    Section(
        "training",
        "The training",
        "The gap between the critic's mean scores of real and generated images (with the Wasserstein objective an"
        " estimate of their distance), and the penalty on its slope (logarithmic scales, linear near zero)."
        " Which ones: see the settings.",
        _curves,
        says=lambda m: f"{len(m.training.metrics):,} steps" if m.training else "",
    ),
    Section(
        "samples",
        "Generated images over time",
        "The same latent points at each step.",
        _samples,
        is_vector=False,
        says=lambda m: f"{len(m.training.sheets)} sheets" if m.training else "",
    ),
)


def _captions(m: SeparationResult) -> dict[str, str]:
    """Return what is added to the captions of some figures: it depends on what the data says of its classes."""
    seen = "seen" in m.classes
    n = len(m.classes)
    colour = "" if n > MAX_LEGEND else f" Each class has a colour{' and a hatching' * (n > len(PALETTE))} of its own."
    trained = " The critic was trained on the seen ones only." if seen else " Which it was trained on is unknown."
    first = f" Of the first of {m.n_runs} trainings." if m.n_runs > 1 else ""
    means = f" Means over {m.n_runs} trainings." if m.n_runs > 1 else ""
    closest = f" The AUROC is the mean over {m.n_runs} trainings, the histogram the first's." if m.n_runs > 1 else ""
    star = " A star marks classes of the training data." if seen else ""
    of_first = ("factors", "distances", "unseen", "projection", "clusters", "contingency")
    return {
        "examples": trained,
        "scores": colour + star + first,
        "closest": closest,
        **dict.fromkeys(("margins", "auroc", "controls"), means),
        **dict.fromkeys(of_first, first),
    }


def _sections(m: SeparationResult) -> tuple[Section[SeparationResult], ...]:
    """Return the figures, their captions fitted to the data."""
    more = _captions(m)
    return tuple(replace(section, caption=section.caption + more.get(section.name, "")) for section in FIGURES)


def _tables(m: SeparationResult) -> list[Table]:
    """Return the tables of the page: every pair first, then those that stand under the figures."""
    found = [_pairs(m), class_table(m)]
    if m.margins:
        found.append(_margins(m))
    if m.shares:
        found.append(_shares(m))
    if m.detections:
        found.append(_detections(m))
    if m.controls.controls():
        counts = {name: n_separated(pairs) for name, pairs in m.controls.controls().items()}
        ranked = [{"name": name, "n": n} for name, n in sorted(counts.items(), key=lambda row: -row[1])]
        columns = [Col(title="scalar", of="name"), Col(title="pairs separated", of="n", form="plain")]
        found.append(Table(name="scalars", below="controls", folded=AS_TABLE, columns=columns, rows=ranked))
    if m.clusterings:
        found.append(cluster_table(m.clusterings, below="clusters", folded=AS_TABLE))
    if m.training:
        found.append(pairs("settings", m.training.settings, ("setting", "value"), below="training", folded="Settings"))
    return found


def _pairs(m: SeparationResult) -> Table:
    place = {id(pair): i for i, pair in enumerate(m.closest())}
    ranked = sorted(m.pairs, key=lambda p: place[id(p.pair)])
    rows = [
        {**vars(p.pair), **vars(p), "margin": p.margin, "margin_low": p.ci_low, "margin_high": p.ci_high,
         "ci_low": p.pair.ci_low, "ci_high": p.pair.ci_high, "best": p.best_control or "none",
         "state": "certain" if p.pair.certain else "yes" if p.pair.separated else "no"}
        for p in ranked[:MAX_PAIRS]
    ]  # fmt: skip
    null = max(p.null_auroc for p in m.critic_pairs)
    note = (
        f"{RULE} Intervals: Newcombe's method 5. Margin: the critic's AUROC minus that of the control that separates"
        " the same pair best, with an interval that pairs the images. In this data a pair without any difference stays"
        f" below AUROC {null:.2f} in 19 data sets of 20."
    )
    if m.n_runs > 1:
        note += f" Means over {m.n_runs} trainings."
    if len(ranked) > MAX_PAIRS:
        note += f" The {MAX_PAIRS} closest of {len(ranked)}; report.json has all."
    columns = [
        Col(title="higher", of="a"),
        Col(title="lower", of="b"),
        Col(title="AUROC", of="auroc", form="three"),
        Col(title="95 % interval", of=("ci_low", "ci_high"), form="three"),
        Col(title="separated", of="state"),
        Col(title="best control", of=control_of("best")),
        Col(title="its AUROC", of="control_auroc", form="three"),
        Col(title="margin", of="margin", form="signed"),
        Col(title="95 % interval", of=("margin_low", "margin_high"), form="signed"),
        Col(title="Cohen's d", of="cohens_d", form="two"),
        Col(title="overlap", of="overlap", form="two"),
    ]
    if m.n_runs > 1:
        columns.append(Col(title="other order", of="flips", form="whole percent"))
    return Table(
        name="pairs", heading="Pairs, the closest first", note=note, columns=columns, rows=rows,
        is_marked=lambda row: not row["separated"], classes=lambda row: (row["a"], row["b"]),
        says=f"{n_separated(m.critic_pairs)} of {len(m.pairs)} separated",
    )  # fmt: skip


def class_table(m: figures.Described) -> Table:
    """Return how each class scores: of the page, and of a table of scores in a notebook."""
    seen = "seen" in m.classes
    columns = [
        Col(title="class", of="label"),
        Col(title="images", of="n", form="plain"),
        Col(title="in training", of="seen" if seen else lambda row: "unknown", form="yes" if seen else "text"),
        *(Col(title=name, of=name, form="three") for name in ("mean", "std", "min", "max")),
    ]
    clipped = CLIPPED if {"shape", "base", "sign"} <= set(factor_columns(m.table)) else ""  # `synthetic` wrote it
    return Table(name="classes", below="scores", note=clipped, columns=columns, rows=m.classes.to_dict("records"))


def _margins(m: SeparationResult) -> Table:
    rows: list[dict[str, Any]] = []
    for e in m.margins:
        rows.append({"measure": e.measure, "of": "critic", "value": e.value, "low": e.ci_low, "high": e.ci_high,
                     "behind": e.verdict == "behind"})  # fmt: skip
        for name, value in e.controls.items():
            best = name == e.best_control
            ends = {"ahead_low": e.margin_low, "ahead_high": e.margin_high} if best else {}
            if name == RANDOM_INIT and e.added is not None:
                ends = {"ahead_low": e.added.ci_low, "ahead_high": e.added.ci_high}
            rows.append({"of": name, "value": value, "ahead": e.margin if best else e.value - value, **ends})
    columns = [
        Col(title="measure", of="measure"),
        Col(title="of", of=control_of("of")),
        Col(title="value", of="value", form="three"),
        Col(title="95 % interval", of=("low", "high"), form="three"),
        Col(title="critic ahead by, points", of="ahead", form="points"),
        Col(title="95 % interval", of=("ahead_low", "ahead_high"), form="points"),
    ]
    return Table(
        name="margins-table", below="margins", folded="As a table, every control", columns=columns, rows=rows,
        is_marked=lambda row: bool(row.get("behind")),
    )  # fmt: skip


def _shares(m: SeparationResult) -> Table:
    rows = [{"of": source.column, **vars(s)} for source, found in m.shares.items() for s in found]
    columns = [
        Col(title="of", of="of"),
        Col(title="factor", of="factor"),
        Col(title="eta squared", of="eta_squared", form="three"),
        Col(title="epsilon squared", of="epsilon_squared", form="three"),
        Col(title="95 % interval", of=("ci_low", "ci_high"), form="three"),
        Col(title="beyond the other factors", of="unique", form="three"),
    ]
    folded = "As a table, with interactions"
    return Table(name="factor-table", below="factors", folded=folded, columns=columns, rows=rows)


def _detections(m: SeparationResult) -> Table:
    columns = [
        Col(title="unseen class", of="label"),
        Col(title="unlike means", of="direction"),
        Col(title="images", of="n", form="plain"),
        Col(title="AUROC", of="auroc", form="three"),
        Col(title="95 % interval", of=("ci_low", "ci_high"), form="three"),
        Col(title="average precision", of="aupr", form="three"),
        Col(title="its chance", of="prevalence", form="three"),
        Col(title="FPR95: accepted where 95 % of the seen are", of="fpr95", form="percent"),
        Col(title="95 % interval", of=("fpr95_low", "fpr95_high"), form="percent"),
        Col(title="the other FPR95: seen rejected where 95 % of the class are", of="fpr95_class", form="percent"),
        Col(title="95 % interval", of=("fpr95_class_low", "fpr95_class_high"), form="percent"),
    ]
    return Table(
        name="unseen-table", below="unseen", folded=AS_TABLE, columns=columns,
        rows=[{**vars(d), "is_reversed": d.is_reversed} for d in m.detections],
        is_marked=lambda row: row["is_reversed"],
    )  # fmt: skip


def cluster_table(clusterings: Mapping[Source, Sequence[Clustering]], **options: Any) -> Table:
    """Return every clustering as a table: of the page, and of the verb ``cluster``."""
    columns = [
        Col(title="of", of="of"),
        Col(title="method", of="method"),
        Col(title="k from", of="k_from"),
        Col(title="k", of="k", form="plain"),
        Col(title="stability", of=lambda row: shown(row["stability"], "two") + (" *" if row["is_chosen"] else "")),
        Col(title="space", of="space"),
        Col(title="accuracy", of="accuracy", form="three"),
        Col(title="95 % interval of accuracy", of=("accuracy_low", "accuracy_high"), form="three"),
        Col(title="ARI", of="ari", form="three"),
        Col(title="95 % interval", of=("ari_low", "ari_high"), form="three"),
        Col(title="AMI", of="ami", form="three"),
        Col(title="homogeneity", of="homogeneity", form="three"),
        Col(title="in no cluster", of="noise_share", form="percent"),
    ]
    rows = [{"of": source.column, **c.as_dict()} for source, found in clusterings.items() for c in found]
    return Table(name="clusterings", columns=columns, rows=rows, note=CHOSEN, **options)


def points(m: SeparationResult) -> Points:
    """Return what the explorer shows: every image by its score, its controls, its factors and its projections."""
    table = m.table
    numbers: dict[str, Any] = {"critic_score": table["critic_score"].to_numpy(dtype=np.float64)}
    titles = {"critic_score": "critic's score", "label": "class", "cluster": "cluster of the embedding"}
    for source, view in m.projections.items():
        prefix = "projection" if source == CRITIC_ROWS else f"projection of {title_of(source.short)}"
        for axis in (0, 1):
            name = f"{prefix}.{axis + 1}"
            numbers[name], titles[name] = view[:, axis], f"{m.projection} {axis + 1}, {title_of(source.short)}"
    for name, values in m.scores.scores_beside().controls().items():
        numbers[name], titles[name] = values, title_of(name)
    kinds: dict[str, Any] = {"label": table["label"].astype(str).to_numpy()}
    if "seen" in table:
        kinds["seen"] = np.where(table["seen"].astype(bool), "seen", "unseen")
    if chosen := m.chosen(CRITIC_ROWS):
        kinds["cluster"] = np.array([f"cluster {c}" if c >= 0 else "in none" for c in chosen[0].assignment])
    for name, column in factor_columns(table).items():
        if table[column].map(np.isscalar).all() and table[column].nunique() > 1:
            titles[column] = f"factor {name}"
            (numbers if numeric(table[column]) else kinds)[column] = table[column].to_numpy()
    marks = {label: MARKS.index(mark) for label, mark in class_marks(table).items()}
    return Points(
        numbers=numbers, kinds=kinds, titles=titles, marks={"label": marks},
        order={"label": list(class_colours(table)), "cluster": sorted(set(kinds.get("cluster", ())))},
        paths=without_places(table)["path"].astype(str).tolist() if "path" in table else (),
        pictured=m.pictured, pictures=m.pictures,
    )  # fmt: skip


PAGE = Page[SeparationResult](
    schema="gan_probe.separation/2",
    title=lambda m: "What the critic separates",
    sections=_sections,
    tables=_tables,
    points=points,
    folds=True,
)
