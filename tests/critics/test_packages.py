"""Discriminators out of GAN packages, as they are; ``make setup`` installs the packages without their dependencies."""

import importlib
import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gan_probe.critics.critic import Critic
from gan_probe.estimators import CriticEmbedder
from gan_probe.images.image_set import ImageSet
from gan_probe.images.pixels import to_network
from gan_probe.networks.sngan import SnganCritic, SnganGenerator
from gan_probe.scoring.score import score
from gan_probe.studies.check.study import check_critic
from tests.packages import open_package

SHAPE = (32, 32, 3)
HAS = {"torch_mimicry": open_package("torch_mimicry"), "ganzoo": importlib.util.find_spec("ganzoo") is not None}


@dataclass(frozen=True)
class Foreign:
    """A factory, what it is called with, and what else `Critic` must be told."""

    factory: str
    arguments: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)


PACKAGES = [
    Foreign("torch_mimicry.nets.wgan_gp.wgan_gp_32:WGANGPDiscriminator32", {"ndf": 16}),
    Foreign("torch_mimicry.nets.sngan.sngan_32:SNGANDiscriminator32", {"ndf": 16}),
    Foreign("torch_mimicry.nets.ssgan.ssgan_32:SSGANDiscriminator32", {"ndf": 16}),  # (score, rotation logits)
    Foreign(
        "torch_mimicry.nets.cgan_pd.cgan_pd_32:CGANPDDiscriminator32", {"ndf": 16, "num_classes": 5}, {"n_labels": 5}
    ),
    Foreign(
        "ganzoo.nn_modules.dcgan_nets:DCGAN_Discriminator",
        {"image_dim": 32, "image_channels": 3, "num_conv_filters": 8, "activation": "sigmoid"},
    ),
]


@pytest.mark.parametrize("foreign", PACKAGES, ids=lambda f: f.factory.partition(":")[2])
def test_a_package_s_discriminator_scores_embeds_saves_and_has_controls(
    foreign: Foreign, test_set: ImageSet, tmp_path: Path
) -> None:
    package = foreign.factory.partition(".")[0]
    if not HAS[package]:
        pytest.skip(f"{package} is not installed (make setup installs it where the registry has it)")
    few = test_set.take(np.arange(16))
    images = few.images[:6]
    critic = Critic.from_factory(foreign.factory, SHAPE, arguments=foreign.arguments, **foreign.options)
    scores = critic.score(images)
    assert scores == pytest.approx(direct(critic, foreign, images), rel=1e-3, abs=1e-4)
    assert np.allclose(critic.score(images, batch_size=1), scores, atol=1e-4)
    critic.save(tmp_path / "c")
    assert np.array_equal(Critic.load(tmp_path / "c", trust_code=True).score(images), scores)
    rows = CriticEmbedder(str(tmp_path / "c"), trust_code=True, pooling="mean").fit_transform(images)
    assert rows.shape == (6, sum(critic.config.layer_sizes))
    assert {"control.random_init.0", "embedding.random_init.2"} <= set(score(critic, few).table)
    verdicts = {f.check: f.verdict for f in check_critic(critic, few).checks}
    assert verdicts["company"] == "pass"
    is_plain = "WGANGP" in foreign.factory or package == "ganzoo"  # the others normalise spectrally, and that is seen
    assert verdicts["mode"] == ("pass" if is_plain else "note")


def direct(critic: Critic, foreign: Foreign, images: np.ndarray) -> np.ndarray:
    """What the package's module itself returns, reduced by hand."""
    module, x = critic.module.inner, to_network(images)
    with torch.inference_mode():
        if "cgan_pd" in foreign.factory:
            each = [module(x, torch.full((len(x),), k)).squeeze(1) for k in range(5)]
            return torch.stack(each).mean(0).numpy()
        raw = module(x)
    if "ssgan" in foreign.factory:
        return raw[0].squeeze(1).numpy()
    return (torch.logit(raw) if "ganzoo" in foreign.factory else raw).flatten().numpy()


@pytest.mark.skipif(not HAS["torch_mimicry"], reason="torch-mimicry is not installed (make setup)")
def test_weights_of_mimicry_s_wgan_gp_load_into_our_network_and_score_the_same() -> None:
    theirs = importlib.import_module("torch_mimicry.nets.wgan_gp.wgan_gp_32")
    x, z = torch.randn(4, 3, 32, 32), torch.randn(4, 128)
    critic, ours = theirs.WGANGPDiscriminator32(), SnganCritic((32, 32, 3))
    ours.load_state_dict(critic.state_dict())
    assert torch.allclose(ours(x), critic(x).squeeze(1), atol=1e-5)
    generator, ours = theirs.WGANGPGenerator32(), SnganGenerator((32, 32, 3), 128)
    ours.load_state_dict(generator.state_dict())
    assert torch.allclose(ours(z), generator(z), atol=1e-5)
