"""The estimators as their users meet them: pipelines, searches, caches, files."""

import io
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io as skops
from PIL import Image
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError, InputError
from gan_probe.estimators import CriticEmbedder, CriticNovelty, CriticScorer, ImageLoader
from gan_probe.images.image_set import ImageSet
from synthetic import make_dataset
from tests.conftest import small_spec


@pytest.fixture(scope="module")
def X(test_set: ImageSet) -> np.ndarray:
    return test_set.images.reshape(len(test_set), -1)


@pytest.fixture(scope="module")
def y(test_set: ImageSet) -> np.ndarray:
    return test_set.table["factor.shape"].to_numpy()


def test_the_embedder_gives_the_critic_s_own_features(
    run: Path, critic: Critic, test_set: ImageSet, X: np.ndarray
) -> None:
    embedder = CriticEmbedder(str(run)).fit(X)
    assert np.allclose(embedder.transform(X), critic.embed(test_set.images), atol=1e-5)
    assert np.allclose(embedder.transform(test_set.images), embedder.transform(X))
    assert CriticEmbedder(str(run), layers=["stem"], pooling="grid4").fit_transform(X).shape == (80, 32 * 16)


def test_the_scorer_gives_the_critic_s_own_scores(run: Path, critic: Critic, test_set: ImageSet, X: np.ndarray) -> None:
    scores = CriticScorer(str(run)).fit_transform(X)
    assert scores.shape == (80, 1)
    assert np.allclose(scores.ravel(), critic.score(test_set.images), atol=1e-5)


def test_value_ranges_are_the_user_s_to_state(run: Path, X: np.ndarray) -> None:
    bytes_ = CriticScorer(str(run)).fit_transform(X)
    unit = CriticScorer(str(run), value_range=(0, 1)).fit_transform(X.astype(np.float32) / 255)
    assert np.allclose(unit, bytes_, atol=1e-4)


@pytest.mark.slow
def test_a_pipeline_learns_cross_validates_in_two_processes_and_searches(
    run: Path, X: np.ndarray, y: np.ndarray
) -> None:
    model = make_pipeline(CriticEmbedder(str(run)), StandardScaler(), LogisticRegression())
    assert cross_val_score(model, X, y, cv=2, n_jobs=2).mean() > 0.8
    grid = {"criticembedder__layers": [["stem"], ["blocks.0", "blocks.1"]], "criticembedder__pooling": ["mean", "max"]}
    search = GridSearchCV(model, grid, cv=2).fit(X, y)
    assert search.best_params_["criticembedder__pooling"] in ("mean", "max")


