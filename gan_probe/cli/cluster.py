"""``gan-probe cluster``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.session import DryRun, Json, Overwrite, Seed, Session, check_file_free


def cluster(
    scores: Annotated[Path, typer.Argument(help="A table made by gan-probe score.")],
    out: Annotated[Path | None, typer.Option(help="CSV to write: the cluster of each image.")] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Group scores and embeddings without labels, and compare the groups with the classes."""
    with Session("cluster", json) as session:
        from rich.table import Table

        from gan_probe.scoring.table import read_scores
        from gan_probe.studies.cluster.result import cluster_table
        from gan_probe.studies.cluster.study import cluster_all
        from synthetic.files import write_atomically

        if out is not None:
            check_file_free(out, overwrite, suffix=".csv")
        loaded = read_scores(scores)
        session.plan(
            dry_run,
            {
                "scores": scores,
                "images": len(loaded.table),
                "embeddings": ", ".join(s.column for s in loaded.sources if s.is_embedding),
                "out": out,
            },
        )
        notes: list[str] = []
        found = cluster_all(loaded, notes, seed=seed)
        session.warn(notes)
        rows = [(what.column, c) for what, several in found.items() for c in several]
        table = Table("of", "method", "k", "stability", "ARI (95 % interval)", "in no cluster", box=None)
        for what, c in rows:
            ari = c.agreement["ari"]
            numbers = (f"{c.ari:.3f} ({ari.ci_low:.3f} to {ari.ci_high:.3f})", f"{c.noise_share:.1%}")
            stability = f"{c.stability:.2f}{' *' if c.is_chosen else ''}"
            shown = ("" if "nan" in n else n for n in numbers)
            table.add_row(what, f"{c.method} ({c.k_from})", str(c.k), stability, *shown)
        session.show(table)
        session.metrics["clusters"] = [
            {"of": what} | {k: None if v != v else v for k, v in c.as_dict().items()} for what, c in rows
        ]
        session.say(
            "* chosen without labels: the stablest when a fifth of the images is left out, of equals the finest"
        )
        if out is not None:
            write_atomically(out, cluster_table(loaded.table, found).to_csv(index=False))
            session.outputs["assignments"] = str(out)
            session.say(f"cluster of each image: {out}")
