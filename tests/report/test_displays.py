"""Displays: numbers first, drawing second; a result in a notebook opens as its page does."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from gan_probe import SeparationDisplay, StudyDisplay
from gan_probe.errors import ConfigError
from gan_probe.studies.separation.analysis import analyse
from tests.studies.separation.test_result import NOISE, STEPS, table

SCORES = table(STEPS, random_init__0=NOISE, brightness=NOISE)


def test_a_display_draws_the_result_s_numbers_where_it_is_told() -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    shown = SeparationDisplay.from_scores(SCORES, figure="auroc")
    assert shown.axes_ == []
    assert shown.plot(ax=right) is shown
    assert (shown.ax_, shown.figure_) == (right, figure)
    assert not left.has_data()
    drawn = right.get_images()[0].get_array() if right.get_images() else right.collections[0].get_array()
    assert np.ma.max(drawn) == max(pair.pair.auroc for pair in shown.result.pairs)  # type: ignore[attr-defined]


def test_any_result_has_a_display() -> None:
    found = StudyDisplay(result=analyse(SCORES, clusters=False), figure="scores").plot()
    assert found.ax_ is found.axes_[0]


def test_an_unknown_figure_is_refused_before_the_work() -> None:
    with pytest.raises(ConfigError, match="margins"):
        SeparationDisplay.from_scores(SCORES, figure="margin")


def test_a_notebook_shows_the_first_screen() -> None:
    html = analyse(SCORES, clusters=False)._repr_html_()
    assert "Better than every control" in html
    assert html.count('class="tile ') == 4
    assert "<script" not in html
    assert ' id="' not in html
