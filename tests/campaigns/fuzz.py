"""Hostile inputs for every reader and every verb: ``make fuzz``.

    python tests/campaigns/fuzz.py --inputs 2000 --seed 0 --record benchmarks/records/fuzz.json

Each input is one damaged file, name or word, and one command that meets it, in a forked process with bounds. It is
broken where one of these does not hold:

- the exit code is 0, 2, 3, 4, 5 or 6, in time and within the memory; stderr has no traceback and no library's warning;
  stdout is one JSON object that says the same;
- nothing was executed: no process started, no socket opened, no pickle's class found, no canary file written;
- nothing but OUT was touched, and OUT is whole or not there (a run folder that ``--resume`` goes on with may be there);
- it is not **silently wrong**. Exit code 0 without a new warning is right only where the output equals that of the
  undamaged input, or where the damaged file is another valid input, which is decided by what it is:

  - pictures, arrays, tables of images: a reader written for this campaign alone (Pillow, numpy, pyarrow, csv, json)
    finds the same pixels, labels and splits in it as ``gan-probe score`` does. Where that reader fails, or the picture
    is one that the docs say is told of, silence is wrong;
  - what gan-probe seals (critics, generators, ensembles, checkpoints, score tables): never. Every change is noticed or
    changes nothing; but a score table that a Parquet writer wrote anew is a table of its writer's;
  - what people write or bring (specs of data sets, networks, weights, the log of a training): where its own parser
    takes it. Damage inside of a JPEG, or of a float in somebody's ONNX file, can be noticed by nobody.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import selectors
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.campaigns import sandbox, words
from tests.campaigns.damage import damage
from tests.campaigns.reference import read_as_anybody
from tests.campaigns.sandbox import Ended, fork, snapshot
from tests.campaigns.world import CANARY, EXECUTED, MODULE, make_world
from tests.golden.golden import values

FINE = (0, 2, 3, 4, 5, 6)
STATUS = {0: "ok", 2: "usage", 3: "error", 4: "gate", 5: "skipped", 6: "error"}
CPU = "--device cpu"
BARE = f"--no-controls {CPU}"
FEW = f"--per-class 10 --bases 20 {BARE}"
MADE = "made"  # where commands put their OUT
OUT, TABLE, CSV = f"--out {MADE}/out", f"--out {MADE}/out.parquet", f"--out {MADE}/out.csv"
TRAIN = f"--network mlp --steps 1 --batch-size 4 --precision fp32 --set n_critic=1 --set n_snapshots=0 {CPU}"
RUNS = "runs/run-00 runs/run-01 runs/run-02"
SECONDS, MEMORY_MIB = 120.0, 3072
NEVER_EMPTY = (".json", ".html", ".png", ".safetensors", ".parquet", ".csv")
COSTS = {
    "factors": 8,
    "report": 7,
    "cluster": 5,
    "stability": 4,
    "outliers": 3,
    "diagnose": 2,
    "trajectory": 2,
    "arithmetic": 2,
    "explain": 2,
    "all": 2,
}  # seconds, about
Judge = Callable[[Path, Path, str, str], str]  # box, damaged file, how, command: what is silently wrong, or nothing


@dataclass(frozen=True)
class Kind:
    """One kind of what is read.

    Attributes
    ----------
    name : str
    parts : str
        What of the world it takes; copied for each input.
    files : tuple of str
        Globs of what is damaged.
    commands : tuple of str
        Those that read it.
    judge : callable
        Decides whether an output that differs without a word is right.
    """

    name: str
    parts: str
    files: tuple[str, ...]
    commands: tuple[str, ...]
    judge: Judge


# --- silence --------------------------------------------------------------------------------------------------------


def sealed(box: Path, file: Path, how: str, command: str) -> str:
    """Every change is noticed, or changes nothing."""
    return "the output differs from that of the undamaged folder, without a word"


def written_anew(box: Path, file: Path, how: str, command: str) -> str:
    """As `sealed`, but what a Parquet writer wrote as a whole is a table of its writer's."""
    return "" if how == "change_column" else sealed(box, file, how, command)


