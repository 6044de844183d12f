"""A convolution whose second derivative costs what it must, for critics with a penalty on their slope.

The gradient of a penalty runs through the gradient of a convolution. torch builds that from convolutions with the batch
in the place of channels and whole images as kernels; on a CPU they take much of the time, and with channels last, which
is the faster layout for everything else, they are slow or fail. Here it is made of the three plain operations that a
convolution has anyway: itself, and its two gradients.

Where many channels meet few positions, as at the end of a critic, each of the three is a sum of matrix products, one a
tap (a place in the kernel). Padding takes no part in them: of what a 4x4 kernel sees at 4x4 positions it is 44 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

FEW_POSITIONS = 4  # in bfloat16, up to 2x2 positions one matrix product over patches is faster than a convolution
TAP_POSITIONS = 64  # in float32, up to 8x8 positions taps are,
TAP_CHANNELS = 128 * 128  # from so many pairs of channels on

_inputs_only = ContextVar("inputs_only", default=False)


@contextmanager
def input_gradients_only() -> Iterator[None]:
    """Leave out the gradients of weights in a backward pass that asks for those of the images alone."""
    token = _inputs_only.set(True)
    try:
        yield
    finally:
        _inputs_only.reset(token)


class _How(NamedTuple):
    """How a kernel is laid on an image; pairs are down and across."""

    stride: tuple[int, int]
    padding: tuple[int, int]  # on either side; with taps only what is above and left counts
    positions: tuple[int, int]
    by_taps: bool


def _convolution(x: Tensor, w: Tensor, b: Tensor | None, how: _How) -> Tensor:
    """Return ``conv2d(x, w, b)``."""
    if not how.by_taps:
        return torch.conv2d(x, w, b, how.stride, how.padding)
    y = x.new_zeros(len(x), *how.positions, len(w)) if b is None else b.repeat(len(x), *how.positions, 1)
    x, w = _channels_last(x), _channels_last(w)
    for (i, j), there, here in _taps(how, w, x.shape):
        _add(y[there], _rows(x[here]) @ w[:, i, j].t())
    return y.permute(0, 3, 1, 2)


def _input_gradient(g: Tensor, w: Tensor, shape: torch.Size, how: _How) -> Tensor:
    """Return the gradient of a convolution in its input of this shape."""
    if how.by_taps:
        in_x = g.new_zeros(shape[0], *shape[2:], shape[1])
        g, w = _channels_last(g), _channels_last(w)
        for (i, j), there, here in _taps(how, w, in_x.shape):
            _add(in_x[here], _rows(g[there]) @ w[:, i, j])
        return in_x.permute(0, 3, 1, 2)
    if not g.is_cuda:
        return _gradients_of_torch(g, g.new_empty(1).expand(shape), w, how, wanted=(True, False, False))[0]
    (down, across), (pad_down, pad_across) = how.stride, how.padding
    rest = (  # on CUDA the call above would first fill an input with nothing
        shape[2] - ((g.shape[2] - 1) * down - 2 * pad_down + w.shape[2]),
        shape[3] - ((g.shape[3] - 1) * across - 2 * pad_across + w.shape[3]),
    )
    return torch.conv_transpose2d(g, w, None, how.stride, how.padding, rest)


def _weight_gradient(g: Tensor, x: Tensor, w: Tensor, how: _How) -> Tensor:
    """Return the gradient of a convolution in its weights, which have the shape of ``w``."""
    if not how.by_taps:
        return _gradients_of_torch(g, x, w, how, wanted=(False, True, False))[1]
    taps = list(_taps(how, _channels_last(w), _channels_last(x).shape))
    in_w = torch.empty_like(w) if len(taps) == w[0, 0].numel() else torch.zeros_like(w)
    g, x, written = _channels_last(g), _channels_last(x), _channels_last(in_w)
    for (i, j), there, here in taps:
        a, b = _rows(g[there]).t(), _rows(x[here])
        if torch.is_grad_enabled():
            written[:, i, j] = a @ b
        else:
            torch.mm(a, b, out=written[:, i, j])  # without a copy
    return in_w  # no view: autograd adds to it in place


def _gradients(g: Tensor, x: Tensor, w: Tensor, how: _How, *, wanted: tuple[bool, bool, bool]) -> Any:
    """Return the gradients of ``conv2d(x, w, b)`` in x, w and b that are wanted, given that of its output."""
    if not how.by_taps:
        return _gradients_of_torch(g, x, w, how, wanted=wanted)
    wants_x, wants_w, wants_b = wanted
    return (
        _input_gradient(g, w, x.shape, how) if wants_x else None,
        _weight_gradient(g, x, w, how) if wants_w else None,
        g.sum((0, 2, 3)) if wants_b else None,
    )


def _gradients_of_torch(g: Tensor, x: Tensor, w: Tensor, how: _How, *, wanted: tuple[bool, bool, bool]) -> Any:
    return torch.ops.aten.convolution_backward(
        g, x, w, [len(w)], how.stride, how.padding, [1, 1], False, [0, 0], 1, list(wanted)
    )  # fmt: skip


def _channels_last(x: Tensor) -> Tensor:
    """Return a view of (n, c, h, w) as (n, h, w, c)."""
    return x.permute(0, 2, 3, 1)


def _rows(x: Tensor) -> Tensor:
    """Return (n, h, w, c) as (n * h * w, c)."""
    return x.reshape(-1, x.shape[3])


def _add(to: Tensor, rows: Tensor) -> None:
    to += rows.view(to.shape)


def _taps(how: _How, w: Tensor, shape: torch.Size) -> Iterator[tuple[tuple[int, int], Any, Any]]:
    """Yield the taps of a kernel, the positions at which each meets an image of this shape, and the pixels it meets.

    Kernel and image have their channels last.
    """
    laid = zip(how.positions, how.stride, how.padding, strict=True)
    down, across = (_meetings(*axis) for axis in zip(w.shape[1:3], shape[1:3], laid, strict=True))
    for (i, rows, pixel_rows), (j, columns, pixel_columns) in product(down, across):
        yield (i, j), (slice(None), rows, columns), (slice(None), pixel_rows, pixel_columns)


@lru_cache(maxsize=256)
def _meetings(kernel: int, size: int, laid: tuple[int, int, int]) -> list[tuple[int, slice, slice]]:
    """Return, along one axis, every tap that meets pixels, at which positions, and which pixels."""
    (n_positions, stride, padding), found = laid, []
    for tap in range(kernel):
        met = [p for p in range(n_positions) if 0 <= p * stride + tap - padding < size]
        if met:
            first, last = (p * stride + tap - padding for p in (met[0], met[-1]))
            found.append((tap, slice(met[0], met[-1] + 1), slice(first, last + 1, stride)))
    return found


class _Convolution(torch.autograd.Function):
    """``conv2d(x, w, b)``; its gradient in x can be differentiated once more."""

    @staticmethod
    def forward(x: Tensor, w: Tensor, b: Tensor | None, how: _How) -> Tensor:
        return _convolution(x, w, b, how)

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
    def forward(g: Tensor, w: Tensor, shape: torch.Size, how: _How) -> Tensor:
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
        in_g = _convolution(gg, w, None, ctx.how) if wants_g else None
        in_w = _weight_gradient(g, gg, w, ctx.how) if wants_w else None
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
        stride: Any = self.stride
        ((above, below), (left, right)), positions = self._pads(), self._positions(x)
        is_ours = kind in ("cpu", "cuda") and not torch.compiler.is_compiling()
        in_bf16 = is_ours and torch.is_autocast_enabled(kind)
        by_taps = is_ours and kind == "cpu" and not in_bf16 and self._is_for_taps(positions)
        if not by_taps and (above, left) != (below, right):
            x, above, left = nn.functional.pad(x, (left, right, above, below)), 0, 0
        if not is_ours:
            return torch.conv2d(x, w, b, stride, (above, left))
        if in_bf16:
            dtype = torch.get_autocast_dtype(kind)
            x, w, b = x.to(dtype), w.to(dtype), None if b is None else b.to(dtype)
        if kind == "cpu" and in_bf16 and math.prod(positions) <= FEW_POSITIONS:
            return self._as_product(x, w, b, _How(stride, (above, left), positions, by_taps))
        if self.kernel_size == (1, 1) and not above + left:
            # Of three channels torch 2.13 writes beyond the gradient's memory at stride 2; and this is less to copy.
            x, stride = x[..., :: stride[0], :: stride[1]], (1, 1)
        layout = layout_for(x)
        x, w = (t.contiguous(memory_format=layout) for t in (x, w))
        return _Convolution.apply(x, w, b, _How(stride, (above, left), positions, by_taps))

    def _is_for_taps(self, positions: tuple[int, int]) -> bool:
        """Return whether this is faster by taps."""
        return (
            self.kernel_size != (1, 1)
            and math.prod(positions) <= TAP_POSITIONS
            and self.in_channels * self.out_channels >= TAP_CHANNELS
        )

    def _pads(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the padding (above, below), (left, right). Of "same" an odd one is below and right, as everywhere."""
        if self.padding == "same":
            down, across = self.kernel_size
            return ((down - 1) // 2, down // 2), ((across - 1) // 2, across // 2)
        down, across = (int(padding) for padding in self.padding)
        return (down, down), (across, across)

    def _positions(self, x: Tensor) -> tuple[int, int]:
        """Return how often the kernel is laid on an image, down and across."""
        axes = zip(x.shape[2:], self.kernel_size, self.stride, self._pads(), strict=True)
        down, across = ((size + sum(pads) - kernel) // stride + 1 for size, kernel, stride, pads in axes)
        return down, across

    def _as_product(self, x: Tensor, w: Tensor, b: Tensor | None, how: _How) -> Tensor:
        """Return the convolution as one matrix product over patches, which is what so few of them are fastest as."""
        patches = nn.functional.unfold(x, self.kernel_size, padding=how.padding, stride=how.stride)
        n, depth, n_positions = patches.shape
        flat = patches.transpose(1, 2).reshape(n * n_positions, depth) @ w.reshape(len(w), depth).T
        y = flat if b is None else flat + b
        return y.view(n, n_positions, len(w)).transpose(1, 2).reshape(n, len(w), *how.positions)
