"""The numbers that ``gan-probe ensemble`` prints."""

from __future__ import annotations

from dataclasses import dataclass

from gan_probe.studies.levels import VerdictMetrics


@dataclass(frozen=True, kw_only=True)
class EnsembleMetrics(VerdictMetrics):
    """How far members agree on the panel, beside randomly initialised ones.

    Attributes
    ----------
    n_members, n_panel : int
    agreement : float
        Mean correlation of two members, -1 to 1.
    agreement_low, agreement_high : float or None
        Its 95 % interval over new members and new images; None for two members.
    agreement_random_init : list of float
        The same of each ensemble of randomly initialised critics.
    turned : list of str
        Members whose sign was changed.
    """

    n_members: int
    n_panel: int
    agreement: float
    agreement_low: float | None
    agreement_high: float | None
    agreement_random_init: list[float]
    turned: list[str]
