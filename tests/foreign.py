"""Discriminators as other people write them, for `test_adapt`. Each takes 3x32x32 images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


class Headed(nn.Module):
    """A small discriminator; ``head`` of its score (n,) and the images is what it returns."""

    def __init__(self, head: Callable[[Tensor, Tensor], Any] = lambda score, x: score) -> None:
        super().__init__()
        self.body, self.last, self.head = body(), nn.Conv2d(16, 1, 8), head

    def score(self, x: Tensor) -> Tensor:
        return self.last(self.body(x)).flatten()

    def forward(self, x: Tensor) -> Any:
        return self.head(self.score(x), x)


class Labelled(nn.Module):
    """A conditional discriminator; ``given`` of an embedding and the labels joins the score of the image."""

    def __init__(self, embedding: nn.Module, given: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.plain, self.embedding, self.given = Headed(), embedding, given

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.plain(x) + self.given(self.embedding, y)


class Groups(nn.Module):
    """Minibatch standard deviation over groups of four: other batch sizes are an error in it."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = Headed()

    def forward(self, x: Tensor) -> Tensor:
        return self.plain(x) + x.view(4, -1, *x.shape[1:]).std(0, correction=0).mean()


class Tied(nn.Module):
    """Two layers share a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.plain = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), Headed()
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.plain(self.second(self.first(x)))


class Normed(nn.Module):
    """Spectral normalisation of both of torch's kinds, the weights drawn after it was put on."""

    def __init__(self) -> None:
        super().__init__()
        self.old = nn.utils.spectral_norm(nn.Conv2d(3, 8, 4, 4))
        self.new = nn.utils.parametrizations.spectral_norm(nn.Linear(512, 1))
        nn.init.normal_(self.old.weight_orig)
        nn.init.normal_(self.new.parametrizations.weight.original)

    def forward(self, x: Tensor) -> Tensor:
        return self.new(self.old(x).flatten(1))


class Fixed(Headed):
    """Its weights are the same whatever the seed, as if they were trained."""

    def __init__(self) -> None:
        super().__init__()
        for weight in self.parameters():
            nn.init.constant_(weight, 0.01)


def one_hot() -> nn.Module:
    return Labelled(nn.Linear(3, 1), lambda layer, rows: layer(rows).flatten())


class Lazy(nn.Module):
    """Its layer learns its size, and draws its weights, in the first forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.LazyConv2d(1, 32)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x)


def unet() -> nn.Module:
    return Headed(lambda score, x: (score, x.mean(1, keepdim=True)))


class RefusesItsState(PatchGan):
    """Has its own way to take weights, which fails."""

    def _load_from_state_dict(self, *args: object, **kwargs: object) -> None:
        raise LookupError("not mine")


class NoWayBack(PatchGan):
    """Cannot be trained on: its gradients fail."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled():
            x = x.detach().clone().requires_grad_(True)
            x.register_hook(lambda slope: {}["no way back"])
        return super().forward(x)
