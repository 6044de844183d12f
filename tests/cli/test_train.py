import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_probe.images.image_set import ImageSet
from gan_probe.images.readers.reading import read_images
from tests.cli.conftest import call, call_json


def test_epochs_are_passes_over_the_data(images: Path, tmp_path: Path) -> None:
    plan = call_json("train", images, "--out", tmp_path / "r", "--epochs", "3", "--batch-size", "16", "--dry-run")
    assert plan["metrics"]["plan"]["steps"] == "7"  # 3 x 72 images / (16 x 2), rounded up
    assert not (tmp_path / "r").exists()


def test_a_training_by_its_auxiliary_task_alone_is_told_drawn_and_warned_of(few_images: Path, tmp_path: Path) -> None:
    words = ("train", few_images, "--out", tmp_path / "r", "--network", "mlp", "--steps", 2, "--batch-size", 4)
    task = ("--augment", "flip", "--auxiliary", "contrastive,rotation:0.5", "--without-generator")
    record = call_json(*words, *task, "--set", "n_snapshots=1")
    assert "w_distance" not in record["metrics"]
    assert record["metrics"]["diagnosis"][0].startswith(
        "Trained without a generator, by contrastive,rotation:0.5 alone"
    )
    told = json.loads((tmp_path / "r" / "config.json").read_text())["settings"]
    assert told["auxiliary"] == {"value": "contrastive,rotation:0.5", "origin": "given"}
    assert told["without_generator"] == {"value": True, "origin": "given"}
    assert call_json("diagnose", tmp_path / "r", "--out", tmp_path / "page")["status"] == "ok"
    scored = call_json("score", tmp_path / "r", few_images, "--out", tmp_path / "s.parquet", "--no-embeddings")
    assert any("nothing taught its score" in warning for warning in scored["warnings"])
    for options, message in {
        ("--auxiliary", "rotate"): "unknown auxiliary 'rotate'. Did you mean 'rotation'",
        ("--auxiliary", "contrastive"): "Give --augment crop,flip, for example",
        ("--without-generator",): "Give --auxiliary contrastive or rotation",
    }.items():
        refused = call(*words[:3], tmp_path / "other", *options)
        assert (refused.exit_code, message in refused.stderr) == (3, True), refused.stderr


@pytest.mark.slow
def test_ctrl_c_exits_with_130_and_says_how_to_go_on(images: Path, tmp_path: Path) -> None:
    words = [
        "train",
        str(images),
        "--out",
        str(tmp_path / "r"),
        "--steps",
        "5000",
        "--device",
        "cpu",
        "--network",
        "mlp",
    ]
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
    process = subprocess.Popen([sys.executable, "-m", "gan_probe", *words], stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, inherited)
    while not (tmp_path / "r" / "metrics.jsonl").is_file() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"Go on with: gan-probe {' '.join(words)} --resume" in stderr
    result = call("score", tmp_path / "r", images, "--out", tmp_path / "s.parquet")
    assert "is not finished" in result.stderr


def test_resume_takes_the_settings_of_the_run(images: Path, tmp_path: Path) -> None:
    arguments = ("train", images, "--out", tmp_path / "r", "--resume")
    assert call(*arguments, "--steps", "2", "--batch-size", "4").exit_code == 0
    assert call_json(*arguments)["metrics"]["steps"] == 2
    refused = call(*arguments, "--batch-size", "8", "--steps", "2")
    assert refused.exit_code == 3
    assert "started with other settings: batch_size (was 4, now 8)" in refused.stderr


def test_a_snapshot_that_was_damaged_meanwhile_is_named_when_a_run_goes_on(images: Path, tmp_path: Path) -> None:
    words = ("train", images, "--out", tmp_path / "r", "--resume", "--steps", "1", "--batch-size", "4")
    assert call(*words, "--set", "n_snapshots=1").exit_code == 0
    (tmp_path / "r" / "snapshots" / "step-000001" / "config.json").unlink()
    (told,) = call_json(*words[:4], "--resume")["warnings"]
    assert "step-000001 is damaged and not made again; trajectory refuses the run until it is" in told


def test_a_run_without_its_checkpoint_begins_anew_and_says_so(images: Path, tmp_path: Path) -> None:
    words = ("train", images, "--out", tmp_path / "r", "--steps", "1", "--batch-size", "4", "--set", "n_snapshots=2")
    assert call(*words).exit_code == 0
    health = (tmp_path / "r" / "health.jsonl").read_text()
    for folder in ("critic", "generator"):
        shutil.rmtree(tmp_path / "r" / folder)
    assert call_json(*words, "--resume", "--dry-run")["warnings"] == []
    (tmp_path / "r" / "checkpoint.safetensors").unlink()
    (told,) = call_json(*words, "--resume")["warnings"]
    assert told == f"{tmp_path / 'r'} has records of 1 steps and no checkpoint to go on from; it begins anew at step 0."
    assert (tmp_path / "r" / "health.jsonl").read_text() == health


