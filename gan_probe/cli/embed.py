"""``gan-probe embed``."""

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
from gan_probe.cli.run_study import open_critic, open_images
from gan_probe.cli.session import Session
from gan_probe.config import POOLING

SUFFIXES = (".parquet", ".npy")


def embed(
    critic: CriticFolder,
    data: DataPaths,
    out: Annotated[
        Path,
        typer.Option(
            help="File to write: .parquet (sample_id, path, label where known, embedding) or .npy (n, d), rows in the"
            " order in which images are read."
        ),
    ] = Path("features.parquet"),
    layers: Layers = None,
    pooling: Pooling = POOLING,
    batch_size: BatchSize = None,
    split: SplitName = None,
    size: SizePx = None,
    trust_code: TrustCode = False,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Write the critic's features of images as a table (.parquet) or an array (.npy)."""
    with Session("embed", json) as session:
        check_file_free(out, overwrite, suffix=SUFFIXES)
        import numpy as np

        from gan_probe.scoring.engines import LOCAL, Wanted
        from synthetic.files import atomic_path

        loaded = open_critic(critic, device, trust_code=trust_code)
        images = open_images(session, data, critic=loaded, size=size, split=split)
        chosen = loaded.chosen_layers(layers)
        session.plan(
            dry_run,
            {
                "critic": f"{critic} ({loaded.hash})",
                "images": len(images),
                "layers": ", ".join(chosen),
                "pooling": loaded.chosen_pooling(pooling),
                "out": out,
            },
        )
        session.hold(out)
        with session.each("embedding batches") as progress:
            wanted = Wanted(tuple(chosen), pooling)
            features = LOCAL.run([loaded], images.images, wanted, batch_size=batch_size, progress=progress)[0].features
        assert features is not None, "layers were asked for"
        with atomic_path(out, overwrite=overwrite) as temporary:
            if out.suffix == ".npy":
                with temporary.open("wb") as file:
                    np.save(file, features)
            else:
                known = [name for name in ("sample_id", "path", "label") if name in images.table]
                images.table[known].assign(embedding=list(features)).to_parquet(temporary, index=False)
        session.outputs["features"] = str(out)
        session.metrics |= {"n_images": len(features), "n_features": features.shape[1], "critic_hash": loaded.hash}
        session.say(f"{features.shape[1]} features of {len(features)} images in {out}")
