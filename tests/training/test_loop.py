import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from gan_probe.cli import app
from gan_probe.config import TrainConfig, preset
from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import ImageSet, concatenate
from gan_probe.stats.auroc import auroc
from gan_probe.training import DivergedError, RunFolder, train
from gan_probe.training.loop import snapshot_steps, split_held_out
from tests.conftest import BARE, SMALL


def test_the_run_folder_holds_what_the_docs_promise(run: Path, train_set: ImageSet) -> None:
    config = json.loads((run / "config.json").read_text())
    assert config["settings"]["steps"] == {"value": 8, "origin": "default"}
    assert config["data_fingerprint"] == train_set.fingerprint
    assert {"torch", "python", "threads"} <= set(json.loads((run / "environment.json").read_text()))
    assert RunFolder(run).read_metrics()["step"].tolist() == list(range(1, 9))
    assert sorted(p.name for p in (run / "snapshots").iterdir()) == [f"step-{s:06d}" for s in (0, 1, 3, 8)]
    assert sorted(p.stem for p in (run / "samples").iterdir()) == [f"step-{s:06d}" for s in (0, 1, 3, 8)]
    assert "Higher = more like the training data" in (run / "critic" / "README.md").read_text()
    reference = pd.read_parquet(run / "critic" / "reference.parquet")
    assert len(reference) == 4  # a tenth of forty
    saved = json.loads((run / "critic" / "config.json").read_text())
    assert saved["training_classes"] == ["circle_0.85-_n0.03", "square_0.7+_n0.03"]
    assert saved["layers"][0] == "texture"
    assert len(saved["layer_sizes"]) == len(saved["layers"])
    assert not [p for p in run.rglob("*") if p.suffix in (".pt", ".pkl", ".pth")]


def test_the_same_seed_gives_the_same_critic_and_another_seed_another(
    train_set: ImageSet, run: Path, tmp_path: Path
) -> None:
    again = train(train_set, tmp_path / "again", BARE)
    other = train(train_set, tmp_path / "other", replace(BARE, seed=1))
    assert again.hash == Critic.load(run).hash
    assert other.hash != again.hash


def test_training_does_not_touch_the_caller_s_random_state(train_set: ImageSet, tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    train(train_set, tmp_path / "run", replace(BARE, steps=1))
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.slow
def test_a_short_training_ranks_reals_above_nulls_better_than_before(train_set: ImageSet, tmp_path: Path) -> None:
    config = replace(SMALL, steps=25, n_snapshots=1)
    critic = train(train_set, tmp_path / "run", config)
    noise = np.random.default_rng(0).integers(0, 256, train_set.images.shape, dtype=np.uint8)
    random_init = Critic.load(tmp_path / "run" / "snapshots" / "step-000000")
    before, after = (auroc(c.score(train_set.images), c.score(noise)) for c in (random_init, critic))
    assert before < 0.5  # seed 0 happens to start the wrong way around
    assert after > 0.99


@pytest.mark.slow
def test_resumed_equals_uninterrupted_after_a_real_kill(train_set: ImageSet, tmp_path: Path, one_thread: None) -> None:
    """Kill the process midway; the finished critic must be the uninterrupted one, bit for bit.

    Small networks; with those of `compact`, whose generator keeps statistics, the slow test below does it.
    """
    np.save(tmp_path / "images.npy", train_set.images)
    arguments = ["--steps", "40", "--batch-size", "8", "--precision", "fp32", "--set", "n_snapshots=20"]
    arguments += ["--network", "mlp", "--set", "average_share=0.5", "--set", "anchor=0.01", "--device", "cpu"]

    def words(out: str) -> list[str]:
        return ["train", str(tmp_path / "images.npy"), "--out", str(tmp_path / out), *arguments, "--resume"]

    def finish(out: str) -> int:
        return CliRunner().invoke(app, words(out)).exit_code

    assert finish("whole") == 0
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-m", "gan_probe", *words("killed")], env=alone)
    while process.poll() is None and len(list((tmp_path / "killed" / "snapshots").glob("step-*"))) < 6:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "critic").exists()
    with pytest.raises(InputError, match="is not finished. Finish it with: gan-probe train"):
        Critic.load(tmp_path / "killed")
    assert finish("killed") == 0
    hashes = [Critic.load(tmp_path / name).hash for name in ("whole", "killed")]
    assert hashes[0] == hashes[1]
    steps = RunFolder(tmp_path / "killed").read_metrics()["step"].tolist()
    assert steps == list(range(1, 41))
    assert not list((tmp_path / "killed").rglob("*.tmp*"))


