"""Poolings on maps whose numbers are known."""

import pytest
import torch

from gan_probe.critics.features import POOLINGS, pool, pyramid, quadrants, std


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
