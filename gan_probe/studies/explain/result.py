"""What the maps of a critic say, beside those of randomly initialised critics, of the image alone, and of chance."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from gan_probe.stats.beside import RANDOM_CRITICS, Difference
from gan_probe.studies.advantage import Advantage, tally
from gan_probe.studies.base import StudyResult, plain
from gan_probe.studies.explain.metrics import ExplainMetrics
from gan_probe.studies.explain.pointing import (
    BAND_PX,
    MEASURES,
    POINTING,
    SHARE,
    by_chance,
    edge_bands,
    interval,
    measure,
    rank_correlations,
)
from gan_probe.studies.judgement import NO_USE, Answer, Judgement, Opening, judge, sources
from gan_probe.types import Maps, Masks, Values
from gan_probe.verdicts import Verdict, conclude

TITLES = {"occlusion": "occlusion", "gradients": "integrated gradients"}
CRITIC, IMAGE, CHANCE = "critic", "image alone", "chance"
MASK, EDGE = "mask", "edge"
CORRELATION = "rank correlation"
EVERYWHERE, CHANGED = "all pixels", "pixels unlike the baseline"
CRITIC_RANDOM = "critic and random"
RANDOM_RANDOM = "random and random"
CRITIC_IMAGE = "critic and image alone"
_CONTROLS = {RANDOM_CRITICS: RANDOM_CRITICS, IMAGE: "the image alone", CHANCE: "chance"}
OURS = ("sample_id", "path", "label", "seen", "critic_score", "baseline_score", "completeness_error")
INEXACT = 0.05  # median error of completeness beyond which more steps are advised
HIGH, LOW = 0.5**0.5, 0.1**0.5  # rank correlations at which maps have half, and a tenth, of their variance in common
EMPTY_GROUND = 0.99  # share of the image alone beyond which no map can miss a mask

# For every method: the critic's map, those of its randomly initialised copies (maybe none), and that of the image
# alone.
MapsOf = Mapping[str, Sequence[Maps]]


@dataclass(frozen=True, kw_only=True)
class ExplainResult(StudyResult):
    """Maps of a critic's score, and what they are worth.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, h, w, c)
        As the critic saw them.
    masks : ndarray of bool, shape (n, h, w), or None
        Where the truth lies, if it is known.
    maps : mapping of str to mapping
        For every method, under `CRITIC`, `RANDOM_CRITICS` and `IMAGE`, lists of maps (n, h, w).
    numbers : DataFrame
        ``method``, ``region``, ``measure``, ``of``, ``value``, ``ci_low``, ``ci_high``, ``n``: see `compare`.
    table : DataFrame
        One row an image: what names it, its scores, and the critic's measures in it.
    provenance : dict
        Where it comes from, and the settings of the maps.
    warnings : list of str
    """

    study: ClassVar = "explain"

    images: npt.NDArray[np.uint8]
    masks: Masks | None
    maps: Mapping[str, MapsOf]
    numbers: pd.DataFrame
    table: pd.DataFrame
    provenance: dict[str, Any]
    warnings: list[str]

    @property
    def labels(self) -> pd.Series:
        """The class of each image; "images" where there are no classes."""
        return class_labels(self.table)

    def number(self, method: str, region: str, measure_name: str, of: str) -> dict[str, Any] | None:
        """Return one row of ``numbers``, or None where it was not measured."""
        wanted = (method, region, measure_name, of)
        columns = self.numbers[["method", "region", "measure", "of"]]
        rows = self.numbers[(columns == wanted).all(axis=1)] if len(columns) else columns
        return {str(name): value for name, value in rows.iloc[0].items()} if len(rows) else None

    def findings(self) -> list[str]:
        """Return what was found, in plain words."""
        return _sentences(self)

    def metrics(self) -> ExplainMetrics:
        """Return the critic's own numbers, and the correlations with randomly initialised critics, by name."""
        chosen = self.numbers[self.numbers["of"].isin([CRITIC, RANDOM_CRITICS, CHANCE, CRITIC_RANDOM])]
        names = [".".join(row) for row in chosen[["method", "region", "measure", "of"]].to_numpy()]
        return ExplainMetrics(
            n_images=len(self.table),
            measures=dict(zip(names, chosen["value"].astype(float), strict=True)),
            **self._judgement().numbers(),
        )

    def opening(self) -> Opening:
        """Return the verdict on the maps, or why there is none."""
        return Opening(
            judgement=self._judgement(), about=(*sources(self.provenance), f"{len(self.table):,} images explained")
        )

    def _judgement(self) -> Judgement:
        """Return the verdict by the share of a map inside of the masks: one number a method, chosen in advance."""
        facts = {method: TruthFacts(self, method, MASK) for method in self.maps}
        measured = {m: f.advantage for m, f in facts.items() if f.is_measured and not f.is_empty}
        if measured:
            return judge({f"The share of {TITLES[m]} inside of the masks": a for m, a in measured.items()})
        why = (
            "they are not measured against a truth: there are no masks."
            if self.masks is None
            else "against these masks nothing is to be learned."
        )
        answer = Answer(
            headline=NO_USE,
            says=f"This page shows which pixels move the score. Whether the maps are useful is not known: {why}",
        )
        return Judgement(answer=answer)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return ``images``: what each image is, its scores, and the critic's measures in it."""
        return {"images": self.table}

    def write_beside(self, folder: Path) -> None:
        """Write ``maps-occlusion.npy`` and ``maps-gradients.npy``, float32 (n, h, w), in units of the score."""
        for method, maps in self.maps.items():
            np.save(folder / f"maps-{method}.npy", maps[CRITIC][0].astype(np.float32), allow_pickle=False)

    def record(self) -> dict[str, Any]:
        """Return every number of the page; of the table the columns that are ours."""
        measures = [f"{method}.{region}.{name}" for method in self.maps for region in (MASK, EDGE) for name in MEASURES]
        flat = [f"flat.{method}" for method in self.maps]
        ours = [*OURS, *flat, *measures]
        return {
            "classes": list(self.labels.unique()),
            "numbers": [plain(row) for row in self.numbers.to_dict("records")],
            "images": [plain(row) for row in self.table[[c for c in self.table if c in ours]].to_dict("records")],
        }


