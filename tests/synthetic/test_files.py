"""Writing: one swap, nobody overwritten, whole after a kill at any step, one writer at a time."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from synthetic import files
from synthetic.errors import InUseError
from synthetic.files import atomic_folder, atomic_path, check_free, hold, remove_temporaries, write_atomically

MARKER = "dataset.json"
# Replaces a folder by another and kills itself at the n-th call of a function that changes a disk.
SWAP = """
import os, sys
from pathlib import Path
from synthetic import files
out, name, at, fallback = sys.argv[1], sys.argv[2], int(sys.argv[3]), len(sys.argv) > 4
if fallback:
    def unsupported(new, out): raise OSError(22, "Invalid argument")
    files._exchange_at_once = unsupported
real, n = getattr(os, name), [0]
def killing(*args, **options):
    n[0] += 1
    if n[0] == at: os.kill(os.getpid(), 9)
    return real(*args, **options)
setattr(os, name, killing)
with files.atomic_folder(out, marker="dataset.json", overwrite=True) as folder:
    for k in range(3):
        (folder / f"{k}.txt").write_text("new")
    (folder / "dataset.json").write_text('{"schema": "synthetic.new"}')
"""


def put(out: Path, word: str, *, overwrite: bool = False) -> None:
    with atomic_folder(out, marker=MARKER, overwrite=overwrite) as folder:
        for k in range(3):
            (folder / f"{k}.txt").write_text(word)
        (folder / MARKER).write_text(json.dumps({"schema": f"synthetic.{word}"}))


def held(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("call", "at"), [("fsync", 1), ("fsync", 2), ("rename", 1), ("unlink", 1), ("unlink", 3), ("rmdir", 1)]
)
@pytest.mark.parametrize("fallback", [False, True])
def test_a_kill_leaves_the_old_folder_or_the_new_one(call: str, at: int, fallback: bool, tmp_path: Path) -> None:
    put(tmp_path / "o", "old")
    words = [sys.executable, "-c", SWAP, str(tmp_path / "o"), call, str(at), *(["two steps"] if fallback else [])]
    done = subprocess.run(words, check=False)
    assert done.returncode == -signal.SIGKILL
    with hold(tmp_path / "o"):
        pass
    assert len({text for name, text in held(tmp_path / "o").items() if name != MARKER}) == 1
    assert len(held(tmp_path / "o")) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["o"]


def test_a_kill_between_two_renames_is_mended_by_the_next_writer(tmp_path: Path) -> None:
    put(tmp_path / "o", "old")
    words = [sys.executable, "-c", SWAP, str(tmp_path / "o"), "rename", "3", "two steps"]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "o").exists()
    with hold(tmp_path / "o"):
        assert held(tmp_path / "o")["0.txt"] == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["o"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_appears_meanwhile_is_left_alone(overwrite: bool, tmp_path: Path) -> None:
    out = tmp_path / "o"
    with (
        pytest.raises(FileExistsError, match="so it is left alone"),
        atomic_folder(out, marker=MARKER, overwrite=overwrite) as folder,
    ):
        (folder / MARKER).write_text("{}")
        out.mkdir()
        (out / "thesis.txt").write_text("years")
    assert held(out) == {"thesis.txt": "years"}
    assert [path.name for path in tmp_path.iterdir()] == ["o"]


def test_what_takes_the_place_at_the_last_moment_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "o"
    put(out, "old")
    exchange = files._exchange

    def after_a_stranger(new: Path, place: Path) -> None:
        monkeypatch.setattr(files, "_exchange", exchange)
        (place / MARKER).unlink()
        exchange(new, place)

    monkeypatch.setattr(files, "_exchange", after_a_stranger)
    with pytest.raises(FileExistsError, match="appeared while this ran, so it is left alone"):
        put(out, "new", overwrite=True)
    assert held(out) == {f"{k}.txt": "old" for k in range(3)}


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_appears_meanwhile_is_left_alone(
    has_links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(*args: object, **options: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr(os, "link", no_link)
    path = tmp_path / "f.txt"
    with (
        pytest.raises(FileExistsError, match=r"appeared while this ran, so it is left alone\. .* --overwrite"),
        atomic_path(path, overwrite=False) as temporary,
    ):
        temporary.write_text("new")
        path.write_text("mine")
    assert held(tmp_path) == {"f.txt": "mine"}
    write_atomically(tmp_path / "g.txt", "free", overwrite=False)
    assert held(tmp_path) == {"f.txt": "mine", "g.txt": "free"}


def test_the_second_writer_is_told_of_the_first_and_a_dead_one_is_no_hindrance(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom synthetic.files import hold\n"
        "with hold(sys.argv[1]):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "new" / "o")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        told = f"o is being written by process {process.pid} on .* since 20.* Wait for it, or choose another --out"
        with pytest.raises(InUseError, match=told):
            put(tmp_path / "new" / "o", "new")
        with pytest.raises(InUseError, match=told):
            write_atomically(tmp_path / "new" / "o", "new")
        process.kill()
    put(tmp_path / "new" / "o", "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["o"]


def test_a_lock_counts_for_what_lies_below_and_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b" / "o"
    with hold(out), hold(out):
        put(out, "old")
        write_atomically(out / "x.txt", "x")
        assert not list(out.glob(".*"))
    assert held(out)["x.txt"] == "x"
    with pytest.raises(ZeroDivisionError), hold(tmp_path / "c" / "d" / "o"):
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    with pytest.raises(FileNotFoundError, match="nothing can be written here"), hold("/proc/x"):
        pass


def test_what_a_killed_writer_left_is_cleared_away_and_nothing_else(tmp_path: Path) -> None:
    for name in (".o.abcdefgh.tmp", ".o.png.abcdefgh.tmp.png", ".o.mine.tmp", "o.tmp", ".o.gan-probe-lock"):
        (tmp_path / name).write_text("x")
    put(tmp_path / "o", "new")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"o", ".o.png.abcdefgh.tmp.png", ".o.mine.tmp", "o.tmp"}
    (tmp_path / "o" / ".config.json.abcdefgh.tmp.json").write_text("half")
    remove_temporaries(tmp_path / "o")
    assert len(held(tmp_path / "o")) == 4
    cut_off = tmp_path / "run"
    cut_off.mkdir()
    (cut_off / ".config.json.abcdefgh.tmp.json").write_text("half")
    check_free(cut_off, marker=MARKER, overwrite=False)
    put(cut_off, "new")
    assert len(held(cut_off)) == 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_wait_until_everything_is_cleaned_up(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    remove, unlink = files._remove, Path.unlink

    def interrupted(path: Path) -> None:
        signal.raise_signal(number)
        remove(path)

    def interrupted_unlink(path: Path, missing_ok: bool = False) -> None:
        if path.name.endswith("-lock"):
            signal.raise_signal(number)
        unlink(path, missing_ok=missing_ok)

    before = signal.signal(number, ended)
    try:
        put(tmp_path / "o", "old")
        for where, name, changed in ((files, "_remove", interrupted), (Path, "unlink", interrupted_unlink)):
            with monkeypatch.context() as patched:
                patched.setattr(where, name, changed)
                with pytest.raises(KeyboardInterrupt):
                    put(tmp_path / "o", name, overwrite=True)
            assert [path.name for path in tmp_path.iterdir()] == ["o"], name
            assert held(tmp_path / "o")["0.txt"] == name  # the work was done
    finally:
        signal.signal(number, before)
    with files.undisturbed():
        pass
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("call", ["mkdir", "open"])
def test_a_signal_at_the_moment_something_comes_to_be_leaves_nothing(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(os, call)

    def interrupted(path: object, *more: object, **options: object) -> object:
        made = real(path, *more, **options)
        if str(path).endswith(".tmp"):
            raise KeyboardInterrupt
        return made

    monkeypatch.setattr(os, call, interrupted)
    with pytest.raises(KeyboardInterrupt):
        put(tmp_path / "o", "new") if call == "mkdir" else write_atomically(tmp_path / "o", "new")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_goes_leaves_its_place_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "o", "old")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(files, "_remove", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
        files.remove_folder(tmp_path / "o")
    assert not (tmp_path / "o").exists()
    with hold(tmp_path / "o"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    out = tmp_path / os.fsdecode(b"caf\xe9")
    for action in (lambda: put(out, "new"), lambda: write_atomically(out, "new")):
        with pytest.raises(OSError, match="this name is not UTF-8, so no output can be written there"):
            action()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_file_is_never_replaced_though_a_link_leads_there(kind: str, tmp_path: Path) -> None:
    target = tmp_path / "there"
    if kind == "pipe":
        os.mkfifo(target)
    else:
        target.mkdir()
    (tmp_path / "out.json").symlink_to(target)
    with pytest.raises(OSError, match="no regular file, so nothing is written in its place"):
        write_atomically(tmp_path / "out.json", "{}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "there"]
    assert not target.is_file()
