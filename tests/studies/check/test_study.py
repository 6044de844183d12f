import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import count, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from gan_probe.cli import app
from gan_probe.critics.critic import Critic
from gan_probe.critics.generator import Generator
from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.images.nulls import null_images
from gan_probe.images.pixels import to_network
from gan_probe.stats.auroc import auroc
from gan_probe.studies.check.result import Finding
from gan_probe.studies.check.study import CHECKS, check_critic, read_fakes
from gan_probe.training import train
from tests import foreign
from tests.conftest import BARE

SHAPE = (32, 32, 3)


class Brightness(nn.Module):
    """Scores the mean pixel: shuffling changes nothing."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((1, 2, 3))


class Smooth(nn.Module):
    """Scores smoothness: reals above every null but the blank one."""

    def forward(self, x: Tensor) -> Tensor:
        return -x.diff(dim=2).abs().mean((1, 2, 3))


class MinibatchStddev(nn.Module):
    """The mean of the batch's standard deviation joins every score."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 1, 32)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x).flatten() + x.std(0, correction=0).mean()


def verdicts(module: nn.Module, data: ImageSet, **options: object) -> dict[str, str]:
    return {f.check: f.verdict for f in check_critic(Critic.from_module(module, SHAPE, **options), data).checks}


def test_a_trained_critic_of_ours_passes(critic: Critic, train_set: ImageSet) -> None:
    found = {f.check: f for f in check_critic(critic, train_set).checks}
    assert set(found) == set(CHECKS)
    assert {found[name].verdict for name in ("finite", "company", "mode", "dead layers")} == {"pass"}
    assert all(f.advice for f in found.values() if f.verdict == "FAIL")


def test_minibatch_statistics_are_caught(train_set: ImageSet) -> None:
    assert verdicts(MinibatchStddev(), train_set)["company"] == "FAIL"
    assert verdicts(foreign.seeded("PatchGan"), train_set)["company"] == "pass"


def made(head: Callable[[Tensor, Tensor], Any], data: ImageSet, **options: Any) -> dict[str, Finding]:
    critic = Critic.from_module(foreign.Headed(head), SHAPE, **options)
    return {f.check: f for f in check_critic(critic, data).checks}


def test_scores_that_do_not_repeat_are_told_from_those_that_depend_on_the_batch(train_set: ImageSet) -> None:
    calls = count()
    for head in (
        lambda s, x: s + 0.1 * torch.randn_like(s),
        lambda s, x: torch.nn.functional.dropout(s, 0.5, True),
        lambda s, x: s + next(calls),
    ):
        found = made(head, train_set)
        assert found["repeats"].verdict == "FAIL"
        assert "when the same batch is scored again" in found["repeats"].found
        assert {found[name].verdict for name in ("company", "mode")} == {"note"}
        assert "cannot be told" in found["company"].found
    found = made(lambda s, x: s + x.std(0, correction=0).mean(), train_set)
    assert (found["repeats"].verdict, found["company"].verdict) == ("pass", "FAIL")
    found = made(lambda s, x: s + x.std(0).mean(), train_set)  # no number for one image
    assert (found["repeats"].verdict, found["company"].verdict) == ("pass", "FAIL")


def test_what_was_taken_is_shown_and_scores_in_0_to_1_are_told(train_set: ImageSet) -> None:
    found = made(lambda s, x: 1 / (1 + torch.exp(-s)), train_set)
    assert found["finite"].verdict == "note"
    assert "all in 0..1 as probabilities are" in found["finite"].found
    assert "--output probability" in found["finite"].advice
    found = made(lambda s, x: (torch.sigmoid(s), x.flatten(1)), train_set, sign=-1)
    assert (found["finite"].verdict, found["output"].verdict) == ("pass", "pass")
    for part in (
        "a tuple of a tensor (",
        "taken: '0', the number of each image (a probability), as its logit",
        "turned",
    ):
        assert part in found["output"].found
    conditional = Critic.from_module(foreign.one_hot(), SHAPE, n_labels=3)
    shown = {f.check: f.found for f in check_critic(conditional, train_set).checks}["output"]
    assert shown.endswith("the mean over 3 labels, given as one-hot")


def test_a_discriminator_that_fails_under_a_check_fails_that_check(train_set: ImageSet) -> None:
    def in_pairs(score: Tensor, x: Tensor) -> Tensor:
        return score.view(-1, 2).flatten()

    found = made(in_pairs, train_set)
    assert found["company"].verdict == "FAIL"
    assert "That was a batch of 1; it takes 2, 4" in found["company"].found

    class EvaluatesOnly(foreign.Headed):
        def forward(self, x: Tensor) -> Tensor:
            assert not self.training
            assert x.min() >= -1
            assert x.max() <= 1
            return super().forward(x)

    mode = {f.check: f for f in check_critic(Critic.from_module(EvaluatesOnly(), SHAPE), train_set).checks}
    assert mode["mode"].verdict == "note"
    assert "does not run in train mode" in mode["mode"].found
    assert "0..255" not in mode["value range"].found


