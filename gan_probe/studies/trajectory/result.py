"""How the scores of classes fall apart during a training: which pairs separate when, and what the scores group by."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from gan_probe.scoring.table import factor_columns
from gan_probe.stats.auroc import separate
from gan_probe.stats.beside import title_of
from gan_probe.stats.margin import Margin
from gan_probe.stats.pairwise import class_rows
from gan_probe.stats.variance import epsilon_squared, levels, varying
from gan_probe.studies.advantage import advantage_of, margin_record
from gan_probe.studies.base import StudyResult, plain
from gan_probe.studies.judgement import Judgement, Opening, judge, sources
from gan_probe.studies.trajectory.metrics import TrajectoryMetrics
from gan_probe.types import Values, Warn
from gan_probe.verdicts import Verdict, conclude

NEVER, STAYS, LOST, CHANGES = "never", "stays", "lost", "comes and goes"
CLASS = "class"  # the share between all classes: what the factors that make up the classes have to share
N_NAMED = 4  # pairs that a finding names


@dataclass(frozen=True)
class Course:
    """Two classes over the snapshots of a training.

    Attributes
    ----------
    a, b : str
        In the order in which the data name them.
    steps : tuple of int
        One for each snapshot, rising.
    auroc : tuple of float
        P(score of an ``a`` > score of a ``b``) at each, from 0 to 1: not turned round where ``b`` scores higher.
    separated : tuple of bool
        By `gan_probe.stats.auroc.RULE`, at each snapshot in the direction that it has there.
    """

    a: str
    b: str
    steps: tuple[int, ...]
    auroc: tuple[float, ...]
    separated: tuple[bool, ...]

    @property
    def directions(self) -> tuple[int, ...]:
        """1 where separated with ``a`` higher, -1 with ``b`` higher, 0 where not separated."""
        return tuple((1 if v > 0.5 else -1) if s else 0 for v, s in zip(self.auroc, self.separated, strict=True))

    @property
    def stretches(self) -> list[tuple[int, int, int]]:
        """First step, last step and direction of each stretch of snapshots that are separated in one direction.

        A change of direction ends a stretch: between the two snapshots the scores of the classes must have met.
        """
        found, start = [], 0
        for direction, members in groupby(self.directions):
            end = start + len(list(members))
            if direction:
                found.append((self.steps[start], self.steps[end - 1], direction))
            start = end
        return found

    @property
    def first_step(self) -> int | None:
        """The first snapshot at which the pair is separated."""
        return self.stretches[0][0] if self.stretches else None

    @property
    def since(self) -> int | None:
        """The snapshot since which the pair is separated, in one direction, until the last."""
        return self.stretches[-1][0] if any(self.separated) and self.separated[-1] else None

    @property
    def is_lost(self) -> bool:
        """Whether it was separated at some snapshot and is not at the last."""
        return any(self.separated) and not self.separated[-1]

    @property
    def flips(self) -> tuple[int, ...]:
        """The snapshots at which it is separated the other way round than when it was separated last."""
        pairs = zip(self.stretches, self.stretches[1:], strict=False)
        return tuple(after[0] for before, after in pairs if before[2] != after[2])

    @property
    def kind(self) -> str:
        """`NEVER`, `STAYS`, `LOST` or `CHANGES`, the last for more than one stretch, however it ends."""
        if len(self.stretches) != 1:
            return CHANGES if self.stretches else NEVER
        return LOST if self.is_lost else STAYS

    @property
    def state(self) -> str:
        """The course in words, such as "stays from step 12"."""
        if self.kind in (NEVER, CHANGES):
            return self.kind
        first, last, _ = self.stretches[0]
        return f"stays from step {first}" if self.kind == STAYS else f"lost after step {last}"

    @property
    def name(self) -> str:
        """``a / b``."""
        return f"{self.a} / {self.b}"


def courses(steps: Sequence[int], scores: Values, labels: Sequence[str] | npt.NDArray[Any]) -> list[Course]:
    """Return one `Course` for every two classes.

    Parameters
    ----------
    steps : sequence of int, length s
    scores : ndarray, shape (s, n)
    labels : sequence of str, length n

    Raises
    ------
    InputError
        As `gan_probe.stats.auroc.separation`.

    Examples
    --------
    >>> scores = np.array([[0.0, 1, 0, 1, 0, 1] * 2, [0.0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]])
    >>> courses([0, 10], scores, ["low"] * 6 + ["high"] * 6)[0].state
    'stays from step 10'
    """
    found: dict[tuple[str, str], list[tuple[float, bool]]] = {p: [] for p in combinations(class_rows(labels), 2)}
    for row in scores:
        for pair in separate(row, labels):
            if (pair.a, pair.b) in found:
                found[pair.a, pair.b].append((pair.auroc, pair.separated))
            else:
                found[pair.b, pair.a].append((1 - pair.auroc, pair.separated))
    return [
        Course(a, b, tuple(map(int, steps)), tuple(v for v, _ in course), tuple(s for _, s in course))
        for (a, b), course in found.items()
    ]


def spread_within(scores: Values, labels: Sequence[str] | npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the spread of scores within classes at each snapshot, (s,): the root of the mean variance of a class."""
    rows = class_rows(labels)
    return np.sqrt(np.mean([np.var(scores[:, r], axis=1, dtype=np.float64) for r in rows.values()], axis=0))


