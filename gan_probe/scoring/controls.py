"""Untrained critics of the same architecture: the control of every trained one."""

from __future__ import annotations

from gan_probe.critics.critic import Critic
from gan_probe.errors import InputError

UNTRAINED_SEEDS = (101, 102, 103)  # none that a user is likely to train with: seed 0's untrained twin is its own start


def _untrained_twins(critic: Critic, warnings: list[str]) -> list[Critic]:
    """Return the untrained controls of a critic, or none and a warning where its weights cannot be drawn anew."""
    try:
        return [critic.untrained_twin(seed) for seed in UNTRAINED_SEEDS]
    except InputError as error:
        warnings.append(f"no untrained control: {error}")
        return []
