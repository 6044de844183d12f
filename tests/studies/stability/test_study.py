from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gan_probe.config import TrainConfig
from gan_probe.critics.critic import Critic
from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet, from_synthetic
from gan_probe.images.nulls import scrambled
from gan_probe.report.stability import embeddings
from gan_probe.scoring.score import score
from gan_probe.stats.agreement import agreement_with_others
from gan_probe.stats.alignment import ALIGNMENTS
from gan_probe.stats.similarity import MEASURES
from gan_probe.stats.splits import halves
from gan_probe.studies.stability.calibrations import CALIBRATIONS
from gan_probe.studies.stability.result import StabilityResult
from gan_probe.studies.stability.study import (
    RANDOM_CRITICS,
    TRAINED,
    agreed_snapshots,
    at_step,
    seen_rows,
    stability,
    stability_of_scores,
    with_nulls,
)
from gan_probe.training import RunFolder
from synthetic import make_dataset
from tests.conftest import small_spec

SEEN = ("square_0.7+_n0.03", "circle_0.85-_n0.03")


@pytest.fixture(scope="module")
def data() -> ImageSet:
    """Two seen classes and two others."""
    images = from_synthetic(make_dataset(small_spec("article-test", 12)))
    return images.take(images.table["label"].isin(images.table["label"].unique()[:4]).to_numpy())


@pytest.fixture(scope="module")
def critics() -> dict[str, Critic]:
    """Three critics that say they were trained on two of the classes."""
    found = {f"seed-{seed}": Critic.from_network("compact", (32, 32, 3), seed=seed) for seed in range(3)}
    for critic in found.values():
        critic.config = replace(critic.config, training_classes=SEEN, run_id="r")
    return found


@pytest.fixture(scope="module")
def result(critics: dict[str, Critic], data: ImageSet) -> StabilityResult:
    return stability(critics, data, nulls=True)


def test_everything_is_asked_of_runs_and_of_random_init_critics(result: StabilityResult) -> None:
    assert [level.alignment for level in result.levels] == [*ALIGNMENTS, *CALIBRATIONS]
    assert set(result.others) == {RANDOM_CRITICS, "image statistics regressed out"}
    assert all(len(levels) == len(result.levels) for levels in result.others.values())
    measured = [*MEASURES, "clusters of scores", "clusters of embeddings"]
    assert {name: [s.measure for s in pairs] for name, pairs in result.similarities.items()} == {
        TRAINED: measured,
        RANDOM_CRITICS: measured,
    }
    assert result.warnings == []
    assert result.beside_random is not None
    assert any("training added agreement: " in line for line in result.findings())  # critics of no step: not shown
    assert any("with these regressed out" in line or "With image statistics" in line for line in result.findings())
    assert any(line.startswith("Two trained critics, mean over all pairs: Procrustes") for line in result.findings())


def test_of_scores_that_are_there_the_same_comes_out(critics: dict[str, Critic], data: ImageSet) -> None:
    """Nothing is scored again; the random controls are those beside the first table, the same for all of them."""
    tables = {name: score(critic, data, pooling="mean") for name, critic in critics.items()}
    found, direct = stability_of_scores(tables), stability(critics, data, controls=False)
    assert [level.reproducible for level in found.levels] == [level.reproducible for level in direct.levels]
    assert found.agreement == direct.agreement
    assert found.panel.equals(direct.panel)
    assert [s.value for s in found.similarities[TRAINED]] == [s.value for s in direct.similarities[TRAINED]]
    assert set(found.others) == {RANDOM_CRITICS, "image statistics regressed out"}
    assert found.beside_random is not None
    assert found.explained is not None
    fourth = Critic.from_network("compact", (32, 32, 3), seed=3)
    more = stability_of_scores({**tables, "seed-3": score(fourth, data, pooling="mean")})
    assert any(
        "stand beside 3 of the 4 trainings" in w and "that of seed-0, seed-1, seed-2." in w for w in more.warnings
    )
    few = np.concatenate([np.flatnonzero(data.table["label"] == name)[:4] for name in data.table["label"].unique()[:2]])
    small = {name: replace(table, table=table.without_embeddings().iloc[few].reset_index(drop=True))
             for name, table in tables.items()}  # fmt: skip
    unfit = stability_of_scores(small)
    assert any("embeddings and clusters are not compared: there are no embeddings" in w for w in unfit.warnings)
    assert embeddings(unfit) is None
    bare = {name: replace(table, table=table.without_embeddings()[["sample_id", "label", "critic_score"]])
            for name, table in tables.items()}  # fmt: skip
    alone = stability_of_scores(bare)
    assert alone.metrics().added == "unknown"
    assert any("fewer than three beside them" in warning for warning in alone.warnings)
    assert any("embeddings are not compared" in warning for warning in alone.warnings)
    with pytest.raises(InputError, match="seed-0 and again are the same critic"):
        stability_of_scores({**bare, "again": bare["seed-0"]})
    with pytest.raises(InputError, match="have no labels"):
        stability_of_scores({n: replace(t, table=t.table.drop(columns="label")) for n, t in bare.items()})


