import json
from functools import partial
from pathlib import Path

import pytest
from torch import Tensor

from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError
from gan_probe.images.image_set import ImageSet
from gan_probe.studies.check.study import CHECKS, check_critic
from tests import foreign
from tests.cli import conftest

call = partial(conftest.call, "check")


def in_eights(score: Tensor, x: Tensor) -> Tensor:
    return score.view(-1, 8).flatten()


def test_a_check_in_batches_of_one_size(train_set: ImageSet) -> None:
    critic = Critic.from_module(foreign.Headed(in_eights), (32, 32, 3))
    found = {f.check: f for f in check_critic(critic, train_set.take(range(20)), batch_size=8).checks}
    assert set(found) == set(CHECKS)
    assert [name for name in found if found[name].verdict == "FAIL"] == ["company"]
    assert "It runs in other batches only: keep to one --batch-size" in found["company"].advice
    with pytest.raises(ConfigError, match="batch_size must be at least 1, got 0"):
        check_critic(critic, train_set, batch_size=0)


def test_what_is_found_hangs_on_no_batch_size(run: Path, few_images: Path) -> None:
    verdicts = []
    for words in ((), ("--batch-size", "7")):
        record = json.loads(call(run, few_images, *words, "--json").stdout)
        assert record["status"] == "ok", record["metrics"]
        verdicts.append([row["verdict"] for row in record["metrics"]["checks"]])
    assert verdicts[0] == verdicts[1]


def test_a_gate_and_a_page(run: Path, few_images: Path, tmp_path: Path) -> None:
    gated = call(run, few_images, "--fail-if", "n_failed<=0", "-o", tmp_path / "r")
    assert (gated.exit_code, "the gate 'n_failed<=0' holds: n_failed is 0" in gated.stderr) == (4, True)
    assert "dead layers" in (tmp_path / "r" / "report.html").read_text()
    again = call(run, few_images, "-o", tmp_path / "r")
    assert (again.exit_code, "exists. Choose another folder" in again.stderr) == (3, True)
    assert call(run, few_images, "--fail-if", "failed>0").exit_code == 3
