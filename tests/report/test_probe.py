import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from gan_probe.critics.critic import Critic
from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.studies.probe.result import ProbeResult
from gan_probe.studies.probe.study import probe
from gan_probe.training import train
from tests.conftest import BARE


@pytest.fixture(scope="module")
def result(critic: Critic, few_set: ImageSet) -> ProbeResult:
    return probe(critic, few_set, per_class=(1, 3), n_draws=2)


@pytest.fixture(scope="module")
def folder(result: ProbeResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("probe") / "r"
    result.save(out, title="<b>Probe</b>", command="gan-probe probe x")
    return out


def test_the_critic_stands_beside_every_control_and_each_of_its_layers(result: ProbeResult, critic: Critic) -> None:
    assert set(result.controls) == {
        "random_init.0", "random_init.1", "random_init.2", "pixels", "pca", "hog", "kmeans_patches",
    }  # fmt: skip
    assert result.layers == tuple(f"critic {layer}" for layer in critic.config.layers)
    assert result.groups == ("all", "seen", "unseen")
    assert {o.n_draws for o in result.outcomes} == {2}
    assert result.provenance["critic_hash"] == critic.hash


def test_each_layer_and_the_best_control_with_the_critic_answer_the_three_questions(result: ProbeResult) -> None:
    for classifier in result.classifiers:
        found = result.advantage(classifier)
        assert found.both is not None
        joined = result.at_middle(f"critic and {found.control}", classifier)
        assert joined is not None
        assert found.both.value == pytest.approx(joined.accuracy() - found.best)
    for layer in result.layers:
        found = result.advantage("linear", layer=layer)
        own = result.at_middle(layer, "linear")
        seeds = [result.at_middle(layer.replace("critic", f"random_init.{i}"), "linear") for i in range(3)]
        assert found.training is not None
        assert own is not None
        assert found.training.value == pytest.approx(own.accuracy() - sum(s.accuracy() for s in seeds if s) / 3)
    said = [line for line in result.findings() if line.startswith("Layer ")]
    assert len(said) == len(result.layers)
    assert all("training" in line and "best control" in line for line in said)


@pytest.fixture(scope="module")
def alone(train_set: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Critic:
    """The critic's network after its steps, by rotation alone."""
    config = replace(BARE, auxiliary="rotation", without_generator=True)
    return train(train_set, tmp_path_factory.mktemp("alone") / "run", config)


@pytest.mark.slow
def test_the_same_network_by_the_task_alone_stands_beside_and_says_what_the_game_added(
    alone: Critic, critic: Critic, few_set: ImageSet, result: ProbeResult, tmp_path: Path
) -> None:
    ask = partial(probe, data=few_set, per_class=(1, 3), n_draws=4, classifiers=("linear",), controls=False)
    found = ask(critic, task_alone=alone)
    assert found.controls == ("auxiliary_task_alone",)
    own, other = found.of("critic", "linear"), found.of("auxiliary_task_alone", "linear")
    game = found.game("linear")
    assert game is not None
    assert game.value == pytest.approx(own[-1].accuracy() - other[-1].accuracy())
    said = next(line for line in found.findings() if "auxiliary task alone, without a generator" in line)
    assert game.points() in said
    assert found.provenance["task_alone"]["critic_hash"] == alone.hash
    assert "another task (rotation, the critic: none)" in " ".join(found.warnings)
    page = found.save(tmp_path / "r", title="t", command="gan-probe probe x").read_text()
    assert "auxiliary task alone" in page
    # Without it a critic that learned a task says that this was not compared; others have no such question.
    taught = Critic(critic.module, replace(critic.config, auxiliary="contrastive"))
    assert any("was not compared: the critic learned contrastive beside it" in s for s in ask(taught).findings())
    assert not any("the game" in line for line in result.findings())
    by_itself = ask(alone)
    assert any("nothing taught its score" in warning for warning in by_itself.warnings)
    assert not any("the game" in line for line in by_itself.findings())


@pytest.mark.slow
def test_what_is_no_control_by_the_task_alone_is_refused(alone: Critic, critic: Critic, few_set: ImageSet) -> None:
    with pytest.raises(InputError, match="was not trained without a generator.*--without-generator"):
        probe(critic, few_set, task_alone=critic)
    other = Critic.from_network("mlp", critic.config.image_shape)
    with pytest.raises(InputError, match="the control is network 'compact' for images of .*, the critic 'mlp'"):
        probe(other, few_set, task_alone=alone)


def test_the_folder_holds_the_page_the_figures_and_every_number(folder: Path, result: ProbeResult) -> None:
    record = json.loads((folder / "report.json").read_text())
    assert record["schema"] == "gan_probe.probe/2"
    assert len(record["outcomes"]) == len(result.outcomes) * 3 == len(pd.read_csv(folder / "probe.csv"))
    assert len(record["lead"]) == 2 * 2 * 3
    lead = record["lead"][0]
    assert lead["margin"] == pytest.approx(lead["accuracy"] - lead["control_accuracy"])
    drawn = {p.stem for p in (folder / "figures").glob("*.png")}
    assert drawn == {"lead", "layers"} | {
        f"curves_{c}{g}" for c in ("linear", "knn") for g in ("", "_seen", "_unseen")
    }  # fmt: skip
    html = (folder / "report.html").read_text()
    assert "&lt;b&gt;Probe&lt;/b&gt;" in html
    assert "Three questions, at 3 labels a class" in html
    assert len(record["questions"]) == 2 * 3 + len(result.layers)
    assert "http" not in html.replace("http-equiv", "")


def test_without_controls_or_labels_it_says_so(critic: Critic, few_set: ImageSet, tmp_path: Path) -> None:
    bare = probe(critic, few_set, per_class=(1,), n_draws=2, controls=False, classifiers=("knn",))
    bare.save(tmp_path / "r", title="bare", command="")
    assert "Whether it is useful cannot be known" in (tmp_path / "r" / "report.html").read_text()
    assert not (tmp_path / "r" / "figures" / "lead.png").exists()
    unlabelled = ImageSet(few_set.images, few_set.table.drop(columns="label"), few_set.source)
    with pytest.raises(InputError, match="has no labels, and a probe needs some"):
        probe(critic, unlabelled)
