"""Another reader of images: what is found in a file by who knows Pillow, numpy, pyarrow and csv and not this package.

Where a picture is one whose conversion the docs say is told of (several frames, an orientation, transparency, palettes,
16 bits, ...) it raises, as there is no reading of it without a word.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

ORIENTATION = 0x112
Row = dict[str, str]


def read_as_anybody(path: Path) -> list[Row]:
    """Return the id of each image's pixels, and what is known of it, as text."""
    if path.is_dir():
        for suffix in (".parquet", ".npy"):
            if (path / f"images{suffix}").exists():
                return (
                    _with_metadata(_rows(path / f"images{suffix}"), path)
                    if suffix == ".npy"
                    else _rows(path / "images.parquet")
                )
        tars = sorted(path.glob("*.tar"))
        return [row for tar in tars for row in _tar(tar)] if tars else _folder(path)
    return _rows(path)


def _tar(path: Path) -> list[Row]:
    """Return the samples of an archive: what lies under one name up to its first point."""
    samples: dict[str, dict[str, bytes]] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member)
            name, _, kind = member.name.partition(".")
            if content is None or kind in samples.setdefault(name, {}):
                raise ValueError(f"{member.name} is no file, or twice there, without a word")
            samples[name][kind] = content.read()
    return [
        _plain(json.loads(s["json"])) | {"label": s["cls"].decode(), "sample_id": identity(decode(s["png"]))}
        for s in samples.values()
    ]


def _rows(path: Path) -> list[Row]:
    if path.suffix == ".npy":
        return [{"sample_id": identity(image)} for image in np.load(path, allow_pickle=False)]
    if path.suffix == ".npz":
        held = np.load(path, allow_pickle=False)
        if "y" not in held.files:
            return [{"sample_id": identity(i)} for i in held["x"]]
        return [{"sample_id": identity(i), "label": str(y)} for i, y in zip(held["x"], held["y"], strict=True)]
    import pyarrow.parquet as pq

    rows = pq.read_table(path).to_pylist()
    return [_plain(row) | {"sample_id": identity(decode(row["image"]["bytes"]))} for row in rows]


def _folder(folder: Path) -> list[Row]:
    table = _metadata(folder)
    if table is not None:
        return [row | {"sample_id": identity(decode(_bytes(folder / row["file_name"])))} for row in table]
    found = sorted(Path(top) / name for top, _, names in os.walk(folder) for name in names if not name.startswith("."))
    return [{"sample_id": identity(decode(_bytes(p))), "label": _name(p.parent)} for p in found]


def _name(path: Path) -> str:
    r"""Return a name as the docs say that it is shown: a byte that is not UTF-8 as ``\xe9``."""
    return os.fsencode(path.name).decode("utf-8", "backslashreplace")


def _with_metadata(rows: list[Row], folder: Path) -> list[Row]:
    table = _metadata(folder) or []
    return [row | known for row, known in zip(rows, table, strict=True)]


def _metadata(folder: Path) -> list[Row] | None:
    import pyarrow.parquet as pq

    if (folder / "metadata.parquet").exists():
        return [_plain(row) for row in pq.read_table(folder / "metadata.parquet").to_pylist()]
    if (folder / "metadata.csv").exists():
        text = (folder / "metadata.csv").read_text(encoding="utf-8-sig")
        rows = [
            {str(k).strip(): v for k, v in row.items()}
            for row in csv.DictReader(io.StringIO(text, newline=""), strict=True)
        ]
        return [_plain(row) for row in rows]
    if (folder / "metadata.jsonl").exists():
        lines = (folder / "metadata.jsonl").read_text(encoding="utf-8-sig").split("\n")
        return [_plain(json.loads(line)) for line in lines if line.strip()]
    return None


def _plain(row: dict[str, Any]) -> Row:
    taken = {k: v for k, v in row.items() if k in ("file_name", "label", "split")}
    if any(isinstance(v, dict | list) for v in taken.values()):
        raise ValueError("a cell is no text")
    return {k: _text(v) for k, v in taken.items()}


def _text(value: Any) -> str:
    """Return a cell as text: whole numbers without a point, gaps as pandas shows them."""
    if value is None:
        return "nan"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _bytes(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError(f"{path.name} is no file")
    return path.read_bytes()


def decode(data: bytes) -> npt.NDArray[np.uint8]:
    """Return pixels (h, w, 1) or (h, w, 3) of a picture that needs no conversion."""
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        if picture.mode == "P" and picture.format != "GIF":  # of GIF files all have one, and all are said
            raise ValueError("a palette, without a word")
        pixels = picture.convert("RGB") if picture.mode == "P" else picture.copy()
        if getattr(picture, "n_frames", 1) > 1 or picture.getexif().get(ORIENTATION, 1) not in (0, 1):
            raise ValueError("frames or an orientation, without a word")
        info, picture = picture.info, pixels
        if "transparency" in info or picture.mode in ("LA", "RGBA", "PA"):
            alpha = np.asarray(picture.convert("RGBA"))[..., 3]
            if (alpha < 255).any():
                raise ValueError("transparent, without a word")
            picture = picture.convert("L" if picture.mode.startswith("L") else "RGB")
        if picture.mode == "1":
            picture = picture.convert("L")
        if picture.mode not in ("L", "RGB"):
            raise ValueError(f"mode {picture.mode}, without a word")
        pixels = np.asarray(picture)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def identity(image: npt.NDArray[np.uint8]) -> str:
    """Return what names an image by its shape and pixels, as the docs of ``sample_id`` say."""
    image = image[..., None] if image.ndim == 2 else image
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()[:16]
