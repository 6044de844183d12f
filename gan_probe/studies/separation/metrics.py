"""The numbers that ``gan-probe report`` prints and gates read."""

from __future__ import annotations

from dataclasses import dataclass

from gan_probe.studies.levels import VerdictMetrics


@dataclass(frozen=True, kw_only=True)
class SeparationMetrics(VerdictMetrics):
    """Pairs of classes, and the verdict.

    Attributes
    ----------
    n_pairs, n_separated, n_certain : int
        Pairs of classes; those that the critic's score separates; those of them that are certain.
    n_runs : int
        Trainings.
    probe_margin, probe_margin_low : float or None
        Linear probe on the embedding, critic minus best control, 0 to 1, and the lower end of its 95 % interval; None
        without embeddings or controls.
    """

    n_pairs: int
    n_separated: int
    n_certain: int
    n_runs: int
    probe_margin: float | None = None
    probe_margin_low: float | None = None
