"""Each augmentation against its equation, written anew with loops, and what all of them have in common."""

import colorsys
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_probe.config import AUGMENTATIONS as NAMES
from gan_probe.config import TrainConfig
from gan_probe.errors import ConfigError
from gan_probe.images.image_set import ImageSet
from gan_probe.training.augmentation import (
    AUGMENTATIONS,
    augmented,
    check_augmentations,
    colour,
    crop,
    cutout,
    diffaugment,
    flip,
    grey,
    n_numbers,
    translated,
)
from gan_probe.training.batches import FAKE, REAL, draw
from gan_probe.training.loop import check_trainable

SIDE = 16


def images(n: int = 6, channels: int = 3) -> Tensor:
    return torch.rand(n, channels, SIDE, SIDE) * 1.6 - 0.8


def numbers(*values: float) -> Tensor:
    return torch.tensor([values])


def test_the_table_has_the_names_of_the_settings() -> None:
    assert tuple(AUGMENTATIONS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_is_one_function_of_an_image_and_its_own_numbers(name: str) -> None:
    row, x = AUGMENTATIONS[name], images()
    drawn = torch.rand(len(x), row.n_numbers)
    before, found = x.clone(), row.apply(x, drawn)
    assert torch.equal(x, before)
    assert found.shape == x.shape
    alone = torch.cat([row.apply(x[i : i + 1], drawn[i : i + 1]) for i in range(len(x))])
    assert torch.allclose(found, alone, atol=1e-6)  # whatever else is in the batch
    many = row.apply(x[:1].expand(40, -1, -1, -1), torch.rand(40, row.n_numbers))
    assert (many - many[:1]).abs().flatten(1).amax(1).gt(1e-3).any()  # other numbers, another image


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_in_the_images_is_that_of_finite_differences(name: str) -> None:
    row = AUGMENTATIONS[name]
    x, drawn = images(2).double().mul_(0.5).requires_grad_(), torch.rand(2, row.n_numbers, dtype=torch.float64)
    weights = torch.rand_like(x)
    (gradient,) = torch.autograd.grad((row.apply(x, drawn) * weights).sum(), x)
    direction = torch.randn_like(x)
    step = 1e-6
    ahead, behind = (((row.apply((x + s * direction).detach(), drawn)) * weights).sum() for s in (step, -step))
    assert float((gradient * direction).sum()) == pytest.approx(float(ahead - behind) / (2 * step), rel=1e-5, abs=1e-6)
    assert gradient.abs().sum() > 0


def test_a_crop_of_the_whole_is_the_image_and_a_corner_is_that_corner() -> None:
    x = images(1)
    assert torch.allclose(crop(x, numbers(1.0, 0.5, 0.3, 0.7)), x, atol=1e-5)
    # A quarter of the area, upper left: pixel i of the result lies at (i + 1/2) / 2 - 1/2 of the image.
    found = crop(x, numbers((0.25 - 0.2) / 0.8, 0.5, 0.0, 0.0))
    at = np.clip((np.arange(SIDE) + 0.5) / 2 - 0.5, 0, None)
    expected = np.empty((3, SIDE, SIDE))
    for channel, plane in enumerate(x[0].numpy()):
        between = np.stack([np.interp(at, np.arange(SIDE), row) for row in plane])
        expected[channel] = np.stack([np.interp(at, np.arange(SIDE), column) for column in between.T], 1)
    assert np.allclose(found[0].numpy(), expected, atol=1e-5)


def test_crops_stay_within_the_image_and_keep_their_bounds() -> None:
    ramp = torch.arange(SIDE).float().expand(500, 1, SIDE, SIDE)  # each pixel holds its column
    found = crop(ramp, torch.rand(500, 4))
    widths = (found[..., -2] - found[..., 1])[:, 0, 0] / (SIDE - 3) * 1.0  # away from the clamped rim
    assert found.min() >= 0
    assert found.max() <= SIDE - 1
    assert widths.min() >= math.sqrt(0.2 * 3 / 4) * 0.99
    assert widths.max() <= 1.01


def test_a_flip_mirrors_half_of_the_images() -> None:
    x = images(2)
    found = flip(x, torch.tensor([[0.49], [0.5]]))
    assert torch.equal(found[0], x[0].flip(2))
    assert torch.equal(found[1], x[1])


def test_a_cut_is_a_square_around_its_centre_that_may_lie_outside() -> None:
    x = images(2) + 2
    found = cutout(x, torch.tensor([[0.5, 0.5], [0.0, 0.0]]))
    inside, corner = torch.zeros(SIDE, SIDE, dtype=torch.bool), torch.zeros(SIDE, SIDE, dtype=torch.bool)
    inside[4:12, 4:12], corner[:4, :4] = True, True
    for image, before, cut in zip(found, x, (inside, corner), strict=True):
        assert image[:, cut].abs().max() == 0
        assert torch.equal(image[:, ~cut], before[:, ~cut])


def test_a_translation_moves_whole_pixels_and_fills_with_mid_grey() -> None:
    x = images(1) + 2
    found = translated(x, numbers(0.999, 0.0))  # down and left by an eighth: 2 pixels
    assert torch.allclose(found[:, :, 2:, :-2], x[:, :, :-2, 2:])
    assert found[:, :, :2].abs().max() == 0
    assert found[..., -2:].abs().max() == 0
    assert torch.allclose(translated(x, numbers(0.5, 0.5)), x)


def test_a_translation_repeats_the_edge() -> None:
    x = images(1)
    found = AUGMENTATIONS["translation"].apply(x, numbers(0.99, 0.0))  # down and left, by an eighth of 16 pixels each
    assert torch.allclose(found[..., 2:, :-2], x[..., :-2, 2:])
    assert torch.allclose(found[..., :2, :-2], x[..., :1, 2:].expand(-1, -1, 2, -1))
    assert torch.allclose(found[..., 2:, -2:], x[..., :-2, -1:].expand(-1, -1, -1, 2))


def test_diffaugment_is_the_papers_three_in_their_order() -> None:
    x = images(1)
    brightness, saturation, contrast = 0.8, 0.3, 0.6
    found = diffaugment(x, numbers(brightness, saturation, contrast, 0.5, 0.999, 0.0, 0.0))
    expected = x[0].numpy() + brightness - 0.5
    expected = (expected - expected.mean(0)) * 2 * saturation + expected.mean(0)
    expected = (expected - expected.mean()) * (contrast + 0.5) + expected.mean()
    moved = np.zeros_like(expected)
    moved[..., 2:] = expected[..., :-2]
    moved[:, :4, :4] = 0
    assert np.allclose(found[0].numpy(), moved, atol=1e-5)
    assert torch.allclose(diffaugment(x, numbers(0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0))[..., 4:, 4:], x[..., 4:, 4:])


def test_colour_at_its_middle_changes_nothing_and_two_in_ten_images_are_left_alone() -> None:
    x = images(3)
    assert torch.allclose(colour(x, torch.full((3, 5), 0.5)), x, atol=1e-5)
    assert torch.equal(colour(x, torch.tensor([[0.8, 0.1, 0.9, 0.2, 0.7]]).expand(3, -1)), x)


def test_brightness_contrast_and_saturation_are_factors() -> None:
    x = images(1).clamp(-0.4, 0.1)  # nothing is clipped
    light = (x[0].numpy() + 1).astype(np.float64)
    luma = np.tensordot([0.299, 0.587, 0.114], light, 1)
    cases = {
        (0.0, 0.75, 0.5, 0.5, 0.5): 1.2 * light,
        (0.0, 0.5, 1.0, 0.5, 0.5): 1.4 * (light - luma.mean()) + luma.mean(),
        (0.0, 0.5, 0.5, 0.0, 0.5): 0.6 * (light - luma) + luma,
    }
    for drawn, expected in cases.items():
        assert np.allclose(colour(x, numbers(*drawn))[0].numpy(), expected - 1, atol=2e-3), drawn


def test_the_hue_turns_by_a_tenth_of_a_circle_and_luma_stays() -> None:
    x = torch.zeros(1, 3, SIDE, SIDE)
    x[0, 0] = 0.3  # a pale red
    turned = colour(x, numbers(0.0, 0.5, 0.5, 0.5, 1.0))
    before, after = (colorsys.rgb_to_yiq(*((t[0, :, 0, 0] + 1) / 2).tolist()) for t in (x, turned))
    assert after[0] == pytest.approx(before[0], abs=1e-3)
    angle = math.atan2(after[2], after[1]) - math.atan2(before[2], before[1])
    assert abs(angle) == pytest.approx(2 * math.pi / 10, abs=0.02)


def test_grey_keeps_luma_and_leaves_four_of_five_alone() -> None:
    x = images(2)
    found = grey(x, torch.tensor([[0.19], [0.2]]))
    luma = (x[0] * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0)
    assert torch.allclose(found[0], luma.expand(3, -1, -1), atol=1e-6)
    assert torch.equal(found[1], x[1])


def test_several_take_their_numbers_in_turn() -> None:
    x, names = images(), ("flip", "cutout")
    drawn = torch.rand(len(x), n_numbers(names))
    assert torch.equal(augmented(x, drawn, names), cutout(flip(x, drawn[:, :1]), drawn[:, 1:]))
    assert torch.equal(augmented(x, drawn, ()), x)


def test_random_numbers_of_an_unaugmented_training_are_what_they_were() -> None:
    plain, views = (draw(TrainConfig(augment=a), 3, 50, sees_reals=False) for a in ("", "flip,crop"))
    assert plain.critic[0].views is None
    assert views.critic[0].views.shape == (16, 2, 5)
    assert views.generator.views.shape == (16, 2, 5)
    assert torch.equal(plain.critic[0].z, views.critic[0].z)
    assert not torch.equal(views.critic[0].views[:, REAL], views.critic[0].views[:, FAKE])


def test_what_does_not_fit_is_refused_in_words(train_set: ImageSet) -> None:
    grey_set = ImageSet(train_set.images[..., :1], train_set.table, train_set.source)
    check_trainable(grey_set, TrainConfig(augment="diffaugment,crop,flip,cutout"))
    for name in ("colour", "grey"):
        with pytest.raises(ConfigError, match=f"augmentation '{name}' changes colours, and the images are grey"):
            check_trainable(grey_set, TrainConfig(augment=f"flip,{name}"))
    check_augmentations(NAMES, 3)
    with pytest.raises(ConfigError, match="unknown augment 'flop'. Did you mean 'flip'"):
        TrainConfig(augment="crop,flop")
    with pytest.raises(ConfigError, match="augment names 'flip' 2 times"):
        TrainConfig(augment="flip,crop,flip")
    with pytest.raises(ConfigError, match="augment must be any of .*, separated by commas; got 3"):
        TrainConfig(augment=3)  # type: ignore[arg-type]
    assert TrainConfig(augment=" crop , flip").augmentations == ("crop", "flip")
