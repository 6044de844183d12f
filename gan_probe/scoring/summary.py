"""What is kept of very many scores: counts, moments and histograms by class, mergeable in any order; no torch.

Scores are counted in bins of equal width in arsinh((score - centre) / scale): fine where most scores lie, and wide
enough for any number. So counts are exact, and quantiles and AUROC carry a bound of their error.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gan_probe.errors import InputError
from gan_probe.records import check_seal, read_table, seal
from gan_probe.types import Indices, Values
from synthetic.files import atomic_path

SCHEMA = "gan_probe.summary/1"
BINS_PER_UNIT = 256  # of arsinh: near the centre a bin is 1/256 of the scale wide
ALL = ""  # the class of images without labels
MAX_CLASSES = 100  # whose pairs are listed
MAX_SPARE = 20  # candidates for each image of a sample that are written
N_NAMED = 5  # broken pictures that are named
_AT_A_TIME = 64  # summaries whose bins are put together at once

Grid = tuple[float, float]  # centre and scale
Candidate = tuple[str, int, int]  # sample_id, shard, row


def make_grid(values: Values) -> Grid:
    """Return the median of some values and half their interquartile range, or what else can be a scale."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, centre, high = np.quantile(finite, (0.25, 0.5, 0.75))
    scale = (high - low) / 2 or float(np.ptp(finite)) or abs(float(centre)) or 1.0
    return float(centre), float(scale)


@dataclass
class Tally:
    """How many values, their mean, the sum of squared deviations, the least and the largest."""

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    @classmethod
    def of(cls, values: Values) -> Tally:
        """Return those of some finite values."""
        if not len(values):
            return cls()
        mean = float(values.mean())
        return cls(len(values), mean, float(((values - mean) ** 2).sum()), float(values.min()), float(values.max()))

    def __add__(self, other: Tally) -> Tally:
        """Return those of both (Chan, Golub, LeVeque 1979, equations 1.5)."""
        n = self.n + other.n
        if not n:
            return Tally()
        step = other.mean - self.mean
        mean = self.mean + step * other.n / n
        squares = self.squares + other.squares + step**2 * self.n * other.n / n
        return Tally(n, mean, squares, min(self.low, other.low), max(self.high, other.high))

    @property
    def std(self) -> float:
        """The standard deviation over all values."""
        return float(np.sqrt(self.squares / self.n)) if self.n else np.nan


