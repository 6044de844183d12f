"""Losses against slow references; what tasks teach, and what they leave alone; trainings with and without the game."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_probe.config import AUXILIARIES as NAMES
from gan_probe.config import TrainConfig
from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.networks import NETWORKS, build_critic
from gan_probe.training import RunFolder, train
from gan_probe.training.auxiliary import (
    AUXILIARIES,
    TEMPERATURE,
    Sight,
    build_heads,
    consistency,
    contrastive,
    nt_xent,
    rotated,
    supervised_contrast,
)
from gan_probe.training.batches import ImageSource, StepBatch, batches
from gan_probe.training.settle import settle
from gan_probe.training.step import behind_features, critic_gradients, generator_looks, new_state, train_step
from tests.conftest import BARE
from tests.training.resuming import assert_equal_bits, whole_and_resumed

CPU = torch.device("cpu")
BESIDE = TrainConfig(batch_size=6, steps=4, precision="fp32", n_snapshots=0, augment="crop,flip,colour")
EVERY = "contrastive,rotation:0.5,consistency:2"


def unit_rows(n: int) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(n, 5, dtype=torch.float64), dim=1)


def step_batch(data: ImageSet, config: TrainConfig) -> StepBatch:
    return next(batches(ImageSource.of(data.images, CPU), config, first=1, sees_reals=generator_looks(config)))


def gradients(data: ImageSet, config: TrainConfig) -> dict[str, Tensor]:
    """The critic's gradients of its first update, by name; zeros where there is none."""
    state = new_state(config, data.image_shape, CPU)
    critic_gradients(state, step_batch(data, config).critic[0], config, "fp32")
    return {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in state.critic.named_parameters()}


def test_the_table_has_the_names_of_the_settings() -> None:
    assert list(AUXILIARIES) == list(NAMES)
    assert TrainConfig(auxiliary="rotation", augment="").tasks == {"rotation": 1.0}
    assert replace(BESIDE, auxiliary=EVERY).tasks == {"contrastive": 1.0, "rotation": 0.5, "consistency": 2.0}


def test_nt_xent_is_simclrs_equation() -> None:
    one, other = unit_rows(4), unit_rows(4)
    views = torch.cat([one, other]).numpy()
    losses = []
    for i in range(8):
        shares = [np.exp(views[i] @ views[k] / TEMPERATURE) for k in range(8) if k != i]
        losses.append(-np.log(np.exp(views[i] @ views[(i + 4) % 8] / TEMPERATURE) / sum(shares)))
    assert nt_xent(one, other).item() == pytest.approx(np.mean(losses), rel=1e-9)
    assert nt_xent(one, one) < nt_xent(one, other)


def test_supervised_contrast_is_khoslas_equation() -> None:
    kin, others = unit_rows(3), unit_rows(5)
    everyone = torch.cat([kin, others]).numpy()
    losses = []
    for i in range(3):
        total = sum(np.exp(everyone[i] @ everyone[k] / TEMPERATURE) for k in range(8) if k != i)
        own = [np.log(np.exp(everyone[i] @ everyone[k] / TEMPERATURE) / total) for k in range(3) if k != i]
        losses.append(-np.mean(own))
    assert supervised_contrast(kin, others).item() == pytest.approx(np.mean(losses), rel=1e-9)


def test_images_are_turned_as_their_numbers_say() -> None:
    images = torch.rand(5, 3, 4, 4)
    turned, quarters = rotated(images, torch.tensor([0.0, 0.249, 0.25, 0.5, 0.999]))
    assert quarters.tolist() == [0, 0, 1, 2, 3]
    for image, found, k in zip(images, turned, quarters, strict=True):
        assert np.array_equal(found.numpy(), np.rot90(image.numpy(), int(k), (1, 2)))


def test_consistency_is_zero_for_views_that_are_alike_and_the_mean_square_else() -> None:
    real, fake = torch.randn(2, 4, 1, 2, 2)
    sight = Sight(
        features=lambda x: x.flatten(1), score=lambda x: x.flatten(1).sum(1), heads=torch.nn.ModuleDict(),
        real=real, fake=fake, real_again=real, fake_again=fake,
    )  # fmt: skip
    assert consistency(sight).item() == 0
    moved = replace(sight, real_again=real + 0.25, fake_again=fake - 0.5)  # 4 pixels: scores move by 1 and by -2
    assert consistency(moved).item() == pytest.approx(1 + 4)


