"""Pictures are read as a viewer shows them, or refused in words; whatever was converted is said."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PIL import Image

from gan_probe.errors import InputError
from gan_probe.images.readers.decode import FRAMES, TURNED, PixelBudget, decode, decode_image, decode_picture
from gan_probe.images.readers.formats import FORMATS, allowed
from gan_probe.images.readers.modes import SCALED, TRANSPARENT

RNG = np.random.default_rng(0)
RAMP = np.linspace(0, 65535, 1024).reshape(32, 32).astype(np.uint16)
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\nshowpage\n"
COLOUR = {"grey": 0, "rgb": 2, "grey and alpha": 4, "rgba": 6}


def png(path: Path, rows: np.ndarray, n_bits: int, kind: str, clear: tuple[int, ...] = ()) -> Path:
    """A PNG of any depth; ``rows`` hold bytes as the file does, ``clear`` is its transparent colour."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    width = rows.shape[1] * 8 // n_bits if n_bits < 8 else rows.shape[1]
    head = struct.pack(">IIBBBBB", width, len(rows), n_bits, COLOUR[kind], 0, 0, 0)
    body = b"".join(b"\0" + (row.astype(">u2") if n_bits == 16 else row.astype("u1")).tobytes() for row in rows)
    trns = chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear)) if clear else b""
    parts = chunk(b"IHDR", head) + trns + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif"])
def test_pictures_are_turned_upright(suffix: str, tmp_path: Path) -> None:
    if suffix == "avif" and "AVIF" not in allowed():
        pytest.skip("this Pillow decodes no AVIF")
    upright = np.zeros((16, 32), np.uint8)
    upright[:8, :16] = 255  # the bright quarter is at the top left
    stored = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.T,
              6: np.rot90(upright), 7: np.rot90(upright, 2).T, 8: np.rot90(upright, -1)}  # fmt: skip
    for orientation, pixels in stored.items():
        tag = Image.Exif()
        tag[0x0112] = orientation
        Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB").save(tmp_path / f"a.{suffix}", exif=tag)
        found, notes = decode(tmp_path / f"a.{suffix}", None)
        assert found.shape[:2] == (16, 32), orientation
        assert np.abs(found[..., 0].astype(int) - upright).mean() < 12, orientation
        assert notes == ((TURNED,) if orientation != 1 else ())


def test_damaged_pixel_data_of_a_png_are_refused_and_not_read_as_far_as_they_go() -> None:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, format="PNG")
    content = file.getvalue()
    begin = content.index(b"IDAT") + 4
    n_refused = 0
    for at in range(begin, len(content) - 16):  # up to the checksum of the chunk
        damaged = bytearray(content)
        damaged[at] ^= 0x10
        try:
            found, notes = decode(bytes(damaged), None)
        except InputError:
            n_refused += 1
        else:
            assert np.array_equal(found, pixels), at
            assert notes == ()
    assert n_refused > 150


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_leaves_pixels_as_stored(tmp_path: Path) -> None:
    Image.new("RGB", (8, 4)).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\xff" * 9)
    assert decode(tmp_path / "a.jpg", None)[0].shape == (4, 8, 3)


@pytest.mark.parametrize("transparent", [True, False])
def test_16_bit_grey_keeps_its_levels(transparent: bool, tmp_path: Path) -> None:
    found, notes = decode(png(tmp_path / "a.png", RAMP, 16, "grey", (0,) if transparent else ()), None)
    wanted = np.round(RAMP / 257).astype(np.uint8)
    wanted[0, 0] = 255 if transparent else 0
    assert np.array_equal(found[..., 0], wanted)
    assert notes == ((TRANSPARENT, SCALED) if transparent else (SCALED,))


