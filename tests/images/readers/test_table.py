"""Readers come from one table: its words, what it accepts, and what streaming leaves out."""

from pathlib import Path

import numpy as np
import pytest

from gan_probe.errors import InputError
from gan_probe.images.readers import ACCEPTED
from gan_probe.images.readers.table import READERS, find_reader
from synthetic import make_dataset, write_dataset


def test_every_reader_has_its_word_and_every_word_a_reader() -> None:
    assert {reader.title for reader in READERS} == set(ACCEPTED)


@pytest.mark.parametrize("format_name", ["folder", "npy", "parquet", "tar"])
def test_entries_decode_to_what_was_written(format_name: str, tmp_path: Path) -> None:
    dataset = make_dataset("article-test", per_class=1)
    write_dataset(dataset, tmp_path / "d", format=format_name)
    entries = find_reader(tmp_path / "d").entries(tmp_path / "d", None)
    assert len(entries.sources) == len(entries.names) == len(entries.table) == 10
    decoded = np.stack([entries.decode(source, None)[0] for source in entries.sources])
    assert np.array_equal(decoded, dataset.images)
    assert entries.decode(entries.sources[0], 16)[0].shape == (16, 16, 3)


def test_what_cannot_be_streamed_is_said_with_what_can(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 8, 8), np.uint8))
    assert find_reader(tmp_path / "x.npz").title == ".npz"
    accepted = "cannot be streamed. Accepted: a folder of images, a picture, .npy, .parquet, .tar, .csv"
    with pytest.raises(InputError, match=accepted):
        find_reader(tmp_path / "x.npz", streamed=True)
