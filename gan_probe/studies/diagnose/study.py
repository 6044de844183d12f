"""What pages show of a training, read from its run folder."""

from __future__ import annotations

from pathlib import Path

from gan_probe.studies.diagnose.result import TrainingRecord
from gan_probe.training.runs.folder import RunFolder


def training_record(folder: str | Path) -> TrainingRecord:
    """Return what pages show of the training in a run folder.

    Raises
    ------
    InputError
        When it is not a run folder.
    """
    run = RunFolder(Path(folder))
    config, facts = run.read_config()
    sheets = {int(p.stem[5:]): p for p in sorted((run.path / "samples").glob("step-*.png")) if p.stem[5:].isdigit()}
    return TrainingRecord(config.as_dict(), facts, run.read_metrics(), sheets, run.read_health(), run.diagnosis())
