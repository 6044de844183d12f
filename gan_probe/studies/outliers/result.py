"""Which images are unlike the training data, how sure that is, and which way the score points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from gan_probe.errors import InputError
from gan_probe.scoring.table import CRITIC, Source, rows_with_label
from gan_probe.stats.auroc import auroc_ahead, placements
from gan_probe.stats.beside import RANDOM_INIT, Difference
from gan_probe.stats.conformal import (
    DIRECTIONS,
    FDR,
    Detection,
    call_outliers,
    conformal_p,
    detect,
    detections,
    least_detectable,
)
from gan_probe.studies.advantage import Advantage, answers, difference_record
from gan_probe.studies.base import StudyResult, plain
from gan_probe.studies.judgement import Answer, Judgement, Opening, judge, sources
from gan_probe.studies.outliers.metrics import OutlierMetrics
from gan_probe.types import Values, Walks
from gan_probe.verdicts import Verdict, conclude

Placed = tuple[Values, Values]  # the placements of new images and of usual ones
NAMES_TOGETHER = " + "  # between detectors that are combined
LARGE_SHARE = 0.01  # of the images: where it takes more to call one, the held-out reals are few


@dataclass(frozen=True, kw_only=True)
class Novelty:
    """Which detectors were used, why, and what they say of the strangest images.

    Attributes
    ----------
    names : tuple of str
        Rows of `gan_probe.stats.novelty.DETECTORS` that were used; several are combined.
    title : str
        Of them together.
    n_fitted : int
        Reals that they were fitted on.
    how : str
        How they were chosen, in words.
    choice : list of dict
        The candidates, as `gan_probe.studies.outliers.choice.DetectorChoice` has them; empty where the user chose.
    compared : list of dict
        AUROC of all unseen images against seen ones, with its interval, by every detector and layer alone, and by the
        controls: ``of`` ("critic", "layer", "control"), ``name``, ``auroc``, ``ci_low``, ``ci_high``, ``used``.
    over_score : Difference or None
        AUROC minus that of the low score alone.
    strangest : list of dict
        ``row`` of the table, ``layer`` that is most surprised, its ``surprise`` (-ln p), and ``nearest``, the training
        images that are most alike there.
    pictures : ndarray, shape (k, 1 + nearest, h, w, c)
        Each of the strangest beside those.
    """

    names: tuple[str, ...]
    title: str
    n_fitted: int
    how: str
    choice: list[dict[str, Any]] = field(default_factory=list)
    compared: list[dict[str, Any]] = field(default_factory=list)
    over_score: Difference | None = None
    strangest: list[dict[str, Any]] = field(default_factory=list)
    pictures: Walks | None = None

    def record(self) -> dict[str, Any]:
        """Return it as plain data, without pictures."""
        return {
            "detectors": list(self.names),
            "n_fitted": self.n_fitted,
            "how": self.how,
            "choice": [plain(row) for row in self.choice],
            "compared": [plain(row) for row in self.compared],
            "over_score": difference_record(self.over_score),
            "strangest": self.strangest,
        }


@dataclass(frozen=True, kw_only=True)
class OutlierResult(StudyResult):
    """Which images of a table are called unlike the training data.

    Attributes
    ----------
    table : DataFrame
        What names each image, ``critic_score``, ``p_value`` and ``is_outlier``, the smallest p-value first.
    n_reference : int
        Images of the calibration set: held-out reals that p-values compare with.
    direction : str
        A row of `DIRECTIONS`.
    fdr : float
    detections : list of Detection
        Of every unseen class, in that direction, where the table knows seen and unseen.
    other_way : list of Detection
        The same in the other direction.
    advantage : Advantage or None
        AUROC of all unseen images against seen ones beside that of the controls; None where that is not known.
    auroc : float
        Of all unseen images against seen ones; NaN where that is not known.
    novelty : Novelty or None
        Where detectors of `gan_probe.stats.novelty` were used, in place of the score.
    provenance : dict
    warnings : list of str
    """

    study: ClassVar = "outliers"

    table: pd.DataFrame
    n_reference: int
    direction: str
    fdr: float
    detections: list[Detection]
    warnings: list[str]
    other_way: list[Detection] = field(default_factory=list)
    advantage: Advantage | None = None
    auroc: float = math.nan
    novelty: Novelty | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def by_class(self) -> list[tuple[Detection, float]]:
        """Return each unseen class with the share of its images that are called outliers."""
        if not self.detections:
            return []
        shares = self.table.groupby("label")["is_outlier"].mean()
        return [(d, float(shares[d.label])) for d in self.detections if d.label in shares]

    def findings(self) -> list[str]:
        """Return what was found, in plain words."""
        return conclude(VERDICTS, OutlierFacts(self))

    def metrics(self) -> OutlierMetrics:
        """Return the numbers that the command prints."""
        is_outlier = self.table["is_outlier"]
        of_seen = None
        if "seen" in self.table and self.table["seen"].any():
            of_seen = float(self.table.loc[self.table["seen"].astype(bool), "is_outlier"].mean())
        return OutlierMetrics(
            n_images=len(self.table),
            n_outliers=int(is_outlier.sum()),
            share=float(is_outlier.mean()),
            n_reference=self.n_reference,
            direction=self.direction,
            fdr=self.fdr,
            classes=self.class_rows(),
            share_of_seen=of_seen,
            auroc=None if math.isnan(self.auroc) else self.auroc,
            over_score=None if self.novelty is None or not self.novelty.over_score else self.novelty.over_score.value,
            over_best_control=self.advantage.use.value if self.advantage and self.advantage.use else None,
            **self._judgement().numbers(),
        )

    def class_rows(self) -> list[dict[str, Any]]:
        """Return how well each unseen class is told from seen ones, and the share of it that is called."""
        return [{**asdict(d), "called": share} for d, share in self.by_class()]

    def opening(self) -> Opening:
        """Return the verdict on the score as a detector of unseen classes, or how many images are called."""
        about = (*sources(self.provenance), f"{len(self.table):,} images, {self.n_reference:,} held-out reals")
        return Opening(judgement=self._judgement(), about=about)

    def _judgement(self) -> Judgement:
        if self.advantage is not None:
            return judge({"The AUROC of unseen images against seen ones": self.advantage})
        n = int(self.table["is_outlier"].sum())
        says = f"How well the score tells unseen classes from seen ones cannot be known: {self._why_unknown()}."
        return Judgement(answer=Answer(headline=f"{n:,} of {len(self.table):,} images are called outliers", says=says))

    def _why_unknown(self) -> str:
        if "seen" not in self.table:
            return "these images name no seen classes"
        n_seen = int(self.table["seen"].sum())
        if n_seen in (0, len(self.table)):
            return f"all images are of {'seen' if n_seen else 'unseen'} classes"
        return (
            f"{n_seen:,} images are of seen classes and {len(self.table) - n_seen:,} of unseen ones, or have no label"
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return ``outliers``: p-value and verdict of each image, the smallest p-value first."""
        return {"outliers": self.table}

    def record(self) -> dict[str, Any]:
        """Return every number of the page."""
        found = self.advantage
        beside = None
        if found is not None:
            beside = {
                "auroc": self.auroc,
                "best_control": found.control,
                "training_added": difference_record(found.training),
                "over_best_control": difference_record(found.use),
            }
        more = {} if self.novelty is None else {"novelty": self.novelty.record()}
        numbers = asdict(self.metrics())
        numbers["classes"] = [plain(row) for row in numbers["classes"]]
        return {**numbers, "unseen_against_seen": beside, **more}


