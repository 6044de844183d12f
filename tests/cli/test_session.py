import json
import os
import re
import struct
import subprocess
import sys
import threading
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import gan_probe.cli
from gan_probe.cli.app import VERBS
from gan_probe.cli.session import Session, Speed, Voice
from gan_probe.report.tables import Col, Table
from tests.cli.conftest import call, call_json


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nsys.argv = ['gan-probe', '--help']\n"
        "try:\n    from gan_probe.cli import main; main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'sklearn', 'pandas', 'matplotlib', 'numpy', 'scipy', 'rich', 'gan_probe.cli.score'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_list_of_verbs_is_that_of_the_modules() -> None:
    not_verbs = {"__init__", "app", "options", "run_study", "session", "verb", "words"}
    assert set(VERBS) == {path.stem for path in Path(gan_probe.cli.__file__).parent.glob("*.py")} - not_verbs
    shown = " ".join(call("--help").stdout.split())
    assert all(f" {verb} {line} " in shown for verb, line in VERBS.items())


def test_tables_are_whole_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a class whose name is longer than a terminal of eighty characters is wide, as those of some data sets are"
    table = Table(name="t", columns=[Col(title="class", of="label")], rows=[{"label": name}])
    with Session("report", as_json=False) as session:
        session.show(table.terminal())
    assert name in capsys.readouterr().out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_a_page(verb: str) -> None:
    result = call(verb, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout
    assert VERBS[verb] in " ".join(result.stdout.split())
    assert f"## gan-probe {verb}" in (Path(__file__).parents[2] / "docs" / "commands.md").read_text()


def test_every_kind_of_bad_input_has_its_exit_code_and_its_words(run: Path, images: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "taken.parquet").write_text("mine")
    cases = [
        (("synth", "artcle-test", "--out", tmp_path / "x"), 3, "Did you mean 'article-test'"),
        (("synth", "shapes"), 2, "give a PRESET_OR_TOML and --out DIR"),
        (("synth", "shapes", "--out", tmp_path / "x", "--format", "zip"), 3, "unknown format 'zip'"),
        (("train", tmp_path / "empty", "--out", tmp_path / "x"), 3, "holds no images"),
        (("train", images, "--out", tmp_path / "x", "--preset", "compat"), 3, "Did you mean 'compact'"),
        (("train", images, "--out", tmp_path / "x", "--set", "step=3"), 3, "Did you mean 'steps'"),
        (("train", images, "--out", tmp_path / "x", "--set", "steps"), 3, "--set takes name=value, got 'steps'"),
        (("train", images, "--out", tmp_path / "x", "--steps", "many"), 2, "valid integer"),
        (("train", images, "--out", tmp_path / "x", "--steps", "2", "--epochs", "1"), 2, "--steps, --epochs and"),
        (("train", images, "--out", tmp_path / "x", "--precision", "tf32", "--device", "cpu"), 3, "CUDA"),
        (("train", images, "--out", images), 3, "holds no config.json of this kind, so it is left alone"),
        (("score", images, images, "--out", tmp_path / "x.parquet"), 3, "is not a run folder"),
        (("score", tmp_path / "no", images, "--out", tmp_path / "x.parquet"), 3, "does not exist"),
        (("score", run, images, "--out", tmp_path / "taken.parquet"), 3, "taken.parquet exists"),
        (("score", run, images, "--out", tmp_path / "x.parquet", "--size", "16"), 3, "takes uint8 images of 32x32x3"),
        (("score", run, images, "--out", tmp_path / "x.parquet", "--device", "gpu"), 3, "Known: auto, cpu"),
        (("score", run, images, "--out", tmp_path / "x.parquet", "--device", "cuda:99"), 6, "not there"),
        (("score", run, images, "--out", tmp_path / "x.csv"), 3, "must end in .parquet"),
        (("synth", "--list", "--out", tmp_path / "x.txt"), 3, "must end in .png"),
        (("cluster", tmp_path / "taken.parquet"), 3, "cannot be read as Parquet"),
        (("report", tmp_path / "taken.parquet", "--out", tmp_path / "x"), 3, "cannot be read as Parquet"),
        (("nonsense",), 2, "No such command"),
    ]  # fmt: skip
    for words, code, message in cases:
        result = call(*words)
        assert (result.exit_code, message in result.stderr) == (code, True), (words, result.exit_code, result.stderr)
        assert not list(tmp_path.glob("x*")), words
    assert (tmp_path / "taken.parquet").read_text() == "mine"


def test_errors_are_json_too(tmp_path: Path) -> None:
    record = call_json("score", tmp_path / "no", tmp_path / "no", "--out", tmp_path / "x.parquet")
    assert record["status"] == "error"
    assert "does not exist" in record["metrics"]["error"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    result = call("synth", "shapes", "--out", tmp_path / "x")
    assert result.exit_code == 3
    assert "Permission denied" in result.stderr


def test_a_place_where_nothing_can_be_written_is_named() -> None:
    result = call("synth", "shapes", "--per-class", "1", "--out", "/proc/x")
    assert result.exit_code == 3
    assert "Check the path, its permissions and the free space" in result.stderr


def test_no_slip_of_the_keyboard_deletes_what_gan_probe_did_not_write(
    images: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "config.json").write_text('{"my": "app"}')
    (project / "thesis.tex").write_text("years")
    assert call("train", images, "--out", project, "--steps", "1", "--overwrite").exit_code == 3
    assert (project / "thesis.tex").read_text() == "years"
    np.save(tmp_path / "mine.npy", np.zeros((8, 32, 32, 3), dtype=np.uint8))
    assert call("score", run, tmp_path / "mine.npy", "--out", tmp_path / "mine.npy", "--overwrite").exit_code == 3
    assert np.load(tmp_path / "mine.npy").shape == (8, 32, 32, 3)
    assert call("synth", "shapes", "--out", tmp_path / "d", "--per-class", "1").exit_code == 0
    monkeypatch.chdir(tmp_path / "d")
    assert call("synth", "shapes", "--out", ".", "--per-class", "2", "--overwrite").exit_code == 0
    assert len(pd.read_csv(tmp_path / "d" / "metadata.csv")) == 14
    inside = call("train", tmp_path / "d" / "images", "--out", tmp_path / "d", "--overwrite", "--steps", "1")
    assert inside.exit_code == 3
    assert (tmp_path / "d" / "dataset.json").is_file()


def test_long_work_says_how_far_it_is_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("FIRST_LINE_AFTER_S", "PLAIN_LINE_EVERY_S"):
        monkeypatch.setattr(f"gan_probe.cli.session.{name}", 0.01)
    session, said = Session("score"), ""
    with session.progress("scoring", 4) as update:
        update(1, "of the critic")
        while "1 of 4" not in said:  # a thread of its own tells it, though nothing ends meanwhile
            said += capsys.readouterr().err
        update(4, "")
    assert re.search(r"^scoring: 1 of 4, about \d+ s left of the critic$", said, re.MULTILINE)
    assert capsys.readouterr().err.endswith("scoring: 4 of 4\n")


def test_what_an_earlier_call_has_done_is_no_sign_of_speed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten steps in ten seconds, gone on with at 120: 170 seconds are left of 300 steps, not thirteen."""
    clock = iter([0.0] + [10.0] * 10_000)
    for name in ("FIRST_LINE_AFTER_S", "PLAIN_LINE_EVERY_S"):
        monkeypatch.setattr(f"gan_probe.cli.session.{name}", 0.01)
    monkeypatch.setattr("gan_probe.cli.session.time", SimpleNamespace(perf_counter=lambda: next(clock)))
    said = ""
    with Session("train").progress("training", 300) as update:
        update(130, "", 120)
        while "130 of 300" not in said:
            said += capsys.readouterr().err
    assert "training: 130 of 300, about 170 s left\n" in said


def test_what_comes_before_the_first_item_is_no_sign_of_speed_and_nor_is_what_was_long_ago() -> None:
    """A start of 50 seconds, then steps of one second, and later of two; between two of them the time runs down."""
    speed = Speed(0.0)
    assert speed.seconds_left(40.0, 300) is None
    for number in range(1, 11):
        speed.note(50.0 + number, number)
    assert speed.seconds_left(60.0, 300) == pytest.approx(290)
    for number in range(11, 101):
        speed.note(60.0 + 2 * (number - 10), number)
    assert speed.seconds_left(240.0, 300) == pytest.approx(400)
    assert speed.seconds_left(241.5, 300) == pytest.approx(398.5)
    assert speed.seconds_left(900.0, 300) == 0


def test_what_comes_before_and_after_the_items_is_said_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("FIRST_LINE_AFTER_S", "PLAIN_LINE_EVERY_S"):
        monkeypatch.setattr(f"gan_probe.cli.session.{name}", 0.01)

    def wait_for(text: str) -> None:
        said = ""
        while text not in said:
            said += capsys.readouterr().err

    with Session("score").each("scoring", then="batches, now the controls") as each:
        wait_for("scoring: 0 s so far")
        assert list(each("abc")) == ["a", "b", "c"]
        wait_for("scoring: 3 of 3 batches, now the controls")


def test_a_long_start_is_said_until_the_first_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("FIRST_LINE_AFTER_S", "PLAIN_LINE_EVERY_S"):
        monkeypatch.setattr(f"gan_probe.cli.session.{name}", 0.01)
    said = ""
    with Session("score") as session:
        while "starting: 0 s so far\n" not in said:
            said += capsys.readouterr().err
        session.log("scoring")
        before = threading.active_count()
    assert "starting" not in capsys.readouterr().err.split("scoring\n", 1)[1]
    assert threading.active_count() == before


def test_a_terminal_gets_a_bar_with_a_total_and_the_time() -> None:
    session, written = Session("score"), StringIO()
    session._stderr = Voice(file=written, force_terminal=True, width=100)
    with session.each("scoring", then="batches") as each:
        list(each(range(7)))
    shown = written.getvalue()
    assert "7/7" in shown
    assert re.search(r"0:00:0\d", shown)


def test_short_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Session("score").progress("scoring", 1) as update:
        update(1, "")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("score", "run", "data", "-o", "taken.parquet"), "taken.parquet exists"),
        (("score", "run", "data", "-o", "scores.csv"), "must end in .parquet"),
        (("embed", "run", "data", "-o", "features.csv"), "must end in .parquet or .npy"),
        (("outliers", "s.parquet", "-o", "x.csv", "--fail-if", "n<1"), "--fail-if takes NAME<NUMBER"),
    ],
)
def test_outputs_are_looked_at_before_torch_is_waited_for(
    words: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.parquet").touch()
    code = (
        f"import sys\nsys.argv = {['gan-probe', *words]!r}\n"
        "try:\n    from gan_probe.cli import main; main()\nexcept SystemExit as ended: code = ended.code\n"
        "print(code, 'torch' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == "3 False"
    assert message in done.stderr


@pytest.mark.slow
def test_what_a_library_warns_of_is_a_warning_of_the_command(tmp_path: Path) -> None:
    """A tag of a TIFF that is damaged and that nobody needs: Pillow warns, and reads the picture."""
    folder = tmp_path / "tiffs"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(np.full((8, 8, 3), 40 * number, np.uint8)).save(folder / f"{number}.tif")
    file = folder / "0.tif"
    order = "<" if file.read_bytes()[:2] == b"II" else ">"
    with_two = file.read_bytes().replace(struct.pack(f"{order}HHI", 277, 3, 1), struct.pack(f"{order}HHI", 277, 3, 2))
    assert with_two != file.read_bytes()
    file.write_bytes(with_two)
    done = subprocess.run(
        [sys.executable, "-m", "gan_probe", "train", folder, "--out", tmp_path / "r", "--dry-run", "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "UserWarning" not in done.stderr
    assert "warning: PIL says: Metadata Warning, tag 277 had too many entries: 2, expected 1" in done.stderr
    assert any("tag 277" in line for line in json.loads(done.stdout)["warnings"])
