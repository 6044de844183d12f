"""``gan-probe explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.options import (
    CriticFolder,
    DataPaths,
    Device,
    DryRun,
    Json,
    Overwrite,
    ReportFolder,
    Seed,
    SizePx,
    SplitName,
    Title,
    TrustCode,
    gate_option,
)
from gan_probe.cli.run_study import all_of, check_start, finish, fitting_size, open_critic, paths_of
from gan_probe.cli.session import Session
from gan_probe.studies.explain.metrics import ExplainMetrics

BOTH = "both"


def explain(
    critic: CriticFolder,
    data: DataPaths,
    out: ReportFolder,
    masks: Annotated[
        Path | None,
        typer.Option(help="Folder, .npy or .parquet with a mask of each image. Default: what synth --masks wrote."),
    ] = None,
    method: Annotated[str, typer.Option(help="occlusion, gradients (integrated) or both.")] = BOTH,
    per_class: Annotated[int, typer.Option(help="Images of each class, the first ones.", min=1)] = 4,
    patch: Annotated[
        int | None, typer.Option(help="Side of the patch of occlusion, in pixels. Default: an eighth of the image.")
    ] = None,
    steps: Annotated[int, typer.Option("--points", help="Points on the path of integrated gradients.", min=1)] = 64,
    baseline: Annotated[
        str, typer.Option(help="What images are compared with: border (its median colour), white, black or blurred.")
    ] = "border",
    controls: Annotated[
        bool, typer.Option("--controls/--no-controls", help="Make the same maps of randomly initialised critics.")
    ] = True,
    batch_size: Annotated[int, typer.Option(help="Variants of an image at a time.", min=1)] = 256,
    title: Title = None,
    fail_if: Annotated[str | None, gate_option(ExplainMetrics)] = None,
    split: SplitName = None,
    size: SizePx = None,
    trust_code: TrustCode = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Show which pixels move the score, beside maps of randomly initialised critics, and measure them against masks."""
    with Session("explain", json) as session:
        check_start(out, overwrite=overwrite, fail_if=fail_if, metrics=ExplainMetrics)
        from gan_probe.critics.attribution import METHODS
        from gan_probe.images.masks import masks_of, read_masks
        from gan_probe.images.readers.reading import keep_split, read_images
        from gan_probe.names import check_name
        from gan_probe.studies.explain.study import explain as run

        check_name("method", method, (*METHODS, BOTH))
        loaded = open_critic(critic, device, trust_code=trust_code)
        paths = paths_of(data)
        size = fitting_size(session, paths, critic=loaded, size=size)
        with session.each("reading images") as progress:
            sets = [read_images(path, size_px=size, skip_bad=True, progress=progress) for path in paths]
        every = all_of(session, sets)
        images = keep_split(every, split)
        if masks is None:
            found, truth = masks_of(sets, size_px=size)
        else:
            found, truth = [masks], read_masks(masks, every, size_px=size)
        if found and truth is None:
            session.warn([f"some of the data have no masks, so those of {', '.join(map(str, found))} are not used."])
        methods = METHODS if method == BOTH else (method,)
        session.plan(
            dry_run,
            {
                "critic": f"{critic} ({loaded.hash})",
                "images": f"up to {per_class} of each class, of {len(images)}",
                "masks": "none" if truth is None else ", ".join(map(str, found)),
                "methods": ", ".join(methods),
                "device": loaded.device,
                "out": out,
            },
        )
        session.hold(out)
        if truth is not None and split is not None:
            truth = truth[(every.table["split"].astype(str) == split).to_numpy()]
        with session.each("maps") as progress:
            result = run(
                loaded, images, truth, methods=methods, per_class=per_class, patch_px=patch, n_steps=steps,
                baseline=baseline, controls=controls, batch_size=batch_size, seed=seed, progress=progress,
            )  # fmt: skip
        session.outputs |= {f"maps_{name}": str(out / f"maps-{name}.npy") for name in methods}
        finish(session, result, out, title=title, overwrite=overwrite, fail_if=fail_if, told=images.warnings)
