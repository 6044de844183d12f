"""A convolution whose second derivative costs what it must, for critics with a penalty on their slope.

The gradient of a penalty runs through the gradient of a convolution. torch builds that from convolutions with the batch
in the place of channels and whole images as kernels; on a CPU they take much of the time, and with channels last, which
is the faster layout for everything else, they are slow or fail. Here it is made of the three plain operations that a
convolution has anyway: itself, and its two gradients.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

FEW_POSITIONS = 4  # up to 2x2 positions a matrix product is faster than a convolution: in bfloat16, and in training

_inputs_only = ContextVar("inputs_only", default=False)


@contextmanager
def input_gradients_only() -> Iterator[None]:
    """Leave out the gradients of weights in a backward pass that asks for those of the images alone."""
    token = _inputs_only.set(True)
    try:
        yield
    finally:
        _inputs_only.reset(token)


def _input_gradient(g: Tensor, w: Tensor, shape: torch.Size, how: tuple[Any, Any]) -> Tensor:
    """Return the gradient of a convolution in its input of this shape."""
    if not g.is_cuda:
        return _gradients(g, g.new_empty(1).expand(shape), w, how, wanted=(True, False, False))[0]
    (down, across), (pad_down, pad_across) = how  # on CUDA the call above would first fill an input with nothing
    rest = (
        shape[2] - ((g.shape[2] - 1) * down - 2 * pad_down + w.shape[2]),
        shape[3] - ((g.shape[3] - 1) * across - 2 * pad_across + w.shape[3]),
    )
    return torch.conv_transpose2d(g, w, None, (down, across), (pad_down, pad_across), rest)


def _gradients(g: Tensor, x: Tensor, w: Tensor, how: tuple[Any, Any], *, wanted: tuple[bool, bool, bool]) -> Any:
    """Return the gradients of ``conv2d(x, w, b)`` in x, w and b that are wanted, given that of its output."""
    stride, padding = how
    return torch.ops.aten.convolution_backward(
        g, x, w, [len(w)], stride, padding, [1, 1], False, [0, 0], 1, list(wanted)
    )  # fmt: skip


class _Convolution(torch.autograd.Function):
    """``conv2d(x, w, b)``; its gradient in x can be differentiated once more."""

    @staticmethod
    def forward(x: Tensor, w: Tensor, b: Tensor | None, how: tuple[Any, Any]) -> Tensor:
        return torch.conv2d(x, w, b, *how)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, w, b, ctx.how = inputs
        ctx.has_bias = b is not None
        ctx.save_for_backward(x, w)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, w = ctx.saved_tensors
        wants_x, wants_w, wants_b, _ = ctx.needs_input_grad
        if not torch.is_grad_enabled():
            return *_gradients(g, x, w, ctx.how, wanted=(wants_x, wants_w, wants_b and ctx.has_bias)), None
        in_x = _InputGradient.apply(g, w, x.shape, ctx.how) if wants_x else None
        if _inputs_only.get():
            return in_x, None, None, None
        _, in_w, in_b = _gradients(g, x, w, ctx.how, wanted=(False, wants_w, wants_b and ctx.has_bias))
        return in_x, in_w, in_b, None


class _InputGradient(torch.autograd.Function):
    """The gradient of a convolution in its input: linear in the gradient of the output, and in the weights."""

    @staticmethod
    def forward(g: Tensor, w: Tensor, shape: torch.Size, how: tuple[Any, Any]) -> Tensor:
        return _input_gradient(g, w, shape, how)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        g, w, _, ctx.how = inputs
        ctx.save_for_backward(g, w)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gg: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        g, w = ctx.saved_tensors
        wants_g, wants_w, _, _ = ctx.needs_input_grad
        in_g = torch.conv2d(gg, w, None, *ctx.how) if wants_g else None
        in_w = _gradients(g, gg, w, ctx.how, wanted=(False, True, False))[1] if wants_w else None
        return in_g, in_w, None, None


def layout_for(x: Tensor) -> torch.memory_format:
    """Return the faster layout for convolutions of images: on CUDA in full float32 that is not channels last."""
    plain = x.is_cuda and x.dtype == torch.float32 and not torch.backends.cudnn.allow_tf32
    return torch.contiguous_format if plain else torch.channels_last


class PenaltyConv2d(nn.Conv2d):
    """`torch.nn.Conv2d` for critics whose slope is penalised: in the faster layout, with `_Convolution`'s gradients.

    Channels last is the faster one on a CPU, and on CUDA where tensor cores multiply. The third derivative is not
    there. Under torch.compile it is torch's own.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.weight = nn.Parameter(self.weight.detach().contiguous(memory_format=torch.channels_last))

    def _conv_forward(self, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        kind = x.device.type
        if kind not in ("cpu", "cuda") or torch.compiler.is_compiling():
            return super()._conv_forward(x, w, b)
        in_bf16 = torch.is_autocast_enabled(kind)
        if in_bf16:
            dtype = torch.get_autocast_dtype(kind)
            x, w, b = x.to(dtype), w.to(dtype), None if b is None else b.to(dtype)
        pays = in_bf16 or (torch.is_grad_enabled() and self.kernel_size != (1, 1))  # scores in float32 keep their bits
        if kind == "cpu" and pays and math.prod(self._positions(x)) <= FEW_POSITIONS:
            return self._as_product(x, w, b)
        stride: Any = self.stride
        if self.kernel_size == (1, 1) and not any(self.padding):
            # Of three channels torch 2.13 writes beyond the gradient's memory at stride 2; and this is less to copy.
            x, stride = x[..., :: stride[0], :: stride[1]], (1, 1)
        layout = layout_for(x)
        x, w = (t.contiguous(memory_format=layout) for t in (x, w))
        return _Convolution.apply(x, w, b, (stride, self.padding))

    def _positions(self, x: Tensor) -> tuple[int, int]:
        """Return how often the kernel is laid on an image, down and across."""
        (height, width), (down, across) = x.shape[2:], self.kernel_size
        height = (height + 2 * int(self.padding[0]) - down) // self.stride[0] + 1
        width = (width + 2 * int(self.padding[1]) - across) // self.stride[1] + 1
        return height, width

    def _as_product(self, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        """Return the convolution as one matrix product over patches, which is what so few of them are fastest as."""
        down, across = (int(padding) for padding in self.padding)
        patches = nn.functional.unfold(x, self.kernel_size, padding=(down, across), stride=self.stride)
        n, depth, n_positions = patches.shape
        flat = patches.transpose(1, 2).reshape(n * n_positions, depth) @ w.reshape(len(w), depth).T
        y = flat if b is None else flat + b
        return y.view(n, n_positions, len(w)).transpose(1, 2).reshape(n, len(w), *self._positions(x))
