"""One object for a critic: build, load, save, score, embed."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property, singledispatch
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from gan_probe.config import POOLING
from gan_probe.critics.boundary import foreign_code
from gan_probe.critics.features import check_pooling, passed, resolve_pooling, watched
from gan_probe.critics.foreign import AdaptedCritic, build_from_factory, find_layers, prepared
from gan_probe.critics.identity import (
    MARKER,
    SCHEMA,
    WEIGHTS,
    CriticConfig,
    check_folder,
    hash_of,
    read_config,
)
from gan_probe.critics.loading import OPENERS, open_folder
from gan_probe.critics.random_weights import are_same, reinitialised, settle_spectral_norms
from gan_probe.critics.stored import KINDS, WITHOUT_CODE, kind_of, open_file
from gan_probe.critics.weights import check_state, load_weights
from gan_probe.device import batch_size_for, products_of
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import LazyImages
from gan_probe.images.pixels import to_network
from gan_probe.names import check_name
from gan_probe.networks import NETWORKS, build_critic, restore_weights
from gan_probe.networks.heads import CriticWithHeads, CriticWithOutputs
from gan_probe.records import regular, seal
from gan_probe.types import Column, Images, ImageShape, Progress
from synthetic.files import atomic_folder

OUTPUTS = ("outputs",)  # of `CriticWithOutputs`: what differs between its classes
TRUST = "add --trust-code (in Python: trust_code=True)."


class Forward(NamedTuple):
    """What a forward pass gives of n images.

    ``spread`` is what an ensemble adds: the standard deviation of each score over its members; ``places`` what a
    semi-supervised critic adds: the most probable class of each image, by its place among the training classes.
    """

    scores: Column
    features: npt.NDArray[np.float32] | None = None
    spread: Column | None = None
    places: npt.NDArray[np.intp] | None = None

    @classmethod
    def together(cls, parts: Sequence[Forward]) -> Forward:
        """Return several batches as one; of none, no scores."""
        if not parts:
            return cls(np.empty(0, dtype=np.float32))
        scores, *rest = zip(*parts, strict=True)
        return cls(np.concatenate(scores), *(None if part[0] is None else np.concatenate(part) for part in rest))


class Critic:
    """A discriminator that scores and embeds images, on one device, in evaluation mode, in float32.

    Parameters
    ----------
    module : nn.Module
        Maps (n, c, h, w) in [-1, 1] to (n,), higher = more like the training data.
    config : CriticConfig
    device : str or torch.device
    source : path, optional
        Where it was loaded from, for records.
    """

    def __init__(
        self,
        module: nn.Module,
        config: CriticConfig,
        device: torch.device | str = "cpu",
        *,
        source: str | Path | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.module = module.to(self.device).eval().requires_grad_(False)
        if self.device.type == "cpu" and config.network in NETWORKS:  # the faster layout; others' code may not bear it
            self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.config = config
        self.source = str(source or "")
        self.remarks: tuple[str, ...] = ()  # what is to be said once, of how it was made

    def __repr__(self) -> str:
        shape, n = "x".join(map(str, self.config.image_shape)), len(self.config.layers)
        trained = f"{self.config.step} steps" if self.config.step else "no record of a training"
        return f"<{type(self).__name__} {self.config.network} {shape}, {trained}, {n} layers, {self.hash}>"

    # --- where critics come from ---

    @classmethod
    def untrained(cls, *args: Any, **kwargs: Any) -> Critic:
        """Return `from_network`, under the name of 0.1.0."""
        warnings.warn("Critic.untrained is Critic.from_network now; the old name goes with 0.3.", DeprecationWarning, 2)
        return cls.from_network(*args, **kwargs)

    @classmethod
    def from_network(
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
        labels: str = "auto",
        training_classes: Sequence[str] = (),
        factory: str = "",
        arguments: Mapping[str, Any] | None = None,
        device: torch.device | str = "cpu",
    ) -> Critic:
        """Return a critic around somebody else's discriminator.

        Parameters
        ----------
        module : nn.Module
            See `gan_probe.critics.foreign.AdaptedCritic` for the outputs that are understood. It is taken over as it
            is: put into evaluation mode and float32, without gradients and without torch.compile.
        image_shape : tuple of int
            Height, width, channels.
        value_range : tuple of float
            What the module expects for black and white, (-1, 1) or (0, 1) for most.
        layers : sequence of str, optional
            Sub-modules for the embedding; default every convolution and linear map but the last.
        output, sign, n_labels, labels
            See `gan_probe.critics.foreign.AdaptedCritic`. Where what the module returns, or the form of its labels, can
            be read in several ways, the error lists them.
        training_classes : sequence of str
            Labels that it was trained on, as the data to be scored names them; empty where that is unknown.
        factory, arguments : str, mapping
            ``package.module:name`` and what it is called with, to build the module again: `save` needs it.
        device : str or torch.device

        Raises
        ------
        ConfigError
            For an unknown layer or setting, or a conditional module without ``n_labels``.
        InputError
            When the module does not take such images, returns nothing that could be a score, or several things.
        """
        module = prepared(module)
        adapted = AdaptedCritic(
            module, value_range=value_range, output=output, sign=sign, n_labels=n_labels, labels=labels
        ).eval()
        height, width, channels = image_shape
        images = adapted.settle((height, width, channels))
        check_state(module)
        found = find_layers(adapted, images, layers)
        adapted.layers = tuple(found)
        config = CriticConfig(
            network=type(module).__name__,
            image_shape=(height, width, channels),
            layers=adapted.layers,
            layer_sizes=tuple(found.values()),
            value_range=adapted.value_range,
            training_classes=tuple(dict.fromkeys(training_classes)),
            run_id="",
            factory=factory,
            arguments=dict(arguments or {}),
            adaptation=adapted.adaptation,
        )
        return cls(adapted, config, device)

    @classmethod
    def from_factory(
        cls,
        factory: str,
        image_shape: ImageShape,
        *,
        weights: str | Path | None = None,
        key: str | None = None,
        seed: int = 0,
        **options: Any,
    ) -> Critic:
        """Return a critic built by ``package.module:name``, which runs that package's code.

        Parameters
        ----------
        factory : str
        image_shape : tuple of int
        weights : path, optional
            ``.safetensors``, or a state dict that torch reads with ``weights_only=True``. None: as built.
        key : str, optional
            Of several networks in that file, the one to load: see `gan_probe.critics.weights.load_weights`.
        seed : int
        **options
            Of `from_module`; ``arguments`` are what the factory is called with.

        Raises
        ------
        InputError
            When the factory fails, or the weights do not match.
        """
        if key is not None and weights is None:
            raise ConfigError(f"key names a network in a file of weights, got {key!r} and no weights.")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = prepared(build_from_factory(factory, options.get("arguments") or {}))
            remark = load_weights(module, weights, key=key) if weights is not None else ""
            critic = cls.from_module(module, image_shape, factory=factory, **options)  # lazy layers draw weights here
        critic.remarks = (remark,) if remark else ()
        return critic

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
        kind = kind_of(path)
        if kind and kind not in WITHOUT_CODE and not trust_code:
            raise InputError(f"{path} is a program: loading it runs it. If you trust it, {TRUST}")
        kind, module = open_file(path)
        return cls.from_module(module, image_shape, factory=kind, **options)

    def random_init(self, seed: int) -> Critic:
        """Return a randomly initialised critic of the same architecture: the control for this one.

        Raises
        ------
        InputError
            When weights from elsewhere cannot be drawn anew without a factory.
        """
        config = self.config
        if config.factory in KINDS:
            raise InputError(f"the weights of a stored graph ({config.network}) cannot be drawn anew.")
        if not isinstance(self.module, AdaptedCritic):
            return Critic.from_network(
                config.network, config.image_shape, seed=seed, device=self.device, heads=config.heads
            )
        options = {"layers": config.layers, "device": self.device, **_adaptation(config)}
        if not config.factory:
            return Critic.from_module(reinitialised(self.module.inner, seed), config.image_shape, **options)
        options |= {"arguments": config.arguments}
        drawn = Critic.from_factory(config.factory, config.image_shape, seed=seed, **options)
        if are_same(drawn.module.state_dict(), self.module.state_dict()):  # of one seed, or is there nothing to draw?
            other = Critic.from_factory(config.factory, config.image_shape, seed=seed + 1, **options)
            if are_same(drawn.module.state_dict(), other.module.state_dict()):
                raise InputError(
                    f"the factory {config.factory} builds the same weights for every seed: does it load trained ones?"
                    " Controls need one that draws them."
                )
        settle_spectral_norms(drawn.module)
        return drawn

    def untrained_twin(self, seed: int) -> Critic:
        """Return `random_init`, under the name of 0.1.0."""
        warnings.warn("untrained_twin is random_init now; the old name goes with 0.3.", DeprecationWarning, 2)
        return self.random_init(seed)

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
        return open_folder(path, device, trust_code=trust_code)

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
        weights = {  # copies, as safetensors refuses layers that share a weight
            name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, tensor in self.module.state_dict().items()
        }
        (folder / WEIGHTS).write_bytes(save(weights))  # not save_file: a full disk is an OSError
        saved = hash_of(self.config, self.module.state_dict())  # anew: weights may have been changed in place
        try:
            record = seal({"schema": SCHEMA, **asdict(self.config), "hash": saved})
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{self.config.network} cannot be saved, as its settings cannot be written as JSON: {error}."
                " Arguments of a factory must be text, numbers, truth values, or lists and dicts of them; build all"
                " else within the factory."
            ) from error
        (folder / MARKER).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    # --- what critics do ---

    @cached_property
    def hash(self) -> str:
        """Its identity, 16 hexadecimal digits: see `gan_probe.critics.identity`. Computed once."""
        return hash_of(self.config, self.module.state_dict())

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
        if self.config.without_generator:
            notes.append(
                f"trained without a generator, by {self.config.taught_by} alone: nothing taught its score, which means"
                f" nothing. Use its features{' and its classes' if self.config.heads.get('n_outputs') else ''}."
            )
        if self.config.heads.get("n_kernels"):
            notes.append(
                "trained with minibatch discrimination, so it depends on the batch in training; here every image is"
                " scored as if it were alone in its batch."
            )
        if self.config.is_conditional:
            notes.append(
                f"trained with {self.config.heads['n_classes']} classes; here scores are means over the classes."
            )
        if self.config.heads.get("n_outputs"):
            notes.append(
                f"trained with labels of {self.config.heads['n_outputs']} classes, semi-supervised; its score is the"
                " log odds of being of any of them."
            )
        return tuple(notes)

    def score(
        self, images: Images, *, batch_size: int | None = None, progress: Progress = iter
    ) -> npt.NDArray[np.float32]:
        """Return the critic_score of each image, (n,): higher = more like the training data, unbounded.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, h, w, c)
        batch_size : int, optional
        progress : callable, optional
            Wraps the iterable of batches, for a progress bar.

        Raises
        ------
        InputError
            For images of another shape or type.

        Examples
        --------
        >>> images = np.zeros((3, 32, 32, 1), dtype=np.uint8)
        >>> Critic.from_network("compact", (32, 32, 1)).score(images).shape
        (3,)
        """
        return self.forward(images, batch_size=batch_size, progress=progress).scores

    def class_scores(self, images: Images, *, batch_size: int | None = None) -> npt.NDArray[np.float32]:
        """Return the score of each image under each class, (n, n_classes), of a critic that was trained with classes.

        Columns are ``config.training_classes``. Of a conditional critic their mean is `score`; of a semi-supervised one
        the logarithm of the sum of their exponentials is.

        Raises
        ------
        InputError
            For a critic that was trained without classes.
        """
        if not isinstance(self.module, CriticWithHeads | CriticWithOutputs) or not self.config.n_classes:
            raise InputError(
                "this critic was trained without classes; train one with --labels, or with --set conditional=true."
            )
        batches = self._batches(images, batch_size, iter)
        with torch.inference_mode():
            return np.concatenate([self.module.class_scores(batch).cpu().numpy() for batch in batches])

    def predict(self, images: Images, *, batch_size: int = 256) -> npt.NDArray[np.str_]:
        """Return the most probable of ``config.training_classes`` of each image, (n,): see `class_scores`."""
        best = self.class_scores(images, batch_size=batch_size).argmax(1)
        return np.asarray(self.config.training_classes)[best]

    def embed(
        self,
        images: Images,
        *,
        layers: Sequence[str] | None = None,
        pooling: str = POOLING,
        batch_size: int | None = None,
        progress: Progress = iter,
    ) -> npt.NDArray[np.float32]:
        """Return features (n, d): each chosen layer's activations, pooled over the image, side by side.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, h, w, c)
        layers : sequence of str, optional
            Some of ``config.layers``, which is the default.
        pooling : str
            A row of `gan_probe.critics.features.POOLINGS`, such as "mean" or "pyramid"; "auto": what the network asks
            for, see `resolve_pooling`.
        batch_size : int, optional
        progress : callable, optional

        Raises
        ------
        ConfigError
            For an unknown layer or pooling, with the nearest known one.
        InputError
            For images of another shape or type, or a critic without layers.
        """
        chosen = self.chosen_layers(layers)
        if not len(images):
            raise InputError("there are no images to embed.")
        found = self.forward(images, layers=chosen, pooling=pooling, batch_size=batch_size, progress=progress).features
        assert found is not None
        return found

    def chosen_layers(self, layers: Sequence[str] | None = None) -> tuple[str, ...]:
        """Return the layers named, or all of the critic's.

        Raises
        ------
        ConfigError
            For an unknown layer, with the nearest known one.
        InputError
            For a critic without layers.
        """
        chosen = self.config.layers if layers is None else tuple(layers)
        if not chosen:
            raise InputError(f"{self.config.network} shows no layers, so there is nothing to embed with; it can score.")
        for name in chosen:
            check_name("layer", name, self.config.layers)
        return chosen

    def chosen_pooling(self, pooling: str = POOLING) -> str:
        """Return a row of `gan_probe.critics.features.POOLINGS`: of "auto" the one that the network asks for.

        Raises
        ------
        ConfigError
            For an unknown pooling, with the nearest known one.
        """
        check_pooling(pooling)
        return resolve_pooling(self.module, pooling)

    def forward(
        self,
        images: Images,
        *,
        layers: Sequence[str] = (),
        pooling: str = POOLING,
        batch_size: int | None = None,
        progress: Progress = iter,
    ) -> Forward:
        """Return scores and, of chosen layers, features of images, in one pass through the network.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, h, w, c)
        layers : sequence of str
            Some of ``config.layers``; none: scores only.
        pooling : str
            A row of `gan_probe.critics.features.POOLINGS`; "auto": what the network asks for, see `resolve_pooling`.
        batch_size : int, optional
        progress : callable, optional
            Wraps the iterable of batches.

        Raises
        ------
        ConfigError, InputError
            As `score` and `embed`.
        """
        check_pooling(pooling)
        for name in layers:
            check_name("layer", name, self.config.layers)
        batches = self._batches(images, batch_size, progress)
        with torch.inference_mode():
            parts = [self.forward_batch(batch, layers, pooling) for batch in batches]
        return Forward.together(parts)

    def forward_batch(self, batch: Tensor, layers: Sequence[str] = (), pooling: str = POOLING) -> Forward:
        """Return scores and features of one batch (n, c, h, w) in [-1, 1], on the critic's device."""
        with products_of("fp32"), watched(self.module, OUTPUTS if self.config.heads.get("n_outputs") else ()) as caught:
            scores, found = passed(self.module, batch, layers, pooling)
        return Forward(
            scores.float().cpu().numpy(),
            None if found is None else found.cpu().numpy(),
            places=next((outputs.argmax(1).cpu().numpy() for outputs in caught.values()), None),
        )

    def _batches(self, images: Images, batch_size: int | None, progress: Progress) -> Iterator[Tensor]:
        self.check_images(images)
        batch_size = batch_size_for(self.device) if batch_size is None else batch_size
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size!r}.")
        for start in progress(range(0, len(images), batch_size)):  # callers set the mode: an error would leave it set
            yield to_network(images[start : start + batch_size], self.device)

    def check_images(self, images: Images | LazyImages) -> None:
        """Raise `InputError` unless images have the critic's shape and type."""
        if not hasattr(images, "dtype") or not hasattr(images, "shape"):
            raise InputError(
                f"a critic takes an array of images, got {type(images).__name__}. Of a path or an ImageSet:"
                " gan_probe.read_images(path).images; of a list of arrays: np.stack(images)."
            )
        if images.dtype != np.uint8 or images.shape[1:] != tuple(self.config.image_shape):
            wanted = "x".join(map(str, self.config.image_shape))
            raise InputError(
                f"this critic takes uint8 images of {wanted} (height x width x channels);"
                f" got {images.dtype} of {'x'.join(map(str, images.shape[1:]))}. {self._way_out(images)}"
            )

    def _way_out(self, images: Images | LazyImages) -> str:
        """Return what makes images fit that do not."""
        height, width, channels = self.config.image_shape
        if images.shape[1:] == (height, width, channels):
            return "Give 0 to 255, such as (255 * images).round().astype(np.uint8) of values from 0 to 1."
        if images.shape[1:] == (channels, height, width):
            return "Channels come first; put them last: images.transpose(0, 2, 3, 1)."
        if images.shape == (height, width, channels):
            return "One image is a batch of one: images[None]."
        return f"Resize with --size {height} (in Python: read_images(..., size_px={height}))."


