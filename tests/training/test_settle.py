import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gan_probe.critics.critic import Critic
from gan_probe.critics.generator import Generator
from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.training import DivergedError, RunFolder
from gan_probe.training.settle import fake_bank, settle
from tests.conftest import SMALL


@pytest.fixture
def pair(runs: list[Path]) -> dict[str, Path]:
    return dict(zip(("run-0", "run-1"), runs, strict=False))


def test_a_bank_holds_as_many_fakes_of_each_run(pair: dict[str, Path]) -> None:
    bank = fake_bank(pair, n=9, seed=3)
    own = [Generator.load(run).sample(n, seed=3) for run, n in zip(pair.values(), (5, 4), strict=True)]
    np.testing.assert_array_equal(bank, np.concatenate(own))
    with pytest.raises(InputError, match="a fake of each of the 2 runs at least, got 1"):
        fake_bank(pair, n=1)
    with pytest.raises(InputError, match="holds no"):
        fake_bank({**pair, "none": pair["run-0"].parent / "none"})


def test_the_critic_learns_to_tell_reals_from_the_bank(
    pair: dict[str, Path], train_set: ImageSet, tmp_path: Path
) -> None:
    """A bank that no generator made: what the run's critic never saw as fake."""
    bank, seen = 255 - train_set.images, []
    before = Critic.load(pair["run-0"])
    after = settle(
        pair["run-0"], train_set, bank, tmp_path / "s", updates=25, on_step=lambda step, row: seen.append(step)
    )
    assert seen == [10, 20, 25]

    def gap(critic: Critic) -> float:
        return float(critic.score(train_set.images).mean() - critic.score(bank).mean())

    assert gap(after) > gap(before) + 1
    config, facts = RunFolder(tmp_path / "s").read_config()
    assert (facts["settled"]["steps"], facts["settled"]["n_bank"]) == (SMALL.steps, len(bank))
    assert facts["run_id"] == after.config.run_id != before.config.run_id
    assert (after.config.step, config.steps) == (SMALL.steps, 25)
    assert len(RunFolder(tmp_path / "s").read_metrics()) == 25
    assert (tmp_path / "s" / "critic" / "reference.parquet").is_file()
    assert f"fakes (hash {facts['settled']['bank']})" in (tmp_path / "s" / "critic" / "README.md").read_text()


def test_the_same_bank_gives_the_same_critic_and_a_finished_one_is_kept(
    pair: dict[str, Path], train_set: ImageSet, tmp_path: Path
) -> None:
    bank = fake_bank(pair, n=16)
    made = [settle(pair["run-1"], train_set, bank, tmp_path / name, updates=3).hash for name in ("a", "b")]
    assert made[0] == made[1]
    assert settle(pair["run-1"], train_set, bank, tmp_path / "a", updates=3, resume=True).hash == made[0]
    with pytest.raises(FileExistsError):
        settle(pair["run-1"], train_set, bank, tmp_path / "a", updates=3)
    for other, updates in ((bank[1:], 3), (bank, 4)):
        with pytest.raises(InputError, match="is not this run settled with these fakes"):
            settle(pair["run-1"], train_set, other, tmp_path / "a", updates=updates, resume=True)
    with pytest.raises(InputError, match="is not this run settled with these fakes: not settled"):
        settle(pair["run-1"], train_set, bank, pair["run-0"], updates=3, resume=True)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="is not a run folder"):
        settle(pair["run-1"], train_set, bank, foreign, updates=3, resume=True)
    with pytest.raises(FileExistsError):
        settle(pair["run-1"], train_set, bank, foreign, updates=3, overwrite=True)
    assert (foreign / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize("place", ["", "critic", ".."])
def test_a_run_is_never_replaced_by_what_is_made_of_it(
    pair: dict[str, Path], train_set: ImageSet, place: str, tmp_path: Path
) -> None:
    run = tmp_path / "runs" / "run"
    shutil.copytree(pair["run-0"], run)
    with pytest.raises(InputError, match="are one, or one lies in the other"):
        settle(run, train_set, fake_bank(pair, n=4), run / place, updates=3, overwrite=True)
    assert Critic.load(run).hash
    assert RunFolder(run).checkpoint.is_file()


def test_a_broken_checkpoint_leaves_nothing_behind(pair: dict[str, Path], train_set: ImageSet, tmp_path: Path) -> None:
    shutil.copytree(pair["run-0"], tmp_path / "run")
    RunFolder(tmp_path / "run").checkpoint.write_bytes(b"no")
    with pytest.raises(InputError, match="cannot be resumed from"):
        settle(tmp_path / "run", train_set, fake_bank(pair, n=4), tmp_path / "s", updates=3)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    (tmp_path / "run" / "config.json").write_text(json.dumps(config | {"settings": "abc"}))
    with pytest.raises(InputError, match=r"the settings in .* are broken"):
        settle(tmp_path / "run", train_set, fake_bank(pair, n=4), tmp_path / "s", updates=3)


def test_what_cannot_be_settled_is_refused(pair: dict[str, Path], train_set: ImageSet, tmp_path: Path) -> None:
    bank = fake_bank(pair, n=4)
    with pytest.raises(InputError, match="trained on other data"):
        settle(pair["run-0"], train_set.take(np.arange(9)), bank, tmp_path / "x")
    with pytest.raises(InputError, match=r"bank must hold uint8 images of \(32, 32, 3\), got uint8 \(4, 16, 32, 3\)"):
        settle(pair["run-0"], train_set, bank[:, ::2], tmp_path / "x")
    with pytest.raises(InputError, match="is not a run folder"):
        settle(tmp_path / "none", train_set, bank, tmp_path / "x")
    with pytest.raises(InputError, match="is not finished"):
        folder = tmp_path / "cut"
        RunFolder(folder).path.mkdir()
        (folder / "config.json").write_text((pair["run-0"] / "config.json").read_text())
        settle(folder, train_set, bank, tmp_path / "x")
    settled = settle(pair["run-0"], train_set, bank, tmp_path / "s", updates=1)
    assert settled.config.step == SMALL.steps
    with pytest.raises(InputError, match="is settled already; settle the run that it comes from"):
        settle(tmp_path / "s", train_set, bank, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_settling_that_diverges_says_so_and_leaves_nothing(
    pair: dict[str, Path], train_set: ImageSet, tmp_path: Path
) -> None:
    shutil.copytree(pair["run-0"], tmp_path / "run")
    record = json.loads((tmp_path / "run" / "config.json").read_text())
    record["settings"]["learning_rate_critic"]["value"] = 1e1
    record["settings"]["penalty_weight"]["value"] = 1e6
    (tmp_path / "run" / "config.json").write_text(json.dumps(record))
    with pytest.raises(DivergedError, match="diverged at step .* The run that it comes from is as it was"):
        settle(tmp_path / "run", train_set, fake_bank(pair, n=4), tmp_path / "s", updates=200)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