def test_threads_do_not_see_each_other_s_features(run: Path, X: np.ndarray) -> None:
    """Eight copies of one estimator share a network; each gets the features of its own rows."""
    embedders = [CriticEmbedder(str(run), batch_size=4).fit(X) for _ in range(8)]
    parts = [X[k : k + 40] for k in range(8)]
    expected = [embedders[0].transform(part) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            found = list(pool.map(lambda pair: pair[0].transform(pair[1]), zip(embedders, parts, strict=True)))
            assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_fitted_estimators_pickle_clone_hash_and_cache(run: Path, X: np.ndarray, tmp_path: Path) -> None:
    embedder = CriticEmbedder(str(run), n_components=3).fit(X)
    expected = embedder.transform(X)
    hash_before = joblib.hash(embedder)
    again = pickle.loads(pickle.dumps(embedder))
    assert np.array_equal(again.transform(X), expected)
    assert joblib.hash(embedder) == hash_before == joblib.hash(again)
    assert np.allclose(clone(embedder).fit(X).transform(X), expected)
    cached = make_pipeline(CriticEmbedder(str(run)), StandardScaler(), memory=str(tmp_path))
    first = cached.fit_transform(X)
    assert np.array_equal(cached.fit_transform(X), first)
    assert list(tmp_path.rglob("*.pkl"))


def test_skops_saves_without_pickle(run: Path, X: np.ndarray) -> None:
    embedder = CriticEmbedder(str(run)).fit(X)
    stored = skops.dumps(embedder)
    again = skops.loads(stored, trusted=skops.get_untrusted_types(data=stored))
    assert np.array_equal(again.transform(X), embedder.transform(X))


def test_the_model_outlives_the_run_folder(run: Path, X: np.ndarray, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "critic"
    shutil.copytree(run / "critic", copy)
    scorer = CriticScorer(str(copy)).fit(X)
    expected = scorer.transform(X)
    shutil.rmtree(copy)
    assert np.array_equal(pickle.loads(pickle.dumps(scorer)).transform(X), expected)


def test_pandas_output_and_names(run: Path, X: np.ndarray) -> None:
    frame = CriticEmbedder(str(run), n_components=2).set_output(transform="pandas").fit_transform(X)
    assert list(frame.columns) == ["criticembedder0", "criticembedder1"]


def test_images_and_tabular_columns_mix(run: Path, test_set: ImageSet, y: np.ndarray, tmp_path: Path) -> None:
    paths = []
    for i, image in enumerate(test_set.images):
        paths.append(str(tmp_path / f"{i}.png"))
        Image.fromarray(image).save(paths[-1])
    table = pd.DataFrame({"picture": paths, "noise": test_set.table["factor.noise"]})
    mixed = ColumnTransformer([
        ("image", make_pipeline(ImageLoader(), CriticEmbedder(str(run))), ["picture"]),
        ("number", StandardScaler(), ["noise"]),
    ])  # fmt: skip
    model = make_pipeline(mixed, StandardScaler(), LogisticRegression()).fit(table, y)
    assert model.score(table, y) > 0.9


def test_novelty_keeps_its_rate_of_false_alarms(run: Path, train_set: ImageSet) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 32 * 32 * 3), dtype=np.uint8)
    real = train_set.images.reshape(len(train_set), -1)
    detector = CriticNovelty(str(run), false_alarm_rate=0.1).fit(real[:20])
    assert (detector.predict(real[:20]) == -1).mean() <= 0.1
    assert (detector.predict(noise) == -1).all()
    assert np.array_equal(detector.decision_function(real), detector.score_samples(real) - detector.offset_)
    strict = CriticNovelty(str(run), false_alarm_rate=0.01).fit(real[:20])
    assert (strict.predict(real[:20]) == 1).all()
    assert detector.guaranteed_rate_ == pytest.approx(2 / 21)
    assert strict.guaranteed_rate_ == pytest.approx(1 / 21)  # twenty rows cannot promise 0.01


@pytest.mark.parametrize("name", ["score-two-sided", "nearest-mean", "mahalanobis-quadrants", "relative-quadrants"])
def test_detectors_of_layers_keep_the_rate_and_find_noise(run: Path, name: str) -> None:
    data = make_dataset(small_spec("article-train", 40), seed=3)
    real, y = data.images.reshape(80, -1), data.table["label"].to_numpy(str)
    new = make_dataset(small_spec("article-train", 40), seed=4).images.reshape(80, -1)
    noise = np.random.default_rng(0).integers(0, 256, (10, 32 * 32 * 3), dtype=np.uint8)
    detector = CriticNovelty(str(run), detector=name, false_alarm_rate=0.1).fit(real, y)
    assert (detector.detector_, detector.n_calibration_) == (name, 40)
    assert detector.guaranteed_rate_ == pytest.approx(4 / 41)
    assert (detector.predict(new) == -1).mean() < 0.3
    if name != "score-two-sided":
        assert (detector.predict(noise) == -1).all()
    again = pickle.loads(pickle.dumps(detector))
    assert again.score_samples(new).tolist() == detector.score_samples(new).tolist()
    np.testing.assert_allclose(detector.score_samples(new[:1]), detector.score_samples(new)[:1], rtol=1e-3, atol=1e-4)


