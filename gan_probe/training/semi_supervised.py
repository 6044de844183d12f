"""Few labels beside many images without: the critic as a classifier of K classes and fakes, the generator by features.

References
----------
Salimans et al. 2016, "Improved Techniques for Training GANs", sections 3.1 (feature matching) and 5 (K + 1 classes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_probe.device import arithmetic_of
from gan_probe.errors import InputError
from gan_probe.images.image_set import NO_LABEL, ImageSet
from gan_probe.training.batches import ImageSource


def labels_of(data: ImageSet) -> npt.NDArray[np.str_]:
    """Return the label of each image, `NO_LABEL` where it has none."""
    return np.asarray(data.table["label"] if "label" in data.table else [NO_LABEL] * len(data)).astype(str)


def has_label(data: ImageSet) -> npt.NDArray[np.bool_]:
    """Return which images have a label."""
    return labels_of(data) != NO_LABEL


def with_labelled(source: ImageSource, data: ImageSet, classes: Sequence[str]) -> ImageSource:
    """Return a source of training images that knows which have a label, and its place among the sorted ``classes``."""
    labels = labels_of(data)
    rows = np.flatnonzero(labels != NO_LABEL)
    return replace(source, labelled=rows, targets=np.searchsorted(np.asarray(classes), labels[rows]))


def check_learnable(data: ImageSet) -> None:
    """Raise `InputError` unless labels of at least two classes are there, one of each at least."""
    found = sorted(set(labels_of(data)[has_label(data)].tolist()))
    if len(found) < 2:
        only = f"all {int(has_label(data).sum())} labels of {data.source} are {found[0]!r}" if found else ""
        raise InputError(
            f"a semi-supervised training needs labels of at least two classes, and {only or f'{data.source} has none'}."
            " Label a few images of each class (class folders, a label column, or --labels FILE), or train without"
            " labels: leave out --labels, and choose another --preset."
        )


def class_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return E[-log p(class | image, the image is real)], from the K outputs (n, K): cross-entropy.

    References
    ----------
    Salimans et al. 2016, section 5, the supervised part of the loss.
    """
    return F.cross_entropy(outputs, targets)


def feature_matching_loss(real_features: Tensor, fake_features: Tensor) -> Tensor:
    """Return |E[f(real)] - E[f(fake)]|^2, (n, d) each; the generator minimises it.

    References
    ----------
    Salimans et al. 2016, section 3.1.
    """
    return (real_features.mean(0) - fake_features.mean(0)).square().sum()


def supervised_part(
    critic: nn.Module, images: Tensor, targets: Tensor, *, weight: float, precision: str
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return what labels add to the critic's loss, and its metrics ``class_loss`` and ``class_accuracy``.

    Images are (n, c, h, w) in [-1, 1], augmented as reals are; ``targets`` (n,) the numbers of their classes.
    """
    outputs = outputs_of(critic, precision, images)
    loss = class_loss(outputs, targets)
    right = (outputs.argmax(1) == targets).float().mean()
    return weight * loss, {"class_loss": loss.detach(), "class_accuracy": right.detach()}


def outputs_of(critic: nn.Module, precision: str, images: Tensor) -> Tensor:
    """Return the critic's outputs for the classes, (n, k) float32."""
    with arithmetic_of(precision, images.device):
        outputs: Tensor = critic.class_scores(images)  # type: ignore[operator]
    return outputs.float()


def features_of(critic: nn.Module, images: Tensor, precision: str) -> Tensor:
    """Return what the critic's last linear map reads, (n, d)."""
    inner: Any = getattr(critic, "inner", critic)
    with arithmetic_of(precision, images.device):
        features: Tensor = inner.score_and_features(images)[1]
    return features.float()


def generator_part(critic: nn.Module, fake: Tensor, real: Tensor, precision: str) -> Tensor:
    """Return the generator's loss by features of fakes and reals, (n, c, h, w) each."""
    with torch.no_grad():
        wanted = features_of(critic, real, precision)
    return feature_matching_loss(wanted, features_of(critic, fake, precision))
