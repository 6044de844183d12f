"""``gan-probe synth``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.options import DryRun, Json, Overwrite, Seed, check_file_free
from gan_probe.cli.session import Session
from gan_probe.errors import ConfigError

N_LOOKED_AT = 1000  # of the images of shards, the first


def synth(
    preset: Annotated[
        str | None, typer.Argument(metavar="PRESET_OR_TOML", help="A preset (see --list) or a .toml spec.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; with --list, a PNG with examples of each preset.")
    ] = None,
    per_class: Annotated[
        int | None, typer.Option(help="Images of each class, in place of the preset's number.", min=1)
    ] = None,
    format: Annotated[str, typer.Option(help="folder (PNG and metadata), parquet, npy or tar.")] = "folder",
    masks: Annotated[bool, typer.Option("--masks", help="Write the exact mask of each shape too.")] = False,
    shard_size: Annotated[
        int | None,
        typer.Option(help="Draw and write so many images at a time (parquet, tar: a file each): memory stays.", min=1),
    ] = None,
    list_presets: Annotated[bool, typer.Option("--list", help="List the presets.")] = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Make a data set of shapes whose every factor is known."""
    with Session("synth", json) as session:
        if list_presets:
            _list(session, out, overwrite)
            return
        if preset is None or out is None:
            raise typer.BadParameter("give a PRESET_OR_TOML and --out DIR, or --list.")
        from synthetic import make_dataset, write_dataset, write_shards
        from synthetic.dataset import resolve_spec
        from synthetic.files import check_free
        from synthetic.writer import MARKER

        spec = resolve_spec(preset)
        spec = spec.with_per_class(per_class)
        if masks and shard_size is not None:
            raise ConfigError("shards hold no masks: leave out --masks or --shard-size.")
        check_free(out, marker=MARKER, overwrite=overwrite)
        session.plan(
            dry_run,
            {
                "data set": spec.name,
                "classes": len(spec.types),
                "images": spec.n_images,
                "size": f"{spec.size_px} px",
                "format": format,
                "out": out,
            },
        )
        session.hold(out)
        if shard_size is not None:
            session.warn(make_dataset(spec, seed=seed, indices=range(min(spec.n_images, N_LOOKED_AT))).doubts())
            with session.each("writing shards") as progress:
                write_shards(
                    spec, out, seed=seed, format=format, shard_size=shard_size, overwrite=overwrite, progress=progress
                )
        else:
            dataset = make_dataset(spec, seed=seed)
            session.warn(dataset.doubts())
            with session.each("writing images") as progress:
                write_dataset(dataset, out, format=format, masks=masks, overwrite=overwrite, progress=progress)
        session.outputs |= {"data": str(out), "contact_sheet": str(out / "contact-sheet.png")}
        session.metrics |= {"n_images": spec.n_images, "n_classes": len(spec.types)}
        session.say(
            f"{spec.n_images} images of {len(spec.types)} classes in {out} (look at {out / 'contact-sheet.png'})"
        )


def _list(session: Session, out: Path | None, overwrite: bool) -> None:
    from rich.table import Table

    from synthetic.presets import PRESETS

    if out is not None:
        check_file_free(out, overwrite, suffix=".png")
    table = Table("preset", "classes", "images", "what", box=None)
    for spec in PRESETS.values():
        table.add_row(spec.name, str(len(spec.types)), str(spec.n_images), spec.description)
    session.show(table)
    session.metrics["presets"] = {name: spec.description for name, spec in PRESETS.items()}
    if out is not None:
        from synthetic.files import atomic_path
        from synthetic.writer import preset_sheet

        session.hold(out)
        with atomic_path(out, overwrite=overwrite) as temporary:
            preset_sheet().save(temporary, format="PNG")
        session.outputs["sheet"] = str(out)
        session.say(f"examples of each: {out}")
