import pytest
import torch

from gan_probe.networks import build_critic, build_generator
from gan_probe.networks.heads import CriticWithHeads, MinibatchDiscrimination, with_labels

X = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
CLASS = torch.tensor([0, 1, 2, 0, 1, 2])


def test_a_class_head_scores_under_each_class_and_the_plain_score_is_their_mean() -> None:
    critic = build_critic("compact", (32, 32, 3), seed=0, n_classes=3).eval()
    under = critic.class_scores(X)
    assert under.shape == (6, 3)
    assert torch.allclose(critic(X), under.mean(1), atol=1e-5)
    assert torch.allclose(critic(X, CLASS), under[torch.arange(6), CLASS], atol=1e-5)
    assert under.std(1).min() > 0


def test_the_class_head_is_linear_in_the_features() -> None:
    """Equation 3 of Miyato and Koyama: f(x, y) = <embedding of y, features> + psi(features)."""
    critic = build_critic("mlp", (16, 16, 1), seed=0, n_classes=2)
    x = torch.rand(4, 1, 16, 16)
    score, features = critic.inner.score_and_features(x)
    labels = torch.tensor([0, 1, 1, 0])
    expected = score + (features * critic.projection.weight[labels]).sum(1)
    assert torch.allclose(critic(x, labels), expected)


def test_minibatch_discrimination_on_known_batches() -> None:
    """Alone: 0. n copies: each kernel sees n - 1 others at distance 0. Far apart: nothing."""
    layer = MinibatchDiscrimination(5, 4)
    torch.nn.init.ones_(layer.weights.weight)
    one = torch.randn(1, 5)
    assert layer(one).item() == pytest.approx(0, abs=1e-6)
    assert layer(one.repeat(7, 1)).tolist() == pytest.approx([4.0 * 6] * 7, rel=1e-5)
    assert layer(1e4 * torch.randn(7, 5)).abs().max() < 1e-3


def test_in_evaluation_an_image_is_scored_as_if_alone_and_in_training_it_is_not() -> None:
    critic = build_critic("compact", (32, 32, 3), seed=0, n_kernels=8)
    alone = torch.cat([critic(x[None]) for x in X])
    assert torch.allclose(critic.eval()(X), alone, atol=1e-5)
    copies = X[:1].repeat(6, 1, 1, 1)
    assert not torch.allclose(critic.train()(copies), critic.eval()(copies), atol=1e-3)


def test_the_network_under_the_heads_is_the_one_without() -> None:
    plain, headed = (
        build_critic("compact", (32, 32, 3), seed=3),
        build_critic("compact", (32, 32, 3), seed=3, n_kernels=2),
    )
    assert isinstance(headed, CriticWithHeads)
    assert torch.equal(plain.eval()(X), headed.eval()(X))
    assert headed.layers == plain.layers


def test_a_conditional_generator_reads_the_class_after_the_latent() -> None:
    z = torch.randn(2, 4)
    assert with_labels(z, None, 0) is z
    assert with_labels(z, torch.tensor([2, 0]), 3)[:, 4:].tolist() == [[0, 0, 1], [1, 0, 0]]
    generator = build_generator("mlp-deep", (16, 16, 1), 4, seed=0, n_classes=3).eval()
    images = generator(with_labels(z[:1].repeat(3, 1), torch.arange(3), 3))
    assert images.shape == (3, 1, 16, 16)
    assert not torch.allclose(images[0], images[1])
