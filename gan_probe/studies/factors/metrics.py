"""The numbers that ``gan-probe factors`` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gan_probe.studies.levels import VerdictMetrics


@dataclass(frozen=True, kw_only=True)
class FactorsMetrics(VerdictMetrics):
    """What score and embedding follow.

    Attributes
    ----------
    shares : dict of str to float
        Of the score's variance, by factor, adjusted for chance.
    noticed : dict of str to dict
        By setting the smallest noticed difference of each factor; None where no swept one is.
    n_probes, n_probes_ahead, n_probes_gained : int
        Factors probed; where the embedding is ahead of every control; of randomly initialised critics.
    disentanglement : dict or None
    n_bases : int
    """

    shares: dict[str, float]
    noticed: dict[str, dict[str, float | None]]
    n_probes: int
    n_probes_ahead: int
    n_probes_gained: int
    disentanglement: dict[str, Any] | None
    n_bases: int
