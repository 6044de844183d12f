"""``gan-probe sample``: what a generator makes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.options import Device, DryRun, Json, Overwrite, Seed
from gan_probe.cli.session import Session

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or the generator/ folder in one.")]


def sample(
    run: Run,
    out: Annotated[Path, typer.Option(help="Folder to write: a data set that every verb reads.")],
    n: Annotated[int, typer.Option("--n", "-n", help="Images.", min=1)] = 64,
    label: Annotated[str | None, typer.Option(help="Class to draw, of a conditional generator. Default: all.")] = None,
    interpolate: Annotated[
        int, typer.Option(help="Draw so many walks from one sample to the next, in interpolation.png.", min=0)
    ] = 0,
    format: Annotated[str, typer.Option(help="folder (PNG files) or npy.")] = "folder",
    seed: Seed = 0,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Draw images from a trained generator."""
    with Session("sample", json) as session:
        from gan_probe.critics.generator import Generator
        from gan_probe.critics.sampling import MARKER, write_samples
        from gan_probe.device import resolve_device
        from synthetic.files import check_free

        generator = Generator.load(run, resolve_device(device))
        check_free(out, marker=MARKER, overwrite=overwrite)
        session.plan(dry_run, {"generator": f"{run}, step {generator.config.step}", "images": n, "out": out})
        session.hold(out)
        with session.progress(f"drawing {n} images"):
            write_samples(
                generator, out, n=n, label=label, format=format, interpolate=interpolate, seed=seed,
                overwrite=overwrite, source=str(run),
            )  # fmt: skip
        session.outputs |= {"samples": str(out), "sheet": str(out / "sheet.png")}
        session.metrics |= {"n_images": n, "step": generator.config.step}
        session.say(f"{n} images in {out} (look at {out / 'sheet.png'})")
