"""Discriminators as other people write them, for `test_adapt`. Each takes 3x32x32 images."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def body(last: int = 16) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(8, last, 4, 2, 1), nn.LeakyReLU(0.2)
    )  # fmt: skip


class Dcgan(nn.Module):
    """Batch normalisation, a sigmoid at the end, output (n, 1, 1, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.main = nn.Sequential(body(), nn.BatchNorm2d(16), nn.Conv2d(16, 1, 8), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x)


class PatchGan(nn.Module):
    """A score for each patch, (n, 1, 7, 7)."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.body, self.head = body(width), nn.Conv2d(width, 1, 4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


class MultiScale(nn.Module):
    """A list of patch maps, one a scale."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse = PatchGan(), PatchGan()

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.fine(x), self.coarse(nn.functional.avg_pool2d(x, 2))]


class Auxiliary(nn.Module):
    """A pair of (score, class logits), as AC-GAN returns it."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.score, self.classes = body(), nn.Linear(1024, 1), nn.Linear(1024, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.body(x).flatten(1)
        return self.score(y), self.classes(y)


class Conditional(nn.Module):
    """A projection discriminator: called with labels."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.score, self.embedding = body(), nn.Linear(1024, 1), nn.Embedding(5, 1024)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        h = self.body(x).flatten(1)
        return self.score(h) + (self.embedding(y) * h).sum(1, keepdim=True)


class Spectral(nn.Module):
    """Spectral normalisation, whose weights cannot be drawn anew layer by layer."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.score = body(), nn.utils.spectral_norm(nn.Linear(1024, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.score(self.body(x).flatten(1)).squeeze(1)


class WholeBatch(nn.Module):
    """One number for the whole batch: no score of an image."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean()


def broken() -> nn.Module:
    raise RuntimeError("weights not found")


def not_a_module() -> str:
    return "hello"


KINDS = {"Dcgan": Dcgan, "PatchGan": PatchGan, "MultiScale": MultiScale, "Auxiliary": Auxiliary, "Spectral": Spectral}


def seeded(name: str) -> nn.Module:
    torch.manual_seed(0)
    return KINDS[name]().eval()
