"""The article's own networks, counted layer by layer and held against plain loops over pixels."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from gan_probe.critics.critic import Critic
from gan_probe.critics.generator import Generator
from gan_probe.errors import InputError
from gan_probe.networks import build_critic, build_generator
from gan_probe.networks.residual import ResidualCritic

SHAPE, LATENT = (64, 64, 3), 128
Array = npt.NDArray[np.float64]


def convolution(kernel: int, c_in: int, c_out: int) -> int:
    return kernel * kernel * c_in * c_out + c_out


def block(c_in: int, c_out: int) -> list[int]:
    return [convolution(4, c_in, c_out), convolution(4, c_out, c_out), convolution(1, c_in, c_out)]


def n_weights(network: nn.Module) -> list[int]:
    """Return the weights and biases of every layer, in the order of the forward pass."""
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    return [sum(p.numel() for p in layer.parameters()) for layer in layers]


def test_the_critic_has_the_article_s_layers() -> None:
    widths = [3, 32, 64, 128, 256, 512]
    expected = [n for pair in pairwise(widths) for n in block(*pair)]
    expected += [convolution(4, 512, 1), 4 * 4 * 1 + 1]
    found = n_weights(build_critic("article", SHAPE, seed=0))
    assert found == expected
    assert sum(found) == 8_559_122


def test_the_generator_has_the_article_s_layers() -> None:
    widths = [512, 256, 128, 64, 32]
    expected = [LATENT * 8192 + 8192, *block(512, 512)]
    for c_in, c_out in zip([512, *widths[1:-1]], widths[1:], strict=True):
        expected += [convolution(1, c_in, c_out), convolution(4, c_out, c_out), convolution(4, c_out, c_out)]
    expected.append(convolution(4, 32, 3))
    found = n_weights(build_generator("article", SHAPE, LATENT, seed=0))
    assert found == expected
    assert sum(found) == 12_671_395


# --- a forward pass in numpy: height, width, channels; padding as TensorFlow describes "same" --------------------


def same_convolution(x: Array, layer: nn.Module, stride: int = 1) -> Array:
    """Return the convolution of one image: so many pixels out as ceil(in / stride), the odd pixel of padding last."""
    weight = layer.weight.detach().double().numpy()  # out, in, kernel, kernel
    size, kernel = x.shape[0], weight.shape[-1]
    n_out = -(-size // stride)
    total = max((n_out - 1) * stride + kernel - size, 0)
    padded = np.pad(x, ((total // 2, total - total // 2),) * 2 + ((0, 0),))
    out = np.empty((n_out, n_out, len(weight)))
    for i in range(n_out):
        for j in range(n_out):
            patch = padded[i * stride : i * stride + kernel, j * stride : j * stride + kernel]
            out[i, j] = np.einsum("hwc,ochw->o", patch, weight)
    return out + layer.bias.detach().double().numpy()


def enlarged(x: Array, layer: nn.ConvTranspose2d) -> Array:
    """Return the 1x1 transposed convolution of stride 2: values at the even pixels, the bias alone elsewhere."""
    weight, bias = (t.detach().double().numpy() for t in (layer.weight, layer.bias))
    out = np.tile(bias, (2 * len(x), 2 * len(x), 1))
    out[::2, ::2] += x @ weight[:, :, 0, 0]
    return out


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def last(layer: nn.Module) -> nn.Module:
    """Return the convolution behind its padding."""
    return layer[-1] if isinstance(layer, nn.Sequential) else layer


def plain_block(x: Array, part: nn.Module, stride: int) -> Array:
    main = same_convolution(relu(same_convolution(x, last(part.first), stride)), last(part.second))
    return relu(main + same_convolution(x, part.shortcut, stride))


def plain_critic(image: Array, critic: nn.Module) -> float:
    for number, part in enumerate(critic.blocks):
        image = plain_block(image, part, 2 if number < 4 else 1)
    flat = same_convolution(image, last(critic.last)).ravel()
    return float(flat @ critic.head.weight.detach().double().numpy()[0] + critic.head.bias.item())


def plain_generator(latent: Array, generator: nn.Module) -> Array:
    start = generator.start
    flat = start.weight.detach().double().numpy() @ latent + start.bias.detach().double().numpy()
    x = plain_block(flat.reshape(512, 4, 4).transpose(1, 2, 0), generator.keep, 1)
    for part in generator.blocks:
        x = enlarged(x, part.enlarge)
        x = relu(same_convolution(relu(same_convolution(x, last(part.first))), last(part.second)) + x)
    return same_convolution(x, last(generator.out))


def moved(network: nn.Module) -> nn.Module:
    """Return the network with biases that are not zero, as a training leaves them."""
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=rng))
    return network


def test_the_critic_s_forward_pass_is_the_description_s() -> None:
    critic = moved(build_critic("article", SHAPE, seed=0))
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    expected = plain_critic(image[0].double().permute(1, 2, 0).numpy(), critic)
    assert critic(image).item() == pytest.approx(expected, rel=1e-4)


def test_the_generator_s_forward_pass_is_the_description_s() -> None:
    generator = moved(build_generator("article", SHAPE, LATENT, seed=0))
    latent = torch.randn(1, LATENT, generator=torch.Generator().manual_seed(0))
    expected = plain_generator(latent[0].double().numpy(), generator)
    found = generator(latent)[0].detach().permute(1, 2, 0).numpy()
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("build", [build_critic, lambda *a, **k: build_generator(a[0], a[1], LATENT, **k)])
def test_weights_start_as_keras_starts_them(build: Callable[..., nn.Module]) -> None:
    network = build("article", SHAPE, seed=0)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            field = layer.weight[0, 0].numel() if layer.weight.ndim == 4 else 1
            limit = (6 / (field * (layer.weight.shape[0] + layer.weight.shape[1]))) ** 0.5
            assert layer.weight.abs().max() <= limit
            if layer.weight.numel() > 1000:
                assert layer.weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.1)
            assert not layer.bias.any()


def test_critics_and_generators_of_the_networks_that_had_the_name_before_are_refused(tmp_path: Path) -> None:
    old = Critic.from_network("residual", SHAPE)
    old.config = type(old.config)(**{**vars(old.config), "network": "article"})
    assert isinstance(old.module, ResidualCritic)
    old.save(tmp_path / "critic")
    with pytest.raises(InputError, match="networks that are 'residual' now"):
        Critic.load(tmp_path / "critic")
    from gan_probe.critics.generator import GeneratorConfig

    config = GeneratorConfig("article", SHAPE, LATENT)
    Generator(build_generator("residual", SHAPE, LATENT, seed=0), config).save(tmp_path / "generator")
    with pytest.raises(InputError, match="networks that are 'residual' now"):
        Generator.load(tmp_path / "generator")
