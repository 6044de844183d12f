"""Data sets on disk: an image folder, one Parquet file, or arrays, each with the same table of factors."""

from __future__ import annotations

import dataclasses
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from synthetic.dataset import Dataset, make_dataset
from synthetic.errors import SpecError, unknown_name
from synthetic.files import atomic_folder
from synthetic.presets import PRESETS
from synthetic.spec import FACTORS

MARKER = "dataset.json"
SCHEMA = "synthetic.dataset/1"
Progress = Callable[[Iterable[Any]], Iterable[Any]]


def encode_png(image: np.ndarray) -> bytes:
    """Return an image as PNG. Noise does not compress, so the fastest level costs 5 % in size."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _file_names(dataset: Dataset) -> list[str]:
    """Return ``images/<label>/<number>.png`` for each row."""
    return [f"images/{label}/{i:06d}.png" for i, label in enumerate(dataset.table["label"])]


def _in_threads(action: Callable[..., Any], *columns: Iterable[Any]) -> Iterator[Any]:
    """Yield ``action`` of each row of the columns, in order, on all cores: encoding releases the interpreter."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(action, *columns)


def _write_png(path: str, image: np.ndarray) -> None:
    with open(path, "wb") as file:  # noqa: PTH123 (half the time of Path.open, a thousand times over)
        file.write(encode_png(image))


def _write_images(dataset: Dataset, folder: Path, *, masks: bool, progress: Progress) -> None:
    kinds = {"images": dataset.images} | ({"masks": dataset.masks} if masks else {})
    for kind, pictures in kinds.items():
        for label in dataset.table["label"].unique():
            (folder / kind / label).mkdir(parents=True)
        paths = [f"{folder}/{name.replace('images', kind, 1)}" for name in _file_names(dataset)]
        for _ in progress(_in_threads(_write_png, paths, pictures)):
            pass
    table = _table(dataset)
    table.to_parquet(folder / "metadata.parquet", index=False, write_page_checksum=True)
    table.to_csv(folder / "metadata.csv", index=False)


def _write_parquet(dataset: Dataset, folder: Path, *, masks: bool, progress: Progress) -> None:
    columns: dict[str, list[Any]] = {
        "image": [
            {"bytes": png, "path": name}
            for name, png in zip(_file_names(dataset), progress(_in_threads(encode_png, dataset.images)), strict=True)
        ]
    }
    if masks:
        columns["mask"] = [{"bytes": png, "path": None} for png in _in_threads(encode_png, dataset.masks)]
    table = pd.concat([_table(dataset), pd.DataFrame(columns)], axis=1)
    table.to_parquet(folder / "images.parquet", index=False, write_page_checksum=True)


def _write_npy(dataset: Dataset, folder: Path, *, masks: bool, progress: Progress) -> None:
    np.save(folder / "images.npy", dataset.images, allow_pickle=False)
    if masks:
        np.save(folder / "masks.npy", dataset.masks, allow_pickle=False)
    _table(dataset).to_parquet(folder / "metadata.parquet", index=False, write_page_checksum=True)


FORMATS = {"folder": _write_images, "parquet": _write_parquet, "npy": _write_npy}


def _table(dataset: Dataset) -> pd.DataFrame:
    table = dataset.table.copy()
    table.insert(0, "file_name", _file_names(dataset))
    return table


NOTES = {
    "clip": "Colours outside [0, 1] are clipped; the article's code wraps (0.85, +1) around in 8 bits.",
    "wrap": "Colours outside [0, 1] are wrapped around in 8 bits, as the article's code does.",
}


def _description(dataset: Dataset, format_name: str) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "spec": dataclasses.asdict(dataset.spec),
        "seed": dataset.seed,
        "format": format_name,
        "n_images": len(dataset.images),
        "factors": {name: factor.help for name, factor in FACTORS.items()},
        "note": NOTES[dataset.spec.overflow],
    }


def write_dataset(
    dataset: Dataset,
    out: str | Path,
    *,
    format: str = "folder",
    masks: bool = False,
    overwrite: bool = False,
    progress: Progress = iter,
) -> Path:
    """Write a data set as a folder that exists whole or not at all.

    Parameters
    ----------
    dataset : Dataset
    out : path
        Must not exist, unless it is an empty folder, or a data set and ``overwrite`` is set.
    format : {"folder", "parquet", "npy"}
        "folder": ``images/<label>/*.png`` with ``metadata.parquet`` and ``metadata.csv``. "parquet": ``images.parquet``
        with an image column ``{bytes, path}``. "npy": ``images.npy`` (n, h, w, 3) uint8 with ``metadata.parquet``.
        Each comes with ``dataset.json`` and ``contact-sheet.png``.
    masks : bool
        Write the exact masks too.
    progress : callable, optional
        Wraps the iterable of encoded images, for a progress bar.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    SpecError
        For an unknown format.
    FileExistsError
        When ``out`` is taken.
    """
    if format not in FORMATS:
        raise SpecError(unknown_name("format", format, FORMATS))
    with atomic_folder(out, marker=MARKER, overwrite=overwrite) as folder:
        FORMATS[format](dataset, folder, masks=masks, progress=progress)
        contact_sheet(dataset).save(folder / "contact-sheet.png", compress_level=1)
        (folder / MARKER).write_text(json.dumps(_description(dataset, format), indent=2, default=_jsonable) + "\n")
    return Path(out)


def _jsonable(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)


def contact_sheet(dataset: Dataset, *, n_columns: int = 8) -> Image.Image:
    """Return a picture with one row for each class: its label and its first ``n_columns`` images."""
    side, gap, text_px = dataset.spec.side_px, 4, 200
    labels = list(dict.fromkeys(dataset.table["label"]))
    sheet = Image.new("RGB", (text_px + n_columns * (side + gap) + gap, len(labels) * (side + gap) + gap), "#e8e8e8")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for row, label in enumerate(labels):
        top = gap + row * (side + gap)
        draw.text((2 * gap, top + side // 2), label, fill="black", font=font, anchor="lm")
        examples = np.flatnonzero((dataset.table["label"] == label).to_numpy())[:n_columns]
        for column, i in enumerate(examples):
            sheet.paste(Image.fromarray(dataset.images[i]), (text_px + column * (side + gap), top))
    return sheet


def preset_sheet(*, n_columns: int = 10) -> Image.Image:
    """Return a picture with one row for each preset: its name and one image of each of its first classes."""
    gap, side, text_px = 4, 64, 140
    sheet = Image.new("RGB", (text_px + n_columns * (side + gap) + gap, len(PRESETS) * (side + gap) + gap), "#e8e8e8")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for row, name in enumerate(PRESETS):
        top = gap + row * (side + gap)
        draw.text((2 * gap, top + side // 2), name, fill="black", font=font, anchor="lm")
        for column, image in enumerate(make_dataset(name, per_class=1).images[:n_columns]):
            sheet.paste(Image.fromarray(image), (text_px + column * (side + gap), top))
    return sheet
