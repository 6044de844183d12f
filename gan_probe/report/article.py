"""The page of the article's experiment, in the article's order and with its pictures."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.image as mpimg
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from gan_probe.report.page import Page, Section, canvas
from gan_probe.report.style import CONTROL_COLOUR, CRITIC_COLOUR, Colour
from gan_probe.report.tables import Col, Table
from gan_probe.stats.auroc import RULE
from gan_probe.studies.article.result import N_PAIRS, NO, ArticleResult, less_mean_of_square
from gan_probe.studies.article.trained import (
    CIRCLES,
    SEEN,
    SQUARE,
    SQUARES,
    TRIANGLE,
    TRIANGLE_CLEAN,
    TRIANGLES,
    Trained,
)
from gan_probe.types import Values

N_BINS = 90
N_CLOSEST = 2
STATISTIC_COLOUR = "#c98a00"
# The article's: circles yellow, squares purple, triangles green, darker with less noise. Light ends, dark ends.
HUES = {"circle": ("#f7de6b", "#8a6a00"), "square": ("#c9a0dc", "#3f0d63"), "triangle": ("#9fd6a0", "#0b4d1c")}


def _colours() -> dict[str, Colour]:
    """Return the colour of each class: of its shape, lighter for more noise."""
    found: dict[str, Colour] = {}
    for classes in (CIRCLES, SQUARES, TRIANGLES):
        ordered = sorted(classes, key=lambda label: (label.endswith("0.03"), label))
        light, dark = (np.array(to_rgb(c)) for c in HUES[classes[0].partition("_")[0]])
        for place, label in enumerate(ordered):
            share = place / (len(ordered) - 1)
            red, green, blue = (dark + share * (light - dark)).tolist()
            found[label] = (red, green, blue)
    return found


COLOURS = _colours()


def _named(label: str) -> str:
    return f"{label} *" if label in SEEN else label


def _histogram(axis: Axes, by_class: dict[str, Values]) -> None:
    everything = np.concatenate(list(by_class.values()))
    bins = np.histogram_bin_edges(everything, bins=N_BINS).tolist()
    for label, values in by_class.items():
        axis.hist(values, bins=bins, color=COLOURS[label], alpha=0.9, label=_named(label), histtype="stepfilled")
    axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axis.set_ylabel("images")


def pairs_by_length(result: ArticleResult) -> Figure:
    """Return the number of pairs that each training separates against its length, beside what needs no training."""
    figure = canvas(8.5, 3.4)
    axis = figure.subplots()
    random_init, statistics = result.controls
    for training in result.trainings:
        axis.plot(training.epochs, training.n_separated, "o", color=CRITIC_COLOUR, alpha=0.6)
    medians = [float(np.median([t.n_separated for t in result.of(n)])) for n in result.lengths]
    axis.plot(result.lengths, medians, color=CRITIC_COLOUR, label="critic (a dot a training, their median)")
    if random_init:
        counts = list(random_init.values())
        axis.axhspan(min(counts), max(counts), color=CONTROL_COLOUR, alpha=0.25, linewidth=0)
        text = f"{len(counts)} randomly initialised critics\n(median, range)"
        axis.axhline(float(np.median(counts)), color=CONTROL_COLOUR, linestyle="--", label=text)
    best = max(statistics, key=lambda name: statistics[name])
    text = f"best image statistic\n({best.replace('_', ' ')})"
    axis.axhline(statistics[best], color=STATISTIC_COLOUR, linestyle="-.", label=text)
    axis.axhline(N_PAIRS, color="black", linewidth=0.8, linestyle=":", label=f"all pairs ({N_PAIRS})")
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator(result.lengths))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_ylim(-1, 1.05 * N_PAIRS)
    axis.set_xlabel("epochs of a training from scratch (logarithmic)")
    axis.set_ylabel("pairs separated")
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    sns.despine(figure)
    return figure


def loss_curves(result: ArticleResult) -> Figure:
    """Return the critic's loss with its penalty, and the penalty alone, of the longest trainings."""
    figure = canvas(10, 3.2)
    left, right = figure.subplots(1, 2)
    for number, training in enumerate(result.longest):
        frame, weight = training.losses, float(training.facts["settings"]["penalty_weight"])
        total = frame["critic_loss"] + weight * frame["penalty"]
        for axis, values in ((left, total), (right, frame["penalty"])):
            is_first = number == 0
            colour = CRITIC_COLOUR if is_first else CONTROL_COLOUR
            smooth = values.rolling(max(1, len(values) // 100), min_periods=1).median()
            if is_first:
                axis.plot(frame["step"], values, color=colour, alpha=0.2, linewidth=0.5)
            name = f"seed {training.seed}" if number < 2 else None
            label = name if is_first or len(result.longest) == 2 else "other seeds" if number == 1 else None
            axis.plot(frame["step"], smooth, color=colour, linewidth=1.2, label=label, zorder=3 if is_first else 2)
    left.set_ylabel("critic's loss, penalty included")
    left.set_yscale("symlog", linthresh=1.0)
    right.set_ylabel("penalty, unweighted")
    right.set_yscale("symlog", linthresh=0.01)
    for axis in (left, right):
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_xlabel("generator step (five critic updates each)")
        axis.legend(fontsize=7)
        axis.tick_params(labelsize=8)
    sns.despine(figure)
    return figure


def ten_classes(result: ArticleResult) -> Figure:
    """Return the histogram of the ten classes by the first of the longest trainings."""
    figure = canvas(10, 4)
    axis = figure.subplots()
    _histogram(axis, result.longest[0].by_class)
    axis.set_xlabel("critic_score")
    axis.legend(fontsize=7, title="class (* trained on)", loc="center left", bbox_to_anchor=(1.0, 0.5))
    sns.despine(figure)
    return figure


def closest(result: ArticleResult) -> Figure:
    """Return the article's overlapping pair, and the two pairs that this training tells apart least, enlarged."""
    training = result.longest[0]
    article_s = training.pair(TRIANGLE, TRIANGLE_CLEAN)
    others = sorted(training.pairs.values(), key=lambda p: (p.auroc, p.ci_low))
    chosen = [article_s, *[p for p in others if p is not article_s][:N_CLOSEST]]
    figure = canvas(11, 3.3)
    axes = figure.subplots(1, len(chosen))
    for axis, pair in zip(axes, chosen, strict=True):
        both = [training.by_class[pair.b], training.by_class[pair.a]]
        bins = np.histogram_bin_edges(np.concatenate(both), bins=24)
        for label, values in zip((pair.b, pair.a), both, strict=True):
            axis.hist(values, bins=bins, color=COLOURS[label], alpha=0.7, label=_named(label))
        axis.set_title(f"AUROC {pair.auroc:.3f} ({pair.ci_low:.3f} to {pair.ci_high:.3f})", fontsize=9)
        axis.set_xlabel("critic_score", fontsize=8)
        axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axis.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.22), frameon=False)
        axis.tick_params(labelsize=8)
    axes[0].set_ylabel("images")
    sns.despine(figure)
    return figure


