"""What a critic may learn beside the game, without labels. To add a task: one function here, one row in its table.

A discriminator learns as much as keeps real from fake, and no more. These tasks ask for more of the same features;
their heads are saved with the run, for resuming, and are no part of the critic's score. Losses are pure functions of
tensors; a task is a function of a `Sight`, which says what the critic sees in one update.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_probe.config import TrainConfig
from gan_probe.training.objectives import Score
from gan_probe.training.ranks import gathered

TEMPERATURE = 0.1  # of both contrastive losses, as ContraD has it
HIDDEN, PROJECTED = 256, 128
QUARTERS = 4
SURE = 0.95  # probability of a class from which on it is taken for a label: FixMatch's
SSGAN_GENERATOR = 0.2  # SSGAN's alpha beside beta = 1


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What tasks look at in one update.

    Attributes
    ----------
    features : callable
        Images (n, c, h, w) to the features (n, d) that the critic's last linear map reads, float32.
    score : callable
        Images to the critic's scores (n,), as the game has them.
    heads : ModuleDict
        Those of all tasks.
    class_scores : callable, optional
        Images to the critic's outputs (n, k), of semi-supervised trainings.
    real, fake, real_again, fake_again : Tensor, shape (n, c, h, w), optional
        As the game sees them, and once more under other random numbers. No fakes without a generator.
    choice : Tensor, shape (n,), optional
        Uniform in [0, 1).
    """

    features: Score
    score: Score
    heads: nn.ModuleDict
    class_scores: Score | None = None
    real: Tensor | None = None
    fake: Tensor | None = None
    real_again: Tensor | None = None
    fake_again: Tensor | None = None
    choice: Tensor | None = None


# --- losses ------------------------------------------------------------------------------------------------------


def nt_xent(one: Tensor, other: Tensor) -> Tensor:
    """Return how badly each image's two views are told from all other views: 2n cross-entropies, their mean.

    Parameters
    ----------
    one, other : Tensor, shape (n, d)
        Two views of the same images, in the same order; rows of length 1.

    References
    ----------
    Chen et al. 2020 (SimCLR), equation 1.
    """
    views, n = torch.cat([one, other]), len(one)
    partner = (torch.arange(2 * n, device=views.device) + n) % (2 * n)
    return F.cross_entropy(_similarities(views, views), partner)


def supervised_contrast(kin: Tensor, others: Tensor) -> Tensor:
    """Return how badly each row of ``kin`` tells its kin from ``others``; rows (n, d), (m, d) of length 1.

    References
    ----------
    Khosla et al. 2020, "Supervised Contrastive Learning", equation 2, of one class against the rest.
    """
    n = len(kin)
    log_share = F.log_softmax(_similarities(kin, torch.cat([kin, others])), dim=1)[:, :n]
    itself = torch.eye(n, dtype=torch.bool, device=kin.device)
    return -(log_share.masked_fill(itself, 0.0).sum(1) / (n - 1)).mean()


def _similarities(rows: Tensor, all_rows: Tensor) -> Tensor:
    """Return cosines over the temperature, (n, m); a row and itself, which has the same place, count for nothing."""
    found = rows @ all_rows.T / TEMPERATURE
    itself = torch.eye(*found.shape, dtype=torch.bool, device=rows.device)
    return found.masked_fill(itself, -torch.inf)


def rotated(images: Tensor, choice: Tensor) -> tuple[Tensor, Tensor]:
    """Return each image turned by 0, 1, 2 or 3 quarters, as its number in [0, 1) says, and by how many, (n,)."""
    quarters = (QUARTERS * choice).long()
    turned = torch.stack([torch.rot90(images, k, (2, 3)) for k in range(QUARTERS)])
    return turned[quarters, torch.arange(len(images), device=images.device)], quarters


# --- tasks -------------------------------------------------------------------------------------------------------


def contrastive(sight: Sight) -> Tensor:
    """Return the contrastive loss of reals, and of fakes against reals where there are fakes.

    The features learn from these two alone: the game's gradient stops before them, and teaches what else the score is
    made of.

    References
    ----------
    Jeong and Shin 2021, "Training GANs with Stronger Augmentations via Contrastive Discriminator" (ContraD), section 3,
    both weights 1. Their head of the game has two layers; here it is the network's own.
    """
    assert sight.real is not None
    assert sight.real_again is not None
    views, n = [sight.real, sight.real_again, sight.fake], len(sight.real)
    features = torch.cat([sight.features(x) for x in views if x is not None])  # each with batch statistics of its own
    one, other = (gathered(part) for part in _projected(sight.heads["reals"], features[: 2 * n]).chunk(2))
    loss = nt_xent(one, other)
    if sight.fake is None:
        return loss
    projected = _projected(sight.heads["fakes"], features)
    return loss + supervised_contrast(gathered(projected[2 * n :]), gathered(projected[: 2 * n]))


