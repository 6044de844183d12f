import pytest
import torch

from gan_probe.errors import ConfigError, InputError
from gan_probe.networks import NETWORKS, build_critic, build_generator
from gan_probe.networks.blocks import TexturePath

CASES = [(name, side, c) for name, n in NETWORKS.items() for side in n.sides_px if side <= 64 for c in (1, 3)]


@pytest.mark.parametrize(("name", "size_px", "channels"), CASES)
def test_every_network_takes_what_it_says_it_takes(name: str, size_px: int, channels: int) -> None:
    critic = build_critic(name, (size_px, size_px, channels), seed=0)
    generator = build_generator(name, (size_px, size_px, channels), 5, seed=0)
    images = generator(torch.randn(3, 5))
    assert images.shape == (3, channels, size_px, size_px)
    assert images.abs().max() <= 1
    assert critic(images).shape == (3,)
    assert all(critic.get_submodule(layer) is not None for layer in critic.layers)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_critic_scores_each_image_alone(name: str) -> None:
    critic = build_critic(name, (32, 32, 3), seed=0).eval()
    images = torch.rand(4, 3, 32, 32) * 2 - 1
    alone = torch.cat([critic(image[None]) for image in images])
    assert torch.allclose(critic(images), alone, atol=1e-5)


def test_the_residual_pair_has_the_article_s_widths_and_kernels() -> None:
    critic = build_critic("residual", (64, 64, 3), seed=0)
    assert [block.conv2.out_channels for block in critic.blocks] == [32, 64, 128, 256, 512]
    assert {c.kernel_size for block in critic.blocks for c in (block.conv1, block.conv2)} == {(4, 4)}
    generator = build_generator("residual", (64, 64, 3), 128, seed=0)
    assert [block.conv1.in_channels for block in generator.blocks] == [512, 256, 128, 64, 32]


def test_weights_follow_from_the_seed_and_the_global_state_is_left_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    weights = [build_critic("compact", (32, 32, 3), seed=s).stem.weight for s in (1, 1, 2)]
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_texture_path_sees_noise_and_no_flat_colour() -> None:
    path = TexturePath(3, 8)
    flat = torch.rand(2, 3, 1, 1).expand(2, 3, 32, 32)
    noise = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(path(flat), torch.zeros(2, 8), atol=1e-5)
    assert torch.allclose(path(0.06 * noise), 3 * path(0.02 * noise), rtol=1e-4)
    assert path(0.02 * noise).abs().sum() > 0.1


def test_unknown_networks_and_shapes_are_named() -> None:
    with pytest.raises(ConfigError, match="unknown network 'compat'. Did you mean 'compact'"):
        build_critic("compat", (64, 64, 3), seed=0)
    with pytest.raises(InputError, match="got 48x64 with 3 channels. Resize with --size 64"):
        build_critic("compact", (64, 48, 3), seed=0)
    with pytest.raises(InputError, match="with 4 channels"):
        build_critic("compact", (64, 64, 4), seed=0)
