"""What every verb takes alike: its words, files of options, pictures in any form, and how loudly it talks."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from gan_probe.cli.app import PANELS, VERBS, _command, app
from gan_probe.cli.verb import EVERY_VERB, OLD_WORDS, _toml
from gan_probe.critics.critic import Critic
from gan_probe.images.image_set import ImageSet
from tests.cli.conftest import call, call_json


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, few_set: ImageSet) -> Path:
    """Three pictures, one of them of another size than the critic takes."""
    folder = tmp_path_factory.mktemp("pictures")
    for number, image in enumerate(few_set.images[:3]):
        Image.fromarray(image).resize((32, 32) if number else (50, 40)).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize("verb", VERBS)
def test_one_word_means_one_thing(verb: str) -> None:
    longs = {word for param in _command(verb).params for word in param.opts if word.startswith("-")}
    assert {"-q", "-v", "--config", "--json"} <= longs
    assert ("--out" in longs) == ("-o" in longs)
    shown = call(verb, "--help").stdout
    kinds = {"size": "int", "seed": "int", "device": "str", "pooling": "str", "data": "path", "steps": "int"}
    for word, kind in kinds.items():
        assert f"--{word}" not in longs or re.search(rf"--{word} <{kind}( range)?>", shown), word
    assert not set(OLD_WORDS.get(verb, {})) & longs
    assert set(OLD_WORDS.get(verb, {}).values()) <= longs


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"demo", "article"}))  # which need no word to begin long work
def test_a_verb_alone_works_or_is_used_wrongly(verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = call(verb)
    assert result.exit_code == (0 if verb in ("doctor", "list") else 2), result.output


def test_help_is_in_parts_and_whole() -> None:
    shown = call("--help").stdout
    assert all(f"\n{title}:\n" in shown for title in PANELS)
    of_one = call("score", "--help").stdout
    assert of_one.index("\nArguments:") < of_one.index("\nOptions:") < of_one.index(f"\n{EVERY_VERB}:")
    assert "score [OPTIONS] {CRITIC} {DATA}..." in of_one
    assert max(map(len, of_one.splitlines())) <= 100


@pytest.mark.parametrize("words", [("--help",), ("score", "--help"), ("--version",)])
def test_help_that_nobody_reads_is_no_failure(words: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "gan_probe", *words], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_old_words_work_with_a_note(score_file: Path, tmp_path: Path) -> None:
    result = call("outliers", score_file, "--reference", tmp_path / "no.parquet", "-o", tmp_path / "x.csv")
    assert "note: --reference is --reals now; the old word goes with 0.3." in result.stderr
    assert "no.parquet" in result.stderr.splitlines()[-1]


def test_options_come_from_a_file_and_typed_ones_count_more(run: Path, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(
        f'[embed]\ncritic = "{run}"\ndata = ["{pictures}"]\nout = "{tmp_path / "a.npy"}"\npooling = "max"\n'
        "[score]\npoling = 1\n"
    )
    config = ("--config", tmp_path / "run.toml")
    assert call("embed", *config).exit_code == 0
    assert call("embed", *config, "-o", tmp_path / "b.npy", "--pooling", "std").exit_code == 0
    kept = tomllib.loads((tmp_path / "b.npy.toml").read_text())["embed"]
    assert (kept["pooling"], kept["data"]) == ("std", [str(pictures)])
    again = call("embed", "--config", tmp_path / "b.npy.toml", "--overwrite")
    assert again.exit_code == 0, again.stderr
    wrong = call("score", *config)
    assert wrong.exit_code == 2
    assert "unknown option 'poling'. Did you mean 'pooling'?" in " ".join(wrong.stderr.split())
    assert call("score", "--config", tmp_path / "none.toml").exit_code == 2


def test_what_is_written_down_of_a_command_can_be_read_again() -> None:
    texts = ["Report \U0001f389", 'a "quoted" \\ path', "tab\there", "del\x7f"]
    assert tomllib.loads(f"texts = {_toml(texts)}")["texts"] == texts


def test_a_file_of_options_is_not_replaced_and_no_part_of_it_passed_over(
    run: Path, pictures: Path, tmp_path: Path
) -> None:
    config = tmp_path / "a.npy.toml"
    config.write_text(f'pooling = "max"  # mine\n[embed]\ncritic = "{run}"\ndata = "{pictures}"\n[score]\n')
    written = config.read_text()
    done = call("embed", "--config", config, "-o", tmp_path / "a.npy")
    assert done.exit_code == 0, done.stderr
    assert "a.npy.toml is not ours and stays" in done.stderr
    assert config.read_text() == written
    assert call("embed", "--config", config, "-o", tmp_path / "b.npy").exit_code == 0
    assert tomllib.loads((tmp_path / "b.npy.toml").read_text())["embed"]["pooling"] == "max"
    config.write_text(written + "[embde]\n")
    wrong = call("embed", "--config", config, "-o", tmp_path / "c.npy")
    assert wrong.exit_code == 2
    assert "unknown verb 'embde'. Did you mean 'embed'?" in " ".join(wrong.stderr.split())


def test_quiet_and_verbose(run: Path, pictures: Path, tmp_path: Path) -> None:
    quiet = call("score", run, pictures, "-o", tmp_path / "s.parquet", "--no-controls", "-q")
    assert "3 scores in" in quiet.stdout
    assert all(line.startswith("warning: ") for line in quiet.stderr.splitlines())
    loud = call("score", run, tmp_path / "no", "-o", tmp_path / "t.parquet", "-v")
    assert "Traceback" in loud.stderr
    assert "Traceback" not in call("score", run, tmp_path / "no", "-o", tmp_path / "t.parquet").stderr


def test_pictures_come_as_folder_files_pattern_or_on_standard_input(run: Path, pictures: Path, tmp_path: Path) -> None:
    files = sorted(pictures.glob("*.png"))
    piped = "".join(f"{path}\n" for path in files)
    tables = []
    for number, data in enumerate(([pictures], files, [pictures / "*.png"], ["-"])):
        out = tmp_path / f"{number}.parquet"
        result = CliRunner().invoke(app, ["embed", str(run), *map(str, data), "-o", str(out)], input=piped)
        assert result.exit_code == 0, result.stderr
        assert "images of 32x32 and another size become squares of 32 pixels, which the critic takes" in result.stderr
        tables.append(pd.read_parquet(out))
    for table in tables:
        assert list(table["sample_id"]) == list(tables[0]["sample_id"])
        assert np.array_equal(np.stack(table["embedding"]), np.stack(tables[0]["embedding"]))
    nothing = call("embed", run, pictures / "*.tif", "-o", tmp_path / "x.parquet")
    assert (nothing.exit_code, f"nothing matches {pictures}/*.tif." in nothing.stderr) == (3, True)


def test_grey_pictures_become_what_the_critic_takes_and_that_is_said(
    run: Path, few_set: ImageSet, tmp_path: Path
) -> None:
    (tmp_path / "grey").mkdir()
    for number, image in enumerate(few_set.images[:8]):
        Image.fromarray(image).convert("L").save(tmp_path / "grey" / f"{number}.png")
    for words in (("embed", run, tmp_path / "grey", "-o", tmp_path / "a.npy"), ("check", run, tmp_path / "grey")):
        said = " ".join(call(*words).stderr.split())
        assert said.count("grey images were converted to colour for the critic.") == 1, words


def test_every_study_takes_several_places(run: Path, runs: list[Path], few_images: Path, tmp_path: Path) -> None:
    parts = sorted(few_images.iterdir())
    plans = (
        ("explain", run, *parts),
        ("stability", *runs, *(word for part in parts for word in ("--data", part))),
        ("arithmetic", run, *parts, "a - b + c = d"),
        ("outliers", run, *parts, "--reals", few_images / "*"),
        ("ensemble", *runs, "--data", few_images / "*"),
    )
    for words in plans:
        planned = call(*words, "--dry-run", "-o", tmp_path / "r")
        assert (planned.exit_code, "32" in planned.stdout) == (0, True), (words, planned.stdout, planned.stderr)


def test_embed_writes_what_the_critic_says(run: Path, pictures: Path, tmp_path: Path, critic: Critic) -> None:
    layer = critic.config.layers[-1]
    record = call_json("embed", run, pictures / "1.png", "-o", tmp_path / "f.npy", "--layer", layer)
    with Image.open(pictures / "1.png") as opened:
        expected = critic.embed(np.asarray(opened)[None], layers=[layer])
    assert np.array_equal(np.load(tmp_path / "f.npy"), expected)
    assert record["metrics"]["n_features"] == expected.shape[1]
    wrong = call("embed", run, pictures, "-o", tmp_path / "f.csv")
    assert (wrong.exit_code, "must end in .parquet or .npy" in wrong.stderr) == (3, True)


def test_what_can_be_asked_is_told(run: Path, critic: Critic) -> None:
    told = call("layers", run).stdout
    assert all(name in told for name in (*critic.config.layers, *critic.config.training_classes, "32x32x3"))
    named = call_json("list")["metrics"]
    assert "compact" in named["recipes"]
    assert "article-test" in named["data"]
    assert call("list", "recipies").stderr.strip().endswith("Known: data, recipes, networks, controls, poolings.")