def centred(
    scores: Values, labels: Sequence[str] | npt.NDArray[Any], reference: str, *, scaled: bool = False
) -> npt.NDArray[np.float64]:
    """Return scores (s, n) less the mean of the reference class at each snapshot.

    Parameters
    ----------
    scores : ndarray, shape (s, n)
    labels : sequence of str, length n
    reference : str
    scaled : bool
        Divide by `spread_within`, too. The raw scale grows during a training, often a hundredfold, and says nothing by
        itself. Scaled, two classes of equal spread are separated from about 3.3 apart. The spread of all classes is
        taken and not that of the reference, which may be the narrowest. Scores that spread within no class stay as
        they are.
    """
    centre = scores[:, class_rows(labels)[reference]].mean(1, keepdims=True, dtype=np.float64)
    moved = scores - centre
    if not scaled:
        return moved
    spread = spread_within(scores, labels)[:, None]
    return moved / np.where(spread > 0, spread, 1.0)


def shares_by_step(
    steps: Sequence[int], scores: Values, table: pd.DataFrame, warn: Warn = lambda _: None
) -> pd.DataFrame:
    """Return `gan_probe.stats.variance.epsilon_squared` of every factor that varies, and of the class, at every step.

    One row a step, one column a factor. Where factors go together in the data their shares overlap: they do not add up
    to the share of ``class``. Scores that are all the same have no variance to share: 0.
    """
    found = varying({name: table[c] for name, c in factor_columns(table).items()}, warn) | {
        CLASS: levels(table["label"].astype(str))
    }
    labels = table["label"].astype(str).to_numpy()
    rows = [
        {name: epsilon_squared(row, f, labels) if np.ptp(row) else 0.0 for name, f in found.items()} for row in scores
    ]
    return pd.DataFrame(rows, index=pd.Index(steps, name="step"))