@dataclass(frozen=True)
class OutlierFacts:
    """What sentences are made of."""

    result: OutlierResult

    @property
    def numbers(self) -> OutlierMetrics:
        """What the command prints."""
        return self.result.metrics()

    @property
    def sided(self) -> str:
        """What scores of outliers are, in words."""
        return "low" if self.result.direction == "low" else "unusual"

    @property
    def n_extreme(self) -> int:
        """Images with the smallest p-value that there can be: beyond every held-out real."""
        smallest = (2 if self.result.direction == "two-sided" else 1) / (self.result.n_reference + 1)
        return int((self.result.table["p_value"] <= smallest * (1 + 1e-9)).sum())

    @property
    def extreme(self) -> str:
        """That number in words."""
        return "1 image lies" if self.n_extreme == 1 else f"{self.n_extreme} images lie"

    @property
    def n_needed(self) -> int:
        """How many of them it takes for any to be called."""
        return least_detectable(
            len(self.result.table), self.result.n_reference, fdr=self.result.fdr, direction=self.result.direction
        )

    @property
    def is_limited(self) -> bool:
        """Whether images beyond every held-out real are not called, since there are so few of these reals."""
        is_few = self.n_needed > LARGE_SHARE * len(self.result.table)
        return is_few and self.numbers.n_outliers == 0 and 0 < self.n_extreme < self.n_needed

    @property
    def wrong(self) -> dict[str, Detection]:
        """Unseen classes that the critic certainly ranks above its own reals, and how the other direction tells them.

        Only where low scores are looked for.
        """
        other = {d.label: d for d in self.result.other_way}
        found = [d.label for d in self.result.detections if d.is_reversed and d.direction == "low"]
        return {name: other[name] for name in found if name in other}

    @property
    def helped(self) -> list[Detection]:
        """Those of them that two-sided scores certainly tell from seen images."""
        return [d for d in self.wrong.values() if d.ci_low > 0.5]

    @property
    def unhelped(self) -> list[Detection]:
        """Those that they do not."""
        return [d for d in self.wrong.values() if d.ci_low <= 0.5]

    @property
    def novelty(self) -> Novelty:
        """The detectors that were used."""
        assert self.result.novelty is not None
        return self.result.novelty

    @property
    def scored(self) -> str:
        """How far their AUROC is above that of the score alone, in words."""
        assert self.novelty.over_score is not None
        return self.novelty.over_score.plain()

    def _over_score(self, verdict: str) -> bool:
        found = self.result.novelty
        return found is not None and found.over_score is not None and found.over_score.verdict == verdict

    @property
    def is_over_score(self) -> bool:
        """Whether they are certainly better than the score alone."""
        return self._over_score("ahead")

    @property
    def is_under_score(self) -> bool:
        """Whether they are certainly worse."""
        return self._over_score("behind")

    @property
    def reversed(self) -> list[Detection]:
        """Unseen classes that look certainly more usual than new reals, by a detector that is not the score alone."""
        return [d for d in self.result.detections if d.is_reversed and self.result.novelty is not None]

    @property
    def not_by_detector(self) -> str:
        """Those classes, with their AUROC."""
        return _with_auroc(self.reversed)

    @property
    def n_unseen(self) -> int:
        """Unseen classes."""
        return len(self.result.detections)

    @property
    def by_two_sided(self) -> str:
        """The classes that it tells, with their AUROC."""
        return _with_auroc(self.helped)

    @property
    def not_by_two_sided(self) -> str:
        """The classes that it does not tell, with their AUROC."""
        return _with_auroc(self.unhelped)

    @property
    def answered(self) -> str:
        """What the training added, and whether it is useful, in words."""
        assert self.result.advantage is not None
        return answers(self.result.advantage)


