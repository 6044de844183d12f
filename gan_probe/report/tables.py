"""Tables: one column spec, whoever shows them. The one place where a number becomes text.

To add a way of writing a number: one function and one row in ``FORMS``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from gan_probe.report.glossary import meaning_of
from gan_probe.stats.beside import title_of
from gan_probe.text import visible

Row = Mapping[Any, Any]

FORMS: dict[str, Callable[[Any], str]] = {
    "text": str,
    "plain": lambda v: f"{v:d}" if isinstance(v, Integral) else f"{v:g}",
    "three": lambda v: f"{v:.3f}",
    "two": lambda v: f"{v:.2f}",
    "signed": lambda v: f"{v:+.3f}",
    "percent": lambda v: f"{100 * v:.1f} %",
    "whole percent": lambda v: f"{100 * v:.0f} %",
    "points": lambda v: f"{100 * v:+.1f}",
    "hundredths": lambda v: f"{100 * v:.1f}",
    "yes": lambda v: "yes" if v else "no",
}


@dataclass(frozen=True, kw_only=True)
class Col:
    """One column of a table.

    Attributes
    ----------
    title : str
        Never empty: it is what sorts the column, and what a screen reader says.
    of : str, tuple of str, or callable
        The key of the value in a row; two keys, the ends of an interval; or a function of the row.
    form : str
        A row of `FORMS`.
    """

    title: str
    of: str | tuple[str, str] | Callable[[Row], Any]
    form: str = "text"

    @property
    def help(self) -> str:
        """What the title means, where it does not say so itself."""
        return meaning_of(self.title)

    @property
    def is_number(self) -> bool:
        """Whether it is set to the right."""
        return self.form not in ("text", "yes")

    def text(self, row: Row) -> str:
        """Return the cell: empty where there is no value."""
        if isinstance(self.of, tuple):
            ends = [shown(row.get(key), self.form) for key in self.of]
            return " to ".join(ends) if all(ends) else ""
        return shown(self.of(row) if callable(self.of) else row.get(self.of), self.form)


def shown(value: Any, form: str) -> str:
    """Return a value as text; none for None and for numbers that are none.

    Examples
    --------
    >>> shown(0.1234, "percent"), shown(-0.05, "points"), shown(float("nan"), "three"), shown(None, "text")
    ('12.3 %', '-5.0', '', '')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return FORMS["text"](value) if isinstance(value, str) else FORMS[form](value)


def control_of(key: str) -> Callable[[Row], str]:
    """Return what reads the name of a control from a row, in words."""
    return lambda row: title_of(str(row.get(key) or ""))


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of a page, of the terminal and of a notebook.

    Attributes
    ----------
    name : str
        Its anchor on the page.
    columns : sequence of Col
    rows : sequence of mapping
    heading, note : str
        Above it; a table with a heading has a section of its own.
    below : str
        Else the figure that it stands under.
    folded : str
        Summary that it is folded behind; empty: open.
    says : str
        Of a table with a heading, what it says in a line, which stands there when it is folded.
    is_open : bool
        Whether it has something to say, so that it is not folded on a page with a verdict.
    classes : callable
        Which classes a row is about; the explorer shows them.
    is_marked : callable
        Which rows are tinted: those that tell against the critic.
    """

    name: str
    columns: Sequence[Col]
    rows: Sequence[Row]
    heading: str = ""
    note: str = ""
    below: str = ""
    folded: str = ""
    says: str = ""
    is_open: bool = False
    classes: Callable[[Row], Sequence[str]] = lambda row: ()
    is_marked: Callable[[Row], bool] = lambda row: False

    def cells(self) -> list[dict[str, Any]]:
        """Return each row as a page writes it: cells as (text, whether it is a number), and what is to know of it."""
        return [
            {
                "is_marked": self.is_marked(row),
                "classes": json.dumps([str(name) for name in self.classes(row)]) if self.classes(row) else "",
                "cells": [(c.text(row), c.is_number) for c in self.columns],
            }
            for row in self.rows
        ]

    def terminal(self) -> Any:
        """Return the table as rich prints it; names that look like rich's markup are none."""
        import rich.table
        from rich.markup import escape
        from rich.text import Text

        table = rich.table.Table(*(escape(visible(c.title)) for c in self.columns), box=None)
        for row in self.rows:
            table.add_row(*(Text(visible(c.text(row), keep="")) for c in self.columns))
        return table


def pairs(name: str, values: Mapping[str, Any], titles: tuple[str, str], **options: Any) -> Table:
    """Return names and values as a table of two columns."""
    rows = [{"name": key, "value": value} for key, value in values.items()]
    columns = [Col(title=titles[0], of="name"), Col(title=titles[1], of=lambda row: str(row["value"]))]
    return Table(name=name, columns=columns, rows=rows, **options)
