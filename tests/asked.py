"""A small critic from elsewhere, asked which factors it follows: once for all tests that look at the answer."""

from __future__ import annotations

from functools import cache

import torch

from gan_probe.critics.critic import Critic
from gan_probe.studies.factors.result import FactorsResult
from gan_probe.studies.factors.study import factors
from synthetic.spec import Choice, Spec, Type
from tests.foreign import PatchGan

VARIED = {"base": Choice((0.3, 0.7)), "size": Choice((0.3, 0.5))}
SMALL = Spec("small", (Type("square", VARIED), Type("circle", {"shape": "circle", **VARIED})), sizing="area")


@cache
def asked() -> FactorsResult:
    """Return what a randomly initialised `PatchGan` follows in `SMALL`, with controls."""
    torch.manual_seed(0)
    return factors(Critic.from_module(PatchGan().eval(), (16, 16, 3)), spec=SMALL, per_class=60, n_bases=20)
