"""``gan-probe article``: the article's own experiment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gan_probe.cli.options import Device, DryRun, Jobs, Json, Overwrite, Title, check_gate, command_line, gate_option
from gan_probe.cli.run_study import check_readable, save, tell
from gan_probe.cli.session import Session
from gan_probe.errors import ConfigError
from gan_probe.studies.article.metrics import ArticleMetrics

MAX_EPOCHS = 100_000


def article(
    out: Annotated[Path, typer.Option(help="Folder to write: trainings, results, and the page in report/.")] = Path(
        "gan-probe-article"
    ),
    epochs: Annotated[
        str, typer.Option(metavar="N,N,...", help="Lengths of training, each from scratch; shorter ones come first.")
    ] = "10,20,100,200",
    seeds: Annotated[int, typer.Option(help="Trainings of each length: seeds 0, 1, ...", min=1, max=1000)] = 1,
    per_class: Annotated[int, typer.Option(help="Training images of each of the two types.", min=8)] = 300,
    precision: Annotated[
        str,
        typer.Option(help="Arithmetic: fp32, as the preset has it, or auto, bf16, tf32 (CUDA), and the page says so."),
    ] = "fp32",
    jobs: Jobs = None,
    page_only: Annotated[
        bool, typer.Option("--page-only", help="Train nothing; make the page of the results that are in OUT.")
    ] = False,
    title: Title = None,
    fail_if: Annotated[str | None, gate_option(ArticleMetrics)] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where it was cut off; start if there is none.")
    ] = False,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Run the article's experiment to the letter, and say line by line what of its report holds.

    All four lengths take hours on two cores (the plan says how many critic updates they are) and minutes on a GPU. The
    page is made after each length, of whatever trainings are there.
    """
    hint = f"Go on with: {command_line('--resume')}"
    with Session("article", json, resume_hint=hint) as session:
        wanted = parse_epochs(epochs)
        check_readable(fail_if, ArticleMetrics)
        from gan_probe.device import resolve_device, resolve_precision
        from gan_probe.studies.article.study import SETTINGS, check_settings, config_of, tasks, training_images
        from gan_probe.training.parallel import default_jobs, devices_for
        from synthetic.files import check_free, remove_temporaries

        goes_on = page_only or (resume and (out / SETTINGS).exists())
        if goes_on and not page_only:
            check_settings(out, per_class)
        elif not goes_on:
            check_free(out, marker=SETTINGS, overwrite=overwrite)
        chosen, images = resolve_device(device), training_images(per_class)
        used = resolve_precision(
            config_of(wanted[0], 0, len(images)).updated({"precision": precision}).precision, chosen
        )
        devices = devices_for(chosen)
        todo = {} if page_only else tasks(out, wanted, seeds, devices=devices, per_class=per_class, precision=precision)
        n_trainings = sum(map(len, todo.values()))
        at_a_time = min(n_trainings, jobs or default_jobs(n_trainings, images, chosen)) if n_trainings else 0
        steps = {length: config_of(length, 0, len(images)) for length in wanted}
        session.plan(
            dry_run,
            {
                "trainings": f"{n_trainings}, of {epochs} epochs, {seeds} of each, {at_a_time} at a time",
                "critic updates": sum(
                    steps[length].steps * steps[length].n_critic * len(todo.get(length, ())) for length in wanted
                ),
                "images": f"{len(images)} of two types",
                "device": chosen,
                "arithmetic": used,
                "out": out,
            },
        )
        session.hold(out)
        if goes_on:
            remove_temporaries(out)
        else:
            _begin(out, overwrite=overwrite, settings={"per_class": per_class, "command": command_line()})
        for length, found in todo.items():
            session.side_by_side(
                f"{length} epochs",
                found,
                jobs=min(at_a_time, len(found)),
                steps=steps[length].steps,
                tell=lambda path: {"run": str(path)},
            )
            _page(session, out, wanted, seeds, title=title, quiet=True)
        _page(session, out, wanted, seeds, title=title)
        check_gate(fail_if, session.metrics)


def parse_epochs(text: str) -> tuple[int, ...]:
    """Return lengths of training, sorted.

    Raises
    ------
    ConfigError
        For what is no list of different whole numbers from 1 on.

    Examples
    --------
    >>> parse_epochs("20, 10")
    (10, 20)
    """
    words = [word.strip() for word in text.split(",")]
    numbers = [int(word) for word in words if word.isascii() and word.isdigit()]
    if len(numbers) != len(words) or not all(1 <= n <= MAX_EPOCHS for n in numbers):
        raise ConfigError(f"--epochs takes whole numbers from 1 to {MAX_EPOCHS}, such as 10,20,100,200; got {text!r}.")
    if len(set(numbers)) < len(numbers):
        raise ConfigError(f"--epochs names a length twice: {text!r}.")
    return tuple(sorted(numbers))


def _begin(out: Path, *, overwrite: bool, settings: dict[str, Any]) -> None:
    """Put a folder with nothing but the settings at ``out``; an older one goes."""
    from gan_probe.studies.article.study import SETTINGS, write_settings
    from synthetic.files import atomic_folder

    with atomic_folder(out, marker=SETTINGS, overwrite=overwrite) as folder:
        write_settings(folder, settings)


def _page(
    session: Session, out: Path, epochs: Sequence[int], seeds: int, *, title: str | None, quiet: bool = False
) -> None:
    """Make the page of the results that are there, over an older one."""
    from gan_probe.studies.article.study import article as gather

    result = gather(out, epochs=epochs, seeds=seeds)
    if quiet:
        result.save(out / "report", title=title or "", command=command_line(), overwrite=True)
        return
    tell(session, result)
    save(session, result, out / "report", title=title, overwrite=True)
