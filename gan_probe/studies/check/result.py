"""What the checks of a critic found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from gan_probe.studies.base import StudyResult
from gan_probe.studies.check.metrics import CheckMetrics
from gan_probe.studies.judgement import Answer, Judgement, Opening, sources

PASS, FAIL, NOTE = "pass", "FAIL", "note"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    check : str
    verdict : {"pass", "FAIL", "note"}
    found : str
        What was measured.
    advice : str
        What to do; empty when it passed.
    """

    check: str
    verdict: str
    found: str
    advice: str = ""


@dataclass(frozen=True, kw_only=True)
class CheckResult(StudyResult):
    """Whether a critic is fit to be used as a scorer.

    Attributes
    ----------
    checks : list of Finding
    provenance : dict
    warnings : sequence of str
    """

    study: ClassVar = "check"

    checks: Sequence[Finding]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    @property
    def failed(self) -> list[str]:
        """Names of the checks that failed."""
        return [c.check for c in self.checks if c.verdict == FAIL]

    def findings(self) -> list[str]:
        """Return what did not pass, with what to do."""
        told = [f"{c.check}: {c.found}. {c.advice}".strip() for c in self.checks if c.verdict != PASS]
        return told or ["Every check passed."]

    def opening(self) -> Opening:
        """Return whether the critic is fit to score."""
        failed = self.failed
        says = f"{', '.join(failed)} failed." if failed else f"{len(self.checks)} checks, none failed."
        answer = Answer(
            headline="Not fit to score" if failed else "Fit to score", says=says, level="no" if failed else "yes"
        )
        return Opening(judgement=Judgement(answer=answer), about=sources(self.provenance))

    def metrics(self) -> CheckMetrics:
        """Return every check with its verdict."""
        return CheckMetrics(checks=[asdict(c) for c in self.checks], n_failed=len(self.failed))

    def record(self) -> dict[str, Any]:
        """Return every number of the page."""
        return asdict(self.metrics())
