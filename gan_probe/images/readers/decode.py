"""The one decoder: an image file, or its bytes, to pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from gan_probe.errors import InputError
from gan_probe.types import Images

MAX_PIXELS = 50_000_000  # of one image; more is a mistake or an attack


def decode_image(source: Path | bytes, size_px: int | None) -> tuple[Images, str]:
    """Return one image as (h, w, 1 or 3) uint8 and, where pixels were converted, a word that says how.

    Raises
    ------
    InputError
        When it is not a whole image.
    """
    if isinstance(source, Path) and not source.is_file():
        raise InputError(f"{source.name} is not a file.")
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise ValueError(f"{opened.width}x{opened.height} pixels are more than {MAX_PIXELS:,}")
            opened.load()
            image, note = _to_known_mode(opened)
    except (OSError, SyntaxError, ValueError, RuntimeError, Image.DecompressionBombError) as error:
        name = "bytes" if isinstance(source, bytes) else source.name
        raise InputError(f"{name} is not a readable image: {error}.") from error
    if size_px is not None and image.size != (size_px, size_px):
        image = image.resize((size_px, size_px), Image.Resampling.LANCZOS)
    array = np.asarray(image, dtype=np.uint8)
    return (array[..., None] if array.ndim == 2 else array), note


def decode_picture(image: Image.Image, size_px: int | None = None) -> tuple[Images, tuple[str, ...]]:
    """Return a picture of Pillow as the decoder returns the file that it was read from."""
    plain, note = _to_known_mode(image)
    if size_px is not None and plain.size != (size_px, size_px):
        plain = plain.resize((size_px, size_px), Image.Resampling.LANCZOS)
    array = np.asarray(plain, dtype=np.uint8)
    return (array[..., None] if array.ndim == 2 else array), ((note,) if note else ())


def _to_known_mode(image: Image.Image) -> tuple[Image.Image, str]:
    if image.mode in ("RGB", "L"):
        return image.copy(), ""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB"), "transparent, laid on white"
    if image.mode == "1":
        return image.convert("L"), ""
    if image.mode.startswith("I;16") or image.mode == "I":
        wide = np.asarray(image).astype(np.float64)
        return Image.fromarray(np.round(wide / 257).clip(0, 255).astype(np.uint8)), "16-bit, scaled to 8"
    if image.mode == "F":
        raise ValueError("floating-point pixels have no agreed range; save it with 8 bits a channel")
    return image.convert("RGB"), f"{image.mode}, converted to RGB"


def resize_array(image: Images, size_px: int | None) -> Images:
    """Return one image (h, w, c) as a square of this side (Lanczos), or as it is."""
    if size_px is None or image.shape[:2] == (size_px, size_px):
        return np.asarray(image)
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    resized = np.asarray(picture.resize((size_px, size_px), Image.Resampling.LANCZOS))
    return resized.reshape(size_px, size_px, image.shape[-1])
