"""From a layer's activations to a few numbers a channel. To add a pooling: one function and one row in ``POOLINGS``."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor


def mean(x: Tensor) -> Tensor:
    """Return the mean over positions: how much of a feature there is, wherever it is. (n, c, h, w) to (n, c)."""
    return x.flatten(2).mean(2)


def std(x: Tensor) -> Tensor:
    """Return the standard deviation over positions: how unevenly a feature is spread. (n, c, h, w) to (n, c)."""
    return x.flatten(2).std(2, correction=0)


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


POOLINGS: dict[str, Callable[[Tensor], Tensor]] = {"mean": mean, "std": std, "max": maximum, "grid4": grid4}


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
