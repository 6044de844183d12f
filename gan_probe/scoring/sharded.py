"""Scoring by shards: each is read, scored and written by itself, so that work is spread, cut off and taken up again.

A folder of scores holds ``scores.json`` (what is to be done), ``parts/`` (one row an image), ``summaries/`` (what is
kept of each part), and at the end ``summary.parquet``, ``classes.csv`` and ``pairs.csv`` (of all images) and
``sample.parquet``: a table of scores with all that
takes long, of a sample that is chosen by the hashes of the images.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from gan_probe.config import POOLING
from gan_probe.critics.critic import Critic
from gan_probe.device import resolve_device
from gan_probe.ending import in_words
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.images.readers.shards import Block, Shard, find_shards, limited, read_blocks
from gan_probe.names import check_name
from gan_probe.records import seal
from gan_probe.scoring.controls import measure_statistics, random_inits
from gan_probe.scoring.engines import LOCAL, Engine
from gan_probe.scoring.folder import MARKER, SAMPLE, SCHEMA, SUMMARY, ScoreFolder
from gan_probe.scoring.score import describe_critic, own_columns, score
from gan_probe.scoring.summary import (
    MAX_CLASSES,
    Grid,
    Summary,
    make_grid,
    merge,
    read_summary,
    summarise,
    write_summary,
)
from gan_probe.scoring.table import SCORE, ScoreTable, Source, columns_of, without_ours, write_scores
from gan_probe.stats.beside import Beside
from gan_probe.text import as_csv
from gan_probe.types import OnPart, Progress
from synthetic.errors import InUseError
from synthetic.files import check_free, hold, remove_folder, write_atomically

T = TypeVar("T")

N_SAMPLE = 5000  # images of the sample
ON_ERROR = ("skip", "raise", "nan")  # what is done with a picture that cannot be read
OTHER = {  # what a folder of scores may be of, by the entry of its plan that differs
    "critic_hash": "another critic",
    "data": "other data",
    "shards": "other data, or of shards of another size",
    "settings": "another command",
}
MAX_COMPARED = 20_000_000  # images of which copies are counted
CONTROLS = {  # of which images controls are made, and how the table of the sample says so
    "scores": "Scores of controls stand beside those of all images, their embeddings beside those of the sample.",
    "sample": "Controls were made for the sample only.",
    "all": "Controls were made for all images.",
    "none": "No controls were made.",
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is done with every shard; picklable.

    Attributes
    ----------
    critic, device, trust_code
        See `Critic.load`.
    out : Path
        The folder of scores.
    controls : str
        A row of `CONTROLS`. "all" makes every image one of the sample, so memory grows with their number.
    seen : tuple of str
        Labels that the critic was trained on; empty: its training classes.
    batch_size, size_px, split : optional
    on_error : str
        One of `ON_ERROR`.
    n_sample : int
    embeddings, layers, pooling
        Of the sample: see `gan_probe.scoring.score.score`.
    grids : tuple
        The bins of each column's histogram; found before the first shard.
    """

    critic: Path
    device: str = "auto"
    trust_code: bool = False
    out: Path
    controls: str = "scores"
    seen: tuple[str, ...] = ()
    batch_size: int | None = None
    size_px: int | None = None
    split: str | None = None
    on_error: str = "skip"
    n_sample: int = N_SAMPLE
    embeddings: bool = True
    layers: tuple[str, ...] | None = None
    pooling: str = POOLING
    grids: tuple[tuple[str, Grid], ...] = ()

    @cached_property
    def folder(self) -> ScoreFolder:
        """Where it is written."""
        return ScoreFolder(self.out)

    @property
    def has_scalars(self) -> bool:
        """Whether every image gets the scalar controls."""
        return self.controls in ("scores", "all")

    @property
    def most(self) -> int:
        """Images of the sample, at most."""
        return sys.maxsize if self.controls == "all" else self.n_sample


@dataclass(frozen=True)
class Scored:
    """What became of a folder of scores.

    Attributes
    ----------
    folder : ScoreFolder
    n_shards, n_missing : int
        In all, and of these not scored yet.
    said : tuple of str
        What is to be said of the listing of the data.
    n_left_out : int
        What may be images and is of a kind that is not read.
    failures : dict
        Why shards could not be scored, by their names.
    summary : Summary or None
        Of all images, where no shard is missing.
    """

    folder: ScoreFolder
    n_shards: int
    n_missing: int
    failures: dict[str, str]
    summary: Summary | None
    said: tuple[str, ...] = ()
    n_left_out: int = 0


