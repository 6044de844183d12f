import numpy as np
import pandas as pd
import pytest

from gan_probe.errors import InputError
from gan_probe.scoring.table import ScoreTable, by_critic


def table(critic: str, ids: str = "abcd", **provenance: object) -> ScoreTable:
    frame = pd.DataFrame({"sample_id": list(ids), "critic_score": np.array([ord(c) for c in ids], dtype=np.float32)})
    return ScoreTable(frame, {"critic_hash": critic, **provenance})


def test_tables_of_one_critic_become_one() -> None:
    (found,) = by_critic([table("x", "ab"), table("x", "cd")])
    assert found.table["sample_id"].tolist() == list("abcd")


def test_tables_of_several_trainings_are_put_in_the_same_order() -> None:
    first, second = by_critic([table("x"), table("y", "dcba")])
    assert second.table["sample_id"].tolist() == first.table["sample_id"].tolist()
    assert second.table["critic_score"].tolist() == first.table["critic_score"].tolist()  # each with its image


def test_other_images_and_other_layers_are_refused() -> None:
    with pytest.raises(InputError, match=r"different critics \(x, y\) and from different images"):
        by_critic([table("x"), table("y", "abce")])
    without = ScoreTable(table("y").table.drop(columns="sample_id"), {"critic_hash": "y"})
    with pytest.raises(InputError, match="each table needs a column sample_id"):
        by_critic([table("x"), without])
    with pytest.raises(InputError, match="different layers or pooling"):
        by_critic([table("x", layers=["a"]), table("y", layers=["b"])])


def test_an_image_that_stands_twice_is_compared_once_and_said_to_be() -> None:
    first, second = by_critic([table("x", "abcdb"), table("y", "bdcba")])
    assert first.table["sample_id"].tolist() == second.table["sample_id"].tolist() == list("abcd")
    assert first.provenance["warnings"][0].startswith("1 images are equal to others, pixel by pixel")


def test_tables_that_disagree_on_the_images_are_refused() -> None:
    first, second = table("x"), table("y")
    labelled = ((first, "aabb"), (second, "aaab"))
    named = [ScoreTable(t.table.assign(label=list(labels)), t.provenance) for t, labels in labelled]
    with pytest.raises(InputError, match="disagree in the column label"):
        by_critic(named)
    with pytest.raises(InputError, match="disagree in the column label"):
        by_critic([named[0], second])
    embedded = ScoreTable(second.table.assign(**{"embedding.critic": [np.ones(2)] * 4}), second.provenance)
    with pytest.raises(InputError, match="some of these tables have embeddings and some have none"):
        by_critic([first, embedded])