def lengths(result: ArticleResult) -> Figure:
    """Return a row for each length of training: generated images beside the histogram, centred on one class."""
    chosen = [result.of(n)[0] for n in result.lengths]
    figure = canvas(12, 2.5 * len(chosen) + 0.3)
    axes = figure.subplots(len(chosen), 2, squeeze=False, width_ratios=[1, 1.5])
    for (left, right), training in zip(axes, chosen, strict=True):
        left.set_axis_off()
        left.set_title(f"{training.epochs} epochs: generated", fontsize=9)
        left.imshow(mpimg.imread(training.samples), interpolation="nearest")
        _histogram(right, less_mean_of_square(training))
        right.axvline(0, color="black", linewidth=0.6)
        right.tick_params(labelsize=8)
    axes[-1][1].set_xlabel(f"critic_score less the mean of {SQUARE} (each row on its own axis)", fontsize=9)
    figure.legend(
        *axes[0][1].get_legend_handles_labels(), loc="outside right upper", fontsize=8, title="class (* trained on)"
    )
    sns.despine(figure)
    return figure


def retrainings(result: ArticleResult) -> Figure | None:
    """Return the class means of every one of the longest trainings, in units of its reference; None for one."""
    if len(result.longest) < 2:
        return None
    figure = canvas(10, 3.8)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1])
    for number, training in enumerate(result.longest):
        middle, spread = float(training.reference.mean()), float(training.reference.std(ddof=1))
        for label in training.by_class:
            mean, colour = training.mean(label), COLOURS[label]
            name = _named(label) if number == 0 else None
            left.plot(mean, number, "o", color=colour, markeredgecolor="black", markeredgewidth=0.4)
            right.plot((mean - middle) / spread, number, "o", color=colour, label=name, markeredgecolor="black",
                       markeredgewidth=0.4)  # fmt: skip
    names = [f"seed {t.seed}" for t in result.longest]
    left.set_yticks(range(len(names)), names, fontsize=8)
    right.set_yticks(range(len(names)), [""] * len(names))
    left.set_xlabel("class means as they are")
    right.set_xlabel("less the mean of new images of the training types,\nin their standard deviations")
    right.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), title="class (* trained on)")
    sns.despine(figure)
    return figure


SECTIONS: tuple[Section[ArticleResult], ...] = (
    Section(
        "pairs",
        "What the article says, and what we measured",
        f"{RULE} Every length is trained from scratch. Below: the article's claims, each with the number that decides,"
        " when we call it true, and what came out, training by training.",
        pairs_by_length,
    ),
    Section(
        "losses",
        "The training",
        "Critic's loss with ten times the penalty, and the penalty, of the longest trainings: thin each step, thick"
        " their running median. Logarithmic, linear near zero.",
        loss_curves,
    ),
    Section(
        "histogram",
        "Scores of the ten types",
        "By the first of the longest trainings. Circles yellow, squares purple, triangles green; darker is less noise.",
        ten_classes,
    ),
    Section(
        "closest",
        "The overlapping pair, enlarged",
        "Left the pair that the article found to overlap; beside it the two other pairs with the lowest AUROC here.",
        closest,
    ),
    Section(
        "lengths",
        "Partial training",
        "One training of each length: what its generator draws, clipped to the pixels' range, and the scores of the"
        f" ten types less the mean of {SQUARE}. The article centres on square (0.85,+1) 0.03, which it calls a training"
        " type and never trained on; this is the training type that comes closest.",
        lengths,
        is_vector=False,
    ),
    Section(
        "retrainings",
        "Trained again",
        "Class means of trainings that differ in their seed alone.",
        retrainings,
    ),
)

