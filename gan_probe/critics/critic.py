"""One object for a critic: build, load, save, score, embed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gan_probe.critics.features import POOLINGS, features, watched
from gan_probe.critics.foreign import (
    AdaptedCritic,
    build_from_factory,
    find_layers,
    load_weights,
    parse_layers,
    reinitialised,
)
from gan_probe.critics.stored import KINDS, SUFFIXES, WITHOUT_CODE, open_file
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.pixels import to_network
from gan_probe.names import check_name
from gan_probe.networks import build_critic
from gan_probe.networks.heads import CriticWithHeads
from gan_probe.types import Images, ImageShape, Progress
from synthetic.files import atomic_folder

SCHEMA = "gan_probe.critic/1"
MARKER = "config.json"
WEIGHTS = "critic.safetensors"
ENSEMBLE = "ensemble.json"  # what a folder with several critics holds: see `gan_probe.critics.ensemble`
TRUST = "add --trust-code (in Python: trust_code=True)."


@dataclass(frozen=True)
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
        Names the training; "untrained" before any.
    step : int
        Generator updates behind it.
    data_fingerprint : str
        Of the training data.
    factory : str
        ``package.module:name`` that builds a discriminator from elsewhere; empty for our own networks.
    arguments : dict
        What the factory is called with.
    adaptation : dict
        ``output``, ``sign``, ``n_labels``: see `gan_probe.critics.foreign.AdaptedCritic`.
    heads : dict
        ``n_classes``, ``n_kernels``: see `gan_probe.networks.heads.CriticWithHeads`; empty without.
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
    factory: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    adaptation: dict[str, Any] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)

    @property
    def is_conditional(self) -> bool:
        """Whether the critic was trained with the classes of its images."""
        return self.heads.get("n_classes", 0) > 0

    def build(self) -> nn.Module:
        """Return the network with any weights, to load some into; see `rebuild`."""
        return rebuild(self)


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
        cls,
        network: str,
        image_shape: ImageShape,
        *,
        seed: int = 0,
        device: torch.device | str = "cpu",
        heads: Mapping[str, int] | None = None,
    ) -> Critic:
        """Return a critic with random weights: the control for every trained one."""
        module = build_critic(network, image_shape, seed=seed, **(heads or {})).eval()
        return cls(module, replace(describe(module, network, image_shape), heads=dict(heads or {})), device)

    @classmethod
    def from_module(
        cls,
        module: nn.Module,
        image_shape: ImageShape,
        *,
        value_range: tuple[float, float] = (-1.0, 1.0),
        layers: Sequence[str] | None = None,
        output: str = "auto",
        sign: int = 1,
        n_labels: int | None = None,
        factory: str = "",
        arguments: Mapping[str, Any] | None = None,
        device: torch.device | str = "cpu",
    ) -> Critic:
        """Return a critic around somebody else's discriminator.

        Parameters
        ----------
        module : nn.Module
            See `gan_probe.critics.foreign.AdaptedCritic` for the outputs that are understood.
        image_shape : tuple of int
            Height, width, channels.
        value_range : tuple of float
            What the module expects for black and white, (-1, 1) or (0, 1) for most.
        layers : sequence of str, optional
            Sub-modules for the embedding; default every convolution and linear map but the last.
        output, sign, n_labels
            See `gan_probe.critics.foreign.AdaptedCritic`.
        factory, arguments : str, mapping
            ``package.module:name`` and what it is called with, to build the module again: `save` needs it.
        device : str or torch.device

        Raises
        ------
        ConfigError
            For an unknown layer or setting, or a conditional module without ``n_labels``.
        InputError
            When the module does not take such images, or returns nothing that could be a score.
        """
        adapted = AdaptedCritic(module, value_range=value_range, output=output, sign=sign, n_labels=n_labels).eval()
        height, width, channels = image_shape
        example = torch.zeros(2, channels, height, width)
        try:
            found = find_layers(adapted.cpu(), example)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"the discriminator does not take {height}x{width}x{channels} images: {error}.") from error
        adapted.layers = parse_layers(layers, found, module)
        config = CriticConfig(
            type(module).__name__,
            (height, width, channels),
            layers=adapted.layers,
            layer_sizes=tuple(found.get(name, 0) for name in adapted.layers),
            value_range=adapted.value_range,
            run_id="",
            factory=factory,
            arguments=dict(arguments or {}),
            adaptation={"output": output, "sign": sign, "n_labels": n_labels},
        )
        return cls(adapted, config, device)

    @classmethod
    def from_factory(
        cls, factory: str, image_shape: ImageShape, *, weights: str | Path | None = None, seed: int = 0, **options: Any
    ) -> Critic:
        """Return a critic built by ``package.module:name``, which runs that package's code.

        Parameters
        ----------
        factory : str
        image_shape : tuple of int
        weights : path, optional
            ``.safetensors``, or a state dict that torch reads with ``weights_only=True``. None: as built.
        seed : int
        **options
            Of `from_module`; ``arguments`` are what the factory is called with.

        Raises
        ------
        InputError
            When the factory fails, or the weights do not match.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = build_from_factory(factory, options.get("arguments") or {})
        if weights is not None:
            load_weights(module, weights)
        return cls.from_module(module, image_shape, factory=factory, **options)

    @classmethod
    def from_file(
        cls, path: str | Path, image_shape: ImageShape, *, trust_code: bool = False, **options: Any
    ) -> Critic:
        """Return a critic from a file that carries its own graph: ONNX, or TorchScript.

        Parameters
        ----------
        path : path
            ``.onnx``, whose convolutions and linear maps are the layers; or ``.pt``, ``.pth``, ``.ts``,
            ``.torchscript``, which can be scored with and not looked into.
        image_shape : tuple of int
        trust_code : bool
            TorchScript is a program: it is run only when this is set.
        **options
            Of `from_module`.

        Raises
        ------
        InputError
            For another file, one that cannot be run, or TorchScript without ``trust_code``.
        MissingError
            Without the packages that ONNX needs.
        """
        kind = SUFFIXES.get(Path(path).suffix, "")
        if kind and kind not in WITHOUT_CODE and not trust_code:
            raise InputError(f"{path} is a program: loading it runs it. If you trust it, {TRUST}")
        kind, module = open_file(path)
        if options.get("output", "auto") == "auto":
            options["output"] = "probability" if module.is_sigmoid else "score"
        return cls.from_module(module, image_shape, factory=kind, **options)

    def untrained_twin(self, seed: int) -> Critic:
        """Return an untrained critic of the same architecture.

        Raises
        ------
        InputError
            When weights from elsewhere cannot be drawn anew without a factory.
        """
        config = self.config
        if config.factory in KINDS:
            raise InputError(f"the weights of a stored graph ({config.network}) cannot be drawn anew.")
        if not isinstance(self.module, AdaptedCritic):
            return Critic.untrained(
                config.network, config.image_shape, seed=seed, device=self.device, heads=config.heads
            )
        options = {
            "value_range": config.value_range,
            "layers": config.layers,
            "device": self.device,
            **config.adaptation,
        }
        if config.factory:
            options |= {"arguments": config.arguments, "seed": seed}
            return Critic.from_factory(config.factory, config.image_shape, **options)
        return Critic.from_module(reinitialised(self.module.inner, seed), config.image_shape, **options)

    @classmethod
    def load(cls, path: str | Path, device: torch.device | str = "cpu", *, trust_code: bool = False) -> Critic:
        """Return the critic in a run folder, a snapshot folder, a critic folder or an ensemble folder.

        Parameters
        ----------
        path : path
        device : str or torch.device
        trust_code : bool
            Allow a critic from elsewhere to import and call the factory that its ``config.json`` names.

        Raises
        ------
        InputError
            When there is none, with what is there instead; when it needs code and ``trust_code`` is not set.
        """
        if (Path(path) / ENSEMBLE).is_file():
            from gan_probe.critics.ensemble import EnsembleCritic  # it is built on this module

            return EnsembleCritic.load(path, device, trust_code=trust_code)
        folder = _critic_folder(Path(path))
        try:
            raw = json.loads((folder / MARKER).read_text(encoding="utf-8"))
            if raw.pop("schema") != SCHEMA:
                raise InputError(f"{folder / MARKER} is not of schema {SCHEMA!r}; it was written by another version.")
            known: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items() if k != "hash"}
            config = CriticConfig(**known)
            if config.factory and config.factory not in WITHOUT_CODE and not trust_code:
                raise InputError(
                    f"{folder} is a critic from elsewhere: loading it runs {config.factory}. If you trust that code,"
                    f" {TRUST}"
                )
            module = rebuild(config)
            module.load_state_dict(load_file(folder / WEIGHTS))
        except (OSError, KeyError, TypeError, ValueError, AttributeError, SafetensorError, RuntimeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{folder} does not hold a whole critic: {error}.") from error
        return cls(module, config, device)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write ``critic.safetensors`` and ``config.json``; the folder appears whole or not at all."""
        with atomic_folder(folder, marker=MARKER, overwrite=overwrite) as temporary:
            self.write_into(temporary)

    def write_into(self, folder: Path) -> None:
        """Write the two files into a folder that exists.

        Raises
        ------
        InputError
            For a critic from elsewhere without a factory: nothing could build it again.
        """
        if isinstance(self.module, AdaptedCritic) and not self.config.factory:
            raise InputError(
                f"{self.config.network} cannot be saved without a factory to build it again: use Critic.from_factory,"
                " or pass factory='package.module:name'."
            )
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in self.module.state_dict().items()}
        save_file(weights, folder / WEIGHTS)
        (folder / WEIGHTS).chmod(0o644)  # safetensors makes it readable for its owner only
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

    @property
    def gauge(self) -> dict[str, str]:
        """In what units its scores are: those that its training happened to give it, which no other critic shares."""
        return {"alignment": "raw", "panel": ""}

    @property
    def members(self) -> tuple[Critic, ...]:
        """The critics that make it up: itself."""
        return (self,)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the scores must know about how they come about; empty for most critics."""
        notes = []
        if self.config.heads.get("n_kernels"):
            notes.append(
                "trained with minibatch discrimination, so it depends on the batch in training; here every image is"
                " scored as if it were alone in its batch."
            )
        if self.config.is_conditional:
            notes.append(
                f"trained with {self.config.heads['n_classes']} classes; here scores are means over the classes."
            )
        return tuple(notes)

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

    def class_scores(self, images: Images, *, batch_size: int = 256) -> npt.NDArray[np.float32]:
        """Return the score of each image under each class of a conditional critic, (n, n_classes).

        Columns are ``config.training_classes``; their mean is `score`.

        Raises
        ------
        InputError
            For a critic that was trained without classes.
        """
        if not self.config.is_conditional:
            raise InputError("this critic was trained without classes; train one with --set conditional=true.")
        assert isinstance(self.module, CriticWithHeads)
        batches = self._batches(images, batch_size, iter)
        return np.concatenate([self.module.class_scores(batch).cpu().numpy() for batch in batches])

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
            A row of `gan_probe.critics.features.POOLINGS`: "mean", "std", "max" or "grid4".
        batch_size : int
        progress : callable, optional

        Raises
        ------
        ConfigError
            For an unknown layer or pooling, with the nearest known one.
        InputError
            For images of another shape or type, or a critic without layers.
        """
        chosen = self.config.layers if layers is None else tuple(layers)
        if not chosen:
            raise InputError(f"{self.config.network} shows no layers, so there is nothing to embed with; it can score.")
        for name in chosen:
            check_name("layer", name, self.config.layers)
        check_name("pooling", pooling, POOLINGS)
        batches = self._batches(images, batch_size, progress)
        if not len(images):
            raise InputError("there are no images to embed.")
        return np.concatenate([features(self.module, batch, chosen, pooling).cpu().numpy() for batch in batches])

    def _batches(self, images: Images, batch_size: int, progress: Progress) -> Iterator[Tensor]:
        if images.dtype != np.uint8 or images.shape[1:] != tuple(self.config.image_shape):
            wanted = "x".join(map(str, self.config.image_shape))
            raise InputError(
                f"this critic takes uint8 images of {wanted} (height x width x channels);"
                f" got {images.dtype} of {'x'.join(map(str, images.shape[1:]))}. Resize with --size"
                f" {self.config.image_shape[0]} (in Python: read_images(..., size_px={self.config.image_shape[0]}))."
            )
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size!r}.")
        with torch.inference_mode():
            for start in progress(range(0, len(images), batch_size)):
                yield to_network(images[start : start + batch_size], self.device)


def rebuild(config: CriticConfig) -> nn.Module:
    """Return the network that a config describes, with any weights. Runs the factory of a critic from elsewhere."""
    if not config.factory:
        return build_critic(config.network, config.image_shape, seed=0, **config.heads)
    if config.factory in KINDS:
        adapted = AdaptedCritic(KINDS[config.factory](), value_range=config.value_range, **config.adaptation)
        adapted.layers = config.layers
        return adapted
    options: dict[str, Any] = {"value_range": config.value_range, "layers": config.layers}
    options |= {"arguments": config.arguments, **config.adaptation}
    return Critic.from_factory(config.factory, config.image_shape, **options).module


def describe(module: nn.Module, network: str, image_shape: ImageShape) -> CriticConfig:
    """Return the config of a freshly built critic, its layer sizes measured by one forward pass."""
    layers = tuple(getattr(module, "layers", ()))
    height, width, channels = image_shape
    names = [getattr(module, "layer_prefix", "") + name for name in layers]
    with watched(module, names) as caught, torch.inference_mode():
        module(torch.zeros(1, channels, height, width))
    return CriticConfig(network, image_shape, layers, tuple(caught[name].shape[1] for name in names))


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


def critic_hash(folder: Path) -> str | None:
    """Return the hash that a critic folder was saved with, without loading the critic; None where there is none."""
    try:
        return str(json.loads((folder / MARKER).read_text(encoding="utf-8"))["hash"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
