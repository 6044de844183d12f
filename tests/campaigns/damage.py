"""What can happen to a file, as functions of its path and a seeded generator. To add one: a function, a row in a table.

Each returns nothing and changes the file in place; what it cannot do to a file it does as `flip_bits`.
"""

from __future__ import annotations

import binascii
import csv
import io
import json
import os
import pickle
import random
import re
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.campaigns.world import CANARY, EXECUTED

Damage = Callable[[Path, random.Random], None]
HOSTILE_VALUES: tuple[Any, ...] = (
    None, True, "", "x" * 5000, -1, 0, 1, 2**31, 2**63, -(2**70), 1e308, float("nan"), float("inf"), [], [[]], {},
    {"value": {}}, "../../../etc/passwd", "\x1b[2J\u202e", "\x00", "\ud800", "=cmd|' /C calc'!A0",
    "</script><script>", "NA", f"{CANARY}:build",
)  # fmt: skip
TYPES = ("|O", "<f4", "<i8", "|S4", "<U9", "|V8", ">u2")
INTEGERS = (0, 1, 0x7F, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


# --- bytes --------------------------------------------------------------------------------------------------------


def flip_bits(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 1, 2, 8)) if data else 0):
        data[_place(data, rng)] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def cut(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: rng.choice((0, 1, len(data) // 2, max(0, len(data) - 1), rng.randrange(len(data) + 1)))])


def overwrite_block(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    at, n = _place(data, rng) if data else 0, rng.choice((1, 4, 16, 512))
    data[at : at + n] = rng.choice((bytes(n), b"\xff" * n, rng.randbytes(n)))
    path.write_bytes(data)


def write_integer(path: Path, rng: random.Random) -> None:
    """Put an integer at the end of some range over four bytes, often of a header."""
    data = bytearray(path.read_bytes())
    at = _place(data, rng) if data else 0
    data[at : at + 4] = struct.pack(rng.choice("<>") + "I", rng.choice(INTEGERS))
    path.write_bytes(data)


def move_block(path: Path, rng: random.Random) -> None:
    """Leave a block out, put one in, or twice."""
    data = path.read_bytes()
    at, n = rng.randrange(len(data) + 1), rng.choice((1, 7, 64, 1024))
    put = rng.choice((b"", rng.randbytes(n), data[at : at + n] * 2))
    path.write_bytes(data[:at] + put + data[at + (0 if put else n) :])


def append(path: Path, rng: random.Random) -> None:
    with path.open("ab") as file:
        file.write(rng.choice((b"\0" * 9, rng.randbytes(100), b"\n", b"PK\x05\x06" + bytes(18))))


def fill(path: Path, rng: random.Random) -> None:
    n = path.stat().st_size
    path.write_bytes(rng.choice((b"", bytes(n), rng.randbytes(n), b"\xff" * n, b"[" * 100_000, b"\x89PNG\r\n\x1a\n")))


def take_another(path: Path, rng: random.Random) -> None:
    """Put the bytes of another file of the box in its place."""
    box = next(parent for parent in path.parents if (parent / ".box").exists())
    others = sorted(p for p in box.rglob("*") if p.is_file() and p != path and p.suffix != path.suffix)
    shutil.copyfile(rng.choice(others), path)


def _place(data: bytes | bytearray, rng: random.Random) -> int:
    """Return a place in a file, as often in its first or last 200 bytes as anywhere."""
    ends = (min(len(data), 200), -min(len(data), 200))
    return rng.choice((rng.randrange(len(data)), rng.randrange(ends[0]), rng.randrange(ends[1], 0) + len(data)))


# --- what files are ------------------------------------------------------------------------------------------------


def remove(path: Path, rng: random.Random) -> None:
    path.unlink()


def make_special(path: Path, rng: random.Random) -> None:
    """Put what is no file there: a folder, a pipe without a writer, a link to nothing, to itself, to a device."""
    path.unlink()
    kind = rng.choice(("folder", "pipe", "nothing", "itself", "/dev/zero", "/dev/full", "/dev/null"))
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"nothing": "nowhere", "itself": path.name}.get(kind, kind))


def pickle_instead(path: Path, rng: random.Random) -> None:
    """Put a pickle there that would write a file, bare or as torch, numpy or zip wrap it."""
    kind = rng.choice(("bare", "torch", "npy", "npz", "zip"))
    payload = pickle.dumps(Executes())
    if kind == "torch":
        import torch

        torch.save({"weight": torch.zeros(2), "state": Executes()}, path)
    elif kind in ("npy", "npz"):
        import numpy as np

        file = io.BytesIO()
        objects = np.array([Executes()], dtype=object)
        np.save(file, objects) if kind == "npy" else np.savez(file, x=objects, images=objects)
        path.write_bytes(file.getvalue())
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", payload)
            archive.writestr("archive/version", "3")
    else:
        path.write_bytes(payload)


class Executes:
    """Writes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({EXECUTED!r}, 'w').close()",)


def postscript_instead(path: Path, rng: random.Random) -> None:
    """Put a program for a printer there, an XML file with an entity, or one that names a file to fetch."""
    path.write_bytes(
        rng.choice((
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n(" + EXECUTED.encode() + b") (w) file closefile\n",
            b'<!DOCTYPE s [<!ENTITY e SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org/2000/svg">&e;</svg>',
            b"push graphic-context\nimage over 0,0 0,0 'https://127.0.0.1:9/x.png'\npop graphic-context\n",
        ))
    )  # fmt: skip


# --- text ----------------------------------------------------------------------------------------------------------


def change_value(path: Path, rng: random.Random) -> None:
    """Put a hostile value in the place of a random one of a JSON file, or of one line of it."""
    _in_json(path, rng, lambda place, key: place.__setitem__(key, rng.choice(HOSTILE_VALUES)))


def remove_key(path: Path, rng: random.Random) -> None:
    _in_json(path, rng, lambda place, key: place.__delitem__(key))


def rename_key(path: Path, rng: random.Random) -> None:
    def renamed(place: Any, key: Any) -> None:
        if isinstance(place, dict):
            place[f"{key} "] = place.pop(key)
        else:
            place.append(place[key])

    _in_json(path, rng, renamed)


def _in_json(path: Path, rng: random.Random, change: Callable[[Any, Any], None]) -> None:
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.suffix == ".jsonl" else [path.read_text("utf-8")]
        chosen = rng.randrange(len(lines))
        record = json.loads(lines[chosen])
    except (ValueError, UnicodeDecodeError):
        flip_bits(path, rng)
        return
    places = list(_places(record))
    if places:
        change(*rng.choice(places))
    lines[chosen] = json.dumps(record)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _places(value: Any) -> list[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in ((value, key), *_places(value[key]))]


def change_cells(path: Path, rng: random.Random) -> None:
    """Change a table of text: cells, headers, columns, rows, quotes, the encoding."""
    text = path.read_text(encoding="utf-8", errors="replace")
    rows = list(csv.reader(io.StringIO(text)))
    row = rng.randrange(len(rows)) if rows else 0
    what = rng.choice(("cell", "header", "twice", "short", "rows", "quote", "utf-16", "bom", "nul", "latin", "order"))
    if not rows or not rows[row]:
        path.write_bytes(b"")
        return
    if what == "cell":
        rows[row][rng.randrange(len(rows[row]))] = str(rng.choice(HOSTILE_VALUES))
    elif what == "header":
        rows[0][rng.randrange(len(rows[0]))] = rng.choice(("", "label", "file_name", " split ", "critic_score"))
    elif what == "twice":
        rows[0].append(rows[0][0])
    elif what == "short":
        rows[row].pop()
    elif what == "rows":
        rows = rows[:1] if rng.random() < 0.3 else [*rows, rows[row]]
    elif what == "order":
        rows = [rows[0], *rng.sample(rows[1:], len(rows) - 1)]
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    data = out.getvalue().encode("utf-8", "surrogatepass")
    data = {
        "quote": data.replace(b",", b',"', 1),
        "utf-16": data.decode(errors="replace").encode("utf-16"),
        "bom": b"\xef\xbb\xbf" + data,
        "nul": data[: len(data) // 2] + b"\0" + data[len(data) // 2 :],
        "latin": data + b"caf\xe9.png,x\n",
    }.get(what, data)
    path.write_bytes(data)


def change_toml(path: Path, rng: random.Random) -> None:
    """Put another value behind an equals sign, or another name before one."""
    lines = path.read_text(encoding="utf-8").splitlines()
    chosen = rng.choice([number for number, line in enumerate(lines) if "=" in line])
    name, _, _ = lines[chosen].partition("=")
    values = (
        "-1",
        "0",
        "nan",
        "inf",
        "1e999",
        "99999999999",
        '""',
        "[]",
        "{}",
        "true",
        '"../x"',
        "[[[]]]",
        "1979-01-01",
    )
    lines[chosen] = f"{name} = {rng.choice(values)}" if rng.random() < 0.8 else f"unknown_{lines[chosen]}"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


# --- forms of binary files, with what protects them made anew ----------------------------------------------------


def change_header(path: Path, rng: random.Random) -> None:
    """Change a value in the header of a safetensors or .npy file, and leave the numbers as they are."""
    data = path.read_bytes()
    if path.suffix == ".safetensors" and len(data) > 8:
        n = struct.unpack("<Q", data[:8])[0]
        try:
            header = json.loads(data[8 : 8 + n])
        except ValueError:
            flip_bits(path, rng)
            return
        place, key = rng.choice(_places(header))
        values = (*HOSTILE_VALUES, "F16", "BF16", "F64", "I64", "BOOL", [0, 8], [2**62, 4], [-1])
        place[key] = rng.choice(values)
        new = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(new)) + new + data[8 + n :])
    elif data[:6] == b"\x93NUMPY":
        old = data[10 : 10 + struct.unpack("<H", data[8:10])[0]].decode("latin-1").rstrip()
        new_text = rng.choice((
            re.sub(r"'descr': '[^']*'", f"'descr': '{rng.choice(TYPES)}'", old),
            re.sub(r"\(\d+", f"({rng.choice((0, 10**9, 2**62, 7))}", old),
            old.replace("False", "True"),
            re.sub(r"\(.*\)", "()", old),
            old.replace("descr", "__import__('os').mkdir('" + EXECUTED + "')"),
        ))  # fmt: skip
        text = new_text.encode("latin-1") + b"\n"
        path.write_bytes(data[:8] + struct.pack("<H", len(text)) + text + data[10 + len(old) + 1 :])
    else:
        flip_bits(path, rng)


def change_chunk(path: Path, rng: random.Random) -> None:
    """Change a chunk of a PNG file and make its checksum anew; or put one in: a transparent colour, an orientation."""
    data = path.read_bytes()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        write_integer(path, rng)
        return
    chunks, at = list[tuple[bytes, bytes]](), 8
    while at + 8 <= len(data):
        n = struct.unpack(">I", data[at : at + 4])[0]
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + n]))
        at += 12 + n
    added = (
        (b"tRNS", struct.pack(">HHH", *(rng.choice((0, 255)) for _ in range(3)))),
        (b"eXIf", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" + bytes([rng.randrange(10)]) + bytes(6)),
        (b"acTL", struct.pack(">II", rng.choice((1, 3)), 0)),
        (b"gAMA", struct.pack(">I", rng.choice(INTEGERS))),
        (b"iCCP", b"x\0\0" + rng.randbytes(30)),
        (b"zTXt", b"x\0\0x\x9c" + b"\xff" * 60),
    )
    if rng.random() < 0.5:
        chunks.insert(1, rng.choice(added))
    else:
        number = rng.randrange(len(chunks))
        name, body = chunks[number]
        changed = bytearray(body or b"\0")
        changed[rng.randrange(len(changed))] = rng.choice((0, 1, 2, 3, 4, 6, 16, 255))
        chunks[number] = (name, bytes(changed))
    path.write_bytes(data[:8] + b"".join(_chunk(name, body) for name, body in chunks))


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", binascii.crc32(name + body))


def change_member(path: Path, rng: random.Random) -> None:
    """Damage, rename, double or drop a member of a zip file (.npz, .pt), with checksums made anew."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except (zipfile.BadZipFile, OSError, EOFError):
        flip_bits(path, rng)
        return
    number = rng.randrange(len(members))
    name, data = members[number]
    damaged = bytearray(data or b"\0")
    damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    change = rng.choice(("flip", "rename", "drop", "empty", "escape", "bomb"))
    members[number] = {
        "flip": (name, bytes(damaged)),
        "rename": (f"{name}.x", data),
        "drop": ("", b""),
        "empty": (name, b""),
        "escape": (f"../../{EXECUTED}", data),
        "bomb": (name, data[:128] + bytes(200 * 2**20)),
    }[change]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members:
            if member:
                archive.writestr(member, content)


def change_column(path: Path, rng: random.Random) -> None:
    """Give a column of a Parquet file other values, another type, another name, gaps; or damage its metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError):
        flip_bits(path, rng)
        return
    number = rng.randrange(table.num_columns)
    name, n = table.column_names[number], len(table)
    what = rng.choice(("null", "text", "numbers", "drop", "rename", "twice", "nan", "metadata", "empty", "lists"))
    if what == "metadata":
        table = table.replace_schema_metadata(
            {"gan_probe": rng.choice(('{"schema": []}', "[]", "{", "null", "NaN", '""'))}
        )
    elif what == "empty":
        table = table.slice(0, 0)
    elif what == "drop":
        table = table.drop_columns([name])
    elif what == "rename":
        names = [rng.choice(("label", "critic_score", "image", "x", "control.x")) if i == number else c
                 for i, c in enumerate(table.column_names)]  # fmt: skip
        table = table.rename_columns(names)
    elif what == "twice":
        table = table.append_column(name, table.column(number))
    else:
        values: dict[str, Any] = {
            "null": pa.nulls(n),
            "text": pa.array([str(rng.choice(HOSTILE_VALUES)).encode("utf-8", "replace").decode() for _ in range(n)]),
            "numbers": pa.array([rng.choice((0, 1, -1, 2**62)) for _ in range(n)]),
            "nan": pa.array([rng.choice((float("nan"), float("inf"), 0.0)) for _ in range(n)]),
            "lists": pa.array([[1.0] * rng.randrange(3) for _ in range(n)]),
        }
        table = table.set_column(number, name, values[what])
    pq.write_table(table, path)


# --- tables of them -------------------------------------------------------------------------------------------------

BYTES: tuple[Damage, ...] = (
    flip_bits, flip_bits, cut, cut, overwrite_block, overwrite_block, write_integer, write_integer, move_block, append,
    fill,
    take_another, remove, make_special, pickle_instead, postscript_instead,
)  # fmt: skip
OF_SUFFIX: dict[str, tuple[Damage, ...]] = {
    ".json": (change_value, change_value, change_value, remove_key, rename_key),
    ".jsonl": (change_value, change_value, remove_key, rename_key),
    ".csv": (change_cells, change_cells, change_cells),
    ".toml": (change_toml, change_toml, change_toml),
    ".safetensors": (change_header, change_header),
    ".npy": (change_header, change_header),
    ".png": (change_chunk, change_chunk),
    ".apng": (change_chunk, change_chunk),
    ".npz": (change_member, change_member),
    ".pt": (change_member, change_member),
    ".parquet": (change_column, change_column, change_column),
}


def damage(path: Path, rng: random.Random) -> str:
    """Damage a file in a way that fits its kind, half of the time, or as any file; return the name of the way."""
    special = OF_SUFFIX.get(path.suffix, ())
    chosen = rng.choice(special) if special and rng.random() < 0.5 else rng.choice(BYTES)
    chosen(path, rng)
    return chosen.__name__
