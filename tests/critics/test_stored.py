import pickle
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from gan_probe.cli import app
from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError, InputError
from gan_probe.estimators import CriticClassifier, CriticEmbedder, CriticScorer
from gan_probe.images.image_set import ImageSet
from gan_probe.scoring.score import score
from gan_probe.scoring.table import read_scores
from gan_probe.studies.check.study import check_critic
from gan_probe.studies.probe.study import probe
from tests import foreign
from tests.conftest import made_once

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
SHAPE = (32, 32, 3)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two discriminators as ONNX (one for any batch, one for single images) and as TorchScript."""

    def make(folder: Path) -> None:
        folder.mkdir()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's exporter warns of its own insides
            write_files(folder)

    return made_once(tmp_path_factory, "stored", make)


def write_files(folder: Path) -> None:
    (folder / "text.onnx").write_text("hello")
    (folder / "program.pt2").write_bytes(b"")
    example = torch.zeros(2, 3, 32, 32)
    any_batch = ({0: torch.export.Dim("n")},)
    for name in ("PatchGan", "Dcgan"):
        module = foreign.seeded(name)
        beside = name == "Dcgan"  # the default of torch.onnx.export: weights in Dcgan.onnx.data
        torch.onnx.export(
            module, (example,), folder / f"{name}.onnx", dynamic_shapes=any_batch, external_data=beside, verbose=False
        )
        torch.jit.trace(module, example).save(str(folder / f"{name}.pt"))
    torch.onnx.export(
        foreign.seeded("PatchGan"), (example[:1],), folder / "single.onnx", external_data=False, verbose=False
    )
    torch.save(foreign.seeded("PatchGan").state_dict(), folder / "state.pt")


@pytest.mark.parametrize("file", ["PatchGan.onnx", "Dcgan.onnx", "single.onnx", "PatchGan.pt", "Dcgan.pt"])
def test_a_file_scores_as_the_module_it_was_made_from(file: str, files: Path, test_set: ImageSet) -> None:
    images = test_set.images[:6]
    name = "Dcgan" if "Dcgan" in file else "PatchGan"
    expected = Critic.from_module(foreign.seeded(name), SHAPE).score(images)  # a probability's logit for Dcgan
    critic = Critic.from_file(files / file, SHAPE, trust_code=True)
    assert critic.score(images) == pytest.approx(expected, rel=1e-3, abs=1e-4)
    assert {f.check: f.verdict for f in check_critic(critic, test_set).checks}["company"] == "pass"


def test_an_onnx_graph_shows_its_layers(files: Path, test_set: ImageSet) -> None:
    images = test_set.images[:6]
    ours = Critic.from_module(foreign.seeded("PatchGan"), SHAPE)
    critic = Critic.from_file(files / "PatchGan.onnx", SHAPE)
    assert critic.config.layer_sizes == ours.config.layer_sizes
    assert np.allclose(critic.embed(images), ours.embed(images), atol=1e-4)


@pytest.mark.parametrize("file", ["PatchGan.onnx", "Dcgan.onnx", "Dcgan.pt"])
def test_saved_loaded_and_pickled_it_scores_the_same(
    file: str, files: Path, test_set: ImageSet, tmp_path: Path
) -> None:
    images = test_set.images[:6]
    critic = Critic.from_file(files / file, SHAPE, trust_code=True)
    critic.save(tmp_path / "c")
    again = Critic.load(tmp_path / "c", trust_code=file.endswith(".pt"))
    assert again.hash == critic.hash
    assert np.allclose(again.score(images), critic.score(images), atol=1e-6)
    scorer = CriticScorer(str(tmp_path / "c"), trust_code=True).fit(images)
    assert np.allclose(pickle.loads(pickle.dumps(scorer)).transform(images), scorer.transform(images), atol=1e-6)


def test_what_a_stored_graph_cannot_do_is_said(files: Path, test_set: ImageSet, tmp_path: Path) -> None:
    Critic.from_file(files / "PatchGan.onnx", SHAPE).save(tmp_path / "onnx")
    script = Critic.from_file(files / "PatchGan.pt", SHAPE, trust_code=True)
    scores = score(script, test_set)
    assert [w.split(":")[0] for w in scores.provenance["warnings"]] == [
        "no embeddings",
        "no randomly initialised control",
    ]
    assert "control.brightness" in scores.table
    labels = test_set.table["factor.shape"].to_numpy()
    CriticClassifier(str(tmp_path / "onnx")).fit(test_set.images, labels)
    assert CriticEmbedder(str(tmp_path / "onnx")).fit_transform(test_set.images).shape == (
        80,
        6 * 24,
    )  # pyramid: six numbers a channel
    cases = [
        (lambda: script.embed(test_set.images), InputError, "shows no layers"),
        (lambda: probe(script, test_set), InputError, "shows no layers"),
        (lambda: CriticClassifier(str(tmp_path / "onnx"), mode="finetune").fit(test_set.images, labels), ConfigError,
         "cannot be trained; use mode='probe'"),
        (lambda: Critic.from_file(files / "PatchGan.pt", SHAPE), InputError, "is a program: .* add --trust-code"),
        (lambda: Critic.from_file(files / "state.pt", SHAPE, trust_code=True), InputError, "not a TorchScript file"),
        (lambda: Critic.from_file(files / "text.onnx", SHAPE), InputError, "not an ONNX file"),
        (lambda: Critic.from_file(files / "program.pt2", SHAPE), InputError, "unpickles parts .*torch.onnx.export"),
        (lambda: Critic.from_file(files / "none.onnx", SHAPE), InputError, "cannot be read"),
        (lambda: Critic.from_file(files / "x.h5", SHAPE), InputError, "Accepted: .onnx"),
        (lambda: Critic.from_file(files / "PatchGan.onnx", (32, 32, 1)), InputError, "the ONNX graph takes"),
    ]  # fmt: skip
    for action, kind, message in cases:
        with pytest.raises(kind, match=message):
            action()


def test_the_command_line_takes_files(files: Path, test_set: ImageSet, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", test_set.images[:16])

    def call(*words: object) -> tuple[int, str]:
        result = CliRunner().invoke(app, [str(w) for w in words])
        return result.exit_code, result.stderr

    shape = ("--image-shape", "32x32x3")
    assert call("adapt", files / "PatchGan.onnx", "--out", tmp_path / "c", *shape)[0] == 0
    assert call("score", tmp_path / "c", tmp_path / "x.npy", "--out", tmp_path / "s.parquet")[0] == 0
    assert "embedding.critic" in read_scores(tmp_path / "s.parquet").table
    code, stderr = call("adapt", files / "PatchGan.pt", "--out", tmp_path / "d", *shape)
    assert (code, "--trust-code" in stderr) == (3, True)
    assert call("adapt", files / "PatchGan.pt", "--out", tmp_path / "d", *shape, "--trust-code")[0] == 0
    code, stderr = call("adapt", files / "PatchGan.onnx", "--out", tmp_path / "e", *shape, "--arg", "width=8")
    assert (code, "are for factories" in stderr) == (3, True)


@pytest.mark.parametrize("said", [b"", b"\x80\x02Q.", b"\x80\x02(NNNNNtQ.", b"no pickle"])
def test_a_program_that_describes_its_tensors_wrongly_is_refused(said: bytes, files: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(files / "PatchGan.pt") as whole, zipfile.ZipFile(tmp_path / "x.pt", "w") as changed:
        for name in whole.namelist():
            changed.writestr(name, said if name.endswith("/data.pkl") else whole.read(name))
    with pytest.raises(InputError, match="data.pkl cannot be read"):
        Critic.from_file(tmp_path / "x.pt", SHAPE, trust_code=True)


@pytest.mark.parametrize("n_bytes", [0, 8, 48])
def test_a_program_whose_tensors_are_too_short_or_too_long_is_refused(
    n_bytes: int, files: Path, tmp_path: Path
) -> None:
    """Torch reads beyond the end of a short one: it crashes, or scores with what lies there."""
    with zipfile.ZipFile(files / "PatchGan.pt") as whole, zipfile.ZipFile(tmp_path / "x.pt", "w") as changed:
        for name in whole.namelist():
            content = whole.read(name)
            changed.writestr(name, bytes(n_bytes) if name.endswith("data/1") else content)
    with pytest.raises(InputError, match=rf"its tensor 1 should have 32 bytes and has {n_bytes}\."):
        Critic.from_file(tmp_path / "x.pt", SHAPE, trust_code=True)
