"""What every page kind has: the verdict in one frame, by one rule, the same in the record and for gates."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from gan_probe.studies.levels import GAINS, USES
from tests.report.kinds import KINDS


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_each_opens_with_a_verdict_or_with_what_it_answers_instead(kind: str, tmp_path: Path) -> None:
    result = KINDS[kind](tmp_path)
    opening, numbers = result.opening(), asdict(result.metrics())
    judged, record = opening.judgement, opening.record()["verdict"]
    assert judged.headline
    assert all(line.endswith(".") and "{" not in line for line in judged.sentences())
    assert judged.line().startswith(f"verdict: {judged.headline}. ")
    assert (judged.useful is None) == ("useful" not in record)
    assert judged.useful is not None or judged.answer is not None
    json.dumps(record, allow_nan=False)
    for name, levels in (("useful", USES), ("added", GAINS)):
        if name in numbers:
            told = record.get(name, {"level": "unknown", "value": None, "low": None})
            assert (numbers[name], numbers[f"{name}_margin"], numbers[f"{name}_low"]) == (
                told["level"], told["value"], told["low"]
            )  # fmt: skip
            assert numbers[name] in levels
    assert not any("somebody" in text for text in opening.about)
