"""Few labels beside many images: the losses against plain NumPy, and what a training with them leaves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import logsumexp

from gan_probe.config import TrainConfig, preset
from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import NO_LABEL, ImageSet, from_arrays
from gan_probe.images.pixels import to_network
from gan_probe.images.readers.few_labels import with_few_labels
from gan_probe.networks import build_critic
from gan_probe.scoring.score import score
from gan_probe.studies.probe.study import probe
from gan_probe.training import RunFolder, train
from gan_probe.training.augmentation import augmented
from gan_probe.training.auxiliary import Sight, pseudo_labels
from gan_probe.training.batches import ImageSource, batches
from gan_probe.training.loop import check_trainable, split_held_out
from gan_probe.training.objectives import OBJECTIVES
from gan_probe.training.ranks import Ranks
from gan_probe.training.semi_supervised import class_loss, feature_matching_loss, has_label, with_labelled
from gan_probe.training.step import critic_gradients, new_state

RNG = np.random.default_rng(0)
SHORT = preset("semi-supervised").updated(
    {"network": "mlp", "steps": 4, "batch_size": 8, "n_snapshots": 0, "precision": "fp32", "critic_average": 0.9}
)


@pytest.fixture(scope="module")
def few(train_set: ImageSet) -> ImageSet:
    """Three labels of each of two classes, and 34 images without."""
    return with_few_labels(train_set, "3")


@pytest.fixture(scope="module")
def trained(few: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("semi") / "run"
    train(few, out, SHORT)
    return out


def test_the_loss_of_k_plus_one_classes_is_the_paper_s() -> None:
    """Section 5, written out: a softmax over K outputs and a K+1st of 0, in NumPy, term by term."""
    real, fake, labelled = (RNG.normal(size=(n, 3)) * 3 for n in (7, 5, 4))
    targets = np.array([0, 2, 1, 2])

    def log_softmax(outputs: np.ndarray) -> np.ndarray:
        padded = np.c_[outputs, np.zeros(len(outputs))]
        return padded - logsumexp(padded, axis=1, keepdims=True)

    of_labels = -np.mean([(log_softmax(labelled)[i, k] - np.log1p(-np.exp(log_softmax(labelled)[i, 3])))
                          for i, k in enumerate(targets)])  # fmt: skip
    of_reals = -np.mean(np.log(1 - np.exp(log_softmax(real)[:, 3])))
    of_fakes = -np.mean(log_softmax(fake)[:, 3])

    def scores(outputs: np.ndarray) -> torch.Tensor:
        return torch.logsumexp(torch.from_numpy(outputs), 1)

    unlabelled = OBJECTIVES["non-saturating"].critic_loss(scores(real), scores(fake))
    assert unlabelled.item() == pytest.approx(of_reals + of_fakes)
    assert class_loss(torch.from_numpy(labelled), torch.from_numpy(targets)).item() == pytest.approx(of_labels)


def test_a_critic_s_score_is_the_logsumexp_of_its_outputs() -> None:
    critic = build_critic("mlp", (16, 16, 1), seed=0, n_outputs=4).eval()
    x = torch.rand(5, 1, 16, 16)
    score, features = critic.inner.score_and_features(x)
    outputs = score[:, None] + features @ critic.outputs.weight.T + critic.outputs.bias
    assert torch.allclose(critic.class_scores(x), outputs)
    assert np.allclose(critic(x).detach(), logsumexp(outputs.detach().numpy(), axis=1), atol=1e-6)


def test_features_match_where_their_means_do() -> None:
    real, fake = torch.from_numpy(RNG.normal(size=(6, 4))), torch.from_numpy(RNG.normal(size=(9, 4)))
    expected = sum((real[:, j].mean() - fake[:, j].mean()).item() ** 2 for j in range(4))
    assert feature_matching_loss(real, fake).item() == pytest.approx(expected)
    assert feature_matching_loss(real, real.flip(0)).item() == pytest.approx(0.0)


def test_labelled_images_come_with_their_own_classes_and_all_else_is_drawn_as_without(few: ImageSet) -> None:
    classes = tuple(sorted(set(few.table["label"]) - {NO_LABEL}))
    plain = ImageSource.of(few.images, torch.device("cpu"))
    source = with_labelled(plain, few, classes)
    batch, other = (next(batches(s, SHORT, first=1, sees_reals=True)) for s in (source, plain))
    update, without = batch.critic[0], other.critic[0]
    assert without.labelled is None
    assert torch.equal(update.real, without.real)
    assert torch.equal(batch.generator.z, other.generator.z)
    known = {image.tobytes(): label for image, label in zip(few.images, few.table["label"], strict=True)}
    found = [known[image.numpy().tobytes()] for image in update.labelled]
    assert found == [classes[k] for k in update.targets]


def test_labelled_images_are_augmented_by_numbers_of_their_own(few: ImageSet) -> None:
    """The critic's class loss is that of the images as they are shown; reals and fakes take other numbers."""
    config, device = SHORT.updated({"auxiliary": ""}), torch.device("cpu")
    classes = tuple(sorted(set(few.table["label"]) - {NO_LABEL}))
    source = with_labelled(ImageSource.of(few.images, device), few, classes)
    update = next(batches(source, config, first=1, sees_reals=True)).critic[0]
    assert update.labelled is not None
    assert update.views is not None
    assert update.views.shape[1] == 3  # of reals, fakes, labelled
    state = new_state(config, few.image_shape, device, n_classes=len(classes))
    found = critic_gradients(state, update, config, "fp32")["class_loss"]
    shown = [augmented(to_network(update.labelled, device), update.views[:, k], ("translation",)) for k in range(3)]
    losses = [class_loss(state.critic.class_scores(images), update.targets).item() for images in shown]
    assert found.item() == pytest.approx(losses[2], rel=1e-5)
    assert found.item() not in [pytest.approx(loss, rel=1e-5) for loss in losses[:2]]


