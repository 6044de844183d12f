"""What pages show of trainings, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from gan_probe.studies.base import StudyResult, plain
from gan_probe.studies.diagnose.metrics import DiagnoseMetrics
from gan_probe.studies.judgement import NO_USE, Answer, Judgement, Opening
from gan_probe.text import placeless


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True)
class DiagnoseResult(StudyResult):
    """How one training or several went.

    Attributes
    ----------
    runs : mapping of str to TrainingRecord
        By the name that the page uses.
    provenance : dict
    warnings : list of str
    """

    study: ClassVar = "diagnose"

    runs: Mapping[str, TrainingRecord]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    def findings(self) -> list[str]:
        """Return what is said of each run; the run is named where there are several."""
        several = len(self.runs) > 1
        return [f"{name}: {line}" if several else line for name, run in self.runs.items() for line in run.diagnosis]

    def metrics(self) -> DiagnoseMetrics:
        """Return what the command prints."""
        return DiagnoseMetrics(diagnosis={name: list(run.diagnosis) for name, run in self.runs.items()})

    def opening(self) -> Opening:
        """Return what the page is about: how trainings went is no answer to whether a critic is useful."""
        about = "these trainings" if len(self.runs) > 1 else "this training"
        says = (
            f"This page shows how {about} went. Whether a critic is useful, scores of labelled images say: gan-probe"
            " score, then gan-probe report."
        )
        return Opening(judgement=Judgement(answer=Answer(headline=NO_USE, says=says)), about=(", ".join(self.runs),))

    def record(self) -> dict[str, Any]:
        """Return settings, facts, diagnosis and health of each run."""
        return {
            "runs": {
                name: {
                    "settings": placeless(run.settings),
                    "facts": placeless(run.facts),
                    "diagnosis": list(run.diagnosis),
                    "health": [plain(row) for row in run.health],
                    "seconds": float(run.metrics["elapsed_s"].iloc[-1]) if len(run.metrics) else None,
                }
                for name, run in self.runs.items()
            }
        }