def test_which_detector_is_used_follows_from_the_rows_and_is_said(run: Path, train_set: ImageSet) -> None:
    rows = train_set.images.reshape(len(train_set), -1)
    few, many = (CriticNovelty(str(run)).fit(rows[:n]) for n in (39, 40))
    assert (few.detector_, few.n_calibration_) == ("score-low", 39)
    assert (many.detector_, many.n_calibration_) == ("mahalanobis-quadrants", 20)
    with pytest.raises(InputError, match="takes 20 rows at least, .* got 19 samples"):
        CriticNovelty(str(run), detector="nearest-mean").fit(rows[:19])
    with pytest.raises(ConfigError, match="nearest-mean"):
        CriticNovelty(str(run), detector="nearest-means").fit(rows)
    with pytest.raises(InputError, match="at least two classes, with their labels"):
        CriticNovelty(str(run), detector="relative-quadrants").fit(rows)


def test_without_a_critic_one_is_built_seeded_and_random_init(X: np.ndarray) -> None:
    a, b, c = (CriticScorer(random_state=s).fit(X) for s in (0, 0, 1))
    assert a.critic_hash_ == b.critic_hash_ != c.critic_hash_
    assert a.config_.image_shape == (32, 32, 3)
    assert a.config_.run_id == "random_init"


def test_paths_bytes_and_pictures_are_loaded_alike(test_set: ImageSet, tmp_path: Path) -> None:
    picture = Image.fromarray(test_set.images[0])
    picture.save(tmp_path / "a.png")
    mixed = [tmp_path / "a.png", str(tmp_path / "a.png"), (tmp_path / "a.png").read_bytes(), picture]
    rows = ImageLoader().fit_transform(mixed)
    assert rows.dtype == np.uint8
    assert all(np.array_equal(row, test_set.images[0].ravel()) for row in rows)
    assert ImageLoader(size_px=16, n_channels=1).fit_transform(mixed).shape == (4, 256)
    assert ImageLoader().fit(mixed).image_shape_ == (32, 32, 3)
    assert list(ImageLoader(size_px=4, n_channels=1).fit(mixed).get_feature_names_out()[:2]) == ["pixel0", "pixel1"]


def test_bad_parameters_and_inputs_are_named(run: Path, X: np.ndarray, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (9, 9)).save(buffer, format="PNG")
    cases = [
        (lambda: CriticEmbedder(str(tmp_path)).fit(X), InputError, "is not a run folder"),
        (lambda: CriticEmbedder(str(run), layers=["stm"]).fit(X), ConfigError, "Did you mean 'stem'"),
        (lambda: CriticEmbedder(str(run), layers=[]).fit(X), ConfigError, "layers is empty"),
        (lambda: CriticEmbedder(str(run), pooling="men").fit(X), ConfigError, "Did you mean 'mean'"),
        (lambda: CriticEmbedder(str(run), n_components=500).fit(X), ConfigError, "n_components must be from 1 to 80"),
        (lambda: CriticEmbedder(str(run), batch_size=0).fit(X), ConfigError, "batch_size must be an integer"),
        (lambda: CriticScorer(str(run), value_range=(1, 0)).fit(X), ConfigError, "black < white"),
        (lambda: CriticScorer(str(run)).fit(X[:, :100]), InputError, "takes rows of 3072 values .* got 100"),
        (lambda: CriticScorer(network="compat").fit(X), ConfigError, "Did you mean 'compact'"),
        (lambda: CriticScorer().fit(np.zeros((1, 70_000))), InputError, "longer than the largest image"),
        (lambda: CriticNovelty(str(run), false_alarm_rate=0.9).fit(X), ConfigError, "above 0 and at most 0.5"),
        (lambda: CriticScorer().fit(np.zeros((3, 784))), InputError, "images of 28x28x1, .* choose network='mlp'"),
        (lambda: CriticScorer().fit(np.zeros((3, 1200))), InputError, r"images of 20x20x3, .* Resize with ImageLoader"),
        (lambda: ImageLoader().fit(["nowhere.png"]), InputError, "'nowhere.png' is not the path of a file"),
        (lambda: ImageLoader().fit([b"no image"]), InputError, "not a readable image"),
        (lambda: ImageLoader(n_channels=2).fit(X), InputError, "n_channels must be 1 or 3"),
        (lambda: ImageLoader().fit_transform([Image.new("RGB", (8, 8)), buffer.getvalue()]), InputError, "size_px"),
    ]  # fmt: skip
    for action, kind, message in cases:
        with pytest.raises(kind, match=message):
            action()
