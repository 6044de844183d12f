"""Colours and marks: the same class in the same colour, with the same mark, in every figure and in the explorer.

Any two of the ten colours stay apart for every kind of eye (a test measures it); the mark is a second channel.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.colors import to_rgb

CRITIC_COLOUR, CONTROL_COLOUR = "#1f5aa6", "#9a9a9a"
# Found by search: the smallest CIEDE2000 difference of two is 15, over plain sight and protanopia, deuteranopia and
# tritanopia (Machado 2009, severity 1), among colours that stand out from white and from a dark page.
PALETTE = [
    "#27629d", "#b16200", "#d89deb", "#9db189", "#4e4e4e", "#009d9d", "#892714", "#b1b100", "#897662", "#9d62ff",
]  # fmt: skip
MARKS = ["o", "s", "^", "D", "v", "P", "X", "p", "*", "<"]  # matplotlib's names; viewer.js draws the same
HATCHES = ("", "////", "....", "xxxx")
RAMP = ["#00306f", "#39486b", "#575c6d", "#707173", "#8a8779", "#a69d75", "#c4b56c", "#e4cf5b", "#ffea46"]  # cividis
MAX_LEGEND = 20  # classes beyond which a legend is no help
MAX_NAME = 28  # letters of a name on a figure

Colour = tuple[float, float, float]


def short_name(name: str, most: int = MAX_NAME) -> str:
    """Return a name that fits, shortened in its middle: beginnings and ends tell names apart.

    Examples
    --------
    >>> short_name("a" * 20 + "b" * 20, most=11), short_name("circle")
    ('aaaaa…bbbbb', 'circle')
    """
    return name if len(name) <= most else f"{name[: most // 2]}…{name[-((most - 1) // 2) :]}"


def legend_name(label: str) -> str:
    """Return a label as legends take it: matplotlib leaves out those that start with an underscore."""
    return f" {short_name(label)}" if label.startswith("_") else short_name(label)


def class_colours(table: pd.DataFrame) -> dict[str, Colour]:
    """Return a colour for each label; from the eleventh on they repeat, with other marks."""
    labels = list(dict.fromkeys(table["label"].astype(str)))
    return {label: to_rgb(PALETTE[place % len(PALETTE)]) for place, label in enumerate(labels)}


def class_fills(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return how the histogram of each label is filled: in its colour, from the eleventh label on hatched in white."""
    rounds = {label: place // len(PALETTE) for place, label in enumerate(dict.fromkeys(table["label"].astype(str)))}
    return {
        label: filled(colour, HATCHES[min(rounds[label], len(HATCHES) - 1)])
        for label, colour in class_colours(table).items()
    }


def filled(colour: Any, hatch: str = "") -> dict[str, Any]:
    """Return what fills an area with a colour, and what hatches it in white."""
    return {"facecolor": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0, "alpha": 0.85}


def class_marks(table: pd.DataFrame) -> dict[str, str]:
    """Return a mark for each label: of up to ten classes with ``factor.shape`` one a shape, else one a label.

    Colour and mark together are of one label alone, up to a hundred.
    """
    labels = list(dict.fromkeys(table["label"].astype(str)))
    if "factor.shape" in table and len(labels) <= len(PALETTE):
        shapes = table.assign(label=table["label"].astype(str)).drop_duplicates("label").set_index("label")
        known = list(dict.fromkeys(shapes["factor.shape"].astype(str)))
        return {label: MARKS[known.index(str(shapes.loc[label, "factor.shape"])) % len(MARKS)] for label in labels}
    return {label: MARKS[(place + place // len(PALETTE)) % len(MARKS)] for place, label in enumerate(labels)}
