"""The one decoder: an image file, its bytes, or a picture of Pillow to pixels, and what was converted on the way."""

from __future__ import annotations

import ctypes
import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Condition

import numpy as np
from PIL import Image, UnidentifiedImageError

from gan_probe.errors import InputError
from gan_probe.images.readers.files import foreign, printable
from gan_probe.images.readers.formats import allowed
from gan_probe.images.readers.modes import Stored, to_8_bits
from gan_probe.types import Images

MAX_PIXELS = 50_000_000  # of one image, and of all that are being decoded at a time; more is a mistake or an attack
LARGE_PX = 4_000_000
FRAMES = "of several frames or pages, of which the first was read"
TURNED = "turned upright, as their EXIF orientation says"
ORIENTATION = 0x0112  # the tag of EXIF
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Decoded = tuple[Images, tuple[str, ...]]  # (h, w, 1 or 3) uint8, and a word for each thing that was converted


class PixelBudget:
    """Bounds how many pixels are decoded at a time in this process: threads wait until there is room."""

    def __init__(self, n_pixels: int) -> None:
        self._free = n_pixels
        self._changed = Condition()

    @contextmanager
    def take(self, n_pixels: int) -> Iterator[None]:
        """Hold room for so many pixels."""
        with self._changed:
            self._changed.wait_for(lambda: self._free >= n_pixels)
            self._free -= n_pixels
        try:
            yield
        finally:
            if n_pixels > LARGE_PX:
                _trim()
            with self._changed:
                self._free += n_pixels
                self._changed.notify_all()


def _trim() -> None:
    """Give freed memory back to the system: glibc keeps it for the thread that freed it, once for each thread."""
    with suppress(OSError, AttributeError, TypeError):  # other systems and C libraries do so by themselves
        ctypes.CDLL(None).malloc_trim(0)


_BUDGET = PixelBudget(MAX_PIXELS)


def decode_image(source: Path | bytes, size_px: int | None) -> tuple[Images, str]:
    """Return one image as (h, w, 1 or 3) uint8 and, where pixels were converted, words that say how.

    Raises
    ------
    InputError
        When it is not a whole image of a format that is read (`gan_probe.images.readers.formats.FORMATS`).
    """
    pixels, notes = decode(source, size_px)
    return pixels, "; ".join(notes)


def decode(source: Path | bytes, size_px: int | None) -> Decoded:
    """Return one image file, or its bytes, as pixels, with a word for each thing that was converted.

    Raises
    ------
    InputError
        See `decode_image`.
    """
    name = "bytes" if isinstance(source, bytes) else printable(source.name)
    if isinstance(source, Path) and not source.is_file():
        raise InputError(f"{name} is not a file.")
    with foreign(f"{name} is not a readable image"):
        try:
            file = io.BytesIO(source) if isinstance(source, bytes) else source
            with Image.open(file, formats=allowed()) as opened, _BUDGET.take(_count_pixels(opened)):
                found = _pixels(opened, size_px)
                opened.close()  # its pixels go before there is room for others
                return found
        except UnidentifiedImageError as error:
            raise ValueError(f"what it holds is none of {', '.join(allowed())}, or is damaged") from error


def decode_picture(image: Image.Image, size_px: int | None = None) -> Decoded:
    """Return a picture of Pillow as the decoder returns the file that it was read from.

    Parameters
    ----------
    image : Image
        Of any mode, loaded or not; it is left as it is, but for being loaded.
    size_px : int, optional
        Resize to a square of this side (Lanczos).

    Returns
    -------
    pixels : ndarray of uint8, shape (h, w, 1 or 3)
    notes : tuple of str
        A word for each thing that was converted, fit for "images were ...".

    Raises
    ------
    InputError
        For pixels whose range is not known, too many pixels, and files of a format that is not read.

    Examples
    --------
    >>> pixels, notes = decode_picture(Image.new("CMYK", (8, 6)))
    >>> pixels.shape, notes
    ((6, 8, 3), ('CMYK, converted to RGB',))
    """
    if image.format not in (None, "MPO", *allowed()):
        raise InputError(
            f"a picture of the format {image.format} is not read; known are {', '.join(allowed())}."
            " Convert it with image.convert('RGB')."
        )
    with foreign(f"the picture of mode {image.mode} is not a readable image"), _BUDGET.take(_count_pixels(image)):
        return _pixels(image, size_px)


def _count_pixels(image: Image.Image) -> int:
    n_pixels = image.width * image.height
    if not 0 < n_pixels <= MAX_PIXELS:
        raise ValueError(f"{image.width}x{image.height} pixels are not from 1 to {MAX_PIXELS:,}")
    return n_pixels


def _pixels(image: Image.Image, size_px: int | None) -> Decoded:
    frames = (FRAMES,) if getattr(image, "is_animated", False) else ()
    # TIFF is turned while it is loaded. To be asked earlier makes PNG load itself, and a second load tells no damage.
    raw, before = _raw_mode(image), _orientation(image) if image.format == "TIFF" else 1
    image.load()
    after = _orientation(image)
    plain, notes = to_8_bits(Stored(image, raw))
    if after in UPRIGHT:
        plain = plain.transpose(UPRIGHT[after])
    if size_px is not None and plain.size != (size_px, size_px):
        plain = plain.resize((size_px, size_px), Image.Resampling.LANCZOS)
    turned = (TURNED,) if UPRIGHT.keys() & {before, after} else ()
    array = np.array(plain, dtype=np.uint8)
    return (array[..., None] if array.ndim == 2 else array), (*frames, *turned, *notes)


def _raw_mode(image: Image.Image) -> str:
    """Return how the file holds its pixels, in Pillow's words; empty for what is loaded already."""
    tiles = getattr(image, "tile", [])
    if not tiles:
        return ""
    decoder, _, _, arguments = tiles[0]
    raw, *more = arguments if isinstance(arguments, tuple) and arguments else (arguments,)
    is_wide = decoder.startswith("ppm") and more and more[0] > 255  # the largest value of a PPM stands apart
    return f"{raw};16" if is_wide else raw if isinstance(raw, str) else ""


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, or 1 where there is none that can be read: viewers do the same."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, struct.error, Warning):
        return 1


def resize_array(image: Images, size_px: int | None) -> Images:
    """Return one image (h, w, c) as a square of this side (Lanczos), or as it is."""
    if size_px is None or image.shape[:2] == (size_px, size_px):
        return np.asarray(image)
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    resized = np.asarray(picture.resize((size_px, size_px), Image.Resampling.LANCZOS))
    return resized.reshape(size_px, size_px, image.shape[-1])
