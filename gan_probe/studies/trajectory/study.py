"""What a critic's scores of classes were at each snapshot of its training: the verb ``trajectory`` as a function."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gan_probe.critics.critic import Critic, Forward
from gan_probe.critics.identity import WEIGHTS
from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.names import check_name
from gan_probe.scoring.controls import SEEDS, measure_statistics, random_inits
from gan_probe.scoring.engines import LOCAL, Engine
from gan_probe.scoring.table import factor_columns
from gan_probe.stats.auroc import n_separated, separate
from gan_probe.stats.beside import RANDOM_INIT
from gan_probe.stats.margin import SCORE_MEASURES, Margin, margins
from gan_probe.stats.pairwise import class_rows
from gan_probe.studies.base import Notes, quiet
from gan_probe.studies.diagnose.study import training_record
from gan_probe.studies.trajectory.result import TrajectoryResult, courses, shares_by_step
from gan_probe.training.runs.folder import RunFolder
from gan_probe.types import Images, Labels, OnPart, Values
from gan_probe.version import VERSION

MIN_SNAPSHOTS = 2
STATISTICS = "statistics"
KEPT = ("sample_id", "path", "label")


def find_snapshots(run_folder: str | Path) -> dict[int, Path]:
    """Return the critics that a training left on its way, by step, and the finished one where its step is another.

    Raises
    ------
    InputError
        When it is not a run folder, or fewer than two are there.
    """
    run = RunFolder(Path(run_folder))
    config, _ = run.read_config()
    found = run.snapshots()
    if (run.critic / WEIGHTS).is_file():
        found.setdefault(Critic.load(run.critic).config.step, run.critic)
    if len(found) < MIN_SNAPSHOTS:
        raise InputError(
            f"{run.path} holds {len(found)} of the at least {MIN_SNAPSHOTS} snapshots that a trajectory needs; it was"
            f" trained with n_snapshots={config.n_snapshots}. Train again into another folder with"
            " --set n_snapshots=10."
        )
    return dict(sorted(found.items()))


def trajectory(
    run_folder: str | Path,
    data: ImageSet,
    *,
    reference: str | None = None,
    controls: bool = True,
    batch_size: int | None = None,
    device: torch.device | str = "cpu",
    engine: Engine = LOCAL,
    on_step: OnPart = quiet,
) -> TrajectoryResult:
    """Return how the scores of the classes of ``data`` fell apart during a training, beside what needs no training.

    Parameters
    ----------
    run_folder : path
        Of a training with snapshots, finished or not.
    data : ImageSet
        With labels.
    reference : str, optional
        The class that scores are centred on. Default: the first class of the training data that is here, else the first
        class.
    controls : bool
        Count the pairs that three randomly initialised critics and the snapshot of step 0, where there is one,
        separate, and those that each image statistic of `gan_probe.scoring.controls.CONTROLS` does.
    batch_size : int, optional
    device : str or torch.device
    engine : Engine
        Who passes the images through the critics.
    on_step : callable, optional
        Called with the name of each critic when it has scored.

    Raises
    ------
    InputError
        For a folder without snapshots, data without labels or with fewer than two classes, images that do not fit, or
        fewer than two snapshots with finite scores.
    ConfigError
        For an unknown reference class.
    """
    record, found = training_record(run_folder), find_snapshots(run_folder)
    if "label" not in data.table:
        raise InputError(f"{data.source} has no labels; a trajectory is about classes. Add a label column or folders.")
    labels = data.table["label"].astype(str).to_numpy()
    classes = list(class_rows(labels))
    if reference is not None:
        check_name("reference class", reference, classes)
    last = Critic.load(list(found.values())[-1], device)
    data = data.with_channels(last.config.image_shape[2])
    run = partial(engine.run, batch_size=batch_size)
    scores, warnings = {}, []
    for step, path in found.items():
        values = run([Critic.load(path, device)], data.images)[0].scores
        if np.isfinite(values).all():
            scores[step] = values
        else:
            n_bad = int((~np.isfinite(values)).sum())
            warnings.append(f"{path.name} is left out: {n_bad} of its {len(values)} scores are not finite numbers.")
        on_step(f"step {step}")
    n_skipped = len(found) - len(scores)
    if len(scores) < MIN_SNAPSHOTS:
        raise InputError(
            f"only {len(scores)} of the {len(found)} snapshots in {run_folder} have finite scores, and a trajectory"
            f" needs at least {MIN_SNAPSHOTS}. The training diverged; train again with a smaller learning rate."
        )
    steps, stacked = tuple(scores), np.stack(list(scores.values()))
    beside, said = _controls(last, data.images, run) if controls else ({}, [])
    for kind, of_kind in beside.items():
        finite = {name: values for name, values in of_kind.items() if np.isfinite(values).all()}
        said = [*said, *(f"control {n} is left out: its values are not finite." for n in of_kind if n not in finite)]
        beside[kind] = finite
    on_step("controls")
    random_init, statistics = (
        {name: n_separated(separate(values, labels)) for name, values in found.items()}
        for found in (beside.get(RANDOM_INIT, {}), beside.get(STATISTICS, {}))
    )
    left_out = Notes()
    at_end = None
    if controls:
        with left_out.part("the verdict"):
            at_end = _at_end(stacked[-1], beside, labels)
    if controls and steps[0] == 0:
        random_init["step 0"] = n_separated(separate(stacked[0], labels))
    kept = [*(c for c in KEPT if c in data.table), *factor_columns(data.table).values()]
    table = data.table[[c for c in data.table if c in kept]].reset_index(drop=True)
    notes = [*said, *(f"the critic was {note}" for note in last.notes), *_lag(record.settings)]
    if last.config.was_trained_on(data):
        notes.append("these are the images that the critic was trained on; scores of new ones will differ.")
    return TrajectoryResult(
        steps=steps,
        scores=stacked,
        table=table,
        reference=reference or next((c for c in last.config.training_classes if c in classes), classes[0]),
        courses=courses(steps, stacked, labels),
        shares=shares_by_step(steps, stacked, table, notes.append),
        random_init=random_init,
        statistics=statistics,
        sheets=record.sheets,
        provenance=_provenance(run_folder, last, data, record.settings),
        warnings=[*data.warnings, *warnings, *notes, *left_out],
        n_skipped=n_skipped,
        at_end=at_end,
    )


def _controls(
    critic: Critic, images: Images, run: Callable[..., list[Forward]]
) -> tuple[dict[str, dict[str, Values]], tuple[str, ...]]:
    """Return the scores of random critics and of image statistics, by kind and name, and what is to be said."""
    others, notes = random_inits(critic)
    random_init = {f"seed {seed}": found.scores for seed, found in zip(SEEDS, run(others, images), strict=False)}
    return {RANDOM_INIT: random_init, STATISTICS: dict(measure_statistics(images))}, notes


def _at_end(scores: Values, beside: dict[str, dict[str, Values]], labels: Labels) -> Margin:
    """Return how well the score alone names the class, beside the controls: the measure of the verb ``report``."""
    random_init = tuple(v for v in beside[RANDOM_INIT].values() if np.isfinite(v).all())
    controls = {RANDOM_INIT: random_init} if random_init else {}
    controls |= {name: (v,) for name, v in beside[STATISTICS].items() if np.isfinite(v).all()}
    (found,) = margins(SCORE_MEASURES, [scores], controls, labels)
    return found


def _lag(settings: Any) -> list[str]:
    """Return how far behind the training its snapshots are, where they hold a moving average of the weights."""
    decay, n_critic = settings["critic_average"], settings["n_critic"]
    if not decay:
        return []
    half = math.ceil(math.log(0.5) / math.log(decay) / n_critic)
    return [
        f"snapshots hold a moving average of the critic's weights (critic_average {decay:g}), which lags: until step"
        f" {half} more than half of it is the randomly initialised critic. Train with --set critic_average=0 for the"
        " weights themselves."
    ]


def _provenance(run_folder: str | Path, critic: Critic, data: ImageSet, settings: Any) -> dict[str, Any]:
    return {
        "run": str(run_folder),
        "run_id": critic.config.run_id,
        "network": critic.config.network,
        "critic_hash": critic.hash,
        "training_classes": list(critic.config.training_classes),
        "critic_average": settings["critic_average"],
        "data_source": str(data.source),
        "data_fingerprint": data.fingerprint,
        "images": len(data),
        "version": VERSION,
    }
