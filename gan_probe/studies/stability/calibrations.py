"""Alignment levels that know reals from negatives: scores of one run, calibrated on the panel's own half.

To add one: a function and a row in ``CALIBRATIONS``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from gan_probe.stats.conformal import MIN_REFERENCE, conformal_p
from gan_probe.stats.splits import halves
from gan_probe.types import Labels, Mask, Scores, Values

NULL = "null"  # label of images with nothing in them
UNPENALISED = 1e6  # inverse weight of the penalty on the slope; smoothed targets keep it finite


@dataclass(frozen=True)
class Panel:
    """Which images of a panel do what.

    Attributes
    ----------
    labels : ndarray of str, shape (n,)
    fit : ndarray of bool, shape (n,)
        Alignments are fitted on these and everything is measured on the others.
    reals : ndarray of bool, shape (n,)
        Images of classes that the critics were trained on.
    negatives : ndarray of bool, shape (n,)
        What reals are held against: nulls where there are some, else unseen classes.
    """

    labels: Labels
    fit: Mask
    reals: Mask
    negatives: Mask


def make_panel(labels: Labels, seen: Mask | None = None, *, seed: int = 0) -> Panel:
    """Return the panel that these images make, without reals and negatives where no class is known as seen."""
    nulls, nobody = labels == NULL, np.zeros(len(labels), dtype=bool)
    reals = nobody if seen is None else np.asarray(seen, dtype=bool) & ~nulls
    negatives = nulls if nulls.any() else nobody if seen is None else ~reals
    return Panel(labels, halves(labels, seed=seed, last=NULL), reals, negatives)


def density_ratio(scores: Scores, panel: Panel) -> Scores:
    """Return log p(score | real) / p(score | negative) of each image, in nats, by a line fitted in each run.

    Monotone within a run. Where no line tells reals from negatives, because reals lie on both sides of them, the slope
    is near zero and so is what the alignment level says.

    References
    ----------
    Platt 2000, "Probabilistic Outputs for Support Vector Machines": logistic regression with targets
    (n + 1) / (n + 2) and 1 / (n + 2), which stays finite where reals and negatives do not overlap. The ratio is the log
    odds without the prior's (Sugiyama, Suzuki, Kanamori 2012, "Density Ratio Estimation in Machine Learning", chapter
    4).
    """
    return np.stack([_log_ratio(row, row[panel.fit & panel.reals], row[panel.fit & panel.negatives]) for row in scores])


def _log_ratio(scores: Scores, reals: Values, negatives: Values) -> Scores:
    n_reals, n_negatives = len(reals), len(negatives)
    is_real = np.repeat([(n_reals + 1) / (n_reals + 2), 1 / (n_negatives + 2)], [n_reals, n_negatives])
    rows = np.concatenate([reals, negatives])
    model = LogisticRegression(C=UNPENALISED, max_iter=1000).fit(
        np.concatenate([rows, rows])[:, None],
        np.repeat([1, 0], len(rows)),
        sample_weight=np.concatenate([is_real, 1 - is_real]),
    )
    prior = math.log(is_real.sum() / (1 - is_real).sum())
    return model.decision_function(scores[:, None]) - prior


def conformal(scores: Scores, panel: Panel) -> Scores:
    """Return the p-value of each image against the run's seen reals, 0 to 1: low = it scores as few reals do.

    Free of any increasing map of a run's scores. Images beyond all reals share the same value.
    """
    return np.stack([conformal_p(row, row[panel.fit & panel.reals]) for row in scores])


CALIBRATIONS: dict[str, Callable[[Scores, Panel], Scores]] = {
    "density-ratio": density_ratio,
    "conformal": conformal,
}


def left_out(panel: Panel) -> dict[str, str]:
    """Return the alignment levels of `CALIBRATIONS` that this panel has too few images for, each with the reason."""
    n_reals, n_negatives = int((panel.fit & panel.reals).sum()), int((panel.fit & panel.negatives).sum())
    if n_reals < MIN_REFERENCE:
        why = (
            f"it needs {MIN_REFERENCE} images of seen classes to be fitted on, and there are {n_reals}. Score images of"
            " the classes that the critics were trained on."
        )
        return dict.fromkeys(CALIBRATIONS, why)
    if n_negatives < MIN_REFERENCE:
        why = f"it needs {MIN_REFERENCE} negatives to be fitted on, and there are {n_negatives}. Add some with --nulls."
        return {"density-ratio": why}
    return {}
