import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.scoring.reference import read_kept
from gan_probe.scoring.score import score
from gan_probe.scoring.table import ScoreTable
from gan_probe.stats.auroc import auroc
from gan_probe.stats.conformal import DIRECTIONS
from gan_probe.studies.cluster.study import cluster_scores
from gan_probe.studies.outliers.result import find
from gan_probe.studies.outliers.study import outliers


def changed(scores: ScoreTable, rows: slice, **provenance: str) -> ScoreTable:
    return ScoreTable(scores.table.iloc[rows].reset_index(drop=True), {**scores.provenance, **provenance})


def test_too_few_reals_are_refused_wherever_they_come_from(scores: ScoreTable) -> None:
    with pytest.raises(InputError, match="at least 10 held-out reals, got 8"):
        outliers(scores)


def test_without_kept_reals_half_of_the_seen_images_serves_and_is_not_tested(scores: ScoreTable) -> None:
    seen = int(scores.table["seen"].sum())
    more = ScoreTable(scores.table.loc[np.r_[np.arange(len(scores.table)), np.flatnonzero(scores.table["seen"])]], {})
    result = outliers(ScoreTable(more.table.reset_index(drop=True), {}))
    assert result.n_reference == seen
    assert len(result.table) == len(scores.table)
    assert "seen images of the table serve" in result.warnings[-1]


def test_a_reference_must_be_the_same_critic_s_and_other_images(scores: ScoreTable) -> None:
    first, last = changed(scores, slice(0, 40)), changed(scores, slice(40, 80))
    with pytest.raises(InputError, match="held-out reals, got 8"):  # the other 32 are of unseen classes
        outliers(first, last)
    reals = ScoreTable(last.table.assign(seen=np.arange(40) < 30), last.provenance)
    found = outliers(first, reals)
    assert found.n_reference == 30
    assert "10 images of unseen classes in the reference are not used" in found.warnings[-1]
    with pytest.raises(InputError, match="it must hold reals"):
        outliers(first, ScoreTable(last.table.assign(seen=False), last.provenance))
    with pytest.raises(InputError, match="scored by another critic"):
        outliers(first, changed(scores, slice(40, 80), critic_hash="other"))
    with pytest.raises(InputError, match="10 images are in the table and in the reference"):
        outliers(first, changed(scores, slice(30, 80)))
    with pytest.raises(ConfigError, match="direction"):
        outliers(first, last, direction="high")


def test_without_any_reals_there_is_nothing_to_compare_with(scores: ScoreTable) -> None:
    table = scores.table.drop(columns="seen")
    with pytest.raises(InputError, match="no held-out reals are known.*--reals"):
        outliers(ScoreTable(table, {}))


def beside(critic: np.ndarray, **controls: np.ndarray) -> pd.DataFrame:
    columns = {f"control.{name.replace('__', '.')}": values for name, values in controls.items()}
    labels = {"label": np.repeat(["real", "new"], 100), "seen": np.repeat([True, False], 100)}
    return pd.DataFrame({"critic_score": critic, **labels, **columns})


def test_unseen_against_seen_stands_beside_random_critics_and_statistics() -> None:
    rng = np.random.default_rng(0)
    apart, half, nothing = (shift * np.repeat([0.0, 1.0], 100) + rng.normal(size=200) for shift in (4.0, 1.0, 0.0))
    reals = rng.normal(size=200)
    gained = find(beside(-half, random_init__0=nothing, random_init__1=nothing[::-1].copy(), brightness=apart), reals)
    assert gained.advantage is not None
    assert gained.auroc > 0.7
    (line,) = [line for line in gained.findings() if line.startswith("All unseen images against seen ones")]
    assert "The training added +0." in line
    assert "The best control, brightness (1.00), is of more use: -0." in line
    same = find(beside(-half, random_init__0=half, brightness=nothing), reals)
    text = " ".join(same.findings())
    assert "Nothing shows that the training added anything: +0.000" in text
    assert "Nothing shows that it is of more use than the best control" in text
    alone = " ".join(find(beside(-half), reals).findings())
    assert "What the training added cannot be known" in alone
    assert "Whether it is useful cannot be known" in alone


def test_the_margin_over_a_control_is_the_difference_of_their_aurocs_in_either_direction() -> None:
    rng = np.random.default_rng(1)
    critic, control = rng.normal(size=(2, 200))
    table, reals = beside(critic, brightness=control), rng.normal(size=50)
    for direction in ("low", "two-sided"):
        found = find(table, reals, direction=direction)
        unlike = DIRECTIONS[direction](critic, reals)
        assert found.auroc == pytest.approx(auroc(unlike[100:], unlike[:100]))
        assert found.advantage is not None
        assert found.advantage.use is not None
        assert found.advantage.use.value == pytest.approx(found.auroc - found.advantage.best)
        assert found.advantage.use.ci_low < found.advantage.use.value < found.advantage.use.ci_high


def test_without_seen_and_unseen_images_nothing_is_said_of_how_well_outliers_are_told() -> None:
    bare = find(pd.DataFrame({"critic_score": np.arange(30.0)}), np.arange(30.0))
    assert any("How well outliers are told cannot be known" in line for line in bare.findings())


@pytest.mark.parametrize("direction", ["low", "two-sided"])
def test_of_equal_p_values_the_most_unlike_comes_first(direction: str, scores: ScoreTable) -> None:
    is_real = scores.table["seen"].to_numpy() & (np.arange(len(scores.table)) % 8 < 7)
    reals = ScoreTable(scores.table[is_real].reset_index(drop=True), scores.provenance)
    others = ScoreTable(scores.table[~is_real].reset_index(drop=True), scores.provenance)
    table = outliers(others, reals, direction=direction).table
    assert table["p_value"].is_monotonic_increasing
    assert table["p_value"].duplicated().any()
    values = table["critic_score"] if direction == "low" else -(table["critic_score"] - np.median(reals.scores)).abs()
    for _, rows in values.groupby(table["p_value"]):
        assert rows.is_monotonic_increasing


def test_what_the_table_says_of_itself_is_said_of_its_outliers_and_clusters(scores: ScoreTable) -> None:
    told = "40 of 1,000 images are looked at here: a sample."
    table = ScoreTable(scores.table.assign(seen=True), {**scores.provenance, "warnings": [told]})
    assert outliers(ScoreTable(table.table, {"warnings": [told]})).warnings[0] == told
    assert cluster_scores(table).warnings[0] == told


def test_held_out_reals_in_the_table_are_not_tested(
    run: Path, critic: Critic, train_set: ImageSet, tmp_path: Path
) -> None:
    table = score(critic, train_set, controls=False)
    kept = read_kept(run, critic.hash)
    more = pd.concat([pd.read_parquet(run / "critic" / "reference.parquet")] * 10)
    shutil.copytree(run, tmp_path / "run")
    more.attrs = {"critic_hash": critic.hash}
    more.to_parquet(tmp_path / "run" / "critic" / "reference.parquet", index=False)
    found = outliers(ScoreTable(table.table, {**table.provenance, "critic_source": str(tmp_path / "run")}))
    assert len(found.table) == len(train_set) - len(kept)
    assert f"{len(kept)} images of the table are the held-out reals" in found.warnings[-1]
