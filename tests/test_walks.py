"""The walks of four users, as the docs tell them, each from a bare folder of JPEGs of differing sizes to the answer."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from gan_probe.estimators import CriticEmbedder, ImageLoader
from gan_probe.images.image_set import ImageSet
from tests.cli.conftest import call, call_json
from tests.cli.test_all import jpegs
from tests.foreign import Dcgan

pytestmark = pytest.mark.slow
SHORT = (
    "--steps",
    "2",
    "--set",
    "n_snapshots=0",
    "--set",
    "held_out=0.3",
    "--network",
    "compact-half",
    "--device",
    "cpu",
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, train_set: ImageSet, few_set: ImageSet) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    jpegs(train_set, folder / "train")
    jpegs(few_set, folder / "test")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    out = tmp_path_factory.mktemp("runs") / "first"
    assert call("train", photos / "train", "-o", out, "--size", 32, *SHORT).exit_code in (0, 5)  # notes.txt is named
    return out


def test_who_trained_a_gan_learns_what_the_critic_tells_apart(photos: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    weights, critic = tmp_path / "weights.pt", tmp_path / "critic"
    torch.save(Dcgan().state_dict(), weights)
    adapted = call(
        "adapt", "tests.foreign:Dcgan", "-o", critic, "--image-shape", "32x32x3", "--weights", weights, "--trust-code"
    )
    assert adapted.exit_code == 0, adapted.stderr
    scored = call("score", critic, photos / "test", "-o", tmp_path / "s.parquet", "--trust-code", "--no-embeddings")
    assert scored.exit_code in (0, 5), scored.stderr
    assert "become squares of 32 pixels, which the critic takes" in scored.stderr
    told = call_json("report", tmp_path / "s.parquet", "-o", tmp_path / "report")
    assert told["metrics"]["n_pairs"] == 6


def test_who_has_few_labels_gets_features_in_a_pipeline(photos: Path, trained: Path, tmp_path: Path) -> None:
    paths = np.array(sorted((photos / "test").rglob("*.jpg")), dtype=object)
    labels = np.array([path.parent.name for path in paths])
    pipeline = make_pipeline(ImageLoader(size_px=32), CriticEmbedder(str(trained)), LogisticRegression(max_iter=50))
    assert pipeline.fit(paths[::2], labels[::2]).score(paths[1::2], labels[1::2]) > 0.25
    few = ("--draws", 2, "--labels", 2, "--classifier", "linear")
    assert call("probe", trained, photos / "test", "-o", tmp_path / "probe", *few).exit_code == 0


def test_who_watches_for_the_unknown_gets_p_values(photos: Path, trained: Path, tmp_path: Path) -> None:
    assert call("score", trained, photos / "test", "-o", tmp_path / "s.parquet", "--no-embeddings").exit_code == 0
    found = call_json("outliers", tmp_path / "s.parquet", "-o", tmp_path / "outliers.csv")
    assert found["status"] == "ok", str(found)[:900]
    assert found["metrics"]["n_images"] + found["metrics"]["n_reference"] >= 32


def test_who_teaches_gets_one_page(photos: Path, tmp_path: Path) -> None:
    record = call_json("all", photos / "train", photos / "test", "-o", tmp_path / "out", "--steps", 2)
    assert record["status"] in ("ok", "skipped"), record
    page = Path(str(record["outputs"]["report"]))
    assert page.is_file()
    assert "http" not in page.read_text().split("</head>")[0].replace("http-equiv", "")
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["verdict"] == record["metrics"]["verdict"]
