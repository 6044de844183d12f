import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import Tensor, nn
from typer.testing import CliRunner

from gan_probe import EnsembleCritic
from gan_probe.cli import app
from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError, InputError
from gan_probe.estimators import CriticClassifier, CriticEmbedder, CriticNovelty, CriticScorer
from gan_probe.images.image_set import ImageSet
from gan_probe.scoring.score import score
from gan_probe.scoring.table import ScoreTable, average_scores, read_scores, write_scores
from gan_probe.stats.alignment import affine
from gan_probe.stats.beside import RANDOM_INIT
from gan_probe.studies.check.study import check_critic
from gan_probe.studies.separation.analysis import analyse

SHAPE = (32, 32, 3)


class Linear(nn.Module):
    """factor * (w . x) + shift for a fixed w, drawn from a seed; ``bend`` adds another direction."""

    def __init__(self, factor: float = 1.0, shift: float = 0.0, *, bend: float = 0.0) -> None:
        super().__init__()
        self.head = nn.Linear(3 * 32 * 32, 1)
        with torch.no_grad():
            w, other = torch.randn(2, 3 * 32 * 32, generator=torch.Generator().manual_seed(0)) / 50
            self.head.weight.copy_(factor * (w + bend * other)[None])
            self.head.bias.fill_(shift)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(1))


def linear(*arguments: float, bend: float = 0.0) -> Critic:
    return Critic.from_module(Linear(*arguments, bend=bend), SHAPE)


@pytest.fixture(scope="module")
def random_init() -> dict[str, Critic]:
    return {f"run-{seed}": Critic.from_network("compact", SHAPE, seed=seed) for seed in range(3)}


@pytest.fixture(scope="module")
def ensemble(random_init: dict[str, Critic], test_set: ImageSet) -> EnsembleCritic:
    return EnsembleCritic.fit(random_init, test_set)