def _with_auroc(found: list[Detection]) -> str:
    return f"{', '.join(f'{d.label} ({d.auroc:.2f})' for d in found[:3])}{', ...' if len(found) > 3 else ''}"


VERDICTS: tuple[Verdict[OutlierFacts], ...] = (
    Verdict(
        name="called by detectors",
        when="detectors of features were used (gan-probe outliers CRITIC DATA --reals REALS)",
        holds=lambda f: f.result.novelty is not None,
        says="{numbers.n_outliers} of {numbers.n_images} images are unlike the training data by {novelty.title}: of"
        " such calls at most {numbers.fdr:.0%} are wrong on average, as long as the {numbers.n_reference} held-out"
        " reals of the calibration set are like those that will come.",
    ),
    Verdict(
        name="called",
        when="else",
        holds=lambda f: f.result.novelty is None,
        says="{numbers.n_outliers} of {numbers.n_images} images have scores too {sided} for the training data: of such"
        " calls at most {numbers.fdr:.0%} are wrong on average, as long as the {numbers.n_reference} held-out reals of"
        " the calibration set are like those that will come.",
    ),
    Verdict(
        name="too few held-out reals",
        when=f"none is called, images lie beyond every held-out real, and more than {LARGE_SHARE:.0%} of all images"
        " would have to for any to be called",
        holds=lambda f: f.is_limited,
        says="{extreme} beyond every held-out real, and none is called: with {numbers.n_reference} of"
        " these reals it takes {n_needed} such images among {numbers.n_images}. More reals (--reals)"
        " or fewer images at a time make the test sharper.",
    ),
    Verdict(
        name="seen called",
        when="the table has images of seen classes",
        holds=lambda f: f.numbers.share_of_seen is not None,
        says="Of images of seen classes {numbers.share_of_seen:.1%} are called outliers.",
    ),
    Verdict(
        name="unseen against seen",
        when="the table has images of seen and of unseen classes",
        holds=lambda f: f.result.advantage is not None,
        says="All unseen images against seen ones: AUROC {result.auroc:.2f}. {answered}",
    ),
    Verdict(
        name="better than the score",
        when="the interval of the detectors' AUROC minus that of the low score lies above 0",
        holds=lambda f: f.is_over_score,
        says="That is better than the score alone: {scored}.",
    ),
    Verdict(
        name="worse than the score",
        when="it lies below 0",
        holds=lambda f: f.is_under_score,
        says="The score alone is better: {scored}. --detector score-low takes it.",
    ),
    Verdict(
        name="not told by these detectors",
        when="the interval of an unseen class's AUROC lies below 0.5, by detectors of features",
        holds=lambda f: bool(f.reversed),
        says="Careful: {not_by_detector} look more usual than new reals, by their AUROC. These detectors will never"
        " find them.",
    ),
    Verdict(
        name="unseen unknown",
        when="it does not",
        holds=lambda f: f.result.advantage is None,
        says="How well outliers are told cannot be known from these images: that needs some of seen and some of unseen"
        " classes (gan-probe score --seen LABEL says which).",
    ),
    Verdict(
        name="wrong way, two-sided helps",
        when="the interval of an unseen class's AUROC lies below 0.5, and that of its two-sided AUROC above 0.5",
        holds=lambda f: bool(f.helped),
        says="Careful: the critic ranks unseen classes above its own reals, and a low score will never find them."
        " --two-sided tells of these {by_two_sided}, by their AUROC.",
    ),
    Verdict(
        name="wrong way, two-sided does not help",
        when="it lies below 0.5, and that of its two-sided AUROC does not lie above 0.5",
        holds=lambda f: bool(f.unhelped),
        says="Careful: the critic ranks unseen classes above its own reals, and a low score will never find them. Nor"
        " does --two-sided tell {not_by_two_sided}, by their AUROC: this score does not show them.",
    ),
)