def score_shards(
    job: Job,
    data: Sequence[str | Path],
    *,
    n_rows: int,
    limit: int | None = None,
    share: tuple[int, int] = (0, 1),
    overwrite: bool = False,
    engine: Engine = LOCAL,
    embed: Callable[[Critic, ImageSet], ScoreTable] = score,
    progress: Progress = iter,
    on_step: OnPart = lambda name: None,
) -> Scored:
    """Score data sets shard by shard into a folder; shards that are there are not done again.

    Parameters
    ----------
    job : Job
    data : sequence of path
    n_rows : int
        Images of a shard.
    limit : int, optional
        Only the first so many images.
    share : tuple of int
        A number and of how many: the shards of one process of several, which is every so many from the number on.
        Whoever finds that none is missing any more makes sample and summary.
    overwrite : bool
        Replace the scores in the folder, once the critic and the first images could be read; not with a ``share``.
    engine : Engine
        Who does the shards.
    embed : callable
        A critic and the images of the sample to its table: `gan_probe.scoring.score.score` with options.
    progress : callable, optional
        Wraps the iterable of shards.
    on_step : callable, optional
        Called with the name of each part of the work after the shards.

    Raises
    ------
    InputError
        When there is nothing to read, every shard fails, or the folder holds scores of something else.
    ConfigError
        For an unknown name, a share that there is not, or one together with ``overwrite``.
    FileExistsError
        With ``overwrite``, for a folder that holds something else.
    """
    check_name("on_error", job.on_error, ON_ERROR)
    check_name("controls", job.controls, CONTROLS)
    if not 0 <= share[0] < share[1]:
        raise ConfigError(f"the shard index must be from 0 to {share[1] - 1}, got {share[0]}.")
    if overwrite and share[1] > 1:
        raise ConfigError(
            f"of {share[1]} processes that share the work each would remove what the others have scored. Remove"
            f" {job.out} first, or choose another folder, and leave out --overwrite."
        )
    _loaded.cache_clear()  # another critic may lie there since
    listed = [(path, find_shards(path, split=job.split, n_rows=n_rows)) for path in data]
    shards = limited([shard for _, of_path in listed for shard in of_path], limit)
    said = tuple(f"{path}: {word}" if len(listed) > 1 else word for path, of in listed for s in of for word in s.said)
    job = _planned(job, shards, data, overwrite=overwrite)
    folder, failures = job.folder, dict[str, str]()
    mine = [(number, shards[number]) for number in range(share[0], len(shards), share[1])]
    todo = [(number, shard) for number, shard in mine if not folder.is_done(number)]
    for (_, shard), why in engine.each(_Task(job), todo, progress=progress):
        if why:
            failures[shard.name] = why
    missing = [number for number in range(len(shards)) if not folder.is_done(number)]
    lost = [shard.name for number, shard in todo if number in missing and shard.name not in failures]
    if lost:
        raise InputError(
            f"{len(lost)} shards ({lost[0]}, ...) were scored, and their parts are not in {job.out}: workers of another"
            " folder wrote them elsewhere. Give whole paths of critic, data and --out."
        )
    if failures and job.on_error == "raise":
        raise InputError(_of_failures(failures, len(shards)))
    if len(missing) == len(shards) and failures:
        raise InputError(_of_failures(failures, len(shards)))
    summary = _finished(job, shards, embed, on_step, said=said) if not missing else None
    n_left_out = sum(shard.n_left_out for _, of_path in listed for shard in of_path)
    return Scored(folder, len(shards), len(missing), failures, summary, said, n_left_out)


def _of_failures(failures: dict[str, str], n_shards: int) -> str:
    name, why = next(iter(failures.items()))
    return (
        f"{len(failures)} of {n_shards} shards could not be scored. First: {name}: {why} What was scored is kept; mend"
        " this and go on with --resume."
    )


# --- the plan -----------------------------------------------------------------------------------------------------


def _planned(job: Job, shards: Sequence[Shard], data: Sequence[str | Path], *, overwrite: bool = False) -> Job:
    """Return the job with the bins of its histograms; write down what is to be done, or compare with what is there.

    What is to be replaced goes when the new work can begin, not before.
    """
    critic = _critic(job)
    plan: dict[str, Any] = {
        "schema": SCHEMA,
        "critic_hash": critic.hash,
        "data": [str(path) for path in data],
        "shards": [[shard.name, shard.n] for shard in shards],
        "settings": {
            "controls": job.controls, "seen": list(job.seen), "size_px": job.size_px, "split": job.split,
            "on_error": job.on_error, "n_sample": job.n_sample, **_of_embedding(job, critic),
        },
    }  # fmt: skip
    marker = job.folder.path / MARKER
    if overwrite or not marker.exists():
        grids = _pilot(replace(job, grids=()), shards)
        if overwrite and job.folder.path.is_dir():
            check_free(job.folder.path, marker=MARKER, overwrite=True)  # what is no folder of scores stays
            remove_folder(job.folder.path)
        record = json.dumps(seal({**plan, "grids": {name: list(grid) for name, grid in grids.items()}}), indent=1)
        while not marker.exists():  # another process of the same command may be first, and writes the same
            with suppress(FileExistsError, InUseError):
                write_atomically(marker, record, overwrite=False)
    there = dict(job.folder.plan)
    there["settings"] = {**plan["settings"], **there["settings"]}  # older plans say less
    differing = [name for name in plan if name != "schema" and plan[name] != there[name]]
    if differing:
        raise InputError(
            f"{job.out} holds scores of {OTHER[differing[0]]}. Give the same command to go on, choose another folder,"
            " or replace this one with --overwrite."
        )
    return replace(job, grids=tuple((name, (grid[0], grid[1])) for name, grid in there["grids"].items()))


