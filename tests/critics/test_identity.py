"""A critic's hash covers all that decides its numbers, and a folder that was changed is refused."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from gan_probe.critics.critic import Critic
from gan_probe.critics.generator import Generator, GeneratorConfig
from gan_probe.critics.identity import OLD_SCHEMA, folder_hashes, hash_of, old_hash_of
from gan_probe.errors import InputError
from gan_probe.estimators import CriticEmbedder, CriticScorer
from gan_probe.images.image_set import ImageSet
from gan_probe.networks import build_generator
from gan_probe.scoring.score import score
from gan_probe.scoring.table import by_critic

ADAPTATIONS = {"plain": {}, "minus": {"sign": -1}, "range": {"value_range": (0.0, 1.0)}, "logit": {"n_labels": None}}


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One module saved under several adaptations; the last is the first again."""
    out = tmp_path_factory.mktemp("adapted")
    for name, options in ADAPTATIONS.items():
        Critic.from_factory("tests.foreign:PatchGan", (32, 32, 3), seed=3, **options).save(out / name)
    return {name: out / name for name in ADAPTATIONS}


def test_the_same_weights_under_two_adaptations_are_two_critics(adapted: dict[str, Path]) -> None:
    hashes = {name: Critic.load(path, trust_code=True).hash for name, path in adapted.items()}
    assert len({hashes[name] for name in ("plain", "minus", "range")}) == 3
    assert hashes["logit"] == hashes["plain"]  # nothing that decides a number differs


def test_estimators_in_one_process_score_as_each_critic_does(adapted: dict[str, Path], test_set: ImageSet) -> None:
    images = test_set.images[:6]
    for path in adapted.values():
        expected = Critic.load(path, trust_code=True).score(images)
        found = CriticScorer(str(path), trust_code=True).fit(images).transform(images)
        assert np.allclose(found.ravel(), expected, atol=1e-5)


def test_tables_of_both_signs_are_two_critics(adapted: dict[str, Path], test_set: ImageSet) -> None:
    tables = [
        score(Critic.load(adapted[name], trust_code=True), test_set, controls=False, embeddings=False)
        for name in ("plain", "minus")
    ]
    first, second = by_critic(tables)
    assert np.allclose(first.table["critic_score"], -second.table["critic_score"])


@pytest.mark.parametrize("changed", ["image_shape", "value_range", "layers", "arguments", "adaptation", "heads"])
def test_every_part_of_the_config_that_decides_a_number_is_in_the_hash(critic: Critic, changed: str) -> None:
    other = {"image_shape": (16, 16, 3), "value_range": (0.0, 1.0), "layers": ()}.get(changed, {"sign": -1})
    config = type(critic.config)(**{**asdict(critic.config), changed: other})
    weights = critic.module.state_dict()
    assert hash_of(config, weights) != critic.hash
    assert (old_hash_of(config, weights) == old_hash_of(critic.config, weights)) is (changed != "image_shape")


@pytest.mark.parametrize("changed", [{"run_id": "x"}, {"step": 9}, {"training_classes": ("a",)}])
def test_where_a_critic_comes_from_is_not_in_the_hash(critic: Critic, changed: dict[str, object]) -> None:
    config = type(critic.config)(**{**asdict(critic.config), **changed})
    assert hash_of(config, critic.module.state_dict()) == critic.hash


def test_a_folder_with_changed_weights_is_refused(critic: Critic, tmp_path: Path) -> None:
    critic.save(tmp_path / "c")
    weights = load_file(tmp_path / "c" / "critic.safetensors")
    save_file({name: value + 0.5 for name, value in weights.items()}, tmp_path / "c" / "critic.safetensors")
    with pytest.raises(InputError, match="was changed since it was saved: .* is another critic"):
        Critic.load(tmp_path / "c")


def old_folder(critic: Critic, folder: Path) -> str:
    """Make a folder as version 0.1.0 wrote it, and return its hash."""
    critic.save(folder)
    record = json.loads((folder / "config.json").read_text())
    saved = old_hash_of(critic.config, critic.module.state_dict())
    (folder / "config.json").write_text(json.dumps({**record, "schema": OLD_SCHEMA, "hash": saved}))
    return saved