def test_batch_normalisation_is_caught_and_left_as_it_was(train_set: ImageSet) -> None:
    module = foreign.seeded("Dcgan")
    before = {k: v.clone() for k, v in module.state_dict().items()}
    found = verdicts(module, train_set)
    assert found["mode"] == "note"
    assert found["company"] == "pass"  # in eval mode, as gan-probe scores
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert not module.training


def test_without_fakes_nothing_is_said_to_point_the_wrong_way(train_set: ImageSet) -> None:
    for sign in (1, -1):  # these images are brighter than any null
        checks = check_critic(Critic.from_module(Brightness(), SHAPE, sign=sign), train_set).checks
        found = {f.check: f for f in checks}
        assert found["direction"].verdict == "note"
        assert "cannot be told without fakes" in found["direction"].found
        assert ("likes strange images" in found["direction"].found) == (sign == -1)
        assert found["value range"].verdict == "note"
        assert "while its direction is not settled" in found["value range"].found
        assert not any("--reverse" in f.advice for f in checks)
    assert verdicts(Smooth(), train_set)["novelty"] == "note"


class Known(nn.Module):
    """A trained critic, changed so that what is wrong with it is known."""

    def __init__(
        self, trained: nn.Module, *, turned: bool, in_unit: bool, batch: bool, likes: Callable[[Tensor], Tensor] | None
    ) -> None:
        super().__init__()
        self.trained, self.turned, self.in_unit, self.batch, self.likes = trained, turned, in_unit, batch, likes

    def forward(self, x: Tensor) -> Tensor:
        x = 2 * x - 1 if self.in_unit else x
        score = self.trained(x)
        if self.likes is not None:
            score = score + 1e3 * self.likes(x)
        if self.batch:
            score = score + 10 * x.std(0, correction=0).mean()
        return -score if self.turned else score


@pytest.fixture(scope="module")
def trained(train_set: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, np.ndarray]:
    """A critic of forty steps, and its generator's images."""
    out = tmp_path_factory.mktemp("known") / "run"
    critic = train(train_set, out, replace(BARE, steps=40, batch_size=16))
    fakes = Generator.load(out).sample(64)
    assert auroc(critic.score(train_set.images[:]), critic.score(fakes)) > 0.7  # it points up
    return critic.module, fakes


# one thing at a time, and, among the slow tests, every two, three and all
WAYS = [
    pytest.param(*way, marks=[pytest.mark.slow] if sum(way) > 1 else []) for way in product([False, True], repeat=4)
]


@pytest.mark.parametrize(("turned", "in_unit", "batch", "trap"), WAYS)
def test_of_critics_whose_truth_is_known_nothing_wrong_is_said(
    trained: tuple[nn.Module, np.ndarray],
    train_set: ImageSet,
    turned: bool,
    in_unit: bool,
    batch: bool,
    trap: bool,
) -> None:
    """Adapted as -1..1 and upwards, sixteen critics: sign x value range x batch dependence x novelty trap."""
    module, fakes = trained

    def roughness(x: Tensor) -> Tensor:
        return x.diff(dim=2).abs().mean((1, 2, 3)) + x.diff(dim=3).abs().mean((1, 2, 3))

    kept = torch.cat([roughness(to_network(x)) for x in (train_set.images[:], fakes)])

    def strange(x: Tensor) -> Tensor:  # smoother than every real and fake, or rougher
        found = roughness(x)
        return ((found < 0.9 * kept.min()) | (found > 1.1 * kept.max())).float()

    known = Known(module, turned=turned, in_unit=in_unit, batch=batch, likes=strange if trap else None)
    critic = Critic.from_module(known, SHAPE, value_range=(-1, 1))
    found = {f.check: f for f in check_critic(critic, train_set, fakes).checks}
    assert found["company"].verdict == ("FAIL" if batch else "pass")
    truth, lie = ("FAIL", "pass") if turned else ("pass", "FAIL")
    if in_unit:  # adapted with the wrong range
        assert found["value range"].verdict == "note"
        assert found["direction"].verdict != lie
        right = Critic.from_module(known, SHAPE, value_range=(0, 1))
        found = {f.check: f for f in check_critic(right, train_set, fakes).checks}
    if trap and found["direction"].verdict == "note":  # it likes what a wrong range makes of reals, or of fakes
        assert "depends on the value range" in found["direction"].found
    else:
        assert found["direction"].verdict == truth
        assert "check its preprocessing" not in found["value range"].advice
    if trap and not turned:
        assert found["novelty"].verdict == "note"
    blind = {f.check: f for f in check_critic(critic, train_set).checks}
    assert (blind["direction"].verdict, blind["value range"].verdict) == ("note", "note")