@singledispatch
def rebuild(config: CriticConfig) -> nn.Module:
    """Return the network that a config describes, with any weights. Runs the factory of a critic from elsewhere."""
    if not config.factory:
        return build_critic(config.network, config.image_shape, seed=0, **config.heads)
    if config.factory in KINDS:
        adapted = AdaptedCritic(KINDS[config.factory](), **_adaptation(config))
        adapted.layers = config.layers
        return adapted
    options = {"layers": config.layers, "arguments": config.arguments, **_adaptation(config)}
    return Critic.from_factory(config.factory, config.image_shape, **options).module


def _adaptation(config: CriticConfig) -> dict[str, Any]:
    """Return how a discriminator from elsewhere is adapted. Labels are indices where nothing else was recorded."""
    return {"value_range": config.value_range, "labels": "index", **config.adaptation}


def describe(module: nn.Module, network: str, image_shape: ImageShape) -> CriticConfig:
    """Return the config of a freshly built critic, its layer sizes measured by one forward pass."""
    layers = tuple(getattr(module, "layers", ()))
    height, width, channels = image_shape
    names = [getattr(module, "layer_prefix", "") + name for name in layers]
    with watched(module, names) as caught, torch.inference_mode():
        module(torch.zeros(1, channels, height, width))
    sizes = tuple(caught[name].shape[1] for name in names)
    return CriticConfig(network=network, image_shape=image_shape, layers=layers, layer_sizes=sizes)


def _open(folder: Path, device: torch.device | str, *, trust_code: bool) -> Critic:
    """Return the critic in a folder that `Critic.write_into` wrote, whole and unchanged."""
    try:
        config, record = read_config(folder)
        if config.factory and config.factory not in WITHOUT_CODE and not trust_code:
            raise InputError(
                f"{folder} is a critic from elsewhere: loading it runs {config.factory}. If you trust that code,"
                f" {TRUST}"
            )
        weights = load_file(regular(folder / WEIGHTS))
        module = rebuild(config)
        check_folder(folder, config, record, weights)  # before a stored graph, which may be a program, is opened
        with foreign_code(f"{folder} does not hold a whole critic"):  # whoever wrote a module may load it in own ways
            restore_weights(module, config.network, weights)
    except (OSError, KeyError, TypeError, ValueError, AttributeError, SafetensorError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{folder} does not hold a whole critic: {error}.") from error
    if isinstance(module, AdaptedCritic):  # schema 1 wrote "auto"
        config = replace(config, adaptation={**config.adaptation, "output": module.output})
    return Critic(module, config, device)


OPENERS[WEIGHTS] = _open
