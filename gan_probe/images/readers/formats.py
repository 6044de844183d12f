"""The picture formats that are read: all that Pillow may try, and the names of such files. To add one: one row."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

from gan_probe.errors import InputError
from gan_probe.images.readers.files import foreign, printable


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes
    ----------
    name : str
        As Pillow calls it.
    suffixes : tuple of str
        Names of files that are read as pictures in a folder, in any case of letters.
    several : str
        What files of several frames are called; empty where there are none.
    """

    name: str
    suffixes: tuple[str, ...]
    several: str = ""


# Formats with a signature of their own, decoded inside of Pillow: no other program is started, and noise is not taken
# for a picture. What a file holds decides which is used, not its name.
FORMATS: tuple[Format, ...] = (
    Format("PNG", (".png", ".apng"), "APNG"),
    Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), "MPO"),
    Format("BMP", (".bmp",)),
    Format("WEBP", (".webp",), "animations"),
    Format("TIFF", (".tif", ".tiff"), "pages"),
    Format("GIF", (".gif",), "animations"),
    Format("PPM", (".ppm", ".pgm", ".pbm", ".pnm")),
    Format("AVIF", (".avif",), "sequences"),
    Format("JPEG2000", (".jp2", ".j2k", ".jpx", ".j2c", ".jpf")),
    Format("QOI", (".qoi",)),
)
IMAGE_SUFFIXES = tuple(suffix for row in FORMATS for suffix in row.suffixes)

# Not read in a folder of pictures, and counted, as they may hold images; besides whatever the system calls one.
MAY_HOLD_IMAGES = (
    ".heic", ".heif", ".jxl", ".psd", ".tga", ".ico", ".icns", ".dds", ".exr", ".hdr", ".svg", ".eps", ".dcm", ".nii",
    ".fits", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".raf", ".rw2", ".pcx", ".dib", ".xcf", ".pfm",
    ".npy", ".npz", ".parquet", ".h5", ".hdf5", ".zip", ".tar", ".tgz", ".gz", ".7z", ".mat", ".tfrecord", ".lmdb",
)  # fmt: skip


@cache
def allowed() -> tuple[str, ...]:
    """Return the formats that this Pillow decodes, for ``Image.open(..., formats=...)``."""
    Image.init()
    return tuple(row.name for row in FORMATS if row.name in Image.OPEN)


def is_picture(name: str) -> bool:
    """Return whether a file of this name is read in a folder of pictures."""
    return Path(name).suffix.lower() in IMAGE_SUFFIXES


def may_hold_images(name: str) -> bool:
    """Return whether a file that is not read has the name of a picture, a film or an array."""
    kind = mimetypes.guess_type(Path(name).name)[0] or ""
    return Path(name).suffix.lower() in MAY_HOLD_IMAGES or kind.startswith(("image/", "video/"))


def looks_like_picture(file: Path) -> bool:
    """Return whether a file begins as one of `FORMATS` does, whatever its name."""
    try:
        with foreign(printable(file.name)):
            with file.open("rb") as opened:
                prefix = opened.read(16)
            accept = [accepts for name in allowed() if (accepts := Image.OPEN[name][1]) is not None]
            if not any(accepts(prefix) is True for accepts in accept):  # quick; then the whole header
                return False
            with Image.open(file, formats=allowed()):
                return True
    except InputError:
        return False