@pytest.mark.nightly
def test_kills_at_random_moments_and_within_a_write_change_no_bit(train_set: ImageSet, tmp_path: Path) -> None:
    """Kill six times, two of them while a snapshot is being written; critic and generator are the same files."""
    np.save(tmp_path / "images.npy", train_set.images)
    arguments = ["--steps", "120", "--batch-size", "8", "--precision", "fp32", "--set", "n_snapshots=60"]
    command = [sys.executable, "-m", "gan_probe", "train", str(tmp_path / "images.npy"), "--device", "cpu"]

    def start(out: str, *more: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*command, "--out", str(tmp_path / out), *arguments, *more], stderr=subprocess.DEVNULL)

    began = time.perf_counter()
    assert start("whole").wait() == 0
    whole_s = time.perf_counter() - began
    rng, killed, n_writes_cut = np.random.default_rng(0), tmp_path / "killed", 0
    for within_write in (False, True, False, True, False, False):
        process, began = start("killed", "--resume"), time.perf_counter()
        moment = rng.uniform(0.3, 0.6) * whole_s
        while process.poll() is None and time.perf_counter() - began < moment:
            time.sleep(0.001)
        while within_write and process.poll() is None and not list((killed / "snapshots").glob(".*")):
            time.sleep(0.0002)  # leaves the processor to the training
        process.kill()
        process.wait()
        n_writes_cut += bool(list((killed / "snapshots").glob(".*")))
    assert start("killed", "--resume").wait() == 0
    assert n_writes_cut > 0
    for name in ("critic/critic.safetensors", "generator/generator.safetensors", "critic/reference.parquet"):
        assert (killed / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert [row["step"] for row in RunFolder(killed).read_health()] == [
        row["step"] for row in RunFolder(tmp_path / "whole").read_health()
    ]


@pytest.mark.slow
def test_the_article_s_recipe_trains(train_set: ImageSet, tmp_path: Path) -> None:
    config = preset("article").updated(
        {"steps": 1, "n_critic": 1, "batch_size": 2, "precision": "fp32", "n_snapshots": 0}
    )
    critic = train(train_set, tmp_path / "run", config)
    assert critic.config.network == "article"
    assert RunFolder(tmp_path / "run").read_metrics()["penalty"].between(0, 10).all()


def test_resume_refuses_other_settings_and_other_data(train_set: ImageSet, test_set: ImageSet, run: Path) -> None:
    with pytest.raises(ConfigError, match=r"started with other settings: batch_size \(was 8, now 4\)"):
        train(train_set, run, replace(SMALL, batch_size=4), resume=True)
    with pytest.raises(InputError, match="was trained on other data"):
        train(test_set, run, SMALL, resume=True)


def test_resume_of_a_finished_run_returns_it_and_of_none_starts_one(
    train_set: ImageSet, run: Path, tmp_path: Path
) -> None:
    assert train(train_set, run, SMALL, resume=True).hash == Critic.load(run).hash
    assert train(train_set, tmp_path / "new", replace(BARE, steps=1), resume=True).config.step == 1


def test_a_run_folder_is_not_replaced_by_accident(train_set: ImageSet, run: Path) -> None:
    with pytest.raises(FileExistsError, match="or replace this one with --overwrite"):
        train(train_set, run, SMALL)


def test_a_diverged_training_stops_and_says_so(train_set: ImageSet, tmp_path: Path) -> None:
    config = replace(SMALL, steps=200, learning_rate_critic=10.0, penalty_weight=0.0, decay_share=0.0)
    with pytest.raises(DivergedError, match=r"diverged at step \d+. Snapshots up to then are in"):
        train(train_set, tmp_path / "run", config)
    assert (tmp_path / "run" / "snapshots" / "step-000000").is_dir()
    assert not (tmp_path / "run" / "critic").exists()


def test_data_that_cannot_be_learned_from_is_refused_before_anything_is_written(
    train_set: ImageSet, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="holds 1 image; a training needs at least 2"):
        train(train_set.take(np.arange(1)), tmp_path / "run", SMALL)
    same = train_set.take(np.zeros(5, dtype=np.intp))
    with pytest.raises(InputError, match="all 5 images in .* are equal"):
        train(same, tmp_path / "run", SMALL)
    odd = replace(train_set, images=train_set.images[:, :30, :30])
    with pytest.raises(InputError, match="takes square images of 16, 32, 64, 128, 256 pixels.* got 30x30.*--size 32"):
        train(odd, tmp_path / "run", SMALL)
    assert not (tmp_path / "run").exists()


def test_snapshots_are_spread_on_a_logarithmic_scale() -> None:
    assert snapshot_steps(1, 5) == (0, 1)
    assert snapshot_steps(100, 0) == ()
    assert snapshot_steps(100, 1) == (0, 100)
    assert snapshot_steps(100, 1, 2) == (0, 75, 100)
    steps = snapshot_steps(15_000, 15)
    assert steps[-1] == 15_000
    assert np.ptp(np.diff(np.log(steps[6:]))) < 0.1


def test_held_out_images_are_not_trained_on(train_set: ImageSet) -> None:
    training, held_out = split_held_out(train_set, 0.25, seed=0)
    assert (len(training), len(held_out)) == (30, 10)
    assert not set(training.table["sample_id"]) & set(held_out.table["sample_id"])
    assert len(split_held_out(train_set, 0.0, seed=0)[1]) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": 3}, "unknown setting 'step'. Did you mean 'steps'"),
        ({"precision": "fp16"}, "unknown precision 'fp16'"),
        ({"penalty_norm": "l1"}, "unknown penalty_norm 'l1'. Known: paper, article"),
        ({"steps": 0}, "steps must be from 1 to 1e[+]07, got 0"),
        ({"steps": "many"}, "steps must be from 1 to 1e[+]07, got 'many'"),
        ({"steps": 1.5}, "steps must be a whole number, got 1.5"),
        ({"beta1": 1.0}, "beta1 must be from 0 to 0.9999, got 1.0"),
    ],
)
def test_settings_out_of_range_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig().updated(changes)


