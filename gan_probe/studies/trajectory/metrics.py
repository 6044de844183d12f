"""The numbers that ``gan-probe trajectory`` prints and gates read."""

from __future__ import annotations

from dataclasses import dataclass

from gan_probe.studies.levels import VerdictMetrics


@dataclass(frozen=True, kw_only=True)
class TrajectoryMetrics(VerdictMetrics):
    """Pairs of classes over the snapshots of a training.

    Attributes
    ----------
    n_snapshots, n_pairs : int
    n_separated : int
        At the last snapshot.
    n_separated_by_step : dict of str to int
    n_lost, n_never, n_comes_and_goes, n_flipped : int
        Pairs that were separated and are not at the end; never are; come and go; change direction.
    ahead_since : int or None
        The step since which more pairs are separated than by any control.
    """

    n_snapshots: int
    n_pairs: int
    n_separated: int
    n_separated_by_step: dict[str, int]
    n_lost: int
    n_never: int
    n_comes_and_goes: int
    n_flipped: int
    ahead_since: int | None