def pictures(box: Path, file: Path, how: str, command: str) -> str:
    """A reader of this campaign finds the same in it."""
    data = words_of(command, "data", "test", "pictures-", "with-", "images.", "test-")
    made = box / MADE / "out.parquet"
    if command.startswith("outliers"):  # whose reals are named after what is judged
        data = shlex.split(command)[2]
    if not (command.startswith("score") and made.is_file()):  # a table of scores tells what was read
        shutil.rmtree(box / MADE, ignore_errors=True)
        ended = fork(shlex.split(f"score run {data} --out {MADE}/out.parquet --no-embeddings --no-controls {CPU}"), box)
        if ended.code != 0:
            return f"score ends with {ended.code} on the same data: {ended.stderr[-300:]}"
    try:
        expected = read_as_anybody(box / data)
    except Exception as error:  # noqa: BLE001 (of any parser, on damaged bytes)
        return f"nobody else can read it: {type(error).__name__}: {error}"
    import pandas as pd

    table = pd.read_parquet(made)
    columns = [c for c in ("sample_id", "label", "split") if c in table and c in (expected[0] if expected else ())]
    known = table[columns].astype(object)
    found = sorted(map(tuple, known.where(known.notna() & (known != "nan"), "").to_numpy().tolist()))  # gaps: nothing
    if found != sorted(tuple("" if row[c] in (None, "nan") else row[c] for c in columns) for row in expected):
        return f"others read something else in it: {len(found)} and {len(expected)} rows of {columns}"
    return ""


def parsed(box: Path, file: Path, how: str, command: str) -> str:
    """Its own parser takes it."""
    try:
        if file.suffix == ".toml":
            tomllib.loads(file.read_text(encoding="utf-8"))
        elif file.suffix in (".json", ".jsonl"):
            text = file.read_text(encoding="utf-8")
            *lines, rest = text.split("\n")
            if file.suffix == ".jsonl" and rest and not (rest.startswith("{") and rest.isascii()):
                return "the last line is not the beginning of one that a kill cut short, and nothing is said"
            for line in lines if file.suffix == ".jsonl" else [text]:
                if not isinstance(json.loads(line), dict):
                    return "a line is no object, and nothing is said"
    except (OSError, ValueError) as error:
        return f"it cannot be parsed, and nothing is said: {error}"
    return ""


def foreign(box: Path, file: Path, how: str, command: str) -> str:
    """It is somebody's network, or weights: what its own runtime takes is another network."""
    return "" if file.is_file() else "it is no file"


def words_of(command: str, *beginnings: str) -> str:
    """Return the word of a command that begins as one of these does and is no option."""
    return next(w for b in beginnings for w in shlex.split(command) if w.startswith(b))


# --- kinds --------------------------------------------------------------------------------------------------------


WITHOUT_LABELS = ("score", "check", "embed", "train", "stream", "ensemble", "shards")


def on_images(data: str, label: str) -> dict[str, str]:
    """Return one command a verb that reads images."""
    return {
        "score": f"score run {data} {TABLE} {BARE}",
        "check": f"check run {data} {CPU}",
        "embed": f"embed run {data} {TABLE} {CPU}",
        "train": f"train {data} {OUT} {TRAIN}",
        "probe": f"probe run {data} {OUT} --labels 1 --draws 2 --classifier linear {BARE}",
        "ensemble": f"ensemble {RUNS} --data {data} {OUT} {CPU}",
        "explain": f"explain run {data} {OUT} --per-class 1 --points 2 --method gradients {BARE}",
        "stability": f"stability {RUNS} --data {data} {OUT} {BARE}",
        "trajectory": f"trajectory run {data} {OUT} {BARE}",
        "arithmetic": f"arithmetic run {data} '{label} - {label} + {label} = {label}' {OUT} --draws 2 {CPU}",
        "report": f"report plain.parquet --data {data} {OUT}",
        "stream": f"train {data} --stream {OUT} {TRAIN}",
        "shards": f"score run {data} {OUT} {BARE}",
        "outliers": f"outliers run {data} --reals data --detector nearest-mean {OUT} {BARE}",
        "all": f"all {data} {OUT} --preset mlp-2014 --steps 1 {CPU}",
    }