def test_folders_of_the_old_schema_are_read_and_checked(critic: Critic, tmp_path: Path, test_set: ImageSet) -> None:
    saved = old_folder(critic, tmp_path / "old")
    again = Critic.load(tmp_path / "old")
    assert again.hash == critic.hash != saved
    assert folder_hashes(tmp_path / "old") == {saved, critic.hash}
    assert np.array_equal(again.score(test_set.images[:3]), critic.score(test_set.images[:3]))
    weights = load_file(tmp_path / "old" / "critic.safetensors")
    save_file({name: value + 0.5 for name, value in weights.items()}, tmp_path / "old" / "critic.safetensors")
    with pytest.raises(InputError, match="was changed since it was saved"):
        Critic.load(tmp_path / "old")


def test_weights_of_any_float_type_have_a_hash(critic: Critic) -> None:
    weights = {name: value.to(torch.bfloat16) for name, value in critic.module.state_dict().items()}
    assert hash_of(critic.config, weights) != critic.hash


def test_an_embedder_of_a_fitted_pipeline_keeps_to_its_own_critic(adapted: dict[str, Path], test_set: ImageSet) -> None:
    images = test_set.images[:4]
    plain, ranged = (CriticEmbedder(str(adapted[n]), trust_code=True).fit(images) for n in ("plain", "range"))
    assert not np.allclose(plain.transform(images), ranged.transform(images))


def edit(file: Path, **changed: object) -> None:
    """Change a JSON record as an editor would."""
    record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, **changed}))


@pytest.mark.parametrize("changed", [{"run_id": "x"}, {"step": 9}, {"training_classes": ["a"]}, {"layer_sizes": [1]}])
def test_a_folder_with_a_changed_record_is_refused(critic: Critic, changed: dict[str, object], tmp_path: Path) -> None:
    critic.save(tmp_path / "c")
    edit(tmp_path / "c" / "config.json", **changed)
    with pytest.raises(InputError, match="config.json was changed since it was saved: .* its checksum"):
        Critic.load(tmp_path / "c")


def test_a_folder_with_a_changed_description_is_refused(adapted: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(adapted["plain"], tmp_path / "c")
    edit(tmp_path / "c" / "config.json", value_range=[0.0, 1.0])
    with pytest.raises(InputError, match="its weights or config.json have the hash"):
        Critic.load(tmp_path / "c", trust_code=True)


def test_folders_without_a_checksum_are_read(critic: Critic, tmp_path: Path) -> None:
    critic.save(tmp_path / "c")
    record = json.loads((tmp_path / "c" / "config.json").read_text())
    del record["checksum"]
    (tmp_path / "c" / "config.json").write_text(json.dumps(record))
    assert Critic.load(tmp_path / "c").hash == critic.hash


def test_foreign_weights_that_were_changed_are_refused(adapted: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(adapted["plain"], tmp_path / "c")
    weights = load_file(tmp_path / "c" / "critic.safetensors")
    save_file({name: value + 0.5 for name, value in weights.items()}, tmp_path / "c" / "critic.safetensors")
    with pytest.raises(InputError, match="was changed since it was saved"):
        Critic.load(tmp_path / "c", trust_code=True)


def test_a_generator_that_was_changed_is_refused(tmp_path: Path) -> None:
    config = GeneratorConfig("compact", (16, 16, 1), latent_dim=4)
    generator = Generator(build_generator("compact", (16, 16, 1), 4, seed=0), config)
    for name in ("weights", "config", "old"):
        generator.save(tmp_path / name)
    assert np.array_equal(Generator.load(tmp_path / "old").sample(2), generator.sample(2))
    file = tmp_path / "weights" / "generator.safetensors"
    save_file({name: value + 0.5 for name, value in load_file(file).items()}, file)
    edit(tmp_path / "config" / "config.json", run_id="another")
    for name in ("weights", "config"):
        with pytest.raises(InputError, match="was changed since it was saved: its weights or config.json have"):
            Generator.load(tmp_path / name)
    record = json.loads((tmp_path / "old" / "config.json").read_text())
    old = {**{name: record[name] for name in record if name != "hash"}, "schema": "gan_probe.generator/1"}
    (tmp_path / "old" / "config.json").write_text(json.dumps(old))
    assert np.array_equal(Generator.load(tmp_path / "old").sample(2), generator.sample(2))
