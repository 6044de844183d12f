"""What the maps of a critic say, beside those of randomly initialised critics, of the image alone, and of chance."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from gan_probe.stats.beside import RANDOM_CRITICS
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
from gan_probe.types import Maps, Masks, Values

TITLES = {"occlusion": "occlusion", "gradients": "integrated gradients"}
CRITIC, IMAGE, CHANCE = "critic", "image alone", "chance"
MASK, EDGE = "mask", "edge"
CORRELATION = "rank correlation"
EVERYWHERE, CHANGED = "all pixels", "pixels unlike the baseline"
CRITIC_RANDOM = "critic and random"
RANDOM_RANDOM = "random and random"
CRITIC_IMAGE = "critic and image alone"
_CONTROLS = {RANDOM_CRITICS: RANDOM_CRITICS, IMAGE: "the image alone", CHANCE: "chance"}
_COMPARED = (CRITIC, *_CONTROLS, *(f"{CRITIC} - {other}" for other in _CONTROLS))
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
            n_images=len(self.table), measures=dict(zip(names, chosen["value"].astype(float), strict=True))
        )

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
    found: dict[tuple[str, str], dict[str, Values]] = {}
    for region, truth in {MASK: masks, EDGE: edge_bands(masks)}.items():
        chance = by_chance(truth)
        measured = {of: [measure(one, truth) for one in some] for of, some in maps.items() if some}
        for name in MEASURES:
            means = {of: np.mean([values[name] for values in some], axis=0) for of, some in measured.items()}
            found[region, name] = {**means, CHANCE: chance[name]}
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
            for (region, name), values in image_measures(chosen, masks[good]).items():
                less = {f"{CRITIC} - {of}": values[CRITIC] - values[of] for of in _CONTROLS if of in values}
                rows += _rows({"method": method, "region": region, "measure": name}, {**values, **less})
        for region, values in correlations(some, changed).items():
            rows += _rows({"method": method, "region": region, "measure": CORRELATION}, values)
    return pd.DataFrame(rows, columns=["method", "region", "measure", "of", "value", "ci_low", "ci_high", "n"])


def _rows(what: Mapping[str, str], values: Mapping[str, Values]) -> list[dict[str, Any]]:
    """Return one row a kind of map; every measure and every difference lies between -1 and 1."""
    found = {of: interval(some, is_share=what["measure"] == POINTING) for of, some in values.items()}
    return [
        {**what, "of": of, **dataclasses.asdict(i), "ci_low": max(-1.0, i.ci_low), "ci_high": min(1.0, i.ci_high)}
        for of, i in found.items()
    ]


def usable(masks: Masks) -> npt.NDArray[np.bool_]:
    """Return which masks have an inside and an outside, (n,)."""
    return np.asarray(masks.any((1, 2)) & ~masks.all((1, 2)))


# --- findings ----------------------------------------------------------------------------------------------------


def _sentences(result: ExplainResult) -> list[str]:
    """Return what came out, in plain words."""
    lines = []
    for method in result.maps:
        title = TITLES[method].capitalize()
        flat = int(result.table[f"flat.{method}"].sum())
        if flat:
            lines.append(
                f"{title}: {flat} of {len(result.table)} maps are flat: nothing that was changed in these images moves"
                " the score. They count as chance."
            )
        if flat < len(result.table):
            lines += [line for region in (MASK, EDGE) for line in _about_truth(result, method, region)]
            lines += _about_sanity(result, method)
    if result.masks is None:
        lines.append("Without masks it is not known where a map should lie, so none is measured against the truth.")
    return [*lines, *_about_completeness(result)]


def _about_truth(result: ExplainResult, method: str, region: str) -> Iterator[str]:
    """Yield what the measures against masks, or against their edges, say."""
    rows = {name: {of: result.number(method, region, name, of) for of in _COMPARED} for name in MEASURES}
    image = rows[SHARE][IMAGE]
    if image is None:
        return
    where = "the masks" if region == MASK else f"the {BAND_PX} px on either side of their edges"
    start = f"{TITLES[method].capitalize()} against {where}:"
    if image["value"] > EMPTY_GROUND:
        yield (
            f"{start} nothing to be learned. Outside of them images equal their baseline, so any map is zero. Another"
            " baseline makes the ground count: --baseline black, or blurred."
        )
        return
    verdicts = "; ".join(_ahead(rows, other) for other in _CONTROLS if rows[SHARE][other])
    told = "; ".join(f"{name} {_with_interval(row[CRITIC])} ({_beside(row)})" for name, row in rows.items())
    yield f"{start} {verdicts}. In numbers: {told}."


def _beside(row: Mapping[str, dict[str, Any] | None]) -> str:
    """Return the values of the controls, as they stand behind the critic's."""
    return ", ".join(f"{name} {found['value']:.2f}" for of, name in _CONTROLS.items() if (found := row[of]))


def _ahead(rows: Mapping[str, Mapping[str, dict[str, Any] | None]], other: str) -> str:
    """Return in which measures the interval of the critic's difference to another is above zero, and below."""
    differences = {name: row[f"{CRITIC} - {other}"] for name, row in rows.items()}
    ahead = [name for name, d in differences.items() if d and d["ci_low"] > 0]
    behind = [name for name, d in differences.items() if d and d["ci_high"] < 0]
    told = [f"ahead of {_CONTROLS[other]} in {_listed(ahead)}"] if ahead else []
    told += [f"behind {_CONTROLS[other]} in {_listed(behind)}"] if behind else []
    return ", ".join(told) or f"not to be told from {_CONTROLS[other]}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _with_interval(row: Mapping[str, Any] | None) -> str:
    return f"{row['value']:.2f} [{row['ci_low']:.2f}, {row['ci_high']:.2f}]" if row else "not measured"


def _about_sanity(result: ExplainResult, method: str) -> Iterator[str]:
    """Yield whether the map depends on the weights."""
    critic = result.number(method, CHANGED, CORRELATION, CRITIC_RANDOM)
    inits = result.number(method, CHANGED, CORRELATION, RANDOM_RANDOM)
    if critic is None or not critic["n"]:
        return
    if critic["value"] >= HIGH:
        verdict = "High: what these maps show is mostly the image, and not what the critic learned."
    elif critic["value"] > LOW:
        verdict = "Middling: a part of what these maps show is the image, whatever the critic learned."
    else:
        verdict = (
            "Low: these maps depend on the weights. Maps of pixel noise would, too; what was learned shows only where"
            " they are ahead of randomly initialised critics."
        )
    yield (
        f"{TITLES[method].capitalize()} with random weights: the critic's |map| has a rank correlation of"
        f" {_with_interval(critic)} with those of randomly initialised critics, and these with each other"
        f" {_with_interval(inits)} ({CHANGED}). {verdict}"
    )


def _about_completeness(result: ExplainResult) -> Iterator[str]:
    if "completeness_error" not in result.table:
        return
    errors = result.table["completeness_error"].to_numpy()
    more = " More --steps would bring it down." if np.median(errors) > INEXACT else ""
    yield (
        "Integrated gradients add up to score(image) - score(baseline) with a relative error of"
        f" {np.median(errors):.2%} (median; largest {errors.max():.2%}).{more}"
    )
