"""What pages show of a training, read from its run folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from gan_probe.studies.diagnose.result import DiagnoseResult, TrainingRecord
from gan_probe.training.runs.folder import HEALTH_FILE, METRICS_FILE, RunFolder


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
    return TrainingRecord(
        settings=config.as_dict(),
        facts=facts,
        metrics=run.read_metrics(),
        sheets=sheets,
        health=run.read_health(),
        diagnosis=run.diagnosis(),
    )


def diagnose(runs: Mapping[str, str | Path]) -> DiagnoseResult:
    """Return how trainings went: balance, gradients, mode collapse, memorising.

    Parameters
    ----------
    runs : mapping of str to path
        Run folders by the names that the page uses, finished or not.

    Raises
    ------
    InputError
        When one is not a run folder.
    """
    found = {name: training_record(run) for name, run in runs.items()}
    return DiagnoseResult(found, warnings=[line for name, path in runs.items() for line in _gone(path, found[name])])


def _gone(folder: str | Path, found: TrainingRecord) -> Iterator[str]:
    """Yield a sentence for each record that a training of some steps leaves, and that is not there."""
    steps = max(RunFolder(Path(folder)).snapshots(), default=0)
    kept = {METRICS_FILE: found.metrics.empty}
    if not found.settings["without_generator"]:
        kept[HEALTH_FILE] = not found.health
    for name, is_empty in kept.items():
        if steps and is_empty:
            yield f"{Path(folder) / name} is gone or empty after {steps} steps, so nothing is said of what stood there."
