"""One row a class: how many images, and how they score."""

from __future__ import annotations

import pandas as pd


def describe_classes(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row a class, highest mean score first."""
    grouped = table.groupby("label", sort=False)["critic_score"]
    classes = grouped.agg(n="size", mean="mean", std="std", min="min", max="max").reset_index()
    if "seen" in table:
        seen = table.groupby("label")["seen"].first()
        classes.insert(2, "seen", classes["label"].map(seen).astype(bool))
    return classes.sort_values("mean", ascending=False, ignore_index=True)