@dataclass
class Summary:
    """Scores of many images, without the images.

    Attributes
    ----------
    grids : mapping of str to Grid
        Of each column of numbers; the same in all summaries that are merged.
    counts : DataFrame
        ``column``, ``label``, ``bin``, ``n``: how many images fell into each bin.
    moments : dict
        By column and label.
    candidates : dict
        By label, the images with the smallest ids: of them the sample is chosen. Ids are hashes, so they are a random
        choice, and the same one whoever makes it.
    n_images, n_bad : int
        Scored, and left out or without a score.
    bad : list of str
        The first of the latter, and why.
    notes : Counter
        Images that were converted, by how.
    """

    grids: Mapping[str, Grid]
    counts: pd.DataFrame
    moments: dict[tuple[str, str], Tally]
    candidates: dict[str, list[Candidate]]
    n_images: int = 0
    n_bad: int = 0
    bad: list[str] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)

    @property
    def labels(self) -> list[str]:
        """The classes, in order."""
        return sorted(self.candidates)

    def n_of(self, label: str) -> int:
        """Return how many images of a class were scored."""
        return self.moments[next(iter(self.grids)), label].n

    @cached_property
    def _by_class(self) -> dict[tuple[str, str], tuple[Indices, Indices]]:
        """The bins of each column and class that hold images, ascending, and how many they hold."""
        return {
            (str(column), str(label)): (rows["bin"].to_numpy(np.int64), rows["n"].to_numpy(np.int64))
            for (column, label), rows in self.counts.sort_values("bin").groupby(["column", "label"])
        }

    def quantile(self, column: str, q: float, label: str) -> tuple[float, float]:
        """Return a quantile of a class's column and how far it may be off: as far as the ends of its bin."""
        bins, n = self._by_class[column, label]
        at = bins[np.searchsorted(np.cumsum(n), max(1, np.ceil(q * n.sum())))]
        centre, scale = self.grids[column]
        edges = centre + scale * np.sinh((at + np.array([-0.5, 0.0, 0.5])) / BINS_PER_UNIT)
        return float(edges[1]), float(np.diff(edges).max())

    def auroc(self, column: str, high: str, low: str) -> tuple[float, float]:
        """Return how often a score of one class exceeds one of another, ties half, and how far that may be off.

        Two scores in one bin count as a tie, so the error is at most half of how often that happens.
        """
        (a, n), (b, m) = self._by_class[column, high], self._by_class[column, low]
        share_n, share_m = n / n.sum(), m / m.sum()
        below = np.concatenate([[0.0], np.cumsum(share_m)])
        less, upto = below[np.searchsorted(b, a, side="left")], below[np.searchsorted(b, a, side="right")]
        return float(share_n @ (less + upto) / 2), float(share_n @ (upto - less) / 2)

    def classes(self) -> pd.DataFrame:
        """Return of each class how many images it has, and mean, deviation, quantiles of their scores."""
        column = next(iter(self.grids))
        rows = []
        for label in self.labels:
            moments = self.moments[column, label]
            rows.append({
                "label": label, "n": moments.n, "mean": moments.mean, "std": moments.std, "min": moments.low,
                **{f"q{100 * q:02.0f}": self.quantile(column, q, label)[0] for q in (0.05, 0.25, 0.5, 0.75, 0.95)},
                "max": moments.high,
            })  # fmt: skip
        return pd.DataFrame(rows)

    def pairs(self) -> pd.DataFrame:
        """Return the AUROC of each pair of classes by each column, the higher class first, with the bound."""
        rows = []
        for i, one in enumerate(self.labels):
            for other in self.labels[i + 1 :]:
                if min(self.n_of(one), self.n_of(other)):
                    found = {column: self.auroc(column, one, other) for column in self.grids}
                    rows.append({
                        "class_a": one, "class_b": other, "n_a": self.n_of(one), "n_b": self.n_of(other),
                        **{column: value for column, (value, _) in found.items()},
                        "error_at_most": max(bound for _, bound in found.values()),
                    })  # fmt: skip
        return pd.DataFrame(rows)

    def findings(self) -> list[str]:
        """Return what all images say that were scored, in words."""
        if not 1 < len(self.labels) <= MAX_CLASSES:
            return [f"{self.n_images:,} images were scored in all."]
        column, found = next(iter(self.grids)), self.pairs()
        values = found[column].map(lambda value: max(value, 1 - value))
        return [
            f"over all {self.n_images:,} images that were scored, the AUROC of the {len(found)} pairs of classes by the"
            f" score, in the direction that separates better, is from {values.min():.3f} to {values.max():.3f}, median"
            f" {values.median():.3f}; counted in bins, which is off by at most {found['error_at_most'].max():.4f}."
        ]

    def without_spare(self, n: int) -> Summary:
        """Return the summary with no more candidates than a sample of ``n`` needs, where there are very many.

        They are written as one text, of which Arrow reads 100 MB at most.
        """
        if sum(map(len, self.candidates.values())) <= MAX_SPARE * n:
            return self
        quotas = share_out({label: len(found) for label, found in self.candidates.items()}, n)
        return replace(self, candidates={label: found[: quotas[label]] for label, found in self.candidates.items()})

    def sample(self, n: int) -> list[Candidate]:
        """Return a stratified sample: as many of each class as there are, or as ``n`` allows; smallest ids first."""
        quotas = share_out({label: len(found) for label, found in self.candidates.items()}, n)
        return [row for label, quota in quotas.items() for row in self.candidates[label][:quota]]


