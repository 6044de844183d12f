"""Discriminators from elsewhere: whatever they return becomes one number an image, higher = more real."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gan_probe.critics.boundary import foreign_code
from gan_probe.critics.features import watched
from gan_probe.critics.labels import LABEL_FORMS, as_arguments, check_labels, find_form, label_parameter
from gan_probe.critics.outputs import Probabilities, describe_output, leaves, resolve_output, score_of, shape_of
from gan_probe.critics.stored import OnnxModule, Tap
from gan_probe.errors import ConfigError, InputError
from gan_probe.names import check_name
from gan_probe.types import ImageShape

TRIED_BATCHES = (1, 2, 4, 8, 16, 32, 64)  # where another batch size fails
TRIAL_SIZES = (2, 3, 4, 8, 1, 16, 64)  # batches by which a discriminator is found out; the first that it takes


class AdaptedCritic(nn.Module):
    """A discriminator behind the interface of our own: (n, c, h, w) in [-1, 1] to (n,).

    Parameters
    ----------
    inner : nn.Module
        Returns a score (n,), (n, 1) or (n, 1, 1, 1); a map of patches (n, 1, h, w), which is averaged; a list of such
        for several scales, which is averaged; or tuples, lists and dicts in which one thing could be the score.
    value_range : tuple of float
        What ``inner`` expects for black and white.
    output : str
        "auto", "score" or "probability"; which part, such as "0" or "logits"; or both, as in "1:probability". A
        probability is turned into a logit, which is unbounded and ranks the same: what went into the sigmoid where that
        is seen, else computed. "auto": a probability when a sigmoid (or softmax) made what is returned, layer or
        function.
    sign : {1, -1}
        -1 where ``inner`` returns higher values for fakes.
    n_labels : int, optional
        For a conditional discriminator, called as ``inner(images, labels)``: its score averaged over all labels.
    labels : str
        The form of the labels, a row of `gan_probe.critics.labels.LABEL_FORMS`; or "auto".

    What is "auto" is found out by `settle`.
    """

    layer_prefix = "inner."

    def __init__(
        self,
        inner: nn.Module,
        *,
        value_range: tuple[float, float] = (-1.0, 1.0),
        output: str = "auto",
        sign: int = 1,
        n_labels: int | None = None,
        labels: str = "index",
    ) -> None:
        super().__init__()
        if sign not in (1, -1):
            raise ConfigError(f"sign must be 1 or -1, got {sign!r}.")
        low, high = value_range
        if not low < high:
            raise ConfigError(f"value_range must be (black, white) with black < white, got {value_range!r}.")
        check_name("labels", labels, ["auto", *LABEL_FORMS])
        check_labels(inner, n_labels)
        self.inner, self.value_range, self.sign, self.n_labels = inner, (float(low), float(high)), sign, n_labels
        self.output, self.labels = output, labels
        self.layers: tuple[str, ...] = ()

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (n,) of images (n, c, h, w) in [-1, 1].

        Raises
        ------
        InputError
            When the discriminator raises anything, with the batch sizes that it takes, or returns no score.
        """
        pixels = self._pixels(x)
        try:
            scores = [score_of(partial(self._call, pixels, label), len(x), self.output) for label in self._each_label()]
        except InputError as error:
            taken = [size for size in TRIED_BATCHES if size != len(x) and self._takes(pixels, size)]
            if not taken:
                raise
            raise InputError(
                f"{error} That was a batch of {len(x)}; it takes {_listed(taken)} at a time: give a --batch-size (in"
                " Python: batch_size=) among these that divides the number of images."
            ) from error
        return self.sign * (scores[0] if self.n_labels is None else torch.stack(scores).mean(0))

    def settle(self, image_shape: ImageShape) -> Tensor:
        """Find out what is "auto" from forward passes of a few images, on the CPU; return these images.

        Raises
        ------
        ConfigError, InputError
            As `forward`; where labels or output can be read in several ways, with how to choose.
        """
        first: InputError | None = None
        for n in TRIAL_SIZES:
            images = example(image_shape, n)
            if n == self.n_labels:  # an index, (n,), could be taken for one-hot rows, (n, k)
                continue
            try:
                with torch.no_grad():
                    self.labels = self._find_labels(image_shape, images)
            except InputError as error:
                first = first or error
                continue
            self._find_output(self._pixels(images))
            return images
        assert first is not None
        raise first

    def _find_labels(self, image_shape: ImageShape, images: Tensor) -> str:
        """Return the form of the labels; raise `InputError` where the discriminator does not take such a batch."""
        pixels = self._pixels(images)
        if self.n_labels is None or self.labels != "auto":
            self._call(pixels, self._each_label()[0])
            return self.labels
        form = find_form(lambda given: self._run(pixels, given), self.n_labels, pixels)
        if form in ("index", "float"):  # (n,) passes for one row of n values; not of 2n, too
            twice = self._pixels(example(image_shape, 2 * len(images)))
            self._run(twice, LABEL_FORMS[form](0, self.n_labels, twice))
        return form

    def _find_output(self, pixels: Tensor) -> None:
        """Find out what is returned."""
        with torch.no_grad():
            raw, followed = self._followed(pixels)
        sigmoids = self.inner.sigmoids if isinstance(self.inner, OnnxModule) else ()  # torch's operators do not run it
        from_sigmoids = [part for name, part in leaves(raw).items() if name in sigmoids]
        self.output = resolve_output(
            raw, pixels, self.output,
            lambda part: any(part is other for other in from_sigmoids) or followed.holds(part),
        )  # fmt: skip

    def describe(self, x: Tensor) -> str:
        """Return in words what the discriminator returns for images (n, c, h, w) in [-1, 1], and what is taken."""
        with torch.no_grad():
            words = [describe_output(self._call(self._pixels(x), self._each_label()[0]), len(x), self.output)]
        parameter = label_parameter(self.inner)
        if self.n_labels is not None:
            words.append(f"the mean over {self.n_labels} labels, given as {self.labels}")
        elif parameter is not None and parameter.default is None:
            words.append(f"called without its {parameter.name!r}; where that is a label, say how many with n_labels")
        if self.sign < 0:
            words.append("its sign turned")
        return "; ".join(words)

    @property
    def adaptation(self) -> dict[str, Any]:
        """What was found out or said of it, but for its value range: what `CriticConfig.adaptation` records."""
        labels = {} if self.labels in ("auto", "index") else {"labels": self.labels}
        return {"output": self.output, "sign": self.sign, "n_labels": self.n_labels, **labels}

    def _each_label(self) -> list[int | None]:
        return [None] if self.n_labels is None else list(range(self.n_labels))

    def _pixels(self, x: Tensor) -> Tensor:
        low, high = self.value_range
        return (x + 1) * ((high - low) / 2) + low

    def _call(self, pixels: Tensor, label: int | None) -> Any:
        """Return whatever the discriminator returns for images in its own value range, and one label for all."""
        if label is None or self.n_labels is None:
            return self._run(pixels, None)
        return self._run(pixels, LABEL_FORMS[self.labels](label, self.n_labels, pixels))

    def _run(self, pixels: Tensor, labels: Tensor | None) -> Any:
        _, channels, height, width = pixels.shape
        by_place, by_name = ((), {}) if labels is None else as_arguments(self.inner, labels)
        beside = "" if labels is None else f" with labels {tuple(labels.shape)} of {str(labels.dtype)[6:]}"
        with foreign_code(f"the discriminator does not take {height}x{width}x{channels} images{beside}"):
            return self.inner(pixels, *by_place, **by_name)

    def _followed(self, pixels: Tensor) -> tuple[Any, Probabilities]:
        """Return what the discriminator returns, and what of it is a probability."""
        label, followed = self._each_label()[0], Probabilities()
        try:
            with followed:
                return self._call(pixels, label), followed
        except InputError:  # a few operators cannot be followed; without that it runs, or fails with its own words
            return self._call(pixels, label), Probabilities()

    def _takes(self, pixels: Tensor, size: int) -> bool:
        """Return whether images are taken so many at a time; the last batch is filled up with the first images."""
        rows = torch.arange(-(-len(pixels) // size) * size, device=pixels.device) % len(pixels)
        try:
            for batch in pixels[rows].split(size):
                score_of(partial(self._call, batch, self._each_label()[0]), size, self.output)
        except InputError:
            return False
        return True


def _listed(sizes: Sequence[int]) -> str:
    return " or ".join(filter(None, [", ".join(map(str, sizes[:-1])), str(sizes[-1])]))


def example(image_shape: ImageShape, n: int) -> Tensor:
    """Return ``n`` images (n, c, h, w) in [-1, 1] that show every brightness, no two alike."""
    height, width, channels = image_shape
    ramp = torch.linspace(-1, 1, channels * height * width).reshape(1, channels, height, width)
    return torch.cat([ramp.roll(k * height * width * channels // n, -1) * (-1) ** k for k in range(n)])


def prepared(module: nn.Module) -> nn.Module:
    """Return a discriminator as critics use it: uncompiled (hooks see its layers), on the CPU, evaluating, in float32.

    Done in place, but for the module that torch.compile puts around another.
    """
    if not isinstance(module, nn.Module):
        raise InputError(f"a torch module is needed, got {type(module).__name__}. Wrap it in a class of nn.Module.")
    with foreign_code("the discriminator cannot be brought to the CPU in float32"):
        module = uncompiled(module).cpu().eval()
        weights = [w for w in (*module.parameters(), *module.buffers()) if w.is_floating_point()]
        if any(w.dtype != torch.float32 for w in list(module.parameters()) or weights):
            module = module.float()
    return module


def uncompiled(module: nn.Module) -> nn.Module:
    """Return a module without torch.compile, at the top and inside: compiled code runs past hooks."""
    module = getattr(module, "_orig_mod", module)
    for part in list(module.modules()):
        if part._compiled_call_impl is not None:
            part._compiled_call_impl = None
        for name, child in part.named_children():
            if hasattr(child, "_orig_mod"):
                setattr(part, name, uncompiled(child))
    return module


def find_layers(critic: AdaptedCritic, images: Tensor, chosen: Sequence[str] | None = None) -> dict[str, int]:
    """Return the layers of the embedding and their channels (or values an image, where they have no channels).

    Parameters
    ----------
    critic : AdaptedCritic
    images : Tensor, shape (n, c, h, w)
    chosen : sequence of str, optional
        Sub-modules of the discriminator. None: every convolution and linear map but the last to run.

    Raises
    ------
    ConfigError
        For a name that is no sub-module, with the nearest.
    InputError
        For a sub-module that does not run, or does not give one tensor an image.
    """
    modules = {name: module for name, module in critic.inner.named_modules() if name}
    for name in chosen or ():
        check_name("layer", name, modules)
    usual = [name for name, module in modules.items() if isinstance(module, nn.Conv2d | nn.Linear | Tap)]
    with watched(critic.inner, usual if chosen is None else chosen) as caught, torch.inference_mode():
        critic(images)
    if chosen is not None:
        return {name: _n_values(name, caught.get(name), len(images)) for name in chosen}
    sizes = {name: out.shape[1] for name, out in caught.items() if out.ndim in (2, 4) and len(out) == len(images)}
    if any(isinstance(module, Tap) for module in modules.values()):
        return sizes  # a stored graph's own output is not among its taps
    return dict(list(sizes.items())[:-1]) or sizes


def _n_values(name: str, activation: Any, n: int) -> int:
    if not isinstance(activation, Tensor) or activation.ndim < 2 or len(activation) != n:
        what = "does not run" if activation is None else f"gives {shape_of(activation)} for {n} images"
        raise InputError(f"the layer {name} {what}; a layer to embed with gives one row or map an image.")
    return activation.shape[1] if activation.ndim in (2, 4) else activation[0].numel()


def build_from_factory(factory: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Return the module that ``package.module:name`` makes. Runs that package's code.

    Raises
    ------
    InputError
        When it cannot be imported, raises, or returns no module.
    """
    package, colon, name = factory.partition(":")
    if not colon or not package or not name:
        raise InputError(f"a factory is written package.module:name, got {factory!r}.")
    with foreign_code(f"the factory {factory} cannot be imported"):
        try:
            maker = getattr(importlib.import_module(package), name)
        except (ImportError, AttributeError) as error:
            raise InputError(f"the factory {factory} cannot be imported: {error}.") from error
    with foreign_code(f"the factory {factory} does not build"):
        module = maker(**arguments)
    if not isinstance(module, nn.Module):
        raise InputError(f"the factory {factory} returned {type(module).__name__}, not a torch module.")
    return module
