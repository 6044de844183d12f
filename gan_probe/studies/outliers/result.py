"""Which images are unlike the training data, how sure that is, and which way the score points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from gan_probe.errors import InputError
from gan_probe.stats.conformal import FDR, Detection, call_outliers, conformal_p, detections, least_detectable
from gan_probe.studies.base import StudyResult
from gan_probe.studies.outliers.metrics import OutlierMetrics
from gan_probe.types import Values


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
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def by_class(self) -> list[tuple[Detection, float]]:
        """Return each unseen class with the share of its images that are called outliers."""
        if not self.detections:
            return []
        shares = self.table.groupby("label")["is_outlier"].mean()
        return [(d, float(shares[d.label])) for d in self.detections if d.label in shares]

    def findings(self) -> list[str]:
        """Return what was found, in plain words."""
        numbers = self.metrics()
        sided = "low" if self.direction == "low" else "unusual"
        lines = [
            f"{numbers.n_outliers} of {numbers.n_images} images have scores too {sided} for the training data:"
            f" of such calls at most {self.fdr:.0%} are wrong on average, as long as the {self.n_reference} held-out"
            " reals of the calibration set are like those that will come."
        ]
        if numbers.share_of_seen is not None:
            lines.append(f"Of images of seen classes {numbers.share_of_seen:.1%} are called outliers.")
        wrong = [d.label for d in self.detections if d.is_reversed]
        if wrong and self.direction == "low":
            lines.append(
                f"Careful: the critic ranks {len(wrong)} of {len(self.detections)} unseen classes above its own reals"
                f" ({', '.join(wrong[:3])}{', ...' if len(wrong) > 3 else ''}). A low score will never find them; try"
                " --two-sided."
            )
        return lines

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
        )

    def class_rows(self) -> list[dict[str, Any]]:
        """Return how well each unseen class is told from seen ones, and the share of it that is called."""
        return [{**asdict(d), "called": share} for d, share in self.by_class()]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return ``outliers``: p-value and verdict of each image, the smallest p-value first."""
        return {"outliers": self.table}

    def record(self) -> dict[str, Any]:
        """Return every number of the page."""
        return asdict(self.metrics())


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
    needed = least_detectable(len(named), len(reference), fdr=fdr, direction=direction)
    if needed > 1:
        warnings.append(
            f"with {len(reference)} held-out reals in the calibration set and {len(named)} images, none is called an"
            f" outlier unless {needed} look extreme at once. More reals (--reference) or fewer images at a time make"
            " the test sharper."
        )
    measured = []
    if "seen" in named and "label" in named and named["seen"].nunique() == 2:
        try:
            measured = [d for d in detections(named, reference, seed=seed) if d.direction == direction]
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
        detections=measured,
        warnings=warnings,
    )
