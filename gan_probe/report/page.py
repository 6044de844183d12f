"""What every page shares: a folder with one HTML file that works offline, figures, and every number as JSON."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image

from gan_probe.errors import InputError
from gan_probe.names import check_name
from gan_probe.report.explorer import Points, packed
from gan_probe.report.glossary import meaning_of
from gan_probe.report.tables import Table
from gan_probe.text import as_csv, placeless, visible, without_known, without_place, without_places_in
from synthetic.files import atomic_folder

M = TypeVar("M")  # what the figures of a page are drawn from

MARKER, HTML = "report.json", "report.html"
DPI = 110
MAX_INLINE = 120_000  # bytes of an SVG that stands in the page as it is; larger ones stand there as PNG
# the same bytes each time; "$" is a dollar; text stays text, in the reader's fonts
PLAIN: Any = {
    "svg.hashsalt": "gan-probe", "text.parse_math": False, "svg.fonttype": "none", "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": False, "axes.facecolor": "none",
}  # fmt: skip
ICONS = {"better": "▲", "as good": "●", "worse": "▼", "unknown": "?", "told": "◆"}


@dataclass(frozen=True)
class Section(Generic[M]):
    """One figure of a page: its name, heading, what to see in it, and how to draw it (None where it cannot be)."""

    name: str
    heading: str
    caption: str
    draw: Callable[[M], Figure | None]
    is_vector: bool = True  # pictures made of pixels gain nothing from SVG
    says: Callable[[M], str] = lambda material: ""  # what it shows, in a line: all that is seen of it when folded
    instead: Callable[[M], bool] = lambda material: False  # whether that line says all, so that a page has no figure
    is_notable: Callable[[M], bool] = lambda material: False  # whether it stands open on a page that folds
    is_lead: bool = False  # whether it stands on the first screen
    # the same as steps by their titles, which the page shows one at a time with a slider, and without script all
    steps: Callable[[M], Mapping[str, Figure]] | None = None


@dataclass(frozen=True, kw_only=True)
class Page(Generic[M]):
    """How the result of a study looks.

    Attributes
    ----------
    schema : str
        Of ``report.json``.
    title : callable
        From a result to the heading, where none is given.
    sections : callable
        From a result to its figures, in order.
    tables : callable
        From a result to its tables; a notebook shows the first.
    notes : callable
        From a result to what a reader must know of the page itself, beside the result's warnings.
    points : callable
        From a result to what the explorer shows; None: there is none.
    folds : bool
        Whether sections and tables that have nothing notable to say are folded: on a page of many.
    provenance : callable, optional
        From a result to what the page says of where it comes from; default: the result's own.
    """

    schema: str
    title: Callable[[M], str]
    sections: Callable[[M], Sequence[Section[M]]]
    tables: Callable[[M], Sequence[Table]] = lambda result: ()
    notes: Callable[[M], Sequence[str]] = lambda result: ()
    points: Callable[[M], Points | None] = lambda result: None
    folds: bool = False
    provenance: Callable[[M], Mapping[str, Any]] | None = None


def write(
    page: Page[M], result: Any, out: Path, *, title: str = "", command: str = "", overwrite: bool = False
) -> Path:
    """Write the folder of a result, whole or not at all; see `gan_probe.studies.base.StudyResult.save`."""
    opening, heading = result.opening(), title or page.title(result)
    known = result.provenance.values()
    findings = [without_known(line, known) for line in result.findings()]
    warned, noted = (
        [without_place(without_known(line, known)) for line in lines] for lines in (result.warnings, page.notes(result))
    )
    command = without_places_in(command)
    record = {
        "schema": page.schema,
        "title": heading,
        "provenance": {"command": command, **placeless(result.provenance)},
        **opening.record(),
        "findings": findings,
        **result.record(),
        "warnings": warned,
    }
    tables, points = page.tables(result), page.points(result)
    with atomic_folder(out, marker=MARKER, overwrite=overwrite) as folder:
        drawn = list(_draw(folder / "figures", page.sections(result), result, folds=page.folds))
        (folder / MARKER).write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        html = (
            _environment()
            .get_template("page.html.j2")
            .render(
                title=heading,
                command=command,
                about=opening.about,
                folds=page.folds,
                date=datetime.now().astimezone().date().isoformat(),
                opening=opening,
                icons=ICONS,
                number=_tile_number,
                explained=meaning_of,
                words=_words(tables, opening),
                findings=findings,
                warnings=[*warned, *noted],
                lead=next((s for s in drawn if s["is_lead"]), None),
                explorer=Markup(packed(points)) if points else "",  # noqa: S704 (escaped by `packed`)
                explorer_note=points.note() if points else "",
                sections=[s for s in drawn if not s["is_lead"]],
                below={s["name"]: [t for t in tables if t.below == s["name"]] for s in drawn},
                tables=[t for t in tables if not t.below],
                provenance=placeless(page.provenance(result) if page.provenance else result.provenance),
                files=[f"{stem}.csv" for stem in result.tables()],
                style=Markup(_style()),  # noqa: S704 (our own)
                script=Markup(_asset("viewer.js")),  # noqa: S704
                script_hash=script_hash(),
            )
        )
        (folder / HTML).write_text(visible(html), encoding="utf-8")
        for stem, table in result.tables().items():
            (folder / f"{stem}.csv").write_text(as_csv(table), encoding="utf-8")
        result.write_beside(folder)
    return out / HTML


def _environment() -> Environment:
    return Environment(loader=PackageLoader("gan_probe.report"), autoescape=True, undefined=StrictUndefined)


def _asset(name: str) -> str:
    return files("gan_probe.report").joinpath(name).read_text(encoding="utf-8")


def _words(tables: Sequence[Table], opening: Any) -> dict[str, str]:
    """Return what headings of a page mean, by heading: what is pointed at shows it too, but not on paper or a phone."""
    titles = [tile.title for tile in opening.tiles] + [c.title for table in tables for c in table.columns]
    return {title: meaning_of(title) for title in sorted(set(titles), key=str.casefold) if meaning_of(title)}


def _style() -> str:
    """Return the page's style: the first screen's rules stand in the middle, before those of phone and paper."""
    page = _asset("templates/page.css")
    return page.replace("@media (max-width", f"{_asset('templates/first.css')}@media (max-width", 1)


def script_hash() -> str:
    """Return what the page's Content-Security-Policy names its one script by."""
    digest = hashlib.sha256(_asset("viewer.js").encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _tile_number(value: float, in_points: bool, unit: str = " %") -> str:  # noqa: FBT001 (called by the template)
    return f"{100 * value:.1f}{unit}" if in_points else f"{value:.2f}"


# --- figures without a page --------------------------------------------------------------------------------------

PAGES = "pages"  # figures are for a page; else for somebody's Axes, or for pyplot
_target: ContextVar[Axes | str | None] = ContextVar("target", default=PAGES)


def canvas(width: float, height: float) -> Any:
    """Return what a figure is drawn on, in inches: a new figure, or the place that `plot` was given.

    For `plot` pyplot manages the figure, where pyplot is used at all, so that a notebook shows it.
    """
    target, pyplot = _target.get(), sys.modules.get("matplotlib.pyplot")
    if isinstance(target, Axes):
        return _Place(target)
    if target is None and pyplot is not None:
        return pyplot.figure(figsize=(width, height), layout="constrained")
    return Figure(figsize=(width, height), layout="constrained")


class _Place:
    """A figure drawn into an Axes: one panel takes the Axes itself, several share its place."""

    def __init__(self, ax: Axes) -> None:
        self._ax = ax
        self._sub: Any = None

    def subplots(self, nrows: int = 1, ncols: int = 1, *, squeeze: bool = True, **options: Any) -> Any:
        if nrows * ncols == 1:
            return self._ax if squeeze else np.array([[self._ax]], dtype=object)
        return self._several().subplots(nrows, ncols, squeeze=squeeze, **options)

    def _several(self) -> Any:
        if self._sub is None:
            place = self._ax.get_subplotspec()
            if place is None:
                raise InputError("this figure has several panels, so it needs an Axes of a grid (plt.subplots).")
            figure: Any = self._ax.get_figure()
            self._sub = figure.add_subfigure(place)
            self._ax.set_axis_off()
        return self._sub

    @property
    def axes(self) -> list[Axes]:
        return [self._ax] if self._sub is None else list(self._sub.axes)

    def legend(self, *args: Any, **options: Any) -> Any:
        if self._sub is None:
            options.pop("loc", None)
            return self._ax.legend(*args, **options)
        return self._sub.legend(*args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._several(), name)


def plot(page: Page[M], result: Any, name: str | None, ax: Axes | None) -> list[Axes]:
    """Draw one figure of a page; see `gan_probe.studies.base.StudyResult.plot`."""
    sections = {section.name: section for section in page.sections(result)}
    name = next(iter(sections)) if name is None else name
    check_name("figure", name, sections)
    with _drawing():
        token = _target.set(ax)
        try:
            figure = sections[name].draw(result)
        finally:
            _target.reset(token)
    if figure is None:
        raise InputError(f"the figure {name!r} has nothing to show of this result.")
    return list(figure.axes)


def as_html(page: Page[M], result: Any) -> str:
    """Return the first screen, findings, the first table and the first figure, as notebooks show them."""
    png = ""
    with _drawing():
        for section in page.sections(result):
            figure = section.draw(result)
            if figure is not None:
                png = base64.b64encode(_png(figure)).decode()
                break
    return (
        _environment()
        .get_template("notebook.html.j2")
        .render(
            title=page.title(result),
            findings=result.findings(),
            tables=page.tables(result)[:1],
            png=png,
            opening=result.opening() if hasattr(result, "opening") else None,
            icons=ICONS,
            number=_tile_number,
            explained=meaning_of,
            style=Markup(_asset("templates/first.css")),  # noqa: S704 (our own)
        )
    )


@contextmanager
def _drawing() -> Iterator[None]:
    """Draw in the pages' style; of letters that no font has, figures show boxes without a word: the page has them."""
    with rc_context(PLAIN), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def _draw(folder: Path, sections: Sequence[Section[M]], material: M, *, folds: bool) -> Iterator[dict[str, Any]]:
    """Save each figure, and yield its section with the picture for the page, or with what is said in its place."""
    folder.mkdir()
    with _drawing():
        for section in sections:
            says = section.says(material)
            figure = None if section.instead(material) else section.draw(material)
            if figure is None and not says:
                continue
            is_open = not folds or section.is_notable(material)
            found = {**vars(section), "says": says, "is_open": is_open, "picture": "", "frames": {}}
            if figure is not None:
                found["picture"] = _saved(folder, section, figure)
                frames = section.steps(material) if section.steps else {}
                found["frames"] = {
                    title: _image(_png(frame), f"{section.heading}: {title}") for title, frame in frames.items()
                }
            yield found


def _saved(folder: Path, section: Section[M], figure: Figure) -> Markup:
    """Save a figure, and return it for the page: small SVG as it is, which takes the page's colours and fonts."""
    _lay_out(figure)
    svg = visible(_svg(figure)) if section.is_vector else ""
    if svg:
        (folder / f"{section.name}.svg").write_text(svg, encoding="utf-8")
    png = _png(figure)
    (folder / f"{section.name}.png").write_bytes(png)
    if 0 < len(svg) <= MAX_INLINE:
        return Markup(_inline(svg, section))  # noqa: S704 (matplotlib escapes text)
    return _image(png, section.heading)


def _image(png: bytes, text: str) -> Markup:
    url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return Markup('<img src="{}" alt="{}">').format(url, text)


def _inline(svg: str, section: Section[M]) -> str:
    """Return an SVG for the inside of a page: ids of its own, black is the page's ink, no paper."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{section.name}-{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{section.name}-", svg)
    svg = re.sub(r"""([:"]\s*)(?:#000000|#262626)(?=[;"])""", r"\g<1>currentColor", svg)  # of styles, not of names
    svg = re.sub(r"(<text style=\")(?![^\"]*fill)", r"\g<1>fill: currentColor; ", svg)
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(section.heading)}" ', 1)


def _lay_out(figure: Figure) -> None:
    """Place everything, once; `Figure.savefig` does so four times for two formats, which takes as long as drawing."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def _svg(figure: Figure) -> str:
    drawn = io.StringIO()
    figure.set_facecolor("none")
    FigureCanvasSVG(figure).print_svg(drawn, metadata={"Date": None})
    return drawn.getvalue()


def _png(figure: Figure) -> bytes:
    """Return a figure as PNG of 256 colours, a third of the size of full colour."""
    figure.dpi = DPI
    figure.set_facecolor("white")
    canvas, packed_ = FigureCanvasAgg(figure), io.BytesIO()
    canvas.draw()
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    drawn.quantize(256, dither=Image.Dither.NONE).save(packed_, format="PNG", optimize=True)
    return packed_.getvalue()
