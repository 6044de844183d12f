"""``gan-probe score``."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gan_probe.cli.options import (
    BatchSize,
    CriticFolder,
    DataPaths,
    Device,
    DryRun,
    Json,
    Layers,
    Overwrite,
    Pooling,
    SizePx,
    SplitName,
    TrustCode,
    check_apart,
    check_file_free,
    command_line,
)
from gan_probe.cli.run_study import BESIDE, open_images, paths_of
from gan_probe.cli.session import Session
from gan_probe.config import POOLING
from gan_probe.errors import ConfigError

if TYPE_CHECKING:
    from gan_probe.scoring.sharded import Job


N_SAMPLE, N_ROWS = 5000, 8192  # as `gan_probe.scoring.sharded` and the shards have them, which load torch


def score(
    critic: CriticFolder,
    data: DataPaths,
    out: Annotated[
        Path, typer.Option(help="The Parquet file to write; or a folder, for images that do not fit in memory.")
    ] = Path("scores.parquet"),
    controls: Annotated[
        str | None,
        typer.Option(
            metavar="all|scores|sample",
            help="Of which images to make what a separation must beat. Default: of all; for a folder: scores of all,"
            " embeddings of the sample.",
        ),
    ] = None,
    no_controls: Annotated[bool, typer.Option("--no-controls", help="Make none.")] = False,
    embeddings: Annotated[bool, typer.Option("--embeddings/--no-embeddings", help="Add the critic's features.")] = True,
    layers: Layers = None,
    pooling: Pooling = POOLING,
    seen: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL",
            help="A label that the critic was trained on; repeatable. Default: what the critic knows, or the data's"
            " column seen.",
        ),
    ] = None,
    batch_size: BatchSize = None,
    split: SplitName = None,
    size: SizePx = None,
    on_error: Annotated[
        str, typer.Option(help="Pictures that cannot be read: skip, raise, or nan (a row without a score).")
    ] = "skip",
    limit: Annotated[int | None, typer.Option(help="Only the first so many images.", min=1)] = None,
    sample: Annotated[
        int, typer.Option(help="Images that get what takes long: embeddings, HOG, patches. For a folder.", min=2)
    ] = N_SAMPLE,
    shard_size: Annotated[
        int, typer.Option(help="Images of a shard, where no file says where one ends.", min=1)
    ] = N_ROWS,
    shard_index: Annotated[int, typer.Option(help="Of several processes, which this is: from 0.", min=0)] = 0,
    num_shards: Annotated[int, typer.Option(help="How many processes share the work.", min=1)] = 1,
    engine: Annotated[
        str,
        typer.Option(help="Who scores shards: local, processes (all cores or GPUs) or ray. torchrun's ranks share."),
    ] = "local",
    jobs: Annotated[int | None, typer.Option(help="Of the engine processes, how many. Default: all.", min=1)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a folder of scores.")] = False,
    trust_code: TrustCode = False,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Score images: higher = more like what the critic was trained on. Broken files are skipped (exit code 5).

    With a folder as --out, images are scored shard by shard: memory does not grow, and --resume goes on after a kill.
    """
    with Session("score", json, quiet=os.environ.get("RANK", "0") != "0") as session:
        into_folder = not out.suffix or out.is_dir()
        controls = _controls_of(controls, none=no_controls, into_folder=into_folder)
        if not into_folder:  # before torch is waited for
            of_folder = {
                "--resume": resume, "--num-shards": (shard_index, num_shards) != (0, 1), "--engine": engine != "local",
                "--on-error nan": on_error == "nan", "--sample": sample != N_SAMPLE, "--jobs": jobs is not None,
                "--shard-size": shard_size != N_ROWS,
            }  # fmt: skip
            _check_of_file(on_error, of_folder)
            check_file_free(out, overwrite, suffix=".parquet")
            if out.resolve() in [path.resolve() for path in data]:
                raise ConfigError(f"{out} is the data itself; name another file.")
        from gan_probe.critics.critic import Critic
        from gan_probe.device import resolve_device
        from gan_probe.scoring.score import score
        from gan_probe.scoring.table import write_scores

        how: dict[str, Any] = {
            "controls": controls != "none",
            "embeddings": embeddings,
            "layers": layers,
            "pooling": pooling,
            "seen": seen,
        }
        if into_folder:
            from gan_probe.scoring.sharded import Job

            job = Job(
                critic=critic, device=device, trust_code=trust_code, out=out, controls=controls,
                seen=tuple(seen or ()), batch_size=batch_size, size_px=size, split=split, on_error=on_error,
                n_sample=sample, embeddings=embeddings, layers=None if layers is None else tuple(layers),
                pooling=pooling,
            )  # fmt: skip
            share = (shard_index, num_shards)
            _into_folder(
                session, job, paths_of(data), how=how, n_rows=shard_size, limit=limit, share=share, engine=engine,
                jobs=jobs, resume=resume, overwrite=overwrite, dry_run=dry_run,
            )  # fmt: skip
            return
        loaded = Critic.load(critic, resolve_device(device), trust_code=trust_code)
        if limit is None:
            _check_memory(data, out, image_bytes=math.prod(loaded.config.image_shape), split=split)
        images = open_images(
            session, data, critic=loaded, size=size, split=split, skip_bad=on_error == "skip", limit=limit
        )
        session.plan(
            dry_run,
            {
                "critic": f"{critic} ({loaded.hash})",
                "images": len(images),
                "device": loaded.device,
                "controls": controls,
                "embeddings": embeddings,
                "out": out,
            },
        )
        session.hold(out)
        with session.each("scoring batches", then=BESIDE if controls != "none" else "") as progress:
            scores = score(
                loaded,
                images,
                **how,
                batch_size=batch_size,
                progress=progress,
            )
        session.warn(w for w in scores.provenance["warnings"] if w not in images.warnings)
        write_scores(scores, out, overwrite=overwrite)
        values = scores.table["critic_score"]
        session.outputs["scores"] = str(out)
        session.metrics |= {
            "n_images": len(values),
            "n_skipped": images.n_skipped,
            "mean": float(values.mean()),
            "std": float(values.std()),
            "critic_hash": loaded.hash,
        }
        session.say(
            f"{len(values)} scores in {out}: mean {values.mean():.3f}, from {values.min():.3f} to {values.max():.3f}"
        )


