"""What the explorer on a page shows: one row an image, packed; small pictures in one sheet. Drawn by ``viewer.js``."""

from __future__ import annotations

import base64
import io
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from gan_probe.report.style import MARKS, PALETTE, RAMP
from gan_probe.text import visible
from gan_probe.types import Indices, Values

MAX_POINTS = 100_000  # beyond, a sample is shown, and the page says so
MANY_POINTS = 20_000  # beyond, only the axes named first are kept: they are most of the bytes
FEW_AXES = 4
MAX_THUMBNAILS = 2000
THUMBNAIL_PX = 32
QUALITY = 70  # of the sheet of pictures, WebP
COARSE = 32  # levels that are one where there are many points: 2,048 are more than a screen tells apart
LEVELS = 65534  # of a number; the next code stands for none


@dataclass(frozen=True, kw_only=True)
class Points:
    """One row an image, as the explorer takes it.

    Attributes
    ----------
    numbers : mapping of str to ndarray (n,)
        What axes and colours are made of, by name, the score first; NaN where there is none.
    kinds : mapping of str to ndarray (n,)
        What images are sorted by, as text, the class first where there are classes.
    titles : mapping of str to str
        Of numbers and kinds, where it is not the name.
    marks : mapping of str to mapping of str to int
        Of some kinds, the number of the mark of each value; default in the order of the values.
    order : mapping of str to sequence of str
        Of some kinds, their values in order; default as they come.
    paths : sequence of str
        Of the images; empty where they have none.
    pictured : ndarray of int (k,)
        Rows that have a picture.
    pictures : sequence of ndarray (h, w, c)
        Of those rows, in their order.
    """

    numbers: Mapping[str, Values]
    kinds: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    order: Mapping[str, Sequence[str]] = field(default_factory=dict)
    paths: Sequence[str] = ()
    pictured: Indices = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    pictures: Sequence[npt.NDArray[np.uint8]] = ()

    @property
    def n(self) -> int:
        """Images."""
        return len(next(iter(self.numbers.values())))

    def note(self) -> str:
        """Return what a reader must know of what is shown."""
        lines = [f"{min(self.n, MAX_POINTS):,} of {self.n:,} images, drawn at random." if self.n > MAX_POINTS else ""]
        if self.n > MANY_POINTS:
            lines.append(
                f"With more than {MANY_POINTS:,} images only the first {FEW_AXES} axes are kept, rounded to 1/2,048."
            )
        if len(self.pictures) and len(self.pictures) < self.n:
            lines.append(f"{len(self.pictures):,} of them have a picture here.")
        if not len(self.pictures):
            lines.append("This page holds no pictures of the images.")
        return " ".join(line for line in lines if line)


def packed(points: Points, *, seed: int = 0) -> str:
    """Return what ``viewer.js`` reads: JSON with everything in it, safe inside a script element."""
    rows, place = _sampled(points, seed)
    numbers = list(points.numbers.items())[: FEW_AXES if points.n > MANY_POINTS else None]
    columns, parts = [], []
    for name, values in numbers:
        step = COARSE if points.n > MANY_POINTS else 1
        codes, low, high = _levels(values[rows], step=step)
        title = visible(points.titles.get(name, name), keep="")
        columns.append({"name": name, "title": title, "low": low, "high": high, "digits": _digits(high - low, step)})
        parts.append(codes)
    for name, values in points.kinds.items():
        text = values[rows].astype(str)
        names = [str(v) for v in points.order.get(name) or dict.fromkeys(text.tolist())]
        index = {v: code for code, v in enumerate(names)}
        columns.append(
            {"name": name, "title": points.titles.get(name, name), "names": [visible(v, keep="") for v in names]}
        )
        if name in points.marks:
            columns[-1]["marks"] = [points.marks[name].get(v, 0) % len(MARKS) for v in names]
        parts.append(np.array([index[v] for v in text], dtype=np.uint16))
    for number, column in enumerate(columns):
        column["offset"] = 2 * len(rows) * number
    paths = "\n".join(visible(str(points.paths[i]), keep="") for i in rows) if len(points.paths) else ""
    # low bytes, then high ones: noise in the high bytes does not spoil the few values of the low ones for deflate
    binary = b"".join(half.astype(np.uint8).tobytes() for part in parts for half in (part & 255, part >> 8))
    kept = [(place[i], picture) for i, picture in zip(points.pictured, points.pictures, strict=True) if i in place]
    record = {
        "n": len(rows),
        "columns": columns,
        "paths": len(binary),
        "data": base64.b64encode(zlib.compress(binary + paths.encode(), 9)).decode(),
        "thumbs": [row for row, _ in kept],
        "sprite": _sprite([picture for _, picture in kept]),
        "colours": PALETTE,
        "marks": MARKS,
        "ramp": RAMP,
    }
    return json.dumps(record, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _sampled(points: Points, seed: int) -> tuple[Indices, dict[int, int]]:
    """Return the rows that are shown, and the place of each among them."""
    rows = np.arange(points.n)
    if points.n > MAX_POINTS:
        drawn = np.random.default_rng(seed).permutation(np.setdiff1d(rows, points.pictured))
        rows = np.sort(np.concatenate([points.pictured, drawn])[:MAX_POINTS])
    return rows, {int(row): number for number, row in enumerate(rows)}


def _levels(values: Values, step: int = 1) -> tuple[npt.NDArray[np.uint16], float, float]:
    """Return numbers as codes of 16 bits, and what the first and the last stand for."""
    values = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(values)
    low, high = (float(values[finite].min()), float(values[finite].max())) if finite.any() else (0.0, 0.0)
    codes = np.full(len(values), LEVELS + 1, dtype=np.uint16)
    codes[finite] = np.rint((values[finite] - low) / ((high - low) or 1.0) * LEVELS) if high > low else LEVELS // 2
    if step > 1:
        codes[finite] = np.minimum(np.rint(codes[finite] / step), LEVELS // step) * step
    return codes, low, high


def _digits(spread: float, step: int) -> int:
    """Return how many decimals codes can tell apart."""
    return max(0, min(20, math.ceil(-math.log10(spread * step / LEVELS)))) if spread > 0 else 6


def _sprite(pictures: Sequence[npt.NDArray[np.uint8]]) -> dict[str, Any] | None:
    """Return all pictures in one, each a square with the picture in its middle; small ones keep their pixels."""
    if not pictures:
        return None
    side = min(THUMBNAIL_PX, max(max(p.shape[:2]) for p in pictures))
    across = int(np.ceil(np.sqrt(len(pictures))))
    sheet = Image.new("RGB", (across * side, -(-len(pictures) // across) * side), "white")
    for number, picture in enumerate(pictures):
        tile = Image.fromarray(picture.squeeze()).convert("RGB")
        tile.thumbnail((side, side), Image.Resampling.BOX)
        left, top = (side - tile.width) // 2, (side - tile.height) // 2
        sheet.paste(tile, ((number % across) * side + left, number // across * side + top))
    drawn = io.BytesIO()
    sheet.save(drawn, format="WEBP", quality=QUALITY, method=4)
    url = f"data:image/webp;base64,{base64.b64encode(drawn.getvalue()).decode()}"
    return {"url": url, "px": side, "across": across}


def numeric(column: pd.Series) -> bool:
    """Return whether a column is a number to be drawn along an axis, and not a name."""
    return bool(pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column))