def test_a_run_does_not_lie_in_the_second_of_two_data_sets(images: Path, tmp_path: Path) -> None:
    shutil.copytree(images, tmp_path / "more")
    done = call("train", images, tmp_path / "more", "--out", tmp_path / "more" / "run", "--steps", "1")
    assert (done.exit_code, "lies in the folder of the images" in done.stderr) == (3, True)
    assert not (tmp_path / "more" / "run").exists()


def test_a_damaged_record_of_a_run_is_named_when_it_goes_on(images: Path, tmp_path: Path) -> None:
    words = ("train", images, "--out", tmp_path / "r", "--steps", "1", "--batch-size", "4", "--set", "n_snapshots=0")
    assert call(*words).exit_code == 0
    (tmp_path / "r" / "environment.json").write_text("{")
    (told,) = call_json(*words, "--resume")["warnings"]
    assert "environment.json, what the training ran on, is damaged and is left as it is" in told


def test_train_streams_and_says_so(images: Path, tmp_path: Path) -> None:
    out = call("train", images, "--out", tmp_path / "run", "--stream", "--dry-run")
    assert "streamed from disk" in out.stdout
    assert "MiB resident" in call("train", images, "--out", tmp_path / "run", "--dry-run").stdout
    n = len(read_images(images))
    for words in ((), ("--stream",)):
        both = call("train", images, images, "--out", tmp_path / "run", *words, "--dry-run").stdout
        assert f"data: {2 * n} images" in both


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "conditional=1"], "conditional must be true or false, got 1"),
        (["--set", "minibatch_kernels=8"], "penalty 'gradient' is a slope at each image alone"),
        (["--network", "dcgan"], "critic of network 'dcgan' normalises over the batch"),
        (["--network", "sngan", "--size", "64"], "network 'sngan' takes square images of 32 pixels"),
        (["--set", "weight_clip=0.1", "--set", "penalty=none", "--set", "spectral_norm=true"], "choose one"),
        (["--set", "acceleration=warp"], "unknown acceleration 'warp'"),
        (["--set", "penalty=none"], "objective 'wasserstein' needs a bound on the slope"),
    ],
)
def test_trainings_that_do_not_fit_together_end_before_they_begin(
    words: list[str], message: str, images: Path, tmp_path: Path
) -> None:
    result = call("train", images, "--out", tmp_path / "run", *words)
    assert result.exit_code == 3
    assert message in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words",
    [("--steps", "2", "--set", "steps=3"), ("--labels", "2", "--set", "semi_supervised=false")],
)
def test_what_is_set_twice_and_otherwise_is_refused(words: tuple[str, ...], images: Path, tmp_path: Path) -> None:
    result = call("train", images, "--out", tmp_path / "run", *words)
    assert result.exit_code == 2
    assert "contradict each other; give one" in " ".join(result.stderr.split())
    assert (
        call("train", images, "--out", tmp_path / "run", "--steps", 2, "--set", "steps=2", "--dry-run").exit_code == 0
    )


def test_a_conditional_training_without_labels_is_refused(tmp_path: Path, test_set: ImageSet) -> None:
    np.save(tmp_path / "x.npy", test_set.images)
    result = call("train", tmp_path / "x.npy", "--out", tmp_path / "run", "--set", "conditional=true")
    assert result.exit_code == 3
    assert "needs labels of at least two classes; " in result.stderr


@pytest.mark.slow
def test_train_runs_makes_runs_that_differ_in_what_was_named(images: Path, tmp_path: Path) -> None:
    words = [
        "train",
        images,
        "--out",
        tmp_path / "init",
        "--steps",
        1,
        "--batch-size",
        4,
        "--network",
        "mlp",
        "--set",
        "n_snapshots=0",
        "--runs",
        2,
        "--vary",
        "init",
    ]
    assert len({run["critic_hash"] for run in call_json(*words)["metrics"]["runs"]}) == 2
    first, second = (json.loads((tmp_path / "init" / f"run-0{k}" / "config.json").read_text()) for k in range(2))
    assert first["settings"]["seed"]["value"] == second["settings"]["seed"]["value"] == 0
    assert [f["settings"]["init_seed"]["value"] for f in (first, second)] == [0, 1]
    assert call(*words).exit_code == 3
    again = call_json(*words, "--resume", "--jobs", 1)["metrics"]["runs"]
    assert [run["steps"] for run in again] == [1, 1]
    wrong = call(*words[:-1], "weather")
    assert wrong.exit_code == 3
    assert "unknown difference 'weather'. Known: all, init, order, sample" in wrong.stderr


