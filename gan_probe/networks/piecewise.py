"""Rectifiers and pooling whose second derivative is nothing, and costs nothing.

Each is linear between its kinks, so its gradient depends on where it is taken by a sign alone. torch writes that second
derivative down as zeros all the same, and the zeros run back through every convolution below: a critic step with a
penalty on its slope makes 60 backward passes of convolutions where 45 do. Here none are sent; gradients are the same,
bit by bit.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_aten = torch.ops.aten


class _Rectified(torch.autograd.Function):
    """``x`` where it is positive, ``slope * x`` elsewhere; 0 is a slope, too."""

    @staticmethod
    def forward(x: Tensor, slope: float) -> Tensor:
        return F.leaky_relu(x, slope) if slope else F.relu(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ctx.slope = inputs
        ctx.save_for_backward(output)  # positive where the input is; and what comes next keeps it anyway

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        y = ctx.saved_tensors[0].detach()
        return (
            _aten.leaky_relu_backward(g, y, ctx.slope, True) if ctx.slope else _aten.threshold_backward(g, y, 0)
        ), None


class _Pooled(torch.autograd.Function):
    """The mean of each 2x2 pixels."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        x = ctx.saved_tensors[0].detach()  # its shape and layout
        return _aten.avg_pool2d_backward(g, x, [2, 2], [2, 2], [0, 0], False, True, None)


def _is_plain() -> bool:
    """Return whether torch's own are to be taken: where a compiler reads along, or there is no gradient."""
    return torch.compiler.is_compiling() or not torch.is_grad_enabled()


def leaky_relu(x: Tensor, slope: float) -> Tensor:
    """Return ``x`` where it is positive, ``slope * x`` elsewhere; ``slope`` is above zero."""
    return F.leaky_relu(x, slope) if _is_plain() else _Rectified.apply(x, slope)


def relu(x: Tensor) -> Tensor:
    """Return ``x`` where it is positive, zero elsewhere."""
    return F.relu(x) if _is_plain() else _Rectified.apply(x, 0.0)


def halved(x: Tensor) -> Tensor:
    """Return the mean of each 2x2 pixels: (n, c, h, w) to (n, c, h/2, w/2)."""
    return F.avg_pool2d(x, 2) if _is_plain() else _Pooled.apply(x)
