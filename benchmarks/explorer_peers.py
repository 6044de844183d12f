"""The explorer's page beside plotly's and Bokeh's of the same points: bytes, time to build, first paint, time to use.

pip install plotly bokeh        # neither is a dependency
python benchmarks/explorer_peers.py [--points 100000] [--pictures 2000] [--n 5]

Each page is one file that works offline. Ours holds pictures, too, which the others do not; theirs is drawn as they
advise for many points (scattergl, output_backend="webgl"), a trace for each class, with path and class at the pointer.
Pages are opened in turn, each in a browser of its own, which draws in software. Usable: loaded, drawn, and two frames
shown. CPU time is that of the browser's main thread until then.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import record
from explorer import page_of, points

from gan_probe.report.explorer import Points
from tests.browser import browser

FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"
PAINT = "performance.getEntriesByType('paint').find((e) => e.name === 'first-contentful-paint')?.startTime ?? null"


def ours(found: Points, out: Path) -> Path:
    """Write a page of ours."""
    return page_of(found, out)


def plotly(found: Points, out: Path) -> Path:
    """Write a page of plotly's."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for label, rows in _classes(found).items():
        x, y = (found.numbers[f"projection.{axis}"][rows] for axis in (1, 2))
        paths = [found.paths[i] for i in rows]
        figure.add_trace(go.Scattergl(x=x, y=y, mode="markers", name=label, marker={"size": 4}, text=paths))
    figure.update_layout(dragmode="lasso", width=1200, height=700)
    out.mkdir()
    figure.write_html(out / "page.html", include_plotlyjs=True)
    return out / "page.html"


def bokeh(found: Points, out: Path) -> Path:
    """Write a page of Bokeh's."""
    from bokeh.embed import file_html
    from bokeh.models import ColumnDataSource
    from bokeh.palettes import Category10
    from bokeh.plotting import figure
    from bokeh.resources import INLINE

    plot = figure(
        width=1200, height=700, output_backend="webgl", tools="pan,wheel_zoom,lasso_select,hover",
        tooltips=[("path", "@path"), ("class", "@label")],
    )  # fmt: skip
    for colour, (label, rows) in zip(Category10[10], _classes(found).items(), strict=True):
        columns = {"x": found.numbers["projection.1"][rows], "y": found.numbers["projection.2"][rows],
                   "path": [found.paths[i] for i in rows], "label": [label] * len(rows)}  # fmt: skip
        plot.scatter("x", "y", source=ColumnDataSource(columns), size=4, color=colour, legend_label=label)
    out.mkdir()
    (out / "page.html").write_text(file_html(plot, INLINE, "points"), encoding="utf-8")
    return out / "page.html"


# How each builds its page, and what is true in the browser when it is drawn.
PEERS: dict[str, tuple[Callable[[Points, Path], Path], str]] = {
    "gan-probe": (ours, "'ready' in document.getElementById('explorer').dataset"),
    "plotly": (plotly, "document.querySelector('.js-plotly-plot')?.calcdata"),
    "bokeh": (bokeh, "window.Bokeh?.documents[0]?.is_idle"),
}


def _classes(found: Points) -> dict[str, np.ndarray]:
    labels = found.kinds["label"]
    return {str(label): np.flatnonzero(labels == label) for label in np.unique(labels)}


def _cpu_s() -> float:
    spent = os.times()
    return spent.user + spent.system


def opened(page: Path, drawn: str) -> dict[str, float]:
    """Open a page in a new browser; return milliseconds until its first paint and until it can be used."""
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as tab:
        tab.ask("Performance.enable", timeDomain="threadTicks")
        tab.open(page)
        tab.until(drawn)
        usable = float(tab.value(FRAMES))
        values = {m["name"]: m["value"] for m in tab.ask("Performance.getMetrics")["metrics"]}
        return {"paint": float(tab.value(PAINT) or np.nan), "usable": usable, "cpu": 1000 * values["TaskDuration"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--pictures", type=int, default=2_000)
    parser.add_argument("--n", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="Leave the pages in a folder.")
    arguments = parser.parse_args()
    found = points(arguments.points, arguments.pictures)
    built: dict[str, list[float]] = {name: [] for name in PEERS}
    times: dict[str, list[dict[str, float]]] = {name: [] for name in PEERS}
    with tempfile.TemporaryDirectory() as folder:
        pages = {}
        for turn in range(arguments.n):
            for name, (build, drawn) in PEERS.items():
                before = _cpu_s()
                pages[name] = build(found, (arguments.keep or Path(folder)) / f"{name}-{turn}")
                built[name].append(_cpu_s() - before)
                times[name].append(opened(pages[name], drawn))
                print(f"{turn + 1} of {arguments.n}: {name} {times[name][-1]}", flush=True)
        sizes = {name: page.stat().st_size for name, page in pages.items()}
    rows: dict[str, Any] = {
        name: {
            "version": version(name),
            "bytes": sizes[name],
            "build_cpu_s": record.spread(built[name]),
            "first_paint_ms": record.spread([t["paint"] for t in times[name] if t["paint"] > 0]),  # where it is told
            "usable_ms": record.spread([t["usable"] for t in times[name]]),
            "usable_cpu_ms": record.spread([t["cpu"] for t in times[name]]),
        }
        for name in PEERS
    }
    what = (
        f"{arguments.points:,} points, headless Chromium that draws in software, 1280x800; ours with"
        f" {arguments.pictures:,} pictures of 32 px"
    )
    record.save("explorer-peers", {"what": what, "pages": rows})


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} s")
