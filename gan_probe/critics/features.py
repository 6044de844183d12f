"""Features: activations caught on their way through a network, pooled to a few numbers a channel.

To add a pooling: one function and one row in ``POOLINGS``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_probe.config import AUTO, POOLING, PYRAMID
from gan_probe.names import check_name


def mean(x: Tensor) -> Tensor:
    """Return the mean over positions: how much of a feature there is, wherever it is. (n, c, h, w) to (n, c)."""
    return x.flatten(2).mean(2)


def std(x: Tensor) -> Tensor:
    """Return the standard deviation over positions: how unevenly a feature is spread. (n, c, h, w) to (n, c)."""
    positions = x.flatten(2).contiguous()
    centred = positions - positions.mean(2, keepdim=True)
    # A twelfth of the time of Tensor.std; and a norm has a gradient at 0, which a square root has not.
    return torch.linalg.vector_norm(centred, dim=2) / positions.shape[2] ** 0.5


def maximum(x: Tensor) -> Tensor:
    """Return the largest value over positions: whether a feature is there at all. (n, c, h, w) to (n, c)."""
    return x.flatten(2).amax(2)


def grid4(x: Tensor) -> Tensor:
    """Return the largest value in each cell of a 4x4 grid, (n, c, h, w) to (n, 16c); smaller maps are left as they are.

    References
    ----------
    Radford, Metz, Chintala 2016, "Unsupervised Representation Learning with DCGANs", section 5.1.
    """
    return (F.adaptive_max_pool2d(x, 4) if min(x.shape[2:]) > 4 else x).flatten(1)


def quadrants(x: Tensor) -> Tensor:
    """Return the standard deviation in each quarter: how uneven a feature is, and where. (n, c, h, w) to (n, 4c).

    Of maps of one position, as of layers without positions, the value itself.
    """
    if max(x.shape[2:]) < 2:
        return x.flatten(1)
    rows, columns = -(-x.shape[2] // 2), -(-x.shape[3] // 2)
    return torch.cat([std(cell) for band in x.split(rows, 2) for cell in band.split(columns, 3)], dim=1)


def pyramid(x: Tensor) -> Tensor:
    """Return `mean`, `std` and `quadrants`: how much there is of a feature, how uneven, and where. To (n, 6c).

    References
    ----------
    Lazebnik, Schmid, Ponce 2006, "Beyond Bags of Features: Spatial Pyramid Matching", section 3, with two levels.
    """
    return torch.cat([mean(x), std(x), quadrants(x)], dim=1)


POOLINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": mean,
    "std": std,
    "max": maximum,
    "grid4": grid4,
    "quadrants": quadrants,
    "pyramid": pyramid,
}


def pool(activation: Tensor, pooling: str) -> Tensor:
    """Return one row a sample: the activation rectified and pooled. Layers without positions are left as they are.

    Parameters
    ----------
    activation : Tensor, shape (n, c, h, w) or (n, c)
        Before the network's own rectifier.
    pooling : str
        A row of `POOLINGS`.
    """
    return POOLINGS[pooling](F.leaky_relu(activation, 0.2)) if activation.ndim == 4 else activation.flatten(1)


def check_pooling(name: str) -> None:
    """Raise `ConfigError` unless it is a row of `POOLINGS` or "auto", with the nearest."""
    check_name("pooling", name, (*POOLINGS, AUTO))


def resolve_pooling(module: nn.Module, name: str) -> str:
    """Return a row of `POOLINGS`: of "auto" what the network asks for by ``own_pooling``, "pyramid" where it does not.

    A network asks where it is meant for images in which places mean something.
    """
    own: str = getattr(getattr(module, "inner", module), "own_pooling", PYRAMID)
    return own if name == AUTO else name


@contextmanager
def watched(module: nn.Module, names: Sequence[str], *, mean: bool = False) -> Iterator[dict[str, Tensor]]:
    """Yield a dict in which each forward pass leaves the outputs of some sub-modules, by name.

    Of a sub-module that is called several times in a pass it is the last output; with ``mean`` that of all calls in
    mean, which takes one pass.
    """
    caught: dict[str, Tensor] = {}
    calls = Counter[str]()

    def catch(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            calls[name] += 1
            before = caught.get(name) if mean else None
            caught[name] = output if before is None else before + (output - before) / calls[name]

        return hook

    handles = [module.get_submodule(name).register_forward_hook(catch(name)) for name in names]
    try:
        yield caught
    finally:
        for handle in handles:
            handle.remove()


def is_over_labels(module: nn.Module) -> bool:
    """Return whether its score is a mean over labels, each of which takes a pass: see `AdaptedCritic`."""
    return bool(getattr(module, "n_labels", None))


class Passed(NamedTuple):
    """What one forward pass of a batch gives."""

    scores: Tensor  # (n,); of an ensemble (members, n), aligned
    features: Tensor | None  # (n, d); None where no layer was asked for


def passed(module: nn.Module, batch: Tensor, layers: Sequence[str] = (), pooling: str = POOLING) -> Passed:
    """Return scores and, of chosen layers, features of a batch (n, c, h, w) in [-1, 1], from one forward pass.

    Features are the pooled activations of the layers, side by side; of a mean over labels where the score is one.
    """
    own = getattr(module, "passed", None)  # an ensemble has each layer several times
    if own is not None:
        return own(batch, layers, pooling)
    prefix, pooling = getattr(module, "layer_prefix", ""), resolve_pooling(module, pooling)
    with watched(module, [prefix + name for name in layers], mean=is_over_labels(module)) as caught:
        scores = module(batch)
    if not layers:
        return Passed(scores, None)
    return Passed(scores, torch.cat([pool(caught[prefix + name], pooling) for name in layers], dim=1))


def features(module: nn.Module, batch: Tensor, layers: Sequence[str], pooling: str) -> Tensor:
    """Return (n, d): the features alone; see `passed`."""
    found = passed(module, batch, layers, pooling).features
    assert found is not None
    return found