def against_seen(table: pd.DataFrame, reference: Values, direction: str) -> tuple[float, Advantage]:
    """Return the AUROC of unseen images against seen ones, and that beside the controls of the table.

    ``reference`` are scores of held-out reals, which "low" does without.
    "low": controls point whichever way is better for them, as nothing says which way they should; the critic does not.
    "two-sided": a control is measured from the median of its seen images.
    """
    is_seen = table["seen"].to_numpy(dtype=bool)
    sources = {str(c): Source.parse(str(c)) for c in table}
    columns = {c: s for c, s in sources.items() if s is not None and not s.is_embedding and s.of != CRITIC}
    groups: dict[str, list[Placed]] = {}
    for column, source in columns.items():
        values = table[column].to_numpy(dtype=np.float64)
        if np.isfinite(values).all():
            unlike = DIRECTIONS[direction](values, values[is_seen])
            found = placements(unlike[~is_seen], unlike[is_seen])
            if direction == "low" and found[0].mean() < 0.5:
                found = (1 - found[0], 1 - found[1])
            groups.setdefault(RANDOM_INIT if source.of == RANDOM_INIT else source.short, []).append(found)
    unlike = DIRECTIONS[direction](table["critic_score"].to_numpy(dtype=np.float64), reference)
    own = placements(unlike[~is_seen], unlike[is_seen])
    return float(own[0].mean()), stand_beside(own, groups)


def stand_beside(own: Placed, groups: Mapping[str, Sequence[Placed]]) -> Advantage:
    """Return an AUROC beside that of its controls, from the placements of each; seeds of one control are one group."""
    means = {name: float(np.mean([new.mean() for new, _ in seeds])) for name, seeds in groups.items()}
    best = max(means, key=means.__getitem__, default="")
    return Advantage(
        training=auroc_ahead(own, groups[RANDOM_INIT]) if RANDOM_INIT in groups else None,
        randomly=means.get(RANDOM_INIT, math.nan),
        use=auroc_ahead(own, groups[best]) if best else None,
        control=best,
        best=means.get(best, math.nan),
        in_points=False,
    )


