"""Generators that are kept: sampling, walks, arithmetic."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from gan_probe.critics.critic import Critic
from gan_probe.critics.generator import Generator, calibrate
from gan_probe.critics.sampling import paths, write_samples
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.images.readers.reading import read_images
from gan_probe.networks import build_generator
from gan_probe.scoring.score import score
from gan_probe.studies.arithmetic.study import arithmetic
from gan_probe.training import train
from tests.conftest import BARE, SMALL


@pytest.fixture(scope="module")
def conditional(train_set: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("conditional") / "run"
    train(train_set, out, replace(BARE, steps=25, conditional=True))
    return out


def test_a_sample_follows_from_its_seed_and_number_in_any_company(run: Path) -> None:
    generator = Generator.load(run)
    images = generator.sample(30, seed=4)
    assert images.shape == (30, 32, 32, 3)
    assert np.array_equal(images[:3], generator.sample(3, seed=4))
    assert np.array_equal(images[5:6], generator.decode(generator.latents(6, seed=4)[5:]))
    assert not np.array_equal(images, generator.sample(30, seed=5))


def test_the_last_sample_sheet_shows_what_sample_gives(run: Path, tmp_path: Path) -> None:
    write_samples(Generator.load(run), tmp_path / "s", n=24, seed=SMALL.seed)
    assert (tmp_path / "s" / "sheet.png").read_bytes() == (run / "samples" / "step-000008.png").read_bytes()


def test_calibration_measures_the_statistics_of_the_weights_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan_probe.critics.generator.N_CALIBRATION", 1024)  # as many as trainings take
    module = build_generator("compact", (32, 32, 3), 8, seed=0)
    calibrate(module, 8)
    norm = module.body[0]
    start = module.start(torch.randn(4000, 8)).view(4000, -1, 4, 4)
    assert torch.allclose(norm.running_mean, start.mean((0, 2, 3)), atol=0.05)
    assert torch.allclose(norm.running_var, start.var((0, 2, 3)), rtol=0.15)


@pytest.mark.parametrize("format_name", ["folder", "npy"])
def test_samples_are_a_data_set_that_is_read_back(run: Path, tmp_path: Path, format_name: str) -> None:
    generator = Generator.load(run)
    write_samples(generator, tmp_path / "s", n=9, interpolate=2, format=format_name, seed=1, source="run")
    assert np.array_equal(read_images(tmp_path / "s").images, generator.sample(9, seed=1))
    assert np.array_equal(np.load(tmp_path / "s" / "latents.npy"), generator.latents(9, seed=1))
    assert json.loads((tmp_path / "s" / "samples.json").read_text())["step"] == 8
    assert (tmp_path / "s" / "interpolation.png").is_file()


def test_walks_begin_and_end_at_samples(run: Path) -> None:
    generator = Generator.load(run)
    latents, images = paths(generator, 2, seed=1)
    ends = generator.latents(3, seed=1)
    assert np.allclose(latents[0, [0, -1]], ends[:2], atol=1e-5)
    assert np.allclose(latents[1, [0, -1]], ends[1:], atol=1e-5)
    assert images.shape == (18, 32, 32, 3)


@pytest.mark.slow
def test_a_conditional_critic_knows_its_classes_and_its_generator_draws_them(
    conditional: Path, train_set: ImageSet, tmp_path: Path
) -> None:
    critic, generator = Critic.load(conditional), Generator.load(conditional)
    under = critic.class_scores(train_set.images)
    assert np.allclose(under.mean(1), critic.score(train_set.images), atol=1e-4)
    named = np.array(critic.config.training_classes)[under.argmax(1)]
    assert (named == train_set.table["label"]).mean() > 0.9
    assert generator.config.classes == critic.config.training_classes
    one = generator.config.classes[1]
    assert not np.array_equal(generator.sample(4, labels=[one] * 4), generator.sample(4))
    write_samples(generator, tmp_path / "s", n=4)
    assert read_images(tmp_path / "s").table["label"].tolist() == list(generator.config.classes) * 2
    scores = score(critic, train_set, controls=True)
    assert any("trained with 2 classes; here scores are means" in w for w in scores.provenance["warnings"])
    walks = [paths(generator, 1, label=label)[1] for label in generator.config.classes]
    assert not np.array_equal(*walks)
    with pytest.raises(ConfigError, match="unknown class 'hexagon'"):
        generator.sample(1, labels=["hexagon"])
    with pytest.raises(InputError, match="the generator is conditional"):
        arithmetic(generator, critic, train_set, "a - b + c = d")


def test_a_critic_with_minibatch_features_is_scored_alone_and_says_so(train_set: ImageSet, tmp_path: Path) -> None:
    config = replace(BARE, steps=2, objective="hinge", penalty="none", minibatch_kernels=4)
    critic = train(train_set, tmp_path / "run", config)
    assert np.allclose(critic.score(train_set.images, batch_size=1), critic.score(train_set.images), atol=1e-4)
    assert "as if it were alone in its batch" in (tmp_path / "run" / "critic" / "README.md").read_text()
    assert critic.embed(train_set.images[:2]).shape[0] == 2
    twin = critic.random_init(7)
    assert twin.config.heads == {"n_classes": 0, "n_kernels": 4}


def test_spectral_norm_bounds_what_is_saved(train_set: ImageSet, tmp_path: Path) -> None:
    """The saved critic is a plain network: its weights are those that act, of largest singular value about 1."""
    config = replace(BARE, steps=12, penalty="none", spectral_norm=True, critic_average=0.0)
    critic = train(train_set, tmp_path / "run", config)
    largest = [torch.linalg.matrix_norm(b.weight.flatten(1), 2).item() for b in critic.module.blocks]
    assert largest == pytest.approx([1.0] * len(largest), abs=0.15)
    assert Critic.load(tmp_path / "run").hash == critic.hash


class Wheel(Generator):
    """Latents of two numbers, four images: the signs choose brightness left and right. Sums hold by construction."""

    def __init__(self, generator: Generator) -> None:
        super().__init__(generator.module, replace(generator.config, latent_dim=2))

    def decode(self, latents: np.ndarray, **_: object) -> np.ndarray:
        images = np.zeros((len(latents), 32, 32, 3), np.uint8)
        images[:, :, :16] = np.where(latents[:, 0] > 0, 220, 40)[:, None, None, None]
        images[:, :, 16:] = np.where(latents[:, 1] > 0, 220, 40)[:, None, None, None]
        return images


def wheel_data(generator: Generator) -> ImageSet:
    latents = generator.latents(400, seed=9)
    labels = [f"{'L' if a > 0 else 'l'}{'R' if b > 0 else 'r'}" for a, b in latents]
    images = generator.decode(latents)
    noise = np.random.default_rng(0).integers(0, 20, images.shape, dtype=np.uint8)
    table = pd.DataFrame({"sample_id": [str(i) for i in range(len(labels))], "path": "x", "label": labels})
    return ImageSet(images + noise, table, Path("wheel"))


@pytest.mark.slow
def test_arithmetic_finds_a_sum_that_holds_by_construction(run: Path, tmp_path: Path) -> None:
    wheel, critic = Wheel(Generator.load(run)), Critic.load(run)
    result = arithmetic(wheel, critic, wheel_data(wheel), "LR - Lr + lr = lR", n_draws=60)
    total, *controls = result.shares
    assert result.classifier_accuracy > 0.95
    assert total.share > 0.8
    assert total.share > max(share.share for share in controls) + 0.2
    result.save(tmp_path / "page", command="c")
    assert result.findings()[1] == "The sum does what no control does."
    record = json.loads((tmp_path / "page" / "report.json").read_text())
    assert record["shares"][0]["share"] == total.share
    assert {p.stem for p in (tmp_path / "page" / "figures").glob("*.png")} == {"sums", "shares", "walks"}


def test_arithmetic_refuses_what_it_cannot_do(run: Path, train_set: ImageSet) -> None:
    wheel, critic = Wheel(Generator.load(run)), Critic.load(run)
    data = wheel_data(wheel)
    with pytest.raises(ConfigError, match="an equation is written 'A - B [+] C = D' with classes of the data"):
        arithmetic(wheel, critic, data, "LR - Lr = lr")
    with pytest.raises(InputError, match="has no labels to name concepts with"):
        arithmetic(wheel, critic, replace(data, table=data.table.drop(columns="label")), "a - b + c = d")
    stuck = Generator.load(run)
    stuck.decode = lambda latents, **_: np.repeat(data.images[:1], len(latents), 0)  # type: ignore[method-assign]
    seen = str(data.table["label"][0])
    other = next(label for label in ("LR", "Lr", "lR", "lr") if label != seen)
    with pytest.raises(InputError, match=f"only 0 look like '{other}', at least 6 are needed"):
        arithmetic(stuck, critic, data, f"{other} - {seen} + {seen} = {seen}")


def test_what_is_no_generator_is_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no generator. Give a run folder that gan-probe train has finished"):
        Generator.load(tmp_path)
    with pytest.raises(InputError, match=r"latents must be \(n, 16\), got \(3, 5\)"):
        Generator.load(run).decode(np.zeros((3, 5), np.float32))
    with pytest.raises(ConfigError, match="trained without classes, so none can be asked for"):
        Generator.load(run).sample(2, labels=["a", "b"])
