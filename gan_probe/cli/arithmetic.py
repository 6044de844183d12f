"""``gan-probe arithmetic``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.sample import Run
from gan_probe.cli.session import Device, DryRun, Json, Overwrite, Seed, Session, SizePx, Split, command_line


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
        from gan_probe.critics.critic import Critic
        from gan_probe.critics.generator import Generator
        from gan_probe.device import resolve_device
        from gan_probe.images.readers.reading import read_images
        from gan_probe.report.arithmetic import write_arithmetic
        from gan_probe.report.page import MARKER
        from gan_probe.studies.arithmetic.study import arithmetic as run_arithmetic
        from synthetic.files import check_free

        check_free(out, marker=MARKER, overwrite=overwrite)
        chosen = resolve_device(device)
        generator, critic = Generator.load(run, chosen), Critic.load(run, chosen)
        images = read_images(data, size_px=size, split=split, skip_bad=True)
        session.warn(images.warnings)
        session.n_skipped = images.n_skipped
        session.plan(dry_run, {"run": run, "images": len(images), "equation": equation, "draws": draws, "out": out})
        result = run_arithmetic(generator, critic, images, equation, n_draws=draws, seed=seed)
        for line in write_arithmetic(result, out, command=command_line(), overwrite=overwrite):
            session.say(f"- {line}")
        session.outputs["report"] = str(out / "report.html")
        session.metrics |= {share.name: share.share for share in result.shares}
        session.metrics["classifier_accuracy"] = result.classifier_accuracy
        session.say(f"report: {out / 'report.html'}")
