"""Is this training well? Measures of the fakes and of the critic, and what they say in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from gan_probe.images.image_set import ImageSet
from gan_probe.scoring.engines import LOCAL
from gan_probe.types import Images, Rows

N_IMAGES = 500  # fakes, and reals that they are compared with
N_CLASSIFIER, N_CLASSIFIER_TEST = 5000, 1000
SIDE_PX = 16  # images are compared at this size: noise of single pixels says nothing of their content
SMALL_SHARE = 0.25  # a class is covered when fakes show it at least this often, next to its share of the reals
WON, LOST = 0.98, 0.52  # of the critic's accuracy
COLLAPSED = 0.5  # of the diversity
VANISHED, GROWN = 1e-3, 1e3  # of a network's gradient, late over early
REVERSED = 0.4
MEMORISED = 0.6  # of the preference for training images
IMPROVING = 0.9  # of the distance to the reals, from one snapshot to the next


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
        self._labels = self.training.table["label"].astype(str).to_numpy() if "label" in self.training.table else None
        self._classifier: KNeighborsClassifier | None = None
        self._accuracy = 0.0
        if self._labels is not None and 1 < len(set(self._labels)) <= len(order) // 4:
            n_test = min(N_CLASSIFIER_TEST, len(order) // 4)
            test, fit = order[:n_test], order[n_test : n_test + N_CLASSIFIER]
            self._classifier = KNeighborsClassifier(3).fit(small(self.training.images[fit]), self._labels[fit])
            self._accuracy = float(self._classifier.score(small(self.training.images[test]), self._labels[test]))

    def examine(self, critic: Critic, generator: Generator) -> dict[str, Any]:
        """Return the measures of this moment.

        Returns
        -------
        dict
            ``diversity``, ``distance``: see the functions. ``training_preference``: share of the pairs of a training
            image and a held-out one in which the critic scores the former higher; 0.5 where it memorised nothing; None
            without held-out images. With labels ``n_classes``, ``n_covered``, ``missing`` (see `coverage`) and
            ``classifier_accuracy``, that of the 3-nearest-neighbour classifier which names the fakes, on other reals.
        """
        fakes = small(generator.sample(len(self._rows), seed=self.seed))
        found: dict[str, Any] = {
            "diversity": round(diversity(fakes, self._rows), 4),
            "distance": round(distance(fakes, self._rows), 4),
            "training_preference": None,
            "n_held_out": len(self._held_out),
        }
        if len(self._held_out):
            scores = np.concatenate([LOCAL.run([critic], x)[0].scores for x in (self._reals, self._held_out)])
            is_training = np.arange(len(scores)) < len(self._reals)
            if np.isfinite(scores).all():
                found["training_preference"] = round(float(roc_auc_score(is_training, scores)), 4)
        if self._classifier is not None and self._labels is not None:
            missing = coverage(list(self._classifier.predict(fakes)), list(self._labels))
            n_classes = len(set(self._labels))
            found |= {
                "n_classes": n_classes,
                "n_covered": n_classes - len(missing),
                "missing": missing,
                "classifier_accuracy": round(self._accuracy, 4),
            }
        return found


def diagnosis_of(metrics: pd.DataFrame, health: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what a training's records say of it, one plain sentence each; at least one.

    Parameters
    ----------
    metrics : DataFrame
        Of `gan_probe.training.RunFolder.read_metrics`.
    health : sequence of mapping
        What `Examiner.examine` returned on the way, the last one last.
    """
    if not len(metrics) and not health:
        return ["Nothing was recorded yet, or the records are broken: there are no metrics and no measures of health."]
    said = [*_of_the_accuracy(metrics), *_of_gradients(metrics), *(_of_fakes(health) if health else [])]
    return said or ["No sign of trouble."]


def _of_the_accuracy(metrics: pd.DataFrame) -> list[str]:
    """Return what the share of pairs in which the critic scores the real higher says, over the last tenth."""
    accuracy = metrics["critic_accuracy"].dropna()
    late = float(accuracy.tail(max(10, len(accuracy) // 10)).mean()) if len(accuracy) else np.nan
    if late >= WON:
        return [
            f"The critic won: it scores the real higher in {late:.0%} of pairs of a real and a fake (50 % would be"
            " equilibrium). Its features can be good all the same."
        ]
    if late <= REVERSED:
        return [f"The critic ranks reals below fakes: it scores the real higher in {late:.0%} of pairs."]
    if late <= LOST:
        return [f"The critic cannot tell reals from fakes any more: {late:.0%} of pairs (50 % is chance)."]
    return []


def _of_gradients(metrics: pd.DataFrame) -> list[str]:
    """Return which network's gradient vanished or blew up between the first tenth and the last."""
    said = []
    for network in ("critic", "generator"):
        norms = metrics[f"{network}_gradient"].dropna()
        tenth = max(5, len(norms) // 10)
        if len(norms) < 2 * tenth:
            continue
        early, now = norms.head(tenth).median(), norms.tail(tenth).median()
        if now < VANISHED * early:
            said.append(f"The {network}'s gradient has all but vanished ({early:.1e} to {now:.1e}): it learns no more.")
        elif now > GROWN * early:
            said.append(
                f"The {network}'s gradient has grown a thousandfold ({early:.1e} to {now:.1e}): the training is blowing"
                " up. Try a lower learning rate or penalty_weight."
            )
    return said


def _of_fakes(health: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what the last look at the fakes says: classes missing, collapse, memorising, still improving."""
    last, said = health[-1], []
    if last.get("missing"):
        said.append(
            f"Modes: {last['n_covered']} of {last['n_classes']} classes are covered; missing:"
            f" {', '.join(last['missing'][:5])}{', ...' if len(last['missing']) > 5 else ''} (as a classifier"
            f" that is right on {last['classifier_accuracy']:.0%} of reals sees it)."
        )
    if last["diversity"] < COLLAPSED:
        said.append(
            f"Mode collapse: fakes lie {last['diversity']:.2f} times as far from each other as reals do."
            " Minibatch discrimination, another objective or a lower learning rate may help (docs/training.md)."
        )
    preference = last.get("training_preference")
    chance = 2 / (12 * max(1, last.get("n_held_out", 1))) ** 0.5  # what so few held-out images may do by themselves
    if preference is not None and preference > max(MEMORISED, 0.5 + chance):
        said.append(
            f"Memorising: the critic scores a training image above a held-out one in {preference:.0%} of pairs"
            " (50 % would be none). Use more images, fewer steps or a stronger penalty."
        )
    if len(health) > 1 and last["distance"] < IMPROVING * health[-2]["distance"]:
        before = health[-2]
        said.append(
            f"Still improving: from step {before['step']} to {last['step']} the fakes came closer to the reals"
            f" ({before['distance']:.2f} to {last['distance']:.2f} times the reals' own distance). Train longer."
        )
    return said