@pytest.mark.parametrize("kind", ["grey", "rgb", "rgba"])
def test_wide_pixels_that_come_out_dark_are_said(kind: str, tmp_path: Path) -> None:
    channels = {"grey": RAMP, "rgb": np.stack([RAMP] * 3, -1), "rgba": np.stack([RAMP] * 3 + [RAMP | 65535], -1)}[kind]
    twelve = channels >> 4
    if kind == "rgba":
        twelve[..., 3] = 65535
    assert decode(png(tmp_path / "a.png", channels, 16, kind), None)[1] == (SCALED,)
    found, notes = decode(png(tmp_path / "b.png", twelve, 16, kind), None)
    assert found.max() <= 16
    assert notes == (f"{SCALED}, and dark: their values need only 12 bits",)


def test_white_is_zero_in_some_tiffs(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "a.tif", tiffinfo={262: 0})
    assert np.array_equal(decode(tmp_path / "a.tif", None)[0][..., 0], np.round((65535 - RAMP) / 257))


@pytest.mark.parametrize(
    ("kind", "why"), [(np.int32, "32-bit and signed"), (np.int16, "32-bit and signed"), (np.float32, "floating-point")]
)
def test_pixels_without_an_agreed_range_are_refused(kind: type, why: str, tmp_path: Path) -> None:
    Image.fromarray((RAMP >> 8).astype(kind)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=f"a.tif is not a readable image: {why}.*have no agreed range; save it with 8"):
        decode(tmp_path / "a.tif", None)


def test_a_transparent_colour_among_16_bit_ones_is_refused(tmp_path: Path) -> None:
    path = png(tmp_path / "a.png", np.stack([RAMP] * 3, -1), 16, "rgb", (0, 0, 0))
    with pytest.raises(InputError, match="cannot be told from its neighbours"):
        decode(path, None)


@pytest.mark.parametrize(("n_bits", "row", "clear"), [(1, 0b01010101, 1), (2, 0b11011000, 3), (4, 0xF0, 15)])
def test_transparent_colours_of_few_bits(n_bits: int, row: int, clear: int, tmp_path: Path) -> None:
    rows = np.full((8, 8), row, np.uint8)
    opaque = decode(png(tmp_path / "a.png", rows, n_bits, "grey"), None)[0]
    clear_black = decode(png(tmp_path / "b.png", rows, n_bits, "grey", (0,)), None)[0]
    assert np.array_equal(clear_black, np.where(opaque == 0, 255, opaque))
    found, notes = decode(png(tmp_path / "c.png", rows, n_bits, "grey", (clear,)), None)
    assert np.array_equal(found, opaque)  # white becomes white
    assert notes == (TRANSPARENT,)


def test_transparency_is_laid_on_white_and_said_only_where_there_is_any(tmp_path: Path) -> None:
    grey = np.array([[0, 100], [200, 50]], np.uint8)
    colour = np.stack([grey, grey, grey // 2], -1)
    saved = {
        "L": (Image.fromarray(grey), {"transparency": 0}),
        "RGB": (Image.fromarray(colour), {"transparency": (0, 0, 0)}),
        "P": (Image.fromarray(colour).quantize(4), {"transparency": 0}),
        "LA": (Image.fromarray(np.stack([grey, np.where(grey == 0, 0, 255).astype(np.uint8)], -1)), {}),
    }
    for mode, (image, options) in saved.items():
        image.save(tmp_path / "a.png", **options)
        found, notes = decode(tmp_path / "a.png", None)
        assert TRANSPARENT in notes, mode
        assert (found == 255).all(-1).sum() == 1, mode
        assert found.shape[2] == (1 if mode in ("L", "LA") else 3)
    for opaque in (np.stack([grey, grey | 255], -1), np.dstack([colour, grey | 255])):
        found, notes = decode_picture(Image.fromarray(opaque))
        assert notes == ()
        assert np.array_equal(found, opaque[..., :-1])


def test_every_mode_of_pillow_is_read_or_refused_in_words() -> None:
    for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "LA", "PA", "RGBX", "RGBa", "La", "I;16"):
        pixels, _ = decode_picture(Image.new(mode, (4, 6)))
        assert pixels.dtype == np.uint8
        assert pixels.shape == (6, 4, 1 if mode in ("1", "L", "LA", "La", "I;16") else 3)
    for mode in ("I", "F"):
        with pytest.raises(InputError, match=f"the picture of mode {mode} is not a readable image: .* no agreed range"):
            decode_picture(Image.new(mode, (4, 6)))
    eps = Image.new("RGB", (4, 4))
    eps.format = "EPS"
    with pytest.raises(InputError, match=r"of the format EPS is not read; known are PNG, .* image.convert\('RGB'\)"):
        decode_picture(eps)


@pytest.mark.parametrize("suffix", ["tif", "gif", "png", "webp", "mpo"])
def test_several_frames_are_said(suffix: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), (40 * n, 0, 0)) for n in (1, 2, 3)]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    found, notes = decode(tmp_path / f"a.{suffix}", None)
    assert notes[0] == FRAMES
    assert abs(int(found[0, 0, 0]) - 40) < 3


