"""One object for a generator: load, save, sample, decode."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from gan_probe.critics.identity import digest_of
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.pixels import to_uint8
from gan_probe.names import check_name
from gan_probe.networks import build_generator, restore_weights
from gan_probe.networks.heads import with_labels
from gan_probe.records import read_record, regular
from gan_probe.types import Images, ImageShape
from synthetic.files import atomic_folder

SCHEMA, OLD_SCHEMA = "gan_probe.generator/2", "gan_probe.generator/1"  # the old one holds no hash
MARKER = "config.json"
WEIGHTS = "generator.safetensors"
N_CALIBRATION = 1024  # latents that batch normalisation's statistics are measured on
BATCH_SIZE = 32  # what a core's caches hold: as many latents take half the time that they take in batches of 256

Latents = npt.NDArray[np.float32]


@dataclass(frozen=True)
class GeneratorConfig:
    """What is needed to rebuild a generator and to know where it comes from.

    Attributes
    ----------
    network : str
        A row of `gan_probe.networks.NETWORKS`.
    image_shape : tuple of int
        Height, width, channels.
    latent_dim : int
    classes : tuple of str
        Of a conditional generator; else empty.
    run_id : str
    step : int
    data_fingerprint : str
    """

    network: str
    image_shape: ImageShape
    latent_dim: int
    classes: tuple[str, ...] = ()
    run_id: str = "random_init"
    step: int = 0
    data_fingerprint: str = ""


class Generator:
    """Makes images from latents, on one device, in evaluation mode, in float32.

    An image depends on its own latent (and class) only: batch normalisation uses statistics that `calibrate` measured.

    Parameters
    ----------
    module : nn.Module
        Maps (n, latent_dim), and one-hot labels behind it where it is conditional, to (n, c, h, w) in [-1, 1].
    config : GeneratorConfig
    device : str or torch.device
    """

    def __init__(self, module: nn.Module, config: GeneratorConfig, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.module = module.to(self.device).eval().requires_grad_(False)
        self.config = config

    @classmethod
    def load(cls, path: str | Path, device: torch.device | str = "cpu") -> Generator:
        """Return the generator in a run folder or a generator folder.

        Raises
        ------
        InputError
            When there is none, or it was changed since it was saved.
        """
        path = Path(path)
        folder = path if (path / WEIGHTS).is_file() else path / "generator"
        if not (folder / WEIGHTS).is_file():
            raise InputError(
                f"{path} holds no generator. Give a run folder that gan-probe train has finished; critics from"
                " elsewhere have none."
            )
        try:
            config, weights, saved = _read(folder)
            module = build_generator(
                config.network, config.image_shape, config.latent_dim, seed=0, n_classes=len(config.classes)
            )
            restore_weights(module, config.network, weights)
        except (OSError, KeyError, TypeError, ValueError, AttributeError, SafetensorError, RuntimeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{folder} does not hold a whole generator: {error}.") from error
        known = digest_of(asdict(config), weights)
        if saved is not None and known != saved:
            raise InputError(
                f"{folder} was changed since it was saved: its weights or {MARKER} have the hash {known}, not {saved}."
                " Bring the old ones back, or train it again."
            )
        return cls(module, config, device)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write ``generator.safetensors`` and ``config.json``; the folder appears whole or not at all."""
        with atomic_folder(folder, marker=MARKER, overwrite=overwrite) as temporary:
            weights = {name: tensor.detach().cpu().contiguous() for name, tensor in self.module.state_dict().items()}
            (temporary / WEIGHTS).write_bytes(save(weights))  # not save_file: a full disk is an OSError
            record = {"schema": SCHEMA, **asdict(self.config), "hash": digest_of(asdict(self.config), weights)}
            (temporary / MARKER).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    def latents(self, n: int, *, seed: int = 0) -> Latents:
        """Return ``n`` latents, (n, latent_dim) float32, standard normal; latent i follows from (seed, i) alone.

        Examples
        --------
        >>> config = GeneratorConfig("compact", (16, 16, 1), latent_dim=4)
        >>> generator = Generator(build_generator("compact", (16, 16, 1), 4, seed=0), config)
        >>> bool((generator.latents(9)[:2] == generator.latents(2)).all())
        True
        """
        draws = [np.random.default_rng((seed, i)).standard_normal(self.config.latent_dim) for i in range(n)]
        return np.asarray(draws, dtype=np.float32).reshape(n, self.config.latent_dim)

    def decode(self, latents: Latents, *, labels: Sequence[str] | None = None, batch_size: int = BATCH_SIZE) -> Images:
        """Return the images of some latents, (n, h, w, c) uint8.

        Parameters
        ----------
        latents : ndarray of float32, shape (n, latent_dim)
        labels : sequence of str, optional
            The class of each, for a conditional generator; default: all classes in turn.
        batch_size : int

        Raises
        ------
        InputError
            For latents of another length.
        ConfigError
            For an unknown class, or labels for a generator without classes.
        """
        if latents.ndim != 2 or latents.shape[1] != self.config.latent_dim:
            raise InputError(f"latents must be (n, {self.config.latent_dim}), got {latents.shape}.")
        codes = self._codes(labels, len(latents))
        parts = []
        with torch.inference_mode():
            for start in range(0, len(latents), batch_size):
                z = torch.from_numpy(np.asarray(latents[start : start + batch_size], dtype=np.float32)).to(self.device)
                code = None if codes is None else codes[start : start + batch_size].to(self.device)
                parts.append(to_uint8(self.module(with_labels(z, code, len(self.config.classes)))))
        return np.concatenate(parts) if parts else np.empty((0, *self.config.image_shape), np.uint8)

    def sample(self, n: int, *, seed: int = 0, labels: Sequence[str] | None = None) -> Images:
        """Return ``n`` images, (n, h, w, c) uint8; see `latents` and `decode`."""
        return self.decode(self.latents(n, seed=seed), labels=labels)

    def labels_in_turn(self, n: int) -> list[str] | None:
        """Return the classes that `decode` gives ``n`` latents by itself; None without classes."""
        classes = self.config.classes
        return [classes[i % len(classes)] for i in range(n)] if classes else None

    def _codes(self, labels: Sequence[str] | None, n: int) -> Tensor | None:
        classes = self.config.classes
        if not classes:
            if labels is not None:
                raise ConfigError("this generator was trained without classes, so none can be asked for.")
            return None
        chosen = self.labels_in_turn(n) if labels is None else list(labels)
        assert chosen is not None
        if len(chosen) != n:
            raise InputError(f"{n} latents but {len(chosen)} labels.")
        for label in set(chosen):
            check_name("class", label, classes)
        return torch.tensor([classes.index(label) for label in chosen])


