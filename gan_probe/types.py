"""The arrays that rooms hand to each other, each under one name.

Shapes: n images, h and w pixels, c channels, d features, k columns, runs trainings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Real, Shaped, UInt8

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from gan_probe.images.image_set import ImageSet

ImageShape = tuple[int, int, int]  # height, width, channels

if TYPE_CHECKING:  # for type checkers the kind of number, for the tests the shape, too
    AnyData: TypeAlias = "ImageSet | str | Path | npt.NDArray[np.uint8]"
    Images = npt.NDArray[np.uint8]
    SomeImages = npt.NDArray[np.uint8]
    OneImage = npt.NDArray[np.uint8]
    Walks = npt.NDArray[np.uint8]
    Scores = npt.NDArray[np.floating[Any]]
    Rows = npt.NDArray[np.floating[Any]]
    Values = npt.NDArray[np.floating[Any]]
    Column = npt.NDArray[np.float32]
    Labels = npt.NDArray[Any]
    Codes = npt.NDArray[np.intp]
    Indices = npt.NDArray[np.intp]
    Mask = npt.NDArray[np.bool_]
    Masks = npt.NDArray[np.bool_]
    SomeMask = npt.NDArray[np.bool_]
    SomeMasks = npt.NDArray[np.bool_]
    Maps = npt.NDArray[np.floating[Any]]
else:
    AnyData = Any  # what is none of these is refused in words
    Images = UInt8[np.ndarray, "n h w c"]  # c = 3 (RGB) or 1 (grey), 0..255
    SomeImages = UInt8[np.ndarray, "m h w c"]  # others than the n of the same call
    OneImage = UInt8[np.ndarray, "_ _ _"]  # of its own height, width and channels
    Walks = UInt8[np.ndarray, "rows columns h w c"]  # pictures side by side
    Scores = Float[np.ndarray, "*runs n"]  # higher = more like the training data
    Rows = Real[np.ndarray, "n ..."]  # (n, d): an embedding, or the pixels of images
    Values = Real[np.ndarray, "..."]  # numbers of any shape
    Column = Float32[np.ndarray, "n"]  # one number an image
    Labels = Shaped[np.ndarray, "n"]  # the class of each image, as text
    Codes = Int[np.ndarray, "n"]  # the level of a factor, or the cluster, of each image; from 0
    Indices = Int[np.ndarray, "..."]  # row numbers
    Mask = Bool[np.ndarray, "n"]  # which images
    Masks = Bool[np.ndarray, "n h w"]  # which pixels of each image
    SomeMask = Bool[np.ndarray, "m"]
    SomeMasks = Bool[np.ndarray, "m h w"]
    Maps = Float[np.ndarray, "n h w"]  # one number a pixel

AnyLabels = Sequence[str] | Labels
Rng = np.random.Generator
Progress = Callable[[Iterable[Any]], Iterable[Any]]  # wraps what is iterated over, for a progress bar
Warn = Callable[[str], None]  # told what is to be said beside a result; list.append is one
OnPart = Callable[[str], None]  # called with the name of each part of long work
