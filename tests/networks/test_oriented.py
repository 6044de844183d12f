import math

import pytest
import torch
from torch import Tensor

from gan_probe.networks.oriented import CELLS, COLOUR, N_ORIENTATIONS, OrientedCritic, OrientedGradients, mirrored


def waves(angle: float, size_px: int = 64, n_channels: int = 3) -> Tensor:
    """Return an image (1, c, h, w) whose brightness rises and falls along ``angle``, in radians from the right."""
    place = torch.arange(size_px, dtype=torch.float32)
    along = place * math.cos(angle) + place[:, None] * math.sin(angle)
    return (0.5 * torch.sin(along * 2 * math.pi / 8)).expand(1, n_channels, size_px, size_px)


@pytest.mark.parametrize("number", range(N_ORIENTATIONS))
def test_edges_of_each_orientation_are_found_in_their_own_channel(number: int) -> None:
    found = OrientedGradients(64)(waves(math.pi * number / N_ORIENTATIONS))
    inner = found[0, :N_ORIENTATIONS, 1:-1, 1:-1]
    assert found.shape == (1, N_ORIENTATIONS + 3, CELLS, CELLS)
    assert (inner.argmax(0) == number).all()


def test_light_and_contrast_hardly_matter_and_colour_is_kept() -> None:
    layer, image = OrientedGradients(64), waves(0.4)
    plain, dim = (layer(x)[:, :N_ORIENTATIONS] for x in (image, 0.5 * image + 0.3))
    assert (plain - dim).abs().max() < 0.02 * plain.max()
    colours = torch.tensor([0.5, -0.2, 0.1])[None, :, None, None]
    assert torch.allclose(layer(colours.expand(1, 3, 64, 64))[:, N_ORIENTATIONS:, 3, 3], COLOUR * colours[:, :, 0, 0])


def test_edges_between_colours_as_bright_as_each_other_are_edges() -> None:
    image = torch.zeros(1, 3, 64, 64)
    image[:, 0, :, 32:], image[:, 1, :, 32:] = 0.5, -0.5
    at_edge = OrientedGradients(64)(image)[0, :N_ORIENTATIONS, 4, 3:5]
    assert (at_edge.argmax(0) == 0).all()  # brightness changes to the right


def test_its_gradient_is_that_of_finite_differences() -> None:
    layer = OrientedGradients(16).double()
    image = torch.rand(1, 1, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert torch.autograd.gradcheck(layer, image.requires_grad_())


def test_a_picture_of_one_colour_has_no_edges_and_finite_slopes() -> None:
    image = torch.full((1, 3, 32, 32), 0.2, requires_grad=True)
    found = OrientedGradients(32)(image)
    found.sum().backward()
    assert found[:, :N_ORIENTATIONS].abs().max() < 1e-6
    assert image.grad is not None
    assert image.grad.isfinite().all()


def test_what_is_mirrored_is_what_the_mirror_image_gives() -> None:
    layer, images = OrientedGradients(64), torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert torch.allclose(mirrored(layer(images)), layer(images.flip(3)), atol=1e-5)
    assert not torch.allclose(layer(images), layer(images.flip(3)), atol=0.05)


def test_an_image_and_its_mirror_image_are_the_same_to_the_critic() -> None:
    critic = OrientedCritic((64, 64, 3))
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        one, other = critic.score_and_features(images), critic.score_and_features(images.flip(3))
        turned = critic.score_and_features(images.flip(2))
    assert torch.allclose(one[0], other[0], atol=1e-5)
    assert torch.allclose(one[1], other[1], atol=1e-5)
    assert not torch.allclose(one[1], turned[1], atol=1e-3)