def _controls_of(controls: str | None, *, none: bool, into_folder: bool) -> str:
    """Return of which images controls are made: what was asked for, or what is usual."""
    from gan_probe.names import check_name

    if none and controls is not None:
        raise ConfigError(f"--controls {controls} and --no-controls contradict each other; give one of them.")
    if none or controls is None:
        return "none" if none else "scores" if into_folder else "all"
    check_name("controls", controls, ("all", "scores", "sample"))
    if controls != "all" and not into_folder:
        raise ConfigError(f"--controls {controls} needs a folder to write to: --out scores, without a suffix.")
    return controls


def _check_of_file(on_error: str, of_folder: Mapping[str, bool]) -> None:
    """Raise for an unknown word, and where options are given that need a folder to write to."""
    from gan_probe.names import check_name

    check_name("on_error", on_error, ("skip", "raise", "nan"))
    given = [name for name, is_given in of_folder.items() if is_given]
    if given:
        raise ConfigError(f"{' and '.join(given)} need a folder to write to: --out scores, without a suffix.")


def _check_memory(data: list[Path], out: Path, *, image_bytes: int, split: str | None) -> None:
    """Raise where the images, which a file needs in memory at once, take more than half of it; .npy stays on disk."""
    from gan_probe.device import memory_bytes
    from gan_probe.errors import InputError
    from gan_probe.images.readers.shards import find_shards

    paths = [p for p in paths_of(data) if p.exists() and p.suffix != ".npy" and not (p / "images.npy").is_file()]
    needed = image_bytes * sum(shard.n or 0 for path in paths for shard in find_shards(path, split=split))
    if needed > memory_bytes() / 2:
        raise InputError(
            f"these images take about {needed / 2**30:.3g} GiB of memory, and this machine has"
            f" {memory_bytes() / 2**30:.3g}. With a folder to write to they are scored shard by shard, whatever their"
            f" number: --out {out.with_suffix('')}. Or take the first ones: --limit."
        )


