"""Arrays of images at the estimators' door: which axis is which, and whether values lie where they are said to."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gan_probe.errors import InputError
from gan_probe.types import ImageShape

CHANNELS = (1, 3)
RANGES = ((0, 1), (-1, 1), (0, 255), (0, 65535))  # in which images usually come
GREY_LEVELS = 255
LAST = "channels come first; put them last: X.transpose(0, 2, 3, 1)"
EITHER = "can be read with channels first or last. Give rows: X.reshape(len(X), -1), with channels last before."


def as_array(X: Any) -> Any:
    """Return images (a list of arrays, tensors, nested lists) as one array; rows and tables as they are.

    Raises
    ------
    InputError
        For arrays that differ in shape.
    """
    if isinstance(X, list | tuple):
        shapes = {np.shape(item) for item in X if hasattr(item, "__array__")}
        if len(shapes) > 1:
            raise InputError(f"the arrays in the list differ in shape: {', '.join(map(str, sorted(shapes)[:3]))}.")
        first = X[0] if X else None
        is_deep = isinstance(first, list | tuple) and bool(first) and isinstance(first[0], list | tuple | np.ndarray)
        return np.asarray(X) if is_deep or any(len(shape) > 1 for shape in shapes) else X
    return np.asarray(X) if getattr(X, "ndim", 0) > 2 else X


def axes_text(dims: tuple[int, ...]) -> str:
    """Return the shape of an image as text."""
    return "x".join(map(str, dims))


def guess_shape(dims: tuple[int, ...]) -> ImageShape:
    """Return height, width and channels of images (h, w) or (h, w, c), of which only the array is known.

    Raises
    ------
    InputError
        For channels that come first, for other numbers of channels, and where both readings are possible.
    """
    if len(dims) == 2 and dims[1] == 3:
        raise InputError(
            f"images of {axes_text(dims)}: one RGB image (give X[None]), or grey ones (give X[..., None])?"
        )
    if len(dims) not in (2, 3):
        raise InputError(
            f"images must be (n, h, w), (n, h, w, 1) or (n, h, w, 3), got (n, {', '.join(map(str, dims))})."
        )
    if len(dims) == 2:
        return dims[0], dims[1], 1
    first, last = dims[0] in CHANNELS, dims[2] in CHANNELS
    if first and last and dims[0] * dims[2] > 1:  # of 1 and 1 both readings are the same pixels
        raise InputError(f"images of {axes_text(dims)} {EITHER}")
    if last:
        return dims[0], dims[1], dims[2]
    if dims[0] == 1:  # grey: the same pixels in the same order
        return dims[1], dims[2], 1
    if first:
        raise InputError(f"images of {axes_text(dims)}: {LAST}.")
    raise InputError(
        f"images of {axes_text(dims)} have {dims[2]} channels; known are 1 (grey) and 3 (RGB), channels last."
    )


def check_shape(dims: tuple[int, ...], wanted: ImageShape) -> None:
    """Raise `InputError` unless images (h, w) or (h, w, c) are what a critic takes, axis by axis."""
    height, width, channels = wanted
    found = (*dims, 1) if len(dims) == 2 else dims
    is_last, is_first = found == tuple(wanted), found == (channels, height, width)
    if is_last and is_first and channels > 1:
        raise InputError(f"images of {axes_text(dims)} {EITHER}")
    if is_last or (is_first and channels == 1):
        return
    advice = f"Resize with ImageLoader(size_px={height})."
    if is_first:
        advice = f"Here {LAST}."
    elif found == (width, height, channels):
        advice = "Height and width are exchanged: X.transpose(0, 2, 1, 3)."
    elif dims == (width, channels):
        advice = "One image is a batch of one: X[None]."
    raise InputError(
        f"this critic takes images of {axes_text(wanted)} (height x width x channels), got {axes_text(dims)}. {advice}"
    )


def range_problem(rows: npt.NDArray[Any], value_range: tuple[float, float]) -> str:
    """Return what looks wrong about where the values of images lie; empty where nothing does.

    One level of grey beyond the range is let pass, as resizing makes it.
    """
    low, high = value_range
    smallest, largest = float(rows.min()), float(rows.max())
    level = (high - low) / GREY_LEVELS
    likely = next((r for r in RANGES if r[0] <= smallest and largest <= r[1]), None)
    advice = f" Is it value_range={likely}?" if likely and likely != (low, high) else " Say what is black and white."
    if smallest < low - level or largest > high + level:
        return f"values from {smallest:.3g} to {largest:.3g} lie beyond value_range={value_range}.{advice}"
    if low < largest <= low + level and high - low >= GREY_LEVELS:
        return f"values up to {largest:.3g} are all black within value_range={value_range}.{advice}"
    if (low, high) == (-1, 1) and rows.dtype.kind == "f" and 0 <= smallest < 0.05 and smallest < largest:
        return f"no value is in the dark half of value_range={value_range}. Is it value_range=(0, 1)?"
    return ""