@pytest.fixture(scope="module")
def folder(ensemble: EnsembleCritic, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ensembles") / "e"
    ensemble.save(out)
    return out


def test_shift_scale_and_sign_are_undone(test_set: ImageSet, train_set: ImageSet) -> None:
    one = linear()
    made = EnsembleCritic.fit({"a": one, "b": linear(3.0, 7.0), "c": linear(-0.5, 2.0)}, test_set)
    mean, uncertainty = made.score_with_uncertainty(train_set.images)
    alone = one.score(train_set.images)
    assert np.abs(made.member_scores(train_set.images) - mean).max() < 1e-4
    assert uncertainty.max() < 1e-4
    assert np.allclose(mean, (alone - alone.mean()) / alone.std() * mean.std() + mean.mean(), atol=1e-4)
    assert np.corrcoef(mean, alone)[0, 1] > 0.9999  # two of three point this way
    assert made.turned == ("c",)
    assert np.allclose(made.correlations(), 1)
    assert np.allclose(made.module.scales / made.module.scales[0], [1, 3, -0.5], atol=1e-4)


def test_on_the_panel_members_are_as_the_level_affine_has_them(
    random_init: dict[str, Critic], ensemble: EnsembleCritic, test_set: ImageSet
) -> None:
    scores = np.stack([critic.score(test_set.images) for critic in random_init.values()]).astype(np.float64)
    found, expected = ensemble.member_scores(test_set.images), affine(scores, np.ones(len(test_set), bool))
    assert np.abs(found - expected).max() < 1e-4 or np.abs(found + expected).max() < 1e-4
    assert np.allclose(found.mean(1), 0, atol=1e-4)
    assert np.allclose(found.std(1), 1, atol=1e-4)


def test_the_mean_and_the_spread_are_those_of_the_members(ensemble: EnsembleCritic, train_set: ImageSet) -> None:
    each = ensemble.member_scores(train_set.images)
    mean, uncertainty = ensemble.score_with_uncertainty(train_set.images)
    assert np.array_equal(mean, ensemble.score(train_set.images))
    assert np.allclose(mean, each.mean(0), atol=1e-5)
    assert np.allclose(uncertainty, each.std(0, ddof=1), atol=1e-5)
    assert uncertainty.min() > 0
    assert [a.shape for a in ensemble.score_with_uncertainty(train_set.images[:0])] == [(0,), (0,)]
    assert ensemble.member_scores(train_set.images[:0]).shape == (3, 0)


def test_a_score_does_not_depend_on_its_company(ensemble: EnsembleCritic, train_set: ImageSet) -> None:
    together = ensemble.score(train_set.images)
    assert np.allclose(ensemble.score(train_set.images[5:6]), together[5], atol=1e-5)
    assert np.allclose(ensemble.score(train_set.images, batch_size=7), together, atol=1e-5)


def test_shift_leaves_scales_and_signs_alone(test_set: ImageSet) -> None:
    made = EnsembleCritic.fit({"a": linear(), "b": linear(-3.0, 7.0)}, test_set, alignment="shift")
    assert torch.allclose(made.module.scales, torch.ones(2))
    assert np.abs(made.member_scores(test_set.images).mean(1)).max() < 1e-4
    assert made.gauge["alignment"] == "shift"


def test_where_half_point_the_other_way_the_first_decides_and_it_is_said(test_set: ImageSet) -> None:
    for first in (1.0, -1.0):
        pair = {"a": linear(first, bend=0.01), "b": linear(-first, 1.0)}
        made = EnsembleCritic.fit(pair, test_set)
        assert made.turned == ("b",)
        assert np.corrcoef(made.score(test_set.images), pair["a"].score(test_set.images))[0, 1] > 0.99
        assert "half point the other way on the panel, so which way is up rests on a alone" in made.notes[0]


def test_saved_and_loaded_it_is_the_same_bit_for_bit(
    ensemble: EnsembleCritic, folder: Path, random_init: dict[str, Critic], train_set: ImageSet
) -> None:
    again = Critic.load(folder)
    assert isinstance(again, EnsembleCritic)
    assert (again.hash, again.config, again.gauge) == (ensemble.hash, ensemble.config, ensemble.gauge)
    for found, expected in zip(
        again.score_with_uncertainty(train_set.images), ensemble.score_with_uncertainty(train_set.images), strict=True
    ):
        assert np.array_equal(found, expected)
    assert np.array_equal(again.embed(train_set.images), ensemble.embed(train_set.images))
    assert again.random_init(5).hash == ensemble.random_init(5).hash
    assert Critic.load(folder / "members" / "01").hash == random_init["run-1"].hash
    with pytest.raises(FileExistsError):
        ensemble.save(folder)


def test_an_ensemble_that_is_not_whole_is_refused(folder: Path, random_init: dict[str, Critic], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no ensemble.json. Make one with: gan-probe ensemble RUN RUN"):
        EnsembleCritic.load(tmp_path)
    shutil.copytree(folder, tmp_path / "a")
    random_init["run-0"].save(tmp_path / "a" / "members" / "01", overwrite=True)
    with pytest.raises(InputError, match="was changed since it was saved, so its members may no longer be aligned"):
        Critic.load(tmp_path / "a")
    (tmp_path / "a" / "panel.npy").unlink()
    with pytest.raises(InputError, match="does not hold a whole ensemble: .*panel.npy"):
        Critic.load(tmp_path / "a")
    record = json.loads((folder / "ensemble.json").read_text())
    (tmp_path / "a" / "ensemble.json").write_text(json.dumps({**record, "schema": "gan_probe.ensemble/9"}))
    with pytest.raises(InputError, match="is not of schema 'gan_probe.ensemble/2'"):
        Critic.load(tmp_path / "a")


def test_an_ensemble_whose_panel_or_record_was_changed_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "panel")
    panel = np.load(tmp_path / "panel" / "panel.npy")
    np.save(tmp_path / "panel" / "panel.npy", 255 - panel)  # random_init would align on it
    with pytest.raises(InputError, match="was changed since it was saved, so its members may no longer be aligned"):
        Critic.load(tmp_path / "panel")
    shutil.copytree(folder, tmp_path / "record")
    text = (tmp_path / "record" / "ensemble.json").read_text()
    (tmp_path / "record" / "ensemble.json").write_text(text.replace('"affine"', '"shift"'))
    with pytest.raises(InputError, match="ensemble.json was changed since it was saved: .* its checksum"):
        Critic.load(tmp_path / "record")


def test_embeddings_are_the_members_side_by_side_each_of_length_one(
    ensemble: EnsembleCritic, random_init: dict[str, Critic], test_set: ImageSet
) -> None:
    sizes = dict(zip(ensemble.config.layers, ensemble.config.layer_sizes, strict=True))
    whole = ensemble.embed(test_set.images)
    assert ensemble.embed(test_set.images, pooling="mean").shape == (len(test_set), sum(sizes.values()))
    assert np.allclose(np.concatenate([ensemble.embed(test_set.images, layers=[name]) for name in sizes], 1), whole)
    own = random_init["run-1"].embed(test_set.images, layers=["stem"])
    norm = np.linalg.norm(random_init["run-1"].embed(test_set.images, pooling="mean"), axis=1).mean()
    width = own.shape[1]
    stem = ensemble.embed(test_set.images, layers=["stem"])
    assert stem.shape[1] == 3 * width
    assert np.allclose(stem[:, width : 2 * width], own / norm, atol=1e-5)


def test_layers_are_pooled_as_the_members_network_asks(test_set: ImageSet) -> None:
    members = {str(seed): Critic.from_network("oriented", test_set.image_shape, seed=seed) for seed in (1, 2)}
    both = EnsembleCritic.fit(members, test_set)
    assert both.chosen_pooling() == "grid4"
    assert np.array_equal(both.embed(test_set.images), both.embed(test_set.images, pooling="grid4"))


def test_members_with_other_layers_are_scored_with_and_not_embedded_with(test_set: ImageSet) -> None:
    critics = {name: Critic.from_network(name, SHAPE) for name in ("compact", "dcgan")}
    made = EnsembleCritic.fit(critics, test_set)
    assert made.score(test_set.images[:2]).shape == (2,)
    assert any("differ in network" in note for note in made.notes)
    with pytest.raises(InputError, match="ensemble of 2 compact and dcgan shows no layers"):
        made.embed(test_set.images)
    table = score(made, test_set.take(np.arange(16)))
    assert any("no embeddings: ensemble of 2" in w for w in table.provenance["warnings"])


def test_random_init_critics_are_aligned_on_the_same_panel(ensemble: EnsembleCritic, test_set: ImageSet) -> None:
    twins = [ensemble.random_init(seed) for seed in (101, 101, 102)]
    assert twins[0].hash == twins[1].hash
    members = [member.hash for twin in (*twins[1:], ensemble) for member in twin.members]
    assert len(set(members)) == 9
    each = twins[0].member_scores(test_set.images)
    assert np.allclose(each.mean(1), 0, atol=1e-4)
    assert np.allclose(each.std(1), 1, atol=1e-4)
    assert (twins[0].gauge, twins[0].config.run_id) == (ensemble.gauge, "random_init")


def test_of_a_large_panel_256_images_are_drawn(train_set: ImageSet) -> None:
    rows = np.arange(300) % len(train_set)
    large = train_set.take(rows)
    critics = {"a": linear(), "b": linear(2.0, bend=0.5)}
    made = [EnsembleCritic.fit(critics, large, seed=seed) for seed in (0, 0, 1)]
    assert all(len(m.panel) == 256 for m in made)
    assert made[0].hash == made[1].hash != made[2].hash
    assert made[0].gauge == made[1].gauge != made[2].gauge
    assert EnsembleCritic.fit(critics, train_set).gauge["panel"] == train_set.fingerprint


def test_what_cannot_be_put_together_is_named(ensemble: EnsembleCritic, test_set: ImageSet, tmp_path: Path) -> None:
    a, b = linear(), linear(2.0)
    broken, flat = linear(float("nan")), linear(0.0, 3.0)
    small = Critic.from_network("compact", (16, 16, 3))
    for critics, message in (
        ({"a": a}, "needs at least two critics, got 1"),
        ({"a": a, "b": b, "c": linear()}, "a and c are the same critic"),
        ({"a": a, "s": small}, r"different shapes \(a: 32x32x3; s: 16x16x3\)"),
        ({"a": a, "n": broken}, "n gives the panel scores that are not finite numbers; leave it out"),
        ({"a": a, "f": flat}, "f gives every image of the panel the score 3, so it has no scale"),
        ({"a": a, "e": ensemble}, "e is an ensemble already; give its members"),
    ):
        with pytest.raises(InputError, match=message):
            EnsembleCritic.fit(critics, test_set)
    with pytest.raises(InputError, match="a panel needs at least 10 images, got 9 in article-test"):
        EnsembleCritic.fit({"a": a, "b": b}, test_set.take(np.arange(9)))
    with pytest.raises(ConfigError, match="unknown alignment 'raw'. Known: shift, affine"):
        EnsembleCritic.fit({"a": a, "b": b}, test_set, alignment="raw")
    with pytest.raises(InputError, match="Linear cannot be saved without a factory"):
        EnsembleCritic.fit({"a": a, "b": b}, test_set).save(tmp_path / "e")
    assert not (tmp_path / "e").exists()


# --- in the rest of the program ---


def test_tables_carry_the_gauge_and_the_uncertainty(
    ensemble: EnsembleCritic, random_init: dict[str, Critic], test_set: ImageSet, tmp_path: Path
) -> None:
    again = replace(test_set, table=test_set.table.assign(critic_uncertainty=9.0))  # scored before
    write_scores(score(ensemble, again, embeddings=False), tmp_path / "s.parquet")
    found = read_scores(tmp_path / "s.parquet")
    assert np.array_equal(found.table["critic_uncertainty"], ensemble.score_with_uncertainty(test_set.images)[1])
    assert found.provenance["gauge"] == {"alignment": "affine", "panel": test_set.fingerprint}
    assert "control.random_init.2" in found.table
    single = score(random_init["run-0"], test_set, controls=False, embeddings=False)
    assert single.provenance["gauge"] == {"alignment": "raw", "panel": ""}
    assert "critic_uncertainty" not in single.table


def test_only_scores_of_one_gauge_are_averaged(random_init: dict[str, Critic], test_set: ImageSet) -> None:
    more = {f"run-{seed}": Critic.from_network("compact", SHAPE, seed=seed) for seed in (3, 4)}

    def scored(critics: dict[str, Critic], panel: ImageSet) -> ScoreTable:
        return score(EnsembleCritic.fit(critics, panel), test_set, embeddings=False)

    first, second = scored(random_init, test_set), scored(more, test_set)
    shuffled = ScoreTable(second.table.iloc[::-1].reset_index(drop=True), second.provenance)
    mean = average_scores([first, shuffled])
    expected = (first.table["critic_score"] + second.table["critic_score"]) / 2
    assert np.allclose(mean.table["critic_score"], expected, atol=1e-6)
    assert "critic_uncertainty" not in mean.table
    assert list(mean.sources) == [s for s in first.sources if not s.is_embedding and s.of != RANDOM_INIT]
    assert mean.provenance["averaged"] == [first.provenance["critic_hash"], second.provenance["critic_hash"]]
    raw = score(random_init["run-0"], test_set, controls=False, embeddings=False)
    with pytest.raises(InputError, match="raw scores of different trainings .*no mean. .*gan-probe ensemble RUN RUN"):
        average_scores([first, raw])
    elsewhere = scored(more, test_set.take(np.arange(0, len(test_set), 2)))
    with pytest.raises(InputError, match="a mean needs tables of one gauge; these have 2 .affine on panel"):
        average_scores([first, elsewhere])


def test_estimators_take_an_ensemble_folder(
    folder: Path, ensemble: EnsembleCritic, train_set: ImageSet, tmp_path: Path
) -> None:
    X = train_set.images.reshape(len(train_set), -1)
    copy = tmp_path / "e"
    shutil.copytree(folder, copy)
    scorer = CriticScorer(str(copy)).fit(X)
    assert np.allclose(clone(scorer).fit(X).transform(X).ravel(), ensemble.score(train_set.images), atol=1e-5)
    embedder = CriticEmbedder(str(copy), layers=["stem"], pooling="max").fit(X)
    expected = embedder.transform(X)
    assert np.allclose(expected, ensemble.embed(train_set.images, layers=["stem"], pooling="max"), atol=1e-5)
    novelty = CriticNovelty(str(copy), false_alarm_rate=0.2).fit(X)
    assert (novelty.predict(X) == -1).mean() <= 0.2
    y = train_set.table["label"]
    assert CriticClassifier(str(copy), layers=["stem"], pooling="mean").fit(X, y).score(X, y) > 0.9
    shutil.rmtree(copy)  # fitted models need it no longer
    assert np.array_equal(pickle.loads(pickle.dumps(embedder)).transform(X), expected)


def test_checks_look_into_every_member(ensemble: EnsembleCritic, test_set: ImageSet) -> None:
    found = {finding.check: finding for finding in check_critic(ensemble, test_set).checks}
    assert found["company"].verdict == "pass"
    assert f"among {3 * len(ensemble.config.layers)}" in found["dead layers"].found


@pytest.mark.slow
def test_the_command_line_from_three_trainings_to_an_analysis(
    runs: list[Path], test_set: ImageSet, tmp_path: Path
) -> None:
    np.savez(tmp_path / "panel.npz", x=test_set.images[:40])
    np.savez(tmp_path / "x.npz", x=test_set.images[40:], y=test_set.table["label"].to_numpy(str)[40:])

    def call(*words: object) -> tuple[int, dict[str, dict[str, object]]]:
        result = CliRunner().invoke(app, [*(str(word) for word in words), "--json"])
        return result.exit_code, json.loads(result.stdout)

    made = tmp_path / "made"
    words = ("ensemble", *runs, "--panel", tmp_path / "panel.npz", "--out", made)
    assert call(*words, "--dry-run")[0] == 0
    assert not made.exists()
    code, record = call(*words)
    assert (code, record["metrics"]["n_members"], record["metrics"]["n_panel"]) == (0, 3, 40)
    loaded = Critic.load(made)
    assert isinstance(loaded, EnsembleCritic)
    expected = loaded.correlations()[np.triu_indices(3, 1)].mean()
    assert record["metrics"]["agreement"] == pytest.approx(expected)
    assert len(record["metrics"]["agreement_random_init"]) == 3
    assert json.loads((made / "ensemble.json").read_text())["members"][2]["name"] == "seed-2"
    assert call(*words)[0] == 3  # it is there
    assert call(*words, "--overwrite")[1]["metrics"]["critic_hash"] == record["metrics"]["critic_hash"]
    assert call("score", made, tmp_path / "x.npz", "--out", tmp_path / "s.parquet", "--no-embeddings")[0] == 0
    scores = read_scores(tmp_path / "s.parquet")
    assert "critic_uncertainty" in scores.table
    assert scores.provenance["gauge"] == record["metrics"]["gauge"]
    assert len(analyse(scores, clusters=False).critic_pairs) == 45
    code, record = call("ensemble", runs[0], "--panel", tmp_path / "panel.npz", "--out", tmp_path / "one")
    assert (code, "at least two critics, got 1" in record["metrics"]["error"]) == (3, True)
    code, record = call("ensemble", *runs, "--panel", tmp_path / "x.npz", "--out", tmp_path / "b", "--alignment", "raw")
    assert (code, "unknown alignment 'raw'" in record["metrics"]["error"]) == (3, True)