def share_out(sizes: Mapping[str, int], n: int) -> dict[str, int]:
    """Return how many each class gives to a sample: the same number, or all where it has fewer.

    Examples
    --------
    >>> share_out({"a": 2, "b": 50, "c": 50}, 12)
    {'a': 2, 'b': 5, 'c': 5}
    """
    quotas, left = {}, n
    for place, label in enumerate(sorted(sizes, key=lambda name: (sizes[name], name))):
        quotas[label] = min(sizes[label], left // (len(sizes) - place))
        left -= quotas[label]
    return {label: quotas[label] for label in sorted(quotas)}


def summarise(
    table: pd.DataFrame, grids: Mapping[str, Grid], *, shard: int, rows: npt.NDArray[np.intp], most: int
) -> Summary:
    """Return the summary of scored images.

    Parameters
    ----------
    table : DataFrame
        ``sample_id``, where known ``label``, and the columns of ``grids``; rows without a score are not counted.
    grids : mapping of str to Grid
    shard : int
        The number of the shard that they are from.
    rows : ndarray of int
        Which of its images they are.
    most : int
        Candidates of each class that are kept: the size of the sample.
    """
    labels = [str(label) for label in table["label"]] if "label" in table else [ALL] * len(table)
    counts, moments, candidates = list[pd.DataFrame](), dict[tuple[str, str], Tally](), dict[str, list[Candidate]]()
    ids = table["sample_id"].astype(str).to_numpy()
    for label in sorted(set(labels)):
        of_class = np.flatnonzero(np.array(labels) == label)
        order = of_class[np.lexsort((rows[of_class], ids[of_class]))][:most]
        candidates[label] = [(ids[i], shard, int(rows[i])) for i in order]
        for column, (centre, scale) in grids.items():
            values = table[column].to_numpy(dtype=np.float64)[of_class]
            values = values[np.isfinite(values)]
            bins = np.rint(np.arcsinh((values - centre) / scale) * BINS_PER_UNIT).astype(np.int64)
            found, n = np.unique(bins, return_counts=True)
            counts.append(pd.DataFrame({"column": column, "label": label, "bin": found, "n": n}))
            moments[column, label] = Tally.of(values)
    joined = pd.concat(counts, ignore_index=True) if counts else _no_counts()
    return Summary(dict(grids), joined, moments, candidates, n_images=len(table))


def _no_counts() -> pd.DataFrame:
    return pd.DataFrame({"column": [], "label": [], "bin": [], "n": []}).astype(
        {"column": str, "label": str, "bin": np.int64, "n": np.int64}
    )


def merge(summaries: Iterable[Summary], *, most: int) -> Summary:
    """Return several summaries as one; ``most`` candidates of each class are kept.

    Raises
    ------
    InputError
        When their bins differ, or there are none.
    """
    total: Summary | None = None
    waiting: list[pd.DataFrame] = []
    for one in summaries:
        if total is None:
            total = Summary(one.grids, _no_counts(), {}, {})
        if {k: tuple(v) for k, v in total.grids.items()} != {k: tuple(v) for k, v in one.grids.items()}:
            raise InputError("these summaries count in different bins, so they are of different commands. Score again.")
        waiting.append(one.counts)
        for key, moments in one.moments.items():
            total.moments[key] = total.moments.get(key, Tally()) + moments
        for label, found in one.candidates.items():
            total.candidates[label] = sorted(total.candidates.get(label, []) + found)[:most]
        total.n_images += one.n_images
        total.n_bad += one.n_bad
        total.bad = (total.bad + one.bad)[:N_NAMED]
        total.notes.update(one.notes)
        if len(waiting) == _AT_A_TIME:
            total.counts, waiting = _together([total.counts, *waiting]), []
    if total is None:
        raise InputError("there are no summaries to merge.")
    total.counts = _together([total.counts, *waiting])
    return total


def _together(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    joined = pd.concat([part for part in parts if len(part)] or list(parts), ignore_index=True)
    total = joined.groupby(["column", "label", "bin"], sort=True)["n"].sum()
    return total.reset_index()


def write_summary(summary: Summary, path: Path) -> None:
    """Write a summary as one Parquet file: the bins as its rows, all else in its metadata."""
    told: dict[str, Any] = {
        "schema": SCHEMA,
        "grids": {column: list(grid) for column, grid in summary.grids.items()},
        "moments": [[*key, m.n, m.mean, m.squares, *((m.low, m.high) if m.n else (0.0, 0.0))]
                    for key, m in summary.moments.items()],
        "candidates": summary.candidates,
        "n_images": summary.n_images,
        "n_bad": summary.n_bad,
        "bad": summary.bad,
        "notes": dict(summary.notes),
    }  # fmt: skip
    table = pa.Table.from_pandas(summary.counts, preserve_index=False)
    table = table.replace_schema_metadata({"gan_probe": json.dumps(seal(told))})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, write_page_checksum=True)


def read_summary(path: Path) -> Summary:
    """Return what `write_summary` wrote.

    Raises
    ------
    InputError
        When it is none, or is damaged.
    """
    table = read_table(path)
    try:
        told = json.loads((table.schema.metadata or {})[b"gan_probe"])
        check_seal(told, path)
        if told["schema"] != SCHEMA:
            raise InputError(f"{path} has schema {told['schema']!r}; this version reads {SCHEMA!r}. Score again.")
        moments = {
            (column, label): Tally(n, mean, squares, low, high) if n else Tally()
            for column, label, n, mean, squares, low, high in told["moments"]
        }
        return Summary(
            grids={column: (grid[0], grid[1]) for column, grid in told["grids"].items()},
            counts=table.to_pandas(),
            moments=moments,
            candidates={k: [(i, s, r) for i, s, r in v] for k, v in told["candidates"].items()},
            n_images=told["n_images"],
            n_bad=told["n_bad"],
            bad=told["bad"],
            notes=Counter(told["notes"]),
        )
    except (KeyError, ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is no summary of scores ({error}). Score again.") from error
