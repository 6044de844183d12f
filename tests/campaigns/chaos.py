"""Commands that do not come to their end: ``make chaos``.

    python tests/campaigns/chaos.py --kills 240 --seed 0 --record benchmarks/records/chaos.json

Every writing verb is ended by SIGINT, SIGTERM and SIGKILL: at a drawn fsync, unlink, rename, link, mkdir, rmdir or
opening of a file for writing, or at a random moment; with OUT not there, with an older OUT under ``--overwrite``, and
under ``--resume``. Disks are full (files that may not grow, a file system without room, ``/dev/full`` and a closed pipe
as stdout), and two writers have one OUT. The hooks are Python's audit events and a wrapped ``os.fsync`` in the child;
the package knows nothing of them. An attack is broken where one of these does not hold:

- OUT is the old one, byte by byte, or the new one, or it is not there where it was not; a run folder may hold a run
  that ``--resume`` takes. Nothing but OUT was touched;
- after SIGINT and SIGTERM nothing hidden is left, and the exit code is 130 or 143 unless the work was done;
- the same command again (with ``--resume`` or ``--overwrite`` where that is the way) ends with 0, what it made equals
  an undisturbed run, value by value and weight by weight, and locks and temporaries are gone;
- what cannot be written is exit code 3 and a sentence.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.campaigns import sandbox
from tests.campaigns.sandbox import Ended, fork, snapshot
from tests.campaigns.world import MODULE, TRAIN, make_world
from tests.golden.golden import values

CPU = "--device cpu"
OUT = "made/out"
COSTS = {"report": 20, "factors": 20, "demo": 40, "stability": 10, "cluster": 8, "explain": 5, "trajectory": 5,
         "arithmetic": 5, "probe": 3, "settle": 3, "diagnose": 3, "train": 2}  # fmt: skip
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
EVENTS = {
    "os.remove": "unlink",
    "os.rename": "rename",
    "os.link": "link",
    "os.mkdir": "mkdir",
    "os.rmdir": "rmdir",
    "open": "open",
}


@dataclass(frozen=True)
class Job:
    """A command that writes, and how it is done again after an attack.

    Attributes
    ----------
    command : str
        With its OUT.
    parts : str
        What of the world it takes.
    older : str
        What makes another OUT of the same kind, that ``--overwrite`` replaces.
    again : str
        The option with which it goes on; empty where it is just done anew.
    """

    command: str
    parts: str
    older: str = ""
    again: str = ""

    @property
    def verb(self) -> str:
        return self.command.split()[0]

    @property
    def has_several(self) -> bool:
        """Whether it makes several folders, of which some may be older ones still."""
        return self.verb == "settle" or "--runs" in self.command

    @property
    def out(self) -> str:
        words = shlex.split(self.command)
        return words[words.index("--out") + 1]


def jobs() -> tuple[Job, ...]:
    """Return every verb that writes, some in several ways."""
    study = f"--no-controls {CPU}"
    runs = "runs/run-00 runs/run-01 runs/run-02"
    settle = f"settle runs/run-00 runs/run-01 --data data --out {OUT} --n-fakes 8 --updates 2 --jobs 1 {CPU}"
    train = f"train data --out {OUT} --seed 4 {TRAIN}"
    tables = "plain.parquet run test"
    return (
        Job(f"synth test.toml --out {OUT}", "test.toml", "--seed 1"),
        Job(f"synth test.toml --out {OUT} --format npy", "test.toml", "--seed 1"),
        Job(f"synth test.toml --out {OUT} --format parquet --masks", "test.toml", "--seed 1"),
        Job(train, "data", again="--resume"),
        Job(train, "data", "--set learning_rate_critic=0.0002", again="--resume"),
        Job(f"train data --out unfinished --resume {CPU}", "data unfinished", again="--resume"),
        Job(f"{train} --runs 2 --jobs 1", "data", "--set learning_rate_critic=0.0002", again="--resume"),
        Job(f"diagnose run --out {OUT}", "run", "--title older"),
        Job(f"sample run --out {OUT} --n 6 --interpolate 2 {CPU}", "run", "--seed 1"),
        Job(f"sample run --out {OUT} --n 6 --format npy {CPU}", "run", "--seed 1"),
        Job(
            f"arithmetic run test 'circle - circle + circle = circle' --out {OUT} --draws 2 {CPU}",
            "run test",
            "--seed 1",
        ),
        Job(f"adapt {MODULE}:patches --out {OUT} --image-shape 16x16x3", f"{MODULE}.py", "--reverse"),
        Job(f"adapt net.onnx --out {OUT} --image-shape 16x16x3", "net.onnx", "--reverse"),
        Job(f"synth test.toml --out {OUT} --format tar --shard-size 5", "test.toml", "--seed 1"),
        Job(f"score run test --out {OUT}.parquet {study}", "run test", "--pooling max"),
        Job(f"score run test --out {OUT} --shard-size 7 {study}", "run test", "--pooling max", again="--resume"),
        Job(f"embed run test --out {OUT}.npy {CPU}", "run test", "--pooling max"),
        Job(
            f"outliers run test --reals data --detector nearest-mean --out {OUT} {study}",
            "run test data",
            "--title older",
        ),
        Job(f"cluster plain.parquet --out {OUT}.csv", tables, "--seed 1"),
        Job(f"report plain.parquet --out {OUT}", tables, "--title older"),
        Job(f"export plain.parquet --out {OUT}", tables, "--no-pictures"),
        Job(f"check run test --out {OUT} {CPU}", "run test", "--title older"),
        Job(f"stability {runs} --data test --out {OUT} {study}", "runs test", "--title older"),
        Job(settle, "runs data", again="--resume"),
        Job(settle, "runs data", "--seed 1", again="--resume"),
        Job(f"ensemble {runs} --data data --out {OUT} {CPU}", "runs data", "--alignment shift"),
        Job(f"trajectory run test --out {OUT} {study}", "run test", "--title older"),
        Job(f"probe run test --out {OUT} --labels 1 --draws 2 --classifier linear {study}", "run test", "--seed 1"),
        Job(
            f"explain run test --out {OUT} --per-class 1 --points 2 --method gradients {study}",
            "run test",
            "--title older",
        ),
        Job(f"factors run --out {OUT} --per-class 10 --bases 20 {study}", "run", "--seed 1"),
        Job(f"outliers plain.parquet --out {OUT}.csv", tables, "--two-sided"),
        Job(f"demo --out {OUT} --steps 1 --per-class 8", "", "--seed 1"),
        Job(f"all data test --out {OUT} --preset mlp-2014 --steps 1 {CPU}", "data test", "--seed 1"),
    )


# --- what an attack is ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attack:
    """What is done to a command.

    Attributes
    ----------
    kind : str
        "signal", "file size", "no room", "full stdout", "closed stdout" or "two writers".
    number : int
        Of the signal.
    event : int
        At which change of the disk, from 1; 0: at a random moment.
    share : float
        Of the undisturbed time, or of the bytes that it wrote.
    overwrite : bool
        Whether an older OUT is there.
    """

    kind: str
    number: int = 0
    event: int = 0
    share: float = 0.0
    overwrite: bool = False


@dataclass
class Undisturbed:
    """What a job does when it is left alone."""

    seconds: float
    events: list[str]
    made: dict[str, object]
    n_bytes: int
    older: Path | None = None
    older_snapshot: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of one attack."""

    verb: str
    command: str
    attack: Attack
    at: str
    code: int | None
    left: str  # old, new, nothing, unfinished
    broken: str
    seconds: float


