"""`train`: from images to a run folder. The loop reads top to bottom; what a step does is in `step`."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gan_probe.config import TrainConfig
from gan_probe.critics.critic import Critic
from gan_probe.device import environment, resolve_precision
from gan_probe.errors import ConfigError, GanProbeError, InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.images.nulls import null_images
from gan_probe.images.readers.reading import as_images
from gan_probe.networks import NETWORKS, check_image_shape
from gan_probe.training.acceleration import accelerate
from gan_probe.training.augmentation import check_augmentations
from gan_probe.training.batches import ImageSource, batches
from gan_probe.training.ranks import Ranks, join, leave
from gan_probe.training.runs.folder import MARKER, RunFolder, open_run
from gan_probe.training.runs.health import Examiner
from gan_probe.training.runs.saving import Saver, run_id, training_classes
from gan_probe.training.semi_supervised import check_learnable, has_label, with_labelled
from gan_probe.training.step import generator_looks, new_state
from gan_probe.types import Images
from synthetic.files import atomic_folder, hold, remove_temporaries, write_atomically

REPORT_EVERY = 10  # steps between looks at the metrics: each look waits for the device
CHECKPOINT_EVERY_S = 60.0
N_ANCHORS = 64
DEFAULTS = TrainConfig()

OnStep = Callable[[int, Mapping[str, float]], None]


class DivergedError(GanProbeError):
    """The training produced values that are not numbers."""

    exit_code = 3


def snapshot_steps(steps: int, n_snapshots: int, late_snapshots: int = 0) -> tuple[int, ...]:
    """Return the steps after which the critic is saved, sorted.

    These are 0, then up to ``n_snapshots``, log-spaced, up to ``steps``; and ``late_snapshots`` evenly spaced in the
    second half, the last step among them.

    Examples
    --------
    >>> snapshot_steps(300, 5), snapshot_steps(300, 0, 3)
    ((0, 1, 4, 17, 72, 300), (200, 250, 300))
    """
    late = np.linspace(steps / 2, steps, late_snapshots + 1)[1:]
    if n_snapshots:
        late = np.concatenate([[0], np.geomspace(1, steps, n_snapshots) if n_snapshots > 1 else [steps], late])
    return tuple(int(s) for s in np.unique(np.round(late)))


def anchors(data: ImageSet) -> Images:
    """Return 64 images with nothing in them, which follow from the data alone, not from a seed."""
    n = N_ANCHORS // 4
    chosen = np.random.default_rng(0).choice(len(data), n, replace=len(data) < n)
    return np.concatenate(list(null_images(data.images[np.sort(chosen)]).values()))


def split_held_out(
    data: ImageSet, share: float, seed: int, *, kept: npt.NDArray[np.bool_] | None = None
) -> tuple[ImageSet, ImageSet]:
    """Return (training images, held-out images): a random ``share``, at least one when above zero.

    Those that are ``kept``, such as the few with labels, are held out last.
    """
    n_held_out = min(len(data) - 1, max(1, round(share * len(data)))) if share else 0
    order = np.random.default_rng(seed).permutation(len(data))
    if kept is not None:
        order = np.concatenate([order[~kept[order]], order[kept[order]]])
    return data.take(np.sort(order[n_held_out:])), data.take(np.sort(order[:n_held_out]))


class Reals(NamedTuple):
    """What a training sees: its images, those held out, the classes it knows, and where batches come from."""

    training: ImageSet
    held_out: ImageSet
    classes: tuple[str, ...]
    source: ImageSource


def reals_of(data: ImageSet, config: TrainConfig, device: torch.device) -> Reals:
    """Return what a training with these settings sees of the data."""
    kept = has_label(data) if config.semi_supervised else None
    training, held_out = split_held_out(data, config.held_out, config.split_seed, kept=kept)
    classes = training_classes(data, only_known=config.semi_supervised)
    labels = np.searchsorted(classes, training.table["label"].astype(str)) if config.conditional else None
    source = ImageSource.of(training.images, device, labels, anchors(data) if config.anchor else None)
    source = with_labelled(source, training, classes) if config.semi_supervised else source
    return Reals(training, held_out, classes, source)


def train(
    data: ImageSet | str | Path | Images,
    out: str | Path,
    config: TrainConfig = DEFAULTS,
    *,
    origins: Mapping[str, str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    device: torch.device | str = "cpu",
    on_step: OnStep | None = None,
    log: Callable[[str], None] | None = None,
) -> Critic:
    """Train a critic and its generator; return the critic, which also lies in ``out/critic``.

    Parameters
    ----------
    data : ImageSet, path or ndarray
        Labels are only recorded, but where the config is conditional or semi-supervised.
    out : path
        The run folder.
    config : TrainConfig
        Default: the recipe `compact`.
    origins : mapping, optional
        Where each setting comes from, for ``config.json``.
    resume : bool
        Continue from the checkpoint in ``out``; start when there is none. A finished run is returned as it is.
    overwrite : bool
        Replace a run folder in ``out``; with ``resume`` only where it was started with other settings or data.
    device : str or torch.device
    on_step : callable, optional
        Called as ``on_step(step, metrics)`` every ten steps and at the end.
    log : callable, optional
        Told in words how steps are taken, where that is not eagerly.

    Raises
    ------
    InputError
        When the images do not suit the network, or there are too few.
    ConfigError
        When a resumed run was started with other settings.
    FileExistsError
        When ``out`` is taken, or another process trains there now.
    DivergedError
        When a metric is no longer a number; snapshots until then are kept.

    Notes
    -----
    Under torchrun all processes train one run together. Where one of them fails alone, it leaves, the others fail too,
    and no further training begins in them.
    """
    device, out, data = torch.device(device), Path(out).resolve(), as_images(data)
    check_trainable(data, config)
    ranks = join(device)
    ranks.check(config)
    with ExitStack() as until_the_end:

        def prepare() -> None:
            until_the_end.enter_context(hold(out))
            _prepare(
                data, out, config,
                origins=origins or {}, resume=resume, overwrite=overwrite, device=device, n_processes=ranks.world,
            )  # fmt: skip

        ranks.first(prepare)
        try:
            return _train_on(data, RunFolder(out), config, device=device, ranks=ranks, on_step=on_step, log=log)
        except DivergedError:
            raise  # on all ranks alike
        except BaseException:
            leave()  # the others would wait for this process
            raise


def _train_on(  # noqa: C901 - the loop reads top to bottom
    data: ImageSet,
    run: RunFolder,
    config: TrainConfig,
    *,
    device: torch.device,
    ranks: Ranks,
    on_step: OnStep | None,
    log: Callable[[str], None] | None,
) -> Critic:
    """Train from the state that the run folder holds to the end."""
    has_generator = not config.without_generator
    if run.critic.is_dir() and (run.generator.is_dir() or not (has_generator and run.checkpoint.is_file())):
        return _loaded(run, device, ranks)
    training, held_out, classes, source = reals_of(data, config, device)
    state = new_state(config, data.image_shape, device, n_classes=len(classes), ranks=ranks)
    if run.checkpoint.is_file():
        run.read_checkpoint(state)
    ranks.wait()
    saver, is_first = Saver(run, config, data, device), ranks.rank == 0
    examiner = Examiner(training, held_out, config.seed) if is_first and has_generator else None
    spent_s = run.forget_after(state.step or -1) if is_first else 0.0  # from the start: step 0 is looked at again
    precision, saves = (
        resolve_precision(config.precision, device),
        set(snapshot_steps(config.steps, config.n_snapshots, config.late_snapshots)),
    )
    if is_first and state.step == 0 and 0 in saves:
        saver.save_snapshot(state, examiner)
    sees_reals = generator_looks(config)
    take_step = accelerate(state, config, precision, ranks=ranks, log=log if is_first else None)
    started, last_checkpoint, pending = time.perf_counter(), time.perf_counter(), []
    for batch in batches(source, config, first=state.step + 1, sees_reals=sees_reals, ranks=ranks):
        metrics = take_step(batch)
        pending.append((state.step, metrics))
        is_snapshot = state.step in saves or state.step == config.steps
        if len(pending) < REPORT_EVERY and not is_snapshot:
            continue
        rows = plain_rows(pending, spent_s + time.perf_counter() - started, ranks)
        pending = []
        if is_first:
            run.append_metrics(rows)
        check_finite(
            rows,
            f"Snapshots up to then are in {run.path / 'snapshots'}. Try a lower learning rate"
            " (--set learning_rate_critic=...).",
        )
        if not is_first:
            continue
        if on_step:
            on_step(state.step, rows[-1])
        if is_snapshot:
            saver.save_snapshot(state, examiner)
        if is_snapshot or time.perf_counter() - last_checkpoint > CHECKPOINT_EVERY_S:
            run.write_checkpoint(state)
            last_checkpoint = time.perf_counter()
    if is_first:
        if has_generator:
            saver.save_generator(state)
        saver.save_critic(state, n_training=len(training), held_out=held_out)
    ranks.wait()
    return _loaded(run, device, ranks)


def _loaded(run: RunFolder, device: torch.device, ranks: Ranks) -> Critic:
    """Return the finished critic, once all ranks have read it: the first may go on and replace it."""
    critic = Critic.load(run.critic, device)
    ranks.wait()
    return critic


def check_trainable(data: ImageSet, config: TrainConfig) -> None:
    """Raise unless a training on ``data`` can start.

    Raises
    ------
    InputError
        For fewer than two images, images that are all equal, a shape that the network does not take, or a conditional
        or semi-supervised training without labels.
    ConfigError
        For a penalty that does not fit the network, or an augmentation that does not fit the images.
    """
    check_image_shape(config.network, data.image_shape)
    check_augmentations(config.augmentations, data.image_shape[2])
    if NETWORKS[config.network].batch_dependent and config.penalty != "none":
        raise ConfigError(
            f"penalty {config.penalty!r} is a slope at each image alone, and the critic of network {config.network!r}"
            " normalises over the batch. Set penalty to 'none' and objective to non-saturating, or choose another"
            " network."
        )
    if data.images.dtype != np.uint8:
        raise InputError(f"images must be uint8 (0..255), got {data.images.dtype}.")
    if len(data) < 2:
        raise InputError(
            f"{data.source} holds {len(data)} image; a training needs at least 2, and some hundred to be of use."
        )
    if data.table["sample_id"].nunique() == 1:
        raise InputError(f"all {len(data)} images in {data.source} are equal; there is nothing to learn.")
    if config.semi_supervised:
        check_learnable(data)
    if config.conditional and len(training_classes(data)) < 2:
        raise InputError(
            f"a conditional training needs labels of at least two classes; {data.source} has"
            f" {len(training_classes(data)) or 'none'}. Add a label column or class folders."
        )


# --- the run folder ----------------------------------------------------------------------------------------------


def _prepare(
    data: ImageSet,
    out: Path,
    config: TrainConfig,
    *,
    origins: Mapping[str, str],
    resume: bool,
    overwrite: bool,
    device: torch.device,
    n_processes: int,
) -> None:
    """Make the run folder, or see that the one there may be resumed."""
    named = list(map(str, data.table["source"].unique())) if "source" in data.table else []
    sources = [data.source, *map(Path, named)]
    if any(source.is_dir() and out.is_relative_to(source.resolve()) for source in sources):
        raise InputError(
            f"{out} lies in the folder of the images, so its samples would become data. Choose another --out."
        )
    if resume and (out / MARKER).is_file():
        try:
            open_run(out, config=config, fingerprint=data.fingerprint)
            remove_temporaries(out)
            return
        except GanProbeError:
            if not overwrite:
                raise  # with it: an older run, which the work that was cut off had not come to
    if any(source.exists() and source.resolve().is_relative_to(out) for source in sources):
        raise InputError(f"the images lie in {out}, which the run would replace. Choose another --out.")
    facts = {
        "run_id": run_id(config, data.fingerprint),
        "data_fingerprint": data.fingerprint,
        "data_source": str(data.source),
        **({"data_sources": named} if len(named) > 1 else {}),
        "n_images": len(data),
        "image_shape": list(data.image_shape),
        "precision_used": resolve_precision(config.precision, device),
        "device": str(device),
        "n_processes": n_processes,
    }
    with atomic_folder(out, marker=MARKER, overwrite=overwrite) as folder:
        out.mkdir(exist_ok=True)  # the name is taken from here on; what a kill leaves is an empty folder, which is free
        RunFolder(folder).write_config(config, origins, facts)
        write_atomically(folder / "environment.json", json.dumps(environment(), indent=2) + "\n")


def plain_rows(pending: list[tuple[int, dict[str, Tensor]]], elapsed_s: float, ranks: Ranks) -> list[dict[str, float]]:
    """Return rows of plain numbers, each the mean over the ranks; reading them waits for the device."""
    names = list(pending[0][1])
    values = ranks.mean(torch.stack([torch.stack([metrics[n].float() for n in names]) for _, metrics in pending]))
    return [
        {"step": step, **dict(zip(names, row, strict=True)), "elapsed_s": round(elapsed_s, 3)}
        for (step, _), row in zip(pending, values.tolist(), strict=True)
    ]


def check_finite(rows: Iterable[Mapping[str, float]], advice: str) -> None:
    """Raise `DivergedError` unless every metric is a number."""
    for row in rows:
        if not all(math.isfinite(v) for v in row.values()):
            raise DivergedError(f"the training diverged at step {row['step']}. {advice}")
