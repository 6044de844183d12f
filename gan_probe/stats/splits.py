"""Which images serve for what: halves to fit and to report on; a pool of labels, validation and test images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold, train_test_split

from gan_probe.errors import InputError
from gan_probe.names import TEST, VALIDATION, split_role
from gan_probe.types import Indices, Labels, Mask

MAX_POOL, MAX_VALIDATION, MAX_TEST = 20_000, 2000, 10_000


@dataclass(frozen=True)
class Split:
    """Row numbers: labels are drawn from ``pool``, settings chosen on ``validation``, accuracy measured on ``test``."""

    pool: Indices
    validation: Indices
    test: Indices


def split_rows(labels: Labels, splits: Labels | None = None, *, max_pool: int = MAX_POOL, seed: int = 0) -> Split:
    """Return which rows serve for what.

    Parameters
    ----------
    labels : ndarray, shape (n,)
    splits : ndarray of str, optional
        Where the data names them, as `split_role` understands them: test rows are tested on, validation rows choose the
        setting, the others are the pool. Without, or where all rows have one name: 30 % test, and of the rest 20 % (at
        most 2,000) validation, by class.
    max_pool : int
        A larger pool is thinned to so many images, by class; a larger test part to 10,000.
    seed : int

    Raises
    ------
    InputError
        For fewer than two classes, a class with fewer than four images, or a class that pool or test part lack.
    """
    counts = pd.Series(labels).value_counts()
    if len(counts) < 2:
        raise InputError("a probe needs labels of at least two classes.")
    if counts.min() < 4:
        raise InputError(f"class {counts.idxmin()!r} has {counts.min()} images; a probe needs at least four of each.")
    rest = np.arange(len(labels))
    roles = np.array([split_role(str(name)) for name in (np.full(len(labels), "") if splits is None else splits)])
    test = rest[roles == TEST]
    if 0 < len(test) < len(rest):
        rest = rest[roles != TEST]
    else:
        rest, test = _apart(rest, labels, 0.3, seed)
    validation = rest[roles[rest] == VALIDATION]
    if 0 < len(validation) < len(rest):
        rest = rest[roles[rest] != VALIDATION]
    else:
        rest, validation = _apart(rest, labels, min(0.2, MAX_VALIDATION / max(1, len(rest))), seed + 1)
    for name, part in (("test", test), ("pool", rest)):
        missing = sorted(set(counts.index) - set(labels[part]), key=str)
        if missing:
            raise InputError(
                f"the {name} part has no image of class {missing[0]!r}; a probe needs every class in each part."
            )
    if len(rest) > max_pool:
        rest = _thinned(rest, labels, max_pool, seed + 3)
    if len(test) > MAX_TEST:
        test = _thinned(test, labels, MAX_TEST, seed + 2)
    return Split(np.sort(rest), np.sort(validation), np.sort(test))


def _apart(rows: Indices, labels: Labels, share: float, seed: int) -> tuple[Indices, Indices]:
    """Return (what is left, a share), both with every class in proportion."""
    n_classes = len(set(labels[rows]))
    n = min(max(round(share * len(rows)), n_classes), len(rows) - n_classes)
    try:
        left, taken = train_test_split(rows, test_size=n, stratify=labels[rows], random_state=seed)
    except ValueError as error:
        raise InputError(f"{len(rows)} images are too few to take {n} of every class from them: {error}.") from error
    return left, taken


def _thinned(rows: Indices, labels: Labels, most: int, seed: int) -> Indices:
    """Return about ``most`` of the rows, every class in proportion, of rare ones one image."""
    share = most / len(rows)
    of_each = [rows[labels[rows] == name] for name in np.unique(labels[rows])]
    if min(map(len, of_each)) * share >= 1:
        return _apart(rows, labels, share, seed)[1]
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.choice(of, max(1, round(share * len(of))), replace=False) for of in of_each])


def stratified_folds(labels: Labels, n_folds: int, *, seed: int = 0) -> list[tuple[Indices, Indices]]:
    """Return (training rows, test rows) of each fold, by class: fewer folds where the smallest class has fewer images.

    None where a class has one image.
    """
    n_folds = min(n_folds, int(np.unique(labels, return_counts=True)[1].min()))
    if n_folds < 2:
        return []
    return list(StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(labels, labels))


def halves(labels: Labels, *, seed: int = 0, last: str = "") -> Mask:
    """Return which half of each class alignments are fitted on; class ``last`` changes nothing for the others."""
    rng, fit = np.random.default_rng(seed), np.zeros(len(labels), dtype=bool)
    for name in sorted(set(labels.tolist()), key=lambda name: (name == last, name)):
        rows = rng.permutation(np.flatnonzero(labels == name))
        fit[rows[: len(rows) // 2]] = True
    return fit
