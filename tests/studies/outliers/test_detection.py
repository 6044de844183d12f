"""The whole way on a real critic: reals, data, detectors, controls, and what is refused."""

import copy
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gan_probe.critics.critic import Critic
from gan_probe.critics.ensemble import EnsembleCritic
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import ImageSet, from_synthetic
from gan_probe.report.outliers import PAGE
from gan_probe.stats.novelty import DETECTORS
from gan_probe.studies.outliers.choice import choose_detectors
from gan_probe.studies.outliers.detection import CANDIDATES, CHOSEN, NOT_CHOSEN, _split, detect_outliers
from gan_probe.studies.outliers.result import OutlierResult
from synthetic import make_dataset
from tests.conftest import small_spec


@pytest.fixture(scope="module")
def reals() -> ImageSet:
    return from_synthetic(make_dataset(small_spec("article-train", 30), seed=4))


@pytest.fixture(scope="module")
def found(critic: Critic, few_set: ImageSet, reals: ImageSet) -> OutlierResult:
    return detect_outliers(critic, few_set, reals)


def test_detectors_are_chosen_without_the_data_and_stand_beside_controls(
    found: OutlierResult, few_set: ImageSet, reals: ImageSet
) -> None:
    novelty = found.novelty
    assert novelty is not None
    assert novelty.how == CHOSEN
    assert set(novelty.names) == {row["detector"] for row in novelty.choice if row["used"]}
    best = max(novelty.choice, key=lambda row: row["made_up"])
    assert best["used"]
    not_behind = {row["detector"] for row in novelty.choice if row["behind_low"] <= 0}
    assert set(novelty.names) in ({best["detector"]}, not_behind | {best["detector"]})
    assert (novelty.n_fitted, found.n_reference) == (30, 30)
    of = {kind: {row["name"] for row in novelty.compared if row["of"] == kind} for kind in ("critic", "control")}
    assert {"score-low", "score-two-sided", "nearest-quadrants", "mahalanobis-mean"} <= of["critic"]
    assert of["control"] == {"random_init", "pixels", "hog", "kmeans_patches"}
    assert found.advantage is not None
    assert found.metrics().over_best_control == pytest.approx(found.auroc - found.advantage.best)
    assert found.auroc > 0.9  # shapes that differ in form and noise
    assert len(found.table) == len(few_set)
    text = " ".join(found.findings())
    assert "are unlike the training data by" in text
    assert "a random half (30) calibrates" in found.warnings[0]
    assert "no p-value is below 0.032" in found.warnings[1]


def test_the_strangest_stand_beside_the_reals_that_are_nearest(
    found: OutlierResult, critic: Critic, few_set: ImageSet, reals: ImageSet
) -> None:
    assert found.novelty is not None
    pictures, rows = found.novelty.pictures, found.novelty.strangest
    assert pictures is not None
    assert pictures.shape[:2] == (len(rows), 4)
    by_id = dict(zip(few_set.table["sample_id"], few_set.images, strict=True))
    known = dict(zip(reals.table["sample_id"], reals.images, strict=True))
    for row, images in zip(rows, pictures, strict=True):
        assert row["sample_id"] == found.table["sample_id"].iloc[row["place"]]
        assert (images[0] == by_id[row["sample_id"]]).all()
        assert all((image == known[name]).all() for image, name in zip(images[1:], row["nearest"], strict=True))
        assert row["layer"] in {*critic.config.layers, "score", "slope"}


@pytest.mark.slow
def test_the_page_shows_pictures_detectors_and_how_they_were_chosen(found: OutlierResult, tmp_path: Path) -> None:
    page = found.save(tmp_path / "page")
    html = page.read_text(encoding="utf-8")
    for words in (
        "The strangest images",
        "How detectors were chosen",
        "Every detector, and the controls",
        "pasted patch",
    ):
        assert words in html
    assert {path.stem for path in (tmp_path / "page" / "figures").glob("*.png")} == {"strangest", "scores", "detectors"}
    assert PAGE.tables(found)[0].name == "classes"


