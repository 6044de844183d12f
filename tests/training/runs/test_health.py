"""Measures of a training on cases whose answer is known, and what is said of them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gan_probe.critics.critic import Critic
from gan_probe.critics.generator import Generator, GeneratorConfig
from gan_probe.images.image_set import NO_LABEL, ImageSet
from gan_probe.networks import build_generator
from gan_probe.training import RunFolder, train
from gan_probe.training.loop import split_held_out
from gan_probe.training.runs import health
from gan_probe.training.runs.diagnosis import diagnosis_of
from gan_probe.training.runs.folder import METRICS
from gan_probe.training.runs.health import Examiner, coverage, distance, diversity, small, told_apart
from tests.conftest import BARE


def rows(seed: int, n: int = 200) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 10)).astype(np.float32)


def test_reals_against_other_reals_are_as_varied_and_as_near() -> None:
    assert diversity(rows(0), rows(1)) == pytest.approx(1, abs=0.1)
    assert distance(rows(0), rows(1)) == pytest.approx(1, abs=0.1)


def test_one_image_again_and_again_has_no_diversity_and_copies_no_distance() -> None:
    assert diversity(np.repeat(rows(0)[:1], 200, 0), rows(1)) == 0
    assert distance(rows(1), rows(1)) == 0


def test_both_measures_know_no_scale() -> None:
    assert diversity(3 * rows(0), 3 * rows(1)) == pytest.approx(diversity(rows(0), rows(1)), rel=1e-5)
    assert distance(3 * rows(0), 3 * rows(1)) == pytest.approx(distance(rows(0), rows(1)), rel=1e-5)


def test_a_class_is_covered_next_to_its_share_of_the_reals() -> None:
    labels = ["a"] * 90 + ["b"] * 10
    assert coverage(["a"] * 97 + ["b"] * 3, labels) == []
    assert coverage(["a"] * 98 + ["b"] * 2, labels) == ["b"]
    assert coverage(["b"] * 100, labels) == ["a"]


def test_noise_of_single_pixels_is_averaged_out() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (2, 64, 64, 1), dtype=np.uint8)
    assert small(noise).shape == (2, 256)
    assert small(noise).std() < 0.1
    assert small(noise[:, :8, :8]).shape == (2, 64)


def test_the_examiner_names_missing_classes_and_a_generator_that_is_stuck(train_set: ImageSet) -> None:
    training, held_out = split_held_out(train_set, 0.25, seed=0)
    critic = Critic.from_network("compact", train_set.image_shape)

    class Stuck(Generator):
        def sample(self, n: int, **_: object) -> np.ndarray:
            return np.repeat(train_set.images[:1], n, axis=0)

    config = GeneratorConfig("compact", train_set.image_shape, 4)
    stuck = Stuck(build_generator("compact", train_set.image_shape, 4, seed=0), config)
    found = Examiner(training, held_out).examine(critic, stuck)
    label = train_set.table["label"][0]
    assert found["diversity"] == 0
    assert (found["n_covered"], found["n_classes"]) == (1, 2)
    assert label not in found["missing"]
    assert found["classifier_accuracy"] == 1.0
    assert 0.2 < found["training_preference"] < 0.8


def test_on_the_way_the_critic_is_asked_about_fewer_images(
    train_set: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "N_ON_THE_WAY", 3)
    critic = Critic.from_network("compact", train_set.image_shape)
    config = GeneratorConfig("compact", train_set.image_shape, 4)
    generator = Generator(build_generator("compact", train_set.image_shape, 4, seed=0), config)
    examiner = Examiner(*split_held_out(train_set, 0.25, seed=0))
    early, last = (examiner.examine(critic, generator, is_last=is_last) for is_last in (False, True))
    assert (early["n_held_out"], last["n_held_out"]) == (3, 10)
    assert early["diversity"] == last["diversity"]
    assert early["training_preference"] * 9 == pytest.approx(round(early["training_preference"] * 9), abs=1e-3)


def test_images_without_a_label_are_no_class_that_fakes_could_miss(train_set: ImageSet) -> None:
    critic = Critic.from_network("compact", train_set.image_shape)
    config = GeneratorConfig("compact", train_set.image_shape, 4)
    generator = Generator(build_generator("compact", train_set.image_shape, 4, seed=0), config)

    def examined(n_labelled: int) -> dict[str, object]:
        rows = np.arange(len(train_set)) % 20 < n_labelled // 2
        few = replace(train_set, table=train_set.table.assign(label=train_set.table["label"].where(rows, NO_LABEL)))
        return Examiner(*split_held_out(few, 0.1, seed=0)).examine(critic, generator)

    assert examined(32)["n_classes"] == 2
    assert "n_classes" not in examined(2)  # too few to learn them from


def metrics(accuracy: float) -> pd.DataFrame:
    return pd.DataFrame({name: [1.0] * 50 for name in METRICS} | {"critic_accuracy": [accuracy] * 50})


GOOD = {
    "step": 9, "diversity": 0.9, "distance": 1.0, "untrained_distance": 3.0, "told_apart": 0.6,
    "training_preference": 0.5, "n_held_out": 100, "missing": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("accuracy", "last", "said"),
    [
        (0.7, {}, "No sign of trouble"),
        (1.0, {}, "The critic won: it scores the real higher in 100% of pairs"),
        (0.5, {}, "The critic cannot tell reals from fakes any more: 50% of pairs"),
        (
            0.7,
            {"missing": ["b"], "n_covered": 1, "n_classes": 2, "classifier_accuracy": 0.9},
            "Modes: 1 of 2 classes are covered; missing: b (as a classifier that is right on 90% of reals sees it)",
        ),
        (0.7, {"diversity": 0.2}, "Mode collapse: fakes lie 0.20 times as far from each other as reals do"),
        (0.7, {"training_preference": 0.8}, "Memorising: the critic scores a training image above"),
        (0.7, {"training_preference": 0.64, "n_held_out": 4}, "No sign of trouble"),
        (0.2, {}, "The critic ranks reals below fakes: it scores the real higher in 20% of pairs"),
        (0.7, {"distance": 0.8}, "Still improving: from step 3 to 9 the fakes came closer to the reals (1.00 to 0.80"),
    ],
)
def test_the_diagnosis_says_what_the_records_say(accuracy: float, last: dict[str, object], said: str) -> None:
    lines = diagnosis_of(metrics(accuracy), [{**GOOD, "step": 3}, {**GOOD, **last}])
    assert len(lines) == 1
    assert lines[0].startswith(said)


def test_samples_of_noise_are_trouble_and_what_to_do_next_follows_from_the_settings() -> None:
    noise = {**GOOD, "distance": 2.5, "told_apart": 1.0}
    short = diagnosis_of(metrics(0.9).assign(step=range(31, 81)), [{**noise, "step": 40}, noise], {"n_critic": 5})
    assert short[0].startswith("The samples are not like the reals: 2.50 times the reals' own distance")
    assert "an untrained generator's 3.00" in short[0]
    assert short[1:] == [
        "Next: train longer than 80 steps, --steps 320.",
        "Or give the critic more updates a step: --set n_critic=10 (now 5).",
    ]
    won = diagnosis_of(metrics(1.0), [{**noise, "step": 40}, noise], {"learning_rate_critic": 1e-3})
    assert won[-1] == "Or slow the critic down: --set learning_rate_critic=0.0003."
    long = diagnosis_of(metrics(0.9).assign(step=30_000), [noise], {"network": "compact"})
    assert any("another recipe, --preset wgan-gp-32, or no critic: on these images HOG" in line for line in long)
    assert not any("train longer" in line for line in long)


def test_fakes_and_reals_are_told_apart_until_they_are_alike() -> None:
    assert told_apart(rows(0) + 9, rows(1)) == 1
    assert told_apart(rows(0), rows(1)) == pytest.approx(0.5, abs=0.1)


def test_a_training_of_eight_steps_is_not_called_well(run: Path) -> None:
    lines = RunFolder(run).diagnosis()
    assert not any(line.startswith("No sign of trouble") for line in lines)
    assert any(line.startswith("The samples are not like the reals") for line in lines)
    assert any("train longer than 8 steps" in line for line in lines)


def test_a_gradient_that_vanishes_is_named() -> None:
    table = metrics(0.7).assign(critic_gradient=np.geomspace(10, 1e-4, 50))
    assert diagnosis_of(table, []) == [
        "A gradient has all but vanished (critic 6.3e+00 to 1.6e-04): that network learns no more."
    ]


def test_a_gradient_that_explodes_is_named() -> None:
    table = metrics(0.7).assign(critic_gradient=np.geomspace(1, 1e5, 50))
    assert diagnosis_of(table, [])[0].startswith("A gradient has grown a thousandfold (critic")


def test_without_records_nothing_is_called_healthy() -> None:
    assert diagnosis_of(metrics(0.7)[:0], []) == [
        "Nothing was recorded yet, or the records are broken: there are no metrics and no measures of health."
    ]


def test_a_run_keeps_its_health_and_older_runs_are_read(run: Path, train_set: ImageSet, tmp_path: Path) -> None:
    found = RunFolder(run).read_health()
    assert [row["step"] for row in found] == [0, 1, 3, 8]
    assert {"diversity", "distance", "training_preference", "n_covered"} <= set(found[-1])
    assert RunFolder(run).diagnosis()
    old = tmp_path / "old"
    train(train_set, old, replace(BARE, steps=2))
    lines = [json.loads(line) for line in (old / "metrics.jsonl").read_text().splitlines()]
    new = ("critic_accuracy", "critic_gradient", "generator_gradient")
    (old / "metrics.jsonl").write_text(
        "".join(json.dumps({k: v for k, v in line.items() if k not in new}) + "\n" for line in lines)
    )
    (old / "health.jsonl").unlink()
    assert RunFolder(old).read_metrics()["critic_accuracy"].isna().all()
    (line,) = RunFolder(old).diagnosis()
    assert line.startswith("No sign of trouble in the losses; whether the samples are like the reals is unknown")
