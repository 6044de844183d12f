"""`ImageLoader`: whatever names or holds an image, to rows of pixels."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from gan_probe.errors import InputError
from gan_probe.images.image_set import fit_channels
from gan_probe.images.readers.decode import decode_image
from gan_probe.types import Rows


class ImageLoader(TransformerMixin, BaseEstimator):
    """Turn paths, encoded bytes, PIL images or arrays into rows (n, height x width x channels).

    Paths, bytes and PIL images give uint8, and may be mixed. Arrays of images are reshaped to rows; numeric rows are
    passed through.

    Parameters
    ----------
    size_px : int, optional
        Resize to a square of this side. Without it all images must have the size of the first one seen by `fit`.
    n_channels : {1, 3}
        Grey or RGB; images are converted. Arrays are left as they are.

    Attributes
    ----------
    image_shape_ : tuple of int
        Height, width, channels; for numeric rows (n_features_in_,).

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
        if _is_numeric(X):
            rows = self._check_rows(X, reset=True)
            self.image_shape_ = X.shape[1:] if isinstance(X, np.ndarray) and X.ndim > 2 else (rows.shape[1],)
        else:
            self.image_shape_ = self._decode(_items(X)[:1])[0].shape
            self.n_features_in_ = int(np.prod(self.image_shape_))
        return self

    def transform(self, X: Any) -> Rows:
        """Return the rows of pixels."""
        check_is_fitted(self)
        if _is_numeric(X):
            return self._check_rows(X, reset=False)
        arrays = self._decode(_items(X))
        for number, array in enumerate(arrays):
            if array.shape != self.image_shape_:
                raise InputError(
                    f"image {number} is {array.shape}, the first one was {self.image_shape_}. Set size_px."
                )
        return np.stack([array.ravel() for array in arrays])

    def _check_rows(self, X: Any, *, reset: bool) -> Rows:
        X = X.reshape(len(X), -1) if isinstance(X, np.ndarray) and X.ndim > 2 else X
        return validate_data(self, X, dtype=(np.float64, np.float32, np.uint8), reset=reset)

    def _decode(self, items: list[Any]) -> list[npt.NDArray[np.uint8]]:
        return [fit_channels(decode_image(_source(item), self.size_px)[0], self.n_channels) for item in items]

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


def _is_numeric(X: Any) -> bool:
    """Return whether ``X`` is numbers, and not a list of things that hold images."""
    if hasattr(X, "dtype") or hasattr(X, "dtypes") or hasattr(X, "__dataframe__"):
        kinds = [np.asarray(X).dtype.kind]
        return not (kinds[0] in "US" or (kinds[0] == "O" and _holds_images(np.asarray(X).ravel())))
    return not _holds_images(X if isinstance(X, Iterable) else [])


def _holds_images(items: Any) -> bool:
    first = next(iter(items), None)
    return isinstance(first, str | bytes | Path | Image.Image)


def _items(X: Any) -> list[Any]:
    items = list(np.asarray(X, dtype=object).ravel()) if hasattr(X, "dtype") or hasattr(X, "dtypes") else list(X)
    if not items:
        raise InputError("there are no images: the list is empty.")
    return items


def _source(item: Any) -> Path | bytes:
    """Return what `decode_image` reads: a path, or the bytes of an image file."""
    match item:
        case bytes():
            return item
        case Path() | str():
            if not Path(item).is_file():
                raise InputError(f"{str(item)!r} is not the path of a file.")
            return Path(item)
        case Image.Image():
            buffer = io.BytesIO()
            item.save(buffer, format="PNG")
            return buffer.getvalue()
    raise InputError(f"cannot read an image from {type(item).__name__}; give a path, bytes or a PIL image.")