def _read(folder: Path) -> tuple[GeneratorConfig, dict[str, Tensor], str | None]:
    """Return the config and the weights in a generator folder, and the hash of both when they were saved."""
    record = read_record(folder / MARKER)
    schema = record.pop("schema")
    if schema not in (SCHEMA, OLD_SCHEMA):
        raise InputError(f"{folder / MARKER} is not of schema {SCHEMA!r}; it was written by another version.")
    saved = record.pop("hash") if schema == SCHEMA else None
    known: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
    return GeneratorConfig(**known), load_file(regular(folder / WEIGHTS)), saved


def calibrate(
    module: nn.Module,
    latent_dim: int,
    *,
    n_classes: int = 0,
    device: torch.device | str = "cpu",
    n_latents: int | None = None,
) -> None:
    """Measure batch normalisation's statistics for the weights as they are, on 1,024 latents or fewer; in place.

    Averaged weights never ran, so no statistics of the training are theirs; see ``torch.optim.swa_utils.update_bn``.
    """
    rng = torch.Generator().manual_seed(0)
    n = min(N_CALIBRATION, n_latents or N_CALIBRATION)
    z = torch.randn(n, latent_dim, generator=rng)
    labels = torch.arange(n) % n_classes if n_classes else None
    inputs = with_labels(z, labels, n_classes).to(device)
    torch.optim.swa_utils.update_bn(inputs.split(256), module)
