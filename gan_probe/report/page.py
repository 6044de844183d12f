"""What every page shares: a folder with one HTML file that works offline, figures, and every number as JSON."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

from synthetic.files import atomic_folder

M = TypeVar("M")  # what the figures of a page are drawn from

MARKER = "report.json"
DPI = 110
PLAIN: Any = {"svg.hashsalt": "gan-probe", "text.parse_math": False}  # the same bytes each time; "$" is a dollar


@dataclass(frozen=True)
class Section(Generic[M]):
    """One figure of a page: its name, heading, what to see in it, and how to draw it (None where it cannot be)."""

    name: str
    heading: str
    caption: str
    draw: Callable[[M], Figure | None]
    is_vector: bool = True  # pictures made of pixels gain nothing from SVG


@contextmanager
def page_folder(
    out: str | Path,
    sections: Sequence[Section[M]],
    material: M,
    *,
    template: str,
    record: Mapping[str, Any],
    context: Mapping[str, Any],
    overwrite: bool = False,
) -> Iterator[Path]:
    """Write ``report.html``, ``report.json`` and ``figures/``; yield the folder, for tables beside them.

    The folder appears whole, after the block, or not at all.

    Parameters
    ----------
    out : path
    sections : sequence of Section
    material : object
        What the sections draw.
    template : str
        A file in ``templates``.
    record : mapping
        ``report.json``.
    context : mapping
        What the template needs beside ``sections``: ``title``, ``command``, ``findings``, ``warnings``, ``provenance``
        and its own.
    overwrite : bool

    Raises
    ------
    FileExistsError
        When ``out`` is taken.
    """
    environment = Environment(loader=PackageLoader("gan_probe.report"), autoescape=True, undefined=StrictUndefined)
    with atomic_folder(out, marker=MARKER, overwrite=overwrite) as folder:
        drawn = list(_draw(folder / "figures", sections, material))
        (folder / MARKER).write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        page = environment.get_template(template).render(sections=drawn, **context)
        (folder / "report.html").write_text(page, encoding="utf-8")
        yield folder


def _draw(folder: Path, sections: Sequence[Section[M]], material: M) -> Iterator[dict[str, Any]]:
    """Save each figure, and yield its section with the picture for the page."""
    folder.mkdir()
    with rc_context(PLAIN):
        for section in sections:
            figure = section.draw(material)
            if figure is None:
                continue
            if section.is_vector:
                figure.savefig(folder / f"{section.name}.svg", metadata={"Date": None})
            png = _png(figure)
            (folder / f"{section.name}.png").write_bytes(png)
            yield {**vars(section), "png": base64.b64encode(png).decode()}


def _png(figure: Figure) -> bytes:
    """Return a figure as PNG of 256 colours, a third of the size of full colour."""
    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(packed, format="PNG", optimize=True)
    return packed.getvalue()


def _number(value: Any) -> Any:
    """Return a plain value; numbers that are not finite become None, as JSON has no word for them."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def plain(record: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a record of plain values, as JSON takes them."""
    return {k: _number(v) for k, v in record.items()}
