"""The numbers that ``gan-probe article`` prints and gates read."""

from __future__ import annotations

from dataclasses import dataclass

from gan_probe.studies.levels import VerdictMetrics


@dataclass(frozen=True, kw_only=True)
class ArticleMetrics(VerdictMetrics):
    """The article's experiment.

    Attributes
    ----------
    n_trainings, n_pairs : int
    pairs_by_epochs : dict of str to list of int
        Pairs that each training separates, by its length.
    n_separated : int or None
        By the longest trainings: the smallest number.
    random_init_most : int or None
        The most that a randomly initialised critic of the same architecture separates.
    best_statistic : int or None
        The most that an image statistic separates.
    n_claims, n_hold, n_fail, n_mixed, n_unmeasured : int
        The article's claims: all; those that hold in every training, in none, in some; those without a number.
    """

    n_trainings: int
    n_pairs: int
    pairs_by_epochs: dict[str, list[int]]
    n_separated: int | None
    random_init_most: int | None
    best_statistic: int | None
    n_claims: int
    n_hold: int
    n_fail: int
    n_mixed: int
    n_unmeasured: int
