"""The study ``ensemble``: the members' scores of the panel, and those of randomly initialised ones."""

from __future__ import annotations

import numpy as np

from gan_probe.critics.ensemble import EnsembleCritic
from gan_probe.scoring.controls import random_inits
from gan_probe.studies.ensemble.result import EnsembleResult
from gan_probe.version import VERSION


def ensemble_agreement(ensemble: EnsembleCritic, *, controls: bool = True, seed: int = 0) -> EnsembleResult:
    """Return how far the members of an ensemble agree on the panel that they were aligned on.

    Parameters
    ----------
    ensemble : EnsembleCritic
    controls : bool
        Stand ensembles of as many randomly initialised critics beside it, aligned on the same panel.
    seed : int
        Of the images drawn for intervals.

    Examples
    --------
    >>> from gan_probe import Critic, from_synthetic
    >>> from synthetic import make_dataset
    >>> panel = from_synthetic(make_dataset("article-dev", per_class=2))
    >>> critics = {str(seed): Critic.from_network("compact", (64, 64, 3), seed=seed) for seed in range(3)}
    >>> found = ensemble_agreement(EnsembleCritic.fit(critics, panel), controls=False)
    >>> found.scores.shape, found.correlations.shape
    ((3, 20), (3, 3))
    """
    inits, notes = random_inits(ensemble) if controls else ([], ())
    scores = ensemble.member_scores(ensemble.panel).astype(np.float64)
    others = [
        other.member_scores(other.panel).astype(np.float64) for other in inits if isinstance(other, EnsembleCritic)
    ]
    config = ensemble.config
    return EnsembleResult(
        members=config.names,
        shifts=ensemble.module.shifts.cpu().numpy().astype(np.float64),
        scales=ensemble.module.scales.cpu().numpy().astype(np.float64),
        scores=scores,
        random_init=np.stack(others) if others else np.empty((0, *scores.shape)),
        panel=ensemble.panel,
        seed=seed,
        provenance={
            "critic_hash": ensemble.hash,
            "network": config.network,
            "alignment": config.alignment,
            "data_source": config.panel_source,
            "data_fingerprint": config.panel_fingerprint,
            "n_images": len(ensemble.panel),
            "seed": seed,
            "version": VERSION,
        },
        warnings=[*(f"the ensemble was {note}" for note in ensemble.notes), *notes],
    )
