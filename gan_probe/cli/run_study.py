"""What verbs repeat: open, read, train, score, tell of the work, save the page, say what was found."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_probe.cli.options import check_gate, command_line, gate_names, parse_gate
from gan_probe.cli.session import Session
from gan_probe.errors import InputError

if TYPE_CHECKING:
    import torch

    from gan_probe.config import TrainConfig
    from gan_probe.critics.critic import Critic
    from gan_probe.images.image_set import ImageSet
    from gan_probe.scoring.table import ScoreTable
    from gan_probe.studies.base import StudyResult


BESIDE = "batches, now the controls that need no critic"


def check_start(out: Path, *, overwrite: bool, fail_if: str | None = None, metrics: type | None = None) -> None:
    """Raise before the work where its page may not be written, or its gate cannot be read."""
    from gan_probe.report.page import MARKER
    from synthetic.files import check_free

    check_free(out, marker=MARKER, overwrite=overwrite)
    if metrics is not None:
        check_readable(fail_if, metrics)


def check_readable(fail_if: str | None, metrics: type) -> None:
    """Raise before the work where its gate cannot be read."""
    if fail_if is not None:
        parse_gate(fail_if, gate_names(metrics))


def open_critic(path: Path, device: str, *, trust_code: bool = False) -> Critic:
    """Return the critic in a folder, on a device."""
    from gan_probe.critics.critic import Critic
    from gan_probe.device import resolve_device

    return Critic.load(path, resolve_device(device), trust_code=trust_code)


def open_images(
    session: Session,
    paths: Path | Sequence[Path],
    *,
    critic: Critic | None = None,
    size: int | None = None,
    split: str | None = None,
    skip_bad: bool = True,
    limit: int | None = None,
) -> ImageSet:
    """Return the images at some paths, the first ``limit``, as one set that fits a critic; see `fitting_size`.

    What is converted is warned of; what cannot be read is skipped and counted, or raises without ``skip_bad``.
    """
    import numpy as np

    from gan_probe.images.readers.reading import read_images

    found = paths_of([paths] if isinstance(paths, Path) else paths)
    size = fitting_size(session, found, critic=critic, size=size, split=split)
    with session.each("reading images") as progress:
        sets = [read_images(path, size_px=size, split=split, skip_bad=skip_bad, progress=progress) for path in found]
    images = all_of(session, sets, n_channels=None if critic is None else critic.config.image_shape[2])
    if limit is not None and limit < len(images):
        images = images.take(np.arange(limit))
    return images


def all_of(session: Session, sets: Sequence[ImageSet], *, n_channels: int | None = None) -> ImageSet:
    """Return several sets as one, in grey (1) or colour (3); warn of what was converted, and count what was skipped."""
    from gan_probe.images.image_set import concatenate

    images = concatenate(sets)
    images = images if n_channels is None else images.with_channels(n_channels)
    session.warn(images.warnings)
    session.n_skipped += images.n_skipped
    return images


def paths_of(paths: Sequence[Path]) -> list[Path]:
    """Return paths with patterns (``*``, ``?``, ``[``) as what they match.

    Raises
    ------
    InputError
        For a pattern that matches nothing.
    """
    found: list[Path] = []
    for path in paths:
        more = [path]
        if not path.exists() and glob.has_magic(str(path)):
            more = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 - it may be absolute
        if not more:
            raise InputError(f"nothing matches {path}.")
        found += more
    return found


def fitting_size(
    session: Session, paths: Sequence[Path], *, critic: Critic | None, size: int | None, split: str | None = None
) -> int | None:
    """Return the size that was asked for, or the critic's own, where it takes squares and an image is of another size.

    Where its own is taken, that is warned of.
    """
    from gan_probe.images.readers.sizes import image_sizes, sizes_in_words

    if size is not None or critic is None or critic.config.image_shape[0] != critic.config.image_shape[1]:
        return size
    side = critic.config.image_shape[0]
    sizes = sum((image_sizes(path, split=split) for path in paths), start=Counter[tuple[int, int]]())
    if not sizes or set(sizes) == {(side, side)}:
        return None
    session.warn([f"images of {sizes_in_words(sizes)} become squares of {side} pixels, which the critic takes."])
    return side


def train_critic(
    session: Session,
    images: ImageSet,
    out: Path,
    config: TrainConfig,
    *,
    device: torch.device,
    also: Callable[[], None] | None = None,
    **more: Any,
) -> Critic:
    """Train a critic in a run folder, as `gan_probe.train` does with ``more``; tell of its progress, and return it.

    What is to be done ``also`` is called as often as the progress is told.
    """
    from gan_probe.training import train
    from gan_probe.training.loop import REPORT_EVERY

    found = -1

    with session.progress("training", config.steps) as update:

        def on_step(step: int, row: Mapping[str, float]) -> None:
            nonlocal found
            found = max(0, step - REPORT_EVERY) if found < 0 else found
            update(step, progress_note(step, row, config), found)
            if also is not None:
                also()

        return train(
            images,
            out,
            config,
            device=device,
            on_step=on_step,
            log=session.log,
            **more,
        )


def progress_note(step: int, row: Mapping[str, float], config: TrainConfig) -> str:
    """Return W-distance, penalty, what auxiliary tasks cost, and real images per second of critic training."""
    shown = {"w_distance": "W {:.2f}", "penalty": "penalty {:.3f}", "auxiliary_loss": "auxiliary {:.3f}"}
    rate = step * config.n_critic * config.batch_size / max(row["elapsed_s"], 1e-9)
    return "  ".join([text.format(row[name]) for name, text in shown.items() if name in row] + [f"{rate:.0f} images/s"])


def score_to(session: Session, critic: Critic, images: ImageSet, out: Path, *, reuse: bool = False) -> ScoreTable:
    """Score images into a file, and return the table; with ``reuse`` the one that is there, where it is of both."""
    from gan_probe.scoring.score import score
    from gan_probe.scoring.table import read_scores, write_scores

    if reuse and out.is_file():
        found = read_scores(out)
        origin = found.provenance
        if (origin.get("critic_hash"), origin.get("data_fingerprint")) == (critic.hash, images.fingerprint):
            return found
    with session.each("scoring batches", then=BESIDE) as progress:
        found = score(critic, images, progress=progress)
    write_scores(found, out, overwrite=reuse)
    return found


@contextmanager
def parts(session: Session, text: str, total: int | None = None) -> Iterator[Callable[[str], None]]:
    """Yield what a study calls with the name of each part that is done."""
    with session.progress(text, total) as update:
        n_done = 0

        def on_step(name: str) -> None:
            nonlocal n_done
            n_done += 1
            update(n_done, name)

        yield on_step


def tell(session: Session, result: StudyResult, *, told: Iterable[str] = (), tables: Sequence[Any] = ()) -> None:
    """Print what a study found: warnings that were not ``told`` before, tables, sentences; keep its numbers."""
    known = set(told)
    session.warn(w for w in result.warnings if w not in known)
    for table in tables:
        session.show(table.terminal())
    lines = result.findings()
    for line in lines:
        session.say(f"- {line}")
    session.metrics |= {**asdict(result.metrics()), "findings": lines, "verdict": result.opening().judgement.record()}


def save(
    session: Session, result: StudyResult, out: Path, *, title: str | None = None, overwrite: bool = False
) -> None:
    """Write a study's page and what stands beside it, and say where."""
    with session.progress("writing the page"):
        page = result.save(out, title=title or "", command=command_line(), overwrite=overwrite)
    session.outputs |= {"report": str(page), "json": str(out / "report.json")}
    session.outputs |= {stem: str(out / f"{stem}.csv") for stem in result.tables()}
    session.say(f"report: {page}")
    session.say(result.opening().judgement.line())


def finish(
    session: Session,
    result: StudyResult,
    out: Path,
    *,
    title: str | None = None,
    overwrite: bool = False,
    fail_if: str | None = None,
    told: Iterable[str] = (),
    tables: Sequence[Any] = (),
) -> None:
    """Save a study's page, print what it found, and let its gate decide how the command ends."""
    tell(session, result, told=told, tables=tables)
    save(session, result, out, title=title, overwrite=overwrite)
    check_gate(fail_if, session.metrics)