def class_labels(table: pd.DataFrame) -> pd.Series:
    """Return the label of each row as text, "images" where there are none."""
    return table["label"].astype(str) if "label" in table else pd.Series("images", index=table.index)


# --- numbers -----------------------------------------------------------------------------------------------------


def image_measures(maps: MapsOf, masks: Masks) -> dict[tuple[str, str], dict[str, Values]]:
    """Return the measures of each image, (n,), by (region, measure) and by whose map it is.

    That of `RANDOM_CRITICS` is the mean over the randomly initialised critics.
    """
    return {
        what: {of: some.mean(0) for of, some in by_map.items()} for what, by_map in map_measures(maps, masks).items()
    }


def map_measures(maps: MapsOf, masks: Masks) -> dict[tuple[str, str], dict[str, Values]]:
    """Return the same by map, (maps, n): of `RANDOM_CRITICS` one row a randomly initialised critic."""
    found: dict[tuple[str, str], dict[str, Values]] = {}
    for region, truth in {MASK: masks, EDGE: edge_bands(masks)}.items():
        chance = by_chance(truth)
        measured = {of: [measure(one, truth) for one in some] for of, some in maps.items() if some}
        for name in MEASURES:
            by_map = {of: np.stack([values[name] for values in some]) for of, some in measured.items()}
            found[region, name] = {**by_map, CHANCE: np.asarray(chance[name])[None]}
    return found


def correlations(maps: MapsOf, changed: Masks) -> dict[str, dict[str, Values]]:
    """Return Spearman's correlations in each image, (n,), by region and pair; none without random critics.

    Those with several randomly initialised critics are means over them. High with random weights, a map shows the
    image and not what the critic learned. Low, it depends on the weights, which any map of pixel noise does: two
    randomly initialised critics with each other show how low the same images come out without any training.

    References
    ----------
    Adebayo et al. 2018, "Sanity Checks for Saliency Maps", section 4 (all weights drawn anew).
    """
    critic, inits, image = maps[CRITIC][0], maps[RANDOM_CRITICS], maps[IMAGE][0]
    if not inits:
        return {}
    found = {}
    for region, where in {EVERYWHERE: None, CHANGED: changed}.items():
        pairs = [rank_correlations(a, b, where) for i, a in enumerate(inits) for b in inits[:i]]
        found[region] = {
            CRITIC_RANDOM: np.mean([rank_correlations(critic, init, where) for init in inits], axis=0),
            CRITIC_IMAGE: rank_correlations(critic, image, where),
        }
        if pairs:
            found[region][RANDOM_RANDOM] = np.mean(pairs, axis=0)
    return found


