"""Which detectors are used, decided without outliers: by how well they tell reals from outliers made of reals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gan_probe.errors import InputError
from gan_probe.images.made_up import make_outliers
from gan_probe.stats.auroc import auroc_ahead, placements
from gan_probe.stats.novelty import (
    MIN_REALS,
    Detector,
    FittedDetector,
    View,
    fit_detector,
    unlike_together,
)
from gan_probe.types import AnyLabels, Images, Rows, Values

MAX_MADE = 150  # reals that outliers are made of
MAX_FITTED = 600  # reals that detectors are fitted on for the choice; for use, on all
Viewer = Callable[[Images], dict[View, Rows]]
Placed = tuple[Values, Values]


@dataclass(frozen=True, kw_only=True)
class DetectorChoice:
    """Detectors, how well each tells reals from outliers made of reals, and which of them are used.

    Attributes
    ----------
    used : tuple of Detector
        The best; where the choice is unsure, it and those that are not certainly behind it, if they tell outliers made
        of reals better together than it does alone.
    rows : list of dict
        Of each candidate ``detector``, ``title``, ``made_up`` (mean AUROC), ``behind``, ``behind_low``,
        ``behind_high`` (how far the best is ahead), ``used``, and ``by_kind`` (the AUROC of each kind of outlier).
    notes : tuple of str
        Candidates that were left out, and why.
    """

    used: tuple[Detector, ...]
    rows: list[dict[str, Any]]
    notes: tuple[str, ...] = ()


def choose_detectors(
    view: Viewer, reals: Images, labels: AnyLabels | None, *, candidates: Sequence[Detector], seed: int = 0
) -> DetectorChoice:
    """Return which detectors to use.

    Parameters
    ----------
    view : callable
        From images to views.
    reals : ndarray of uint8, shape (n, h, w, c)
        At least twenty. A part fits the candidates; outliers are made of the rest, which stands beside them.
    labels : sequence of str, optional
        Classes of the reals.
    candidates : sequence of Detector
    seed : int
        Of the parts, and of the outliers.

    Raises
    ------
    InputError
        For too few reals, or when no candidate can be fitted.
    """
    if len(reals) < 2 * MIN_REALS:
        raise InputError(f"to choose a detector takes {2 * MIN_REALS} reals, got {len(reals)}. Name one: --detector.")
    order = np.random.default_rng(seed).permutation(len(reals))
    n_made = min(MAX_MADE, max(MIN_REALS, len(reals) // 3))
    made_of, fitted_on = np.sort(order[:n_made]), np.sort(order[n_made : n_made + MAX_FITTED])
    known = None if labels is None else np.asarray(labels)[fitted_on]
    of_reals, usual = view(reals[fitted_on]), view(reals[made_of])
    of_made = {kind: view(images) for kind, images in make_outliers(reals[made_of], seed).items()}
    fitted: dict[str, FittedDetector] = {}
    notes: list[str] = []
    for detector in candidates:
        try:
            fitted[detector.name] = fit_detector(detector, of_reals, known)
        except InputError as error:
            notes.append(f"detector {detector.name} is left out: {error}")
    if not fitted:
        raise InputError(f"no detector can be fitted: {notes[-1]}")

    def placed(*detectors: FittedDetector) -> dict[str, Placed]:
        own = unlike_together(detectors, usual)
        return {kind: placements(unlike_together(detectors, views), own) for kind, views in of_made.items()}

    by_kind = {name: placed(one) for name, one in fitted.items()}
    means = {name: _over_kinds(found) for name, found in by_kind.items()}
    best = max(means, key=lambda name: means[name][0].mean())
    behind = {name: auroc_ahead(means[best], [found], extra=()) for name, found in means.items()}
    used = [name for name, found in behind.items() if name == best or found.verdict != "ahead"]
    if _over_kinds(placed(*(fitted[name] for name in used)))[0].mean() < means[best][0].mean():
        used = [best]
    rows = [
        {"detector": name, "title": one.detector.title, "made_up": float(means[name][0].mean()),
         "behind": behind[name].value, "behind_low": behind[name].ci_low, "behind_high": behind[name].ci_high,
         "used": name in used,
         "by_kind": {kind: float(found[0].mean()) for kind, found in by_kind[name].items()}}
        for name, one in fitted.items()
    ]  # fmt: skip
    return DetectorChoice(used=tuple(fitted[name].detector for name in used), rows=rows, notes=tuple(notes))


def _over_kinds(placed: Mapping[str, Placed]) -> Placed:
    """Return the placements of made-up outliers and of reals, means over kinds of outliers."""
    high, low = (np.mean([found[k] for found in placed.values()], axis=0) for k in (0, 1))
    return high, low
