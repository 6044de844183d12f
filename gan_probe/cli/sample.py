"""``gan-probe sample`` and ``gan-probe arithmetic``: what a generator makes, and what its latents mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.session import Device, DryRun, Json, Overwrite, Seed, Session, SizePx, Split, command_line

Run = Annotated[Path, typer.Argument(help="A run folder, or the generator/ folder in one.")]


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
        from gan_probe.device import resolve_device
        from gan_probe.generator import Generator
        from gan_probe.sampling import MARKER, write_samples
        from synthetic.files import check_free

        generator = Generator.load(run, resolve_device(device))
        check_free(out, marker=MARKER, overwrite=overwrite)
        session.plan(dry_run, {"generator": f"{run}, step {generator.config.step}", "images": n, "out": out})
        write_samples(
            generator, out, n=n, label=label, format=format, interpolate=interpolate, seed=seed, overwrite=overwrite,
            source=str(run),
        )  # fmt: skip
        session.outputs |= {"samples": str(out), "sheet": str(out / "sheet.png")}
        session.metrics |= {"n_images": n, "step": generator.config.step}
        session.say(f"{n} images in {out} (look at {out / 'sheet.png'})")


def arithmetic(
    run: Run,
    data: Annotated[Path, typer.Argument(help="Labelled images, to name concepts with.")],
    equation: Annotated[str, typer.Argument(help="'A - B + C = D' with labels of the data.")],
    out: Annotated[Path, typer.Option(help="The report folder to write.")],
    draws: Annotated[int, typer.Option(help="How often the sum is made, each time of other latents.", min=2)] = 200,
    split: Split = None,
    size: SizePx = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Ask whether A - B + C = D holds among a generator's latents, as its critic's own features see it."""
    with Session("arithmetic", json) as session:
        from gan_probe.critic import Critic
        from gan_probe.data import read_images
        from gan_probe.device import resolve_device
        from gan_probe.generator import Generator
        from gan_probe.report import write_arithmetic
        from gan_probe.report.writing import MARKER
        from gan_probe.sampling import arithmetic as run_arithmetic
        from synthetic.files import check_free

        check_free(out, marker=MARKER, overwrite=overwrite)
        chosen = resolve_device(device)
        generator, critic = Generator.load(run, chosen), Critic.load(run, chosen)
        images = read_images(data, size_px=size, split=split, skip_bad=True)
        session.warn(images.warnings)
        session.n_skipped = images.n_skipped
        session.plan(dry_run, {"run": run, "images": len(images), "equation": equation, "draws": draws, "out": out})
        result = run_arithmetic(generator, critic, images, equation, n_draws=draws, seed=seed, source=run)
        for line in write_arithmetic(result, out, command=command_line(), overwrite=overwrite):
            session.say(f"- {line}")
        session.outputs["report"] = str(out / "report.html")
        session.metrics |= {share.name: share.share for share in result.shares}
        session.metrics["classifier_accuracy"] = result.classifier_accuracy
        session.say(f"report: {out / 'report.html'}")
