"""Every interval that a page prints is in the inventory, and covers; in full by ``make coverage``."""

import ast
import importlib
import sys
from functools import reduce
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))  # scripts, in no package

import interval_coverage as simulation

ROOT = Path(__file__).parents[2]

# what intervals are made by: to call one is to print, or to hand on, an interval
MAKERS = {
    "auroc_interval", "widen", "difference_interval", "distance_interval", "mean_over_margins", "jackknife_width",
    "runs_and_images", "hierarchical_bootstrap", "group_jackknife", "bits_interval", "proportion_ci", "quantile",
}  # fmt: skip
# modules that call one for something else, or hand an interval of the inventory on
NO_INTERVAL = {
    "stats.alignment": "quantiles that scores are mapped by",
    "stats.conformal": "the score at which 95 % are accepted, beside AUROCs of the inventory",
    "studies.check.study": "asks auroc_interval",
    "stats.novelty": "the number beyond which p-values fall exponentially",
    "studies.outliers.detection": "asks auroc_interval",
    "studies.separation.analysis": "asks bits_interval and hierarchical_bootstrap",
    "studies.separation.distances": "asks distance_interval",
    "studies.separation.opening": "asks auroc_interval",
}


def callers() -> set[str]:
    found = set()
    for path in (ROOT / "gan_probe").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in MAKERS:
                    found.add(".".join(path.relative_to(ROOT / "gan_probe").with_suffix("").parts))
    return found


def test_who_makes_an_interval_is_in_the_inventory() -> None:
    listed = {of for row in simulation.INTERVALS for of in modules_of(row.of)}
    statistics = {name for name in callers() if name.startswith(("stats.", "studies."))}
    assert statistics - listed == set(NO_INTERVAL) - listed


def modules_of(name: str) -> set[str]:
    parts = name.split(".")
    return {".".join(parts[:i]) for i in range(2, len(parts))}


@pytest.mark.parametrize("row", simulation.INTERVALS, ids=lambda row: row.name)
def test_the_inventory_names_functions_that_exist(row: simulation.Interval) -> None:
    (module, *_) = sorted(
        (m for m in modules_of(row.of) if (ROOT / "gan_probe" / f"{m.replace('.', '/')}.py").is_file()), key=len
    )
    names = row.of.removeprefix(f"{module}.").split(".")
    assert callable(reduce(getattr, names, importlib.import_module(f"gan_probe.{module}")))


def test_every_cell_of_the_inventory_was_measured_as_often_as_is_said_and_none_is_outside() -> None:
    measured = {(cell["interval"], cell["cell"]): cell for cell in simulation.read_record()}
    cells = {(row.name, cell.title) for row in simulation.INTERVALS for cell in row.cells}
    assert set(measured) == cells
    for name in cells:
        assert measured[name]["repetitions"] >= simulation.REPETITIONS, name
    assert [name for name, cell in measured.items() if cell["is_outside"]] == []


FAST = [row for row in simulation.INTERVALS if not all(cell.is_slow for cell in row.cells)]


@pytest.mark.slow
@pytest.mark.parametrize("row", FAST, ids=lambda row: row.name)
def test_intervals_cover(row: simulation.Interval) -> None:
    """A hundred repetitions of each cell that is fast: what is far from 95 % shows."""
    found = list(simulation.run(100, row.name, with_slow=False))
    assert [f"{c.cell}: {c.coverage:.3f}" for c in found if c.is_outside] == []
    assert row.name in {c.interval for c in found}


@pytest.mark.nightly
@pytest.mark.parametrize("row", simulation.INTERVALS, ids=lambda row: row.name)
def test_intervals_cover_at_night(row: simulation.Interval) -> None:
    """Two hundred repetitions of every cell, the slow ones too."""
    found = list(simulation.run(200, row.name))
    assert [f"{c.cell}: {c.coverage:.3f}" for c in found if c.is_outside] == []
