"""``gan-probe cluster``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.options import DryRun, Json, Overwrite, Seed, check_file_free
from gan_probe.cli.run_study import parts, tell
from gan_probe.cli.session import Session


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
        from gan_probe.report.separation import CHOSEN, cluster_table
        from gan_probe.scoring.table import read_scores
        from gan_probe.studies.cluster.study import cluster_scores
        from gan_probe.text import as_csv
        from synthetic.files import write_atomically

        if out is not None:
            check_file_free(out, overwrite, suffix=".csv")
        loaded = read_scores(scores)
        embeddings = ", ".join(source.column for source in loaded.sources if source.is_embedding)
        session.plan(dry_run, {"scores": scores, "images": len(loaded.table), "embeddings": embeddings, "out": out})
        if out is not None:
            session.hold(out)
        with parts(session, "clustering", len([s for s in loaded.sources if s.is_embedding]) + 1) as on_step:
            result = cluster_scores(loaded, seed=seed, on_step=on_step)
        tell(session, result, tables=[cluster_table(result.clusterings)])
        session.say(CHOSEN)
        if out is not None:
            write_atomically(out, as_csv(result.tables()["clusters"]), overwrite=overwrite)
            session.outputs["assignments"] = str(out)
            session.say(f"cluster of each image: {out}")
