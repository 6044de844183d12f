"""The page of a critic's checks: a table, no figures."""

from __future__ import annotations

from gan_probe.report.page import Page
from gan_probe.report.tables import Col, Table
from gan_probe.studies.check.result import FAIL, CheckResult


def check_table(result: CheckResult) -> Table:
    """Return every check: of the page, and of the terminal."""
    columns = [
        Col(title="check", of="check"),
        Col(title="verdict", of="verdict"),
        Col(title="found", of="found"),
        Col(title="what to do", of="advice"),
    ]
    return Table(
        name="checks", heading="Checks", columns=columns, rows=[vars(c) for c in result.checks],
        is_marked=lambda row: row["verdict"] == FAIL,
    )  # fmt: skip


PAGE = Page[CheckResult](
    schema="gan_probe.check/1",
    title=lambda result: "Is this critic fit to score?",
    sections=lambda result: (),
    tables=lambda result: [check_table(result)],
)