def test_reals_their_second_views_and_fakes_are_batches_of_their_own() -> None:
    """So a network that normalises over the batch tells no fake by its company."""
    seen: list[float] = []

    def features(x: Tensor) -> Tensor:
        seen.append(x.mean().item())
        return x.flatten(1)

    images, heads = torch.ones(4, 1, 2, 2), build_heads(replace(BESIDE, auxiliary="contrastive"), 4)
    sight = Sight(
        features=features, score=lambda x: x.flatten(1).sum(1), heads=heads,
        real=images, real_again=2 * images, fake=3 * images,
    )  # fmt: skip
    assert contrastive(sight).item() > 0
    assert seen == [1, 2, 3]


@pytest.mark.parametrize("network", NETWORKS)
def test_what_features_are_made_by_is_known_for_every_network(network: str) -> None:
    shape = (32, 32, 3)
    critic = build_critic(network, shape, seed=0)
    behind = behind_features(critic, shape)
    others = {name.partition(".")[0] for name, _ in critic.named_parameters() if name not in behind}
    assert others <= {"head", "l5", "texture", "texture_head", "out"}
    assert others
    assert behind


@pytest.mark.parametrize("config", [
    replace(BESIDE, auxiliary="contrastive"),
    replace(BESIDE, auxiliary="contrastive", objective="hinge", penalty="none", spectral_norm=True),
], ids=["wasserstein", "spectral norm"])  # fmt: skip
def test_the_game_s_gradient_stops_before_the_features(config: TrainConfig, train_set: ImageSet) -> None:
    """With contrastive heads features learn what they learn without the game's loss, and its head learns the game."""
    steep = {"hinge": "least-squares", "wasserstein": "non-saturating"}[config.objective]
    ours, theirs = (gradients(train_set, replace(config, objective=o)) for o in (config.objective, steep))
    behind = new_state(config, train_set.image_shape, CPU).untouched
    assert all(torch.equal(ours[name], theirs[name]) for name in behind)
    assert any(ours[name].abs().sum() > 0 for name in behind)
    weight = next(name for name in ours if name.startswith("head.") and name not in behind and ours[name].ndim == 2)
    assert not torch.equal(ours[weight], theirs[weight])
    assert ours[weight].abs().sum() > 0


def test_labels_and_tasks_go_together(train_set: ImageSet, tmp_path: Path) -> None:
    config = replace(
        BESIDE, auxiliary="contrastive", steps=2, objective="non-saturating", penalty="none", semi_supervised=True,
        feature_matching=True,
    )  # fmt: skip
    critic = train(train_set, tmp_path / "run", config)
    found = RunFolder(tmp_path / "run").read_metrics()
    assert found["auxiliary_loss"].notna().all()
    assert critic.predict(train_set.images[:3]).shape == (3,)


def test_without_a_stop_the_game_teaches_the_features(train_set: ImageSet) -> None:
    config = replace(BESIDE, auxiliary="rotation")
    ours, theirs = (gradients(train_set, replace(config, objective=o)) for o in ("wasserstein", "non-saturating"))
    assert not torch.equal(ours["stem.weight"], theirs["stem.weight"])


def test_the_generator_learns_through_a_stopped_critic_and_turns_its_own_images(train_set: ImageSet) -> None:
    before = new_state(BESIDE, train_set.image_shape, CPU).generator.state_dict()
    after = {}
    for auxiliary in ("contrastive", "rotation", "rotation:9"):
        config = replace(BESIDE, auxiliary=auxiliary, n_critic=1)
        state = new_state(config, train_set.image_shape, CPU)
        metrics = train_step(state, step_batch(train_set, config), config, precision="fp32")
        after[auxiliary] = metrics["generator_loss"].item()
        moved = [not torch.equal(v, before[k]) for k, v in state.generator.state_dict().items() if v.ndim > 1]
        assert all(moved)
        assert metrics["auxiliary_loss"].item() > 0
    assert after["rotation:9"] > after["rotation"]


@pytest.mark.parametrize("config", [
    replace(BESIDE, auxiliary=EVERY),
    replace(BESIDE, auxiliary="contrastive,rotation", without_generator=True),
], ids=["game", "alone"])  # fmt: skip
def test_resumed_equals_uninterrupted_bit_for_bit(
    config: TrainConfig, train_set: ImageSet, tmp_path: Path, one_thread: None
) -> None:
    whole, resumed = whole_and_resumed(config, train_set, RunFolder(tmp_path))
    assert_equal_bits(whole, resumed)
    start = new_state(config, train_set.image_shape, CPU)
    assert not torch.equal(next(start.heads.parameters()), next(whole.heads.parameters()))  # heads learn


