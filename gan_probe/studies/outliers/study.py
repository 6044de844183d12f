"""Which images are unlike the training data? The verb ``outliers`` as a function."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from gan_probe.errors import InputError
from gan_probe.names import check_name
from gan_probe.scoring.reference import read_held_out, read_kept
from gan_probe.scoring.table import ScoreTable
from gan_probe.stats.conformal import DIRECTIONS, FDR, MIN_REFERENCE
from gan_probe.studies.outliers.result import OutlierResult, find


def outliers(
    scores: ScoreTable,
    reference: ScoreTable | None = None,
    *,
    direction: str = "low",
    fdr: float = FDR,
    seed: int = 0,
) -> OutlierResult:
    """Return which images of a table of scores are unlike the training data, with a bound on false alarms.

    Parameters
    ----------
    scores : ScoreTable
    reference : ScoreTable, optional
        Of held-out reals, by the same critic. Default: those that the training kept beside the critic; where there are
        fewer than ten, a random half of the table's seen images, which are then not tested.
    direction : {"low", "two-sided"}
    fdr : float
        Share of the images called outliers that may be called so wrongly, on average.
    seed : int
        Of that half.

    Raises
    ------
    InputError
        When the reference is another critic's, holds images of the table, or there is none.
    """
    check_name("direction", direction, DIRECTIONS)
    table = scores.without_embeddings()
    if reference is not None:
        own, other = (t.provenance.get("critic_hash", "unknown") for t in (scores, reference))
        if own != other:
            raise InputError(
                f"the reference was scored by another critic ({other}, not {own}); score it with the same."
            )
        both = [t.table for t in (scores, reference) if "sample_id" in t.table]
        n_shared = int(both[0]["sample_id"].isin(both[1]["sample_id"]).sum()) if len(both) == 2 else 0
        if n_shared:
            raise InputError(
                f"{n_shared} images are in the table and in the reference; held-out reals must be others than those"
                " that are tested."
            )
        is_real = reference.table.get("seen", pd.Series(True, index=reference.table.index)).to_numpy(dtype=bool)
        if not is_real.any():
            raise InputError(
                "no image of the reference is of a class that the critic was trained on; it must hold reals."
            )
        reals = reference.table["critic_score"].to_numpy(dtype=np.float64)[is_real]
        result = find(table, reals, direction=direction, fdr=fdr, seed=seed)
        if not is_real.all():
            result.warnings.append(f"{int((~is_real).sum())} images of unseen classes in the reference are not used.")
        return _with_origin(result, scores)
    source = scores.provenance.get("critic_source") or ""
    held_out = read_held_out(source, scores)
    if held_out is not None and len(held_out) >= MIN_REFERENCE:
        is_kept = _ids(table).isin(read_kept(source, scores.provenance.get("critic_hash", ""))).to_numpy()
        if is_kept.all():
            raise InputError("all images of the table are held-out reals, which others are compared with.")
        result = find(table[~is_kept], held_out, direction=direction, fdr=fdr, seed=seed)
        if is_kept.any():
            result.warnings.append(
                f"{int(is_kept.sum())} images of the table are the held-out reals that others are compared with; they"
                " are not tested."
            )
        return _with_origin(result, scores)
    if "seen" not in table or not table["seen"].any():
        raise InputError(
            "no held-out reals are known: beside the critic there are fewer than ten, or its folder was not found as it"
            " was when these scores were made; and the table has no seen images. Score real images that the critic was"
            " not trained on and name that table with --reals."
        )
    seen = np.flatnonzero(table["seen"].astype(bool))
    half = np.random.default_rng(seed).permutation(seen)[: len(seen) // 2]
    rest = table.drop(index=table.index[half])
    result = find(rest, table["critic_score"].to_numpy(dtype=np.float64)[half], direction=direction, fdr=fdr, seed=seed)
    result.warnings.append(
        f"fewer than ten held-out reals were found beside the critic: {len(half)} seen images of the table serve, and"
        " are not tested."
    )
    return _with_origin(result, scores)


def _ids(table: pd.DataFrame) -> pd.Series:
    return table.get("sample_id", pd.Series("", index=table.index)).astype(str)


def _with_origin(result: OutlierResult, scores: ScoreTable) -> OutlierResult:
    said = [*scores.provenance.get("warnings", ()), *result.warnings]
    return replace(result, warnings=said, provenance={k: v for k, v in scores.provenance.items() if k != "warnings"})
