"""The numbers that ``gan-probe report`` prints and gates read."""

from __future__ import annotations

from dataclasses import dataclass

from gan_probe.studies.judgement import Gain, Use


@dataclass(frozen=True, kw_only=True)
class SeparationMetrics:
    """Pairs of classes, and what the training added.

    Attributes
    ----------
    n_pairs, n_separated, n_certain : int
        Pairs of classes; those that the critic's score separates; those of them that are certain.
    n_runs : int
        Trainings.
    useful, added : str
        The verdict: whether the critic is useful ("better", "as good", "worse", "unknown"), and whether the training
        added anything ("yes", "not shown", "took away", "unknown").
    useful_margin, useful_low, added_margin, added_low : float or None
        What it rests on: critic minus best control, and minus randomly initialised critics, 0 to 1, with the lower ends
        of their 95 % intervals; None where nothing is to compare with.
    probe_margin, probe_margin_low : float or None
        Linear probe on the embedding, critic minus best control, 0 to 1, and the lower end of its 95 % interval; None
        without embeddings or controls.
    """

    n_pairs: int
    n_separated: int
    n_certain: int
    n_runs: int
    useful: Use = "unknown"
    useful_margin: float | None = None
    useful_low: float | None = None
    added: Gain = "unknown"
    added_margin: float | None = None
    added_low: float | None = None
    probe_margin: float | None = None
    probe_margin_low: float | None = None