def test_images_with_a_label_are_held_out_last(few: ImageSet) -> None:
    training, held_out = split_held_out(few, 0.5, 0, kept=has_label(few))
    assert has_label(training).sum() == 6
    assert not has_label(held_out).any()


def test_a_training_learns_from_labels_and_its_critic_names_classes(trained: Path, few: ImageSet) -> None:
    critic = Critic.load(trained)
    assert critic.config.heads == {"n_outputs": 2}
    assert NO_LABEL not in critic.config.training_classes
    under = critic.class_scores(few.images)
    assert np.allclose(critic.score(few.images), logsumexp(under, axis=1), atol=1e-5)
    names = np.array(critic.config.training_classes)
    assert (critic.predict(few.images) == names[under.argmax(1)]).all()
    assert "log odds" in critic.notes[0]
    table = score(critic, few, controls=False).table
    assert table["predicted_label"].tolist() == critic.predict(few.images).tolist()
    rows = (trained / "metrics.jsonl").read_text().splitlines()
    assert all('"class_accuracy"' in row for row in rows)
    assert critic.random_init(1).config.heads == {"n_outputs": 2}


def test_labels_and_features_change_the_training(few: ImageSet, trained: Path, tmp_path: Path) -> None:
    for name, value in (("label_weight", 0.0), ("feature_matching", False)):
        other = train(few, tmp_path / name, SHORT.updated({name: value}))
        assert other.hash != Critic.load(trained).hash