@dataclass(frozen=True, kw_only=True)
class TrajectoryResult(StudyResult):
    """Scores of one data set by every snapshot of a training, and what they say.

    Attributes
    ----------
    steps : tuple of int
        Length s, rising.
    scores : ndarray of float32, shape (s, n)
    table : DataFrame
        ``sample_id``, ``label``; ``factor.*`` where known.
    reference : str
        The class that scores are centred on.
    courses : list of Course
    shares : DataFrame
        See `shares`.
    random_init, statistics : mapping of str to int
        Pairs separated by each randomly initialised critic and by each image statistic; empty without controls.
    sheets : mapping of int to Path
        Step to a picture of generated images.
    provenance : dict
    warnings : list of str
    n_skipped : int
        Snapshots left out.
    at_end : Margin or None
        The class named by the score alone at the last snapshot, beside the controls; None without these.
    """

    study: ClassVar = "trajectory"

    steps: tuple[int, ...]
    scores: npt.NDArray[np.float32]
    table: pd.DataFrame
    reference: str
    courses: list[Course]
    shares: pd.DataFrame
    random_init: Mapping[str, int]
    statistics: Mapping[str, int]
    sheets: Mapping[int, Path]
    provenance: dict[str, Any]
    warnings: list[str]
    n_skipped: int = 0
    at_end: Margin | None = None

    @property
    def labels(self) -> npt.NDArray[Any]:
        """The class of each image, (n,)."""
        return self.table["label"].astype(str).to_numpy()

    @property
    def n_separated(self) -> tuple[int, ...]:
        """Pairs separated at each snapshot."""
        return tuple(int(n) for n in np.sum([c.separated for c in self.courses], axis=0))

    @property
    def best_statistic(self) -> str:
        """The image statistic that separates most pairs; empty without controls."""
        return max(self.statistics, key=self.statistics.__getitem__, default="")

    @property
    def ahead_since(self) -> int | None:
        """The snapshot since which more pairs are separated than by any control, until the last."""
        best = max([*self.random_init.values(), *self.statistics.values()], default=None)
        ahead = [best is not None and n > best for n in self.n_separated]
        behind = [i for i, yes in enumerate(ahead) if not yes]
        start = behind[-1] + 1 if behind else 0
        return self.steps[start] if start < len(self.steps) else None

    def class_table(self) -> pd.DataFrame:
        """Return one row for each snapshot and class: mean and sd of centred scores, and the mean when scaled, too."""
        rows, spread = class_rows(self.labels), spread_within(self.scores, self.labels)
        moved = centred(self.scores, self.labels, self.reference)
        scaled = centred(self.scores, self.labels, self.reference, scaled=True)
        return pd.DataFrame(
            [
                {
                    "step": step, "label": label,
                    "mean": moved[i, r].mean(), "sd": moved[i, r].std(), "spread_within": spread[i],
                    "scaled_mean": scaled[i, r].mean(), "scaled_sd": scaled[i, r].std(),
                }
                for i, step in enumerate(self.steps)
                for label, r in rows.items()
            ]
        )  # fmt: skip

    def findings(self) -> list[str]:
        """Return what was found, in plain words."""
        return _sentences(self)

    def metrics(self) -> TrajectoryMetrics:
        """Return the numbers that the command prints."""
        kinds = [c.kind for c in self.courses]
        return TrajectoryMetrics(
            n_snapshots=len(self.steps),
            n_pairs=len(self.courses),
            n_separated=self.n_separated[-1],
            n_separated_by_step={str(s): n for s, n in zip(self.steps, self.n_separated, strict=True)},
            n_lost=sum(c.is_lost for c in self.courses),
            n_never=kinds.count(NEVER),
            n_comes_and_goes=kinds.count(CHANGES),
            n_flipped=sum(bool(c.flips) for c in self.courses),
            ahead_since=self.ahead_since,
            **self._judgement().numbers(),
        )

    def opening(self) -> Opening:
        """Return the verdict on the critic of the last snapshot."""
        counted = f"{len(self.steps)} snapshots, {len(self.table):,} images"
        return Opening(judgement=self._judgement(), about=(*sources(self.provenance), counted))

    def _judgement(self) -> Judgement:
        return judge({"The score alone": advantage_of(self.at_end)} if self.at_end else {})

    def score_table(self) -> pd.DataFrame:
        """Return a row for each snapshot and image with step, sample_id, label, critic_score."""
        names = self.table[["sample_id", "label"]]
        parts = [names.assign(step=step, critic_score=row) for step, row in zip(self.steps, self.scores, strict=True)]
        return pd.concat(parts, ignore_index=True)[["step", "sample_id", "label", "critic_score"]]

    def write_beside(self, folder: Path) -> None:
        """Write ``trajectory.parquet``: `score_table`."""
        self.score_table().to_parquet(folder / "trajectory.parquet", index=False, write_page_checksum=True)

    def record(self) -> dict[str, Any]:
        """Return every number of the page."""
        pairs = [
            {
                "a": c.a, "b": c.b, "state": c.state, "kind": c.kind, "first_step": c.first_step, "since": c.since,
                "is_lost": c.is_lost, "flips": list(c.flips), "auroc": list(c.auroc), "separated": list(c.separated),
            }
            for c in self.courses
        ]  # fmt: skip
        return {
            "headline": dataclasses.asdict(self.metrics()),
            "steps": list(self.steps),
            "reference": self.reference,
            "pairs": pairs,
            "controls": {
                "random_init": dict(self.random_init),
                "image_statistics": dict(self.statistics),
                "best_statistic": self.best_statistic,
            },
            "classes": [plain(row) for row in self.class_table().to_dict("records")],
            "shares": [plain(row) for row in self.shares.reset_index().to_dict("records")],
            "n_skipped": self.n_skipped,
            "at_end": margin_record(self.at_end) if self.at_end else None,
        }