def test_the_critic_is_the_plain_network_and_carries_what_it_learned_beside(
    train_set: ImageSet, tmp_path: Path
) -> None:
    critic = train(train_set, tmp_path / "run", replace(BESIDE, auxiliary="contrastive", steps=2))
    assert set(critic.module.state_dict()) == set(build_critic("compact", (32, 32, 3), seed=0).state_dict())
    assert (critic.config.auxiliary, critic.config.without_generator, critic.notes) == ("contrastive", False, ())
    assert RunFolder(tmp_path / "run").read_metrics()["auxiliary_loss"].gt(0).all()
    with pytest.raises(InputError, match="learned contrastive beside the game.*Settle runs without --auxiliary"):
        settle(tmp_path / "run", train_set, train_set.images[:4], tmp_path / "settled")


def test_without_a_generator_the_run_has_all_but_samples_and_says_so(train_set: ImageSet, tmp_path: Path) -> None:
    config = replace(BESIDE, auxiliary="contrastive", without_generator=True, n_snapshots=2)
    critic = train(train_set, tmp_path / "run", config)
    run = RunFolder(tmp_path / "run")
    assert not run.generator.exists()
    assert not (run.path / "samples").exists()
    assert sorted(run.snapshots()) == [0, 1, 4]
    assert critic.config.without_generator
    said = "trained without a generator, by the auxiliary task (contrastive) alone: nothing taught its score"
    assert critic.notes[0].startswith(said)
    card = (run.critic / "README.md").read_text()
    assert "trained without a generator, by the auxiliary task (contrastive) alone" in card
    assert "without a generator |" in card  # in place of an objective
    assert run.diagnosis()[0].startswith("Trained without a generator, by contrastive alone")
    again = train(train_set, tmp_path / "run", config, resume=True)  # a finished run is returned as it is
    assert again.hash == critic.hash
    # The features are those of the critic update alone, and the head is where it began.
    start = build_critic("compact", (32, 32, 3), seed=0).state_dict()
    assert torch.equal(critic.module.state_dict()["head.weight"], start["head.weight"])
    assert not torch.equal(critic.module.state_dict()["stem.weight"], start["stem.weight"])


def test_a_short_training_learns_which_way_up_images_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ramp = np.linspace(40, 200, 16)[:, None, None]  # light below: each quarter turn shows
    images = np.clip(ramp + rng.normal(0, 20, (40, 16, 16, 1)), 0, 255).astype(np.uint8)
    config = replace(BARE, steps=30, network="mlp", auxiliary="rotation", without_generator=True)
    train(images, tmp_path / "run", config)
    loss = RunFolder(tmp_path / "run").read_metrics()["auxiliary_loss"]
    assert loss[0] == pytest.approx(np.log(4), abs=0.4)
    assert loss.tail(3).mean() < 0.5


def test_what_does_not_fit_is_refused_in_words() -> None:
    flipped = {"augment": "flip"}
    cases: dict[str, dict[str, object]] = {
        "unknown auxiliary 'contrast'. Did you mean 'contrastive'": {"auxiliary": "contrast"},
        "weight of auxiliary 'rotation' must be above 0 and at most 1000, got '0'": {"auxiliary": "rotation:0"},
        "weight of auxiliary 'rotation' must be above 0 and at most 1000, got 'much'": {"auxiliary": "rotation:much"},
        "augment takes names without weights": {"augment": "flip:2"},
        "'contrastive' compares two augmented views of an image, and augment is empty": {"auxiliary": "contrastive"},
        "'consistency' compares two augmented views": {"auxiliary": "consistency"},
        "'consistency' is solved by equal scores of all images": {
            **flipped, "auxiliary": "consistency", "without_generator": True,
        },
        "with minibatch_kernels a score depends on its batch": {
            **flipped, "auxiliary": "consistency", "minibatch_kernels": 4, "objective": "hinge", "penalty": "none",
        },
        "weight_clip bounds their weights": {
            **flipped, "auxiliary": "contrastive", "penalty": "none", "weight_clip": 0.1,
        },
        "needs a batch_size of 2 or more, got 1": {**flipped, "auxiliary": "contrastive", "batch_size": 1},
        "without_generator leaves nothing to learn from": {"without_generator": True},
        "'pseudo-labels' is learned beside the labels of a semi-supervised training": {
            **flipped, "auxiliary": "pseudo-labels",
        },
        "only the game knows the labels": {"auxiliary": "rotation", "without_generator": True, "conditional": True},
    }  # fmt: skip
    for message, settings in cases.items():
        with pytest.raises(ConfigError, match=message):
            TrainConfig().updated(settings)


def test_the_settings_survive_the_run_folder(tmp_path: Path) -> None:
    config = replace(BESIDE, auxiliary=EVERY)
    RunFolder(tmp_path).write_config(config, {}, {})
    assert RunFolder(tmp_path).read_config()[0] == config
    assert json.loads((tmp_path / "config.json").read_text())["settings"]["auxiliary"]["value"] == EVERY
    assert Critic.from_network("compact", (16, 16, 1)).config.auxiliary == ""
