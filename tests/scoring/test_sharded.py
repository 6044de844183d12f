"""Scoring by shards: the same table whoever does it, however it is cut, and whoever is killed meanwhile."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from PIL import Image

from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.images.readers.shards import find_shards
from gan_probe.scoring.engines import LOCAL, Engine, Processes
from gan_probe.scoring.score import score
from gan_probe.scoring.sharded import Job, Scored, score_shards
from gan_probe.scoring.table import ScoreTable, read_scores
from gan_probe.stats.auroc import auroc
from tests.cli.conftest import saved
from tests.scoring.fatal import Deadly, nothing


def quick(critic: Critic, data: ImageSet) -> ScoreTable:
    """The table of a sample, without what takes long."""
    return score(critic, data, controls=False)


@pytest.fixture(scope="session")
def array(tmp_path_factory: pytest.TempPathFactory, test_set: ImageSet) -> Path:
    """A folder with an array of 80 images and their metadata."""
    folder = tmp_path_factory.mktemp("array")
    np.save(folder / "images.npy", test_set.images)
    test_set.table.drop(columns="path").assign(file_name=[f"{i}.png" for i in range(80)]).to_parquet(
        folder / "metadata.parquet"
    )
    return folder


def made(run: Path, data: Path, out: Path, *, n_rows: int = 30, engine: Engine = LOCAL, **more: object) -> Scored:
    job = Job(critic=run, device="cpu", out=out, **{"n_sample": 40, **more})
    return score_shards(job, [data], n_rows=n_rows, engine=engine, embed=quick)


def rows_of(scored: Scored) -> pd.DataFrame:
    return scored.folder.table().sort_values(["sample_id", "path"]).reset_index(drop=True)


@pytest.fixture(scope="session")
def usual(run: Path, array: Path, tmp_path_factory: pytest.TempPathFactory) -> Scored:
    return made(run, array, tmp_path_factory.mktemp("usual") / "s")


def test_shards_hold_what_scoring_in_memory_gives(usual: Scored, scores: ScoreTable) -> None:
    expected = scores.without_embeddings().drop(columns=["control.pixels_pc1", "path"])
    expected = expected.sort_values("sample_id").reset_index(drop=True)
    found = rows_of(usual).drop(columns="path")
    assert_frame_equal(found[expected.columns], expected, rtol=1e-5, atol=1e-6)
    assert usual.summary is not None
    assert usual.summary.n_images == 80
    means = expected.groupby("label")["critic_score"].mean()
    assert usual.summary.classes()["mean"].to_numpy() == pytest.approx(means.to_numpy(), rel=1e-4)


def test_the_sample_is_a_table_like_any_other_and_says_what_it_is(usual: Scored, scores: ScoreTable) -> None:
    sample = read_scores(usual.folder.path)
    assert sample.table["label"].value_counts().tolist() == [4] * 10
    assert "40 of 80 images that were scored are looked at here" in sample.provenance["warnings"][0]
    assert "over all 80 images that were scored, the AUROC of the 45 pairs" in sample.provenance["warnings"][1]
    pairs = pd.read_csv(usual.folder.path / "pairs.csv")
    by_class = {label: rows["critic_score"].to_numpy() for label, rows in usual.folder.table().groupby("label")}
    for row in pairs.to_dict("records"):
        exact = auroc(by_class[row["class_a"]], by_class[row["class_b"]])
        assert abs(row["critic_score"] - exact) <= row["error_at_most"] + 1e-9
    whole = scores.table.set_index("sample_id").loc[sample.table["sample_id"]]
    assert np.allclose(sample.table["critic_score"], whole["critic_score"], atol=1e-5)
    assert len(sample.embeddings) == 1


@pytest.mark.parametrize("n_rows", [17, 80])
def test_however_it_is_cut_rows_and_sample_are_the_same(
    n_rows: int, usual: Scored, run: Path, array: Path, tmp_path: Path
) -> None:
    found = made(run, array, tmp_path / "s", n_rows=n_rows)
    assert_frame_equal(rows_of(found), rows_of(usual), rtol=1e-5, atol=1e-6)
    one, other = (read_scores(s.folder.path).table["sample_id"].tolist() for s in (found, usual))
    assert one == other


def test_processes_that_are_killed_lose_no_row_and_double_none(
    usual: Scored, run: Path, array: Path, tmp_path: Path
) -> None:
    (tmp_path / "marks").mkdir()
    found = made(run, array, tmp_path / "s", engine=Deadly(Processes(2), tmp_path / "marks"))
    assert len(list((tmp_path / "marks").iterdir())) == 3
    assert_frame_equal(rows_of(found), rows_of(usual))
    assert read_scores(found.folder.path).table.equals(read_scores(usual.folder.path).table)


@pytest.mark.slow
def test_an_item_that_kills_its_process_every_time_is_given_up_and_named(tmp_path: Path) -> None:
    engine = Deadly(Processes(1), tmp_path, times=99)
    (found,) = engine.each(nothing, [(0, "x")])
    assert found[0] == (0, "x")
    assert "its process ended 5 times before it was done" in found[1]


def test_what_is_there_is_not_done_again(run: Path, array: Path, tmp_path: Path) -> None:
    first = made(run, array, tmp_path / "s")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "s").rglob("*.parquet")}
    first.folder.part_of(1).unlink()
    (tmp_path / "s" / "sample.parquet").unlink()
    with pytest.raises(InputError, match="is not finished: 1 of 3 shards are missing. .* with --resume"):
        read_scores(tmp_path / "s")
    made(run, array, tmp_path / "s")
    again = {p for p in before if p.stat().st_mtime_ns != before[p]}
    assert {p.name for p in again} == {"000001.parquet", "sample.parquet", "summary.parquet"}


def test_a_folder_of_something_else_is_not_gone_on_with(run: Path, array: Path, tmp_path: Path) -> None:
    Critic.from_network("compact", (32, 32, 3), seed=9).save(tmp_path / "other")
    made(run, array, tmp_path / "s")
    for change, said in (
        ({"n_rows": 31}, "of other data, or of shards of another size"),
        ({"on_error": "nan"}, "scores of another command"),
        ({"pooling": "mean"}, "scores of another command"),
        ({"layers": ("stem",)}, "scores of another command"),
    ):
        with pytest.raises(InputError, match=said):
            made(run, array, tmp_path / "s", **change)
    with pytest.raises(InputError, match="holds scores of another critic"):
        made(tmp_path / "other", array, tmp_path / "s")


def test_names_that_are_unknown_end_the_work_before_it_begins(run: Path, array: Path, tmp_path: Path) -> None:
    for change, said in (({"pooling": "men"}, "Did you mean 'mean'"), ({"layers": ("steam",)}, "Did you mean 'stem'")):
        with pytest.raises(ConfigError, match=said):
            made(run, array, tmp_path / "s", **change)
    assert not list((tmp_path / "s").glob("**/*.parquet"))
    made(run, array, tmp_path / "s")
    made(run, array, tmp_path / "s", pooling="pyramid")  # which "auto" stands for


def test_processes_of_an_array_share_the_shards_and_the_last_one_finishes(
    usual: Scored, run: Path, array: Path, tmp_path: Path
) -> None:
    job = Job(critic=run, device="cpu", out=tmp_path / "s", n_sample=40)
    first, second = (score_shards(job, [array], n_rows=30, share=(k, 2), embed=quick) for k in (1, 0))
    assert (first.n_missing, first.summary, second.n_missing) == (2, None, 0)
    assert_frame_equal(rows_of(second), rows_of(usual))
    with pytest.raises(ConfigError, match="the shard index must be from 0 to 1, got 2"):
        score_shards(job, [array], n_rows=30, share=(2, 2), embed=quick)


def test_broken_pictures_are_skipped_or_rows_without_a_score_or_an_error(
    run: Path, test_set: ImageSet, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()
    saved(test_set, tmp_path / "d")
    broken = sorted((tmp_path / "d").rglob("*.png"))[5]
    broken.write_bytes(b"no picture")
    skipped = made(run, tmp_path / "d", tmp_path / "skip")
    assert (len(rows_of(skipped)), skipped.summary.n_bad) == (79, 1)  # type: ignore[union-attr]
    held = rows_of(made(run, tmp_path / "d", tmp_path / "nan", on_error="nan"))
    assert len(held) == 80
    (lost,) = held[held["critic_score"].isna()].to_dict("records")
    assert lost["path"].endswith(broken.name)
    assert "is not a readable image" in lost["error"]
    with pytest.raises(InputError, match="is not a readable image.* leave broken pictures out with --on-error skip"):
        made(run, tmp_path / "d", tmp_path / "raise", on_error="raise")


def test_a_shard_that_cannot_be_read_is_named_and_the_others_are_kept(
    run: Path, few_set: ImageSet, tmp_path: Path
) -> None:
    data, images = tmp_path / "d", tmp_path / "images"
    data.mkdir()
    images.mkdir()
    saved(few_set, images)
    for name in "ab":
        with tarfile.open(data / f"{name}.tar", "w") as archive:
            for path in sorted(images.rglob("*.png"))[:20]:
                archive.add(path, f"{name}-{path.name}")
    whole = (data / "b.tar").read_bytes()
    (data / "b.tar").write_bytes(whole[:5000])
    found = made(run, data, tmp_path / "s")
    assert (found.n_missing, found.summary) == (1, None)
    assert "b.tar cannot be read as .tar" in found.failures["b.tar"]
    (data / "b.tar").write_bytes(whole)
    assert len(rows_of(made(run, data, tmp_path / "s"))) == 40
    assert "20 images are copies of others" in " ".join(read_scores(tmp_path / "s").provenance["warnings"])


def test_only_the_first_images_and_only_a_split(run: Path, array: Path, tmp_path: Path) -> None:
    job = Job(critic=run, device="cpu", out=tmp_path / "s", n_sample=40)
    found = score_shards(job, [array], n_rows=30, limit=35, embed=quick)
    assert [n for _, n in found.folder.plan["shards"]] == [30, 5]
    assert found.folder.table()["path"].tolist() == [f"{i}.png" for i in range(35)]
    with pytest.raises(InputError, match="no image of 3 shards .* can be scored"):
        score_shards(replace(job, out=tmp_path / "t", split="nothing"), [array], n_rows=30, embed=quick)


def test_images_of_another_size_are_refused_in_words(run: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((3, 16, 16, 3), np.uint8))
    with pytest.raises(InputError, match="can be scored: this critic takes uint8 images of 32x32x3"):
        made(run, tmp_path / "x.npy", tmp_path / "s")


@pytest.mark.slow
def test_room_that_runs_out_is_said(run: Path, test_set: ImageSet, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", test_set.images[:12])
    words = ["score", run, tmp_path / "x.npy", "--out", tmp_path / "scores", "--shard-size", "4", "--no-controls"]
    done = subprocess.run(
        [sys.executable, "-m", "gan_probe", *map(str, words)], capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600)),
    )  # fmt: skip
    assert done.returncode == 3
    assert "Check the path, its permissions and the free space." in done.stderr


def test_what_the_listing_passed_over_is_said_and_counted(run: Path, test_set: ImageSet, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, image in enumerate(test_set.images[:4]):
        Image.fromarray(image).save(folder / f"{number}.png")
    (folder / "4.heic").touch()
    expected = "left out 1 files of kinds that are not read here: 1 .heic (4.heic)."
    found = made(run, folder, tmp_path / "s", n_rows=2, controls="none")
    assert (found.said, found.n_left_out) == ((expected,), 1)
    assert expected in read_scores(tmp_path / "s").provenance["warnings"]
    packed = tmp_path / "packed"
    packed.mkdir()
    cells = [{"bytes": (folder / "0.png").read_bytes(), "path": "0.png"}]
    pd.DataFrame({"image": cells, "class": ["a"]}).to_parquet(packed / "0.parquet")
    (packed / "1.tgz").touch()
    first, *_ = find_shards(packed)
    assert first.said == (
        "left out 1 files of kinds that are not read beside shards: 1.tgz.",
        "0.parquet has no column label; if class is meant, call it label.",
    )
    assert first.n_left_out == 1


def test_what_is_replaced_goes_when_the_new_work_can_begin(
    run: Path, array: Path, usual: Scored, tmp_path: Path
) -> None:
    out = tmp_path / "s"
    shutil.copytree(usual.folder.path, out)
    before = sorted(path.name for path in out.rglob("*"))
    job = Job(critic=tmp_path / "gone", device="cpu", out=out, controls="none", n_sample=4)
    with pytest.raises(InputError):
        score_shards(job, [array], n_rows=40, overwrite=True, embed=quick)
    with pytest.raises(InputError, match="gone.npy does not exist"):
        score_shards(replace(job, critic=run), [tmp_path / "gone.npy"], n_rows=40, overwrite=True, embed=quick)
    with pytest.raises(ConfigError, match="each would remove what the others have scored. Remove .* leave out --over"):
        score_shards(replace(job, critic=run), [array], n_rows=40, share=(0, 2), overwrite=True, embed=quick)
    assert sorted(path.name for path in out.rglob("*")) == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    with pytest.raises(FileExistsError, match="so it is left alone"):
        score_shards(replace(job, critic=run, out=tmp_path / "mine"), [array], n_rows=40, overwrite=True, embed=quick)
    found = score_shards(replace(job, critic=run), [array], n_rows=40, overwrite=True, embed=quick)
    assert (found.n_shards, found.n_missing, len(read_scores(out).table)) == (2, 0, 4)
