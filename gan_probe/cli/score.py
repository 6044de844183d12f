"""``gan-probe score``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.options import Device, DryRun, Json, Overwrite, SizePx, SplitName, TrustCode, check_file_free
from gan_probe.cli.session import Session
from gan_probe.errors import ConfigError


def score(
    critic: Annotated[
        Path, typer.Argument(help="A run folder, a snapshot of one, a critic folder or an ensemble folder.")
    ],
    data: Annotated[
        list[Path],
        typer.Argument(help="Folders of images, .npy, .npz, .parquet or .tar files, lists of paths (.csv), or -."),
    ],
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")] = Path("scores.parquet"),
    controls: Annotated[
        bool, typer.Option("--controls/--no-controls", help="Add the scalars that a separation must beat.")
    ] = True,
    embeddings: Annotated[bool, typer.Option("--embeddings/--no-embeddings", help="Add the critic's features.")] = True,
    layers: Annotated[
        list[str] | None, typer.Option("--layer", help="Layer of the embedding; repeatable. Default: all.")
    ] = None,
    pooling: Annotated[str, typer.Option(help="Of the embedding: mean, std, max or grid4.")] = "mean",
    seen: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL",
            help="A label that the critic was trained on; repeatable. Default: what the critic knows, or the data's"
            " column seen.",
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images at a time. Default: 32 on a CPU, 256 on a GPU.", min=1)
    ] = None,
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
        from gan_probe.critics.critic import Critic
        from gan_probe.device import resolve_device
        from gan_probe.images.image_set import concatenate
        from gan_probe.images.readers.reading import read_images
        from gan_probe.scoring.score import score
        from gan_probe.scoring.table import write_scores

        check_file_free(out, overwrite, suffix=".parquet")
        if out.resolve() in [path.resolve() for path in data]:
            raise ConfigError(f"{out} is the data itself; name another file.")
        loaded = Critic.load(critic, resolve_device(device), trust_code=trust_code)
        images = concatenate([read_images(path, size_px=size, split=split, skip_bad=True) for path in data])
        session.warn(images.warnings)
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
        session.n_skipped = images.n_skipped
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