def test_training_data_as_reals_is_calibrated_by_what_the_training_held_out(
    run: Path, critic: Critic, few_set: ImageSet, train_set: ImageSet, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="its training held out 4 of them; 10 are needed to calibrate"):
        detect_outliers(critic, few_set, train_set)
    more = from_synthetic(make_dataset(small_spec("article-train", 60)))
    kept = Critic.load(Path(shutil.copytree(run, tmp_path / "run")))
    table_file = tmp_path / "run" / "critic" / "reference.parquet"
    table = pd.read_parquet(table_file)
    chosen = more.table["sample_id"].iloc[5:85:5]
    held = pd.DataFrame({"sample_id": chosen.to_list(), "critic_score": 0.0})
    held.attrs = table.attrs
    held.to_parquet(table_file, index=False)
    found = detect_outliers(kept, few_set, more, detector="score-low", controls=False)
    assert found.n_reference == len(chosen)
    assert found.novelty is not None
    assert found.novelty.n_fitted == len(more) - len(chosen)
    assert found.novelty.how == NOT_CHOSEN
    assert found.advantage is not None
    assert found.advantage.use is None
    assert "Whether it is useful cannot be known" in " ".join(found.findings())


def test_without_layers_the_score_remains_and_it_is_said(critic: Critic, few_set: ImageSet, reals: ImageSet) -> None:
    bare = Critic(critic.module, replace(critic.config, layers=(), layer_sizes=()))
    found = detect_outliers(bare, few_set, reals, controls=False)
    assert found.novelty is not None
    assert set(found.novelty.names) <= {"score-low", "score-two-sided", "slope"}
    assert any("shows no layers" in line for line in found.warnings)
    with pytest.raises(InputError, match="needs 'mean' of each image, and there is none"):
        detect_outliers(bare, few_set, reals, detector="nearest-mean")


def test_a_critic_whose_score_nothing_taught_says_so(critic: Critic, few_set: ImageSet, reals: ImageSet) -> None:
    alone = Critic(critic.module, replace(critic.config, auxiliary="rotation", without_generator=True))
    found = detect_outliers(alone, few_set, reals, detector="score-low", controls=False)
    assert any("nothing taught its score" in line for line in found.warnings)


def test_members_of_an_ensemble_that_disagree_are_a_detector_and_one_critic_has_none(
    runs: list[Path], critic: Critic, train_set: ImageSet, few_set: ImageSet, reals: ImageSet
) -> None:
    members = {run.name: Critic.load(run) for run in runs}
    ensemble = EnsembleCritic.fit(members, train_set)
    found = detect_outliers(ensemble, few_set, reals, detector="uncertainty", controls=False)
    assert found.novelty is not None
    assert {"uncertainty", "nearest-quadrants", "slope"} <= {row["name"] for row in found.novelty.compared}
    _, spread = ensemble.score_with_uncertainty(few_set.images)
    of = dict(zip(few_set.table["sample_id"], spread, strict=True))
    np.testing.assert_allclose(found.table["unlike"], [of[name] for name in found.table["sample_id"]], rtol=1e-4)
    with pytest.raises(InputError, match="needs 'uncertainty' of each image, and there is none"):
        detect_outliers(critic, few_set, reals, detector="uncertainty")


def test_scores_that_are_no_numbers_are_refused(critic: Critic, few_set: ImageSet, reals: ImageSet) -> None:
    broken = Critic(copy.deepcopy(critic.module), critic.config)
    next(iter(broken.module.parameters())).data.fill_(float("nan"))
    with pytest.raises(InputError, match=r"are not finite numbers: the critic's training diverged"):
        detect_outliers(broken, few_set, reals, detector="score-low", controls=False)