def rotation(sight: Sight) -> Tensor:
    """Return the cross-entropy of which way up reals are.

    References
    ----------
    Chen et al. 2019, "Self-Supervised GANs via Auxiliary Rotation Loss" (SSGAN), equation 3, with beta = 1.
    """
    return _rotation_of(sight.real, sight)


def rotation_of_fakes(sight: Sight) -> Tensor:
    """Return the same of fakes, with SSGAN's alpha: critic and generator work together here."""
    return SSGAN_GENERATOR * _rotation_of(sight.fake, sight)


def _rotation_of(images: Tensor | None, sight: Sight) -> Tensor:
    assert images is not None
    assert sight.choice is not None
    turned, quarters = rotated(images, sight.choice)
    return F.cross_entropy(sight.heads["rotation"](sight.features(turned)), quarters)


def consistency(sight: Sight) -> Tensor:
    """Return the mean square of what augmentation changes a score by: of reals plus of fakes.

    References
    ----------
    Zhao et al. 2020, "Improved Consistency Regularization for GANs" (ICR), section 2.1, balanced consistency (bCR).
    There the game sees plain images and one of the two is plain; here both are augmented, as the game's are.
    """
    pairs = (sight.real, sight.real_again), (sight.fake, sight.fake_again)
    return torch.stack([_change(sight.score, *pair) for pair in pairs]).sum()


def _change(score: Score, one: Tensor | None, other: Tensor | None) -> Tensor:
    assert one is not None
    assert other is not None
    return (score(one) - score(other)).square().mean()


def pseudo_labels(sight: Sight) -> Tensor:
    """Return the cross-entropy of one view of reals under the classes that the critic, where sure, gives the other.

    References
    ----------
    Lee 2013, "Pseudo-Label"; Sohn et al. 2020, "FixMatch: Simplifying Semi-Supervised Learning with Consistency and
    Confidence", equation 4, with its threshold. There one view is augmented weakly and one strongly; here both are as
    the game's.
    """
    assert sight.class_scores is not None
    assert sight.real is not None
    assert sight.real_again is not None
    with torch.no_grad():
        sure, classes = sight.class_scores(sight.real).softmax(1).max(1)
    losses = F.cross_entropy(sight.class_scores(sight.real_again), classes, reduction="none")
    return (losses * (sure >= SURE)).mean()


def _projected(head: nn.Module, features: Tensor) -> Tensor:
    return F.normalize(head(features), dim=1)


# --- their table -------------------------------------------------------------------------------------------------


def _projections(n_features: int) -> dict[str, nn.Module]:
    return {
        name: nn.Sequential(nn.Linear(n_features, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, PROJECTED))
        for name in ("reals", "fakes")
    }


class Auxiliary(NamedTuple):
    """A task of the critic.

    Attributes
    ----------
    critic_loss : callable
        Of a `Sight`; what the critic minimises besides.
    heads : callable
        From the number of features to what reads them, by name.
    generator_loss : callable, optional
        What the generator minimises besides.
    stops_gradient : bool
        Whether the game's gradient stops before the features.
    """

    critic_loss: Callable[[Sight], Tensor]
    heads: Callable[[int], dict[str, nn.Module]] = lambda _: {}
    generator_loss: Callable[[Sight], Tensor] | None = None
    stops_gradient: bool = False


# Names, default weights, and what each needs of the settings: `gan_probe.config.AUXILIARIES`.
AUXILIARIES: dict[str, Auxiliary] = {
    "contrastive": Auxiliary(contrastive, _projections, stops_gradient=True),
    "rotation":    Auxiliary(rotation, lambda n: {"rotation": nn.Linear(n, QUARTERS)}, rotation_of_fakes),
    "consistency": Auxiliary(consistency),
    "pseudo-labels": Auxiliary(pseudo_labels),
}  # fmt: skip


def build_heads(config: TrainConfig, n_features: int) -> nn.ModuleDict:
    """Return the heads of a config's tasks; their weights follow from its seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.start_seed)
        return nn.ModuleDict({k: v for name in config.tasks for k, v in AUXILIARIES[name].heads(n_features).items()})


def stops_gradient(tasks: Iterable[str]) -> bool:
    """Return whether the game's gradient stops before the features."""
    return any(AUXILIARIES[name].stops_gradient for name in tasks)


def critic_tasks(sight: Sight, tasks: Mapping[str, float]) -> Tensor:
    """Return the weighted sum of what the tasks add to the critic's loss."""
    return torch.stack([weight * AUXILIARIES[name].critic_loss(sight) for name, weight in tasks.items()]).sum()


def generator_tasks(sight: Sight, tasks: Mapping[str, float]) -> Tensor | float:
    """Return the weighted sum of what the tasks add to the generator's loss; 0 where none does."""
    rows = ((AUXILIARIES[name].generator_loss, weight) for name, weight in tasks.items())
    return sum((weight * loss(sight) for loss, weight in rows if loss is not None), 0.0)
