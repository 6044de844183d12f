"""One browser for all tests of pages, and a page of every kind."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from gan_probe.studies.base import StudyResult
from tests.browser import Tab, browser
from tests.report.kinds import KINDS


@pytest.fixture(scope="session")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], StudyResult]:
    """The result of a page kind, made once."""
    return cache(lambda name: KINDS[name](tmp_path_factory.mktemp(name)))


@pytest.fixture(scope="session")
def pages(results: Callable[[str], StudyResult], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of every page kind; half a minute."""
    out = tmp_path_factory.mktemp("kinds")
    for name in KINDS:
        results(name).save(out / name, command=f"gan-probe {name} x")
    return {name: out / name for name in KINDS}
