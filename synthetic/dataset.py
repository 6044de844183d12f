"""`make_dataset`: images, masks and a table of factors, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from synthetic.draw import draw_factors, draw_images
from synthetic.errors import SpecError, unknown_name
from synthetic.presets import PRESETS
from synthetic.spec import Spec, is_integer, load_spec

N_LISTED = 3  # classes that a word on them names


@dataclass(frozen=True)
class Dataset:
    """A drawn data set.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, size_px, size_px, 3)
        RGB.
    masks : ndarray of bool, shape (n, size_px, size_px)
        Exactly the pixels of the shape that can be seen.
    table : DataFrame
        One row an image: ``sample_id``, ``label``, ``split``, ``seen``, ``factor.*``.
    spec : Spec
    seed : int
    """

    images: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.bool_]
    table: pd.DataFrame
    spec: Spec
    seed: int

    def doubts(self) -> tuple[str, ...]:
        """Return what labels promise and images do not show: shapes without a pixel, blank images, equal classes."""
        label, n = self.table["label"], len(self.table)
        unseen = np.asarray(~self.masks.any(axis=(1, 2)))
        blank = np.asarray((self.images == self.images[:, :1, :1]).all(axis=(1, 2, 3)))
        said = [
            f"{int(rows.sum())} of {n} images {what}: {_listed(label.to_numpy()[rows])}. {advice}"
            for rows, what, advice in (
                (unseen, "show nothing of their shape", "It is too small, or lies outside."),
                (blank & ~unseen, "have one colour all over", "Let base, or the noise, differ from the background."),
            )
            if rows.any()
        ]
        classes = self.table.groupby("sample_id")["label"].unique()
        shared = classes[classes.map(len) > 1]
        if len(shared):
            said.append(
                f"{len(shared)} images are equal, pixel for pixel, in several classes: {_listed(shared.iloc[0])}."
            )
        return tuple(said)


def _listed(labels: Iterable[str]) -> str:
    different = list(dict.fromkeys(labels))
    return ", ".join(different[:N_LISTED]) + (", ..." if len(different) > N_LISTED else "")


def sample_id(image: npt.NDArray[np.uint8]) -> str:
    """Return 16 hexadecimal digits that name an image by its shape and pixels: equal images have equal ids."""
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()[:16]


def resolve_spec(preset_or_spec: str | Spec) -> Spec:
    """Return a preset by its name, the spec in a .toml file, or the spec itself.

    Raises
    ------
    SpecError
        For an unknown name, with the nearest one; see `load_spec` for files.
    """
    if isinstance(preset_or_spec, Spec):
        return preset_or_spec
    if str(preset_or_spec).endswith(".toml"):
        return load_spec(preset_or_spec)
    if preset_or_spec not in PRESETS:
        raise SpecError(unknown_name("preset", preset_or_spec, PRESETS))
    return PRESETS[preset_or_spec]


def make_dataset(
    preset_or_spec: str | Spec,
    *,
    per_class: int | None = None,
    seed: int = 0,
    indices: Sequence[int] | None = None,
) -> Dataset:
    """Return a data set, drawn without touching a disk.

    Parameters
    ----------
    preset_or_spec : str or Spec
        A key of `PRESETS`, a ``.toml`` file, or a spec from `load_spec`.
    per_class : int, optional
        Images of each type in place of the spec's own number.
    seed : int
        From 0 to 2**64 - 1. The same seed gives the same bytes.
    indices : sequence of int, optional
        Draw these images only. Image ``i`` is the same whichever others are drawn.

    Returns
    -------
    Dataset

    Raises
    ------
    SpecError
        For an unknown preset, or a seed or index out of range.

    Examples
    --------
    >>> make_dataset("jitter-test", per_class=1).images.shape
    (10, 64, 64, 3)
    """
    spec = resolve_spec(preset_or_spec).with_per_class(per_class)
    check_seed(seed)
    chosen = range(spec.n_images) if indices is None else [int(i) for i in indices]
    if not len(chosen):
        raise SpecError("indices is empty; name at least one image.")
    if any(i < 0 or i >= spec.n_images for i in chosen):
        raise SpecError(f"indices must be from 0 to {spec.n_images - 1}, got {min(chosen)} to {max(chosen)}.")
    return draw_dataset(spec, chosen, seed, draw_factors(spec, chosen, seed))


def check_seed(seed: int) -> None:
    """Raise `SpecError` unless a seed fits into the random stream's key."""
    if not is_integer(seed) or not 0 <= seed < 2**64:
        raise SpecError(f"seed must be from 0 to 2**64 - 1, got {seed}.")


def draw_dataset(spec: Spec, indices: Sequence[int], seed: int, columns: Mapping[str, Sequence[Any]]) -> Dataset:
    """Return the images of ``indices`` with the factors of ``columns``, and their table."""
    images, masks = draw_images(spec, indices, seed, columns)
    types = [spec.types[i % len(spec.types)] for i in indices]
    table = pd.DataFrame(
        {
            "sample_id": [sample_id(image) for image in images],
            "label": [t.label for t in types],
            "split": spec.split,
            "seen": [t.seen for t in types],
            **{f"factor.{name}": values for name, values in columns.items()},
        }
    )
    return Dataset(images, masks, table, spec, seed)
