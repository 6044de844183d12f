"""Pixels of every mode to 8 bits, grey or RGB: one rule a mode, in order. What a rule says stands in the docs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

GREY = ("1", "L", "LA", "La")
TRANSPARENT = "transparent, laid on white"
SCALED = "16-bit, scaled to 8"
DARK = ", and dark: their values need only"
BAND_PX = 1_000_000  # laid on white at a time
PHOTOMETRIC, SAMPLE_FORMAT = 262, 339  # tags of TIFF
WHITE_IS_ZERO, SIGNED = 0, 2

Converted = tuple[Image.Image, tuple[str, ...]]  # 8 bits, L or RGB, and a word for each thing that was converted


@dataclass(frozen=True)
class Stored:
    """A picture that is loaded, and how its file holds it.

    Attributes
    ----------
    image : Image
    raw : str
        Pillow's raw mode, such as ``RGB;16B``; empty where the picture comes from no file.
    """

    image: Image.Image
    raw: str = ""

    @property
    def mode(self) -> str:
        """Pillow's mode."""
        return self.image.mode

    def tag(self, number: int) -> Any:
        """Return a tag of TIFF, or None."""
        value = getattr(self.image, "tag_v2", {}).get(number)
        return value[0] if isinstance(value, tuple) and value else value


@dataclass(frozen=True)
class Rule:
    """What is done with some pictures.

    Attributes
    ----------
    pixels, done : str
        Which, and what, in the words of the docs.
    applies : callable
        Whether it is for this picture.
    convert : callable
        To L or RGB, with what is to be said.
    """

    pixels: str
    done: str
    applies: Callable[[Stored], bool]
    convert: Callable[[Stored], Converted]


def to_8_bits(stored: Stored) -> Converted:
    """Return a picture in L or RGB, and a word for each thing that was converted.

    Raises
    ------
    ValueError
        For pixels whose range is not known.
    """
    rule = next(rule for rule in RULES if rule.applies(stored))
    return rule.convert(stored)


# --- refused -----------------------------------------------------------------------------------------------------


def _refuse(why: str) -> Callable[[Stored], Converted]:
    def refuse(stored: Stored) -> Converted:
        raise ValueError(f"{why}; save it with 8 bits a channel")

    return refuse


# --- 16 bits -----------------------------------------------------------------------------------------------------


def _is_wide_grey(stored: Stored) -> bool:
    """Return whether these are 16 bits of grey: mode I;16, and I where a format has no wider integers."""
    return stored.mode.startswith("I;16") or (stored.mode == "I" and stored.image.format in ("PNG", "PPM"))


def _narrow(stored: Stored) -> Converted:
    """Return 16 bits of grey as 8: round(value / 257); 12 bits packed in a TIFF as round(value / 4095 * 255)."""
    wide = np.asarray(stored.image)
    n_bits = 12 if stored.raw.startswith("I;12") else 16
    full = 2**n_bits - 1
    clear = stored.image.info.get("transparency")
    scaled = np.round(np.arange(full + 1) / (full / 255)).astype(np.uint8)
    if stored.tag(PHOTOMETRIC) == WHITE_IS_ZERO:
        scaled = scaled[::-1]  # Pillow turns only 8 bits and fewer round
    narrow = scaled[wide]
    is_clear = wide == clear if clear is not None else np.zeros((), bool)
    if is_clear.any():
        narrow[is_clear] = 255
    notes = (TRANSPARENT,) if is_clear.any() else ()
    return Image.fromarray(narrow), (*notes, _depth(int(wide.max()), n_bits))


def _depth(largest: int, n_bits: int = 16) -> str:
    """Return what is said of wide pixels: that they were scaled, and that they are dark where high bits are unused."""
    used = max(8, largest.bit_length())
    dark = f"{DARK} {used} bits" if largest > 0 and used <= n_bits - 2 else ""
    return SCALED.replace("16", str(n_bits)) + dark


# --- transparency ------------------------------------------------------------------------------------------------


