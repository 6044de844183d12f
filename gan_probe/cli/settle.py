"""``gan-probe settle``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gan_probe.cli.options import (
    Device,
    DryRun,
    Jobs,
    Json,
    Overwrite,
    Seed,
    SizePx,
    SplitName,
    check_plain,
    command_line,
    refuse_given,
    run_names,
)
from gan_probe.cli.run_study import open_images
from gan_probe.cli.session import Session

if TYPE_CHECKING:
    from gan_probe.images.image_set import ImageSet
    from gan_probe.types import Images

BANK, N_FAKES = "bank.npy", 1000


def settle(
    runs: Annotated[list[Path], typer.Argument(help="Run folders of one training with other seeds, at least 2.")],
    data: Annotated[list[Path], typer.Option(help="The images that they were trained on; give it several times.")],
    out: Annotated[Path, typer.Option(help="Folder to write: OUT/<name of the run>/critic, and the bank.")],
    bank: Annotated[
        Path | None, typer.Option(help="Images to take for fakes. Default: drawn from all the runs' generators.")
    ] = None,
    n_fakes: Annotated[int, typer.Option(help="Size of a bank that is drawn.", min=1)] = N_FAKES,
    updates: Annotated[int, typer.Option(help="Critic updates.", min=1)] = 300,
    jobs: Jobs = None,
    split: SplitName = None,
    size: SizePx = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep the runs that are done.")] = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Train the critics of several runs on against one bank of fakes, so that their scores agree better.

    While a GAN trains, each critic sees the fakes of its own generator only. Compare before and after with
    gan-probe stability.
    """
    with Session("settle", json, resume_hint=_hint(overwrite)) as session:
        import numpy as np

        from gan_probe.critics.critic import Critic
        from gan_probe.device import resolve_device
        from gan_probe.errors import InputError
        from gan_probe.training.parallel import default_jobs, devices_for
        from gan_probe.training.runs.folder import MARKER
        from gan_probe.training.settle import fake_bank
        from gan_probe.training.settle import settle as run_settling
        from synthetic.files import atomic_path, check_free, remove_temporaries

        refuse_given(
            {"--n-fakes": bank and n_fakes != N_FAKES},
            "of a bank that is drawn, and --bank is given; leave one out.",
        )
        named = run_names(runs)
        if len(named) < 2:
            raise InputError("a bank is there to be shared: give at least two runs.")
        check_plain(named)
        _check_same_training(session, named)
        for name in named:
            if not resume:
                check_free(out / name, marker=MARKER, overwrite=overwrite)
        chosen = resolve_device(device)
        images = open_images(session, data, size=size, split=split, skip_bad=False)
        at_a_time = min(len(named), jobs or default_jobs(len(named), images, chosen))
        session.plan(
            dry_run,
            {
                "runs": ", ".join(named),
                "fakes": bank or f"{n_fakes} of {len(named)} generators",
                "updates": updates,
                "out": f"{out}, {at_a_time} at a time",
            },
        )
        session.hold(out)
        fakes = fake_bank(named, n=n_fakes, seed=seed) if bank is None else _read_bank(session, bank, size, images)
        if not overwrite:
            _check_same_bank(out / BANK, fakes)
        if resume:
            remove_temporaries(out)
        with atomic_path(out / BANK) as temporary, temporary.open("wb") as file:  # over an equal one, or an older
            np.save(file, fakes)
        spread = devices_for(chosen)
        tasks = {
            out / name: partial(
                run_settling,
                run,
                images,
                fakes,
                out / name,
                updates=updates,
                resume=resume,
                overwrite=overwrite,
                device=spread[number % len(spread)],
            )
            for number, (name, run) in enumerate(named.items())
        }

        def tell(path: Path) -> dict[str, Any]:
            critic = Critic.load(path)
            session.say(f"critic after {critic.config.step} steps and {updates} updates in {path / 'critic'}")
            return {"run": path.name, "critic_hash": critic.hash}

        ended = session.side_by_side(f"settling {len(named)} runs", tasks, jobs=at_a_time, steps=updates, tell=tell)
        session.outputs |= {"runs": str(out), "bank": str(out / BANK)}
        session.metrics |= {"runs": list(ended.values()), "n_fakes": len(fakes)}


def _hint(overwrite: bool) -> str:
    """Return how to go on; older critics that the work had not come to are still to be replaced."""
    return f"Go on with: {command_line('--resume')}{' --overwrite' if overwrite else ''}"


def _check_same_training(session: Session, named: Mapping[str, Path]) -> None:
    """Raise where a run is given twice; warn where they differ in more than their seeds."""
    from gan_probe.errors import InputError
    from gan_probe.training import RunFolder

    read = {name: RunFolder(run).read_config() for name, run in named.items()}
    ids: dict[str, str] = {}
    for name, (_, facts) in read.items():
        other = ids.setdefault(str(facts.get("run_id")), name)
        if other != name:
            raise InputError(f"{other} and {name} are the same run.")
    (first, (config, _)), *others = read.items()
    for name, (other_config, _) in others:
        differing = [
            setting
            for setting, value in config.as_dict().items()
            if not setting.endswith("seed") and getattr(other_config, setting) != value
        ]
        if differing:
            session.warn([f"{name} was trained otherwise than {first}: {', '.join(differing)}."])


def _read_bank(session: Session, bank: Path, size: int | None, images: ImageSet) -> Images:
    from gan_probe.images.readers.reading import read_images

    read = read_images(bank, size_px=size).with_channels(images.image_shape[2])
    session.warn(read.warnings)
    session.n_skipped += read.n_skipped
    return read.images[:]


def _check_same_bank(path: Path, fakes: Images) -> None:
    """Raise when critics were settled here before, on other fakes."""
    import numpy as np

    from gan_probe.errors import InputError
    from gan_probe.records import read_array

    if path.is_file() and not np.array_equal(read_array(path), fakes):
        raise InputError(
            f"{path} holds other fakes than these (by --bank, --seed, --n-fakes or the list of runs)."
            f" To go on with those: --bank {path}"
        )
