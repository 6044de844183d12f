"""``gan-probe train``."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gan_probe.cli.options import (
    DataPaths,
    Device,
    DryRun,
    Jobs,
    Json,
    Overwrite,
    SizePx,
    SplitName,
    command_line,
    parse_settings,
    refuse_given,
)
from gan_probe.cli.run_study import all_of, open_images, paths_of, train_critic
from gan_probe.cli.session import Session
from gan_probe.config import AUGMENTATIONS, AUXILIARIES, OBJECTIVES, PRESETS, VARIED, TrainConfig
from gan_probe.config import preset as find_preset
from gan_probe.names import check_name

if TYPE_CHECKING:
    import torch

    from gan_probe.images.image_set import ImageSet

SEMI_SUPERVISED = "semi-supervised"  # a row of PRESETS


def train(
    data: DataPaths,
    out: Annotated[Path, typer.Option(help="The run folder to write.")],
    preset: Annotated[
        str | None, typer.Option(help=f"Recipe: {', '.join(PRESETS)}. Default: compact; with --labels semi-supervised.")
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="Networks, in place of the recipe's: gan-probe list networks.")
    ] = None,
    objective: Annotated[
        str | None, typer.Option(help=f"Losses, in place of the recipe's: {', '.join(OBJECTIVES)}.")
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(help=f"Done at random to reals and fakes alike: {', '.join(AUGMENTATIONS)}; several by commas."),
    ] = None,
    auxiliary: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[:WEIGHT]",
            help=f"Learned beside the game: {', '.join(AUXILIARIES)}; several by commas.",
        ),
    ] = None,
    without_generator: Annotated[
        bool,
        typer.Option(
            "--without-generator", help="By --auxiliary or --labels alone: the control for a critic trained with it."
        ),
    ] = False,
    steps: Annotated[int | None, typer.Option(help="Generator updates, each with its critic updates.")] = None,
    epochs: Annotated[
        int | None, typer.Option(help="In place of --steps: passes of the critic over the data.", min=1)
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            help="In place of --steps: as many as this machine takes in so long, measured on a few; of all --runs"
            " together. The number is kept, so that --resume and a repetition take the same steps.",
            min=0.01,
        ),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Real images in each update.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto (bf16 where it is native), fp32, bf16 or tf32.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights and batches.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any other setting.")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            help="Learn from few labels beside all images (recipe semi-supervised): a table with columns path and"
            " label, a number (so many a class of those that the images have), or all."
        ),
    ] = None,
    runs: Annotated[
        int, typer.Option(help="Train so many critics, in OUT/run-00, run-01, ...; for gan-probe stability.", min=1)
    ] = 1,
    vary: Annotated[
        str,
        typer.Option(
            help=f"What differs between --runs: {', '.join(VARIED)} (first weights, batches, which are held out)."
        ),
    ] = "all",
    jobs: Jobs = None,
    threads: Annotated[
        str | None,
        typer.Option(
            help="Of a training on a CPU: a number, or auto: one or one a core, whichever takes a few steps faster,"
            " kept for --resume on the same machine. Default: torch's. Another number rounds sums otherwise."
        ),
    ] = None,
    split: SplitName = None,
    size: SizePx = None,
    stream: Annotated[
        bool | None,
        typer.Option(
            "--stream/--no-stream",
            help="Fetch images from disk as they are wanted. Default: when they would take over half of the memory.",
        ),
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(help="tensorboard: curves and samples in OUT/tensorboard, too; needs gan-probe[tensorboard]."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue a training that was cut off; start if there is none.")
    ] = False,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Train a GAN (WGAN-GP by default) on images without labels, or with few, and keep its critic.

    On several processes: torchrun --nproc-per-node N -m gan_probe train ...; the batch size is that of all together.
    """
    is_first = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun started
    several = "RANK" in os.environ
    replaces = " --overwrite" if overwrite and runs > 1 else ""  # older runs that the work did not come to
    hint = "the same torchrun command and --resume." if several else f"{command_line('--resume')}{replaces}"
    hint = f"Go on with{'' if several else ':'} {hint}"
    again = overwrite and runs == 1 and not several  # until the old run is gone, --resume would return it
    first = f"Go on with: {command_line()}" if again else hint
    with Session("train", json, resume_hint=first, quiet=not is_first) as session:
        from gan_probe.device import resolve_device, resolve_precision
        from gan_probe.images.readers.few_labels import with_few_labels
        from gan_probe.training import train as run_training
        from gan_probe.training.loop import check_trainable
        from gan_probe.training.parallel import default_jobs, devices_for
        from gan_probe.training.ranks import leave
        from gan_probe.training.runs.events import check_log
        from gan_probe.training.runs.folder import MARKER
        from synthetic.files import check_free

        check_log(log)
        typed = {
            "network": network,
            "objective": objective,
            "augment": augment,
            "auxiliary": auxiliary,
            "without_generator": without_generator or None,
            "steps": steps,
            "batch_size": batch_size,
            "precision": precision,
            "seed": seed,
            "semi_supervised": None if labels is None else True,
        }
        given = _given({name: value for name, value in typed.items() if value is not None}, settings or [])
        usual = "compact" if labels is None else SEMI_SUPERVISED
        config = _start(out, preset, usual, resume=resume).updated(given)
        images = with_few_labels(_read(session, data, size, split, stream), labels, seed=config.seed)
        if sum(length is not None for length in (steps, epochs, minutes)) > 1:
            raise typer.BadParameter("give one of --steps, --epochs and --minutes.")
        if epochs is not None:
            given["steps"] = config.steps_for(epochs, len(images))
            config = config.updated(given)
        chosen = resolve_device(device)
        check_trainable(images, config)
        _check_runs(out, runs, vary=vary, jobs=jobs)
        at_a_time = 1 if several or runs == 1 else min(runs, jobs or default_jobs(runs, images, chosen))
        _set_threads(
            session, threads, out, images, config, device=chosen, is_one=runs == 1 and not several, resume=resume
        )
        if minutes is not None:
            began = out / "run-00" if runs > 1 else out
            seconds = 60 * minutes / math.ceil(runs / at_a_time)
            given["steps"] = (resume and _steps_of(began)) or _steps_within(
                session, seconds, images, config, device=chosen, jobs=at_a_time
            )
            config = config.updated(given)
        planned = {out / f"run-{k:02d}": config.varied(vary, k) for k in range(runs)} if runs > 1 else {out: config}
        for path in planned:
            if is_first and not (resume and (path / MARKER).is_file()):
                check_free(path, marker=MARKER, overwrite=overwrite)
        used = resolve_precision(config.precision, chosen)
        session.plan(
            dry_run,
            {
                "data": f"{len(images)} images of {images.image_shape}, {_where(images)}{_labelled(images, config)}",
                "device": chosen,
                "arithmetic": used,
                **next(iter(planned.values())).as_dict(),
                "out": out
                if runs == 1
                else f"{out}/run-00 to run-{runs - 1:02d}, differing in {vary}, {at_a_time} at a time",
            },
        )
        session.warn(_lost(planned if resume and is_first else ()))
        settled = {} if minutes is None else {"steps": f"what {minutes:g} minutes were enough for"}
        origins = {path: _origins(one, preset or usual, given) | settled for path, one in planned.items()}
        with ExitStack() as last_things:
            last_things.callback(leave)
            if runs > 1:
                if is_first:
                    session.hold(out)
                spread = devices_for(chosen)
                tasks = {
                    path: partial(
                        run_training,
                        images,
                        path,
                        one,
                        origins=origins[path],
                        resume=resume,
                        overwrite=overwrite,
                        device=spread[number % len(spread)],
                    )
                    for number, (path, one) in enumerate(planned.items())
                }
                ended = session.side_by_side(
                    f"training {runs} runs",
                    tasks,
                    jobs=at_a_time,
                    steps=config.steps,
                    tell=lambda path: _ended(session, path, used, str(chosen), log=log) if is_first else {},
                )
                session.outputs["runs"], session.metrics["runs"] = str(out), list(ended.values())
                return
            session.resume_hint = hint
            train_critic(
                session,
                images,
                out,
                config,
                device=chosen,
                also=_following(last_things, out, log if is_first else None),
                origins=origins[out],
                resume=resume,
                overwrite=overwrite,
            )
        if is_first:
            session.outputs |= {"run": str(out), "critic": str(out / "critic")}
            session.metrics |= _tell(session, out, used, str(chosen))