def _sentences(result: TrajectoryResult) -> list[str]:
    """Return what was found, in plain words."""
    lines = [
        *_counts(result),
        *_changes(result.courses),
        *conclude(VERDICTS, TrajectoryFacts(result)),
        *_leaders(result.shares),
        _scale(result),
    ]
    return [line for line in lines if line]


def _counts(result: TrajectoryResult) -> list[str]:
    """Return how many pairs are separated at both ends and at the top, when they are for good, and which never are."""
    counts, steps, n_pairs = result.n_separated, result.steps, len(result.courses)
    lines = [
        f"{counts[-1]} of {n_pairs} pairs of classes are separated at step {steps[-1]}, {counts[0]} at step {steps[0]}."
    ]
    if max(counts) > max(counts[0], counts[-1]):
        lines[0] += f" Most are at step {steps[counts.index(max(counts))]}: {max(counts)}."
    since = sorted((c.since, c.name) for c in result.courses if c.since is not None)
    if since:
        half, last = since[(len(since) - 1) // 2][0], since[-1][0]
        latest = _named([name for step, name in since if step == last])
        most = f"half of those {counts[-1]} since step {half} or before, " if half < last else ""
        lines.append(f"Separated until the end in one direction: {most}the last since step {last} ({latest}).")
    never = [c.name for c in result.courses if c.kind == NEVER]
    return [*lines, f"{_are(len(never))} separated at no snapshot: {_named(never)}."] if never else lines


def _changes(found: Sequence[Course]) -> list[str]:
    """Return which pairs are lost, how many come and go, and when directions change."""
    lost = [f"{c.name} (last at step {c.stretches[-1][1]})" for c in found if c.is_lost]
    n_again = sum(c.kind == CHANGES and not c.is_lost for c in found)
    flips = Counter(step for c in found for step in c.flips)
    lines = [
        f"{_are(len(lost))} lost again: {_named(lost)}." if lost else "No pair that was separated is lost at the end."
    ]
    if n_again:
        lines.append(
            f"{_are(n_again)} separated at the end, and not all the way since they first were: they come and go."
        )
    if flips:
        step, count = flips.most_common(1)[0]
        lines.append(
            f"In {sum(bool(c.flips) for c in found)} of {len(found)} pairs the class that scored higher scores lower"
            f" later, with both separated; most of these changes show at step {step} ({count} pairs)."
        )
    return lines


@dataclass(frozen=True)
class TrajectoryFacts:
    """What sentences on the end of a training, beside its controls, are made of."""

    result: TrajectoryResult

    @property
    def n(self) -> int:
        """Pairs that the critic separates at the end."""
        return self.result.n_separated[-1]

    @property
    def counts(self) -> list[int]:
        """Pairs that each randomly initialised critic separates."""
        return list(self.result.random_init.values())

    @property
    def middle(self) -> float:
        """The median of them; NaN without."""
        return float(np.median(self.counts)) if self.counts else math.nan

    @property
    def spread(self) -> str:
        """Of how many seeds, and their range."""
        return f"median of {len(self.counts)} seeds, from {min(self.counts)} to {max(self.counts)}"

    @property
    def statistic(self) -> str:
        """The image statistic that separates most."""
        return title_of(self.result.best_statistic) if self.result.statistics else ""

    @property
    def by_statistic(self) -> float:
        """How many it separates; NaN without one."""
        return self.result.statistics[self.result.best_statistic] if self.result.statistics else math.nan

    @property
    def since(self) -> int | None:
        """The step from which on the critic separates more than every control."""
        return self.result.ahead_since


_RANDOM = "Randomly initialised critics separate {middle:g} ({spread})"
_STATISTIC = "The best image statistic, {statistic}, separates {by_statistic}"

VERDICTS: tuple[Verdict[TrajectoryFacts], ...] = (
    Verdict(
        name="end, training added",
        when="at the end the critic separates more pairs than each of the randomly initialised critics (a count)",
        holds=lambda f: bool(f.counts) and f.n > max(f.counts),
        says=f"{_RANDOM}: each fewer than the trained one at the end.",
    ),
    Verdict(
        name="end, training not shown",
        when="no more than all of them, and no fewer",
        holds=lambda f: bool(f.counts) and min(f.counts) <= f.n <= max(f.counts),
        says=f"{_RANDOM}: the trained one lies within their range at the end, so nothing shows that the training added"
        " a separation.",
    ),
    Verdict(
        name="end, training took away",
        when="fewer than each",
        holds=lambda f: bool(f.counts) and f.n < min(f.counts),
        says=f"{_RANDOM}: each more than the trained one at the end, so the training took separations away.",
    ),
    Verdict(
        name="end, training unknown",
        when="there is no randomly initialised critic; snapshots tell how it went, and step 0 is one such critic alone",
        holds=lambda f: not f.counts,
        says="What the training added cannot be known: there are no randomly initialised critics to compare with.",
    ),
    Verdict(
        name="end, useful",
        when="at the end the critic separates more pairs than the best image statistic",
        holds=lambda f: f.n > f.by_statistic,
        says=f"{_STATISTIC}: fewer than the critic at the end.",
    ),
    Verdict(
        name="end, of no more use",
        when="as many, or fewer",
        holds=lambda f: f.n <= f.by_statistic,
        says=f"{_STATISTIC}: no fewer than the critic at the end, so these separations need no critic.",
    ),
    Verdict(
        name="end, use unknown",
        when="there are no controls",
        holds=lambda f: not f.statistic,
        says="Whether it is useful cannot be known: no controls were run.",
    ),
    Verdict(
        name="ahead since",
        when="from some snapshot on the critic separates more pairs than every control",
        holds=lambda f: f.since is not None,
        says="It separates more than any control since step {since}.",
    ),
)


def _leaders(shares: pd.DataFrame) -> list[str]:
    """Return which factor has the largest share from which step on, and the shares at the last."""
    factors = shares.drop(columns=CLASS)
    if factors.empty:
        return []
    values, names = factors.to_numpy(), [str(name) for name in factors]
    best = values.argmax(1)
    changes = [i for i in range(len(best)) if i == 0 or best[i] != best[i - 1]]
    led = ", ".join(f"{names[best[i]]} from step {shares.index[i]} ({values[i, best[i]]:.2f})" for i in changes)
    final = ", ".join(f"{names[i]} {values[-1, i]:z.2f}" for i in np.argsort(-values[-1]))
    return [
        f"The factor with the largest share of the variance of scores: {led}.",
        f"Shares at step {shares.index[-1]}: {final}; all classes {shares[CLASS].iloc[-1]:.2f}.",
    ]


def _scale(result: TrajectoryResult) -> str:
    """Return how far the scale of the scores moved."""
    table = result.class_table()
    first, last = (table[table["step"] == step] for step in (result.steps[0], result.steps[-1]))
    within = [end["spread_within"].iloc[0] for end in (first, last)]
    between = [end["mean"].std() for end in (first, last)]
    return (
        f"From the first to the last snapshot the spread of scores within classes goes from {within[0]:.3g} to"
        f" {within[1]:.3g}, that of class means from {between[0]:.3g} to {between[1]:.3g}."
    )


def _are(n: int) -> str:
    return f"{n} pair is" if n == 1 else f"{n} pairs are"


def _named(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - N_NAMED} more" if len(names) > N_NAMED else ""
    return "; ".join(names[:N_NAMED]) + more