def test_the_panel_says_which_images_were_used_for_what(result: StabilityResult, data: ImageSet) -> None:
    record = result.panel_record()
    assert record["n_fitted"] + record["n_reported"] == len(result.panel) == 88
    assert record["classes"] == sorted({*data.table["label"], "null"})
    assert record["fingerprint"] == with_nulls(data).fingerprint != data.fingerprint
    halves = result.panel.groupby("label")["half"].value_counts()
    assert set(halves.xs("fit", level=1)) == set(halves.xs("report", level=1)) == {6, 20}


def test_runs_trained_on_nothing_known_have_no_calibrated_levels(critics: dict[str, Critic], data: ImageSet) -> None:
    blind = {name: Critic.from_network("compact", (32, 32, 3), seed=i) for i, name in enumerate(critics)}
    bare = replace(data, table=data.table.drop(columns="seen"))
    found = stability(blind, bare, controls=False)
    assert [level.alignment for level in found.levels] == list(ALIGNMENTS)
    assert len(found.warnings) == 2
    assert found.warnings[1].startswith(
        "the alignment level 'conformal' is left out: it needs 10 images of seen classes"
    )
    assert found.others == {}
    assert set(found.similarities) == {TRAINED}


def test_data_that_says_what_was_seen_stands_in_for_critics_that_do_not(
    critics: dict[str, Critic], data: ImageSet
) -> None:
    blind = {"blind": Critic.from_network("compact", (32, 32, 3))}
    swapped = data.table.assign(seen=~data.table["seen"].astype(bool))
    trained_on = data.table["label"].isin(SEEN).to_numpy()
    np.testing.assert_array_equal(seen_rows(critics, swapped), trained_on)  # the critics know better
    np.testing.assert_array_equal(seen_rows(critics | blind, swapped), ~trained_on)
    assert seen_rows(blind, data.table.drop(columns="seen")) is None


def test_what_not_every_run_has_is_not_compared(critics: dict[str, Critic], data: ImageSet) -> None:
    """A fourth run that shows no layers and was trained on something else."""
    other = Critic.from_network("compact", (32, 32, 3), seed=9)
    other.config = replace(other.config, layers=(), training_classes=("something else",))
    found = stability(critics | {"other": other}, data, controls=False)
    assert any("Whether the training added agreement cannot be known" in line for line in found.findings())
    assert "embeddings are not compared: not every critic shows its layers." in found.warnings
    assert [s.measure for s in found.similarities[TRAINED]] == ["clusters of scores"]
    assert any("there are 0. Score images of the classes that" in warning for warning in found.warnings)


def test_data_without_labels_is_refused(critics: dict[str, Critic], data: ImageSet) -> None:
    with pytest.raises(InputError, match="has no labels; stability is about classes"):
        stability(critics, replace(data, table=data.table.drop(columns="label")))


def test_nulls_keep_what_their_kind_keeps(data: ImageSet) -> None:
    nulls = with_nulls(data, seed=4)
    added = nulls.take(nulls.table["label"].eq("null").to_numpy())
    kinds = added.table["path"].str.split("#").str[0]
    assert kinds.value_counts().to_dict() == {"blank": 10, "noise": 10, "shuffled": 10, "scrambled": 10}
    of = {kind: added.images[(kinds == kind).to_numpy()] for kind in kinds.unique()}
    assert (of["blank"].std((1, 2)) == 0).all()
    assert len(np.unique(of["blank"][:, 0, 0], axis=0)) > 1
    np.testing.assert_allclose(of["shuffled"].mean((1, 2)), of["blank"][:, 0, 0], atol=0.5)
    assert abs(float(of["noise"].mean()) - 127.5) < 2
    assert with_nulls(data, seed=4).fingerprint == nulls.fingerprint != with_nulls(data, seed=5).fingerprint
    with pytest.raises(InputError, match="has a class 'null' already; rename it, or leave --nulls away"):
        with_nulls(nulls)


def test_scrambled_images_have_the_spectrum_and_the_mean_of_the_image() -> None:
    rng = np.random.default_rng(0)
    images = (128 + 20 * rng.normal(size=(3, 32, 32, 3))).clip(0, 255).astype(np.uint8)  # nothing is clipped
    found = scrambled(images, np.random.default_rng(1))
    before, after = (np.abs(np.fft.fft2(x.astype(float), axes=(1, 2))) for x in (images, found))
    np.testing.assert_allclose(after, before, atol=60)  # rounding to whole numbers, over 1024 pixels
    np.testing.assert_allclose(found.mean((1, 2)), images.mean((1, 2)), atol=0.1)
    assert np.corrcoef(found.ravel().astype(float), images.ravel().astype(float))[0, 1] < 0.1