def _lost(runs: Iterable[Path]) -> Iterator[str]:
    """Yield a sentence for each thing that runs to go on with have lost: the training itself, or a snapshot."""
    from gan_probe.critics.critic import Critic
    from gan_probe.errors import InputError
    from gan_probe.records import read_record
    from gan_probe.training import RunFolder

    for run in map(RunFolder, runs):
        record = run.path / "environment.json"
        try:
            read_record(record)
        except FileNotFoundError:
            pass  # where the run is not there yet
        except (OSError, ValueError) as error:
            yield f"{record}, what the training ran on, is damaged and is left as it is: {error}"
        n = 0 if run.checkpoint.is_file() or run.critic.is_dir() else len(run.read_metrics())
        if n:
            yield f"{run.path} has records of {n} steps and no checkpoint to go on from; it begins anew at step 0."
    for folder in (path for run in runs for path in sorted((run / "snapshots").glob("step-*"))):
        try:
            Critic.load(folder)
        except InputError as error:
            yield f"{folder} is damaged and not made again; trajectory refuses the run until it is taken away: {error}"


def _set_threads(
    session: Session,
    wanted: str | None,
    run: Path,
    images: ImageSet,
    config: TrainConfig,
    *,
    device: torch.device,
    is_one: bool,
    resume: bool,
) -> None:
    """Give torch the threads that are asked for, or that are fastest; say which."""
    if wanted is None:
        return
    import torch

    from gan_probe.device import cpu_count
    from gan_probe.records import read_record
    from gan_probe.training.pace import choose_threads

    if not is_one or device.type != "cpu":
        raise typer.BadParameter("--threads is for one training on a CPU; several have a core's share each (--jobs).")
    if wanted != "auto" and not (wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= cpu_count()):
        raise typer.BadParameter(f"--threads must be auto or from 1 to {cpu_count()}, the cores here; got {wanted!r}.")
    recorded = run / "environment.json"
    known = read_record(recorded) if resume and recorded.is_file() else None
    n = choose_threads(images, config, known=known) if wanted == "auto" else int(wanted)
    torch.set_num_threads(n)
    session.log(f"threads: {n}")


