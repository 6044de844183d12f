"""Hostile words: options, values and names that commands are given, and names that files may have."""

from __future__ import annotations

import os
import random
import shlex
from pathlib import Path
from typing import Any

from gan_probe.cli.app import VERBS

COMMANDS = tuple(VERBS)
TEXTS = (
    "", " ", "-1", "0", "1", "3", "nan", "inf", "1e999", "99999999999999999999", "x" * 300, "\x1b[2J", "caf\udce9",
    "../x", "/", ".", "/dev/null", "/dev/full", "run", "runs/run-00", "test", "data", "plain.parquet", "auto", "cuda:7",
    "cpu", "{}", "a=b", "=", "circle", "n_pairs<1", "auroc<nan", "16x16x3", "0x0x0", "-1,1", "nan,nan", "os:system",
    "canary_of_campaigns:build", "\u202e", "made/out", "made/out.csv", "made/out.parquet", "made/a/../out",
)  # fmt: skip
NAMES = (
    b"line\nbreak", b"caf\xe9", b"-rf", b" blank ", b"\xe2\x80\xae.png", b"a" * 250, b"%s%n", b"<script>", b"=1+1",
    b"\x1b[2J", b"CON", b".hidden",
)  # fmt: skip
ARGUMENTS = {
    "out": ("made/out", "made/out.parquet", "made/out.csv"), "data": ("test", "data"), "critic": ("run", "runs/run-00"),
    "run": ("run",), "run_folder": ("run",), "scores": ("plain.parquet",), "panel": ("data",), "masks": ("test/masks",),
    "preset": ("shapes", "compact"), "runs": ("runs/run-00", "runs/run-01"),
    "equation": ("circle - circle + circle = circle",),
}  # fmt: skip


LITTLE = [["--no-controls"]]
SHORT: dict[str, list[list[str]]] = {  # hostile words, not long work
    "train": [["--steps", "1"]], "all": [["--preset", "mlp-2014"], ["--steps", "1"]],
    "settle": [["--updates", "1"]], "demo": [["--dry-run"]], "stability": LITTLE,
    "trajectory": LITTLE, "probe": [["--draws", "2"], *LITTLE], "explain": [["--per-class", "1"], *LITTLE],
    "factors": [["--per-class", "10"], ["--bases", "20"], *LITTLE],
}  # fmt: skip


def hostile(verb: str, rng: random.Random) -> str:
    """Return a command with this verb and words that are drawn: arguments, options, values."""
    command = _command(verb)
    parts = [verb]
    options = [p for p in command.params if p.opts and p.opts[0].startswith("--")]
    arguments = [p for p in command.params if not p.opts[0].startswith("--")]
    for argument in arguments:
        parts += [_word(argument, rng) for _ in range(rng.choice((1, 1, 1, 2)))]
    must = [o for o in options if o.required]
    for option in {o.name: o for o in (*must, *rng.sample(options, min(len(options), rng.randrange(4))))}.values():
        if option.name in ("json", "help", "verbose", "open") or (option.name == "stream" and rng.random() < 0.5):
            continue
        parts.append(option.opts[0])
        if not getattr(option, "is_flag", False):
            parts.append(_word(option, rng))
    if "--out" in (o.opts[0] for o in options) and "--out" not in parts:
        parts += ["--out", "made/out"]
    for words in SHORT.get(verb, ()):
        parts += [] if words[0] in parts else words
    return shlex.join(parts)


def _command(verb: str) -> Any:
    from typer.main import get_command

    from gan_probe.cli.app import app

    group: Any = get_command(app)
    return group.get_command(None, verb)


def _word(parameter: Any, rng: random.Random) -> str:
    """Return what this parameter takes, three times of four, or anything."""
    fitting = ARGUMENTS.get(parameter.name, ("1", "2"))
    return rng.choice(fitting if rng.random() < 0.75 else TEXTS)


def occupy(box: Path, command: str, rng: random.Random) -> None:
    """Put something at a command's OUT that is not ours, sometimes."""
    parts = shlex.split(command)
    if "--out" not in parts or rng.random() < 0.6:
        return
    out = box / parts[parts.index("--out") + 1]
    if not out.is_relative_to(box / "made") or ".." in out.parts:
        return
    out.parent.mkdir(exist_ok=True)
    kind = rng.choice(("file", "folder", "link", "pipe"))
    if kind == "file":
        out.write_text("mine")
    elif kind == "folder":
        out.mkdir()
        (out / "config.json").write_text('{"mine": 1}')
    elif kind == "link":
        out.symlink_to(rng.choice(("/dev/full", "nowhere", "../test")))
    else:
        os.mkfifo(out)


def rename(folder: Path, rng: random.Random) -> str:
    """Give something in a folder a name that few expect."""
    files = sorted(p for p in folder.iterdir())
    chosen = rng.choice(files)
    name = rng.choice(NAMES) + (os.fsencode(chosen.suffix) if rng.random() < 0.7 else b"")
    chosen.rename(folder / os.fsdecode(name[:255]))
    return "rename"
