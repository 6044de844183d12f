"""One browser for all tests of pages, and a page of every kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import Tab, browser
from tests.report.kinds import KINDS


@pytest.fixture(scope="session")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of every page kind; half a minute."""
    out = tmp_path_factory.mktemp("kinds")
    for name, kind in KINDS.items():
        (out / f"{name}-parts").mkdir()
        kind(out / f"{name}-parts").save(out / name, command=f"gan-probe {name} x")
    return {name: out / name for name in KINDS}
