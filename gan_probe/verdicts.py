"""What may be concluded, as rows: a rule, and the sentence that it allows. ``docs/verdicts.md`` lists them all.

To add a sentence: one row in a room's ``VERDICTS``, and in ``tests/test_verdicts.py`` a case in which the rule holds
and one in which it just does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Verdict(Generic[T]):
    """A sentence, and when it is said.

    Attributes
    ----------
    name : str
        Of the row, among those of its room.
    when : str
        The rule in words, for the docs.
    holds : callable
        The rule: whether a record allows the sentence.
    says : str
        The sentence, with the record's attributes in braces, as `str.format` takes them.
    """

    name: str
    when: str
    holds: Callable[[T], bool]
    says: str


@dataclass(frozen=True, kw_only=True)
class Ruling(Verdict[T]):
    """A verdict on a critic that also says pass, fail or note, and what to do.

    Attributes
    ----------
    ruling : {"pass", "FAIL", "note"}
    advice : str
        With the record's attributes in braces, as ``says``; empty where nothing is to be done.
    """

    ruling: str
    advice: str = ""


@dataclass(frozen=True)
class _Attributes:
    """Attributes of a record by name; read only where a sentence needs them."""

    record: Any

    def __getitem__(self, name: str) -> Any:
        return getattr(self.record, name)


def conclude(verdicts: Sequence[Verdict[T]], record: T) -> list[str]:
    """Return the sentences that a record allows, in the order of their rows.

    Examples
    --------
    >>> rows = [Verdict(name="real", when="no imaginary part", holds=lambda z: z.imag == 0, says="{real} is real.")]
    >>> conclude(rows, 2.0), conclude(rows, 2j)
    (['2.0 is real.'], [])
    """
    return [v.says.format_map(_Attributes(record)) for v in verdicts if v.holds(record)]


def rule(rulings: Sequence[Ruling[T]], record: T) -> tuple[str, str, str]:
    """Return ruling, sentence and advice of the first row that holds; one always must."""
    row = next(r for r in rulings if r.holds(record))
    return row.ruling, *(text.format_map(_Attributes(record)) for text in (row.says, row.advice))  # type: ignore[return-value]


def always(record: object) -> bool:
    """Return True: the rule of a sentence that is always said."""
    return True
