"""A discriminator from elsewhere, for the golden run of ``adapt``; it imports nothing of gan_probe."""

from torch import nn


def patches(width: int = 8) -> nn.Module:
    """Return a small discriminator that scores patches, (n, 3, 32, 32) to (n, 1, 7, 7)."""
    return nn.Sequential(
        nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, width, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(width, 1, 4, 1, 1),
    )  # fmt: skip
