import numpy as np
import pytest
import torch
from torch import nn

from gan_probe.critics.critic import Critic
from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet
from tests import foreign

SHAPE = (32, 32, 3)


def test_spectrally_normalised_controls_have_spectral_norm_one(test_set: ImageSet) -> None:
    critic = Critic.from_factory("tests.foreign:Normed", SHAPE)
    control, again, other = (critic.random_init(seed) for seed in (101, 101, 102))
    assert control.hash == again.hash != other.hash
    scores = control.score(test_set.images[:4])
    assert np.array_equal(scores, again.score(test_set.images[:4]))
    module = control.module.inner
    for weight in (module.old.weight, module.new.weight):
        assert float(torch.linalg.matrix_norm(weight.flatten(1), 2)) == pytest.approx(1, abs=0.01)
    assert not any(part.training for part in module.modules())


def test_lazy_layers_follow_the_seed() -> None:
    critic = Critic.from_factory("tests.foreign:Lazy", SHAPE)
    assert critic.random_init(1).hash == critic.random_init(1).hash != critic.random_init(2).hash


def test_a_factory_that_loads_trained_weights_is_no_control() -> None:
    critic = Critic.from_factory("tests.foreign:Fixed", SHAPE)
    with pytest.raises(InputError, match="builds the same weights for every seed: does it load trained ones"):
        critic.random_init(101)
    untrained = Critic.from_factory("tests.foreign:Headed", SHAPE, seed=101)
    assert untrained.random_init(101).hash == untrained.hash


def test_what_cannot_be_copied_is_said() -> None:
    class Alone(foreign.Headed):
        def __deepcopy__(self, memo: object) -> nn.Module:
            raise TypeError("no copies")

    with pytest.raises(InputError, match="cannot be drawn anew: it raised TypeError: no copies"):
        Critic.from_module(Alone(), SHAPE).random_init(0)