def _steps_of(run: Path) -> int | None:
    """Return the number of steps that a run was started with; None where there is no run."""
    from gan_probe.training import RunFolder
    from gan_probe.training.runs.folder import MARKER

    return RunFolder(run).read_config()[0].steps if (run / MARKER).is_file() else None


def _steps_within(
    session: Session, seconds: float, images: ImageSet, config: TrainConfig, *, device: torch.device, jobs: int
) -> int:
    """Return the steps that a time is enough for, of a training beside ``jobs - 1`` others; say so."""
    if "RANK" in os.environ:
        raise typer.BadParameter("--minutes is measured by one process; with torchrun give --steps or --epochs.")
    from gan_probe.training.pace import measure_pace
    from gan_probe.training.parallel import with_threads_of

    with with_threads_of(jobs):
        pace = measure_pace(images, config, device=device)
    steps = pace.steps_within(seconds, config)
    session.log(
        f"{steps} steps: measured are {pace.step_s:.3g} s a step and {pace.snapshot_s:.3g} s a snapshot;"
        f" to repeat this training, give --steps {steps}"
    )
    return steps


def _following(last_things: ExitStack, run: Path, log: str | None) -> Callable[[], None] | None:
    """Return what writes a training's events as it goes, or None; it is closed with the last things."""
    from gan_probe.training.runs.events import Events

    return None if log is None else last_things.enter_context(Events(run)).update


def _ended(session: Session, path: Path, precision: str, device: str, *, log: str | None) -> dict[str, Any]:
    """Print how one of several trainings ended, write its events, and return it as numbers."""
    with ExitStack() as last_things:
        if update := _following(last_things, path, log):
            update()
    return {"run": path.name, **_tell(session, path, precision, device, brief=True)}


