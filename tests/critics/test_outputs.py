from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.images.pixels import to_network
from tests import foreign

SHAPE = (32, 32, 3)

PROBABILITIES: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "function": lambda s, x: torch.sigmoid(s),
    "in place": lambda s, x: (s * 1).sigmoid_(),
    "reshaped": lambda s, x: F.sigmoid(s).view(-1, 1, 1, 1),
    "clamped": lambda s, x: torch.sigmoid(s).clamp(1e-6, 1 - 1e-6),
    "averaged": lambda s, x: torch.sigmoid(s[:, None, None].expand(-1, 2, 2)).mean((1, 2)),
    "two classes": lambda s, x: torch.softmax(torch.stack([0 * s, s], 1), 1)[:, 1],
    "of the opposite": lambda s, x: 1 - torch.sigmoid(-s),
    "with classes": lambda s, x: (torch.sigmoid(s), torch.softmax(x.mean((2, 3)), 1)),
}
SCORES: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "gate": lambda s, x: s * (1 + 0 * torch.sigmoid(x.mean((1, 2, 3)))),
    "scaled back": lambda s, x: torch.logit(torch.sigmoid(s)),
    "with features": lambda s, x: (x.flatten(1), s),
    "with nothing": lambda s, x: (s, None),
    "with numbers of classes": lambda s, x: (s, s.long()),
    "dict": lambda s, x: {"score": s, "features": x},
    "list of scales": lambda s, x: [s[:, None, None, None].expand(-1, 1, k, k) for k in (4, 2)],
    "squeezed": lambda s, x: s[:, None, None, None].expand(-1, 1, 2, 2).squeeze(),
    "half": lambda s, x: s.half(),
}


@pytest.mark.parametrize(
    ("kind", "name"), [*(("probability", n) for n in PROBABILITIES), *(("score", n) for n in SCORES)]
)
def test_what_is_returned_is_told_from_a_forward_pass(kind: str, name: str, test_set: ImageSet) -> None:
    images = test_set.images[:5]
    module = foreign.Headed((PROBABILITIES | SCORES)[name])
    critic = Critic.from_module(module, SHAPE)
    assert critic.config.adaptation["output"].endswith(kind)
    with torch.inference_mode():
        expected = module.score(to_network(images)).numpy()
    assert np.allclose(critic.score(images), expected, atol=1e-3)
    assert np.allclose(critic.score(images, batch_size=1), expected, atol=1e-3)


@pytest.mark.parametrize("name", ["function", "reshaped", "clamped"])
def test_what_went_into_the_sigmoid_is_the_score_where_float_probabilities_tie(name: str, test_set: ImageSet) -> None:
    module = foreign.Headed(lambda s, x: PROBABILITIES[name](1000 * s, x))
    with torch.inference_mode():
        expected = 1000 * module.score(to_network(test_set.images[:40])).numpy()
    assert np.abs(expected).max() > 60
    for batch_size in (1, 8):
        assert np.allclose(
            Critic.from_module(module, SHAPE).score(test_set.images[:40], batch_size=batch_size), expected
        )


def test_layers_made_in_another_order_than_they_run_are_no_difference(test_set: ImageSet) -> None:
    module = foreign.Headed(lambda s, x: s)
    module.gate = nn.Sequential(nn.Linear(3, 3), nn.Sigmoid())  # made last
    module.head = lambda s, x: s * module.gate(x.mean((2, 3))).mean(1)
    assert Critic.from_module(module, SHAPE).config.adaptation["output"] == "score"
    traced = torch.jit.trace(module, to_network(test_set.images[:2]))
    assert Critic.from_module(traced, SHAPE).config.adaptation["output"] == "score"


@pytest.mark.parametrize(
    ("head", "places"),
    [
        (lambda s, x: (s, x.mean(1, keepdim=True)), ["'0'", r"\(2,\)", "'1'", r"\(2, 1, 32, 32\)", r"'0\+1'"]),
        (lambda s, x: [s[:, None, None, None], x.mean(1, keepdim=True)], ["'0'", "'1'"]),
        (lambda s, x: (s[:, None], s[:, None]), ["'0'", "'1'"]),
        (lambda s, x: [[x, s[:, None]], [x, s[:, None]]], ["'0.1'", "'1.1'", r"'0.1\+1.1'"]),
        (lambda s, x: {"score": s, "other": s}, ["'score:auto'", "'other'"]),
    ],
    ids=["U-Net", "list of unlike parts", "tuple is no list of scales", "nested", "dict"],
)
def test_where_two_readings_are_possible_the_user_is_asked(head: Any, places: list[str]) -> None:
    with pytest.raises(InputError, match=f"in more than one way. Choose with --output .*{'.*'.join(places)}"):
        Critic.from_module(foreign.Headed(head), SHAPE)


def test_a_reading_is_chosen_by_place_and_kind_and_kept(test_set: ImageSet) -> None:
    images = test_set.images[:4]
    module = foreign.Headed(lambda s, x: {"p": torch.sigmoid(s), "score": [s, 3 * s]})
    with torch.inference_mode():
        score = module.score(to_network(images)).numpy()
    chosen = {"p": score, "p:score": 1 / (1 + np.exp(-score)), "score.1": 3 * score, "score.0+score.1:score": 2 * score}
    for output, expected in chosen.items():
        critic = Critic.from_module(module, SHAPE, output=output)
        assert np.allclose(critic.score(images), expected, atol=1e-5), output
        assert critic.config.adaptation["output"].startswith(output)
    hashes = {Critic.from_module(module, SHAPE, output=output).hash for output in chosen}
    assert len(hashes) == len(chosen)


def test_what_cannot_be_read_is_said() -> None:
    def made(head: Any, **options: Any) -> Critic:
        return Critic.from_module(foreign.Headed(head), SHAPE, **options)

    cases = [
        (lambda: made(lambda s, x: (torch.sigmoid(s), s), output="0+1"), InputError, "some parts are probabilities"),
        (lambda: made(lambda s, x: (s, s), output="2"), ConfigError, "unknown output '2'. Known: .*, 0, 1"),
        (
            lambda: made(lambda s, x: 9 + s, output="probability"),
            InputError,
            "these are scores. Adapt it with --output",
        ),
        (lambda: made(lambda s, x: torch.stack([s, s], 1)), InputError, "one number for each, or a map of patches"),
        (lambda: made(lambda s, x: s > 0), InputError, r"returned a tensor \(2,\) of bool for 2 images"),
        (lambda: made(lambda s, x: "hello"), InputError, "returned str; tensors, or tuples, lists and dicts"),
        (lambda: Critic.from_module(nn.Conv2d(1, 1, 1), (32, 32, 1)), InputError, "an image for each image: a map of"),
    ]
    for action, kind, message in cases:
        with pytest.raises(kind, match=message):
            action()
    reconstruction = Critic.from_module(nn.Conv2d(1, 1, 1), (32, 32, 1), output="score")
    assert reconstruction.config.adaptation["output"] == "score"
