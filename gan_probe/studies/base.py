"""What every study gives back: numbers, sentences, tables, figures and a page; and how it notes what it leaves out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gan_probe.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from gan_probe.studies.judgement import Opening


def plain(record: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a record of plain values, as JSON takes them: numbers that are not finite become None."""
    return {k: _number(v) for k, v in record.items()}


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


class StudyResult(ABC):
    """The answer to one question about critics; shows itself in a notebook, plots, and saves the page of the verb.

    Attributes
    ----------
    study : str
        The study's word: of its folder, its page in `gan_probe.report`, its verb and its schema.
    provenance : mapping
        Which critics, which data, which settings.
    warnings : sequence of str
        What was left out, and why.
    """

    study: ClassVar[str]
    provenance: Mapping[str, Any]
    warnings: Sequence[str]

    @abstractmethod
    def findings(self) -> list[str]:
        """Return what was found, in sentences; losses as plainly as wins."""

    @abstractmethod
    def metrics(self) -> Any:
        """Return the numbers that the command line prints and gates read, as a dataclass."""

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """Return every number of the page as plain data: what ``report.json`` holds beside provenance and findings."""

    @abstractmethod
    def opening(self) -> Opening:
        """Return what the first screen of the page holds besides its title: the verdict, or what it answers instead."""

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables that stand beside the page as CSV files, by the file's stem."""
        return {}

    def write_beside(self, folder: Path) -> None:
        """Write what else stands beside the page: arrays, Parquet files; by default nothing."""
        del folder

    def figures(self) -> list[str]:
        """Return the names of the figures that `plot` draws; of these some may have nothing to show."""
        return [section.name for section in self._page().sections(self)]

    def plot(self, name: str | None = None, ax: Axes | None = None) -> list[Axes]:
        """Draw a figure of the page, and return its axes.

        Parameters
        ----------
        name : str, optional
            One of `figures`; default the first.
        ax : Axes, optional
            Where to draw: in it, or, where a figure needs several panels, in the place that it has. Default: a new
            matplotlib figure.

        Raises
        ------
        ConfigError
            For an unknown figure, with the nearest known one.
        InputError
            For a figure that has nothing to show of this result.
        """
        return import_module("gan_probe.report.page").plot(self._page(), self, name, ax)

    def save(self, out: str | Path, *, title: str = "", command: str = "", overwrite: bool = False) -> Path:
        """Write the folder that the command line writes, whole or not at all; return the path of its page.

        ``report.html`` (one file, works offline), ``report.json`` (every number), ``figures/`` and `tables` as CSV.

        Raises
        ------
        FileExistsError
            When ``out`` is taken.
        """
        write = import_module("gan_probe.report.page").write
        return write(self._page(), self, Path(out), title=title, command=command, overwrite=overwrite)

    def _repr_html_(self) -> str:
        """Return findings, one table and one figure, as notebooks show them."""
        return import_module("gan_probe.report.page").as_html(self._page(), self)

    def _page(self) -> Any:
        """Return the study's page. Pages lie above studies, so they are looked up by the study's word."""
        return import_module(f"gan_probe.report.{self.study}").PAGE


class Notes(list[str]):
    """Collects, in sentences, what a study leaves out."""

    @contextmanager
    def part(self, what: str) -> Iterator[None]:
        """Run a part; when the data does not allow it, note why and go on."""
        try:
            yield
        except InputError as error:
            self.append(f"{what}: left out, {error}")


def quiet(part: str) -> None:
    """Say nothing of a part that is done: what `on_step` is by default."""
