"""Which images are unlike the training data, how sure that is, and which way the score points.

Two directions: "low" takes a low critic_score for unlike (what the score promises), "two-sided" a score far from those
of held-out reals on either side.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import false_discovery_control
from sklearn.metrics import average_precision_score

from gan_probe.errors import InputError
from gan_probe.stats.auroc import auroc
from gan_probe.stats.intervals import auroc_interval, beyond_quantile
from gan_probe.types import Values

MIN_REFERENCE = 10
ACCEPTED = 0.95  # share of the positives that are found where FPR95 is measured
FALSE_ALARMS = 0.01  # share of the seen that may be called where the last measure is taken
FDR = 0.1


def low(scores: Values, reference: Values) -> Values:
    """Return the outlier_score -critic_score: higher = more unlike the training data."""
    return -np.asarray(scores, dtype=np.float64)


def two_sided(scores: Values, reference: Values) -> Values:
    """Return the distance from the median of held-out reals: higher = more unlike them."""
    return np.abs(np.asarray(scores, dtype=np.float64) - float(np.median(reference)))


DIRECTIONS: dict[str, Callable[[Values, Values], Values]] = {"low": low, "two-sided": two_sided}


@dataclass(frozen=True)
class Detection:
    """How well one class of images is told from seen ones.

    Attributes
    ----------
    label : str
    n : int
    direction : str
        A row of `DIRECTIONS`.
    auroc, ci_low, ci_high : float
        P(an image of the class looks more unlike the training data than a seen one): 0.5 = chance, below it the score
        points the wrong way.
    aupr : float
        Average precision, the class being positive; chance is `prevalence`.
    prevalence : float
    fpr95 : float
        Share of the class that is accepted where 95 % of the seen images are (Liang, Li, Srikant 2018, ODIN: the seen
        are the positives).
    fpr95_class : float
        Share of the seen images that are rejected where 95 % of the class are (the class is the positive, as in
        pytorch-ood and in papers on outlier exposure).
    tpr01 : float
        Share of the class that is found where at most 1 % of the seen images are called (with fewer than a hundred of
        these: none of them).
    fpr95_low, fpr95_high, fpr95_class_low, fpr95_class_high, tpr01_low, tpr01_high : float
        95 % intervals over images of both kinds: see `gan_probe.stats.intervals.beyond_quantile`.
    is_reversed : bool
        The interval of the AUROC lies below 0.5: the critic ranks this class above its own reals.
    """

    label: str
    n: int
    direction: str
    auroc: float
    ci_low: float
    ci_high: float
    aupr: float
    prevalence: float
    fpr95: float
    fpr95_class: float
    tpr01: float = math.nan
    fpr95_low: float = math.nan
    fpr95_high: float = math.nan
    fpr95_class_low: float = math.nan
    fpr95_class_high: float = math.nan
    tpr01_low: float = math.nan
    tpr01_high: float = math.nan

    @property
    def is_reversed(self) -> bool:
        """Whether images of this class certainly look more like the training data than seen images do."""
        return self.ci_high < 0.5


def detect(label: str, scores: Values, seen: Values, *, reference: Values, direction: str = "low") -> Detection:
    """Return how well a class is told from seen images.

    Parameters
    ----------
    label : str
    scores : ndarray, shape (m,)
        Of the class.
    seen : ndarray, shape (n,)
        Of new images of seen classes.
    reference : ndarray, shape (r,)
        Of other images of seen classes, which "two-sided" is centred on.
    direction : str
    """
    of = DIRECTIONS[direction]
    unlike, usual = of(scores, reference), of(seen, reference)
    value = auroc(unlike, usual)
    is_new = np.repeat([1, 0], [len(unlike), len(usual)])
    ci_low, ci_high = auroc_interval(value, len(unlike), len(usual))
    rejected = beyond_quantile(unlike, usual, ACCEPTED)
    kept = beyond_quantile(-usual, -unlike, ACCEPTED)
    called = beyond_quantile(unlike, usual, 1 - FALSE_ALARMS)
    return Detection(
        label,
        len(unlike),
        direction,
        value,
        ci_low,
        ci_high,
        aupr=float(average_precision_score(is_new, np.concatenate([unlike, usual]))),
        prevalence=len(unlike) / len(is_new),
        fpr95=float((unlike <= np.quantile(usual, ACCEPTED, method="inverted_cdf")).mean()),
        fpr95_class=float((usual >= -np.quantile(-unlike, ACCEPTED, method="inverted_cdf")).mean()),
        tpr01=called[0],
        fpr95_low=1 - rejected[2],
        fpr95_high=1 - rejected[1],
        fpr95_class_low=1 - kept[2],
        fpr95_class_high=1 - kept[1],
        tpr01_low=called[1],
        tpr01_high=called[2],
    )


def detections(table: pd.DataFrame, reference: Values | None = None, *, seed: int = 0) -> list[Detection]:
    """Return every unseen class in both directions, hardest first by "low".

    Parameters
    ----------
    table : DataFrame
        ``critic_score``, ``label``, ``seen``.
    reference : ndarray, optional
        Scores of held-out reals. Without it a random half of the seen images of the table serves, and detection is
        measured on the other half.
    seed : int

    Raises
    ------
    InputError
        Without both seen and unseen images, or with fewer than ten seen ones to compare with.
    """
    seen, held_out = split_reals(table, reference, seed=seed)
    found = [
        detect(str(label), group.to_numpy(), seen, reference=held_out, direction=direction)
        for label, group in table.loc[~table["seen"].astype(bool)].groupby("label", sort=False)["critic_score"]
        for direction in DIRECTIONS
    ]
    worst = {d.label: d.auroc for d in found if d.direction == "low"}
    return sorted(found, key=lambda d: worst[d.label])


def split_reals(table: pd.DataFrame, reference: Values | None = None, *, seed: int = 0) -> tuple[Values, Values]:
    """Return the scores of seen images to measure on, and those to compare with: see `detections`."""
    if "seen" not in table or not 0 < int(table["seen"].sum()) < len(table):
        raise InputError("telling unseen from seen needs images of both; the column 'seen' has only one or is missing.")
    seen = table.loc[table["seen"].astype(bool), "critic_score"].to_numpy(dtype=np.float64)
    if reference is None:
        order = np.random.default_rng(seed).permutation(len(seen))
        reference, seen = seen[order[: len(seen) // 2]], seen[order[len(seen) // 2 :]]
    if min(len(reference), len(seen)) < MIN_REFERENCE:
        raise InputError(
            f"telling unseen from seen needs at least {MIN_REFERENCE} seen images to measure on and {MIN_REFERENCE} to"
            f" compare with; got {len(seen)} and {len(reference)}."
        )
    return seen, np.asarray(reference, dtype=np.float64)


def conformal_p(scores: Values, reference: Values, direction: str = "low") -> Values:
    """Return p-values (n,) of "this image is like the held-out reals": uniform or larger where that is true.

    Parameters
    ----------
    scores : ndarray, shape (n,)
    reference : ndarray, shape (r,)
        Of held-out reals, at least ten. No p-value is below 1 / (r + 1).
    direction : str
        "two-sided" doubles the smaller tail.

    Raises
    ------
    InputError
        For fewer than ten reference scores.

    References
    ----------
    Bates, Candes, Lei, Romano, Sesia 2023, "Testing for outliers with conformal p-values", Annals of Statistics 51,
    equation 3.

    Examples
    --------
    >>> conformal_p(np.array([-1.0, 4.5, 99.0]), np.arange(9.0).repeat(2)).round(2).tolist()
    [0.05, 0.58, 1.0]
    """
    if len(reference) < MIN_REFERENCE:
        raise InputError(
            f"conformal p-values need at least {MIN_REFERENCE} held-out reals, got {len(reference)}. Give more: score"
            " real images that the critic was not trained on and name that table with --reals."
        )
    ordered = np.sort(reference)
    below = (1 + np.searchsorted(ordered, scores, side="right")) / (len(ordered) + 1)
    if direction == "low":
        return below
    above = (1 + len(ordered) - np.searchsorted(ordered, scores, side="left")) / (len(ordered) + 1)
    return np.minimum(1.0, 2 * np.minimum(below, above))


def call_outliers(p_values: Values, *, fdr: float = FDR) -> npt.NDArray[np.bool_]:
    """Return which images are called outliers so that at most a share ``fdr`` of the calls is wrong, on average.

    References
    ----------
    Benjamini and Hochberg 1995, "Controlling the false discovery rate"; valid for conformal p-values that share one
    reference (Bates et al. 2023, theorem 2).
    """
    if not 0 < fdr < 1:
        raise InputError(f"the false discovery rate must lie between 0 and 1, got {fdr!r}.")
    return false_discovery_control(p_values) <= fdr if len(p_values) else np.zeros(0, dtype=bool)


def least_detectable(n_images: int, n_reference: int, *, fdr: float = FDR, direction: str = "low") -> int:
    """Return how many images must look extreme at once before any of them can be called an outlier.

    With few held-out reals no p-value is small: among many images a single outlier then cannot be called one.
    """
    smallest = (2 if direction == "two-sided" else 1) / (n_reference + 1)
    return max(1, math.ceil(n_images * smallest / fdr - 1e-9))
