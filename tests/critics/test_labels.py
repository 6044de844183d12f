from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.images.pixels import to_network
from tests import foreign

SHAPE, K = (32, 32, 3), 2  # as many labels as images are usually tried with


def exactly(kind: torch.dtype, n_dims: int) -> Any:
    def given(layer: nn.Module, labels: Tensor) -> Tensor:
        assert labels.dtype == kind
        assert labels.ndim == n_dims
        return layer(labels.float().flatten(1) if n_dims == 2 else labels.float()[:, None]).flatten()

    return given


FORMS: dict[str, tuple[nn.Module, Any]] = {
    "index": (nn.Embedding(K, 1), lambda layer, y: layer(y).flatten()),
    "one-hot": (nn.Linear(K, 1), lambda layer, rows: layer(rows).flatten()),
    "index-column": (nn.Linear(1, 1), exactly(torch.long, 2)),
    "one-hot-long": (nn.Linear(K, 1), exactly(torch.long, 2)),
    "float": (nn.Linear(1, 1), exactly(torch.float32, 1)),
    "float-column": (nn.Linear(1, 1), lambda layer, y: layer(y).flatten()),
    "one-hot-map": (nn.Conv2d(K, 1, 32), lambda layer, maps: layer(maps).flatten()),
}


@pytest.mark.parametrize("form", FORMS)
def test_labels_are_given_in_the_form_that_is_taken(form: str, test_set: ImageSet) -> None:
    images = test_set.images[:4]
    module = foreign.Labelled(*FORMS[form])
    critic = Critic.from_module(module, SHAPE, n_labels=K)
    assert critic.config.adaptation.get("labels", "index") == form
    index, rows = torch.arange(K), torch.eye(K)
    labels = {
        "index": index,
        "one-hot": rows,
        "index-column": index[:, None],
        "one-hot-long": rows.long(),
        "float": index.float(),
        "float-column": index.float()[:, None],
        "one-hot-map": rows[:, :, None, None].expand(K, K, 32, 32),
    }[form]
    with torch.inference_mode():
        expected = (module.plain(to_network(images)) + module.given(module.embedding, labels).mean()).numpy()
    assert critic.score(images) == pytest.approx(expected, abs=1e-5)


def test_the_form_is_saved_and_part_of_the_identity(test_set: ImageSet, tmp_path: Path) -> None:
    images = test_set.images[:4]
    critic = Critic.from_factory("tests.foreign:one_hot", SHAPE, n_labels=3)
    critic.save(tmp_path / "c")
    again = Critic.load(tmp_path / "c", trust_code=True)
    assert (again.hash, again.config.adaptation["labels"]) == (critic.hash, "one-hot")
    assert np.array_equal(again.score(images), critic.score(images))
    assert again.random_init(1).score(images).shape == (4,)


def test_labels_by_name_and_labels_left_out(test_set: ImageSet) -> None:
    class ByName(foreign.Headed):
        def forward(self, x: Tensor, depth: float = 1.0, *, label: Tensor | None = None) -> Tensor:
            return super().forward(x) * depth + (0 if label is None else label)

    images = test_set.images[:3]
    module = ByName()
    plain, averaged = Critic.from_module(module, SHAPE), Critic.from_module(module, SHAPE, n_labels=3)
    assert averaged.score(images) == pytest.approx(plain.score(images) + 1, abs=1e-5)  # the mean of labels 0, 1, 2
    assert "called without its 'label'" in plain.module.describe(to_network(images))


def test_a_torchscript_file_is_given_labels_as_its_module_is(test_set: ImageSet, tmp_path: Path) -> None:
    module, images = foreign.one_hot(), test_set.images[:4]
    torch.jit.trace(module, (to_network(images), torch.eye(3)[[0, 1, 2, 0]])).save(str(tmp_path / "m.pt"))
    with pytest.raises(ConfigError, match="say how many there are with n_labels"):
        Critic.from_file(tmp_path / "m.pt", SHAPE, trust_code=True)
    critic = Critic.from_file(tmp_path / "m.pt", SHAPE, n_labels=3, trust_code=True)
    expected = Critic.from_module(module, SHAPE, n_labels=3).score(images)
    assert np.allclose(critic.score(images), expected, atol=1e-5)
    critic.save(tmp_path / "c")
    assert np.array_equal(Critic.load(tmp_path / "c", trust_code=True).score(images), critic.score(images))


def test_labels_that_cannot_be_given_are_told() -> None:
    def made(module: nn.Module, **options: Any) -> Critic:
        return Critic.from_module(module, SHAPE, **options)

    scalar = foreign.Labelled(nn.Linear(1, 1), lambda layer, y: layer(y.float().view(-1, 1)).flatten())
    wants_three = foreign.one_hot()
    cases = [
        (lambda: made(scalar, n_labels=1), InputError, "as index and as one-hot, .* Choose one with --label-form"),
        (lambda: made(wants_three, n_labels=5), InputError, r"As one-hot rows: .*\(2, 5\) of float32: .*Is --n-labels"),
        (lambda: made(wants_three, n_labels=3, labels="index"), InputError, r"with labels \(2,\) of int64: it raised"),
        (lambda: made(wants_three, n_labels=0), ConfigError, "n_labels must be at least 1, got 0"),
        (lambda: made(wants_three, n_labels=3, labels="onehot"), ConfigError, "Did you mean 'one-hot'"),
        (lambda: made(wants_three), ConfigError, "Its forward takes 'y': where that is no label, wrap it"),
        (lambda: made(foreign.Headed(), n_labels=3), InputError, "takes 2 positional arguments but 3 were given"),
    ]
    for action, kind, message in cases:
        with pytest.raises(kind, match=message):
            action()
    assert made(scalar, n_labels=1, labels="one-hot").config.adaptation["labels"] == "one-hot"