def _tell(session: Session, path: Path, precision: str, device: str, *, brief: bool = False) -> dict[str, Any]:
    """Print how a training ended, in one line if ``brief``, and return it as numbers."""
    from gan_probe.critics.critic import Critic
    from gan_probe.training import RunFolder

    run, critic = RunFolder(path), Critic.load(path)
    last, diagnosis = run.read_metrics().tail(1), run.diagnosis()
    for line in [] if brief else diagnosis:
        session.say(f"- {line}")
    steps, seconds = critic.config.step, float(last["elapsed_s"].sum())
    session.say(f"critic after {steps} steps in {path / 'critic'} ({seconds:.0f} s, {precision} on {device})")
    w_distance = {} if critic.config.without_generator else {"w_distance": float(last["w_distance"].sum())}
    return {
        "steps": steps,
        "critic_hash": critic.hash,
        **w_distance,
        "elapsed_s": seconds,
        "precision": precision,
        "device": device,
        "diagnosis": diagnosis,
    }


def _check_runs(out: Path, runs: int, *, vary: str, jobs: int | None) -> None:
    """Raise where so many trainings cannot be made there, or options of several are given for one."""
    from gan_probe.errors import InputError
    from gan_probe.training.runs.folder import MARKER

    check_name("difference", vary, VARIED)
    if runs == 1:
        refuse_given({"--vary": vary != "all", "--jobs": jobs}, "for several trainings (--runs N), and this is one.")
    elif (out / MARKER).is_file():
        raise InputError(f"{out} is a run folder itself; choose another --out for --runs.")


def _given(typed: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """Return what was set by options of its own and by ``--set``.

    Raises
    ------
    BadParameter
        Where both set one thing, and otherwise.
    """
    told = parse_settings(settings)
    for name, value in typed.items():
        if told.get(name, value) != value:
            option = "labels" if name == "semi_supervised" else name.replace("_", "-")
            raise typer.BadParameter(f"--{option} and --set {name}={told[name]} contradict each other; give one.")
    return {**typed, **told}


def _start(out: Path, preset: str | None, usual: str, *, resume: bool) -> TrainConfig:
    """Return the settings to begin with: those of a run that is resumed, else those of the recipe, or the usual one."""
    from gan_probe.training import RunFolder
    from gan_probe.training.runs.folder import MARKER

    if resume and preset is None and (out / MARKER).is_file():
        return RunFolder(out).read_config()[0]
    return find_preset(preset or usual)


def _read(session: Session, data: Sequence[Path], size: int | None, split: str | None, stream: bool | None) -> ImageSet:
    """Return the images, resident or streamed."""
    from gan_probe.device import memory_bytes
    from gan_probe.images.readers.streaming import size_in_memory, stream_images

    paths = paths_of(data)
    if stream is None:
        stream = sum(size_in_memory(path, size) for path in paths if path.exists()) > memory_bytes() / 2
    if not stream:
        return open_images(session, paths, size=size, split=split, skip_bad=False)
    with session.each("looking through the images") as each:
        return all_of(session, [stream_images(path, size_px=size, split=split, progress=each) for path in paths])


def _labelled(images: ImageSet, config: TrainConfig) -> str:
    """Return how many labels there are, where they are learned from."""
    if not config.semi_supervised:
        return ""
    from gan_probe.training.semi_supervised import has_label

    return f", {int(has_label(images).sum())} of them with a label"


def _where(images: ImageSet) -> str:
    from gan_probe.images.image_set import LazyImages

    if isinstance(images.images, LazyImages):
        return "streamed from disk"
    return f"{images.images.nbytes / 2**20:.0f} MiB resident"


def _origins(config: TrainConfig, preset: str, given: Mapping[str, Any]) -> dict[str, str]:
    """Return where each setting comes from."""
    defaults = TrainConfig().as_dict()
    return {
        name: "given" if name in given else "default" if value == defaults[name] else f"preset {preset}"
        for name, value in config.as_dict().items()
    }