def test_snapshots_are_found_by_their_step_and_keep_the_names_of_their_runs(
    critics: dict[str, Critic], tmp_path: Path
) -> None:
    for name, critic in critics.items():
        for step in (0, 40) if name == "seed-2" else (0, 7, 40):
            critic.save(tmp_path / name / "snapshots" / f"step-{step:06d}")
    runs = {name: tmp_path / name for name in critics}
    assert at_step(runs, 40) == {name: tmp_path / name / "snapshots" / "step-000040" for name in critics}
    with pytest.raises(InputError, match=r"seed-2 has no snapshot of step 7\. Steps that all runs have: 0, 40\."):
        at_step(runs, 7)
    with pytest.raises(InputError, match=r"has no snapshot of step 7\. The runs have no step in common"):
        at_step(runs | {"other": tmp_path}, 7)


@pytest.mark.slow
def test_two_trainings_are_compared_run_by_run(critics: dict[str, Critic], data: ImageSet) -> None:
    others = {name: Critic.from_network("compact", (32, 32, 3), seed=10 + i) for i, name in enumerate(critics)}
    found = stability(critics, data, against=others, controls=False)
    assert [c.of for c in found.comparisons] == ["raw", "affine", "affine, image statistics regressed out"]
    assert found.metrics().against["affine"]["difference"] == found.comparisons[1].difference
    assert sum(line.startswith("Against the other training, ") for line in found.findings()) == 3
    assert found.metrics().typical_run == max(found.agreement, key=lambda name: found.agreement[name])
    with pytest.raises(InputError, match=r"the same runs, by name.*only one of them has seed-2, third"):
        stability(critics, data, against={**dict(list(others.items())[:2]), "third": others["seed-2"]})
    with pytest.raises(InputError, match="both trainings have the same critic seed-1"):
        stability(critics, data, against=others | {"seed-1": critics["seed-1"]})


@pytest.mark.slow
def test_a_pair_is_left_out_where_either_diverged(data: ImageSet) -> None:
    here, there = (
        {str(i): Critic.from_network("compact", (32, 32, 3), seed=first + i) for i in range(5)} for first in (20, 30)
    )
    there["1"].module.head.weight.data.fill_(float("nan"))
    here["4"].module.head.weight.data.fill_(float("nan"))
    found = stability(here, data, against=there, controls=False, skip_diverged=True)
    assert found.runs == ("0", "1", "2", "3")
    assert found.comparisons[0].of == "raw"
    assert {"1 diverged and is left out.", "4 diverged and is left out."} <= set(found.warnings)
    with pytest.raises(InputError, match="1 diverged"):
        stability(
            {k: v for k, v in here.items() if k != "4"}, data, against={k: v for k, v in there.items() if k != "4"}
        )


def test_the_snapshot_that_agrees_with_the_others_is_chosen_without_labels(
    critics: dict[str, Critic], data: ImageSet, tmp_path: Path
) -> None:
    """Each run's snapshot of step 60 is nearly one and the same critic; the others are their own."""
    common = Critic.from_network("compact", (32, 32, 3), seed=50)
    for name, critic in critics.items():
        for step in (10, 40, 80):
            critic.save(tmp_path / name / "snapshots" / f"step-{step:06d}")
        common.save(tmp_path / name / "snapshots" / "step-000060")
    runs = {name: tmp_path / name for name in critics}
    for run in runs.values():
        RunFolder(run).write_config(TrainConfig(steps=80), {}, {})
    found = agreed_snapshots(runs, data)
    assert {path.name for path in found.values()} <= {"step-000040", "step-000060", "step-000080"}
    fit = halves(data.table["label"].to_numpy())

    def agreement(paths: list[Path]) -> float:
        return float(agreement_with_others(np.stack([Critic.load(p).score(data.images[fit]) for p in paths])).mean())

    last = [tmp_path / name / "snapshots" / "step-000080" for name in critics]
    assert agreement(list(found.values())) >= agreement(last)
    flat = next(iter(runs))  # its last snapshot diverged: the others choose as if it were not there
    broken = Critic.load(runs[flat] / "snapshots" / "step-000080")
    for weight in broken.module.parameters():
        weight.data.fill_(np.nan)
    broken.save(runs[flat] / "snapshots" / "step-000080", overwrite=True)
    told: list[str] = []
    again = agreed_snapshots(runs, data, warn=told.append)
    assert [f"snapshots of {flat} are passed over" in line for line in told] == [True]
    assert told[0].endswith(": step-000080.")
    assert again[flat].name in ("step-000040", "step-000060")
    assert agreement(list(again.values())) >= agreement(last[1:])
    with pytest.raises(InputError, match="at least two"):
        agreed_snapshots({"seed-0": runs["seed-0"]}, data)
    with pytest.raises(InputError, match="none is not a run folder"):
        agreed_snapshots({**runs, "none": tmp_path / "none"}, data)
    RunFolder(runs["seed-0"]).write_config(TrainConfig(steps=800), {}, {})  # cut off early
    with pytest.raises(InputError, match="no snapshots from step 400 on. Train with --set late_snapshots=5"):
        agreed_snapshots(runs, data)
