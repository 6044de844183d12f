"""Displays as scikit-learn has them: first the numbers, then ``.plot(ax=)``; what was drawn stays in ``ax_``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gan_probe.names import check_name
from gan_probe.report.separation import FIGURES
from gan_probe.scoring.table import ScoreTable, by_critic
from gan_probe.studies.base import StudyResult
from gan_probe.studies.separation.analysis import analyse

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLUSTERED = ("clusters", "contingency")  # figures that need clusterings, which take longest


@dataclass(kw_only=True)
class StudyDisplay:
    """One figure of a study's result.

    Parameters
    ----------
    result : StudyResult
    figure : str, optional
        One of ``result.figures()``; default the first.

    Attributes
    ----------
    axes_ : list of Axes
        What was drawn, after `plot`.
    ax_ : Axes
        The first of them.
    figure_ : Figure
        That holds them.
    """

    result: StudyResult = field(repr=False)
    figure: str | None = None
    axes_: list[Axes] = field(default_factory=list, init=False, repr=False)
    ax_: Axes | None = field(default=None, init=False, repr=False)
    figure_: Figure | None = field(default=None, init=False, repr=False)

    def plot(self, ax: Axes | None = None) -> StudyDisplay:
        """Draw the figure, and return the display.

        Parameters
        ----------
        ax : Axes, optional
            Where; default a new figure.
        """
        self.axes_ = self.result.plot(self.figure, ax)
        self.ax_ = self.axes_[0]
        self.figure_ = self.ax_.get_figure(root=True)
        return self


@dataclass(kw_only=True)
class SeparationDisplay(StudyDisplay):
    """What a critic's scores separate, beside its controls: one figure of the report."""

    @classmethod
    def from_scores(
        cls, scores: ScoreTable | Sequence[ScoreTable], *, figure: str = "margins", seed: int = 0
    ) -> SeparationDisplay:
        """Return the display of a table of scores, or of several trainings' tables of the same images.

        Parameters
        ----------
        scores : ScoreTable or sequence of ScoreTable
            With labels.
        figure : str
            One of the report's: "margins", "scores", "controls", "auroc", "closest", "factors", "distances", "unseen",
            "projection", "clusters", "contingency".
        seed : int

        Raises
        ------
        ConfigError
            For an unknown figure, with the nearest known one.
        InputError
            When the scores cannot be analysed.

        Examples
        --------
        >>> import numpy as np
        >>> import pandas as pd
        >>> labels = np.repeat(["a", "b"], 20)
        >>> table = pd.DataFrame({"critic_score": np.arange(40.0), "label": labels})
        >>> SeparationDisplay.from_scores(ScoreTable(table, {}), figure="scores").plot().ax_.get_ylabel()
        'images'
        """
        check_name("figure", figure, [section.name for section in FIGURES])
        first, *more = by_critic([scores] if isinstance(scores, ScoreTable) else scores)
        return cls(result=analyse(first, more, seed=seed, clusters=figure in CLUSTERED), figure=figure)
