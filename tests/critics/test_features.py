"""Poolings on maps whose numbers are known."""

import numpy as np
import pytest
import torch

from gan_probe.critics.critic import Critic
from gan_probe.critics.features import POOLINGS, pool, pyramid, quadrants, std
from gan_probe.errors import ConfigError
from gan_probe.estimators import CriticEmbedder
from gan_probe.images.image_set import ImageSet
from gan_probe.scoring.score import score


def test_a_pyramid_says_how_much_how_uneven_and_where() -> None:
    """A map that is flat but for its lower right quarter, where it is a chessboard of 0 and 4."""
    x = torch.full((1, 1, 4, 4), 2.0)
    x[0, 0, 2:, 2:] = torch.tensor([[0.0, 4.0], [4.0, 0.0]])
    assert pyramid(x).squeeze().tolist() == pytest.approx([2.0, 1.0, 0.0, 0.0, 0.0, 2.0])


def test_a_pyramid_holds_its_parts_for_every_channel() -> None:
    x = torch.randn(3, 5, 7, 6, generator=torch.Generator().manual_seed(0))
    found = pyramid(x)
    assert found.shape == (3, 30)
    assert torch.equal(found[:, 5:10], std(x))
    assert torch.equal(found[:, 10:], quadrants(x))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_spread_is_that_of_double_precision_and_has_a_gradient_where_there_is_none(
    layout: torch.memory_format,
) -> None:
    x = torch.randn(3, 5, 31, 17, generator=torch.Generator().manual_seed(0)) + 100 * torch.arange(5.0)[:, None, None]
    assert torch.allclose(
        std(x.to(memory_format=layout)).double(), x.double().flatten(2).std(2, correction=0), rtol=2e-5
    )
    flat = torch.zeros(2, 3, 4, 4, requires_grad=True)
    std(flat).sum().backward()
    assert flat.grad is not None
    assert torch.equal(flat.grad, torch.zeros_like(flat))


@pytest.mark.parametrize("name", POOLINGS)
def test_layers_without_positions_are_left_as_they_are(name: str) -> None:
    rows = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(pool(rows, name), rows)


@pytest.mark.parametrize(("network", "asked"), [("compact", "pyramid"), ("oriented", "grid4")])
@pytest.mark.parametrize("heads", [{}, {"n_classes": 3}], ids=["plain", "conditional"])
def test_where_nothing_is_said_layers_are_pooled_as_their_network_asks(
    network: str, asked: str, heads: dict[str, int], test_set: ImageSet
) -> None:
    critic = Critic.from_network(network, test_set.image_shape, heads=heads)
    images = test_set.images[:3]
    assert critic.chosen_pooling() == asked
    assert np.array_equal(critic.embed(images), critic.embed(images, pooling=asked))
    assert critic.embed(images, pooling="mean").shape[1] < critic.embed(images).shape[1]
    with pytest.raises(ConfigError, match="Did you mean 'auto'"):
        critic.chosen_pooling("aut")


def test_what_a_network_asks_for_is_told_with_the_scores_and_is_the_embedder_s_too(test_set: ImageSet) -> None:
    critic, few = Critic.from_network("oriented", test_set.image_shape, seed=3), test_set.take(np.arange(4))
    table = score(critic, few, controls=False)
    assert table.provenance["pooling"] == "grid4"
    rows = CriticEmbedder(network="oriented", random_state=3).fit_transform(few.images)
    assert rows.shape == critic.embed(few.images).shape