def test_where_the_direction_hangs_on_the_range_that_is_said_and_where_one_stands_out_it_is_named() -> None:
    """Reals are dark, and fakes darker."""
    rng = np.random.default_rng(0)
    images = rng.integers(70, 120, (32, 32, 32, 3), dtype=np.uint8)
    fakes = rng.integers(10, 60, (32, 32, 32, 3), dtype=np.uint8)
    data = ImageSet(images, pd.DataFrame({"sample_id": [str(i) for i in range(32)]}), "made up")

    class Turning(nn.Module):  # brightness, upwards where pixels may be negative and downwards else
        def forward(self, x: Tensor) -> Tensor:
            return x.mean((1, 2, 3)) if x.amin() < 0 else -x.mean((1, 2, 3))

    class Narrow(nn.Module):  # brightness of pixels in 0..1; of others it tells nothing
        def forward(self, x: Tensor) -> Tensor:
            nothing = x[:, 0, 0, 0] * 0 + torch.arange(len(x)) % 7
            return x.mean((1, 2, 3)) if x.amin() >= 0 and x.amax() <= 1 else nothing

    def checked(module: nn.Module, **options: Any) -> dict[str, Finding]:
        return {f.check: f for f in check_critic(Critic.from_module(module, SHAPE, **options), data, fakes).checks}

    found = checked(Turning())
    assert found["direction"].verdict == "note"
    assert "depends on the value range. AUROC of reals above fakes: -1,1 1.00, 0,1 0.00" in found["direction"].found
    assert "while its direction is not settled" in found["value range"].found
    found = checked(Narrow())
    assert "It may expect 0,1: check its preprocessing" in found["value range"].advice
    assert "with --value-range 0,1" in found["direction"].found
    found = checked(Narrow(), value_range=(0, 1))
    assert (found["direction"].verdict, found["value range"].verdict) == ("pass", "pass")


def test_the_generator_beside_a_run_is_asked_and_fakes_that_do_not_fit_are_refused(
    run: Path, critic: Critic, train_set: ImageSet, tmp_path: Path
) -> None:
    assert (
        "AUROC of reals above fakes" in {f.check: f.found for f in check_critic(critic, train_set).checks}["direction"]
    )
    assert read_fakes(run).shape == (64, 32, 32, 3)
    np.save(tmp_path / "x.npy", train_set.images[:9])
    assert read_fakes(tmp_path / "x.npy").shape == (9, 32, 32, 3)
    shutil.copytree(run, tmp_path / "broken")
    (tmp_path / "broken" / "generator" / "config.json").write_text("{}")
    broken = check_critic(Critic.load(tmp_path / "broken"), train_set)
    assert any("the generator beside the critic was not asked" in w for w in broken.warnings)
    assert {f.check: f.verdict for f in broken.checks}["direction"] == "note"
    for fakes in (train_set.images[:3], train_set.images[:, :16]):
        with pytest.raises(InputError, match="the fakes must be at least eight images of 32x32 pixels"):
            check_critic(critic, train_set, fakes)


def test_scores_that_are_no_numbers_or_all_the_same_end_the_checks(train_set: ImageSet) -> None:
    class Constant(nn.Module):
        def __init__(self, value: float) -> None:
            super().__init__()
            self.value = value

        def forward(self, x: Tensor) -> Tensor:
            return torch.full((len(x),), self.value)

    assert verdicts(Constant(3.0), train_set) == {"finite": "FAIL"}
    assert verdicts(Constant(float("nan")), train_set) == {"finite": "FAIL"}


def test_dead_layers_are_named(train_set: ImageSet) -> None:
    module = foreign.seeded("PatchGan")
    nn.init.zeros_(module.body[2].weight)
    found = {f.check: f for f in check_critic(Critic.from_module(module, SHAPE), train_set).checks}
    assert found["finite"].verdict == "FAIL"  # all scores are equal
    module.head = nn.Conv2d(16, 1, 4, 1, 1)
    nn.init.zeros_(module.body[0].weight)
    nn.init.zeros_(module.body[0].bias)
    mixed = nn.Sequential(module.body[0], nn.Flatten(), nn.Linear(8 * 256, 4), nn.Linear(4, 1))

    class Bypass(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mixed, self.direct = mixed, nn.Conv2d(3, 1, 32)

        def forward(self, x: Tensor) -> Tensor:
            return self.mixed(x) + self.direct(x).flatten(1)

    dead = {f.check: f for f in check_critic(Critic.from_module(Bypass(), SHAPE), train_set).checks}["dead layers"]
    assert "mixed.0 (100%)" in dead.found


def test_nulls_keep_what_they_should(train_set: ImageSet) -> None:
    nulls = null_images(train_set.images)
    assert {images.shape for images in nulls.values()} == {train_set.images.shape}
    for image, shuffled in zip(train_set.images, nulls["shuffled"], strict=True):
        assert np.array_equal(np.sort(image.reshape(-1, 3), axis=0), np.sort(shuffled.reshape(-1, 3), axis=0))
    assert nulls["blank"].std((1, 2)).max() == 0


def test_too_few_images_are_refused(critic: Critic, train_set: ImageSet) -> None:
    with pytest.raises(InputError, match="at least eight images, got 3"):
        check_critic(critic, train_set.take(np.arange(3)))


def test_the_command_line_prints_a_table_and_gates(run: Path, train_set: ImageSet, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", train_set.images)
    result = CliRunner().invoke(app, ["check", str(run), str(tmp_path / "x.npy"), "--fakes", str(run)])
    assert result.exit_code == 0
    assert all(name in result.stdout for name in CHECKS)