def test_no_other_program_is_started(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    (tmp_path / "x.png").write_bytes(EPS)
    code = (
        "import sys; from pathlib import Path; from gan_probe.errors import InputError\n"
        "from gan_probe.images.readers.decode import decode\n"
        "for source in (Path(sys.argv[1]), Path(sys.argv[1]).read_bytes()):\n"
        "    try: decode(source, None)\n"
        "    except InputError as error: print(error)\n"
    )
    environment = {"PATH": f"{program.parent}:/usr/bin:/bin", "PYTHONPATH": ":".join(filter(None, sys.path))}
    command = [sys.executable, "-c", code, str(tmp_path / "x.png")]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert "x.png is not a readable image: what it holds is none of PNG, JPEG" in said
    assert "bytes is not a readable image" in said
    assert not (tmp_path / "started").exists()


def test_whatever_a_decoder_raises_names_the_file(tmp_path: Path) -> None:
    for row in FORMATS:
        if row.name not in allowed():
            continue
        path = tmp_path / f"a{row.suffixes[0]}"
        Image.fromarray(RNG.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
        whole = path.read_bytes()
        decode(path, None)
        for _ in range(12):
            damaged = bytearray(whole[: int(RNG.integers(4, len(whole)))])
            damaged[int(RNG.integers(2, len(damaged)))] ^= 255
            path.write_bytes(damaged)
            try:
                decode_image(path, None)
            except InputError as error:
                assert str(error).startswith(f"{path.name} is not a readable image: ")  # noqa: PT017
    with pytest.raises(InputError, match="nowhere.png is not a file"):
        decode(tmp_path / "nowhere.png", None)


def test_pictures_of_too_many_pixels_or_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ppm").write_bytes(b"P6 9000 9000 255\n")
    with pytest.raises(InputError, match="9000x9000 pixels are not from 1 to 50,000,000"):
        decode(tmp_path / "a.ppm", None)


def test_pixels_decoded_at_a_time_are_bounded() -> None:
    budget, inside, most = PixelBudget(10), [0], [0]

    def work() -> None:
        for n_pixels in (3, 10, 4, 7):
            with budget.take(n_pixels):
                inside[0] += n_pixels
                most[0] = max(most[0], inside[0])
                inside[0] -= n_pixels

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < most[0] <= 10


MEASURE = """
import os, resource, sys
os.cpu_count = lambda: 4
from gan_probe.images.readers.reading import read_images
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert len(read_images(sys.argv[1], size_px=64)) == 4
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured in KiB on Linux")
def test_four_large_pictures_need_the_memory_of_one(tmp_path: Path) -> None:
    for number in range(4):
        Image.new("RGB", (7000, 7000), (number, 0, 0)).save(tmp_path / f"{number}.png", compress_level=1)
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", MEASURE, str(tmp_path)]
    mib = int(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert mib < 450  # one takes 196 as Pillow holds it
