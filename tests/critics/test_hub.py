"""Against local folders: what is packed is what is opened, and nothing else goes along. No test reaches the hub."""

import inspect
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import gan_probe
from gan_probe.critics.critic import Critic
from gan_probe.critics.ensemble import EnsembleCritic
from gan_probe.critics.hub import KINDS, from_hub, pack_critic, push_to_hub
from gan_probe.errors import InputError, MissingError
from gan_probe.images.image_set import ImageSet


def test_what_is_packed_is_what_is_opened(run: Path, critic: Critic, few_set: ImageSet, tmp_path: Path) -> None:
    mine = shutil.copytree(run, tmp_path / "run")
    (mine / "critic" / "weights.pkl").write_bytes(b"not ours")
    packed = pack_critic(mine, tmp_path / "packed")
    assert {path.name for path in packed.iterdir()} == {
        "critic.safetensors", "config.json", "reference.parquet", "README.md",
    }  # fmt: skip
    opened = from_hub(packed)
    assert opened.hash == critic.hash
    assert np.array_equal(opened.score(few_set.images), critic.score(few_set.images))
    assert gan_probe.from_hub is from_hub


def test_an_ensemble_goes_with_its_members(runs: list[Path], few_set: ImageSet, tmp_path: Path) -> None:
    made = EnsembleCritic.fit({run.name: Critic.load(run) for run in runs[:2]}, few_set)
    made.save(tmp_path / "e")
    packed = pack_critic(tmp_path / "e", tmp_path / "packed")
    assert {path.suffix for path in packed.rglob("*") if path.is_file()} <= set(KINDS)
    assert from_hub(packed).hash == made.hash


def test_what_is_broken_or_no_critic_is_not_sent(run: Path, tmp_path: Path) -> None:
    mine = shutil.copytree(run / "critic", tmp_path / "critic")
    weights = mine / "critic.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\1\2\3")
    with pytest.raises(InputError, match="changed since it was saved"):
        pack_critic(mine, tmp_path / "packed")
    few = tmp_path / "few"
    few.mkdir()
    with pytest.raises(InputError, match="is not a run folder"):
        pack_critic(few, tmp_path / "packed")
    assert not (tmp_path / "packed").exists()


def test_without_the_extra_a_sentence_says_so(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for attempt in (lambda: push_to_hub(run, "ann/critic"), lambda: from_hub("ann/critic")):
        with pytest.raises(MissingError, match=r"pip install 'gan-probe\[hf\]'"):
            attempt()


def test_the_hub_takes_what_is_given() -> None:
    hub = pytest.importorskip("huggingface_hub", reason="the hub needs the extra gan-probe[hf]")
    inspect.signature(hub.create_repo).bind("ann/critic", private=True, exist_ok=True)
    inspect.signature(hub.upload_folder).bind(repo_id="ann/critic", folder_path=Path(), commit_message="x")
    inspect.signature(hub.snapshot_download).bind("ann/critic", revision=None, allow_patterns=["*.json"])
    assert "commit_url" in hub.CommitInfo.__dataclass_fields__