def test_resume_alone_goes_on_with_the_run_s_own_settings(train_set: ImageSet, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", train_set.images[..., :1])

    def call(*words: str) -> str:
        command = ["train", str(tmp_path / "x.npy"), "--out", str(tmp_path / "run"), *words]
        return str(CliRunner().invoke(app, command).output)

    assert "critic after 2 steps" in call("--network", "mlp", "--steps", "2", "--precision", "fp32")
    assert "fp32 on cpu" in call("--resume")
    assert "fp32 on cpu" in call("--resume", "--network", "mlp")
    assert "started with other settings: network (was 'mlp', now 'compact')" in call("--resume", "--preset", "hinge")
    for name in ("metrics.jsonl", "health.jsonl"):
        (tmp_path / "run" / name).write_text('{"step": "x"}\n')
    assert "line 1 of 2 is no whole record of a training" in call("--resume").replace("\n", " ")


def test_a_lost_generator_is_written_again_from_the_checkpoint(train_set: ImageSet, tmp_path: Path) -> None:
    train(train_set, tmp_path / "run", replace(BARE, steps=2))
    weights = (tmp_path / "run" / "generator" / "generator.safetensors").read_bytes()
    shutil.rmtree(tmp_path / "run" / "generator")
    train(train_set, tmp_path / "run", replace(BARE, steps=2), resume=True)
    assert (tmp_path / "run" / "generator" / "generator.safetensors").read_bytes() == weights


def test_a_run_within_its_own_data_is_refused(train_set: ImageSet, tmp_path: Path) -> None:
    data = replace(train_set, source=tmp_path)
    with pytest.raises(InputError, match="lies in the folder of the images, so its samples would become data"):
        train(data, tmp_path / "runs" / "run", SMALL)


def test_a_run_names_every_data_set_it_is_trained_on(train_set: ImageSet, test_set: ImageSet, tmp_path: Path) -> None:
    for name, data in {"one": train_set, "both": concatenate([train_set, test_set])}.items():
        train(data, tmp_path / name, replace(BARE, steps=1))
    one, both = (json.loads((tmp_path / name / "config.json").read_text()) for name in ("one", "both"))
    assert "data_sources" not in one
    assert both["data_sources"] == [str(train_set.source), str(test_set.source)]