NOTES = (
    "An epoch is 75 critic updates, one pass over the 600 images in batches of 8: 200 epochs are 15,000 critic and"
    " 3,000 generator updates.",
    "The article does not give latent size, optimiser, learning rates, critic updates per generator update, weight of"
    " the penalty, or pixel range. Taken from algorithm 1 of the WGAN-GP paper: Adam, 1e-4, betas 0 and 0.9, five"
    " critic updates, weight 10; 128 latents; pixels in [-1, 1].",
    "Its generator ends linearly: critic and penalty see values beyond the pixels' range, pictures are clipped.",
    "Its drawing code writes 8 bits without clipping, so that blue of (0.85,+1), 1.05, is nearly 0 there and 1 here."
    " The column \"wrapped\" has those images drawn as it does; the training images are ours.",
    "Its square spans rows and columns 9 to 54 (46 pixels), ours 10 to 53 (44); its circle has a radius of 22.4"
    " pixels, as ours.",
    "Its text names the ten test types in part; article-test fills them up. It names a circle (0.85,+1) once, perhaps"
    " for (0.85,-1): both are among the distances.",
)  # fmt: skip


def _tables(result: ArticleResult) -> Sequence[Table]:
    verdicts = [
        {"says": v.claim.says, "number": v.claim.number, "rule": v.claim.rule, "measured": v.measured, "holds": v.holds,
         "epochs": " and ".join(map(str, v.epochs))}
        for v in result.verdicts
    ]  # fmt: skip
    classes = result.class_table()
    shown = classes[(classes["epochs"] == result.longest[0].epochs) & (classes["seed"] == result.longest[0].seed)]
    return (
        Table(
            name="claims",
            columns=(
                Col(title="the article says", of="says"),
                Col(title="number", of="number"),
                Col(title="epochs", of="epochs"),
                Col(title="we measured", of="measured"),
                Col(title="holds where", of="rule"),
                Col(title="holds?", of="holds"),
            ),
            rows=verdicts,
            below="pairs",
            note="Numbers are one a training, in the order of seeds; in brackets a 95 % interval over new images of the"
            " same types, for that one training. Nothing but the trainings beside each other tells how far another"
            " training would differ.",
            is_marked=lambda row: row["holds"] == NO,
        ),
        Table(
            name="classes",
            columns=(
                Col(title="class", of=lambda row: _named(row["label"])),
                Col(title="images", of="n", form="plain"),
                Col(title="mean score", of="mean", form="three"),
                Col(title="standard deviation", of="sd", form="three"),
            ),
            rows=sorted(shown.to_dict("records"), key=lambda row: row["mean"]),
            below="histogram",
            note="* trained on. From the lowest mean to the highest.",
        ),
        Table(
            name="distances",
            heading="Distances of classes",
            columns=(
                Col(title="seed", of="seed", form="plain"),
                Col(title="class", of="a"),
                Col(title="less class", of="b"),
                Col(title="clipped", of="clipped", form="two"),
                Col(title="wrapped", of="wrapped", form="two"),
            ),
            rows=result.distances().to_dict("records"),
            note="Differences of class means by the longest trainings, in standard deviations within classes; with the"
            " images as article-test draws them, and as the article's code does.",
        ),
        Table(
            name="trainings",
            heading="The trainings",
            columns=(
                Col(title="training", of="name"),
                Col(title="device", of="device"),
                Col(title="arithmetic", of="precision"),
                Col(title="seconds", of="elapsed_s", form="plain"),
                Col(title="seconds an epoch", of="seconds_per_epoch", form="two"),
                Col(title="clipped", of="clipped", form="percent"),
                Col(title="pairs separated", of="pairs", form="plain"),
            ),
            rows=[_row(t) for t in result.trainings],
            note="Seconds as the training itself took them; several may have shared a device.",
        ),
    )


def _row(training: Trained) -> dict[str, object]:
    facts = training.facts
    kept = {name: facts.get(name) for name in ("device", "precision", "seconds_per_epoch", "clipped")}
    elapsed = round(float(facts["elapsed_s"]))
    return {"name": training.name, "elapsed_s": elapsed, "pairs": training.n_separated, **kept}


PAGE = Page[ArticleResult](
    schema="gan_probe.article/1",
    title=lambda result: "The article's experiment, to the letter",
    sections=lambda result: SECTIONS,
    tables=_tables,
    notes=lambda result: NOTES,
)
