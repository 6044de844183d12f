"""A last phase without generators: critics of several runs are trained on against one bank of fakes that all share.

During a training each critic sees the fakes of its own generator, and what it says follows where those happen to be.
Against the same reals and the same fakes, critics of all runs are after the same function.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gan_probe.config import TrainConfig
from gan_probe.critics.critic import Critic
from gan_probe.critics.generator import Generator
from gan_probe.device import environment, resolve_precision
from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet, fit_channels
from gan_probe.training.batches import ImageSource, UpdateBatch, draw_views, step_generator
from gan_probe.training.loop import REPORT_EVERY, OnStep, anchors, check_finite, plain_rows, split_held_out
from gan_probe.training.ranks import ALONE
from gan_probe.training.runs.folder import MARKER, RunFolder, open_run
from gan_probe.training.runs.saving import Saver, run_id
from gan_probe.training.step import State, critic_update, new_state, set_rates, update_average
from gan_probe.types import Images
from synthetic import sample_id
from synthetic.files import atomic_folder, write_atomically

BANK_SIZE = 1000


def fake_bank(runs: Mapping[str, Path], *, n: int = BANK_SIZE, seed: int = 0) -> Images:
    """Return ``n`` fakes, (n, h, w, c) uint8, as many of each run's generator, in the order of the runs.

    Raises
    ------
    InputError
        For a run without a generator, generators of different shapes, or fewer fakes than runs.
    """
    if n < len(runs):
        raise InputError(f"a bank must hold a fake of each of the {len(runs)} runs at least, got {n}.")
    generators = {name: Generator.load(run) for name, run in runs.items()}
    shapes = {generator.config.image_shape for generator in generators.values()}
    if len(shapes) > 1:
        raise InputError(f"the runs make images of different shapes ({sorted(shapes)}); they cannot share a bank.")
    counts = [len(part) for part in np.array_split(np.arange(n), len(generators))]
    return np.concatenate([g.sample(k, seed=seed) for g, k in zip(generators.values(), counts, strict=True)])


def settle(
    run: str | Path,
    data: ImageSet,
    bank: Images,
    out: str | Path,
    *,
    updates: int = 300,
    resume: bool = False,
    overwrite: bool = False,
    device: torch.device | str = "cpu",
    on_step: OnStep | None = None,
) -> Critic:
    """Train the critic of a finished run on, without its generator; return it as it is then.

    The learning rate falls from the run's own to zero, and what is saved is the mean of the weights over the second
    half of the updates.

    Parameters
    ----------
    run : path
        A run folder, with its checkpoint.
    data : ImageSet
        What it was trained on.
    bank : ndarray of uint8, shape (n, h, w, c)
        The fakes.
    out : path
        A run folder to write, without a generator.
    updates : int
        Of the critic.
    resume : bool
        Leave ``out`` as it is where this run was settled in the same way before; with ``overwrite`` too, replace it
        where it was made otherwise.
    overwrite : bool
    device : str or torch.device
    on_step : callable, optional
        Called as ``on_step(update, metrics)``.

    Raises
    ------
    InputError
        When the run has no checkpoint, was trained on other data, with labels or with auxiliary tasks, the bank does
        not fit, ``out`` and the run or the data lie in one another, or what ``resume`` finds was made otherwise.
    FileExistsError
        When ``out`` is taken.
    DivergedError
        When a metric is no longer a number.
    """
    source, out, device = RunFolder(Path(run)), Path(out), torch.device(device)
    trained, facts = source.read_config()
    bank = fit_channels(bank, data.image_shape[2])
    _check(source, trained, facts, data=data, bank=bank, out=out)
    config = trained.updated(
        {"steps": updates, "n_critic": 1, "decay_share": 1.0, "critic_average": 0.0, "average_share": 0.5}
    )
    settled = {"from": facts.get("run_id"), "steps": trained.steps, "bank": sample_id(bank), "n_bank": len(bank)}
    if resume and out.exists():
        try:
            return _finished(RunFolder(out), settled, updates, device)
        except InputError:
            if not overwrite:
                raise  # with it: an older one, which the work that was cut off had not come to
    state = new_state(config, data.image_shape, device)
    source.read_checkpoint(state)
    facts |= {"run_id": run_id(config, data.fingerprint), "settled": settled, "device": str(device)}
    with atomic_folder(out, marker=MARKER, overwrite=overwrite) as temporary:
        folder = RunFolder(temporary)
        folder.write_config(config, dict.fromkeys(config.as_dict(), f"settled from {source.path.name}"), facts)
        write_atomically(temporary / "environment.json", json.dumps(environment(), indent=2) + "\n")
        training, held_out = split_held_out(data, config.held_out, config.split_seed)
        _go_on(
            state,
            folder,
            config,
            training=training,
            bank=bank,
            nulls=anchors(data) if config.anchor else None,
            device=device,
            on_step=on_step,
        )
        state.step = trained.steps
        Saver(folder, config, data, device).save_critic(state, n_training=len(training), held_out=held_out)
    return Critic.load(out, device)


def _check(
    source: RunFolder, config: TrainConfig, facts: Mapping[str, Any], *, data: ImageSet, bank: Images, out: Path
) -> None:
    """Raise unless this run can be settled into ``out``."""
    if "settled" in facts:
        raise InputError(f"{source.path} is settled already; settle the run that it comes from.")
    if not source.checkpoint.is_file() or not source.critic.is_dir():
        raise InputError(f"{source.path} is not finished, or its {source.checkpoint.name} is gone; train it first.")
    open_run(source.path, config=config, fingerprint=data.fingerprint)
    if config.auxiliary:
        raise InputError(
            f"{source.path} learned {config.auxiliary} beside the game, and a last phase against shared fakes would"
            " teach its score alone. Settle runs without --auxiliary."
        )
    if config.conditional:
        raise InputError(f"{source.path} is class-conditional; the fakes of a bank have no labels.")
    if config.semi_supervised:
        raise InputError(f"{source.path} is semi-supervised, and its labels take no part in settling. Settle others.")
    if bank.dtype != np.uint8 or bank.shape[1:] != data.image_shape or not len(bank):
        raise InputError(f"a bank must hold uint8 images of {data.image_shape}, got {bank.dtype} {bank.shape}.")
    for other in (source.path.resolve(), data.source.resolve()):
        if other.exists() and (other.is_relative_to(out.resolve()) or out.resolve().is_relative_to(other)):
            raise InputError(f"{out} and {other} are one, or one lies in the other. Choose another --out.")


def _finished(folder: RunFolder, settled: Mapping[str, Any], updates: int, device: torch.device) -> Critic:
    """Return the critic of a folder that was settled in the same way before."""
    config, facts = folder.read_config()
    if facts.get("settled") != settled or config.steps != updates:
        raise InputError(
            f"{folder.path} is not this run settled with these fakes: {facts.get('settled', 'not settled')},"
            f" {config.steps} updates, now {dict(settled)}, {updates} updates. Choose another --out, or --overwrite."
        )
    return Critic.load(folder.critic, device)


def _go_on(
    state: State,
    folder: RunFolder,
    config: TrainConfig,
    *,
    training: ImageSet,
    bank: Images,
    nulls: Images | None,
    device: torch.device,
    on_step: OnStep | None,
) -> None:
    """Take ``config.steps`` critic updates against the bank; reals and fakes of each follow from (seed, update)."""
    state.step = 0
    reals = ImageSource.of(training.images, device, nulls=nulls)
    fakes = torch.from_numpy(np.array(bank)).to(device)
    precision, pending, started = resolve_precision(config.precision, device), [], time.perf_counter()
    while state.step < config.steps:
        state.step += 1
        set_rates(state, config)
        rng = step_generator(config.seed, -state.step)  # other numbers than those of the steps before
        rows, chosen = (torch.randint(n, (config.batch_size,), generator=rng) for n in (len(training), len(bank)))
        alpha = torch.rand(config.batch_size, generator=rng)
        views = draw_views(config, rng)
        batch = UpdateBatch(torch.empty(0), alpha, rows, fake=fakes[chosen.to(device)], views=views)
        metrics = critic_update(state, reals.with_reals(batch).map(lambda t: t.to(device)), config, precision=precision)
        update_average(state.average, state.critic, state.share)
        pending.append((state.step, metrics))
        if len(pending) == REPORT_EVERY or state.step == config.steps:
            rows_read = plain_rows(pending, time.perf_counter() - started, ALONE)
            folder.append_metrics(rows_read)
            check_finite(rows_read, "The run that it comes from is as it was. Try fewer --updates, or another --bank.")
            pending = []
            if on_step:
                on_step(state.step, rows_read[-1])
