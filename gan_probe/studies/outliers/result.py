"""Which images are unlike the training data, how sure that is, and which way the score points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gan_probe.errors import InputError
from gan_probe.stats.conformal import FDR, Detection, conformal_p, detections, flagged, smallest_flaggable
from gan_probe.types import Values


@dataclass(frozen=True)
class OutlierResult:
    """Which images of a table are called unlike the training data.

    Attributes
    ----------
    table : DataFrame
        What names each image, ``critic_score``, ``p_value`` and ``is_outlier``, the smallest p-value first.
    n_reference : int
        Held-out reals that p-values compare with.
    direction : str
        A row of `DIRECTIONS`.
    fdr : float
    detections : list of Detection
        Of every unseen class, in that direction, where the table knows seen and unseen.
    warnings : list of str
    """

    table: pd.DataFrame
    n_reference: int
    direction: str
    fdr: float
    detections: list[Detection]
    warnings: list[str]

    def by_class(self) -> list[tuple[Detection, float]]:
        """Return each unseen class with the share of its images that is flagged."""
        if not self.detections:
            return []
        shares = self.table.groupby("label")["is_outlier"].mean()
        return [(d, float(shares[d.label])) for d in self.detections if d.label in shares]

    def headline(self) -> dict[str, Any]:
        """Return the numbers that the command prints."""
        numbers: dict[str, Any] = {
            "n_images": len(self.table),
            "n_outliers": int(self.table["is_outlier"].sum()),
            "share": float(self.table["is_outlier"].mean()),
            "n_reference": self.n_reference,
            "direction": self.direction,
            "fdr": self.fdr,
            "classes": [
                {"label": d.label, "auroc": d.auroc, "ci": [d.ci_low, d.ci_high], "fpr95": d.fpr95, "flagged": share}
                for d, share in self.by_class()
            ],
        }
        if "seen" in self.table and self.table["seen"].any():
            numbers["share_of_seen"] = float(self.table.loc[self.table["seen"].astype(bool), "is_outlier"].mean())
        return numbers

    def findings(self) -> list[str]:
        """Return what was found, in plain words."""
        numbers = self.headline()
        sided = "low" if self.direction == "low" else "unusual"
        lines = [
            f"{numbers['n_outliers']} of {numbers['n_images']} images have scores too {sided} for the training data:"
            f" of such calls at most {self.fdr:.0%} are wrong on average, as long as the {self.n_reference} held-out"
            " reals are like those that will come."
        ]
        if "share_of_seen" in numbers:
            lines.append(f"Of images of seen classes {numbers['share_of_seen']:.1%} are flagged.")
        wrong = [d.label for d in self.detections if d.is_reversed]
        if wrong and self.direction == "low":
            lines.append(
                f"Careful: the critic ranks {len(wrong)} of {len(self.detections)} unseen classes above its own reals"
                f" ({', '.join(wrong[:3])}{', ...' if len(wrong) > 3 else ''}). A low score will never find them; try"
                " --two-sided."
            )
        return lines


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
    named["p_value"], named["is_outlier"] = p_values, flagged(p_values, fdr=fdr)
    warnings = []
    needed = smallest_flaggable(len(named), len(reference), fdr=fdr, direction=direction)
    if needed > 1:
        warnings.append(
            f"with {len(reference)} held-out reals and {len(named)} images, none is flagged unless {needed} look"
            " extreme at once. More reals (--reference) or fewer images at a time make the test sharper."
        )
    measured = []
    if "seen" in named and "label" in named and named["seen"].nunique() == 2:
        try:
            measured = [d for d in detections(named, reference, seed=seed) if d.direction == direction]
        except InputError as error:
            warnings.append(f"classes are not measured: {error}")
    order = named.sort_values("p_value", kind="stable", ignore_index=True)
    return OutlierResult(order, len(reference), direction, fdr, measured, warnings)
