"""What is kept in files of ours is read whole, from regular files, or refused in words: never half."""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from gan_probe.critics.critic import Critic
from gan_probe.critics.ensemble import EnsembleCritic
from gan_probe.critics.generator import Generator
from gan_probe.errors import InputError
from gan_probe.records import check_seal, read_array, read_record, read_table, seal
from gan_probe.scoring.reference import read_held_out
from gan_probe.scoring.table import ScoreTable, read_scores, write_scores
from gan_probe.training.runs.folder import RunFolder
from gan_probe.training.step import new_state


def copied(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1 << (at % 8)
    return bytes(changed)


@pytest.mark.parametrize(
    ("name", "opener"),
    [
        ("critic/config.json", Critic.load),
        ("generator/config.json", Generator.load),
        ("config.json", lambda run: RunFolder(run).read_config()),
        ("checkpoint.safetensors", lambda run: RunFolder(run).read_checkpoint(None)),
    ],
)
@pytest.mark.parametrize("kind", ["pipe", "/dev/zero", "folder", "deep", "list"])
def test_what_is_no_regular_file_or_no_record_is_refused(
    name: str, opener: Callable[[Path], object], kind: str, run: Path, tmp_path: Path
) -> None:
    file = copied(run, tmp_path) / name
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)  # without a writer: reading it would never end
    elif kind == "folder":
        file.mkdir()
    elif kind.startswith("/"):
        file.symlink_to(kind)
    else:
        file.write_text("[" * 100_000 if kind == "deep" else "[]")
    with pytest.raises(InputError, match=r"missing or broken|does not hold a whole|cannot be resumed from"):
        opener(tmp_path / "run")


def test_an_ensemble_without_its_panel_is_refused(runs: list[Path], train_set: object, tmp_path: Path) -> None:
    members = {run.name: Critic.load(run) for run in runs}
    EnsembleCritic.fit(members, train_set).save(tmp_path / "e")  # type: ignore[arg-type]
    for content in (b"", b"\x93NUMPY"):
        (tmp_path / "e" / "panel.npy").write_bytes(content)
        with pytest.raises(InputError, match="does not hold a whole ensemble"):
            EnsembleCritic.load(tmp_path / "e")


def test_a_record_is_an_object_and_its_seal_sees_every_change(tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    record = seal({"a": [1, 2.5, None], "b": {"c": "d"}})
    file.write_text(json.dumps(record))
    assert read_record(file) == record
    check_seal(record, file)
    check_seal({"written": "by an older version"}, file)
    for changed in ({**record, "a": [1, 2.5]}, {**record, "more": 1}, {k: v for k, v in record.items() if k != "b"}):
        with pytest.raises(InputError, match=r"was changed since it was saved.*nothing in it is meant to be edited"):
            check_seal(changed, file)


def test_arrays_and_tables_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(6))
    content = (tmp_path / "a.npy").read_bytes()
    assert read_array(tmp_path / "a.npy").tolist() == list(range(6))
    for wrong in (b"", content[:-1], content.replace(b"'<i8'", b"'|O8'"), content.replace(b"{", b"(")):
        (tmp_path / "a.npy").write_bytes(wrong)
        with pytest.raises(ValueError, match=r".+"):
            read_array(tmp_path / "a.npy")
    for wrong in (b"", b"PAR1"):
        (tmp_path / "t.parquet").write_bytes(wrong)
        with pytest.raises(InputError, match="cannot be read as Parquet"):
            read_table(tmp_path / "t.parquet")


def test_a_bit_that_flips_in_scores_is_noticed_or_changes_nothing(few_scores: ScoreTable, tmp_path: Path) -> None:
    kept = ["sample_id", "label", "seen", "critic_score", "control.brightness"]
    table = ScoreTable(few_scores.table[kept], few_scores.provenance)
    path = tmp_path / "s.parquet"
    write_scores(table, path)
    content, whole = path.read_bytes(), read_scores(path)
    assert "checksum" not in whole.provenance
    rng, n_noticed = random.Random(0), 0
    for at in (rng.randrange(len(content)) for _ in range(400)):
        path.write_bytes(flipped(content, at))
        try:
            read = read_scores(path)
        except InputError:
            n_noticed += 1
            continue
        pd.testing.assert_frame_equal(read.table, whole.table)
        assert read.provenance == whole.provenance
    assert n_noticed > 200


def test_a_bit_that_flips_in_the_name_of_the_checksum_is_noticed(tmp_path: Path) -> None:
    record = seal({"schema": "x", "n": 1})
    check_seal(record, tmp_path)
    check_seal({"schema": "x", "n": 1}, tmp_path)  # of an older version, which wrote none
    with pytest.raises(InputError, match="does not fit its checksum"):
        check_seal({name.replace("k", "["): value for name, value in record.items()}, tmp_path)


def test_a_column_that_is_gone_is_named(few_scores: ScoreTable, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    path = tmp_path / "s.parquet"
    write_scores(ScoreTable(few_scores.without_embeddings(), few_scores.provenance), path)
    pq.write_table(pq.read_table(path).drop_columns(["label"]), path)
    with pytest.raises(InputError, match="it has no column 'label' any more"):
        read_scores(path)


def test_damaged_scores_of_held_out_reals_are_refused(few_scores: ScoreTable, run: Path, tmp_path: Path) -> None:
    file = copied(run, tmp_path) / "critic" / "reference.parquet"
    assert read_held_out(tmp_path / "run", few_scores) is not None
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read_held_out(tmp_path / "run", few_scores)


def test_a_bit_that_flips_in_a_checkpoint_is_noticed(run: Path, train_set: object, tmp_path: Path) -> None:
    folder = RunFolder(copied(run, tmp_path))
    state = new_state(folder.read_config()[0], (32, 32, 3), torch.device("cpu"))
    folder.read_checkpoint(state)
    content = folder.checkpoint.read_bytes()
    for at in (len(content) - 1, len(content) // 2, len(content) // 3):
        folder.checkpoint.write_bytes(flipped(content, at))
        with pytest.raises(InputError, match="was changed since it was saved"):
            folder.read_checkpoint(state)


@pytest.mark.parametrize("name", ["metrics.jsonl", "health.jsonl"])
def test_a_damaged_line_of_a_log_is_named_and_only_a_last_one_cut_short_is_left_out(
    name: str, run: Path, tmp_path: Path
) -> None:
    folder = RunFolder(copied(run, tmp_path))
    file = folder.path / name
    lines = file.read_text().splitlines(keepends=True)

    def read() -> int:
        return len(folder.read_metrics() if name == "metrics.jsonl" else folder.read_health())

    assert read() == len(lines)
    file.write_text("".join(lines) + lines[0][:20])  # a kill
    assert read() == len(lines)
    file.write_bytes(b"\x80\x05pickled")  # no beginning of a line of ours
    with pytest.raises(InputError, match="line 1 of 1 is no whole record of a training"):
        read()
    for wrong in ("{}\n", '{"step": 1, \n', "[]\n", lines[0].replace('"step": 0', '"step": "\\u0000"'), "\x00\n"):
        if wrong == lines[0]:
            continue
        file.write_text("".join([lines[0], wrong, *lines[2:]]), encoding="utf-8")
        with pytest.raises(InputError, match=r"line 2 of \d+ is no whole record of a training"):
            read()
