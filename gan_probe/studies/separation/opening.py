"""The first screen of an analysis: the verdict, four numbers beside their best controls, what to do next."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gan_probe.stats.beside import RANDOM_INIT, Difference, title_of
from gan_probe.stats.intervals import auroc_interval
from gan_probe.stats.margin import Margin
from gan_probe.studies.advantage import advantage_of
from gan_probe.studies.judgement import Judgement, Opening, Tile, judge, sources, use_of

if TYPE_CHECKING:
    from gan_probe.studies.separation.result import SeparationResult

JUDGED = {"class named by the score alone": "The score alone", "linear probe": "The embedding"}
MIN_TRAININGS = 3  # for which it can be said whether their order of classes comes out again


def judgement_of(m: SeparationResult) -> Judgement:
    """Return the verdict on the critic."""
    return judge({JUDGED[e.measure]: advantage_of(e) for e in m.margins if e.measure in JUDGED})


def opening_of(m: SeparationResult) -> Opening:
    """Return what the first screen holds."""
    by_measure = {e.measure: e for e in m.margins}
    tiles = [_share_right(title, by_measure.get(measure)) for measure, title in JUDGED.items()]
    return Opening(
        judgement=judgement_of(m),
        tiles=(*tiles, _unseen_found(m), _comes_out_again(m)),
        commands=_commands(m),
        about=_about(m),
    )


def _share_right(title: str, e: Margin | None) -> Tile:
    if e is None:
        return Tile(title=title, why="no embeddings in this table")
    return Tile(
        title=title,
        value=e.value,
        low=e.ci_low,
        high=e.ci_high,
        control=_short(e.best_control),
        control_value=e.control,
        level=use_of(e.over_best),
    )


def _unseen_found(m: SeparationResult) -> Tile:
    title = "Unseen images found"
    if m.unseen is None:
        return Tile(title=title, why=_no_unseen(m))
    value, beside = m.unseen
    n_seen = int(m.table["seen"].sum())
    low, high = auroc_interval(value, len(m.table) - n_seen, n_seen)
    return Tile(
        title=title, value=value, low=low, high=high, control=_short(beside.control),
        control_value=beside.best, level=use_of(beside.use), in_points=False,
    )  # fmt: skip


def _short(control: str) -> str:
    """Return a control in few words: a tile is small."""
    return title_of(control).removesuffix(" critics") if control else ""


def _no_unseen(m: SeparationResult) -> str:
    if "seen" not in m.classes:
        return "which classes were seen is unknown"
    return "too few seen images" if m.classes["seen"].nunique() == 2 else "needs seen and unseen classes"


def _comes_out_again(m: SeparationResult) -> Tile:
    title, found = "Comes out again", m.recurrence
    if found is None:
        few = "one training" if m.n_runs == 1 else f"{m.n_runs} trainings"
        return Tile(title=title, why=f"{few}: cannot be known")
    ahead = Difference(
        found.value - found.random_init, found.ci_low - found.random_init, found.ci_high - found.random_init
    )
    is_beside = not math.isnan(found.random_init)
    return Tile(
        title=title, value=found.value, low=found.ci_low, high=found.ci_high,
        control=_short(RANDOM_INIT if is_beside else ""), control_value=found.random_init,
        level=use_of(ahead if is_beside else None), in_points=False,
    )  # fmt: skip


def _about(m: SeparationResult) -> tuple[str, ...]:
    network = m.provenance.get("network")
    several = (f"{m.n_runs} trainings of {network}",) if m.n_runs > 1 and network else ()
    return (*sources(m.provenance), *several, f"{len(m.table):,} images, {len(m.classes)} classes")


def _commands(m: SeparationResult) -> tuple[str, ...]:
    """Return what to type next, at most three: what the page cannot say comes first."""
    several = "gan-probe train TRAINING_DATA --runs 5 --out runs" if m.recurrence is None else ""
    embedding = "gan-probe probe CRITIC DATA --out probe" if any(e.measure == "linear probe" for e in m.margins) else ""
    unseen = "gan-probe outliers CRITIC DATA --out outliers" if m.detections else ""
    return tuple(c for c in (several, embedding, unseen, "gan-probe explain CRITIC DATA --out maps") if c)[:3]