def test_minutes_settle_a_number_of_steps_that_is_kept(images: Path, tmp_path: Path) -> None:
    """However many the machine takes: the run folder knows, and another length of time changes nothing any more."""
    words = ("train", images, "--out", tmp_path / "r", "--network", "mlp", "--set", "n_snapshots=0")
    first = call_json(*words, "--minutes", "0.02")
    steps = first["metrics"]["steps"]
    record = json.loads((tmp_path / "r" / "config.json").read_text())["settings"]["steps"]
    assert record == {"value": steps, "origin": "what 0.02 minutes were enough for"}
    assert call_json(*words, "--minutes", "9", "--resume")["metrics"]["critic_hash"] == first["metrics"]["critic_hash"]


def test_several_processes_settle_on_no_number_of_steps(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "0")
    refused = call("train", images, "--out", tmp_path / "r", "--minutes", "1", "--dry-run")
    assert refused.exit_code == 2
    assert "measured by one process; with torchrun give --steps or --epochs" in refused.stderr


@pytest.mark.parametrize("words", [("--jobs", "2"), ("--vary", "init")])
def test_options_of_several_trainings_are_refused_for_one(images: Path, tmp_path: Path, words: tuple[str, str]) -> None:
    refused = call("train", images, "--out", tmp_path / "r", *words)
    assert refused.exit_code == 3
    assert f"{words[0]}: for several trainings (--runs N), and this is one." in refused.stderr
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("other", [("--steps", "3"), ("--epochs", "3")])
def test_a_training_has_one_length(images: Path, tmp_path: Path, other: tuple[str, str]) -> None:
    refused = call("train", images, "--out", tmp_path / "r", "--minutes", "1", *other)
    assert refused.exit_code == 2
    assert "give one of --steps, --epochs and --minutes" in refused.stderr


def test_curves_and_samples_in_tensorboard(few_images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs the extra gan-probe[tensorboard]"
    )
    words = ("train", few_images, "--out", tmp_path / "r", "--network", "mlp", "--batch-size", "4", "--resume")
    for steps in ("12", None):  # once more: a finished training keeps its events
        done = call(*words, "--log", "tensorboard", *(["--steps", steps] if steps else []))
        assert done.exit_code == 0, done.stderr
        found = reader.EventAccumulator(
            str(tmp_path / "r" / "tensorboard"), size_guidance={"images": 0, "scalars": 0}
        ).Reload()
        rows = [json.loads(line) for line in (tmp_path / "r" / "metrics.jsonl").read_text().splitlines()]
        curve = found.Scalars("training/w_distance")
        assert [event.step for event in curve] == [row["step"] for row in rows] == list(range(1, 13))
        assert [event.value for event in curve] == pytest.approx([row["w_distance"] for row in rows])
        shown = {f"step-{event.step:06d}.png" for event in found.Images("samples")}
        assert shown == {path.name for path in (tmp_path / "r" / "samples").iterdir()}
        assert any(tag.startswith("health/") for tag in found.Tags()["scalars"])
    wrong = call("train", few_images, "--out", tmp_path / "x", "--log", "tensorbord")
    assert (wrong.exit_code, "Did you mean 'tensorboard'?" in wrong.stderr) == (3, True)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    missing = call("train", few_images, "--out", tmp_path / "x", "--log", "tensorboard")
    assert (missing.exit_code, "pip install 'gan-probe[tensorboard]'" in missing.stderr) == (6, True)
    assert not (tmp_path / "x").exists()


def test_threads_are_set_kept_and_refused(images: Path, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    words = ("train", images, "--out", tmp_path / "r", "--network", "mlp", "--steps", "1", "--set", "n_snapshots=0")
    try:
        assert "threads: 1" in call(*words, "--threads", "1", "--device", "cpu").stderr
        assert json.loads((tmp_path / "r" / "environment.json").read_text())["threads"] == 1
        assert "threads: 1" in call(*words, "--threads", "auto", "--device", "cpu", "--resume").stderr
    finally:
        torch.set_num_threads(before)
    for more, said in [
        (("--threads", "many"), "must be auto or from 1 to"),
        (("--threads", "1", "--runs", "2", "--out", tmp_path / "rs"), "--jobs"),
    ]:
        refused = call(*words, *more, "--device", "cpu", "--overwrite")
        assert (refused.exit_code, said in refused.stderr) == (2, True)