def _of_embedding(job: Job, critic: Critic) -> dict[str, Any]:
    """Return what the plan says of the sample's embedding; unknown names are refused before any shard is scored."""
    if not (job.embeddings and critic.config.layers):
        return {"layers": [], "pooling": ""}
    return {"layers": list(critic.chosen_layers(job.layers)), "pooling": critic.chosen_pooling(job.pooling)}


def _pilot(job: Job, shards: Sequence[Shard]) -> dict[str, Grid]:
    """Return the bins that fit the first images that can be read."""
    why = "they hold no images."
    for shard in shards:
        try:
            for block in _blocks(job, shard):
                if len(block.images):
                    if job.seen and "label" not in block.table:
                        raise InputError(f"{shard.name} has no labels, so none of them can be seen (--seen).")
                    table = _score_block(job, block)
                    return {column: make_grid(table[column].to_numpy(np.float64)) for column in _counted(table)}
        except (InputError, OSError) as error:
            why = str(error)
            if job.on_error == "raise":
                raise
    named = ", ".join(shard.name for shard in shards[:3])
    raise InputError(f"no image of {len(shards)} shards ({named}) can be scored: {why}")


def _counted(table: pd.DataFrame) -> list[str]:
    return [str(c) for c in table.columns if (of := Source.parse(str(c))) is not None and not of.is_embedding]


# --- one shard ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Task:
    """Scores one shard, and returns nothing, or why it could not be scored."""

    job: Job

    def __call__(self, item: tuple[int, Shard]) -> str:
        try:
            score_shard(self.job, *item)
        except (InputError, OSError, MemoryError, RuntimeError) as error:
            words = in_words(error)
            if words is None:
                raise
            return words
        return ""


def score_shard(job: Job, number: int, shard: Shard) -> None:
    """Score one shard and write its summary and then its part: a part that is there is whole."""
    tables, rows, bad = list[pd.DataFrame](), list[Any](), dict[int, tuple[str, str]]()
    notes = Counter[str]()
    for block in ahead(_blocks(job, shard)):
        bad |= block.bad
        notes.update(block.notes)
        if len(block.images):
            tables.append(_score_block(job, block))
            rows.append(block.rows)
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"sample_id": [], "path": [], SCORE: []})
    places = np.concatenate(rows) if rows else np.empty(0, np.intp)
    summary = summarise(table, dict(job.grids), shard=number, rows=places, most=job.most) if tables else None
    if job.on_error == "nan" and bad:
        lost = pd.DataFrame({"path": [n for n, _ in bad.values()], "error": [why for _, why in bad.values()]})
        order = np.argsort([*places, *bad], kind="stable")
        table = pd.concat([table, lost], ignore_index=True).iloc[order].reset_index(drop=True)
    folder = job.folder
    summary = summary or Summary(dict(job.grids), pd.DataFrame(columns=["column", "label", "bin", "n"]), {}, {})
    summary.n_bad, summary.notes = len(bad), notes
    summary.bad = [f"{name}: {why}" for name, why in bad.values()][:5]
    write_summary(summary, folder.summary_of(number))
    write_scores(ScoreTable(table, {**describe_critic(_critic(job)), "shard": shard.name}), folder.part_of(number))


def _blocks(job: Job, shard: Shard) -> Iterator[Block]:
    return read_blocks(
        shard,
        _critic(job).config.image_shape[2],
        size_px=job.size_px,
        split=job.split,
        skip_bad=job.on_error != "raise",
    )


def _score_block(job: Job, block: Block) -> pd.DataFrame:
    """Return what is known of some images, their scores, and the scalar controls that each image has by itself."""
    critic, others = _critics(job)
    own, *found = LOCAL.run([critic, *others], block.images, batch_size=job.batch_size)
    if not np.isfinite(own.scores).all():
        raise InputError(
            f"the critic {critic.source} returns scores that are not finite numbers; its training diverged."
        )
    statistics = measure_statistics(block.images) if job.has_scalars else {}
    columns = columns_of(Beside(critic=own.scores, random_init=tuple(f.scores for f in found), baselines=statistics),
                         None)  # fmt: skip
    columns |= own_columns(critic, own)
    table, seen = without_ours(block.table), job.seen or critic.config.training_classes
    if "label" in table and seen:
        table = table.assign(seen=table["label"].astype(str).isin(seen))
    return pd.concat([table.reset_index(drop=True), pd.DataFrame(columns)], axis=1)


