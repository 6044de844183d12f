"""Masks beside images: where `synthetic` writes them, or any folder, ``.npy`` or ``.parquet`` laid out like that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
from PIL import Image
from scipy.ndimage import maximum_filter, minimum_filter

from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.images.readers.decode import FRAMES, decode
from gan_probe.images.readers.files import foreign, printable
from gan_probe.images.readers.folder import inside
from gan_probe.images.readers.modes import DARK, TRANSPARENT
from gan_probe.images.readers.parquet import cell_names
from gan_probe.types import Masks


def find_masks(data: ImageSet) -> Path | None:
    """Return where the masks of a data set lie, or None.

    Looked for are ``masks/`` beside ``images/``, ``masks.npy`` beside ``images.npy``, and a column ``mask`` in the
    Parquet file itself: what ``gan-probe synth --masks`` writes.
    """
    source = data.source
    if source.suffix.lower() == ".parquet":
        return source if "mask" in pq.read_schema(source).names else None
    folder = source if source.is_dir() else source.parent
    if source.name == "images.npy" or (folder / "images.npy").is_file():
        beside = [folder / "masks.npy"]
    else:
        beside = [folder / "masks"] if (folder / "images").is_dir() else []
        beside += [folder.parent / "masks"] if folder.name == "images" else []
    return next((path for path in beside if path.exists()), None)


def masks_of(sets: Sequence[ImageSet], *, size_px: int | None = None) -> tuple[list[Path], Masks | None]:
    """Return where the masks beside each of several sets lie, and those of all images in order, or None.

    None also where a set has masks and another has none: measures are of all images or of none.

    Raises
    ------
    InputError
        As `read_masks`.
    """
    found = [find_masks(data) for data in sets]
    places = [path for path in found if path is not None]
    if not places or len(places) < len(found):
        return places, None
    return places, np.concatenate(
        [read_masks(path, data, size_px=size_px) for path, data in zip(places, sets, strict=True)]
    )


def read_masks(path: str | Path, data: ImageSet, *, size_px: int | None = None) -> Masks:
    """Return the mask of each image, (n, h, w) bool: True = inside, which is above half of a mask's largest value.

    Parameters
    ----------
    path : path
        - A folder: the mask of ``images/a/1.png`` or ``a/1.png`` is ``a/1.png`` in it (for other formats ``a/1.png``
          too).
        - ``.npy``: (n, h, w) or (n, h, w, 1), uint8 or bool, one for each image, in order.
        - ``.parquet``: a column ``mask`` of ``{bytes, path}`` beside the column ``image``.
    data : ImageSet
        All images of the set, as they were read.
    size_px : int, optional
        What the images were resized to; masks are resized without smoothing.

    Raises
    ------
    InputError
        When masks are missing or cannot be read, are not as many or as large as the images, or tell more than inside
        from outside: numbers of classes or instances.
    """
    path = Path(path)
    with foreign(f"the masks in {printable(path)} cannot be read"):
        if path.is_dir():
            found = [_decoded(_beside(path, str(name)), str(name), size_px) for name in data.table["path"]]
        elif path.suffix.lower() == ".npy":
            found = _from_npy(path, len(data), size_px)
        elif path.suffix.lower() == ".parquet":
            found = _from_parquet(path, data, size_px)
        else:
            raise InputError(f"{printable(path)} holds no masks that are known. Accepted: a folder, .npy, .parquet.")
    height, width, _ = data.image_shape
    for name, mask in zip(data.table["path"], found, strict=True):
        if mask.shape != (height, width):
            raise InputError(
                f"the mask of {name} is {'x'.join(map(str, mask.shape))}, its image {height}x{width} (height x width)."
                " Give masks of the images' size."
            )
        _check_two_values(mask, str(name))
    return np.array([mask.astype(np.float32) * 2 > mask.max() for mask in found], dtype=bool)


def _check_two_values(mask: npt.NDArray[np.uint8], name: str) -> None:
    """Raise where a mask has areas, 3x3 pixels and more, of a value between its lowest and its largest.

    Edges between the two are thinner, and JPEG strays by less than four.
    """
    low, high = int(mask.min()), int(mask.max())
    strays = 3 if high > 127 else 0
    flat = (maximum_filter(mask, 3) == minimum_filter(mask, 3)) & (mask > low + strays) & (mask < high - strays)
    if flat.any():
        between = ", ".join(map(str, np.unique(mask[flat])[:5]))
        raise InputError(
            f"the mask of {name} has areas of {between} between its lowest value, {low}, and its largest, {high}:"
            " classes or instances perhaps, and which of them is inside is not known. Save masks as 0 outside and 255"
            " inside."
        )


def _beside(folder: Path, name: str) -> Path:
    """Return the file in a folder of masks that belongs to the image of this name."""
    wanted = inside(folder, name.removeprefix("images/"))
    file = next((p for p in (wanted, wanted.with_suffix(".png")) if p.is_file()), None)
    if file is None:
        raise InputError(f"there is no mask for the image {name}: {wanted} is not a file.")
    return file


def _decoded(source: Path | bytes, name: str, size_px: int | None) -> npt.NDArray[np.uint8]:
    """Return one mask, unless it can be read in two ways."""
    mask, notes = decode(source, None)
    doubtful = [note for note in notes if note in (TRANSPARENT, FRAMES) or DARK in note]
    if doubtful:
        raise InputError(
            f"the mask of {name} can be read in more than one way: it is {'; '.join(doubtful)}."
            " Save it as one picture of 8-bit grey, without transparency."
        )
    return _resized(mask.max(-1), size_px)


def _resized(mask: npt.NDArray[np.uint8], size_px: int | None) -> npt.NDArray[np.uint8]:
    if size_px is None or mask.shape == (size_px, size_px):
        return mask
    return np.asarray(Image.fromarray(mask).resize((size_px, size_px), Image.Resampling.NEAREST))


def _from_npy(path: Path, n: int, size_px: int | None) -> list[npt.NDArray[np.uint8]]:
    with np.errstate(over="ignore"):  # as of images
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype not in (np.uint8, np.bool_) or array.ndim not in (3, 4) or array.shape[3:] not in ((), (1,)):
        raise InputError(f"{path}: masks must be (n, h, w), uint8 or bool, got {array.shape} of {array.dtype}.")
    if len(array) != n:
        raise InputError(f"{path} holds {len(array)} masks for {n} images. Give one for each, in the same order.")
    return [_resized(np.ascontiguousarray(mask.reshape(mask.shape[:2]), dtype=np.uint8), size_px) for mask in array]


def _from_parquet(path: Path, data: ImageSet, size_px: int | None) -> list[npt.NDArray[np.uint8]]:
    table = pd.read_parquet(path)
    if not {"image", "mask"} <= set(table.columns):
        raise InputError(f"{path} has no columns image and mask. Columns: {', '.join(table.columns)}.")
    named = table["file_name"].tolist() if "file_name" in table else None
    names = cell_names(table["image"].tolist(), path, named=named)
    cells = {name: cell for name, cell in zip(names, table["mask"], strict=True) if isinstance(cell, dict)}
    several = next((name for name, count in Counter(names).items() if count > 1), "")
    if several:
        if names != data.table["path"].tolist():
            raise InputError(
                f"{path} holds several images by the name {several}, and not all of them are given, so whose mask is"
                " whose is not known. Give images names of their own, such as cat/0001.png."
            )
        given = [cell["bytes"] for cell in table["mask"] if isinstance(cell, dict)]
        if len(given) < len(names):
            raise InputError(f"{path} has no mask for {len(names) - len(given)} of {len(names)} images.")
        return [_decoded(cell, name, size_px) for cell, name in zip(given, names, strict=True)]
    missing = [name for name in data.table["path"] if name not in cells]
    if missing:
        raise InputError(f"{path} has no masks for {len(missing)} of {len(data)} images, such as {missing[0]}.")
    return [_decoded(cells[name]["bytes"], name, size_px) for name in data.table["path"]]
