"""The one place where pixel ranges change.

Outside of networks: uint8, NHWC, 3 channels (RGB) or 1 (grey), 0..255.
Inside of networks:  float32, NCHW, -1..1. -1 is black, +1 is white.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gan_probe.data.images import Images


def to_network(images: Images | Tensor, device: torch.device | str = "cpu") -> Tensor:
    """Return uint8 NHWC images as a float32 NCHW tensor in [-1, 1], contiguous, on ``device``."""
    tensor = images if isinstance(images, Tensor) else torch.from_numpy(np.ascontiguousarray(images))
    return tensor.to(device).permute(0, 3, 1, 2).contiguous().float().div_(127.5).sub_(1.0)


def to_uint8(tensor: Tensor) -> Images:
    """Return a float NCHW tensor in [-1, 1] as uint8 NHWC images; values outside are clipped. Inverts `to_network`."""
    scaled = tensor.detach().float().add(1.0).mul(127.5).round().clamp(0, 255)
    return np.ascontiguousarray(scaled.permute(0, 2, 3, 1).to("cpu", torch.uint8).numpy())
