"""Scores of held-out reals are used for the critic that gave them, and for no other."""

import shutil
from pathlib import Path

import pandas as pd

from gan_probe.critics.critic import Critic
from gan_probe.scoring.reference import read_held_out
from gan_probe.scoring.table import ScoreTable


def of_critic(found: str) -> ScoreTable:
    return ScoreTable(pd.DataFrame({"critic_score": [0.0]}), {"critic_hash": found})


def test_kept_scores_are_those_of_the_critic_beside_them(run: Path, critic: Critic, tmp_path: Path) -> None:
    kept = pd.read_parquet(run / "critic" / "reference.parquet")["critic_score"]
    found = read_held_out(run, of_critic(critic.hash))
    assert found is not None
    assert found.tolist() == kept.tolist()
    assert read_held_out(run, of_critic("another")) is None


def test_another_critic_put_into_the_folder_does_not_inherit_them(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "critic", tmp_path / "c")
    other = Critic.untrained("compact", (32, 32, 3), seed=9)
    other.save(tmp_path / "other")
    for name in ("critic.safetensors", "config.json"):
        shutil.copy(tmp_path / "other" / name, tmp_path / "c" / name)
    assert Critic.load(tmp_path / "c").hash == other.hash
    assert read_held_out(tmp_path / "c", of_critic(other.hash)) is None


def test_scores_without_a_name_are_taken_for_the_folder_s_own(run: Path, critic: Critic, tmp_path: Path) -> None:
    shutil.copytree(run / "critic", tmp_path / "c")
    table = pd.read_parquet(tmp_path / "c" / "reference.parquet")
    table.attrs = {}  # as version 0.1.0 wrote it
    table.to_parquet(tmp_path / "c" / "reference.parquet", index=False)
    assert read_held_out(tmp_path / "c", of_critic(critic.hash)) is not None