def count_events(log: Path, box: Path, at: int = 0, number: int = 0) -> Callable[[], None]:
    """Return a hook for a child: it notes each change of the disk, and signals itself before the one at ``at``."""

    def install() -> None:
        handle, n, fsync = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND), 0, os.fsync

        def happened(what: str) -> None:
            nonlocal n
            n += 1
            os.write(handle, f"{what}\n".encode())
            if n == at:
                os.kill(os.getpid(), number)

        def hook(event: str, args: tuple[object, ...]) -> None:
            what = EVENTS.get(event)
            if what is None or not isinstance(args[0], str | bytes):
                return
            if what == "open" and not int(str(args[2] or 0)) & (os.O_WRONLY | os.O_RDWR):
                return
            path = os.path.abspath(os.fsdecode(args[0]))  # noqa: PTH100 (of a name that may lead anywhere)
            if path.startswith(f"{box}/") and not path.startswith(f"{box}/tmp/"):
                happened(what)

        def noted_fsync(descriptor: int) -> None:
            happened("fsync")
            fsync(descriptor)

        os.fsync = noted_fsync  # type: ignore[assignment]
        sys.addaudithook(hook)

    return install


class Campaign:
    """A world, and attacks in it."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.rng = root, random.Random(seed)
        self.box, self.world, self.log = (root / "box").resolve(), root / "world", root / "log"
        self.known: dict[Job, Undisturbed] = {}
        make_world(self.box)
        self.box.rename(self.world)

    def fill(self, job: Job) -> None:
        shutil.rmtree(self.box, ignore_errors=True)
        (self.box / "tmp").mkdir(parents=True)
        for part in job.parts.split():
            source = self.world / part
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, self.box / part)

    def run(self, command: str, **bounds: object) -> Ended:
        return fork(shlex.split(command), self.box, seconds=300.0, **bounds)  # type: ignore[arg-type]

    def undisturbed(self, job: Job) -> Undisturbed:
        """Return what a job does when it is left alone; done once."""
        if job in self.known:
            return self.known[job]
        older = None
        if job.older:
            self.fill(job)
            ended = self.run(f"{job.command} {job.older}")
            assert ended.code in (0, 5), ended
            older = self.root / f"older-{len(self.known)}"
            (self.box / job.out).rename(older)
        self.fill(job)
        self.log.unlink(missing_ok=True)
        ended = self.run(job.command, before=count_events(self.log, self.box))
        assert ended.code in (0, 5), ended
        size = max((p.stat().st_size for p in (self.box / job.out).parent.rglob("*") if p.is_file()), default=0)
        found = Undisturbed(ended.seconds, self.log.read_text().splitlines(), self.made(job), size, older)
        if older is not None:
            self.put_older(job, found)
            found.older_snapshot = self.at_out(job)
        self.known[job] = found
        return found

    def put_older(self, job: Job, known: Undisturbed) -> None:
        self.fill(job)
        assert known.older is not None
        (self.box / job.out).parent.mkdir(exist_ok=True)
        (shutil.copytree if known.older.is_dir() else shutil.copy2)(known.older, self.box / job.out)

    def at_out(self, job: Job) -> dict[str, str]:
        return {n: d for n, d in snapshot(self.box).items() if n == job.out or n.startswith(f"{job.out}/")}

    def made(self, job: Job) -> dict[str, object]:
        """Return every value at OUT, and digests of pictures and weights."""
        folder = self.root / "looked-at"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        source = self.box / job.out
        if source.is_dir():
            shutil.copytree(source, folder / "out")
        elif source.exists():
            shutil.copy2(source, folder / source.name)
        digests = snapshot(folder)
        weights = {k: v for k, v in digests.items() if k.endswith((".safetensors", ".png", ".npy"))}
        return values(folder) | weights | {"names": sorted(digests)}

    # --- attacks ---

    def attack(self, job: Job, attack: Attack) -> Outcome:
        """Do one, look at what is left, do the work again, look again."""
        known, started = self.undisturbed(job), time.monotonic()
        self.put_older(job, known) if attack.overwrite else self.fill(job)
        before = snapshot(self.box)
        command = f"{job.command} --overwrite" if attack.overwrite else job.command
        ended = self.ended_by(job, attack, command, known)
        at = known.events[attack.event - 1] if attack.event else "a random moment" if attack.kind == "signal" else ""
        left, broken = self.left(job, attack, ended, known=known, before=before)
        broken = broken or self.done_again(job, attack, left, known)
        return Outcome(job.verb, command, attack, at, ended.code, left, broken, round(time.monotonic() - started, 2))

    def ended_by(self, job: Job, attack: Attack, command: str, known: Undisturbed) -> Ended:
        if attack.kind == "signal" and attack.event:
            self.log.unlink(missing_ok=True)
            return self.run(command, before=count_events(self.log, self.box, attack.event, attack.number))
        if attack.kind == "signal":
            return self.run(command, during=lambda pid: _later(pid, attack.number, attack.share * known.seconds))
        if attack.kind == "file size":
            limit = max(4096, int(attack.share * known.n_bytes))  # its words go to files, too
            return self.run(command, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        if attack.kind == "no room":
            with SmallDisk((self.box / job.out).parent, int(attack.share * known.n_bytes)):
                return self.run(command)
        if attack.kind in ("full stdout", "closed stdout"):
            return self.run(command, before=_full if attack.kind == "full stdout" else _closed)
        seconds = list[Ended]()
        first = self.run(command, during=lambda pid: seconds.append(self.run(command)))
        codes = sorted(str(e.code) for e in (first, *seconds))
        right = ["0", "0"] if attack.overwrite else ["0", "3"]
        if codes not in (right, ["0", "3"]):
            return Ended(1, "", f"two writers end with {codes}: {first.stderr[-300:]} {seconds[0].stderr[-300:]}", 0, 0)
        return first if first.code == 0 else seconds[0]

    def left(
        self, job: Job, attack: Attack, ended: Ended, known: Undisturbed, before: dict[str, str]
    ) -> tuple[str, str]:
        """Return what is left at OUT, and what is wrong with it or with how the command ended."""
        after = snapshot(self.box)
        hidden = [n for n in after if Path(n).name.startswith(".") and n not in before]
        parent = str(Path(job.out).parent)
        allowed = (job.out, "tmp", *hidden)
        changed = [n for n in before.keys() | after.keys() if before.get(n) != after.get(n) and n != parent]
        outside = [n for n in changed if n not in allowed and not n.startswith(tuple(f"{a}/" for a in allowed))]
        now = self.at_out(job)
        if not now or (job.again and set(now) == {job.out}):
            left = "nothing"
        elif attack.overwrite and now == known.older_snapshot:
            left = "old"
        elif self.made(job) == known.made:
            left = "new"
        else:
            left = "unfinished"
        wrong = "; ".join(self.wrongs(job, attack, ended, left=left, hidden=hidden))
        if outside:
            wrong = f"touched outside of OUT: {outside[:3]}; {wrong}"
        return left, wrong

    def wrongs(self, job: Job, attack: Attack, ended: Ended, *, left: str, hidden: list[str]) -> Iterator[str]:
        """Yield what is wrong with what is left, and with how the command ended."""
        whole = not job.again and job.verb not in ("demo", "all")  # which go on with the half
        if whole and left == "unfinished":
            yield "half of it stands at OUT"
        if whole and left == "nothing" and attack.overwrite:
            yield "the old one is lost"
        if any(word in ended.stderr for word in ("Traceback", "Exception ignored", "This is a bug")):
            yield f"a traceback: {ended.stderr[-300:]}"
        fine = {0, 5, *_may_end(attack)}
        if ended.code not in fine:
            yield f"exit code {ended.code}: {ended.stderr[-300:]}"
        if hidden and ended.code is not None and ended.code >= 0:
            yield f"left behind: {hidden[:3]}"
        if ended.code == 3 and attack.kind != "two writers" and "space" not in ended.stderr:
            yield f"no word of the room that is missing: {ended.stderr[-300:]}"

    def done_again(self, job: Job, attack: Attack, left: str, known: Undisturbed) -> str:
        """Do the work again in the way that fits what is left; return what is wrong then."""
        words = [job.command]
        if job.again and left in ("unfinished", "new", "nothing"):
            words += [job.again, *(["--overwrite"] if attack.overwrite and job.has_several else [])]
        elif left in ("old", "new") or (left == "unfinished" and job.verb != "all"):  # which goes on without a word
            words.append("--overwrite")
        ended = self.run(" ".join(words))
        if ended.code not in (0, 5):
            return f"done again it ends with {ended.code}: {ended.stderr[-400:]}"
        if (made := self.made(job)) != known.made:
            keys = sorted(k for k in made.keys() | known.made.keys() if made.get(k) != known.made.get(k))
            return f"done again it differs from an undisturbed run: {keys[:5]}"
        hidden = [n for n in snapshot(self.box) if Path(n).name.startswith(".")]
        return f"left behind after it was done again: {hidden[:3]}" if hidden else ""


def _may_end(attack: Attack) -> set[int]:
    """Return the exit codes, besides 0 and 5, with which an attacked command may end."""
    if attack.kind == "signal":
        of_shell = set() if attack.number == signal.SIGKILL else {128 + attack.number}
        return {-attack.number, *of_shell}
    return set() if attack.kind == "closed stdout" else {3}


def _later(pid: int, number: int, seconds: float) -> None:
    time.sleep(seconds)
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _full() -> None:
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


def _closed() -> None:
    reads, writes = os.pipe()
    os.dup2(writes, 1)
    os.close(writes)
    os.close(reads)


class SmallDisk:
    """A file system of so many bytes at a folder, where one may be mounted."""

    def __init__(self, folder: Path, n_bytes: int) -> None:
        self.folder, self.n_bytes = folder, max(4096, n_bytes)

    def __enter__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.n_bytes}", "none", str(self.folder)], check=True)

    def __exit__(self, *_: object) -> None:
        kept = self.folder.with_name("kept")
        shutil.copytree(self.folder, kept, symlinks=True)
        subprocess.run(["umount", str(self.folder)], check=True)
        shutil.copytree(kept, self.folder, dirs_exist_ok=True, symlinks=True)
        shutil.rmtree(kept)


def _may_mount(root: Path) -> bool:
    try:
        with SmallDisk(root / "mounted", 4096):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


# --- all of them ------------------------------------------------------------------------------------------------------


def plan(campaign: Campaign, n_kills: int, others: int) -> Iterator[tuple[Job, Attack]]:
    """Yield so many kills, quick jobs more often; then full disks, pipes and two writers."""
    rng, every = campaign.rng, jobs()
    may_mount = _may_mount(campaign.root)
    weights = [1 / COSTS.get(job.verb, 1) for job in every]
    chosen = [*every, *rng.choices(every, weights, k=max(0, n_kills - len(every)))][:n_kills]
    for job in chosen:
        known = campaign.undisturbed(job)
        overwrite = bool(job.older) and rng.random() < 0.6
        number = rng.choice(SIGNALS)
        if rng.random() < 0.25 or not known.events:
            yield job, Attack("signal", number, share=rng.random(), overwrite=overwrite)
        else:
            kind = rng.choice(sorted(set(known.events)))
            places = [i for i, name in enumerate(known.events, 1) if name == kind]
            yield job, Attack("signal", number, event=rng.choice(places), overwrite=overwrite)
    kinds = ("file size", "two writers", "full stdout", "closed stdout", *(("no room",) if may_mount else ()))
    for number in range(others):
        job = every[number % len(every)] if number < len(every) else rng.choices(every, weights)[0]
        if job.verb == "demo" or "unfinished" in job.parts:
            job = every[0]
        overwrite = bool(job.older) and not job.again and rng.random() < 0.5
        yield job, Attack(kinds[number % len(kinds)], share=rng.random(), overwrite=overwrite)


def record_of(found: list[Outcome], campaign: Campaign, seed: int, seconds: float) -> dict[str, object]:
    """Return what is kept."""
    from gan_probe.device import environment

    kills = [o for o in found if o.attack.kind == "signal"]
    return {
        "command": f"python tests/campaigns/chaos.py {shlex.join(sys.argv[1:])}",
        "environment": environment(),
        "seed": seed,
        "n_kills": len(kills),
        "n_other_attacks": len(found) - len(kills),
        "n_broken": sum(bool(o.broken) for o in found),
        "by_signal": dict(Counter(signal.Signals(o.attack.number).name for o in kills)),
        "by_place": dict(Counter(o.at for o in kills).most_common()),
        "by_verb": dict(Counter(o.verb for o in found).most_common()),
        "by_attack": dict(Counter(o.attack.kind for o in found).most_common()),
        "left": dict(Counter(o.left for o in found).most_common()),
        "exit_codes": dict(Counter(str(o.code) for o in found).most_common()),
        "places": {job.command: dict(Counter(known.events)) for job, known in campaign.known.items()},
        "seconds": round(seconds),
        "broken": [asdict(o) for o in found if o.broken],
    }


def main() -> int:
    """Run a campaign; return 1 where an attack breaks something."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=240)
    parser.add_argument("--others", type=int, default=60, help="full disks, pipes, two writers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbs", help="only these, with commas between")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so many")
    parser.add_argument("--record", type=Path, help="JSON file to write")
    asked = parser.parse_args()
    if asked.verbs:
        chosen = tuple(job for job in jobs() if job.verb in asked.verbs.split(","))
        globals()["jobs"] = lambda: chosen
    sandbox.prepare()
    started, found = time.monotonic(), list[Outcome]()
    with sandbox.scratch() as root:
        campaign = Campaign(root, asked.seed)
        for number, (job, attack) in enumerate(plan(campaign, asked.kills, asked.others)):
            if time.monotonic() - started > 60 * asked.minutes:
                break
            one = campaign.attack(job, attack)
            found.append(one)
            if one.broken:
                print(f"{number}: {json.dumps(asdict(one))}", flush=True)
            elif number % 20 == 19:
                print(f"{number + 1}, {time.monotonic() - started:.0f} s", flush=True)
        record = record_of(found, campaign, asked.seed, time.monotonic() - started)
    if asked.record:
        asked.record.write_text(json.dumps(record, indent=1) + "\n")
    print(
        json.dumps({k: record[k] for k in ("n_kills", "n_other_attacks", "n_broken", "by_signal", "left", "seconds")})
    )
    return int(bool(record["n_broken"]))


if __name__ == "__main__":
    sys.exit(main())