def _image_kinds() -> Iterator[Kind]:
    from gan_probe.images.readers.formats import FORMATS

    base = "run runs plain.parquet data"
    of_test, of_png = on_images("test", "circle"), on_images("pictures-png", "class 0")
    every, masked = tuple(of_test), "--masks test/masks --per-class 2 --points 2 --method gradients"
    yield Kind(
        "folder with metadata",
        f"{base} test",
        ("test/images/*/*", "test/metadata.*"),
        tuple(of_test.values()),
        pictures,
    )
    yield Kind(
        "names in a folder",
        f"{base} pictures-png",
        ("pictures-png", "pictures-png/*"),
        (of_png["score"], of_png["stream"]),
        pictures,
    )
    yield Kind("masks", "run test", ("test/masks/*/*",), (f"explain run test {masked} {OUT} {BARE}",), foreign)
    others = [(f"pictures: {f.name}", f"pictures-{f.name.lower()}", "class 0", ("*/*",)) for f in FORMATS]
    others += [
        ("metadata.csv", "with-csv", "circle", ("metadata.csv", "metadata.csv", "*.png")),
        ("metadata.jsonl", "with-jsonl", "circle", ("metadata.jsonl", "metadata.jsonl", "*.png")),
        (".npy", "images.npy", "", ()),
        (".npz", "images.npz", "0", ()),
        ("folder of arrays", "test-npy", "circle", ("images.npy", "metadata.*")),
        ("folder of Parquet", "test-parquet", "circle", ("*.parquet",)),
        ("folder of tar", "test-tar", "circle", ("*.tar",)),
    ]
    for number, (name, data, label, globs) in enumerate(others):
        verbs = ["score", "train", every[2 + number % (len(every) - 2)], every[2 + (number + 4) % (len(every) - 2)]]
        commands = on_images(data, label)
        taken = [
            v
            for v in dict.fromkeys(verbs)
            if label or v in ("score", "check", "embed", "train", "stream", "ensemble", "shards")
        ]
        files = tuple(f"{data}/{g}" for g in globs) or (data,)
        yield Kind(name, f"{base} {data}", files, tuple(commands[v] for v in taken), pictures)


