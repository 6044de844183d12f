"""What is kept of very many scores: the same whoever merges it, and as near to the exact numbers as it says."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from gan_probe.errors import InputError
from gan_probe.scoring.summary import Summary, make_grid, merge, read_summary, share_out, summarise, write_summary
from gan_probe.stats.auroc import auroc

RNG = np.random.default_rng(0)


def scored(n: int, shift: float = 1000.0) -> pd.DataFrame:
    """Scores far from zero, of three classes, one of them rare, with ties."""
    labels = RNG.choice(["a", "b", "c"], n, p=[0.5, 0.49, 0.01])
    values = shift + RNG.normal(0, 0.3, n) + 0.2 * (labels == "b")
    values[:: n // 7] *= 3  # far out
    return pd.DataFrame({
        "sample_id": [f"{int(i):016x}" for i in RNG.integers(0, 2**62, n)], "label": labels,
        "critic_score": np.round(values, 3).astype(np.float32), "control.brightness": RNG.random(n, np.float32),
    })  # fmt: skip


def summary_of(table: pd.DataFrame, cuts: list[int], order: list[int], most: int = 50) -> Summary:
    grids = {c: make_grid(table[c].to_numpy(np.float64)[:100]) for c in ("critic_score", "control.brightness")}
    edges = [0, *cuts, len(table)]
    parts = [
        summarise(table.iloc[a:b], grids, shard=i, rows=np.arange(b - a), most=most)
        for i, (a, b) in enumerate(itertools.pairwise(edges))
    ]
    return merge([parts[i] for i in order], most=most)


def test_any_order_and_any_cut_give_the_same_counts_and_the_same_sample() -> None:
    table = scored(3000)
    whole = summary_of(table, [], [0])
    for cuts, order in (([1000, 2000], [2, 0, 1]), ([5, 2999], [1, 2, 0])):
        parts = summary_of(table, cuts, order)
        assert parts.counts.equals(whole.counts)
        assert [c[0] for c in parts.sample(90)] == [c[0] for c in whole.sample(90)]
        for key, moments in whole.moments.items():
            assert parts.moments[key].n == moments.n
            assert parts.moments[key].mean == pytest.approx(moments.mean, rel=1e-12)
            assert parts.moments[key].std == pytest.approx(moments.std, rel=1e-9)


def test_counts_are_exact_and_quantiles_and_auroc_as_near_as_they_say() -> None:
    table = scored(20000)
    summary = summary_of(table, [7000], [0, 1])
    values = {label: rows["critic_score"].to_numpy(np.float64) for label, rows in table.groupby("label")}
    for label, mine in values.items():
        assert summary.n_of(label) == len(mine)
        for q in (0.01, 0.25, 0.5, 0.99):
            exact = np.quantile(mine, q, method="inverted_cdf")
            found, error = summary.quantile("critic_score", q, label)
            assert abs(found - exact) <= error * 1.001
            assert error < 0.01 * max(1, abs(exact - 1000) / 0.3)
    for one, other in (("a", "b"), ("c", "a")):
        found, error = summary.auroc("critic_score", one, other)
        assert abs(found - auroc(values[one], values[other])) <= error + 1e-12
        assert error < 0.002
    pairs = summary.pairs()
    assert pairs["critic_score"].between(0, 1).all()
    assert len(pairs) == 3
    assert summary.classes()["n"].tolist() == [len(values[label]) for label in "abc"]


def test_a_sample_takes_all_of_a_rare_class_and_the_same_number_of_the_others() -> None:
    assert share_out({"a": 3, "b": 1000, "c": 1000}, 103) == {"a": 3, "b": 50, "c": 50}
    assert share_out({"a": 3}, 10) == {"a": 3}
    table = scored(3000)
    chosen = summary_of(table, [900], [0, 1], most=100).sample(100)
    labels = table.set_index("sample_id")["label"][[sample for sample, _, _ in chosen]]
    rare = int((table["label"] == "c").sum())
    assert labels.value_counts()["c"] == min(rare, 33)
    assert len(chosen) == 100


def test_a_column_without_spread_and_one_without_values_are_counted() -> None:
    assert make_grid(np.zeros(4)) == (0.0, 1.0)
    assert make_grid(np.array([5.0, 5.0])) == (5.0, 5.0)
    assert make_grid(np.array([np.nan])) == (0.0, 1.0)


def test_a_written_summary_is_read_back_and_a_changed_one_is_refused(tmp_path: Path) -> None:
    summary = summary_of(scored(500), [100], [0, 1])
    summary.notes["turned"] += 3
    write_summary(summary, tmp_path / "s.parquet")
    again = read_summary(tmp_path / "s.parquet")
    assert again.counts.equals(summary.counts)
    assert again.moments == summary.moments
    assert again.sample(40) == summary.sample(40)
    assert (again.notes, again.n_images) == (summary.notes, 500)
    table = pq.read_table(tmp_path / "s.parquet")
    told = table.schema.metadata[b"gan_probe"].replace(b'"n_images": 500', b'"n_images": 501')
    pq.write_table(table.replace_schema_metadata({b"gan_probe": told}), tmp_path / "s.parquet")
    with pytest.raises(InputError, match="was changed since it was saved"):
        read_summary(tmp_path / "s.parquet")
    scored(50).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match="is no summary of scores"):
        read_summary(tmp_path / "t.parquet")


def test_summaries_with_other_bins_are_not_merged() -> None:
    table = scored(100)
    one, two = (summarise(table, {"critic_score": grid}, shard=0, rows=np.arange(100), most=5)
                for grid in ((0.0, 1.0), (0.0, 2.0)))  # fmt: skip
    with pytest.raises(InputError, match="count in different bins"):
        merge([one, two], most=5)
    with pytest.raises(InputError, match="no summaries to merge"):
        merge([], most=5)
