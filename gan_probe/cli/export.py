"""``gan-probe export``: score tables as files that other viewers open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gan_probe.cli.options import DryRun, Json, Overwrite, command_line
from gan_probe.cli.session import Session

# How each is opened, with the folder in the place of {out}.
OPENED = {
    "projector": "tensorboard --logdir {out}",
    "embedding-atlas": "embedding-atlas {out}/data.parquet --vector embedding --image image",
    "fiftyone": "python {out}/open.py",
}


def export(
    scores: Annotated[Path, typer.Argument(metavar="SCORES", help="A table made by gan-probe score.")],
    out: Annotated[Path, typer.Option(help="Folder to write, with one inside for each viewer.")],
    to: Annotated[
        list[str] | None,
        typer.Option(help=f"{', '.join(OPENED)}; repeatable. Default: all that can show it."),
    ] = None,
    embedding: Annotated[
        str, typer.Option(help="Which of the table's embeddings: critic, random_init.0, pixels, ...")
    ] = "critic",
    data: Annotated[
        Path | None, typer.Option(help="The data set, for pictures. Default: where the images came from.")
    ] = None,
    pictures: Annotated[bool, typer.Option(help="Take the images along.")] = True,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Write scores, embedding and pictures as TensorBoard's projector, Embedding Atlas and FiftyOne open them."""
    with Session("export", json) as session:
        from gan_probe.names import check_name
        from synthetic.files import check_free

        chosen = list(dict.fromkeys(to or ()))
        for name in chosen:
            check_name("viewer", name, OPENED)
        from gan_probe.report.export import MARKER, Exported, possible, write_export
        from gan_probe.scoring.table import read_scores

        check_free(out, marker=MARKER, overwrite=overwrite)
        table = read_scores(scores)
        session.warn(table.provenance.get("warnings", ()))
        session.plan(
            dry_run, {"scores": scores, "images": len(table.table), "to": ", ".join(chosen or OPENED), "out": out}
        )
        session.hold(out)
        found: list[Any] = []
        if pictures:
            import numpy as np

            from gan_probe.studies.separation.study import read_pictures

            _, found, note = read_pictures(table, data, np.arange(len(table.table)))
            session.warn([note] if note else [])
        what = Exported.of(table, embedding, found)
        if not chosen:
            chosen, notes = possible(what)
            session.warn(notes)
        with session.progress("writing"):
            session.warn(write_export(what, out, chosen, command=command_line(), overwrite=overwrite))
        session.metrics |= {"n_images": len(what.table), "n_pictures": len(found)}
        session.outputs |= {name: str(out / name) for name in chosen}
        for name in chosen:
            session.say(f"{name}: {OPENED[name].format(out=out / name)}")
