"""The page of latent arithmetic: pictures of a - b + c, how often it comes out, and walks between samples."""

from __future__ import annotations

import seaborn as sns
from matplotlib.figure import Figure

from gan_probe.report.page import Page, Section, canvas
from gan_probe.studies.arithmetic.result import CONTROLS, RESULT, ArithmeticResult

N_ROWS = 6
LEAD_COLOUR, CONTROL_COLOUR, WRONG_COLOUR = "#1f5aa6", "#9a9a9a", "#b04030"


def sums(result: ArithmeticResult) -> Figure:
    """Return a row for each of the first draws: a, b, c and what their sum decodes to, with its name."""
    n_rows = min(N_ROWS, len(result.called))
    equation = result.equation
    figure = canvas(6.4, 1.25 * n_rows + 0.7)
    axes = figure.subplots(n_rows, 4, squeeze=False)
    titles = {"a": equation.a, "b": f"- {equation.b}", "c": f"+ {equation.c}", RESULT: f"= {equation.expected}?"}
    for column, (name, title) in enumerate(titles.items()):
        axes[0][column].set_title(title, fontsize=10)
        for row in range(n_rows):
            axis = axes[row][column]
            axis.set(xticks=[], yticks=[])
            axis.imshow(result.pictures[name][row].squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            if name == RESULT:
                right = result.called[row] == equation.expected
                axis.set_ylabel(
                    result.called[row], rotation=0, ha="left", va="center", fontsize=9, labelpad=8,
                    color=LEAD_COLOUR if right else WRONG_COLOUR,
                )  # fmt: skip
                axis.yaxis.set_label_position("right")
    return figure


def bars(result: ArithmeticResult) -> Figure:
    """Return how often the sum and its controls are called the expected class, with intervals."""
    figure = canvas(7.5, 2.4)
    axis = figure.subplots()
    names = {RESULT: RESULT, **dict(zip(CONTROLS, CONTROLS, strict=True))}
    for place, share in enumerate(result.shares):
        colour = LEAD_COLOUR if share.name == RESULT else CONTROL_COLOUR
        axis.barh(place, share.share, color=colour)
        axis.plot([share.ci_low, share.ci_high], [place, place], color="black", linewidth=1.5)
    axis.set_yticks(range(len(result.shares)), [names[share.name] for share in result.shares])
    axis.invert_yaxis()
    axis.set_xlim(0, 1)
    axis.set_xlabel(f"share of draws called {result.equation.expected} (black: 95 % interval)")
    sns.despine(figure)
    return figure


def walks(result: ArithmeticResult) -> Figure:
    """Return one row a walk between two samples, with its largest step."""
    n_rows, n_columns = result.walks.shape[:2]
    figure = canvas(0.95 * n_columns + 1.2, 0.95 * n_rows)
    axes = figure.subplots(n_rows, n_columns, squeeze=False)
    for row in range(n_rows):
        for column in range(n_columns):
            axis = axes[row][column]
            axis.set_axis_off()
            axis.imshow(result.walks[row, column].squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes[row][-1].text(
            1.1, 0.5, f"largest\nstep {result.jumps[row]:.0%}", transform=axes[row][-1].transAxes, fontsize=8,
            va="center",
        )  # fmt: skip
    return figure


SECTIONS: tuple[Section[ArithmeticResult], ...] = (
    Section(
        "sums",
        "a - b + c",
        "The first draws. Each concept is the mean of three latents whose images the classifier calls by its name;"
        " shown are the images of the means and of their sum, and at the right what the classifier calls it.",
        sums,
        is_vector=False,
    ),
    Section(
        "shares",
        "How often does it come out?",
        "The sum beside its controls: c and a alone, and c moved by a step that is as long as a - b and means nothing.",
        bars,
    ),
    Section(
        "walks",
        "Walks between samples",
        "From one sample to the next on the arc between their latents.",
        walks,
        is_vector=False,
    ),
)


PAGE = Page[ArithmeticResult](
    schema="gan_probe.arithmetic/1",
    title=lambda result: f"{result.equation.a} - {result.equation.b} + {result.equation.c} = ?",
    sections=lambda result: SECTIONS,
    provenance=lambda result: {**result.sizes, **result.provenance},
)