def _on_white(stored: Stored) -> Converted:
    """Return a picture laid on white; where all of it is opaque, without its alpha."""
    image = stored.image
    if image.mode == "L" and image.format == "PNG" and "transparency" in image.info:
        image = image.copy()  # the transparent colour of 2 and 4 bits is stored as it was before scaling to 8
        image.info["transparency"] *= {"L;2": 85, "L;4": 17}.get(stored.raw, 1)
    laid = Image.new("L" if image.mode in GREY or stored.raw.startswith("LA") else "RGB", image.size)
    is_clear = False  # 16-bit LA is opened as RGBA
    for top in range(0, image.height, n_rows := max(1, BAND_PX // image.width)):  # whole copies would take gigabytes
        band = image.crop((0, top, image.width, min(top + n_rows, image.height)))
        rgba = (band.convert("LA") if image.mode == "La" else band).convert("RGBA")
        if rgba.getchannel("A").getextrema() != (255, 255):
            is_clear, rgba = True, Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
        laid.paste(rgba.getchannel(0) if laid.mode == "L" else rgba.convert("RGB"), (0, top))
    return laid, ((TRANSPARENT,) if is_clear else _from_palette(stored)) + _deep(stored, image)


def _from_palette(stored: Stored) -> tuple[str, ...]:
    return (f"{stored.mode}, converted to RGB",) if stored.mode in ("P", "PA") else ()


def _deep(stored: Stored, image: Image.Image) -> tuple[str, ...]:
    """Return what is said of colour stored with 16 bits a channel, of which Pillow keeps the upper 8."""
    if ";16" not in stored.raw:
        return ()
    largest = int(np.max([image.getchannel(band).getextrema()[1] for band in image.getbands() if band != "A"]))
    return (_depth(largest * 256 + 255 if largest else 0),)


# --- all else ----------------------------------------------------------------------------------------------------


def _keep(stored: Stored) -> Converted:
    return stored.image, _deep(stored, stored.image)


def _to_rgb(stored: Stored) -> Converted:
    rgb = stored.image.convert("RGB")
    return rgb, (f"{stored.mode}, converted to RGB", *_deep(stored, rgb))


# The first rule that applies is taken.
RULES: tuple[Rule, ...] = (
    Rule(
        "floating-point numbers (F)",
        "refused: they have no agreed range",
        lambda s: s.mode == "F",
        _refuse("floating-point pixels have no agreed range"),
    ),
    Rule(
        "16-bit grey (I;16)",
        "scaled to 8 bits and said, also where the values are so small that it comes out dark; a TIFF of 12 bits is "
        "scaled by 4095; a transparent colour becomes white",
        _is_wide_grey,
        _narrow,
    ),
    Rule(
        "32-bit integers, and signed ones (I)",
        "refused: they have no agreed range",
        lambda s: s.mode == "I" or s.tag(SAMPLE_FORMAT) == SIGNED,
        _refuse("32-bit and signed integers have no agreed range"),
    ),
    Rule(
        "16-bit RGB with one transparent colour",
        "refused: Pillow keeps the upper 8 bits, so that the colour cannot be told from its neighbours",
        lambda s: ";16" in s.raw and isinstance(s.image.info.get("transparency"), tuple),
        _refuse("one transparent colour among 16-bit ones cannot be told from its neighbours"),
    ),
    Rule(
        "with alpha, or a transparent colour (LA, PA, RGBA, La, RGBa; L, P, RGB and 1 with tRNS)",
        "laid on white and said, where a pixel is transparent; else the alpha is dropped without a word; grey stays "
        "grey; of 16 bits a channel the upper 8 are kept, and that is said",
        lambda s: s.image.has_transparency_data,
        _on_white,
    ),
    Rule(
        "1 bit (1)",
        "black and white become 0 and 255",
        lambda s: s.mode == "1",
        lambda s: (s.image.convert("L"), ()),
    ),
    Rule(
        "8-bit grey and RGB (L, RGB)",
        "as they are; 2 and 4 bits fill the whole range; of 16-bit RGB the upper 8 bits are kept, and that is said",
        lambda s: s.mode in ("L", "RGB"),
        _keep,
    ),
    Rule(
        "palettes, CMYK, YCbCr, LAB, HSV and the rest (P, CMYK, ...)",
        "converted to RGB by Pillow, and said; colour profiles are not applied",
        lambda s: True,
        _to_rgb,
    ),
)
