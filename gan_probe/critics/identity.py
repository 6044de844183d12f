"""Whose score is it? What describes a critic, and its identity: all that its numbers follow from, as 16 digits.

Two critics with one identity give the same numbers for the same images. So everything that decides a number is in it:
the network and what builds it, image shape, value range, output, sign, labels averaged over, layers, heads and every
weight. Where a critic comes from (run, step, classes) decides none, and is not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from gan_probe.errors import InputError
from gan_probe.records import CHECKSUM, N_DIGITS, check_seal, read_record
from gan_probe.types import ImageShape

if TYPE_CHECKING:
    from gan_probe.images.image_set import ImageSet

MARKER = "config.json"
WEIGHTS = "critic.safetensors"
SCHEMA, OLD_SCHEMA = "gan_probe.critic/2", "gan_probe.critic/1"
DECIDING = ("network", "image_shape", "value_range", "layers", "factory", "arguments", "adaptation", "heads")
# What schema 1 called graphs that are stored in a file.
OLD_FACTORIES = {"gan_probe.portable:OnnxModule": "onnx", "gan_probe.portable:ScriptModule": "torchscript"}


@dataclass(frozen=True, kw_only=True)
class CriticConfig:
    """What is needed to rebuild a critic and to know where it comes from.

    Attributes
    ----------
    network : str
        A row of `gan_probe.networks.NETWORKS`; for a discriminator from elsewhere the name of its class.
    image_shape : tuple of int
        Height, width, channels.
    layers : tuple of str
        Sub-modules whose activations make up the embedding.
    layer_sizes : tuple of int
        Channels of each.
    value_range : tuple of float
        What black and white become before the network sees them.
    training_classes : tuple of str
        Labels of the training data; empty where it had none.
    run_id : str
        Names the training; "random_init" before any.
    step : int
        Generator updates behind it.
    data_fingerprint : str
        Of the training data.
    images_fingerprint : str
        Of its images alone, whatever their labels; empty in older critics.
    factory : str
        ``package.module:name`` that builds a discriminator from elsewhere; "onnx" or "torchscript" for one in a file;
        empty for our own networks.
    arguments : dict
        What the factory is called with.
    adaptation : dict
        ``output`` (resolved: "score" or "probability"), ``sign``, ``n_labels``: see
        `gan_probe.critics.foreign.AdaptedCritic`.
    heads : dict
        ``n_classes``, ``n_kernels``: see `gan_probe.networks.heads.CriticWithHeads`; or ``n_outputs``: see
        `gan_probe.networks.heads.CriticWithOutputs`; empty without.
    auxiliary : str
        Tasks that it learned beside the game; empty without.
    without_generator : bool
        Whether it learned these, or labels, alone, so that nothing taught its score.
    """

    network: str
    image_shape: ImageShape
    layers: tuple[str, ...] = ()
    layer_sizes: tuple[int, ...] = ()
    value_range: tuple[float, float] = (-1.0, 1.0)
    training_classes: tuple[str, ...] = ()
    run_id: str = "random_init"
    step: int = 0
    data_fingerprint: str = ""
    images_fingerprint: str = ""
    factory: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    adaptation: dict[str, Any] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)
    auxiliary: str = ""
    without_generator: bool = False

    def was_trained_on(self, data: ImageSet) -> bool:
        """Return whether these are the images that it, or a member of it, was trained on, with whatever labels."""
        if any(part.was_trained_on(data) for part in getattr(self, "parts", ())):
            return True
        if self.images_fingerprint:
            return data.images_fingerprint == self.images_fingerprint
        return bool(self.data_fingerprint) and data.fingerprint == self.data_fingerprint

    @property
    def taught_by(self) -> str:
        """What it learned by without a generator, in words."""
        labels = ["labels"] if self.heads.get("n_outputs") else []
        return " and ".join([*labels, *([f"the auxiliary task ({self.auxiliary})"] if self.auxiliary else [])])

    @property
    def is_conditional(self) -> bool:
        """Whether the critic was trained with the classes of its images."""
        return self.heads.get("n_classes", 0) > 0

    @property
    def n_classes(self) -> int:
        """Classes that it tells scores of; 0 for critics that know none."""
        return self.heads.get("n_classes", 0) or self.heads.get("n_outputs", 0)


def identity(config: CriticConfig) -> dict[str, Any]:
    """Return what of a config decides the critic's numbers; of an ensemble that of every member too."""
    parts = getattr(config, "parts", ())
    members = {"parts": [identity(part) for part in parts]} if parts else {}
    return {name: getattr(config, name) for name in DECIDING} | members


def hash_of(config: CriticConfig, weights: Mapping[str, Tensor]) -> str:
    """Return the identity of a critic with this config and these weights, 16 hexadecimal digits."""
    return digest_of(identity(config), weights)


def digest_of(described: Mapping[str, Any], weights: Mapping[str, Tensor]) -> str:
    """Return 16 hexadecimal digits that follow from a description and from every weight."""
    digest = hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode())
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()[:N_DIGITS]


def old_hash_of(config: CriticConfig, weights: Mapping[str, Tensor]) -> str:
    """Return the hash of schema ``critic/1``, which knew the network, the image shape and the weights only."""
    digest = hashlib.sha256(f"{config.network} {config.image_shape}".encode())
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()[:N_DIGITS]


def _bytes(tensor: Tensor) -> memoryview:
    """Return a tensor's bytes, not copied; through uint8, as numpy does not know every type of float."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


def check_folder(folder: Path, config: CriticConfig, record: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Raise `InputError` unless a critic folder's weights and record are those that were saved."""
    is_old = record["schema"] == OLD_SCHEMA
    saved, known = str(record["hash"]), (old_hash_of if is_old else hash_of)(config, weights)
    if known != saved:
        raise InputError(
            f"{folder} was changed since it was saved: its weights or {MARKER} have the hash {known}, not {saved}."
            " Save or train it again; a critic with other weights is another critic."
        )
    if not is_old:
        check_seal(record, folder / MARKER)


def read_config(folder: Path) -> tuple[CriticConfig, dict[str, Any]]:
    """Return the config of a critic folder, and the record as it was written (``schema``, ``hash``, ...).

    Raises
    ------
    InputError
        For another schema. Other errors of reading (OSError, ValueError, TypeError, KeyError) are the caller's to word.
    """
    record = read_record(folder / MARKER)
    if record["schema"] not in (SCHEMA, OLD_SCHEMA):
        raise InputError(
            f"{folder / MARKER} is not of schema {SCHEMA!r}; it was written by another version, as"
            f" {record['schema']!r}. Use that version, or train again."
        )
    kept = {name: value for name, value in record.items() if name not in ("schema", "hash", CHECKSUM)}
    known: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in kept.items()}
    if record["schema"] == OLD_SCHEMA:
        known["factory"] = OLD_FACTORIES.get(known.get("factory", ""), known.get("factory", ""))
    return CriticConfig(**known), record


def folder_hashes(folder: Path) -> set[str]:
    """Return the hashes by which scores know the critic in a folder; none where there is no critic. Nothing is built.

    One; of a folder of schema 1 two: the one that it was saved with, and the one that scores made today have.
    """
    try:
        config, record = read_config(folder)
        found = {str(record["hash"])}
        if record["schema"] == OLD_SCHEMA and not config.factory:
            found.add(hash_of(config, load_file(folder / WEIGHTS)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError):
        return set()
    return found