def compare_maps(maps: Mapping[str, MapsOf], masks: Masks | None, changed: Masks) -> pd.DataFrame:
    """Return every number of the page with its 95 % interval over images, one a row.

    What the training added, the difference from randomly initialised critics, has one over their seeds, too.

    Parameters
    ----------
    maps : mapping
        See `ExplainResult`.
    masks : ndarray of bool, shape (n, h, w), or None
        Those that are empty or cover the whole image are left out.
    changed : ndarray of bool, shape (n, h, w)
        Where an image differs from its baseline.

    Returns
    -------
    DataFrame
        ``region`` is `MASK`, `EDGE` or, for rank correlations, `EVERYWHERE` or `CHANGED`. ``of`` is whose map, or a
        difference such as "critic - chance", taken image by image.
    """
    good = np.flatnonzero(usable(masks)) if masks is not None else np.empty(0, dtype=np.intp)
    rows: list[dict[str, Any]] = []
    for method, some in maps.items():
        if masks is not None and len(good):
            chosen = {of: [one[good] for one in several] for of, several in some.items()}
            for (region, name), by_map in map_measures(chosen, masks[good]).items():
                values = {of: one.mean(0) for of, one in by_map.items()}
                less = {f"{CRITIC} - {of}": values[CRITIC] - values[of] for of in _CONTROLS if of in values}
                seeds = {f"{CRITIC} - {RANDOM_CRITICS}": _by_seed(by_map[of]) for of in by_map if of == RANDOM_CRITICS}
                what = {"method": method, "region": region, "measure": name}
                rows += _rows(what, values, least=0.0) + _rows(what, less, are_differences=True, by_seed=seeds)
        for region, values in correlations(some, changed).items():
            rows += _rows({"method": method, "region": region, "measure": CORRELATION}, values)
    return pd.DataFrame(rows, columns=["method", "region", "measure", "of", "value", "ci_low", "ci_high", "n"])


