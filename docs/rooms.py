"""Every verdict of the program, by where it is said: for ``docs/verdicts.md`` and for the test of every rule."""

from __future__ import annotations

import re
from typing import Any

from gan_probe.cli import all as all_
from gan_probe.cli import demo
from gan_probe.studies import advantage, judgement
from gan_probe.studies.check.study import CHECKS
from gan_probe.studies.comparison import result as comparison
from gan_probe.studies.ensemble import result as ensemble
from gan_probe.studies.explain import result as explain
from gan_probe.studies.factors import result as factors
from gan_probe.studies.outliers import result as outliers
from gan_probe.studies.probe import result as probe
from gan_probe.studies.separation import findings
from gan_probe.studies.stability import result as stability
from gan_probe.studies.trajectory import result as trajectory
from gan_probe.training.runs import diagnosis
from gan_probe.verdicts import Verdict


def rooms() -> dict[str, list[Verdict[Any]]]:
    """Return every verdict of the program, by where it is said."""
    return {
        "The three questions (report, probe, outliers)": [*advantage.VERDICTS],
        "The verdict (every page that asks of use): use": [*judgement.USE],
        "The verdict (every page that asks of use): training": [*judgement.GAIN],
        "The verdict (stability)": [*stability.AGREEMENT],
        "The verdict (ensemble)": [*ensemble.AGREEMENT],
        "report": [*findings.VERDICTS],
        "report --compare": [*comparison.VERDICTS],
        "probe": [*probe.VERDICTS, *probe.GAME, *probe.LAYERS, *probe.REFERENCE],
        "factors": [*factors.VERDICTS],
        "explain": [
            *explain.VERDICTS, *explain.TRUTH, *explain.SANITY, *explain.WITHOUT_MASKS, *explain.COMPLETENESS
        ],
        "stability": [*stability.VERDICTS, *stability.AGAINST, *stability.LEVELS, *stability.SIMILARITIES],
        "ensemble": [*ensemble.VERDICTS],
        "outliers": [*outliers.VERDICTS],
        "trajectory": [*trajectory.VERDICTS],
        **{f"check: {name}": [*rulings] for name, rulings in CHECKS.items()},
        "diagnose": [*diagnosis.TROUBLE, *diagnosis.ADVICE, *diagnosis.NOTHING],
        "all: the last line": [*all_.VERDICTS],
        "demo": [*demo.VERDICTS],
    }  # fmt: skip


def in_words(template: str) -> str:
    """Return a sentence with the names of what stands in it in italics."""
    plain = re.sub(r"\{(\w+)[^{}]*\}", lambda found: f"*{found[1].replace('_', ' ')}*", template)
    return plain.replace("|", "\\|")
