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
        hashes = folder_hashes(folder) if str(path) and file.is_file() else set()
        if scores.provenance.get("critic_hash") in hashes:
            table = pd.read_parquet(file)
            if table.attrs.get("critic_hash", min(hashes)) in hashes:  # version 0.1.0 did not write whose they are
                return table["critic_score"].to_numpy(dtype=np.float64)
    return None
