"""One object for a critic: build, load, save, score, embed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gan_probe.data.images import Images
from gan_probe.data.tensors import to_network
from gan_probe.errors import InputError
from gan_probe.naming import check_name
from gan_probe.networks import ImageShape, build_critic
from gan_probe.pooling import POOLINGS, pool
from synthetic.files import atomic_folder

SCHEMA = "gan_probe.critic/1"
MARKER = "config.json"
WEIGHTS = "critic.safetensors"
Progress = Callable[[Iterable[Any]], Iterable[Any]]


@dataclass(frozen=True)
class CriticConfig:
    """What is needed to rebuild a critic and to know where it comes from.

    Attributes
    ----------
    network : str
        A row of `gan_probe.networks.NETWORKS`.
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
        Names the training; "untrained" before any.
    step : int
        Generator updates behind it.
    data_fingerprint : str
        Of the training data.
    """

    network: str
    image_shape: ImageShape
    layers: tuple[str, ...] = ()
    layer_sizes: tuple[int, ...] = ()
    value_range: tuple[float, float] = (-1.0, 1.0)
    training_classes: tuple[str, ...] = ()
    run_id: str = "untrained"
    step: int = 0
    data_fingerprint: str = ""


class Critic:
    """A discriminator that scores and embeds images, on one device, in evaluation mode, in float32.

    Parameters
    ----------
    module : nn.Module
        Maps (n, c, h, w) in [-1, 1] to (n,), higher = more like the training data.
    config : CriticConfig
    device : str or torch.device
    """

    def __init__(self, module: nn.Module, config: CriticConfig, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.module = module.to(self.device).eval().requires_grad_(False)
        self.config = config

    # --- where critics come from ---

    @classmethod
    def untrained(
        cls, network: str, image_shape: ImageShape, *, seed: int = 0, device: torch.device | str = "cpu"
    ) -> Critic:
        """Return a critic with random weights: the control for every trained one."""
        module = build_critic(network, image_shape, seed=seed)
        return cls(module, describe(module, network, image_shape), device)

    def untrained_twin(self, seed: int) -> Critic:
        """Return an untrained critic of the same architecture."""
        return Critic.untrained(self.config.network, self.config.image_shape, seed=seed, device=self.device)

    @classmethod
    def load(cls, path: str | Path, device: torch.device | str = "cpu") -> Critic:
        """Return the critic in a run folder, a snapshot folder or a critic folder.

        Raises
        ------
        InputError
            When there is none, with what is there instead.
        """
        folder = _critic_folder(Path(path))
        try:
            raw = json.loads((folder / MARKER).read_text(encoding="utf-8"))
            if raw.pop("schema") != SCHEMA:
                raise InputError(f"{folder / MARKER} is not of schema {SCHEMA!r}; it was written by another version.")
            known: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items() if k != "hash"}
            config = CriticConfig(**known)
            module = build_critic(config.network, config.image_shape, seed=0)
            module.load_state_dict(load_file(folder / WEIGHTS))
        except (OSError, KeyError, TypeError, json.JSONDecodeError, SafetensorError, RuntimeError) as error:
            raise InputError(f"{folder} does not hold a whole critic: {error}.") from error
        return cls(module, config, device)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write ``critic.safetensors`` and ``config.json``; the folder appears whole or not at all."""
        with atomic_folder(folder, marker=MARKER, overwrite=overwrite) as temporary:
            self.write_into(temporary)

    def write_into(self, folder: Path) -> None:
        """Write the two files into a folder that exists."""
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in self.module.state_dict().items()}
        save_file(weights, folder / WEIGHTS)
        record = {"schema": SCHEMA, **asdict(self.config), "hash": self.hash}
        (folder / MARKER).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    # --- what critics do ---

    @property
    def hash(self) -> str:
        """16 hexadecimal digits that follow from the architecture and the weights."""
        digest = hashlib.sha256(f"{self.config.network} {self.config.image_shape}".encode())
        for name, tensor in sorted(self.module.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def score(self, images: Images, *, batch_size: int = 256, progress: Progress = iter) -> npt.NDArray[np.float32]:
        """Return the critic_score of each image, (n,): higher = more like the training data, unbounded.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, h, w, c)
        batch_size : int
        progress : callable, optional
            Wraps the iterable of batches, for a progress bar.

        Raises
        ------
        InputError
            For images of another shape or type.

        Examples
        --------
        >>> images = np.zeros((3, 32, 32, 1), dtype=np.uint8)
        >>> Critic.untrained("compact", (32, 32, 1)).score(images).shape
        (3,)
        """
        scores = [self.module(batch).float().cpu().numpy() for batch in self._batches(images, batch_size, progress)]
        return np.concatenate(scores) if scores else np.empty(0, dtype=np.float32)

    def embed(
        self,
        images: Images,
        *,
        layers: Sequence[str] | None = None,
        pooling: str = "mean",
        batch_size: int = 256,
        progress: Progress = iter,
    ) -> npt.NDArray[np.float32]:
        """Return features (n, d): each chosen layer's activations, pooled over the image, side by side.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, h, w, c)
        layers : sequence of str, optional
            Some of ``config.layers``, which is the default.
        pooling : str
            A row of `gan_probe.pooling.POOLINGS`: "mean", "std", "max" or "grid4".
        batch_size : int
        progress : callable, optional

        Raises
        ------
        ConfigError
            For an unknown layer or pooling, with the nearest known one.
        InputError
            For images of another shape or type.
        """
        chosen = self.config.layers if layers is None else tuple(layers)
        for name in chosen:
            check_name("layer", name, self.config.layers)
        check_name("pooling", pooling, POOLINGS)
        batches = self._batches(images, batch_size, progress)
        return np.concatenate([features(self.module, batch, chosen, pooling).cpu().numpy() for batch in batches])

    def _batches(self, images: Images, batch_size: int, progress: Progress) -> Iterator[Tensor]:
        if images.dtype != np.uint8 or images.shape[1:] != tuple(self.config.image_shape):
            wanted = "x".join(map(str, self.config.image_shape))
            raise InputError(
                f"this critic takes uint8 images of {wanted} (height x width x channels);"
                f" got {images.dtype} of {'x'.join(map(str, images.shape[1:]))}."
            )
        with torch.inference_mode():
            for start in progress(range(0, len(images), batch_size)):
                yield to_network(images[start : start + batch_size], self.device)


class _watched:
    """A context in which the outputs of some sub-modules are caught at every forward pass, by name."""

    def __init__(self, module: nn.Module, names: Sequence[str]) -> None:
        self.module, self.names = module, names

    def __enter__(self) -> dict[str, Tensor]:
        caught: dict[str, Tensor] = {}

        def catch(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
            def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
                caught[name] = output

            return hook

        self.handles = [self.module.get_submodule(n).register_forward_hook(catch(n)) for n in self.names]
        return caught

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()


def features(module: nn.Module, batch: Tensor, layers: Sequence[str], pooling: str) -> Tensor:
    """Return (n, d): the pooled activations of some sub-modules for a batch (n, c, h, w) in [-1, 1], side by side."""
    with _watched(module, layers) as caught:
        module(batch)
    return torch.cat([pool(caught[name], pooling) for name in layers], dim=1)


def describe(module: nn.Module, network: str, image_shape: ImageShape) -> CriticConfig:
    """Return the config of a freshly built critic, its layer sizes measured by one forward pass."""
    layers = tuple(getattr(module, "layers", ()))
    height, width, channels = image_shape
    with _watched(module, layers) as caught, torch.inference_mode():
        module(torch.zeros(1, channels, height, width))
    return CriticConfig(network, image_shape, layers, tuple(caught[name].shape[1] for name in layers))


def _critic_folder(path: Path) -> Path:
    """Return the folder with the weights: ``path`` itself or ``path/critic``."""
    if not path.exists():
        raise InputError(f"{path} does not exist. Give a run folder made by gan-probe train, or a critic folder.")
    for folder in (path, path / "critic"):
        if (folder / WEIGHTS).is_file():
            return folder
    if (path / "metrics.jsonl").is_file():
        snapshots = sorted((path / "snapshots").glob("step-*"))
        last = f", or use its last snapshot: {snapshots[-1]}" if snapshots else ""
        raise InputError(
            f"the training in {path} is not finished. Finish it with: gan-probe train DATA --out {path} --resume{last}."
        )
    raise InputError(f"{path} is not a run folder: it holds neither critic/ nor {WEIGHTS}.")
