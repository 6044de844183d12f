"""The scores of held-out reals that are kept beside a critic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gan_probe.critics.identity import folder_hashes
from gan_probe.scoring.table import ScoreTable


def read_held_out(path: str | Path, scores: ScoreTable) -> npt.NDArray[np.float64] | None:
    """Return the scores of held-out reals that are kept beside the critic in ``path``; None where they are not its."""
    for folder in (Path(path), Path(path) / "critic"):
        file = folder / "reference.parquet"
        if str(path) and file.is_file() and scores.provenance.get("critic_hash") in folder_hashes(folder):
            return pd.read_parquet(file)["critic_score"].to_numpy(dtype=np.float64)
    return None
