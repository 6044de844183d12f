import numpy as np
import torch

from gan_probe.images.pixels import to_network, to_uint8


def test_black_is_minus_one_and_white_is_plus_one() -> None:
    images = np.array([[[[0, 255, 51]]]], dtype=np.uint8)
    assert torch.allclose(to_network(images), torch.tensor([-1.0, 1.0, -0.6]).view(1, 3, 1, 1))


def test_every_grey_level_survives_the_round_trip() -> None:
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    assert np.array_equal(to_uint8(to_network(images)), images)


def test_values_outside_the_range_are_clipped() -> None:
    assert to_uint8(torch.tensor([-9.0, 9.0]).view(1, 1, 1, 2)).ravel().tolist() == [0, 255]


def test_read_only_images_are_copied_not_warned_about() -> None:
    images = np.zeros((1, 2, 2, 3), dtype=np.uint8)
    images.flags.writeable = False
    assert to_network(images).min() == -1