def _rows(
    what: Mapping[str, str],
    values: Mapping[str, Values],
    *,
    least: float = -1.0,
    are_differences: bool = False,
    by_seed: Mapping[str, Values] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Return one row a kind of map: measures lie between 0 and 1, correlations and differences between -1 and 1."""
    is_share = what["measure"] == POINTING
    found = {
        of: interval(some, is_share=is_share, is_difference=are_differences, by_seed=by_seed.get(of))
        for of, some in values.items()
    }
    return [
        {**what, "of": of, **dataclasses.asdict(i), "ci_low": max(least, i.ci_low), "ci_high": min(1.0, i.ci_high)}
        for of, i in found.items()
    ]


def _by_seed(by_map: Values) -> Values:
    """Return the mean of each row, (seeds,), over the images that have a value in all of them."""
    known = ~np.isnan(by_map).any(0)
    return by_map[:, known].mean(1) if known.any() else np.zeros(len(by_map))


def usable(masks: Masks) -> npt.NDArray[np.bool_]:
    """Return which masks have an inside and an outside, (n,)."""
    return np.asarray(masks.any((1, 2)) & ~masks.all((1, 2)))


# --- findings ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ExplainFacts:
    """What sentences on one method are made of."""

    result: ExplainResult
    method: str

    @property
    def title(self) -> str:
        """Of the method, as sentences start with it."""
        return TITLES[self.method].capitalize()

    @property
    def n_flat(self) -> int:
        """Maps that are zero everywhere."""
        return int(self.result.table[f"flat.{self.method}"].sum())

    @property
    def n(self) -> int:
        """Images."""
        return len(self.result.table)

    @property
    def with_random(self) -> dict[str, Any] | None:
        """Rank correlation of the critic's maps with those of randomly initialised critics; None where unknown."""
        found = self.result.number(self.method, CHANGED, CORRELATION, CRITIC_RANDOM)
        return found if found and found["n"] and self.n_flat < self.n else None

    @property
    def alike(self) -> float:
        """Its value; NaN where unknown."""
        return float(self.with_random["value"]) if self.with_random else math.nan

    @property
    def correlations(self) -> str:
        """It, and that of randomly initialised critics with each other, in words."""
        others = self.result.number(self.method, CHANGED, CORRELATION, RANDOM_RANDOM)
        return (
            f"{_with_interval(self.with_random)} with those of randomly initialised critics, and these with each other"
            f" {_with_interval(others)} ({CHANGED})"
        )

    @property
    def errors(self) -> Values:
        """Relative errors of completeness, none where they were not measured."""
        measured = self.method == "gradients" and "completeness_error" in self.result.table
        return self.result.table["completeness_error"].to_numpy() if measured else np.empty(0)

    @property
    def middle_error(self) -> float:
        """Their median."""
        return float(np.median(self.errors)) if len(self.errors) else 0.0

    @property
    def largest_error(self) -> float:
        """Their maximum."""
        return float(self.errors.max())


@dataclass(frozen=True)
class TruthFacts(ExplainFacts):
    """What sentences on one method against masks, or against their edges, are made of."""

    region: str

    @property
    def where(self) -> str:
        """The region in words."""
        return "the masks" if self.region == MASK else f"the {BAND_PX} px on either side of their edges"

    def _of(self, name: str, of: str) -> dict[str, Any] | None:
        return self.result.number(self.method, self.region, name, of)

    @property
    def is_measured(self) -> bool:
        """Whether there are masks to measure against."""
        return self.n_flat < self.n and self._of(SHARE, IMAGE) is not None

    @property
    def is_empty(self) -> bool:
        """Whether the image alone lies inside of the masks, so that no map can miss them."""
        found = self._of(SHARE, IMAGE)
        return self.is_measured and found is not None and bool(found["value"] > EMPTY_GROUND)

    @property
    def has_random(self) -> bool:
        """Whether randomly initialised critics stand beside it."""
        return self._of(SHARE, RANDOM_CRITICS) is not None

    @property
    def numbers(self) -> str:
        """Every measure with its interval, and those of the controls."""
        told = []
        for name in MEASURES:
            beside = [f"{title} {row['value']:.2f}" for of, title in _CONTROLS.items() if (row := self._of(name, of))]
            told.append(f"{name} {_with_interval(self._of(name, CRITIC))} ({', '.join(beside)})")
        return "; ".join(told)

    def _over(self, name: str, other: str) -> Difference | None:
        row = self._of(name, f"{CRITIC} - {other}")
        return Difference(row["value"], row["ci_low"], row["ci_high"]) if row else None

    @property
    def added(self) -> str:
        """In which measures the critic is ahead of randomly initialised ones."""
        return tally({name: self._over(name, RANDOM_CRITICS) for name in MEASURES})

    @property
    def advantage(self) -> Advantage:
        """The share inside, beside the control that comes closest to it."""
        beside = {other: d for other in _CONTROLS if (d := self._over(SHARE, other))}
        nearest = min(beside, key=lambda other: beside[other].value, default="")
        return Advantage(
            training=beside.get(RANDOM_CRITICS), use=beside.get(nearest), control=_CONTROLS.get(nearest, "")
        )

    @property
    def useful(self) -> str:
        """In which measures it is ahead of the image alone and of chance: of the two the nearer counts."""
        nearer = {}
        for name in MEASURES:
            both = [d for other in (IMAGE, CHANCE) if (d := self._over(name, other))]
            nearer[name] = min(both, key=lambda d: d.value) if both else None
        return tally(nearer)


VERDICTS: tuple[Verdict[ExplainFacts], ...] = (
    Verdict(
        name="flat maps",
        when="a map is zero everywhere",
        holds=lambda f: f.n_flat > 0,
        says="{title}: {n_flat} of {n} maps are flat: nothing that was changed in these images moves the score. They"
        " count as chance.",
    ),
)
TRUTH: tuple[Verdict[TruthFacts], ...] = (
    Verdict(
        name="nothing to be learned",
        when=f"the image alone has more than {EMPTY_GROUND:.0%} of its share inside of the masks",
        holds=lambda f: f.is_empty,
        says="{title} against {where}: nothing to be learned. Outside of them images equal their baseline, so any map"
        " is zero. Another baseline makes the ground count: --baseline black, or blurred.",
    ),
    Verdict(
        name="against the truth",
        when="there are masks, and it has not",
        holds=lambda f: f.is_measured and not f.is_empty,
        says="{title} against {where}: {numbers}.",
    ),
    Verdict(
        name="training added to maps",
        when="and randomly initialised critics; a measure is ahead or behind where its interval excludes 0",
        holds=lambda f: f.is_measured and not f.is_empty and f.has_random,
        says="{title} against {where}, what the training added: beside randomly initialised critics {added} measures.",
    ),
    Verdict(
        name="training of maps unknown",
        when="and none",
        holds=lambda f: f.is_measured and not f.is_empty and not f.has_random,
        says="{title} against {where}: what the training added cannot be known, no randomly initialised critic stands"
        " beside it.",
    ),
    Verdict(
        name="maps useful",
        when="there are masks: beside the image alone and chance, whichever is nearer",
        holds=lambda f: f.is_measured and not f.is_empty,
        says="{title} against {where}, is it useful: beside the image alone and chance {useful} measures.",
    ),
)
SANITY: tuple[Verdict[ExplainFacts], ...] = (
    Verdict(
        name="maps show the image",
        when=f"rank correlation with maps of randomly initialised critics of {HIGH:.2f} or more",
        holds=lambda f: f.alike >= HIGH,
        says="{title} with random weights: the critic's |map| has a rank correlation of {correlations}. High: what"
        " these maps show is mostly the image, and not what the critic learned.",
    ),
    Verdict(
        name="maps show the image in part",
        when=f"between {LOW:.2f} and {HIGH:.2f}",
        holds=lambda f: LOW < f.alike < HIGH,
        says="{title} with random weights: the critic's |map| has a rank correlation of {correlations}. Middling: a"
        " part of what these maps show is the image, whatever the critic learned.",
    ),
    Verdict(
        name="maps depend on the weights",
        when=f"{LOW:.2f} or less",
        holds=lambda f: f.alike <= LOW,
        says="{title} with random weights: the critic's |map| has a rank correlation of {correlations}. Low: these maps"
        " depend on the weights. Maps of pixel noise would, too; what was learned shows only where they are ahead of"
        " randomly initialised critics.",
    ),
)
COMPLETENESS: tuple[Verdict[ExplainFacts], ...] = (
    Verdict(
        name="complete",
        when="integrated gradients were asked for",
        holds=lambda f: len(f.errors) > 0,
        says="Integrated gradients add up to score(image) - score(baseline) with a relative error of {middle_error:.2%}"
        " (median; largest {largest_error:.2%}).",
    ),
    Verdict(
        name="not complete",
        when=f"that median is above {INEXACT:.0%}",
        holds=lambda f: f.middle_error > INEXACT,
        says="More --steps would bring the error of integrated gradients down.",
    ),
)
WITHOUT_MASKS: tuple[Verdict[ExplainResult], ...] = (
    Verdict(
        name="truth unknown",
        when="there are no masks",
        holds=lambda result: result.masks is None,
        says="Without masks it is not known where a map should lie, so none is measured against the truth.",
    ),
)


def _sentences(result: ExplainResult) -> list[str]:
    """Return what came out, in plain words."""
    lines = []
    for method in result.maps:
        facts = ExplainFacts(result, method)
        lines += conclude(VERDICTS, facts)
        for region in (MASK, EDGE):
            lines += conclude(TRUTH, TruthFacts(result, method, region))
        lines += conclude(SANITY, facts)
    lines += conclude(WITHOUT_MASKS, result)
    return lines + [line for method in result.maps for line in conclude(COMPLETENESS, ExplainFacts(result, method))]


def _with_interval(row: Mapping[str, Any] | None) -> str:
    return f"{row['value']:.2f} [{row['ci_low']:.2f}, {row['ci_high']:.2f}]" if row else "not measured"
