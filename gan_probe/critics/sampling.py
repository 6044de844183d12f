"""What a generator makes: samples as a data set, and walks between them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from gan_probe.critics.generator import Generator
from gan_probe.errors import ConfigError
from gan_probe.images.image_set import sheet
from gan_probe.names import check_name
from gan_probe.types import Images
from gan_probe.version import VERSION
from synthetic.files import atomic_folder

MARKER = "samples.json"
SCHEMA = "gan_probe.samples/1"
FORMATS = ("folder", "npy")
MAX_SHEET = 64
N_POINTS = 9  # of a walk


def write_samples(
    generator: Generator,
    out: str | Path,
    *,
    n: int = 64,
    label: str | None = None,
    format: str = "folder",
    interpolate: int = 0,
    seed: int = 0,
    overwrite: bool = False,
    source: str = "",
) -> Path:
    """Write samples as a data set that every verb reads, with their latents and a sheet; return the folder.

    Parameters
    ----------
    generator : Generator
    out : path
    n : int
        Images.
    label : str, optional
        The class to draw, of a conditional generator; default: all in turn.
    format : {"folder", "npy"}
        PNG files, or ``images.npy``; with ``metadata.parquet``, ``latents.npy`` and ``sheet.png``.
    interpolate : int
        Write ``interpolation.png`` too: so many rows, each a walk from one sample to the next.
    seed : int
    overwrite : bool
    source : str
        Where the generator was loaded from, for the record.

    Raises
    ------
    ConfigError
        For an unknown format or class, or fewer than one image.
    FileExistsError
        When ``out`` is taken.
    """
    check_name("format", format, FORMATS)
    if n < 1:
        raise ConfigError(f"the number of samples must be at least 1, got {n}.")
    latents = generator.latents(n, seed=seed)
    labels = generator.labels_in_turn(n) if label is None else [label] * n
    images = generator.decode(latents, labels=labels)
    names = [f"images/{i:06d}.png" for i in range(n)]
    table = pd.DataFrame({"file_name": names} | ({"label": labels} if labels else {}))
    with atomic_folder(out, marker=MARKER, overwrite=overwrite) as folder:
        if format == "folder":
            (folder / "images").mkdir()
            for name, image in zip(names, images, strict=True):
                Image.fromarray(image.squeeze()).save(folder / name)
            table.to_csv(folder / "metadata.csv", index=False)
        else:
            np.save(folder / "images.npy", images, allow_pickle=False)
        table.to_parquet(folder / "metadata.parquet", index=False, write_page_checksum=True)
        np.save(folder / "latents.npy", latents, allow_pickle=False)
        sheet(images[:MAX_SHEET]).save(folder / "sheet.png")
        if interpolate:
            sheet(paths(generator, interpolate, seed=seed, label=label)[1], N_POINTS).save(folder / "interpolation.png")
        record = {
            "schema": SCHEMA,
            "source": source,
            "run_id": generator.config.run_id,
            "step": generator.config.step,
            "seed": seed,
            "n": n,
            "label": label,
            "version": VERSION,
        }
        (folder / MARKER).write_text(pd.Series(record).to_json(indent=1) + "\n", encoding="utf-8")
    return Path(out)


def paths(
    generator: Generator, n: int, *, seed: int = 0, label: str | None = None
) -> tuple[npt.NDArray[np.float32], Images]:
    """Return ``n`` walks between samples: latents (n, 9, d) on arcs, and their images, one walk after the other."""
    ends = generator.latents(n + 1, seed=seed)
    walks = np.stack([slerp(start, end, N_POINTS) for start, end in pairwise(ends)])
    walks = walks.astype(np.float32)
    one = generator.labels_in_turn(1) if label is None else [label]
    labels = one * (n * N_POINTS) if one else None
    return walks, generator.decode(walks.reshape(-1, walks.shape[-1]), labels=labels)


def slerp(start: npt.NDArray[np.floating], end: npt.NDArray[np.floating], n: int) -> npt.NDArray[np.floating]:
    """Return ``n`` points from ``start`` to ``end``, both (d,), along the arc between them: (n, d).

    On a straight line between two normal latents the middle is shorter than those that the generator was trained on.

    References
    ----------
    White 2016, "Sampling Generative Networks", section 2.1.

    Examples
    --------
    >>> slerp(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 3).round(3).tolist()
    [[1.0, 0.0], [0.707, 0.707], [0.0, 1.0]]
    """
    t = np.linspace(0, 1, n)[:, None]
    cosine = np.dot(start, end) / max(float(np.linalg.norm(start) * np.linalg.norm(end)), 1e-12)
    angle = float(np.arccos(np.clip(cosine, -1, 1)))
    if np.sin(angle) < 1e-6:
        return (1 - t) * start + t * end
    return (np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle)