def kinds() -> tuple[Kind, ...]:
    """Return every kind of what is read, each with the commands that read it."""
    critics = tuple(on_images("test", "circle")[v] for v in ("score", "check", "probe", "explain"))
    factors = f"factors run {OUT} {FEW}"
    diagnose, sample = f"diagnose run {OUT}", f"sample run {OUT} --n 4 {CPU}"
    settle = f"settle runs/run-00 runs/run-01 --data data {OUT} --n-fakes 8 --updates 2 --jobs 1 {CPU}"
    late = f"ensemble run --late --data data {OUT} {CPU}"
    agreed = f"stability {RUNS} --data test --snapshot 6 {OUT} {BARE}"
    outliers = f"outliers plain.parquet {CSV}"
    adapted = "--image-shape 16x16x3"
    of_run = on_images("test", "circle")
    return (
        *_image_kinds(),
        Kind(
            "critic",
            "run runs test",
            ("run/critic/*.json", "run/critic/critic.safetensors"),
            (*critics, "layers run", factors, f"ensemble run runs/run-00 --data test {OUT} {CPU}"),
            sealed,
        ),
        Kind(
            "critic from a factory",
            f"adapted test {MODULE}.py",
            ("adapted/*",),
            (f"score adapted test --trust-code {TABLE} {CPU}", f"check adapted test --trust-code {CPU}"),
            sealed,
        ),
        Kind(
            "critic from a factory, not trusted",
            f"adapted test {MODULE}.py",
            ("adapted/*",),
            (f"score adapted test {TABLE} {CPU}",),
            sealed,
        ),
        Kind(
            "critic from ONNX",
            "adapted-onnx test",
            ("adapted-onnx/*",),
            (f"score adapted-onnx test {TABLE} {CPU}", f"check adapted-onnx test {CPU}"),
            sealed,
        ),
        Kind(
            "critic from TorchScript",
            "adapted-script test",
            ("adapted-script/*",),
            (f"score adapted-script test --trust-code {TABLE} {CPU}",),
            sealed,
        ),
        Kind("snapshots", "run test data", ("run/snapshots/*/*",), (of_run["trajectory"], late), sealed),
        Kind(
            "generator",
            "run runs test data",
            ("run/generator/*", "runs/run-00/generator/*"),
            (sample, of_run["arithmetic"], settle),
            sealed,
        ),
        Kind(
            "ensemble",
            "ensemble test",
            ("ensemble/*.*", "ensemble/members/*/*"),
            (f"score ensemble test {TABLE} {CPU}", f"check ensemble test {CPU}"),
            sealed,
        ),
        Kind(
            "settings of a run",
            "run runs test data",
            ("run/config.json", "runs/run-00/config.json"),
            (diagnose, late, settle, agreed, of_run["trajectory"]),
            parsed,
        ),
        Kind(
            "log of a run",
            "run plain.parquet test",
            ("run/metrics.jsonl", "run/health.jsonl"),
            (diagnose, "diagnose run", f"report plain.parquet --run run {OUT}"),
            parsed,
        ),
        Kind(
            "checkpoint",
            "unfinished data",
            ("unfinished/checkpoint.safetensors",),
            ("train data --out unfinished --resume --device cpu",),
            sealed,
        ),
        Kind(
            "records of a run to go on with",
            "unfinished data",
            ("unfinished/*.json*", "unfinished/snapshots/*/*"),
            ("train data --out unfinished --resume --device cpu",),
            parsed,
        ),
        Kind("checkpoint of a finished run", "runs data", ("runs/run-00/checkpoint.safetensors",), (settle,), sealed),
        Kind(
            "scores", "scores.parquet run test", ("scores.parquet",), (f"cluster scores.parquet {CSV}",), written_anew
        ),
        Kind(
            "scores alone",
            "plain.parquet run test",
            ("plain.parquet",),
            (outliers, f"cluster plain.parquet {CSV}", f"report plain.parquet {OUT}", f"export plain.parquet {OUT}"),
            written_anew,
        ),
        Kind(
            "scores of two",
            "plain-0.parquet plain-1.parquet runs test",
            ("plain-0.parquet", "plain-1.parquet"),
            (f"report plain-0.parquet plain-1.parquet {OUT}",),
            written_anew,
        ),
        Kind(
            "scores of held-out reals",
            "plain.parquet run",
            ("run/critic/reference.parquet",),
            (outliers,),
            written_anew,
        ),
        Kind(
            "scores to refer to",
            "plain.parquet plain-data.parquet run",
            ("plain-data.parquet",),
            (f"{outliers} --reals plain-data.parquet",),
            written_anew,
        ),
        Kind("ONNX", "net.onnx", ("net.onnx",), (f"adapt net.onnx {OUT} {adapted}",), foreign),
        Kind(
            "TorchScript",
            "net.pt",
            ("net.pt",),
            (f"adapt net.pt {OUT} {adapted} --trust-code", f"adapt net.pt {OUT} {adapted}"),
            foreign,
        ),
        Kind(
            "weights: safetensors",
            f"{MODULE}.py net.safetensors",
            ("net.safetensors",),
            (f"adapt {MODULE}:patches --weights net.safetensors {OUT} {adapted}",),
            foreign,
        ),
        Kind(
            "weights: a checkpoint",
            f"{MODULE}.py weights.pt",
            ("weights.pt",),
            (f"adapt {MODULE}:patches --weights weights.pt {OUT} {adapted}",),
            foreign,
        ),
        Kind(
            "spec",
            "test.toml run",
            ("test.toml",),
            (f"synth test.toml {OUT}", f"factors run --spec test.toml {OUT} {FEW}"),
            parsed,
        ),
        Kind("words", "data test run runs plain.parquet", (), words.COMMANDS, foreign),
    )


# --- one input --------------------------------------------------------------------------------------------------------


@dataclass
class Undamaged:
    """What a command does with the undamaged input."""

    ended: Ended
    made: dict[str, object]


@dataclass(frozen=True)
class Found:
    """What became of one input."""

    number: int
    kind: str
    verb: str
    command: str
    file: str
    damage: str
    code: int | None
    verdict: str  # refused, told, equal, another, broken
    why: str
    seconds: float
    peak_mib: int


