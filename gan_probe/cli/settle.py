"""``gan-probe settle``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from gan_probe.cli.session import (
    Device,
    DryRun,
    Jobs,
    Json,
    Overwrite,
    Seed,
    Session,
    SizePx,
    Split,
    command_line,
    run_names,
)

BANK = "bank.npy"


def settle(
    runs: Annotated[list[Path], typer.Argument(help="Run folders of one training with other seeds, at least 2.")],
    data: Annotated[Path, typer.Option(help="The images that they were trained on.")],
    out: Annotated[Path, typer.Option(help="Folder to write: OUT/<name of the run>/critic, and the bank.")],
    bank: Annotated[
        Path | None, typer.Option(help="Images to take for fakes. Default: drawn from all the runs' generators.")
    ] = None,
    n_fakes: Annotated[int, typer.Option(help="Size of a bank that is drawn.", min=1)] = 1000,
    updates: Annotated[int, typer.Option(help="Critic updates.", min=1)] = 300,
    jobs: Jobs = None,
    split: Split = None,
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
    with Session("settle", json, resume_hint=f"Go on with: {command_line('--resume')}") as session:
        import numpy as np

        from gan_probe.critic import Critic
        from gan_probe.data import read_images
        from gan_probe.device import resolve_device
        from gan_probe.errors import InputError
        from gan_probe.training.parallel import default_jobs, devices_for
        from gan_probe.training.run_folder import MARKER
        from gan_probe.training.settling import fake_bank
        from gan_probe.training.settling import settle as run_settling
        from synthetic.files import atomic_path, check_free

        named = run_names(runs)
        if len(named) < 2:
            raise InputError("a bank is there to be shared: give at least two runs.")
        for name in named:
            if not resume:
                check_free(out / name, marker=MARKER, overwrite=overwrite)
        chosen = resolve_device(device)
        images = read_images(data, size_px=size, split=split)
        session.warn(images.warnings)
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
        fakes = fake_bank(named, n=n_fakes, seed=seed) if bank is None else read_images(bank, size_px=size).images
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
        with atomic_path(out / BANK) as temporary, temporary.open("wb") as file:
            np.save(file, fakes)
        session.outputs |= {"runs": str(out), "bank": str(out / BANK)}
        session.metrics |= {"runs": list(ended.values()), "n_fakes": len(fakes)}