def find(
    table: pd.DataFrame, reference: Values, *, direction: str = "low", fdr: float = FDR, seed: int = 0
) -> OutlierResult:
    """Return which rows of a table of scores are outliers.

    Parameters
    ----------
    table : DataFrame
        ``critic_score``; ``sample_id``, ``path``, ``label``, ``seen`` where known.
    reference : ndarray, shape (r,)
        Scores of held-out reals, none of them in the table.
    direction : str
    fdr : float
    seed : int

    Raises
    ------
    InputError
        For fewer than ten reference scores or a false discovery rate that is none.
    """
    named = table[[c for c in ("sample_id", "path", "label", "seen", "critic_score") if c in table]].copy()
    p_values = conformal_p(named["critic_score"].to_numpy(dtype=np.float64), reference, direction)
    named["p_value"], named["is_outlier"] = p_values, call_outliers(p_values, fdr=fdr)
    warnings = []
    measured, value, beside = [], math.nan, None
    labelled = rows_with_label(table)
    if len(labelled) < len(table):
        warnings.append(
            f"{len(table) - len(labelled)} images have no label; they are neither of seen nor of unseen ones."
        )
    if "seen" in labelled and "label" in labelled and labelled["seen"].nunique() == 2:
        try:
            measured = detections(labelled, reference, seed=seed)
            value, beside = against_seen(labelled, reference, direction)
        except InputError as error:
            warnings.append(f"classes are not measured: {error}")
    scores = named["critic_score"].to_numpy(dtype=np.float64)
    likeness = scores if direction == "low" else -np.abs(scores - np.median(reference))
    order = np.lexsort((likeness, p_values))  # equal p-values: the most unlike first
    return OutlierResult(
        table=named.iloc[order].reset_index(drop=True),
        n_reference=len(reference),
        direction=direction,
        fdr=fdr,
        detections=[d for d in measured if d.direction == direction],
        other_way=[d for d in measured if d.direction != direction],
        advantage=beside,
        auroc=value,
        warnings=warnings,
    )


def call_novel(
    table: pd.DataFrame, unlike: Values, usual: Values, *, novelty: Novelty, fdr: float = FDR
) -> OutlierResult:
    """Return which rows of a table are outliers by how unlike reals they are, against reals held out for calibration.

    Parameters
    ----------
    table : DataFrame
        ``critic_score``; ``sample_id``, ``path``, ``label``, ``seen`` where known.
    unlike : ndarray, shape (n,)
        Higher = more unlike.
    usual : ndarray, shape (r,)
        Of the calibration set.
    novelty : Novelty
        What made these numbers.
    fdr : float

    Raises
    ------
    InputError
        For fewer than ten reals of calibration or a false discovery rate that is none.
    """
    named = table[[c for c in ("sample_id", "path", "label", "seen", "critic_score") if c in table]].copy()
    named["unlike"] = unlike
    p_values = conformal_p(-unlike, -usual)
    named["p_value"], named["is_outlier"] = p_values, call_outliers(p_values, fdr=fdr)
    measured: list[Detection] = []
    warnings: list[str] = []
    value = math.nan
    if "seen" in named and "label" in named and named["seen"].nunique() == 2:
        is_seen = named["seen"].to_numpy(dtype=bool)
        value = float(placements(unlike[~is_seen], unlike[is_seen])[0].mean())
        measured = [
            replace(
                detect(str(label), -unlike[rows.to_numpy()], -unlike[is_seen], reference=-usual),
                direction=NAMES_TOGETHER.join(novelty.names),
            )
            for label, rows in named.loc[~is_seen].groupby("label", sort=False).groups.items()
        ]
    return OutlierResult(
        table=named.iloc[np.lexsort((-unlike, p_values))].reset_index(drop=True),
        n_reference=len(usual),
        direction=NAMES_TOGETHER.join(novelty.names),
        fdr=fdr,
        detections=sorted(measured, key=lambda d: d.auroc),
        auroc=value,
        novelty=novelty,
        warnings=warnings,
    )