class Campaign:
    """A world, and inputs made of it."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.seed, self.kinds = root, seed, kinds()
        self.box, self.world = root.resolve() / "box", root / "world"
        self.known: dict[tuple[str, str], Undamaged] = {}
        make_world(self.box)  # where inputs will lie, as tables know their critics by absolute paths
        self.box.rename(self.world)

    def fill(self, kind: Kind, command: str) -> None:
        """Put an undamaged copy of what a command takes into the box; tables name their critics, and bring them."""
        shutil.rmtree(self.box, ignore_errors=True)
        self.box.mkdir()
        named = re.split(r"[ /:]", command)
        for part in (*kind.parts.split(), f"{CANARY}.py"):
            if part in ("runs", "plain.parquet") and part not in named and ".parquet" not in command:
                continue
            source = self.world / part
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, self.box / part)
        (self.box / ".box").touch()
        (self.box / "tmp").mkdir()

    def undamaged(self, kind: Kind, command: str) -> Undamaged:
        """Return what a command does with the undamaged input; done once, and the box is left as it is."""
        key = (kind.parts, command)
        if key not in self.known:
            aside = self.root / "aside"
            self.box.rename(aside)
            self.fill(kind, command)
            ended = self.run(command)
            assert ended.code in (0, 3, 5), f"{command}: {ended.code}\n{ended.stdout}\n{ended.stderr}"
            self.known[key] = Undamaged(ended, self.outputs(ended))
            shutil.rmtree(self.box)
            aside.rename(self.box)
        return self.known[key]

    def run(self, command: str) -> Ended:
        return fork([*shlex.split(command), "--json"], self.box, seconds=SECONDS, memory_mib=MEMORY_MIB)

    def outputs(self, ended: Ended) -> dict[str, object]:
        """Return every value that a command printed or wrote; of pictures and weights digests."""
        found: dict[str, object] = {}
        for out in (MADE, "unfinished"):
            if (self.box / out).is_dir():
                digests = snapshot(self.box / out)
                found |= {k: v for k, v in digests.items() if k.endswith((".png", ".safetensors"))}
                try:
                    found |= values(self.box / out)
                except ValueError as error:  # cells of no shape
                    found |= digests | {"unreadable": str(error)}
        shutil.rmtree(self.box / "tmp")
        (self.box / "tmp").mkdir()
        (self.box / "tmp" / "printed.json").write_text(ended.stdout)
        try:
            found |= values(self.box / "tmp")
        except ValueError:
            found["printed"] = ended.stdout
        (self.box / "tmp" / "printed.json").unlink()
        return found

    def one(self, number: int, kind: Kind, command: str) -> Found:
        """Damage one input, run the command, and judge."""
        rng = random.Random(f"{self.seed} {number}")
        verb = command.split()[0]
        if not kind.files:
            how, file, command = "words", self.box, words.hostile(command, rng)
            self.fill(kind, command)
            words.occupy(self.box, command, rng)
        else:
            self.fill(kind, command)
            file = rng.choice(sorted(p for g in kind.files for p in self.box.glob(g)))
            how = words.rename(file, rng) if file.is_dir() else damage(file, rng)
        before = snapshot(self.box)
        ended = self.run(command)
        verdict, why = self.judge(kind, command, file, how=how, ended=ended, before=before)
        return Found(
            number=number,
            kind=kind.name,
            verb=verb,
            command=command,
            file=str(file.relative_to(self.box)).encode(errors="replace").decode(),
            damage=how,
            code=ended.code,
            verdict=verdict,
            why=why,
            seconds=round(ended.seconds, 2),
            peak_mib=ended.peak_mib,
        )

    def judge(
        self, kind: Kind, command: str, file: Path, *, how: str, ended: Ended, before: dict[str, str]
    ) -> tuple[str, str]:
        """Return a verdict and, where it is "broken", what does not hold."""
        if broken := "; ".join(self.faults(command, ended, before)):
            return "broken", broken
        if ended.code not in (0, 4):
            return ("told" if ended.code == 5 else "refused"), ""
        if not kind.files:
            return "another", ""
        made, base = self.outputs(ended), self.undamaged(kind, command)
        if ended.said - base.ended.said:
            return "told", ""
        if made == base.made:
            return "equal", ""
        wrong = kind.judge(self.box, file, how, command)
        return ("broken", f"silently wrong: {wrong}") if wrong else ("another", "")

    def faults(self, command: str, ended: Ended, before: dict[str, str]) -> Iterator[str]:
        """Yield every property that does not hold."""
        if ended.code not in FINE:
            last = ended.stderr.strip().splitlines()[-1:] or [""]
            yield f"exit code {ended.code}{' (without end)' if ended.code is None else ''}: {last[0][:300]}"
        if wrong := next(filter(None, map(_unfit, ended.stderr.splitlines())), ""):
            yield wrong
        if ended.code in FINE and "--help" not in command:
            try:
                status = json.loads(ended.stdout)["status"]
                if status != STATUS[ended.code]:
                    yield f"exit code {ended.code}, and the object says {status}"
            except (ValueError, KeyError, TypeError):
                yield f"stdout is no JSON object: {ended.stdout[:100]!r}"
        if events := [e for e in ended.events if f"{MODULE}.py" not in e]:
            yield f"executed or touched: {events[0][:200]}"
        after = snapshot(self.box)
        if any(EXECUTED in name for name in after):
            yield "a canary was executed"
        out = _out_of(command, self.box)
        changed = {n for n in before.keys() | after.keys() if before.get(n) != after.get(n)} - {"tmp"}
        outside = sorted(n for n in changed if not _within(n, out) and n not in (str(Path(out).parent), MADE))
        if outside:
            yield f"touched outside of OUT: {outside[:3]}"
        yield from self.halves(command, ended, out, before=before, after=after)

    def halves(
        self, command: str, ended: Ended, out: str, *, before: dict[str, str], after: dict[str, str]
    ) -> Iterator[str]:
        """Yield what is half-written at OUT."""
        made = {n for n in after if _within(n, out) and after[n] != before.get(n)} if out else set()
        if hidden := [n for n in after if Path(n).name.startswith(".") and Path(n).name not in (".box",) and MADE in n]:
            yield f"left behind: {hidden[:2]}"
        may_stay = command.startswith(("train", "settle", "demo"))  # what --resume goes on with
        if ended.code in (2, 3, 6) and made and not may_stay and MADE in out:
            yield f"exit code {ended.code}, and something stands at OUT: {sorted(made)[:3]}"
        if ended.code in (0, 5) and out and not made and "--dry-run" not in command and "--help" not in command:
            yield "nothing at OUT"
        for name in made:
            path = self.box / name
            if path.is_file() and path.suffix in NEVER_EMPTY and not path.stat().st_size:
                yield f"{name} is empty"


def _unfit(line: str) -> str:
    """Return what is wrong with a line on stderr, or nothing."""
    if line.startswith("Traceback (most recent call last)"):
        return "a traceback"
    is_foreign = "Warning: " in line or line.startswith(("Exception ignored", "[W", "[E", "***", "terminate called"))
    return f"a library's words: {line[:200]}" if is_foreign else ""


def _out_of(command: str, box: Path) -> str:
    """Return where a command puts its OUT, within the box; links lead elsewhere."""
    parts = shlex.split(command)
    if "--out" not in parts[:-1]:
        return ""
    target = (box / parts[parts.index("--out") + 1]).resolve()
    return str(target.relative_to(box)) if target.is_relative_to(box) else ""


def _within(name: str, out: str) -> bool:
    return bool(out) and (name == out or name.startswith(f"{out}/"))


# --- all of them ------------------------------------------------------------------------------------------------------


def plan(campaign: Campaign, n: int, rng: random.Random) -> Iterator[tuple[Kind, str]]:
    """Yield so many pairs of a kind and a command: each pair once, then the quick ones more often."""
    pairs = [(kind, command) for kind in campaign.kinds for command in kind.commands]
    rng.shuffle(pairs)
    yield from pairs[:n]
    weights = [1 / COSTS.get(command.split()[0], 1) for _, command in pairs]
    yield from rng.choices(pairs, weights, k=max(0, n - len(pairs)))


def record_of(found: list[Found], seed: int, seconds: float, command: str) -> dict[str, object]:
    """Return what is kept: counts, times, memory, and every broken input."""
    from gan_probe.device import environment

    def counts(by: Callable[[Found], object]) -> dict[str, dict[str, int]]:
        keys = sorted({str(by(f)) for f in found})
        return {key: dict(Counter(f.verdict for f in found if str(by(f)) == key).most_common()) for key in keys}

    return {
        "command": command,
        "environment": environment(),
        "seed": seed,
        "n_inputs": len(found),
        "n_broken": sum(f.verdict == "broken" for f in found),
        "verdicts": dict(Counter(f.verdict for f in found).most_common()),
        "exit_codes": dict(sorted(Counter(str(f.code) for f in found).items())),
        "by_reader": counts(lambda f: f.kind),
        "by_verb": counts(lambda f: f.verb),
        "by_damage": counts(lambda f: f.damage),
        "seconds": {"all": round(seconds), "longest": max((f.seconds for f in found), default=0)},
        "peak_mib": max((f.peak_mib for f in found), default=0),
        "bounds": {"seconds": SECONDS, "memory_mib": MEMORY_MIB},
        "broken": [asdict(f) for f in found if f.verdict == "broken"],
    }


def run_part(asked: argparse.Namespace, parts: tuple[int, int]) -> Iterator[Found]:
    """Yield what becomes of the inputs of one worker: every so manieth of the plan."""
    sandbox.prepare()
    until = time.monotonic() + 60 * asked.minutes
    with sandbox.scratch() as root:
        campaign = Campaign(root, asked.seed)
        for number, (kind, command) in enumerate(plan(campaign, asked.inputs, random.Random(asked.seed))):
            if number % parts[1] != parts[0] or (asked.only is not None and number != asked.only):
                continue
            if time.monotonic() > until:
                return
            yield campaign.one(number, kind, command)
            if asked.only is not None:
                shutil.copytree(campaign.box, Path(f"fuzz-{number}"), symlinks=True, dirs_exist_ok=True)


def run_workers(asked: argparse.Namespace) -> Iterator[Found]:
    """Yield what becomes of all inputs: each of ``--jobs`` processes makes a world, and tells of its inputs by line."""
    command = [sys.executable, __file__, "--inputs", str(asked.inputs), "--seed", str(asked.seed)]
    command += ["--minutes", str(asked.minutes)]
    workers = [
        subprocess.Popen([*command, "--part", f"{k}/{asked.jobs}"], stdout=subprocess.PIPE, text=True)
        for k in range(asked.jobs)
    ]
    with selectors.DefaultSelector() as ready:
        for worker in workers:
            ready.register(worker.stdout, selectors.EVENT_READ)  # type: ignore[arg-type]
        while ready.get_map():
            for key, _ in ready.select():
                line = key.fileobj.readline()  # type: ignore[union-attr]
                if line:
                    yield Found(**json.loads(line))
                else:
                    ready.unregister(key.fileobj)
    if codes := [worker.wait() for worker in workers if worker.wait()]:
        raise SystemExit(f"a worker ended with {codes[0]}")


def main() -> int:
    """Run a campaign; return 1 where an input is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so many")
    parser.add_argument("--record", type=Path, help="JSON file to write")
    parser.add_argument(
        "--only", type=int, help="do one input of the plan again, by its number, and keep its box as fuzz-N"
    )
    parser.add_argument("--part", help=argparse.SUPPRESS)  # of a worker
    asked = parser.parse_args()
    if asked.part:
        part, of = map(int, asked.part.split("/"))
        for one in run_part(asked, (part, of)):
            print(json.dumps(asdict(one)), flush=True)
        return 0
    started, found = time.monotonic(), list[Found]()
    for one in run_workers(asked) if asked.jobs > 1 else run_part(asked, (0, 1)):
        found.append(one)
        if one.verdict == "broken" or asked.only is not None:
            print(f"{one.number}: {json.dumps(asdict(one))}", flush=True)
        elif len(found) % 50 == 0:
            print(f"{len(found)} of {asked.inputs}, {time.monotonic() - started:.0f} s", flush=True)
    found.sort(key=lambda one: one.number)
    command = f"python tests/campaigns/fuzz.py {shlex.join(sys.argv[1:])}"
    record = record_of(found, asked.seed, time.monotonic() - started, command)
    if asked.record:
        asked.record.write_text(json.dumps(record, indent=1) + "\n")
    shown = ("n_inputs", "n_broken", "verdicts", "exit_codes", "seconds", "peak_mib")
    print(json.dumps({key: record[key] for key in shown}))
    return int(bool(record["n_broken"]))


if __name__ == "__main__":
    sys.exit(main())
