"""What members have in common is measured as it was put in, and said beside untrained ones."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gan_probe.stats.agreement import mean_correlation
from gan_probe.studies.ensemble.result import EnsembleResult

RNG = np.random.default_rng(0)


def made_up(n_members: int = 4, *, common: float = 0.9, others: float = 0.2, n: int = 80) -> EnsembleResult:
    """Members whose scores have a share of their variance in common, beside two ensembles that have another."""

    def draw(of: float) -> np.ndarray:
        rows = np.sqrt(of) * RNG.normal(size=n) + np.sqrt(1 - of) * RNG.normal(size=(n_members, n))
        return (rows - rows.mean(1, keepdims=True)) / rows.std(1, keepdims=True)

    return EnsembleResult(
        members=tuple(f"run-{k:02d}" for k in range(n_members)), shifts=np.zeros(n_members),
        scales=np.array([-1.0, *np.ones(n_members - 1)]), scores=draw(common), random_init=np.stack([draw(others)] * 2),
        panel=RNG.integers(0, 256, (n, 8, 8, 3), dtype=np.uint8), provenance={"data_source": "/home/somebody/panel"},
    )  # fmt: skip


def test_agreement_is_the_mean_of_the_pairs_correlations() -> None:
    found = made_up()
    upper = np.triu_indices(4, 1)
    assert found.agreement.value == pytest.approx(np.corrcoef(found.scores)[upper].mean())
    assert found.of_random_init == [pytest.approx(np.corrcoef(found.random_init[0])[upper].mean())] * 2
    assert found.agreement.ci_low < 0.9 < found.agreement.ci_high
    assert found.added is not None
    assert found.added.ci_low < 0.7 < found.added.ci_high
    assert mean_correlation(np.stack([np.ones(5), np.arange(5.0)])) == 0


def test_rows_findings_and_verdict_say_who_agrees_and_who_was_turned() -> None:
    found = made_up()
    assert found.turned == ("run-00",)
    rows = found.rows()
    assert rows[1]["agrees"] == pytest.approx(np.delete(found.correlations[1], 1).mean())
    assert any("Turned round" in line and line.endswith("run-00.") for line in found.findings())
    judgement = found.opening().judgement
    assert judgement.headline == "Members agree"
    assert judgement.added is not None
    assert judgement.added.level == "yes"
    assert (found.metrics().added, found.metrics().agreement_low) == ("yes", found.agreement.ci_low)


def test_two_members_have_no_interval_and_a_third_is_not_guessed_at() -> None:
    found = made_up(2)
    assert math.isnan(found.agreement.ci_low)
    assert found.added is None
    assert found.metrics().agreement_low is None
    assert "how a third would, two cannot tell" in found.opening().judgement.line()
    assert "randomly initialised critics: " in " ".join(found.findings())


def test_without_untrained_ones_what_the_training_added_cannot_be_known() -> None:
    found = made_up()
    alone = replace(found, random_init=found.random_init[:0])
    assert alone.agreement == found.agreement
    assert alone.metrics().added == "unknown"
    assert alone.metrics().agreement_random_init == []
    assert "cannot be known" in alone.opening().judgement.line()