def _into_folder(
    session: Session,
    job: Job,
    data: list[Path],
    *,
    how: dict[str, Any],
    n_rows: int,
    limit: int | None,
    share: tuple[int, int],
    engine: str,
    jobs: int | None,
    resume: bool,
    overwrite: bool,
    dry_run: bool,
) -> None:
    """Score shard by shard into a folder."""
    from functools import partial

    from gan_probe.names import check_name
    from gan_probe.scoring.engines import ENGINES, LOCAL, Processes
    from gan_probe.scoring.score import score
    from gan_probe.scoring.sharded import score_shards

    check_name("engine", engine, ENGINES)
    if jobs is not None and engine != "processes":
        raise ConfigError(f"--jobs says how many processes --engine processes starts, and the engine is {engine}.")
    if resume and overwrite:
        raise ConfigError("--resume and --overwrite contradict each other; give one of them.")
    if not job.embeddings and job.layers:
        raise ConfigError("--layer says what the embedding is of, and --no-embeddings makes none; leave one out.")
    is_shared = "WORLD_SIZE" in os.environ and share == (0, 1)
    if is_shared:
        share = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])  # torchrun's ranks share the work
    _check_folder(job.out, data, Path(job.critic), resume=resume or share[1] > 1, overwrite=overwrite)
    session.plan(dry_run, {"critic": job.critic, "data": ", ".join(map(str, data)), "engine": engine, "out": job.out})
    if share[1] == 1:
        session.hold(job.out)
    who = Processes(jobs) if engine == "processes" else LOCAL if engine == "local" else ENGINES[engine]()
    with session.each("scoring shards") as progress:

        def begun(shards: Iterable[Any]) -> Iterable[Any]:  # what was to be replaced is gone
            session.resume_hint = f"What was scored is kept. Go on with: {command_line('--resume')}"
            return progress(shards)

        done = score_shards(
            job, data, n_rows=n_rows, limit=limit, share=share, overwrite=overwrite and not resume, engine=who,
            progress=begun, embed=partial(score, **how, batch_size=job.batch_size), on_step=session.log,
        )  # fmt: skip
    session.warn(done.said)
    session.warn(f"{name} could not be scored: {why}" for name, why in done.failures.items())
    session.outputs["scores"] = str(job.out)
    session.metrics |= {"n_shards": done.n_shards, "n_shards_missing": done.n_missing}
    if done.summary is None:
        session.n_skipped = 0 if is_shared else len(done.failures)  # torchrun ends all where one is not 0
        session.say(f"{done.n_missing} of {done.n_shards} shards in {job.out} are not scored yet.")
        return
    summary, classes = done.summary, done.summary.classes()
    if summary.n_bad:
        session.warn([f"{summary.n_bad} pictures could not be read: {'; '.join(summary.bad)}"])
    session.warn(f"{count} images were {note}." for note, count in summary.notes.items())
    n_skipped = summary.n_bad + done.n_left_out
    session.n_skipped = 0 if is_shared else n_skipped
    mean = float((classes["mean"] * classes["n"]).sum() / classes["n"].sum())
    low, high = float(classes["min"].min()), float(classes["max"].max())
    session.metrics |= {
        "n_images": summary.n_images, "n_skipped": n_skipped, "mean": mean, "min": low, "max": high,
        "critic_hash": done.folder.plan["critic_hash"],
    }  # fmt: skip
    session.say(f"{summary.n_images} scores in {job.out}: mean {mean:.3f}, from {low:.3f} to {high:.3f}")


def _check_folder(out: Path, data: list[Path], critic: Path, *, resume: bool, overwrite: bool) -> None:
    """Raise unless scores may be written to a folder."""
    from gan_probe.scoring.folder import MARKER
    from synthetic.files import check_free

    check_apart(out, *data, *([critic] if critic.exists() else []), overwrite=overwrite)
    try:
        check_free(out, marker=MARKER, overwrite=overwrite or resume)
    except FileExistsError as error:
        if not (out / MARKER).is_file():
            raise
        raise FileExistsError(f"{out} holds scores. Go on with them with --resume, or replace them with --overwrite."
                              ) from error  # fmt: skip
