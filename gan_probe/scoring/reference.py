"""The scores of held-out reals that are kept beside a critic."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gan_probe.critics.identity import folder_hashes
from gan_probe.errors import InputError
from gan_probe.records import read_table
from gan_probe.scoring.table import ScoreTable


def read_held_out(path: str | Path, scores: ScoreTable) -> npt.NDArray[np.float64] | None:
    """Return the scores of held-out reals that are kept beside the critic in ``path``; None where they are not its.

    Raises
    ------
    InputError
        When the file beside the critic is damaged.
    """
    kept = _read(path, scores.provenance.get("critic_hash"), "critic_score")
    return None if kept is None else np.asarray(kept, dtype=np.float64)


def read_kept(path: str | Path, critic_hash: str) -> set[str]:
    """Return the ``sample_id`` of the held-out reals that are kept beside the critic in ``path``; none where unknown.

    Raises
    ------
    InputError
        When the file beside the critic is damaged.
    """
    kept = _read(path, critic_hash, "sample_id")
    return set() if kept is None else set(kept)


def _read(path: str | Path, critic_hash: object, column: str) -> pd.Series | None:
    for folder in (Path(path), Path(path) / "critic"):
        file = folder / "reference.parquet"
        hashes = folder_hashes(folder) if str(path) and file.exists() else set()
        if critic_hash not in hashes:
            continue
        table = read_table(file)
        try:
            facts = json.loads((table.schema.metadata or {}).get(b"PANDAS_ATTRS", b"{}"))
            if facts.get("critic_hash", min(hashes)) in hashes:  # version 0.1.0 did not write whose they are
                return table[column].to_pandas().astype(np.float64 if column == "critic_score" else str)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{file} holds no scores of held-out reals ({error}). Name a table: --reals.") from error
    return None
