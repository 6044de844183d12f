"""The one place where pixel ranges change.

Outside of networks: uint8, NHWC, 3 channels (RGB) or 1 (grey), 0..255.
Inside of networks:  float32, NCHW, -1..1. -1 is black, +1 is white.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gan_probe.types import Images


def to_network(images: Images | Tensor, device: torch.device | str = "cpu") -> Tensor:
    """Return uint8 NHWC images as a float32 NCHW tensor in [-1, 1], contiguous, on ``device``."""
    tensor = images if isinstance(images, Tensor) else torch.from_numpy(np.require(images, requirements=("C", "W")))
    return tensor.to(device).permute(0, 3, 1, 2).contiguous().float().div_(127.5).sub_(1.0)


def rows_to_network(
    rows: npt.NDArray[np.floating[Any] | np.uint8], image_shape: tuple[int, int, int], value_range: tuple[float, float]
) -> Tensor:
    """Return rows (n, d) of pixels as an NCHW tensor, ``value_range`` mapped to [-1, 1] without clipping.

    Rows shorter than an image are continued with zeros. uint8 becomes float32; other types are kept.
    """
    height, width, channels = image_shape
    low, high = value_range
    missing = height * width * channels - rows.shape[1]
    tensor = torch.from_numpy(np.require(rows, requirements=("C", "W")))
    if not missing:
        tensor = tensor.view(-1, height, width, channels).permute(0, 3, 1, 2).contiguous()
    pixels = tensor.clone() if tensor.is_floating_point() else tensor.float()
    pixels.sub_(low).mul_(2 / (high - low)).sub_(1)
    if missing:
        padded = torch.nn.functional.pad(pixels, (0, missing)).view(-1, height, width, channels)
        return padded.permute(0, 3, 1, 2).contiguous()
    return pixels


def to_uint8(tensor: Tensor) -> Images:
    """Return a float NCHW tensor in [-1, 1] as uint8 NHWC images; values outside are clipped. Inverts `to_network`."""
    scaled = tensor.detach().float().add(1.0).mul(127.5).round().clamp(0, 255)
    return np.ascontiguousarray(scaled.permute(0, 2, 3, 1).to("cpu", torch.uint8).numpy())
