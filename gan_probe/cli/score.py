"""``gan-probe score``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.options import (
    BatchSize,
    CriticFolder,
    DataPaths,
    Device,
    DryRun,
    Json,
    Layers,
    Overwrite,
    Pooling,
    SizePx,
    SplitName,
    TrustCode,
    check_file_free,
)
from gan_probe.cli.run_study import open_images
from gan_probe.cli.session import Session
from gan_probe.config import POOLING
from gan_probe.errors import ConfigError


def score(
    critic: CriticFolder,
    data: DataPaths,
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")] = Path("scores.parquet"),
    controls: Annotated[
        bool, typer.Option("--controls/--no-controls", help="Add the scalars that a separation must beat.")
    ] = True,
    embeddings: Annotated[bool, typer.Option("--embeddings/--no-embeddings", help="Add the critic's features.")] = True,
    layers: Layers = None,
    pooling: Pooling = POOLING,
    seen: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL",
            help="A label that the critic was trained on; repeatable. Default: what the critic knows, or the data's"
            " column seen.",
        ),
    ] = None,
    batch_size: BatchSize = 256,
    split: SplitName = None,
    size: SizePx = None,
    trust_code: TrustCode = False,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Score images: higher = more like what the critic was trained on. Broken files are skipped (exit code 5)."""
    with Session("score", json) as session:
        check_file_free(out, overwrite, suffix=".parquet")
        from gan_probe.critics.critic import Critic
        from gan_probe.device import resolve_device
        from gan_probe.scoring.score import score
        from gan_probe.scoring.table import write_scores

        if out.resolve() in [path.resolve() for path in data]:
            raise ConfigError(f"{out} is the data itself; name another file.")
        loaded = Critic.load(critic, resolve_device(device), trust_code=trust_code)
        images = open_images(session, data, critic=loaded, size=size, split=split)
        session.plan(
            dry_run,
            {
                "critic": f"{critic} ({loaded.hash})",
                "images": len(images),
                "device": loaded.device,
                "controls": controls,
                "embeddings": embeddings,
                "out": out,
            },
        )
        session.hold(out)
        with session.each("scoring batches") as progress:
            scores = score(
                loaded,
                images,
                controls=controls,
                embeddings=embeddings,
                layers=layers,
                pooling=pooling,
                seen=seen,
                batch_size=batch_size,
                progress=progress,
            )
        session.warn(w for w in scores.provenance["warnings"] if w not in images.warnings)
        write_scores(scores, out, overwrite=overwrite)
        values = scores.table["critic_score"]
        session.outputs["scores"] = str(out)
        session.metrics |= {
            "n_images": len(values),
            "n_skipped": images.n_skipped,
            "mean": float(values.mean()),
            "std": float(values.std()),
            "critic_hash": loaded.hash,
        }
        session.say(
            f"{len(values)} scores in {out}: mean {values.mean():.3f}, from {values.min():.3f} to {values.max():.3f}"
        )
