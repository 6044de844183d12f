import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from gan_probe.critics.critic import Critic
from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.scoring.score import score
from gan_probe.scoring.table import CRITIC_ROWS, ScoreTable, by_critic, concatenate_scores, read_scores, write_scores


def test_scores_survive_the_round_trip_with_embeddings_and_provenance(scores: ScoreTable, tmp_path: Path) -> None:
    write_scores(scores, tmp_path / "s.parquet")
    found = read_scores(tmp_path / "s.parquet")
    assert found.table["critic_score"].dtype == np.float32
    assert found.table["critic_score"].tolist() == scores.table["critic_score"].tolist()
    assert found.provenance["critic_hash"] == scores.provenance["critic_hash"]
    assert np.array_equal(found.embeddings[CRITIC_ROWS], scores.embeddings[CRITIC_ROWS])
    assert {source.short for source in found.embeddings} == {
        "critic",
        "random_init.0",
        "random_init.1",
        "random_init.2",
        "pixels",
        "hog",
        "kmeans_patches",
    }
    assert not [c for c in found.without_embeddings() if c.startswith("embedding.")]


def test_tables_of_other_origin_need_only_scores(tmp_path: Path) -> None:
    pd.DataFrame({"critic_score": [1.0, 2.0], "label": ["a", "b"]}).to_parquet(tmp_path / "s.parquet")
    assert read_scores(tmp_path / "s.parquet").provenance == {"schema": None}


def test_files_that_are_no_scores_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a file. Make scores with: gan-probe score"):
        read_scores(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read_scores(tmp_path / "text.parquet")
    pd.DataFrame({"score": [1.0]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(InputError, match="has no column critic_score. Columns: score"):
        read_scores(tmp_path / "other.parquet")
    pd.DataFrame({"critic_score": [1.0, np.nan, np.inf]}).to_parquet(tmp_path / "nan.parquet")
    with pytest.raises(InputError, match="2 of 3 values of critic_score are not finite"):
        read_scores(tmp_path / "nan.parquet")


def test_scores_of_different_critics_are_not_mixed(scores: ScoreTable) -> None:
    other_rows = scores.table.assign(path="elsewhere/" + scores.table["path"])
    both = concatenate_scores([scores, scores, ScoreTable(other_rows, scores.provenance)])
    assert len(both.table) == 2 * len(scores.table)  # the copy is counted once
    assert "80 images stand in more than one table" in " ".join(both.provenance["warnings"])
    assert "embedding.pixels" not in both.table  # it was fitted on each table alone
    other = ScoreTable(scores.table, {**scores.provenance, "critic_hash": "another"})
    with pytest.raises(InputError, match="come from different critics .*Make one report for each"):
        concatenate_scores([scores, other])


def test_embeddings_of_different_layers_are_not_mixed(critic: Critic, test_set: ImageSet) -> None:
    first = score(critic, test_set.take(np.arange(40)), controls=False, layers=["stem"], pooling="max")
    second = score(critic, test_set.take(np.arange(40, 80)), controls=False)
    assert first.embeddings[CRITIC_ROWS].shape == (40, 32)
    assert (first.provenance["layers"], first.provenance["pooling"]) == (["stem"], "max")
    both = concatenate_scores([first, second])
    assert not both.embeddings
    assert any("different layers or pooling" in note for note in both.provenance["warnings"])
    assert concatenate_scores([first, first]).embeddings


def test_a_table_without_labels_beside_one_with_them_loses_none(scores: ScoreTable) -> None:
    half = len(scores.table) // 2
    known = ScoreTable(scores.table[:half], scores.provenance)
    new = ScoreTable(scores.table[half:].drop(columns=["label", "seen"]), scores.provenance)
    both = concatenate_scores([known, new])
    assert both.table["label"].tolist() == [*known.table["label"], *["(no label)"] * len(new.table)]
    assert "columns that only some of the tables have are left out: seen." in both.provenance["warnings"]


def test_a_table_without_images_and_words_in_seen_are_refused(tmp_path: Path) -> None:
    pd.DataFrame({"critic_score": []}).to_parquet(tmp_path / "none.parquet")
    with pytest.raises(InputError, match="holds no images"):
        read_scores(tmp_path / "none.parquet")
    pd.DataFrame({"critic_score": [1.0, 2.0], "seen": ["true", "maybe"]}).to_parquet(tmp_path / "words.parquet")
    with pytest.raises(InputError, match="must hold true or false, got 'maybe'"):
        read_scores(tmp_path / "words.parquet")
    pd.DataFrame({"critic_score": [1.0, 2.0], "seen": ["True", "False"]}).to_parquet(tmp_path / "text.parquet")
    assert read_scores(tmp_path / "text.parquet").table["seen"].tolist() == [True, False]


def test_tables_of_the_old_schema_are_read_and_not_mixed_with_the_new(scores: ScoreTable, tmp_path: Path) -> None:
    write_scores(scores, tmp_path / "new.parquet")
    table = pq.read_table(tmp_path / "new.parquet")
    written = json.loads(table.schema.metadata[b"gan_probe"])
    del written["checksum"], written["columns"]  # which version 0.1.0 did not write
    old = table.rename_columns([name.replace(".random_init.", ".untrained.") for name in table.column_names])
    for name, known in (
        ("old", written | {"schema": "gan_probe.scores/1", "critic_hash": "as-before"}),
        ("bare", None),
    ):
        metadata = {"gan_probe": json.dumps(known)} if known else None
        pq.write_table(old.replace_schema_metadata(metadata), tmp_path / f"{name}.parquet")
        read = read_scores(tmp_path / f"{name}.parquet")
        assert len(read.scores_beside().random_init) == len(scores.scores_beside().random_init) > 0
    new, old_table = read_scores(tmp_path / "new.parquet"), read_scores(tmp_path / "old.parquet")
    assert by_critic([old_table, old_table])
    for put in (by_critic, concatenate_scores):
        with pytest.raises(InputError, match=r"two versions of gan-probe \(gan_probe.scores/1, gan_probe.scores/2\)"):
            put([new, old_table])
