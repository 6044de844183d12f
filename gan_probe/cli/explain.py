"""``gan-probe explain``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from gan_probe.cli.session import Device, DryRun, Json, Overwrite, Seed, Session, SizePx, Split, TrustCode, command_line

BOTH = "both"


def explain(
    critic: Annotated[Path, typer.Argument(help="A run folder, a snapshot of one, or a critic folder.")],
    data: Annotated[Path, typer.Argument(help="A folder of images, or a .npy, .npz or .parquet file.")],
    out: Annotated[Path, typer.Option(help="The report folder to write.")],
    masks: Annotated[
        Path | None,
        typer.Option(help="Folder, .npy or .parquet with a mask of each image. Default: what synth --masks wrote."),
    ] = None,
    method: Annotated[str, typer.Option(help="occlusion, gradients (integrated) or both.")] = BOTH,
    per_class: Annotated[int, typer.Option(help="Images of each class, the first ones.", min=1)] = 4,
    patch: Annotated[
        int | None, typer.Option(help="Side of the patch of occlusion, in pixels. Default: an eighth of the image.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Points on the path of integrated gradients.", min=1)] = 64,
    baseline: Annotated[
        str, typer.Option(help="What images are compared with: border (its median colour), white, black or blurred.")
    ] = "border",
    controls: Annotated[
        bool, typer.Option("--controls/--no-controls", help="Make the same maps of untrained critics.")
    ] = True,
    batch_size: Annotated[int, typer.Option(help="Variants of an image at a time.", min=1)] = 256,
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
    split: Split = None,
    size: SizePx = None,
    trust_code: TrustCode = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Show which pixels move the score, beside maps of untrained critics, and measure them against masks."""
    with Session("explain", json) as session:
        from gan_probe.critics.attribution import METHODS
        from gan_probe.critics.critic import Critic
        from gan_probe.device import resolve_device
        from gan_probe.images.masks import find_masks, read_masks
        from gan_probe.images.readers.reading import keep_split, read_images
        from gan_probe.names import check_name
        from gan_probe.report.explain import write_explain
        from gan_probe.report.page import MARKER
        from gan_probe.studies.explain.study import explain as make_maps
        from synthetic.files import check_free

        check_free(out, marker=MARKER, overwrite=overwrite)
        check_name("method", method, (*METHODS, BOTH))
        loaded = Critic.load(critic, resolve_device(device), trust_code=trust_code)
        every = read_images(data, size_px=size, skip_bad=True)
        images = keep_split(every, split)
        session.warn(images.warnings)
        session.n_skipped = images.n_skipped
        found = masks or find_masks(every)
        methods = METHODS if method == BOTH else (method,)
        session.plan(
            dry_run,
            {
                "critic": f"{critic} ({loaded.hash})",
                "images": f"up to {per_class} of each class, of {len(images)}",
                "masks": found or "none",
                "methods": ", ".join(methods),
                "device": loaded.device,
                "out": out,
            },
        )
        truth = None if found is None else read_masks(found, every, size_px=size)
        if truth is not None and split is not None:
            truth = truth[(every.table["split"].astype(str) == split).to_numpy()]

        def progress(items: Iterable[Any]) -> Iterator[Any]:
            jobs = list(items)
            with session.progress("maps", len(jobs)) as update:
                for number, job in enumerate(jobs, start=1):
                    yield job
                    update(number, "")

        result = make_maps(
            loaded, images, truth, methods=methods, per_class=per_class, patch_px=patch, n_steps=steps,
            baseline=baseline, controls=controls, batch_size=batch_size, seed=seed, progress=progress,
        )  # fmt: skip
        session.warn(w for w in result.warnings if w not in images.warnings)
        lines = write_explain(result, out, title=title or "", command=command_line(), overwrite=overwrite)
        for line in lines:
            session.say(f"- {line}")
        session.say(f"report: {out / 'report.html'}")
        session.outputs |= {"report": str(out / "report.html"), "images": str(out / "images.csv")}
        session.outputs |= {f"maps_{name}": str(out / f"maps-{name}.npy") for name in methods}
        session.metrics |= result.headline()
