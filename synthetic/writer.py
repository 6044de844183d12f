"""Data sets on disk: folders of PNG, Parquet or tar files, arrays; whole or by shards, with every factor in a table."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageFont

from synthetic.dataset import Dataset, make_dataset, resolve_spec
from synthetic.errors import SpecError, unknown_name
from synthetic.files import atomic_folder
from synthetic.presets import PRESETS
from synthetic.spec import FACTORS, Spec

MARKER = "dataset.json"
SCHEMA = "synthetic.dataset/1"
Progress = Callable[[Iterable[Any]], Iterable[Any]]


def encode_png(image: np.ndarray) -> bytes:
    """Return an image as PNG. Noise does not compress, so the fastest level costs 5 % in size."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _file_names(dataset: Dataset, first: int = 0) -> list[str]:
    """Return ``images/<label>/<number>.png`` for each row; ``first`` is the number of the first one."""
    return [f"images/{label}/{i:06d}.png" for i, label in enumerate(dataset.table["label"], start=first)]


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
    _encoded(dataset, masks=masks, progress=progress).to_parquet(
        folder / "images.parquet", index=False, write_page_checksum=True
    )


def _encoded(dataset: Dataset, first: int = 0, *, masks: bool = False, progress: Progress = iter) -> pd.DataFrame:
    """Return the table of a data set with the encoded images, and masks, in columns of it."""
    names = _file_names(dataset, first)
    columns: dict[str, list[Any]] = {
        "image": [
            {"bytes": png, "path": name}
            for name, png in zip(names, progress(_in_threads(encode_png, dataset.images)), strict=True)
        ]
    }
    if masks:
        columns["mask"] = [{"bytes": png, "path": None} for png in _in_threads(encode_png, dataset.masks)]
    return pd.concat([_table(dataset, first), pd.DataFrame(columns)], axis=1)


def _write_tar(dataset: Dataset, folder: Path, *, masks: bool, progress: Progress) -> None:
    if masks:
        raise SpecError("tar files hold no masks. Choose the format folder, parquet or npy.")
    _pack(dataset, folder / "images.tar", progress=progress)


def _pack(dataset: Dataset, file: Path, first: int = 0, *, progress: Progress = iter) -> None:
    """Write a tar file as WebDataset lays it out: of each image ``.png``, ``.cls`` (its label) and ``.json``."""
    facts = dataset.table.drop(columns="sample_id").to_dict("records")
    with tarfile.open(file, "w") as archive:
        for row, png in enumerate(progress(_in_threads(encode_png, dataset.images))):
            told = json.dumps(facts[row], default=_jsonable).encode()
            for kind, content in (("png", png), ("cls", str(facts[row]["label"]).encode()), ("json", told)):
                member = tarfile.TarInfo(f"{first + row:09d}.{kind}")  # without time and owner: the same bytes again
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def _write_npy(dataset: Dataset, folder: Path, *, masks: bool, progress: Progress) -> None:
    np.save(folder / "images.npy", dataset.images, allow_pickle=False)
    if masks:
        np.save(folder / "masks.npy", dataset.masks, allow_pickle=False)
    _table(dataset).to_parquet(folder / "metadata.parquet", index=False, write_page_checksum=True)


FORMATS = {"folder": _write_images, "parquet": _write_parquet, "npy": _write_npy, "tar": _write_tar}
SHARDED = ("parquet", "tar", "npy")


def _table(dataset: Dataset, first: int = 0) -> pd.DataFrame:
    table = dataset.table.copy()
    table.insert(0, "file_name", _file_names(dataset, first))
    return table


def write_shards(
    preset_or_spec: str | Spec,
    out: str | Path,
    *,
    per_class: int | None = None,
    seed: int = 0,
    format: str = "parquet",
    shard_size: int = 8192,
    overwrite: bool = False,
    progress: Progress = iter,
) -> Path:
    """Draw and write a data set shard by shard, so that memory does not grow with it.

    A shard follows from the seed and from which images it holds, whatever else is drawn: `make_dataset` with
    ``indices`` gives the same ones.

    Parameters
    ----------
    preset_or_spec : str or Spec
    out : path
        As in `write_dataset`.
    per_class : int, optional
        Images of each type in place of the spec's own number.
    seed : int
    format : {"parquet", "tar", "npy"}
        "parquet", "tar": a file a shard. "npy": one ``images.npy``, written shard by shard, with ``metadata.parquet``.
    shard_size : int
        Images of a shard.
    overwrite : bool
    progress : callable, optional
        Wraps the iterable of shards.

    Raises
    ------
    SpecError
        For a format that is not written so, or a shard without images.
    FileExistsError
        When ``out`` is taken.
    """
    if format not in SHARDED:
        raise SpecError(unknown_name("format of shards", format, SHARDED))
    if shard_size < 1:
        raise SpecError(f"a shard holds at least 1 image, got {shard_size}.")
    spec = resolve_spec(preset_or_spec).with_per_class(per_class)
    starts = range(0, spec.n_images, shard_size)
    with atomic_folder(out, marker=MARKER, overwrite=overwrite) as folder, ExitStack() as closing:
        array: np.ndarray | None = None
        facts: pq.ParquetWriter | None = None
        for number, start in enumerate(progress(starts)):
            shard = make_dataset(spec, seed=seed, indices=range(start, min(spec.n_images, start + shard_size)))
            name = f"shard-{number:05d}-of-{len(starts):05d}.{format}"
            if number == 0:
                contact_sheet(shard).save(folder / "contact-sheet.png", compress_level=1)
                about = {**_description(shard, format), "n_images": spec.n_images, "shard_size": shard_size}
                (folder / MARKER).write_text(json.dumps(about, indent=2, default=_jsonable) + "\n")
            if format == "parquet":
                _encoded(shard, start).to_parquet(folder / name, index=False, write_page_checksum=True)
            elif format == "tar":
                _pack(shard, folder / name, start)
            else:
                rows = pa.Table.from_pandas(_table(shard, start), preserve_index=False)
                if array is None or facts is None:
                    shape = (spec.n_images, *shard.images.shape[1:])
                    array = np.lib.format.open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
                    facts = closing.enter_context(
                        pq.ParquetWriter(folder / "metadata.parquet", rows.schema, write_page_checksum=True)
                    )
                array[start : start + len(shard.images)] = shard.images
                facts.write_table(rows.cast(facts.schema))
    return Path(out)


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
    format : {"folder", "parquet", "npy", "tar"}
        "folder": ``images/<label>/*.png`` with ``metadata.parquet`` and ``metadata.csv``. "parquet": ``images.parquet``
        with an image column ``{bytes, path}``. "npy": ``images.npy`` (n, h, w, 3) uint8 with ``metadata.parquet``.
        "tar": ``images.tar`` as WebDataset lays it out, without masks.
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
    side, gap, text_px = dataset.spec.size_px, 4, 200
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
