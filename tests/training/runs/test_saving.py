"""What a training leaves behind: the model card shows labels as they are, and obeys none of them."""

from dataclasses import replace
from pathlib import Path

from gan_probe.images.image_set import ImageSet
from gan_probe.training import train
from tests.conftest import BARE


def test_labels_are_text_in_the_model_card(train_set: ImageSet, tmp_path: Path) -> None:
    names = ["[click](https://x.example)|# <b>", "a\x1b[2J\u202egpj\nb"]
    odd = train_set.table["label"].map(dict(zip(sorted(set(train_set.table["label"])), names, strict=True)))
    data = replace(train_set, table=train_set.table.assign(label=odd))
    train(data, tmp_path / "run", replace(BARE, steps=1))
    card = (tmp_path / "run" / "critic" / "README.md").read_text()
    assert not {"\x1b", "\u202e"} & set(card)
    assert r"\[click\](https\://x.example)\|" in card
    assert "<b>" not in card
