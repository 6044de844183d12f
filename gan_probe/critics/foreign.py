"""Discriminators from elsewhere: whatever they return becomes one number an image, higher = more real."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from gan_probe.critics.stored import Tap
from gan_probe.errors import ConfigError, InputError
from gan_probe.names import check_name

OUTPUTS = ("auto", "score", "probability")
MAX_LOGIT = 40.0  # where a float32 probability can no longer be told from 0 or 1


class AdaptedCritic(nn.Module):
    """A discriminator behind the interface of our own: (n, c, h, w) in [-1, 1] to (n,).

    Parameters
    ----------
    inner : nn.Module
        Returns a score (n,), (n, 1) or (n, 1, 1, 1); a map of patches (n, 1, h, w), which is averaged; a list of such
        for several scales, which is averaged; or a tuple of a score and class logits, which are left out.
    value_range : tuple of float
        What ``inner`` expects for black and white.
    output : {"auto", "score", "probability"}
        "probability" is turned into a logit, which is unbounded and ranks the same. "auto": a probability when the last
        layer that runs is a sigmoid.
    sign : {1, -1}
        -1 where ``inner`` returns higher values for fakes.
    n_labels : int, optional
        For a conditional discriminator, called as ``inner(images, labels)``: its score averaged over all labels.
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
    ) -> None:
        super().__init__()
        check_name("output", output, OUTPUTS)
        if sign not in (1, -1):
            raise ConfigError(f"sign must be 1 or -1, got {sign!r}.")
        low, high = value_range
        if not low < high:
            raise ConfigError(f"value_range must be (black, white) with black < white, got {value_range!r}.")
        if n_labels is None and _needs_labels(inner):
            raise ConfigError("this discriminator is called with labels too; say how many there are with n_labels.")
        self.inner, self.value_range, self.sign, self.n_labels = inner, (float(low), float(high)), sign, n_labels
        is_probability = output == "probability" or (output == "auto" and _ends_in_sigmoid(inner))
        self.output = "probability" if is_probability else "score"
        self.layers: tuple[str, ...] = ()

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (n,) of images (n, c, h, w) in [-1, 1]."""
        low, high = self.value_range
        pixels = (x + 1) * ((high - low) / 2) + low
        if self.n_labels is None:
            return self.sign * self._score(self.inner(pixels), len(x))
        labels = [torch.full((len(x),), k, dtype=torch.long, device=x.device) for k in range(self.n_labels)]
        scores = [self._score(self.inner(pixels, label), len(x)) for label in labels]
        return self.sign * torch.stack(scores).mean(0)

    def _score(self, raw: Any, n: int) -> Tensor:
        """Return (n,) from whatever the discriminator returned for ``n`` images."""
        parts = list(raw) if isinstance(raw, list | tuple) else [raw]
        if not parts or not all(isinstance(part, Tensor) for part in parts):
            raise InputError(
                f"the discriminator returned {_shape(raw)}; tensors, or tuples and lists of tensors, are known."
            )
        parts = [part.reshape(1) if n == 1 and not part.ndim else part for part in parts]  # squeezed too far
        found = [part for part in parts if part.ndim and len(part) == n and _is_score(part)]
        if not found:
            raise InputError(
                f"the discriminator returned {_shape(raw)} for {n} images; one number for each, or a map of patches, is"
                " needed. Wrap it in a module that picks the score."
            )
        return torch.stack([self._logit(part).reshape(n, -1).mean(1) for part in found]).mean(0)

    def _logit(self, part: Tensor) -> Tensor:
        return torch.logit(part.float()).clamp(-MAX_LOGIT, MAX_LOGIT) if self.output == "probability" else part


def _is_score(part: Tensor) -> bool:
    """Return whether a tensor is one number an image, or a map of patches."""
    return part.ndim in (1, 3) or (part.ndim in (2, 4) and part.shape[1] == 1)


def _shape(raw: Any) -> str:
    if isinstance(raw, Tensor):
        return f"a tensor {tuple(raw.shape)}"
    if isinstance(raw, list | tuple):
        return f"{type(raw).__name__} of {', '.join(_shape(part) for part in raw)}"
    return type(raw).__name__


def _needs_labels(module: nn.Module) -> bool:
    """Return whether ``forward`` has a second positional parameter without a default."""
    try:
        parameters = list(inspect.signature(module.forward).parameters.values())
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(positional) > 1 and positional[1].default is inspect.Parameter.empty


def _ends_in_sigmoid(module: nn.Module) -> bool:
    leaves = [m for m in module.modules() if not list(m.children())]
    return bool(leaves) and isinstance(leaves[-1], nn.Sigmoid)


def find_layers(critic: AdaptedCritic, example: Tensor) -> dict[str, int]:
    """Return the layers worth looking at and their channels: every convolution and linear map but the last to run."""
    sizes: dict[str, int] = {}
    handles = []
    for name, module in critic.inner.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear | Tap):

            def hook(_module: nn.Module, _inputs: Any, output: Tensor, name: str = name) -> None:
                if output.ndim in (2, 4) and len(output) == len(example):
                    sizes[name] = output.shape[1]

            handles.append(module.register_forward_hook(hook))
    with torch.inference_mode():
        critic(example)
    for handle in handles:
        handle.remove()
    if any(isinstance(module, Tap) for module in critic.inner.modules()):
        return sizes  # a stored graph's own output is not among its taps
    return dict(list(sizes.items())[:-1]) or sizes


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
    try:
        maker = getattr(importlib.import_module(package), name)
    except (ImportError, AttributeError) as error:
        raise InputError(f"the factory {factory} cannot be imported: {error}.") from error
    try:
        module = maker(**arguments)
    except Exception as error:
        raise InputError(f"the factory {factory} raised {type(error).__name__}: {error}.") from error
    if not isinstance(module, nn.Module):
        raise InputError(f"the factory {factory} returned {type(module).__name__}, not a torch module.")
    return module


def load_weights(module: nn.Module, path: str | Path) -> None:
    """Load ``.safetensors``, or a state dict that torch reads with ``weights_only=True``; all names must match.

    Raises
    ------
    InputError
        For a pickled module, or weights that do not match.
    """
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError) as error:
        raise InputError(
            f"{path} is not a plain state dict, so it is not loaded: unpickling runs code. Where you trust it, save"
            " module.state_dict() with safetensors.torch.save_file and give that file."
        ) from error
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError(f"{path} holds {type(state).__name__}, not a state dict of tensors.")
    missing, unexpected = set(module.state_dict()) - set(state), set(state) - set(module.state_dict())
    if missing or unexpected:
        raise InputError(
            f"the weights in {path} do not match: {_listed('missing', missing)}{_listed('unexpected', unexpected)}."
        )
    try:
        module.load_state_dict(dict(state))
    except RuntimeError as error:
        raise InputError(f"the weights in {path} do not match: {error}.") from error


def _listed(kind: str, names: set[str]) -> str:
    shown = ", ".join(sorted(names)[:4])
    return f"{len(names)} {kind} ({shown}{', ...' if len(names) > 4 else ''}) " if names else ""


def reinitialised(module: nn.Module, seed: int) -> nn.Module:
    """Return a copy with weights drawn anew by each layer's own rule: the randomly initialised control.

    Raises
    ------
    InputError
        When a layer with weights has no rule (``reset_parameters``).
    """
    fresh = copy.deepcopy(module)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, layer in fresh.named_modules():
            if not list(layer.parameters(recurse=False)):
                continue
            reset = getattr(layer, "reset_parameters", None)
            if reset is None:
                raise InputError(
                    f"layer {name or type(layer).__name__} has no reset_parameters; controls need a factory."
                )
            reset()
    kept = [n for (n, new), old in zip(fresh.named_parameters(), module.parameters(), strict=True)
            if old.ndim > 1 and torch.equal(new, old)]  # fmt: skip
    if kept:
        raise InputError(
            f"the weights {', '.join(kept[:4])} cannot be drawn anew (spectral norm?); controls need a factory."
        )
    return fresh


def parse_layers(chosen: Sequence[str] | None, found: Mapping[str, int], inner: nn.Module) -> tuple[str, ...]:
    """Return the layers asked for, or all that were found.

    Raises
    ------
    ConfigError
        For a name that is no sub-module, with the nearest.
    """
    if chosen is None:
        return tuple(found)
    for name in chosen:
        check_name("layer", name, [n for n, _ in inner.named_modules() if n])
    return tuple(chosen)
