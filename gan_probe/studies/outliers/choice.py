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
        The best, and those that are not certainly behind it: where the choice is unsure, they are combined.
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
    found: dict[str, tuple[Detector, Placed, dict[str, float]]] = {}
    notes: list[str] = []
    for detector in candidates:
        try:
            fitted = fit_detector(detector, of_reals, known)
        except InputError as error:
            notes.append(f"detector {detector.name} is left out: {error}")
            continue
        found[detector.name] = (detector, *_placed(fitted, usual, of_made))
    if not found:
        raise InputError(f"no detector can be fitted: {notes[-1]}")
    return _best(found, notes)


def _placed(
    fitted: FittedDetector, usual: Mapping[View, Rows], of_made: Mapping[str, Mapping[View, Rows]]
) -> tuple[Placed, dict[str, float]]:
    """Return the placements of made-up outliers and of reals, means over kinds; and the AUROC of each kind."""
    own = fitted.unlike(usual)
    by_kind = {kind: placements(fitted.unlike(views), own) for kind, views in of_made.items()}
    high, low = (np.mean([placed[k] for placed in by_kind.values()], axis=0) for k in (0, 1))
    return (high, low), {kind: float(placed[0].mean()) for kind, placed in by_kind.items()}


def _best(found: Mapping[str, tuple[Detector, Placed, dict[str, float]]], notes: Sequence[str]) -> DetectorChoice:
    best = max(found, key=lambda name: found[name][1][0].mean())
    rows, used = [], []
    for name, (detector, placed, by_kind) in found.items():
        behind = auroc_ahead(found[best][1], [placed], extra=())
        is_used = name == best or behind.verdict != "ahead"
        used += [detector] if is_used else []
        rows.append(
            {"detector": name, "title": detector.title, "made_up": float(placed[0].mean()), "behind": behind.value,
             "behind_low": behind.ci_low, "behind_high": behind.ci_high, "used": is_used, "by_kind": by_kind}
        )  # fmt: skip
    return DetectorChoice(used=tuple(used), rows=rows, notes=tuple(notes))
