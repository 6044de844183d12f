"""The names of 0.1.0 work for one release more, each with a word on where it went."""

import importlib
import sys

import numpy as np
import pytest

from gan_probe.critics.critic import Critic
from gan_probe.moved import MOVED
from gan_probe.studies.check.study import CHECKS, Subject


@pytest.mark.parametrize("old", MOVED)
def test_an_old_module_is_found_where_it_went(old: str) -> None:
    sys.modules.pop(f"gan_probe.{old}", None)
    for new in MOVED[old]:
        importlib.import_module(f"gan_probe.{new}")
    if len(MOVED[old]) == 1:
        with pytest.warns(DeprecationWarning, match=f"gan_probe.{MOVED[old][0]} now"):
            importlib.import_module(f"gan_probe.{old}")
    else:
        importlib.import_module(f"gan_probe.{old}")


def test_the_checks_are_functions_of_a_subject_still() -> None:
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    critic = Critic.from_network("mlp", (32, 32, 3), seed=0)
    checks = importlib.import_module("gan_probe.checks")
    subject = Subject(critic, images, critic.score(images))
    for name in CHECKS:
        with pytest.warns(DeprecationWarning, match=f"{name} is gan_probe"):
            check = getattr(checks, name)
        verdict, *words = check(subject)
        assert verdict in {"pass", "note", "fail"}
        assert all(isinstance(each, str) for each in words)
    with pytest.raises(AttributeError, match="no attribute 'unheard_of'"):
        _ = checks.unheard_of