@pytest.mark.slow
def test_a_resumed_training_is_the_uninterrupted_one(few: ImageSet, trained: Path, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(step: int, _metrics: object) -> None:
        if step >= 10:
            raise Stop

    config = SHORT.updated({"steps": 20, "n_snapshots": 3})
    whole = train(few, tmp_path / "whole", config)
    with pytest.raises(Stop):
        train(few, tmp_path / "cut", config, on_step=stop)
    assert train(few, tmp_path / "cut", config, resume=True).hash == whole.hash
    assert RunFolder(tmp_path / "cut").read_metrics()["step"].tolist() == list(range(1, 21))


def test_what_labels_do_not_fit_is_refused(train_set: ImageSet, few: ImageSet) -> None:
    none = train_set.table.drop(columns="label")
    with pytest.raises(InputError, match="needs labels of at least two classes, and .* has none. Label a few"):
        check_trainable(ImageSet(train_set.images, none, Path("x")), SHORT)
    one = from_arrays(train_set.images[:4], ["a", "a", NO_LABEL, NO_LABEL])
    with pytest.raises(InputError, match="all 2 labels of array are 'a'. Label a few"):
        check_trainable(one, SHORT)
    check_trainable(train_set, SHORT)  # all labelled
    check_trainable(with_few_labels(train_set, "1"), SHORT)  # one of each class
    with pytest.raises(ConfigError, match="semi_supervised and conditional give the critic different outputs"):
        TrainConfig(semi_supervised=True, conditional=True)
    with pytest.raises(ConfigError, match="feature_matching compares the images of a whole batch"):
        Ranks(0, 2).check(SHORT)


def test_labels_come_from_a_table_or_are_drawn(train_set: ImageSet, tmp_path: Path) -> None:
    drawn = with_few_labels(train_set, "3")
    assert drawn.table["label"].value_counts().drop(NO_LABEL).tolist() == [3, 3]
    assert with_few_labels(train_set, "3", seed=1).fingerprint != drawn.fingerprint
    file = tmp_path / "labels.csv"
    rows = drawn.table[has_label(drawn)]
    for column in ("path", "sample_id"):
        rows[[column, "label"]].to_csv(file, index=False)
        assert with_few_labels(train_set, str(file)).table["label"].tolist() == drawn.table["label"].tolist()
    assert with_few_labels(train_set, "all") is train_set


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            {"path": ["article-train#0"]},
            "must have a column label and one of sample_id, path, file_name. Columns: path",
        ),
        ({"path": ["x.png"], "label": ["a"]}, "labels 1 images that article-train has not, such as 'x.png'"),
        ({"path": ["article-train#0"] * 2, "label": ["a", "b"]}, "labels 'article-train#0' twice: 'a' and 'b'"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(
    rows: dict[str, list[str]], said: str, train_set: ImageSet, tmp_path: Path
) -> None:
    pd.DataFrame(rows).to_csv(tmp_path / "labels.csv", index=False)
    with pytest.raises(InputError, match=said):
        with_few_labels(train_set, str(tmp_path / "labels.csv"))


def test_a_path_that_several_images_go_by_labels_none_of_them(few: ImageSet, tmp_path: Path) -> None:
    both = replace(few, table=few.table.assign(path=["0.png"] * 2 + few.table["path"].tolist()[2:]))
    (tmp_path / "labels.csv").write_text(f"path,label\n0.png,a\n{both.table['path'].iloc[2]},b\n")
    with pytest.raises(
        InputError, match="labels '0.png', and several images go by that path. Name them by .*sample_id"
    ):
        with_few_labels(both, str(tmp_path / "labels.csv"))


def test_what_is_no_table_and_no_number_is_refused(train_set: ImageSet, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no file. It takes a CSV or Parquet table"):
        with_few_labels(train_set, str(tmp_path / "missing.csv"))
    with pytest.raises(InputError, match="has 20 labels, and 21 a class are wanted"):
        with_few_labels(train_set, "21")
    with pytest.raises(InputError, match="--labels 0 leaves no labels"):
        with_few_labels(train_set, "0")
    slip = train_set.table.assign(label=train_set.table["label"].str.replace("square", "sqare"))
    slip.iloc[[0, -1]][["path"]].assign(label=[slip["label"].iloc[0], train_set.table["label"].iloc[-1]]).to_csv(
        tmp_path / "slip.csv", index=False
    )
    with pytest.raises(ConfigError, match="unknown class 'sqare.*Did you mean 'square"):
        with_few_labels(train_set, str(tmp_path / "slip.csv"))


def test_pseudo_labels_are_the_classes_of_the_other_view_where_the_critic_is_sure() -> None:
    first, again = (
        torch.tensor([[9.0, 0.0], [1.0, 0.9], [0.0, 9.0]]),
        torch.tensor([[1.0, 2.0], [5.0, 0.0], [3.0, 3.0]]),
    )
    first.requires_grad_()
    again.requires_grad_()
    sight = Sight(features=abs, score=abs, heads=torch.nn.ModuleDict(), class_scores=lambda x: x, real=first,
                  real_again=again)  # fmt: skip
    loss = pseudo_labels(sight)
    sure = [logsumexp([1.0, 2.0]) - 1.0, logsumexp([3.0, 3.0]) - 3.0]  # the second is sure of nothing
    assert loss.item() == pytest.approx(sum(sure) / 3)
    loss.backward()
    assert first.grad is None
    assert again.grad[1].abs().sum() == 0


def test_labels_alone_teach_without_a_generator(few: ImageSet, tmp_path: Path) -> None:
    """The control of a training with the game: the same network, labels and pseudo-labels, and no fakes."""
    for auxiliary in ("", "pseudo-labels"):
        config = SHORT.updated(
            {"without_generator": True, "auxiliary": auxiliary, "augment": "translation", "steps": 60, "n_snapshots": 1}
        )
        critic = train(few, tmp_path / f"run{auxiliary}", config)
        rows = np.flatnonzero(has_label(few))
        assert (critic.predict(few.images[rows]) == few.table["label"].to_numpy()[rows]).all()
        assert critic.notes[0].startswith("trained without a generator, by labels")
        assert critic.notes[0].endswith("Use its features and its classes.")
        run = RunFolder(tmp_path / f"run{auxiliary}")
        assert not run.generator.exists()
        assert run.diagnosis()[0].startswith("Trained without a generator, by labels")
        assert ("auxiliary_loss" in run.read_metrics().dropna(axis=1)) == bool(auxiliary)


def test_a_critic_knows_its_images_whatever_labels_they_had(trained: Path, few: ImageSet, train_set: ImageSet) -> None:
    """Training took few labels; the same images with all of theirs are still those that it was trained on."""
    critic = Critic.load(trained)
    assert critic.config.was_trained_on(few)
    assert critic.config.was_trained_on(train_set)
    assert not critic.config.was_trained_on(train_set.take(np.arange(5)))
    said = score(critic, train_set, controls=False).provenance["warnings"]
    assert any("these are the images that the critic was trained on" in text for text in said)
    with pytest.raises(InputError, match="trained on these images with their labels"):
        probe(critic, train_set)
    plain = replace(critic.config, heads={}, images_fingerprint="")  # of an older version
    assert plain.was_trained_on(few)
    assert not plain.was_trained_on(train_set)
