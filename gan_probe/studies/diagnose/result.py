"""What pages show of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class TrainingRecord:
    """What pages show of a training.

    Attributes
    ----------
    settings : mapping
        Name to value.
    facts : mapping
        The run's id, data and device.
    metrics : DataFrame
        One row a step; see `gan_probe.training.runs.folder.METRICS`.
    sheets : mapping of int to Path
        Step to a picture of generated images.
    health : sequence of mapping
        One row a snapshot; see `gan_probe.training.runs.health.Examiner.examine`.
    diagnosis : sequence of str
        In plain words.
    """

    settings: Mapping[str, Any]
    facts: Mapping[str, Any]
    metrics: pd.DataFrame
    sheets: Mapping[int, Path]
    health: Sequence[Mapping[str, Any]] = ()
    diagnosis: Sequence[str] = ()
