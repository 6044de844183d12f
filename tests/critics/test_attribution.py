from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gan_probe.critics.attribution import (
    BASELINES,
    baseline_images,
    completeness_errors,
    image_alone,
    integrated_gradients,
    occlusion,
    patches,
)
from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.images.pixels import to_network
from gan_probe.networks import NETWORKS
from gan_probe.types import Images, Maps
from tests import foreign

SIDE = 16


class Weighted(nn.Module):
    """The sum of pixels times weights; ``squash`` makes it curved."""

    def __init__(self, weights: Tensor, *, squash: bool = False) -> None:
        super().__init__()
        self.weights, self.squash = nn.Parameter(weights), squash

    def forward(self, x: Tensor) -> Tensor:
        sums = (x * self.weights).flatten(1).sum(1)
        return torch.tanh(sums / 10) * 3 if self.squash else sums


class WithoutGradients(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.detach().mean((1, 2, 3))


def weights(seed: int = 0) -> Tensor:
    return torch.randn(3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def wrapped(module: nn.Module, side: int = SIDE) -> Critic:
    return Critic.from_module(module, (side, side, 3), output="score")


@pytest.fixture(scope="module")
def images() -> Images:
    return np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)


def linear_map(images: Images, w: Tensor, baseline: str) -> Maps:
    away = to_network(images) - to_network(baseline_images(images, baseline))
    return (away * w).sum(1).numpy()


# --- a linear critic: everything is known ---


@pytest.mark.parametrize("baseline", BASELINES)
def test_of_a_linear_critic_integrated_gradients_are_weight_times_difference(images: Images, baseline: str) -> None:
    found = integrated_gradients(wrapped(Weighted(weights())), images, baseline=baseline, n_steps=3)
    assert np.allclose(found, linear_map(images, weights(), baseline), atol=1e-5)
    assert found.std() > 0.1


@pytest.mark.parametrize("baseline", BASELINES)
def test_of_a_linear_critic_occlusion_is_the_sum_over_the_patch(images: Images, baseline: str) -> None:
    critic = wrapped(Weighted(weights()))
    found = occlusion(critic, images, patch_px=4, stride_px=4, baseline=baseline)
    sums = linear_map(images, weights(), baseline).reshape(3, 4, 4, 4, 4).sum((2, 4))
    assert np.allclose(found, np.kron(sums, np.ones((1, 4, 4))), atol=1e-4)
    single = occlusion(critic, images, patch_px=1, baseline=baseline)
    assert np.allclose(single, linear_map(images, weights(), baseline), atol=1e-4)


def test_covering_what_raises_the_score_is_positive() -> None:
    image = np.full((1, SIDE, SIDE, 3), 10, np.uint8)
    image[0, 4:8, 4:8] = 240
    critic = wrapped(Weighted(torch.ones(3, SIDE, SIDE)))
    for method in (occlusion, integrated_gradients):
        found = method(critic, image)
        assert found[0, 5, 5] > 0
        assert found[0, 14, 14] == 0
        assert np.allclose(method(wrapped(Weighted(-torch.ones(3, SIDE, SIDE))), image), -found, atol=1e-5)


def test_overlapping_patches_give_each_pixel_the_mean_of_those_that_hold_it(images: Images) -> None:
    boxes = patches((SIDE, SIDE), 6, 4)
    assert {box[0].start for box in boxes} == {0, 4, 8, 10}
    away = linear_map(images, weights(), "border")[0]
    found = occlusion(wrapped(Weighted(weights())), images[:1], patch_px=6, stride_px=4)[0]
    holding = [away[box].sum() for box in boxes if box[0].start <= 9 < box[0].stop and box[1].start <= 2 < box[1].stop]
    assert len(holding) == 2
    assert found[9, 2] == pytest.approx(np.mean(holding), abs=1e-4)


# --- curved critics ---


def test_integrated_gradients_of_a_curved_critic_add_up_and_more_steps_are_more_exact(images: Images) -> None:
    critic = wrapped(Weighted(weights(), squash=True))
    scores = critic.score(images), critic.score(baseline_images(images))
    few, many = (completeness_errors(integrated_gradients(critic, images, n_steps=n), *scores) for n in (2, 200))
    assert many.max() < 1e-3 < few.max()


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_of_ours_has_complete_maps(network: str, test_set: ImageSet) -> None:
    critic = Critic.from_network(network, (32, 32, 3), heads={"n_classes": 2} if network == "compact" else None)
    images = test_set.images[:1]
    found = integrated_gradients(critic, images, n_steps=64)
    errors = completeness_errors(found, critic.score(images), critic.score(baseline_images(images)))
    assert errors.max() < 0.05
    assert not critic.module.training
    assert all(p.grad is None and not p.requires_grad for p in critic.module.parameters())


@pytest.mark.parametrize("name", ["Dcgan", "PatchGan", "MultiScale", "Auxiliary"])
def test_adapted_critics_have_complete_maps(name: str, test_set: ImageSet) -> None:
    critic = Critic.from_module(foreign.seeded(name), (32, 32, 3), value_range=(0, 1), sign=-1)
    images = test_set.images[:2]
    found = integrated_gradients(critic, images, n_steps=128)
    assert completeness_errors(found, critic.score(images), critic.score(baseline_images(images))).max() < 0.02


def test_maps_do_not_depend_on_the_batch(images: Images) -> None:
    critic = wrapped(Weighted(weights(), squash=True))
    for method in (occlusion, integrated_gradients):
        whole = method(critic, images)
        assert np.allclose(whole, method(critic, images, batch_size=7), atol=1e-5)
        assert np.allclose(whole[1:2], method(critic, images[1:2]), atol=1e-5)


# --- known shapes of maps ---


def test_a_critic_that_looks_at_one_square_has_its_map_there(images: Images) -> None:
    w = torch.zeros(3, SIDE, SIDE)
    w[:, 4:8, 8:12] = 1
    inside = np.zeros((SIDE, SIDE), dtype=bool)
    inside[4:8, 8:12] = True
    found = integrated_gradients(wrapped(Weighted(w)), images)
    assert (found[:, ~inside] == 0).all()
    assert (found[:, inside] != 0).mean() > 0.9
    covered = occlusion(wrapped(Weighted(w)), images, patch_px=4, stride_px=4)
    assert (covered[:, ~inside] == 0).all()
    assert (covered[:, inside] != 0).all()


def test_a_constant_critic_has_flat_maps(images: Images) -> None:
    critic = wrapped(Weighted(torch.zeros(3, SIDE, SIDE)))
    assert (occlusion(critic, images) == 0).all()
    assert (integrated_gradients(critic, images) == 0).all()


def test_where_an_image_equals_its_baseline_maps_are_zero_and_no_critic_is_asked() -> None:
    plain = np.full((1, 32, 32, 3), 200, np.uint8)
    critic = Critic.from_network("compact", (32, 32, 3))
    for found in (occlusion(critic, plain), integrated_gradients(critic, plain), image_alone(plain, "gradients")):
        assert (found == 0).all()


def test_the_image_alone_is_the_map_of_the_sum_of_absolute_differences(images: Images) -> None:
    away = np.sign(images.astype(int) - baseline_images(images))
    for row in range(3):
        w = torch.from_numpy(away[row].transpose(2, 0, 1)).float()
        one = images[row : row + 1]
        gradients = integrated_gradients(wrapped(Weighted(w)), one)
        assert np.allclose(gradients, 2 * image_alone(one, "gradients"), atol=1e-4)
        assert np.allclose(occlusion(wrapped(Weighted(w)), one), 2 * image_alone(one, "occlusion"), atol=1e-3)


# --- baselines ---


def test_the_border_is_the_median_of_the_outermost_pixels() -> None:
    image = np.zeros((2, 9, 9, 3), np.uint8)
    image[0, [0, -1]] = image[0, :, [0, -1]] = (7, 8, 9)
    image[0, 0, :5] = 250  # a fifth of the border: the object touches it
    image[1] = 30
    found = baseline_images(image)
    assert (found[0] == (7, 8, 9)).all()
    assert (found[1] == 30).all()


def test_other_baselines(images: Images) -> None:
    assert (baseline_images(images, "white") == 255).all()
    assert (baseline_images(images, "black") == 0).all()
    blurred = baseline_images(images, "blurred")
    assert blurred.std() < images.std() / 4
    assert blurred.mean() == pytest.approx(images.mean(), rel=0.05)


def test_completeness_errors_are_relative() -> None:
    maps = np.array([[[3.0]], [[2.0]], [[0.0]], [[1.0]]], np.float32)
    found = completeness_errors(maps, np.array([4.0, 5.0, 1.0, 1.0]), np.array([2.0, 3.0, 1.0, 1.0]))
    assert found.tolist() == [0.5, 0.0, 0.0, np.inf]


# --- what is refused ---


def test_a_critic_without_gradients_is_refused_and_occlusion_works(images: Images) -> None:
    critic = wrapped(WithoutGradients())
    with pytest.raises(InputError, match="critic WithoutGradients has no gradients .* none: --method occlusion"):
        integrated_gradients(critic, images)
    assert occlusion(critic, images).std() > 0


def test_an_onnx_file_is_such_a_critic(images: Images, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="ONNX critics need the extra gan-probe[onnx]")
    pytest.importorskip("onnxruntime", reason="ONNX critics need the extra gan-probe[onnx]")
    tensor = onnx.helper.make_tensor_value_info
    nodes = [onnx.helper.make_node("Flatten", ["x"], ["flat"]), onnx.helper.make_node("MatMul", ["flat", "w"], ["y"])]
    w = onnx.numpy_helper.from_array(weights().reshape(-1, 1).numpy(), "w")
    graph = onnx.helper.make_graph(
        nodes, "critic", [tensor("x", 1, ["n", 3, SIDE, SIDE])], [tensor("y", 1, ["n", 1])], [w]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "critic.onnx")
    critic = Critic.from_file(tmp_path / "critic.onnx", (SIDE, SIDE, 3))
    with pytest.raises(InputError, match="the critic OnnxModule has no gradients"):
        integrated_gradients(critic, images)
    assert np.allclose(occlusion(critic, images, patch_px=1), linear_map(images, weights(), "border"), atol=1e-4)


def test_torchscript_has_gradients(images: Images, tmp_path: Path) -> None:
    torch.jit.trace(Weighted(weights()), torch.zeros(2, 3, SIDE, SIDE)).save(str(tmp_path / "critic.pt"))
    critic = Critic.from_file(tmp_path / "critic.pt", (SIDE, SIDE, 3), trust_code=True)
    assert np.allclose(integrated_gradients(critic, images), linear_map(images, weights(), "border"), atol=1e-4)


def test_wrong_settings_are_refused(images: Images) -> None:
    critic = wrapped(Weighted(weights()))
    with pytest.raises(ConfigError, match="a patch of 17 px does not fit images of 16x16; give 1 to 16"):
        occlusion(critic, images, patch_px=17)
    with pytest.raises(ConfigError, match="a stride of 5 px leaves pixels between patches of 4 px; give 1 to 4"):
        occlusion(critic, images, patch_px=4, stride_px=5)
    with pytest.raises(ConfigError, match="n_steps must be at least 1, got 0"):
        integrated_gradients(critic, images, n_steps=0)
    with pytest.raises(ConfigError, match="unknown baseline 'bordr'.*border"):
        integrated_gradients(critic, images, baseline="bordr")
    for method in (occlusion, integrated_gradients):
        with pytest.raises(InputError, match="this critic takes uint8 images of 16x16x3"):
            method(critic, images[:, :8])
