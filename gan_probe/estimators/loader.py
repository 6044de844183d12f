"""`ImageLoader`: whatever names or holds an image, to rows of pixels."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from gan_probe.errors import InputError
from gan_probe.estimators.arrays import as_array, guess_shape
from gan_probe.images.image_set import fit_channels
from gan_probe.images.readers.decode import decode_image, decode_picture, resize_array
from gan_probe.types import Images, Rows

ROWS: dict[str, Any] = {"dtype": (np.float64, np.float32, np.uint8)}
ONCE = "_gan_probe_once"  # in pickles and hashes only


class ImageLoader(TransformerMixin, BaseEstimator):
    """Turn paths, encoded bytes, PIL images or arrays into rows (n, height x width x channels).

    Lists and columns of paths, bytes, PIL images and uint8 arrays give uint8, and may be mixed. One array of images
    (n, h, w) or (n, h, w, c) is reshaped to rows; numeric rows are passed through. In a pipeline with ``memory`` files
    are read each time, since a cache sees their names only.

    Parameters
    ----------
    size_px : int, optional
        Resize to a square of this side. Without it all images must have the size of the first one seen by `fit`.
    n_channels : {1, 3}
        Grey or RGB; images are converted. One array of images keeps its channels.

    Attributes
    ----------
    image_shape_ : tuple of int
        Height, width, channels; for numeric rows one number, ``n_features_in_``.

    Examples
    --------
    >>> from PIL import Image
    >>> pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    >>> ImageLoader(size_px=4).fit_transform(pictures).shape
    (2, 48)
    """

    def __init__(self, size_px: int | None = None, n_channels: int = 3) -> None:
        self.size_px = size_px
        self.n_channels = n_channels

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the shape of the images. Labels are not used."""
        if self.n_channels not in (1, 3):
            raise InputError(f"n_channels must be 1 or 3, got {self.n_channels!r}.")
        if self.size_px is not None and not 4 <= self.size_px <= 4096:
            raise InputError(f"size_px must be from 4 to 4096, got {self.size_px!r}.")
        pictures = find_pictures(X)
        if pictures is None:
            rows, shape = self._numbers(X)
            checked = validate_data(self, rows, reset=True, **ROWS)
            self.image_shape_ = shape or (checked.shape[1],)
        else:
            self.image_shape_ = self._decode(pictures[:1])[0][0].shape
            self.n_features_in_ = int(np.prod(self.image_shape_))
        return self

    def transform(self, X: Any) -> Rows:
        """Return the rows of pixels."""
        check_is_fitted(self)
        pictures = find_pictures(X)
        if pictures is None:
            rows, shape = self._numbers(X)
            if shape and len(self.image_shape_) == 3 and shape != self.image_shape_:
                raise InputError(f"images are {shape}, the first one was {self.image_shape_}. Set size_px.")
            return validate_data(self, rows, reset=False, **ROWS)
        arrays, notes = self._decode(pictures)
        for number, array in enumerate(arrays):
            if array.shape != self.image_shape_:
                raise InputError(
                    f"image {number} is {array.shape}, the first one was {self.image_shape_}. Set size_px."
                )
        for note, count in notes.items():
            warnings.warn(f"{count} of {len(arrays)} images were {note}.", UserWarning, stacklevel=2)
        return np.stack([array.ravel() for array in arrays])

    def _numbers(self, X: Any) -> tuple[Any, tuple[int, ...]]:
        """Return an array of images as rows, resized where asked for, and their shape; () for rows as they are."""
        X = as_array(X)
        if getattr(X, "ndim", 0) <= 2:
            if self.size_px is not None and np.shape(X)[-1] not in (self.size_px**2, 3 * self.size_px**2):
                raise InputError(
                    f"rows of {np.shape(X)[-1]} numbers cannot be resized to {self.size_px} pixels; give images"
                    " (n, h, w, c)."
                )
            return X, ()
        height, width, channels = guess_shape(X.shape[1:])
        images = X.reshape(len(X), height, width, channels)
        if self.size_px is not None and (height, width) != (self.size_px, self.size_px):
            if images.dtype != np.uint8:
                raise InputError(f"only images of uint8 (0..255) are resized, got {images.dtype}. Convert them first.")
            images = np.stack([resize_array(image, self.size_px) for image in images])
        return images.reshape(len(images), -1), images.shape[1:]

    def _decode(self, items: list[Any]) -> tuple[list[Images], Counter[str]]:
        """Return images in the channels asked for, and how many were converted in which way."""
        arrays, notes = [], Counter[str]()
        for number, item in enumerate(items):
            try:
                pixels, note = decode_item(item, self.size_px)
            except InputError as error:
                raise InputError(f"image {number}: {error}") from error
            arrays.append(fit_channels(pixels, self.n_channels))
            notes.update([note] if note else [])
        return arrays, notes

    def __getstate__(self) -> dict[str, Any]:
        """Return the state, each time another: a cache sees names of files and not what they hold, so it must miss."""
        return {**super().__getstate__(), ONCE: uuid4().hex}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a state."""
        super().__setstate__({name: value for name, value in state.items() if name != ONCE})

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return ``pixel0``, ``pixel1``, ..."""
        check_is_fitted(self)
        return np.array([f"pixel{i}" for i in range(self.n_features_in_)], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def find_pictures(X: Any) -> list[Any] | None:
    """Return the things in ``X`` that name or hold an image each; None where ``X`` is numbers.

    Raises
    ------
    InputError
        For one image, what can be read only once or has no order, and tables of several columns.
    """
    if _is_picture(X):
        raise InputError("this is one image; give a list of images: [X].")
    is_table = any(hasattr(X, name) for name in ("dtype", "dtypes", "__dataframe__"))
    if not is_table and (isinstance(X, Mapping | Set) or (isinstance(X, Iterable) and not hasattr(X, "__len__"))):
        raise InputError(f"images in a {type(X).__name__} have no order, or can be read only once; give a list.")
    if isinstance(X, list | tuple) and X and isinstance(X[0], list | tuple) and X[0] and _is_picture(X[0][0]):
        X, is_table = np.array(X, dtype=object), True
    if not is_table:
        if isinstance(X, list | tuple) and not X:
            raise InputError("there are no images: the list is empty.")
        return list(X) if isinstance(X, list | tuple) and _are_pictures(list(X)) else None
    values = np.asarray(X)
    if values.dtype.kind not in "USTO" or (values.dtype.kind == "O" and not _are_pictures(values.ravel().tolist())):
        return None
    if values.ndim > 1 and values.size != len(values):
        columns = ", ".join(map(str, getattr(X, "columns", range(values.shape[1]))))
        raise InputError(f"one column of images is needed, got {values.shape[1]}: {columns}. Choose one.")
    values = values.ravel()
    if values.dtype.kind == "S":  # numpy cuts zeros off the end of each; what follows a whole file does no harm
        values = values.view(np.dtype((np.void, values.dtype.itemsize)))
    return values.tolist()


def _is_picture(item: Any) -> bool:
    """Return whether something names or holds one image by itself."""
    return isinstance(item, str | bytes | bytearray | memoryview | os.PathLike | Image.Image)


def _are_pictures(items: list[Any]) -> bool:
    """Return whether there is a picture among items, or all of them are arrays of bytes that could be one each."""
    if any(_is_picture(item) for item in items):
        return True
    return bool(items) and all(np.ndim(i) in (2, 3) and getattr(i, "dtype", None) == np.uint8 for i in items)


def decode_item(item: Any, size_px: int | None) -> tuple[Images, str]:
    """Return one image as pixels and, where they were converted, words that say how.

    Raises
    ------
    InputError
        For what is no image.
    """
    match item:
        case bytes() | bytearray() | memoryview():
            return decode_image(bytes(item), size_px)
        case str() | os.PathLike():
            if not Path(item).is_file():
                raise InputError(f"{str(item)!r} is not the path of a file.")
            return decode_image(Path(item), size_px)
        case Image.Image():
            pixels, notes = decode_picture(item, size_px)
            return pixels, "; ".join(notes)
        case np.ndarray() if item.dtype == np.uint8 and item.ndim in (2, 3):
            shape = (*item.shape, 1) if item.ndim == 2 else guess_shape(item.shape)
            return resize_array(item.reshape(shape), size_px), ""
        case np.ndarray():
            raise InputError(
                f"an array among pictures must be uint8 (h, w) or (h, w, c), got {item.dtype} {item.shape}."
            )
    raise InputError(f"cannot read an image from {type(item).__name__}; give a path, bytes, a PIL image or an array.")
