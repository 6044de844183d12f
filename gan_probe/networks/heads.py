"""What a critic may look at besides the image: its class, or the other images of the batch.

Every critic of `gan_probe.networks` has ``score_and_features(x)``, which returns scores (n,) and the features (n, d)
that its last linear map reads; the heads here read the same features and add to the score.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KERNEL_DIM = 16


class CriticWithHeads(nn.Module):
    """A critic with a class head, a minibatch head, or both.

    Parameters
    ----------
    inner : nn.Module
        A critic of `gan_probe.networks`.
    n_classes : int
        Above zero: class-conditional by projection. ``forward(x, labels)`` adds the class's own linear map of the
        features; without ``labels`` the mean over all classes is added.
    n_kernels : int
        Above zero: minibatch discrimination with this many kernels, in training. **In evaluation mode each image is
        scored as if it were alone in its batch**, so that no score depends on its neighbours.

    References
    ----------
    Miyato, Koyama 2018, "cGANs with Projection Discriminator", equation 3; Salimans et al. 2016, "Improved
    Techniques for Training GANs", section 3.2.
    """

    layer_prefix = "inner."

    def __init__(self, inner: nn.Module, *, n_classes: int = 0, n_kernels: int = 0) -> None:
        super().__init__()
        n_features = int(inner.n_features)  # type: ignore[arg-type]
        self.inner: Any = inner
        self.layers = inner.layers
        self.n_features = n_features
        self.projection = nn.Embedding(n_classes, n_features) if n_classes else None
        self.minibatch = MinibatchDiscrimination(n_features, n_kernels) if n_kernels else None
        if self.projection is not None:
            nn.init.xavier_uniform_(self.projection.weight)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.score_and_features(x, labels)[0]

    def score_and_features(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        score, features = self.inner.score_and_features(x)
        if self.projection is not None:
            own = features @ self.projection.weight.mean(0) if labels is None else self._own(features, labels)
            score = score + own
        if self.minibatch is not None and self.training:
            score = score + self.minibatch(features)
        return score, features

    def class_scores(self, x: Tensor) -> Tensor:
        """Return the score of each image under each class, (n, n_classes)."""
        assert self.projection is not None
        score, features = self.inner.score_and_features(x)
        return score[:, None] + features @ self.projection.weight.T

    def _own(self, features: Tensor, labels: Tensor) -> Tensor:
        assert self.projection is not None
        return (features * self.projection(labels)).sum(1)


class CriticWithOutputs(nn.Module):
    """A critic that is a classifier: one output a class, and a score that is all of them together.

    Of K classes of reals and one of fakes only differences of outputs count, so that of fakes is held at 0. The score
    (n,) is then log(sum of exp(outputs)), the log odds of being real. Every output contains the inner critic's score.

    Parameters
    ----------
    inner : nn.Module
        A critic of `gan_probe.networks`.
    n_outputs : int

    References
    ----------
    Salimans et al. 2016, "Improved Techniques for Training GANs", section 5: D(x) = Z(x) / (Z(x) + 1), with Z the sum
    of exp(outputs).
    """

    layer_prefix = "inner."

    def __init__(self, inner: nn.Module, *, n_outputs: int) -> None:
        super().__init__()
        self.inner: Any = inner
        self.layers = inner.layers
        self.n_features = int(inner.n_features)  # type: ignore[arg-type]
        self.outputs = nn.Linear(self.n_features, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.score_and_features(x)[0]

    def score_and_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        score, features = self.inner.score_and_features(x)
        return (score[:, None] + self.outputs(features)).logsumexp(1), features

    def class_scores(self, x: Tensor) -> Tensor:
        """Return the output of each image for each class, (n, n_outputs)."""
        score, features = self.inner.score_and_features(x)
        return score[:, None] + self.outputs(features)


class MinibatchDiscrimination(nn.Module):
    """How close the other images of a batch are, summed up by a linear map. Maps features (n, d) to (n,).

    A batch of fakes that are all alike gives itself away. An image alone in its batch gives 0.

    References
    ----------
    Salimans et al. 2016, section 3.2: c_b(x_i, x_j) = exp(-|M_ib - M_jb|_1), o(x_i)_b their sum over j; here over the
    *other* images, j != i (theirs adds the constant 1 of the image with itself).
    """

    def __init__(self, n_features: int, n_kernels: int) -> None:
        super().__init__()
        self.n_kernels = n_kernels
        self.kernels = nn.Linear(n_features, n_kernels * KERNEL_DIM, bias=False)
        self.weights = nn.Linear(n_kernels, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        m = self.kernels(features).float().view(len(features), self.n_kernels, KERNEL_DIM)
        closeness = torch.exp(-(m[:, None] - m[None]).abs().sum(3))  # (n, n, kernels)
        others = closeness.sum(1) - 1
        return self.weights(others).squeeze(1)


def with_labels(z: Tensor, labels: Tensor | None, n_classes: int) -> Tensor:
    """Return what a generator reads: latents (n, latent_dim), followed by one-hot labels where it is conditional."""
    if not n_classes:
        return z
    assert labels is not None
    return torch.cat([z, F.one_hot(labels, n_classes).to(z)], dim=1)
