"""A set of images in memory: uint8, NHWC, 3 channels (RGB) or 1 (grey), 0..255. `tensors` makes it fit for networks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from gan_probe.errors import InputError
from gan_probe.images.threads import on_threads
from gan_probe.names import set_aside
from gan_probe.types import Images
from synthetic import Dataset, sample_id

SHEET_COLUMNS = 8
NO_LABEL = "(no label)"  # the class of images whose label is missing
N_LISTED = 3  # data sets that a message names


def fit_channels(images: Images, n_channels: int) -> Images:
    """Return images with 1 or 3 channels: grey is repeated, colour is reduced by ITU-R 601 luma."""
    if images.shape[-1] == n_channels:
        return images
    if n_channels == 3 and images.shape[-1] == 1:
        return np.repeat(images, 3, axis=-1)
    if n_channels == 1 and images.shape[-1] == 3:
        luma = images @ np.array([0.299, 0.587, 0.114])
        return np.round(luma)[..., None].astype(np.uint8)
    raise InputError(
        f"images have {images.shape[-1]} channels, {n_channels} are wanted; known are 1 (grey) and 3 (RGB)."
    )


def sheet(images: Images, columns: int = SHEET_COLUMNS) -> Image.Image:
    """Return images as one picture, ``columns`` in a row."""
    from skimage.util import montage  # late: scoring draws none

    colour = images.shape[-1] == 3
    pixels = montage(
        images if colour else images[..., 0],
        grid_shape=(-(-len(images) // columns), columns),
        fill=[255] * 3 if colour else 255,
        padding_width=2,
        channel_axis=-1 if colour else None,
    )
    return Image.fromarray(pixels)


@dataclass(frozen=True)
class LazyImages:
    """Images that stay where they are until a batch is asked for; then a thread for each core fetches them.

    Takes the place of an array where it is only measured (``len``, ``shape``, ``dtype``) and cut into batches.

    Attributes
    ----------
    sources : sequence
        What ``fetch`` needs to know of each image.
    fetch : callable
        Returns one image (h, w, c).
    image_shape : tuple of int
        Height, width, channels.
    """

    sources: Sequence[Any]
    fetch: Callable[[Any], Images]
    image_shape: tuple[int, int, int]
    dtype = np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the array which these images would be."""
        return (len(self), *self.image_shape)

    def __getitem__(self, rows: slice | npt.NDArray[np.intp]) -> Images:
        """Return the images of some rows as an array (n, h, w, c)."""
        chosen = [self.sources[i] for i in np.arange(len(self))[rows]]
        found = list(on_threads(self.fetch, chosen))
        return np.stack(found) if found else np.empty((0, *self.image_shape), np.uint8)

    def subset(self, rows: npt.NDArray[np.intp]) -> LazyImages:
        """Return some of the images, still where they are."""
        return replace(self, sources=[self.sources[i] for i in rows])

    @classmethod
    def joined(cls, parts: Sequence[LazyImages]) -> LazyImages:
        """Return several, of one shape, as one."""
        sources = [(k, source) for k, part in enumerate(parts) for source in part.sources]
        return cls(sources, partial(_fetch_of_part, [part.fetch for part in parts]), parts[0].image_shape)


def _fetch_of_part(fetches: Sequence[Callable[[Any], Images]], source: tuple[int, Any]) -> Images:
    """Return an image of one of several parts; a function with a name, for it must be picklable."""
    part, of_part = source
    return fetches[part](of_part)


