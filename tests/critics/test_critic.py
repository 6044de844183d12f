import json
from pathlib import Path

import numpy as np
import pytest

from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import ImageSet


def test_a_score_does_not_depend_on_its_company(critic: Critic, test_set: ImageSet) -> None:
    images = test_set.images[:12]
    together = critic.score(images)
    order = np.random.default_rng(0).permutation(12)
    assert together.dtype == np.float32
    assert np.allclose(critic.score(images, batch_size=1), together, atol=1e-5)
    assert np.allclose(critic.score(images, batch_size=5), together, atol=1e-5)
    assert np.allclose(critic.score(images[order]), together[order], atol=1e-5)


def test_the_same_images_get_the_same_scores_again(critic: Critic, run: Path, test_set: ImageSet) -> None:
    assert np.array_equal(critic.score(test_set.images), Critic.load(run).score(test_set.images))


def test_saved_and_loaded_it_is_the_same_critic(critic: Critic, tmp_path: Path, test_set: ImageSet) -> None:
    critic.save(tmp_path / "c")
    again = Critic.load(tmp_path / "c")
    assert again.hash == critic.hash
    assert again.config == critic.config
    assert np.array_equal(again.score(test_set.images[:4]), critic.score(test_set.images[:4]))
    with pytest.raises(FileExistsError):
        critic.save(tmp_path / "c")


def test_embeddings_are_the_chosen_layers_side_by_side(critic: Critic, test_set: ImageSet) -> None:
    sizes = dict(zip(critic.config.layers, critic.config.layer_sizes, strict=True))
    images = test_set.images[:5]
    whole = critic.embed(images)
    assert critic.embed(images, pooling="mean").shape == (5, sum(sizes.values()))
    parts = [critic.embed(images, layers=[name]) for name in sizes]
    assert np.allclose(np.concatenate(parts, axis=1), whole)
    assert np.allclose(critic.embed(images, batch_size=2), whole, atol=1e-5)
    with pytest.raises(ConfigError, match="unknown layer 'block.1'. Did you mean 'blocks.1'"):
        critic.embed(images, layers=["block.1"])


def test_random_init_critics_share_the_architecture_and_differ_by_seed(critic: Critic) -> None:
    twins = [critic.random_init(seed) for seed in (1, 1, 2)]
    assert twins[0].hash == twins[1].hash
    assert len({critic.hash, twins[0].hash, twins[2].hash}) == 3
    assert twins[0].config.layer_sizes == critic.config.layer_sizes
    assert twins[0].config.run_id == "random_init"


def test_no_image_gives_no_score(critic: Critic) -> None:
    assert critic.score(np.empty((0, 32, 32, 3), dtype=np.uint8)).shape == (0,)


@pytest.mark.parametrize(
    ("images", "got"),
    [
        (np.zeros((2, 32, 32, 3)), "float64 of 32x32x3"),
        (np.zeros((2, 32, 32, 1), dtype=np.uint8), "uint8 of 32x32x1"),
        (np.zeros((2, 3, 32, 32), dtype=np.uint8), "uint8 of 3x32x32"),
    ],
)
def test_other_images_are_refused(critic: Critic, images: np.ndarray, got: str) -> None:
    with pytest.raises(InputError, match=f"takes uint8 images of 32x32x3 .*got {got}"):
        critic.score(images)


def test_folders_without_a_whole_critic_are_named(critic: Critic, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist. Give a run folder"):
        Critic.load(tmp_path / "none")
    with pytest.raises(InputError, match="is not a run folder: it holds neither critic/ nor critic.safetensors"):
        Critic.load(tmp_path)
    critic.save(tmp_path / "cut")
    weights = tmp_path / "cut" / "critic.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match="does not hold a whole critic"):
        Critic.load(tmp_path / "cut")
    critic.save(tmp_path / "new")
    config = json.loads((tmp_path / "new" / "config.json").read_text())
    (tmp_path / "new" / "config.json").write_text(json.dumps({**config, "schema": "gan_probe.critic/9"}))
    with pytest.raises(InputError, match="is not of schema 'gan_probe.critic/2'"):
        Critic.load(tmp_path / "new")
    (tmp_path / "new" / "config.json").write_text(json.dumps({**config, "image_shape": [48, 48, 3]}))
    with pytest.raises(InputError, match="takes square images"):
        Critic.load(tmp_path / "new")


def test_images_that_do_not_fit_are_told_what_makes_them_fit(critic: Critic, test_set: ImageSet) -> None:
    images = test_set.images[:2]
    for wrong, advice in (
        (images.transpose(0, 3, 1, 2), r"Channels come first; put them last: images.transpose\(0, 2, 3, 1\)"),
        (images / np.float32(255), r"Give 0 to 255, such as"),
        (images[0], r"One image is a batch of one: images\[None\]"),
        (images[:, :16, :16], r"Resize with --size 32"),
    ):
        with pytest.raises(InputError, match=advice):
            critic.score(wrong)
