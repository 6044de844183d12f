"""Is this training well? Measures of the fakes and of the critic. In words: `diagnosis`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from gan_probe.critics.critic import Critic
from gan_probe.critics.generator import Generator
from gan_probe.images.image_set import NO_LABEL, ImageSet
from gan_probe.networks import build_generator
from gan_probe.scoring.engines import LOCAL
from gan_probe.types import Images, Rows

N_IMAGES = 250  # fakes, and reals that they are compared with: enough for a word, and snapshots are many
N_ON_THE_WAY = 64  # training images, and held-out ones, that a critic is asked about before the training's end
N_CLASSIFIER, N_CLASSIFIER_TEST = 5000, 1000
SIDE_PX = 16  # images are compared at this size: noise of single pixels says nothing of their content
SMALL_SHARE = 0.25  # a class is covered when fakes show it at least this often, next to its share of the reals


def small(images: Images) -> Rows:
    """Return images as rows at 16x16 pixels or less, values in [0, 1]: (n, h, w, c) uint8 to (n, d)."""
    tensor = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
    side = min(SIDE_PX, *tensor.shape[2:])
    return F.adaptive_avg_pool2d(tensor, side).flatten(1).numpy()


def nearest(rows: Rows, others: Rows | None = None) -> float:
    """Return the median distance from a row to the nearest of ``others``, or of the rest of the rows themselves."""
    finder = NearestNeighbors(n_neighbors=1).fit(rows if others is None else others)
    return float(np.median(finder.kneighbors(None if others is None else rows)[0]))


def diversity(fakes: Rows, reals: Rows) -> float:
    """Return how far fakes lie from each other, in units of how far reals do: 1 as varied, 0 all the same image.

    The ratio of the medians of the distances to the nearest other row; both sets must have the same size.

    Examples
    --------
    >>> reals = np.eye(4, dtype=np.float32)
    >>> diversity(reals, reals), diversity(np.ones((4, 4), np.float32), reals)
    (1.0, 0.0)
    """
    return nearest(fakes) / max(nearest(reals), 1e-12)


def distance(fakes: Rows, reals: Rows) -> float:
    """Return how far fakes lie from the nearest real, in units of how far reals do from each other: 1 is as close."""
    return nearest(fakes, reals) / max(nearest(reals), 1e-12)


def told_apart(fakes: Rows, reals: Rows) -> float:
    """Return how often the nearest other image is of the same kind, of fakes and reals together: 1 apart, 0.5 alike.

    Copies of reals give less than 0.5; both sets must have the same size.

    References
    ----------
    Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests", with one nearest neighbour, leaving one out.

    Examples
    --------
    >>> reals = np.eye(4, dtype=np.float32)
    >>> told_apart(reals + 9, reals), told_apart(reals, reals)
    (1.0, 0.0)
    """
    both = np.concatenate([fakes, reals])
    neighbours = NearestNeighbors(n_neighbors=1).fit(both).kneighbors(None, return_distance=False)[:, 0]
    return float(np.mean((neighbours < len(fakes)) == (np.arange(len(both)) < len(fakes))))


def coverage(predicted: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Return the classes that fakes hardly show: less than a quarter as often as reals do.

    Parameters
    ----------
    predicted : sequence of str
        What a classifier calls the fakes.
    labels : sequence of str
        Of the reals.

    Examples
    --------
    >>> coverage(["a"] * 99 + ["b"], ["a", "b"])
    ['b']
    """
    expected = pd.Series(list(labels)).value_counts(normalize=True).sort_index()
    found = pd.Series(list(predicted)).value_counts(normalize=True).reindex(expected.index, fill_value=0.0)
    return [str(name) for name in expected.index[found < SMALL_SHARE * expected]]


def untrained(generator: Generator, seed: int) -> Generator:
    """Return a randomly initialised generator of the same architecture."""
    config = generator.config
    n_classes = len(config.classes)
    module = build_generator(config.network, config.image_shape, config.latent_dim, seed=seed, n_classes=n_classes)
    return Generator(module, config, generator.device)


@dataclass
class Examiner:
    """Looks at a critic and a generator on the way, always beside the same reals.

    Attributes
    ----------
    training, held_out : ImageSet
    seed : int
        Of the latents.
    """

    training: ImageSet
    held_out: ImageSet
    seed: int = 0

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        order = rng.permutation(len(self.training))
        self._reals = self.training.images[order[:N_IMAGES]]
        self._rows = small(self._reals)
        self._held_out = self.held_out.images[rng.permutation(len(self.held_out))[:N_IMAGES]]
        labels = np.asarray(self.training.table.get("label", [NO_LABEL] * len(order))).astype(str)
        order = order[labels[order] != NO_LABEL]  # the others are of no class, or of one that nobody knows
        self._labels = labels[order]
        self._classifier: KNeighborsClassifier | None = None
        self._accuracy = 0.0
        self._untrained: float | None = None
        if 1 < len(set(self._labels)) <= len(order) // 4:
            n_test = min(N_CLASSIFIER_TEST, len(order) // 4)
            test, fit = order[:n_test], order[n_test : n_test + N_CLASSIFIER]
            self._classifier = KNeighborsClassifier(3).fit(small(self.training.images[fit]), labels[fit])
            self._accuracy = float(self._classifier.score(small(self.training.images[test]), labels[test]))

    def examine(self, critic: Critic, generator: Generator, *, is_last: bool = True) -> dict[str, Any]:
        """Return the measures of this moment; before the last the critic is asked about fewer images.

        Returns
        -------
        dict
            ``diversity``, ``distance``, ``told_apart``: see the functions. ``untrained_distance``: that of a generator
            of the same architecture that was never trained. ``training_preference``: share of the pairs of a training
            image and a held-out one in which the critic scores the former higher; 0.5 where it memorised nothing; None
            without held-out images. With labels ``n_classes``, ``n_covered``, ``missing`` (see `coverage`) and
            ``classifier_accuracy``, that of the 3-nearest-neighbour classifier which names the fakes, on other reals.
        """
        fakes = small(generator.sample(len(self._rows), seed=self.seed))
        if self._untrained is None:
            self._untrained = distance(small(untrained(generator, self.seed).sample(len(self._rows))), self._rows)
        found: dict[str, Any] = {
            "diversity": round(diversity(fakes, self._rows), 4),
            "distance": round(distance(fakes, self._rows), 4),
            "untrained_distance": round(self._untrained, 4),
            "told_apart": round(told_apart(fakes, self._rows), 4),
            "training_preference": None,
            "n_held_out": len(self._held_out) if is_last else len(self._held_out[:N_ON_THE_WAY]),
        }
        if len(self._held_out):
            reals, others = (x if is_last else x[:N_ON_THE_WAY] for x in (self._reals, self._held_out))
            scores = LOCAL.run([critic], np.concatenate([reals, others]))[0].scores
            is_training = np.arange(len(scores)) < len(reals)
            if np.isfinite(scores).all():
                found["training_preference"] = round(float(roc_auc_score(is_training, scores)), 4)
        if self._classifier is not None:
            missing = coverage(list(self._classifier.predict(fakes)), list(self._labels))
            n_classes = len(set(self._labels))
            found |= {
                "n_classes": n_classes,
                "n_covered": n_classes - len(missing),
                "missing": missing,
                "classifier_accuracy": round(self._accuracy, 4),
            }
        return found