@dataclass(frozen=True)
class ImageSet:
    """Images with one row of facts each.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, h, w, c); or LazyImages, where they are to be read as they are wanted
    table : DataFrame
        ``sample_id`` and ``path``; where known ``label``, ``split``, ``seen``, ``factor.*``; the user's own columns.
    source : Path
        Where it was read from.
    warnings : tuple of str
        What was converted or left out while reading.
    n_skipped : int
        Files that could not be read.
    """

    images: Any  # an array, or LazyImages, which looks like one where it matters
    table: pd.DataFrame
    source: Path
    warnings: tuple[str, ...] = field(default=())
    n_skipped: int = 0

    def __post_init__(self) -> None:
        if len(self.images) != len(self.table):
            raise InputError(f"{len(self.images)} images but {len(self.table)} rows of metadata.")

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        classes = f", {self.table['label'].astype(str).nunique()} classes" if "label" in self.table else ", no labels"
        shape = "x".join(map(str, self.image_shape))
        return f"<ImageSet: {len(self)} images of {shape}{classes}, from {self.source}>"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        _, height, width, channels = self.images.shape
        return height, width, channels

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that follow from the images and their labels, in order."""
        digest = hashlib.sha256()
        labels = self.table["label"] if "label" in self.table else [""] * len(self)
        for sample, label in zip(self.table["sample_id"], labels, strict=True):
            digest.update(f"{sample} {label}\n".encode())
        return digest.hexdigest()[:16]

    @property
    def images_fingerprint(self) -> str:
        """The same of the images alone, in whatever order and with whatever labels."""
        return hashlib.sha256("\n".join(sorted(self.table["sample_id"].astype(str))).encode()).hexdigest()[:16]

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> ImageSet:
        """Return the chosen rows (numbers or a mask), as a set of its own."""
        numbers = np.arange(len(self))[rows]
        images = self.images.subset(numbers) if isinstance(self.images, LazyImages) else self.images[numbers]
        return replace(self, images=images, table=self.table.iloc[numbers].reset_index(drop=True))

    def with_channels(self, n_channels: int) -> ImageSet:
        """Return the set in grey (1) or colour (3), with a warning when that changed anything."""
        if self.image_shape[2] == n_channels:
            return self
        kind = {1: "grey", 3: "colour"}
        note = f"{kind.get(self.image_shape[2])} images were converted to {kind.get(n_channels)} for the critic."
        return replace(self, images=fit_channels(self.images, n_channels), warnings=(*self.warnings, note))


def hold_out(data: ImageSet, share: float, *, seed: int = 0) -> tuple[ImageSet, ImageSet]:
    """Return a set in two parts, the second with about a ``share`` of each class.

    An image goes where its content says: the same one to the same part in whatever order files are read, and copies of
    it with it.

    Raises
    ------
    InputError
        When a part would be empty.
    """

    def place(sample: str) -> str:
        return hashlib.sha256(f"{seed} {sample}".encode()).hexdigest()

    facts = pd.DataFrame({"sample": data.table["sample_id"], "label": data.table.get("label", "")})
    chosen: set[str] = set()
    for _, of_class in facts.drop_duplicates("sample").groupby("label", sort=True):
        ordered = sorted(of_class["sample"], key=place)
        chosen.update(ordered[: round(share * len(ordered))])
    is_held_out = facts["sample"].isin(chosen).to_numpy()
    if is_held_out.all() or not is_held_out.any():
        raise InputError(
            f"{data.source} holds {len(facts.drop_duplicates('sample'))} different images, too few to hold out"
            f" {share:.0%} of each class. Give more, or a second folder to test on."
        )
    return data.take(~is_held_out), data.take(is_held_out)


def from_arrays(images: Images, labels: Sequence[Any] | None = None, *, name: str = "array") -> ImageSet:
    """Return images that are in memory already as an `ImageSet`.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, h, w), (n, h, w, 1) or (n, h, w, 3)
        0 to 255.
    labels : sequence, optional
        One for each image; a missing one (None, NaN) is `NO_LABEL`, and the set's ``warnings`` say so.
    name : str
        What the images go by, for records.

    Raises
    ------
    InputError
        For another type or shape, with what makes it fit; for labels that are not one an image.

    Examples
    --------
    >>> from_arrays(np.zeros((4, 32, 32), np.uint8), ["a", "b", "a", "b"])
    <ImageSet: 4 images of 32x32x1, 2 classes, from array>
    """
    array = np.asarray(images)
    if array.dtype != np.uint8:
        raise InputError(
            f"images must be uint8 from 0 to 255, got {array.dtype}. Of values from 0 to 1 make them with"
            " (255 * images).round().astype(np.uint8)."
        )
    array = array[..., None] if array.ndim == 3 and array.shape[-1] != 3 else array
    if array.ndim != 4 or array.shape[-1] not in (1, 3):
        raise InputError(
            f"images must be (n, h, w), (n, h, w, 1) or (n, h, w, 3), got {array.shape}. One image is a set of one:"
            " images[None]; channels come last: images.transpose(0, 2, 3, 1)."
        )
    table = pd.DataFrame({"sample_id": [sample_id(image) for image in array]})
    table["path"] = [f"{name}#{i}" for i in range(len(array))]
    said: tuple[str, ...] = ()
    if labels is not None:
        found = _one_each(labels, len(array))
        is_missing = pd.isna(found)
        table["label"] = [NO_LABEL if gone else str(label) for label, gone in zip(found, is_missing, strict=True)]
        said = _without_label(int(is_missing.sum()))
    return ImageSet(array, table, Path(name), said)


def _one_each(labels: Any, n: int) -> npt.NDArray[Any]:
    """Return one label for each of n images: of a list, an array (n,) or (n, 1), a column or a tensor."""
    given = labels.detach().cpu().numpy() if hasattr(labels, "detach") else labels
    if not isinstance(given, np.ndarray | pd.Series):
        given = np.fromiter(given, dtype=object, count=len(given))
    array = np.asarray(given)
    if len(array) != n:
        raise InputError(f"{n} images and {len(array)} labels; give one label for each image.")
    if array.shape not in ((n,), (n, 1)) or any(np.ndim(label) for label in array.ravel()):
        raise InputError(
            f"labels must be one value an image, ({n},), got {array.shape or type(labels).__name__} such as"
            f" {array[:1].tolist()}. Of one-hot rows the classes are labels.argmax(1)."
        )
    flat = array.ravel()
    return np.array([v.decode("utf-8") if isinstance(v, bytes) else v for v in flat], dtype=object)


def from_synthetic(dataset: Dataset) -> ImageSet:
    """Return a data set of `synthetic` as an `ImageSet`, without a detour over the disk."""
    table = dataset.table.copy()
    table.insert(1, "path", [f"{dataset.spec.name}#{i}" for i in range(len(table))])
    return ImageSet(dataset.images, table, Path(dataset.spec.name), dataset.doubts())


def concatenate(sets: Sequence[ImageSet]) -> ImageSet:
    """Return several sets as one; with more than one a column ``source`` says where each image was read from.

    A column of the data's own that is called so is ``own.source`` then.

    Where all are `LazyImages`, so is the result. Grey sets beside colour are repeated into three channels; that, images
    without a label, and a column ``seen`` that some of them lack, which is left out, stand in ``warnings``.

    Raises
    ------
    InputError
        When their images differ in size, or, being `LazyImages`, in channels.
    """
    if len(sets) == 1:
        return sets[0]
    said = [f"{s.source}: {w}" for s in sets for w in s.warnings]
    if len({s.image_shape[:2] for s in sets}) > 1:
        raise InputError(f"the data sets differ in size ({_shapes(sets)}). Resize them with --size N.")
    grey = [s for s in sets if s.image_shape[2] == 1]
    if 0 < len(grey) < len(sets):
        if any(isinstance(s.images, LazyImages) for s in sets):
            raise InputError(
                f"some data sets are grey and some are in colour ({_shapes(sets)}), and what is streamed is not"
                " converted. Give one kind, or say --no-stream, which needs room for all images in memory."
            )
        sets = [replace(s, images=fit_channels(s.images, 3)) if s.image_shape[2] == 1 else s for s in sets]
        said.append(f"{sum(map(len, grey))} grey images were repeated into three channels.")
    tables = [set_aside(s.table, ["source"]).assign(source=str(s.source)) for s in sets]
    table = pd.concat(tables, ignore_index=True)
    if "label" in table:
        said += _without_label(int(table["label"].isna().sum()))
        table["label"] = table["label"].fillna(NO_LABEL)
    without = [str(s.source) for s in sets if "seen" not in s.table]
    if "seen" in table and without:
        table = table.drop(columns="seen")
        said.append(f"the column seen is left out, for it is not known of all: {_listed(without)} has none.")
    lazy = [s.images for s in sets if isinstance(s.images, LazyImages)]
    return ImageSet(
        LazyImages.joined(lazy) if len(lazy) == len(sets) else np.concatenate([s.images[:] for s in sets]),
        table,
        sets[0].source,
        tuple(said),
        sum(s.n_skipped for s in sets),
    )


def _without_label(n: int) -> tuple[str, ...]:
    return (f"{n} images have no label.",) if n else ()


def _shapes(sets: Sequence[ImageSet]) -> str:
    """Return the first sets that differ in shape, and theirs."""
    first = {s.image_shape: f"{s.source}: {'x'.join(map(str, s.image_shape))}" for s in reversed(sets)}
    return _listed([first[shape] for shape in dict.fromkeys(s.image_shape for s in sets)], "; ")


def _listed(names: Sequence[str], between: str = ", ") -> str:
    return between.join(names[:N_LISTED]) + (f"{between}..." if len(names) > N_LISTED else "")