@lru_cache(maxsize=1)
def _loaded(path: Path, device: str, trust_code: bool, controls: bool) -> tuple[Critic, list[Critic]]:  # noqa: FBT001
    critic = Critic.load(path, resolve_device(device), trust_code=trust_code)
    return critic, random_inits(critic)[0] if controls else []


def _critics(job: Job) -> tuple[Critic, list[Critic]]:
    """Return the critic and its randomly initialised controls, loaded once a process."""
    return _loaded(job.critic, job.device, job.trust_code, job.has_scalars)


def _critic(job: Job) -> Critic:
    return _critics(job)[0]


def ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield items while the next one is made on another thread."""
    end = object()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, end)
        while (found := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield found  # type: ignore[misc]  # it is not the end, so it is an item


# --- the end ------------------------------------------------------------------------------------------------------


def _finished(
    job: Job,
    shards: Sequence[Shard],
    embed: Callable[[Critic, ImageSet], ScoreTable],
    on_step: OnPart,
    *,
    said: Sequence[str],
) -> Summary:
    """Return the summary of all shards, once it and the sample are written; several processes may come to this."""
    folder = job.folder
    try:
        with hold(folder.path / SAMPLE):
            if not folder.is_complete:
                on_step("summaries")
                summary = merge((read_summary(folder.summary_of(n)) for n in range(len(shards))), most=job.most)
                if not summary.n_images:
                    raise InputError(f"{job.out}: no image could be scored. {' '.join(summary.bad)}")
                write_summary(summary.without_spare(job.most), folder.path / SUMMARY)
                write_atomically(folder.path / "classes.csv", as_csv(summary.classes()))
                if 1 < len(summary.labels) <= MAX_CLASSES:
                    write_atomically(folder.path / "pairs.csv", as_csv(summary.pairs()))
                on_step("sample")
                table = embed(_critic(job), _sampled(job, shards, summary))
                write_scores(_told(table, job, summary, said), folder.path / SAMPLE)
    except InUseError:  # another process of the same command makes them
        return merge((read_summary(folder.summary_of(n)) for n in range(len(shards))), most=job.most)
    return read_summary(folder.path / SUMMARY)


def _sampled(job: Job, shards: Sequence[Shard], summary: Summary) -> ImageSet:
    """Return the images of the sample, read again, in the order of the data."""
    chosen = summary.sample(job.most)
    sets: list[Block] = []
    for number in sorted({shard for _, shard, _ in chosen}):
        rows = np.array(sorted(row for _, shard, row in chosen if shard == number))
        blocks = read_blocks(
            shards[number], _critic(job).config.image_shape[2], size_px=job.size_px, split=job.split, only=rows
        )
        sets.extend(block for block in blocks if len(block.images))
    table = pd.concat([block.table for block in sets], ignore_index=True)
    if set(table["sample_id"]) != {sample for sample, _, _ in chosen}:
        raise InputError(
            f"{job.out}: images changed since their shards were scored, so the sample cannot be made. Score again with"
            " --overwrite."
        )
    return ImageSet(np.concatenate([block.images for block in sets]), table, Path(job.folder.plan["data"][0]))


def _told(table: ScoreTable, job: Job, summary: Summary, of_listing: Sequence[str]) -> ScoreTable:
    """Return the table of the sample, which says what it is a sample of."""
    said = [*of_listing, *(f"{count} images were {note}." for note, count in summary.notes.items())]
    if summary.n_bad:
        said.append(f"{summary.n_bad} pictures could not be read: {'; '.join(summary.bad)}")
    if summary.n_images <= MAX_COMPARED and (n_copies := _count_copies(job.folder)):
        said.append(f"{n_copies} images are copies of others, pixel for pixel.")
    said.append(CONTROLS[job.controls])
    facts = {"n_scored": summary.n_images, "n_sample": len(table.table), "controls": job.controls, "by_class": {
        label: summary.n_of(label) for label in summary.labels}}  # fmt: skip
    warnings = [*table.provenance["warnings"], *said]
    return ScoreTable(table.table, {**table.provenance, "sampled": facts, "warnings": warnings})


def _count_copies(folder: ScoreFolder) -> int:
    ids = pd.concat([part.dropna() for part in folder.columns("sample_id")], ignore_index=True)
    return int(ids["sample_id"].duplicated().sum())
