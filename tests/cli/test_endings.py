"""How commands end that do not come to their end: signals, full disks, no memory, wrong words."""

import json
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gan_probe.cli.session import Session
from gan_probe.ending import Terminated, terminable
from gan_probe.report.tables import Col, Table
from tests.cli.conftest import call, call_json


def start(*words: object, before: str = "") -> "subprocess.Popen[str]":
    code = f"import sys\n{before}\nfrom gan_probe.cli import main\nsys.argv = ['gan-probe', *sys.argv[1:]]\nmain()"
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--runs", 2, "--jobs", 2)])
def test_sigterm_says_how_to_go_on_and_leaves_a_run_that_goes_on(
    more: tuple[object, ...], few_images: Path, tmp_path: Path
) -> None:
    words = ("train", few_images, "--out", tmp_path / "r", "--steps", 100_000, "--batch-size", 8, "--network", "mlp")
    process = start(*words, "--set", "n_snapshots=1", *more)
    first = tmp_path / "r" / ("run-00" if more else "") / "health.jsonl"
    while process.poll() is None and not first.exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode == 143, said
    assert "ended from outside (SIGTERM). Go on with: gan-probe train" in said
    assert "--resume" in said
    assert not list(tmp_path.rglob(".*")), "locks and temporaries are gone"


@pytest.mark.slow
def test_a_file_that_cannot_grow_is_said_in_words(few_images: Path, tmp_path: Path) -> None:
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (300 * 1024,) * 2)"
    process = start(
        "train", few_images, "--out", tmp_path / "r", "--steps", 1, "--batch-size", 8, "--network", "mlp", before=limit
    )
    _, said = process.communicate()
    assert process.returncode == 3
    assert "File too large. Check the path, its permissions and the free space." in said


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_stdout_without_room_is_said_and_a_closed_one_is_not(words: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "gan_probe", "doctor", "-q", *words]  # a slow start is no matter here
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, "error: stdout: No space left on device." in done.stderr) == (3, True), done.stderr
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(command, stdout=writes, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writes)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_work_goes_on_when_nobody_reads_any_longer(score_file: Path, tmp_path: Path) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    command = [sys.executable, "-m", "gan_probe", "cluster", score_file, "--out", tmp_path / "c.csv"]
    done = subprocess.run(command, stdout=writes, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writes)
    assert (done.returncode, "error" in done.stderr) == (0, False), done.stderr
    assert (tmp_path / "c.csv").read_text().startswith("sample_id")


@pytest.mark.slow
def test_an_output_whose_name_is_no_text_is_refused_before_the_work(score_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    for words in (
        ("synth", "shapes", "--out", folder),
        ("cluster", score_file, "--out", folder.with_suffix(".csv")),
    ):
        done = start(*words)
        _, said = done.communicate()
        assert (done.returncode, r"caf\xe9" in said) == (3, True), said
    assert list(tmp_path.iterdir()) == []


def test_memory_that_torch_cannot_get_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    with pytest.raises(Exception) as end, Session("score"):  # noqa: PT011 (typer's own way to end)
        torch.empty(2**60, dtype=torch.uint8)
    assert getattr(end.value, "exit_code", None) == 3
    assert "out of memory. Use fewer or smaller images" in capsys.readouterr().err


def test_a_wrong_use_is_told_as_an_object_too(tmp_path: Path) -> None:
    for words in (("train", tmp_path, "--steps", "many", "--out", tmp_path / "x"), ("synth", "shapes")):
        record = call_json(*words)
        assert record["status"] == "usage"
        assert isinstance(record["metrics"], dict)
        assert record["metrics"]["error"]
    unknown = call("nonsense", "--json")
    assert (unknown.exit_code, json.loads(unknown.stdout)["status"]) == (2, "usage")
    assert call("nonsense").stdout == ""


def test_names_can_neither_command_a_terminal_nor_break_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"name": "[/red]\x1b[2J\u202egpj"}]
    with Session("cluster") as session:
        session.say("a\x1b]0;title\x07b")
        session.warn(["c\x1b[31md"])
        session.show(Table(name="t", columns=[Col(title="[/x]", of="name")], rows=rows).terminal())
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert r"a\x1b]0;title\x07b" in shown.out
    assert r"[/red]\x1b[2J\u202egpj" in shown.out


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C is heard, as it is not in a process that a shell started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_an_interruption_that_python_would_forget_comes_again(
    number: signal.Signals, raised: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """In the callback of a weak reference nothing can be raised: Python prints it and goes on."""
    patient = np.zeros(1)
    watch = weakref.ref(patient, lambda _: signal.raise_signal(number))
    with pytest.raises(raised), terminable():
        del patient
        assert watch() is None
        for _ in range(5000):
            time.sleep(0.001)
    assert "Traceback" not in capsys.readouterr().err
