"""The arrays that rooms hand to each other, each under one name.

Shapes: n images, h and w pixels, c channels, d features, k columns, runs trainings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]  # (n, h, w, c); c = 3 (RGB) or 1 (grey), 0..255
ImageShape = tuple[int, int, int]  # height, width, channels
Scores = npt.NDArray[np.floating[Any]]  # (n,) or (runs, n); higher = more like the training data
Rows = npt.NDArray[np.floating[Any]]  # (n, d): an embedding, or the pixels of images
Values = npt.NDArray[np.floating[Any]]  # numbers of any shape
Column = npt.NDArray[np.float32]  # (n,): one number an image
Labels = npt.NDArray[Any]  # (n,): the class of each image, as text
AnyLabels = Sequence[str] | Labels
Codes = npt.NDArray[np.intp]  # (n,): the level of a factor, or the cluster, of each image; from 0
Indices = npt.NDArray[np.intp]  # row numbers
Mask = npt.NDArray[np.bool_]  # (n,): which images
Masks = npt.NDArray[np.bool_]  # (n, h, w): which pixels of each image
Maps = npt.NDArray[np.floating[Any]]  # (n, h, w): one number a pixel
Rng = np.random.Generator
Progress = Callable[[Iterable[Any]], Iterable[Any]]  # wraps what is iterated over, for a progress bar
Warn = Callable[[str], None]  # told what is to be said beside a result; list.append is one
OnPart = Callable[[str], None]  # called with the name of each part of long work
