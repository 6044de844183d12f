import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.stats.auroc import n_separated, separate
from gan_probe.studies.trajectory.result import TrajectoryResult
from gan_probe.studies.trajectory.study import find_snapshots, trajectory
from gan_probe.training import train
from tests.conftest import SMALL


@pytest.fixture(scope="module")
def result(run: Path, test_set: ImageSet) -> TrajectoryResult:
    return trajectory(run, test_set)


def diverge(run: Path, *steps: int) -> None:
    """Make the scores of some snapshots no numbers."""
    for step in steps:
        folder = run / "snapshots" / f"step-{step:06d}"
        broken = Critic.load(folder)
        broken.module.head.weight.data.fill_(float("nan"))
        broken.save(folder, overwrite=True)


def test_every_snapshot_scores_and_the_last_is_the_finished_critic(
    result: TrajectoryResult, run: Path, critic: Critic, test_set: ImageSet
) -> None:
    assert result.steps == (0, 1, 3, 8) == tuple(find_snapshots(run))
    assert result.scores.shape == (4, len(test_set))
    np.testing.assert_array_equal(result.scores[-1], critic.score(test_set.images))
    start = Critic.load(run / "snapshots" / "step-000000").score(test_set.images)
    np.testing.assert_array_equal(result.scores[0], start)
    assert result.n_separated[0] == n_separated(separate(start, test_set.table["label"].to_numpy()))
    assert set(result.sheets) == set(result.steps)


def test_controls_stand_beside_it_and_can_be_left_out(
    result: TrajectoryResult, run: Path, test_set: ImageSet, critic: Critic
) -> None:
    assert set(result.random_init) == {"seed 101", "seed 102", "seed 103", "step 0"}
    assert result.random_init["step 0"] == result.n_separated[0]
    twin = critic.random_init(101).score(test_set.images)
    assert result.random_init["seed 101"] == n_separated(separate(twin, test_set.table["label"].to_numpy()))
    assert set(result.statistics) >= {"brightness", "edge_density"}
    bare = trajectory(run, test_set, controls=False)
    assert (bare.random_init, bare.statistics, bare.best_statistic) == ({}, {}, "")


def test_each_critic_reports_when_it_has_scored(run: Path, test_set: ImageSet) -> None:
    told: list[str] = []
    trajectory(run, test_set, on_step=told.append)
    assert told == ["step 0", "step 1", "step 3", "step 8", "controls"]


def test_the_reference_is_a_class_of_the_training_unless_it_is_named(
    result: TrajectoryResult, run: Path, test_set: ImageSet, critic: Critic
) -> None:
    assert result.reference == critic.config.training_classes[0]
    assert trajectory(run, test_set, reference="triangle_0.7-_n0.01", controls=False).reference == "triangle_0.7-_n0.01"
    unseen = test_set.take(~test_set.table["label"].isin(critic.config.training_classes).to_numpy())
    assert trajectory(run, unseen, controls=False).reference == unseen.table["label"].iloc[0]
    with pytest.raises(ConfigError, match=r"unknown reference class 'triangle_0.7_n0.01'. Did you mean 'triangle_0.7-"):
        trajectory(run, test_set, reference="triangle_0.7_n0.01")


def test_a_moving_average_and_the_training_images_are_pointed_out(
    result: TrajectoryResult, run: Path, train_set: ImageSet, tmp_path: Path
) -> None:
    # 0.9 ** 7 < 0.5 < 0.9 ** 6, and two updates make a step
    assert any("until step 4 more than half of it is the randomly initialised critic" in w for w in result.warnings)
    assert not any("trained on; scores of new ones" in w for w in result.warnings)
    own = trajectory(run, train_set, controls=False)
    assert any("these are the images that the critic was trained on" in w for w in own.warnings)
    train(train_set, tmp_path / "plain", replace(SMALL, critic_average=0.0, steps=1))
    assert not any("average" in w for w in trajectory(tmp_path / "plain", train_set, controls=False).warnings)


def test_the_finished_critic_joins_where_its_snapshot_is_missing(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "snapshots" / "step-000008")
    assert find_snapshots(tmp_path / "run")[8] == tmp_path / "run" / "critic"
    shutil.rmtree(tmp_path / "run" / "critic")  # as while a training runs
    assert list(find_snapshots(tmp_path / "run")) == [0, 1, 3]


def test_a_folder_without_snapshots_says_what_to_do(train_set: ImageSet, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a run folder"):
        find_snapshots(tmp_path)
    train(train_set, tmp_path / "bare", replace(SMALL, n_snapshots=0, steps=1))
    shutil.rmtree(tmp_path / "bare" / "snapshots", ignore_errors=True)
    wanted = r"holds 1 of the at least 2 snapshots .* trained with n_snapshots=0\. .* with --set n_snapshots=10"
    with pytest.raises(InputError, match=wanted):
        find_snapshots(tmp_path / "bare")


def test_labels_and_two_classes_are_needed(run: Path, test_set: ImageSet) -> None:
    bare = ImageSet(test_set.images, test_set.table.drop(columns="label"), test_set.source)
    with pytest.raises(InputError, match="has no labels; a trajectory is about classes"):
        trajectory(run, bare)
    with pytest.raises(InputError, match="needs at least two classes, got 1"):
        trajectory(run, test_set.take((test_set.table["label"] == test_set.table["label"].iloc[0]).to_numpy()))


def test_snapshots_whose_scores_are_no_numbers_are_left_out_and_counted(
    run: Path, test_set: ImageSet, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "run")
    diverge(tmp_path / "run", 1)
    found = trajectory(tmp_path / "run", test_set, controls=False)
    assert (found.steps, found.n_skipped) == ((0, 3, 8), 1)
    assert "step-000001 is left out: 80 of its 80 scores are not finite numbers." in found.warnings
    diverge(tmp_path / "run", 3, 8)
    with pytest.raises(InputError, match=r"only 1 of the 4 snapshots in .* have finite scores, .* at least 2"):
        trajectory(tmp_path / "run", test_set)
