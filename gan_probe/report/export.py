"""Score tables as files that other viewers open: TensorBoard's projector, Embedding Atlas, FiftyOne.

To add one: one function and one row in ``TARGETS``, and how it is opened in ``OPENED`` of the verb. Each format is as
its project documents it (docs/export.md names the places):

- projector: ``projector_config.pbtxt`` beside the files that it names, all inside one folder. A table of one column has
  no header there, so there are always two.
- embedding-atlas: one Parquet file. An image is ``{bytes, path}``; a path alone is not shown.
- fiftyone: ``FiftyOneImageClassificationDataset``: ``labels.json``, and the pictures by the same names in ``data/``.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from gan_probe.errors import InputError
from gan_probe.scoring.table import ScoreTable
from gan_probe.text import visible
from gan_probe.types import OneImage, Rows
from gan_probe.version import VERSION
from synthetic.files import atomic_folder

MARKER, SCHEMA = "export.json", "gan_probe.export/1"
SHEET_PX = 8192  # what browsers draw: the projector's limit of a sheet of pictures
TILE_PX = 64
SMALLEST_TILE_PX = 8


@dataclass(frozen=True)
class Exported:
    """What is handed over: one row an image.

    Attributes
    ----------
    table : DataFrame
        Columns of one value an image, scores first.
    rows : ndarray of float32, shape (n, d), or None
        The embedding.
    pictures : sequence of ndarray
        One an image, or none.
    """

    table: pd.DataFrame
    rows: Rows | None
    pictures: Sequence[OneImage]

    @classmethod
    def of(cls, scores: ScoreTable, embedding: str, pictures: Sequence[OneImage]) -> Exported:
        """Return what a table of scores holds, with the embedding of this name.

        Raises
        ------
        InputError
            For an embedding that the table lacks, with those that it has.
        """
        found = {source.short: rows for source, rows in scores.embeddings.items()}
        if found and embedding not in found:
            raise InputError(f"the table has no embedding {embedding!r}. It has: {', '.join(found)}.")
        return cls(scores.without_embeddings(), found.get(embedding), pictures)


def possible(what: Exported) -> tuple[list[str], list[str]]:
    """Return the viewers that can show what there is, and why the others are left out."""
    lacking = {
        "projector": "" if what.rows is not None else "the table has no embedding (score without --no-embeddings)",
        "fiftyone": "" if what.pictures else "the images were not found (name them with --data)",
    }
    notes = [f"{name} is left out: {why}." for name, why in lacking.items() if why]
    return [name for name in TARGETS if not lacking.get(name)], notes


def write_export(
    what: Exported, out: Path, targets: Sequence[str], *, command: str = "", overwrite: bool = False
) -> list[str]:
    """Write a folder with one inside for each target, whole or not at all; return what was left out, in sentences.

    Raises
    ------
    InputError
        When a target needs an embedding or pictures that are not there.
    FileExistsError
        When ``out`` is taken.
    """
    notes: list[str] = []
    with atomic_folder(out, marker=MARKER, overwrite=overwrite) as folder:
        for name in targets:
            (folder / name).mkdir()
            notes += TARGETS[name](what, folder / name)
        record = {"schema": SCHEMA, "version": VERSION, "command": command, "targets": list(targets)}
        (folder / MARKER).write_text(json.dumps(record) + "\n", encoding="utf-8")
    return notes


def _projector(what: Exported, folder: Path) -> list[str]:
    """Write what ``tensorboard --logdir FOLDER`` shows in its projector."""
    if what.rows is None:
        raise InputError("the projector shows an embedding, and the table has none: score without --no-embeddings.")
    np.savetxt(folder / "tensors.tsv", what.rows, fmt="%.7g", delimiter="\t")
    columns = [what.table[name].map(_cell) for name in what.table]
    lines = ["\t".join(map(_cell, what.table.columns)), *map("\t".join, zip(*columns, strict=True))]
    (folder / "metadata.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = 'tensor_name: "critic"\n  tensor_path: "tensors.tsv"\n  metadata_path: "metadata.tsv"\n'
    across = int(np.ceil(np.sqrt(len(what.pictures))))
    tile = min(TILE_PX, SHEET_PX // max(across, 1))
    notes = []
    if tile < SMALLEST_TILE_PX:
        notes.append(f"projector: {len(what.pictures):,} pictures do not fit one sheet, so points are shown.")
    elif what.pictures:
        _sheet(what.pictures, across, tile).save(folder / "sprite.png")
        size = f"single_image_dim: {tile}\n    single_image_dim: {tile}"
        config += f'  sprite {{\n    image_path: "sprite.png"\n    {size}\n  }}\n'
    (folder / "projector_config.pbtxt").write_text(f"embeddings {{\n  {config}}}\n", encoding="utf-8")
    return notes


def _sheet(pictures: Sequence[OneImage], across: int, tile: int) -> Image.Image:
    """Return pictures row by row in one square, each in a square of its own."""
    sheet = Image.new("RGB", (across * tile, across * tile), "white")
    for number, pixels in enumerate(pictures):
        place = (number % across * tile, number // across * tile)
        sheet.paste(_picture(pixels).convert("RGB").resize((tile, tile)), place)
    return sheet


def _embedding_atlas(what: Exported, folder: Path) -> list[str]:
    """Write what ``embedding-atlas data.parquet --vector embedding --image image`` opens."""
    columns: dict[str, Any] = {str(name): _arrow(what.table[name]) for name in what.table}
    if what.rows is not None:
        columns["embedding"] = pa.array(list(what.rows), pa.list_(pa.float32()))
    if what.pictures:
        names = what.table["path"] if "path" in what.table else range(len(what.table))
        cells = [
            {"bytes": _png(p), "path": f"{Path(str(n)).stem}.png"} for p, n in zip(what.pictures, names, strict=True)
        ]
        columns["image"] = pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    pq.write_table(pa.table(columns), folder / "data.parquet")
    missing = [name for name in ("embedding", "image") if name not in columns]
    return [f"embedding-atlas: there is no column {name}." for name in missing]


def _fiftyone(what: Exported, folder: Path) -> list[str]:
    """Write what ``fiftyone.Dataset.from_dir`` reads, and a script that adds scores and embedding and opens it."""
    if not what.pictures:
        raise InputError("FiftyOne shows files of pictures, and the images were not found: name them with --data.")
    names = [f"{number:06d}" for number in range(len(what.table))]
    (folder / "data").mkdir()
    for name, pixels in zip(names, what.pictures, strict=True):
        _picture(pixels).save(folder / "data" / f"{name}.png")
    labels = what.table["label"].astype(str) if "label" in what.table else [None] * len(names)
    told = {"labels": dict(zip(names, labels, strict=True))}
    (folder / "labels.json").write_text(json.dumps(told), encoding="utf-8")
    values = {_field(str(name)): list(map(_plain, what.table[name])) for name in what.table if name != "label"}
    (folder / "values.json").write_text(json.dumps({"names": names, "values": values}), encoding="utf-8")
    if what.rows is not None:
        np.save(folder / "embedding.npy", what.rows)
    (folder / "open.py").write_text(_SCRIPT, encoding="utf-8")
    return []


_SCRIPT = '''\
"""Open this folder in FiftyOne, with every score as a field: python open.py. It needs fiftyone, not gan-probe."""

import json
from pathlib import Path

import fiftyone as fo

HERE = Path(__file__).resolve().parent
data = fo.Dataset.from_dir(dataset_dir=str(HERE), dataset_type=fo.types.FiftyOneImageClassificationDataset)
told = json.loads((HERE / "values.json").read_text(encoding="utf-8"))
place = {name: number for number, name in enumerate(told["names"])}
order = [place[Path(path).stem] for path in data.values("filepath")]
for name, values in told["values"].items():
    data.set_values(name, [values[number] for number in order])
if (HERE / "embedding.npy").is_file():
    import numpy as np

    rows = np.load(HERE / "embedding.npy", allow_pickle=False)
    data.set_values("embedding", list(rows[order]))
fo.launch_app(data).wait()
'''

# To add a viewer: one function that writes its folder and returns what it left out, and one row.
TARGETS: Mapping[str, Callable[[Exported, Path], list[str]]] = {
    "projector": _projector,
    "embedding-atlas": _embedding_atlas,
    "fiftyone": _fiftyone,
}


def _picture(pixels: OneImage) -> Image.Image:
    return Image.fromarray(np.asarray(pixels).squeeze())


def _png(pixels: OneImage) -> bytes:
    written = io.BytesIO()
    _picture(pixels).save(written, format="PNG")
    return written.getvalue()


def _cell(value: Any) -> str:
    """Return a value as one cell of a line of tabs."""
    return f"{value:.7g}" if isinstance(value, float | np.floating) else visible(str(value), keep="")


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; a number that is none, and a gap, as null."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _field(name: str) -> str:
    """Return a column's name as one that FiftyOne takes: no dots, none of its own."""
    plain = re.sub(r"\W", "_", name)
    return f"{plain}_" if plain in _TAKEN or not plain[:1].isalpha() else plain


_TAKEN = (
    "id",
    "filepath",
    "tags",
    "metadata",
    "media_type",
    "embedding",
    "created_at",
    "last_modified_at",
    "ground_truth",
)


def _arrow(column: pd.Series) -> pa.Array:
    try:
        return pa.array(column, from_pandas=True)
    except pa.ArrowException:  # a user's column of mixed types
        return pa.array(column.astype(str))
