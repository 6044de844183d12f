"""``gan-probe list``: what has a name."""

from __future__ import annotations

from typing import Annotated

import typer

from gan_probe.cli.options import Json
from gan_probe.cli.session import Session
from gan_probe.names import check_name

KINDS = ("data", "recipes", "networks", "controls", "poolings")


def list(
    kind: Annotated[
        str | None, typer.Argument(metavar="KIND", help=f"One of {', '.join(KINDS)}. Default: all.")
    ] = None,
    json: Json = False,
) -> None:
    """List what has a name: data sets, recipes, networks, controls."""
    with Session("list", json) as session:
        if kind is not None:
            check_name("kind", kind, KINDS)
        for name in KINDS if kind is None else (kind,):
            rows = _rows(name)
            session.metrics[name] = rows
            width = max(map(len, rows))
            session.say("\n".join([f"{name}:", *(f"  {row:<{width}}  {what}" for row, what in rows.items())]))


def _rows(kind: str) -> dict[str, str]:
    """Return what has a name of one kind, each with a line on what it is."""
    if kind == "data":
        from synthetic.presets import PRESETS

        return {spec.name: f"{len(spec.types)} classes: {spec.description}" for spec in PRESETS.values()}
    if kind == "recipes":
        from gan_probe import config

        return {
            name: f"network {one.network}, objective {one.objective}, {one.steps} steps of {one.batch_size} images"
            for name, one in config.PRESETS.items()
        }
    if kind == "networks":
        from gan_probe.networks import NETWORKS

        return {name: f"{', '.join(map(str, one.sides_px))} px: {one.help}" for name, one in NETWORKS.items()}
    if kind == "controls":
        from gan_probe.scoring.controls import CONTROLS

        return {one.name: one.title for one in CONTROLS}
    from gan_probe.config import AUTO
    from gan_probe.critics.features import POOLINGS

    of_rows = {
        name: str(how.__doc__).split(". ")[0].removeprefix("Return the ").strip() for name, how in POOLINGS.items()
    }
    return {AUTO: "what the network asks for", **of_rows}