def test_one_class_and_no_labels_are_judged_too(critic: Critic, few_set: ImageSet, reals: ImageSet) -> None:
    bare = replace(few_set, table=few_set.table[["sample_id", "path"]])
    one = reals.take(reals.table["label"].eq(reals.table["label"].iloc[0]).to_numpy())
    found = detect_outliers(critic, bare, one, detector="mahalanobis-quadrants")
    assert np.isnan(found.auroc)
    assert found.detections == []
    assert any("cannot be known" in line for line in found.findings())
    with pytest.raises(InputError, match="at least two classes, with their labels"):
        detect_outliers(critic, few_set, one, detector="relative-quadrants")


def test_what_cannot_be_judged_is_refused(critic: Critic, few_set: ImageSet, reals: ImageSet) -> None:
    with pytest.raises(InputError, match="10 to fit a detector and 10 others to calibrate it, at least; got 19"):
        detect_outliers(critic, few_set, reals.take(np.arange(19)))
    with pytest.raises(InputError, match="of the 32 images are among the reals, pixel by pixel"):
        detect_outliers(critic, few_set, few_set)
    large = from_synthetic(make_dataset(replace(small_spec("article-test", 2), size_px=64)))
    with pytest.raises(InputError, match=r"takes uint8 images of 32x32x3.*Resize with --size 32"):
        detect_outliers(critic, large, reals)
    with pytest.raises(ConfigError, match="mahalanobis-mean"):
        detect_outliers(critic, few_set, reals, detector="mahalanobis-means")
    flat = replace(reals, images=np.full_like(reals.images, 200))
    with pytest.raises(InputError, match="the same features in every real image"):
        detect_outliers(critic, few_set, flat, detector="nearest-mean")


def test_a_choice_needs_twenty_reals_and_says_what_it_left_out(reals: ImageSet) -> None:
    def view(images: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
        return {("mean", "a"): images[:, 16].reshape(len(images), -1).astype(np.float64)}

    with pytest.raises(InputError, match="takes 20 reals, got 12"):
        choose_detectors(view, reals.images[:12], None, candidates=CANDIDATES)
    rows = (DETECTORS["nearest-mean"], DETECTORS["nearest-quadrants"])
    choice = choose_detectors(view, reals.images, None, candidates=rows)
    assert [row.name for row in choice.used] == ["nearest-mean"]
    assert "nearest-quadrants is left out" in choice.notes[0]
    with pytest.raises(InputError, match="no detector can be fitted"):
        choose_detectors(view, reals.images, None, candidates=rows[1:])


@pytest.mark.parametrize(
    ("n", "is_noise", "used"), [(24, False, {"nearest-mean", "nearest-quadrants"}), (20, True, {"nearest-mean"})]
)
def test_detectors_are_combined_only_where_that_is_better(
    reals: ImageSet, n: int, is_noise: bool, used: set[str]
) -> None:
    """Two halves of an image tell more than one; half an image and noise do not, though noise is not surely behind."""

    def view(images: Any) -> dict[Any, Any]:
        small = images[:, ::4, ::4, 0].astype(np.float64)
        upper, lower = (half.mean((1, 2))[:, None] for half in np.split(small, 2, axis=1))
        drawn = np.random.default_rng(0).normal(size=(len(images), 8))
        return {("mean", "a"): upper, ("quadrants", "a"): drawn if is_noise else lower}

    rows = (DETECTORS["nearest-mean"], DETECTORS["nearest-quadrants"])
    choice = choose_detectors(view, reals.images[:n], None, candidates=rows)
    assert all(row["behind_low"] <= 0 for row in choice.rows)
    assert {row.name for row in choice.used} == used


def test_copies_of_a_real_lie_on_one_side(critic: Critic, reals: ImageSet) -> None:
    doubled = reals.take(np.repeat(np.arange(len(reals)), 2))
    fitted, calibrating, _ = _split(critic, doubled, 0)
    assert len(fitted) == len(calibrating) == len(reals)
    assert not set(fitted.table["sample_id"]) & set(calibrating.table["sample_id"])
