"""The explorer with many points in a real Chromium: bytes of the page, time until it can be used, redraw, lasso.

python benchmarks/explorer.py [--points 100000] [--pictures 2000] [--n 15] [--keep FOLDER]

Points, classes and pictures are drawn at random: noise of 32 pixels packs worse than any photograph. A redraw changes
the colour; a lasso goes round half of the points. Both are timed in the page, and as CPU time of the browser's main
thread, which does not depend on what else the machine does. First in the record is the page as it was with --keep.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import record

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/ is in no package
from gan_probe.report.explorer import Points
from gan_probe.report.page import write
from gan_probe.report.unlabelled import PAGE
from gan_probe.scoring.table import ScoreTable
from gan_probe.studies.unlabelled.study import unlabelled
from synthetic import make_dataset
from tests.browser import Tab, browser

N_CLASSES = 10
# What a hand does, without the time between its movements: the script that runs at the end of each is timed.
REDRAW = """(() => {
  const box = document.getElementById("explorer-colour"), found = [];
  for (let k = 0; k < %d; k++) {
    box.value = box.options[k %% 2].value;
    const start = performance.now();
    box.dispatchEvent(new Event("change"));
    found.push(performance.now() - start);
  }
  return found;
})()"""
LASSO = """(() => {
  const plot = document.getElementById("explorer-plot"), b = plot.getBoundingClientRect(), found = [];
  plot.setPointerCapture = () => {};
  const at = (kind, x, y) => plot.dispatchEvent(new PointerEvent(kind, {
    clientX: b.left + x * b.width, clientY: b.top + y * b.height, pointerId: 1, bubbles: true }));
  for (let k = 0; k < %d; k++) {
    at("pointerdown", 0.25, 0.02);
    for (const [x, y] of [[0.75, 0.02], [0.8, 0.5], [0.75, 0.98], [0.5, 0.9], [0.25, 0.98]]) at("pointermove", x, y);
    const start = performance.now();
    at("pointerup", 0.25, 0.5);
    found.push(performance.now() - start);
  }
  return found;
})()"""


def points(n: int, n_pictures: int) -> Points:
    """Return points in ten overlapping classes, with pictures of shapes under noise."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, N_CLASSES, n)
    numbers = {"critic_score": classes + rng.normal(size=n)}
    for axis in (1, 2):
        numbers[f"projection.{axis}"] = 3 * rng.normal(size=N_CLASSES)[classes] + rng.normal(size=n)
    numbers["brightness"] = rng.normal(size=n)
    shapes = make_dataset("jitter-test", per_class=-(-n_pictures // 10), seed=0).images[:n_pictures, ::2, ::2]
    labels = np.array([f"class {c}" for c in range(N_CLASSES)])[classes]
    return Points(
        numbers=numbers, kinds={"label": labels}, paths=[f"{label}/{i:06d}.png" for i, label in enumerate(labels)],
        pictured=np.arange(len(shapes)), pictures=list(shapes),
    )  # fmt: skip


def page_of(found: Points, out: Path) -> Path:
    """Write a page of little but its explorer."""
    import pandas as pd

    result = unlabelled(ScoreTable(pd.DataFrame({"critic_score": np.arange(50.0)}), {}))
    return write(replace(PAGE, points=lambda _: found), result, out)


def timed(tab: Tab, script: str, n: int) -> dict[str, Any]:
    """Return milliseconds of each repetition in the page, and CPU milliseconds of the main thread for each."""
    tab.value(script % 3)
    before = _cpu_s(tab)
    found = tab.value(script % n)
    return {
        "page_ms": record.spread([float(v) for v in found]),
        "cpu_ms_each": round(1000 * (_cpu_s(tab) - before) / n, 2),
    }


def _cpu_s(tab: Tab) -> float:
    values = {m["name"]: m["value"] for m in tab.ask("Performance.getMetrics")["metrics"]}
    return float(values["ScriptDuration"])


def measure(page: Path, n: int) -> dict[str, Any]:
    """Return size, time to use, redraw and lasso of a page."""
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as tab:
        tab.ask("Performance.enable", timeDomain="threadTicks")
        ready = []
        for _ in range(3):
            tab.open(page)
            ready.append(float(tab.value("performance.now()")))
        found = {"redraw": timed(tab, REDRAW, n), "lasso": timed(tab, LASSO, n)}
        chosen = tab.value("document.querySelector('#explorer-count').textContent")
    return {"bytes": page.stat().st_size, "ready_ms": record.spread(ready), "lassoed": chosen, **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--pictures", type=int, default=2_000)
    parser.add_argument("--n", type=int, default=15)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = page_of(points(arguments.points, arguments.pictures), (arguments.keep or Path(folder)) / "page")
        results = measure(page, arguments.n)
    what = f"{arguments.points:,} points, {arguments.pictures:,} pictures of 32 px, headless Chromium, 1280x800"
    record.save("explorer", {"what": what, **results})


if __name__ == "__main__":
    main()
