"""Opens whatever folder holds a critic: a run, a snapshot of one, a critic, an ensemble.

To add a kind of folder: the name of the file that tells it, and how it is opened, in ``OPENERS`` (each class of critic
registers its own, so that nothing here knows them).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from gan_probe.errors import InputError
from gan_probe.places import CRITIC, hint

# file that tells the kind of folder -> opener(folder, device, trust_code=...)
OPENERS: dict[str, Callable[..., Any]] = {}
UNFINISHED = "metrics.jsonl"  # what a run folder holds from its first step on


PARTS = (".json", ".safetensors", ".npy")  # files that a critic is made of


def digest_folder(path: str | os.PathLike[str]) -> str:
    """Return 64 digits that follow from every file of the critic at a path; empty where there is none."""
    digest = hashlib.sha256()
    for folder in (Path(path), Path(path) / "critic"):
        if not any((folder / name).is_file() for name in OPENERS):
            continue
        for file in sorted(p for p in folder.rglob("*") if p.suffix in PARTS and p.is_file()):
            digest.update(f"{file.relative_to(folder)} {file.stat().st_size}".encode())
            digest.update(file.read_bytes())
        return digest.hexdigest()
    return ""


def open_folder(path: str | Path, device: torch.device | str, *, trust_code: bool) -> Any:
    """Return the critic in ``path`` or in ``path/critic``.

    Raises
    ------
    InputError
        When there is none, with what is there instead.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist. Give a run folder made by gan-probe train, or a critic folder.")
    for folder in (path, path / "critic"):
        for name, opener in OPENERS.items():
            if (folder / name).is_file():
                critic = opener(folder, device, trust_code=trust_code)
                critic.source = str(path)
                return critic
    if (path / UNFINISHED).is_file():
        snapshots = sorted((path / "snapshots").glob("step-*"))
        last = f", or use its last snapshot: {snapshots[-1]}" if snapshots else ""
        raise InputError(
            f"the training in {path} is not finished. Finish it with: gan-probe train DATA --out {path} --resume{last}."
        )
    raise InputError(
        f"{path} is not a run folder: it holds neither critic/ nor {' nor '.join(OPENERS)}.{hint(path, CRITIC)}"
    )
