"""Text that leaves: what a terminal, a page, a card or a spreadsheet would obey is shown in place of obeyed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_OBEYED = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f"  # controls
    "\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069"  # the direction of writing
    "\\u2028\\u2029\\ufffe\\uffff\\ud800-\\udfff]"  # ends of lines, none, halves of characters
)
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&$!@:])")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def visible(text: str, keep: str = "\n\t") -> str:
    r"""Return a text in which characters that are obeyed and not seen are written as their escapes.

    Controls (a terminal's among them), those that turn the direction of writing, and halves of characters; those in
    ``keep`` stay.

    Examples
    --------
    >>> visible("cat\x1b[2J"), visible("gpj\u202eexe"), visible("café")
    ('cat\\x1b[2J', 'gpj\\u202eexe', 'café')
    """
    return _OBEYED.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def _escape(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def as_markdown(text: str) -> str:
    r"""Return a text that Markdown shows as it is, on one line.

    Examples
    --------
    >>> print(as_markdown("a|b [x](y)"))
    a\|b \[x\](y)
    """
    return _MARKUP.sub(r"\\\1", visible(text, keep=""))


def as_csv(table: pd.DataFrame) -> str:
    """Return a table as CSV for people: text that a spreadsheet would run as a formula has an apostrophe before it.

    Numbers stay, those that are written as text too. What must be read back as it was lies in Parquet and JSON.

    Examples
    --------
    >>> import pandas as pd
    >>> print(as_csv(pd.DataFrame({"label": ["=1+1", "-1", "a"]})))
    label
    '=1+1
    -1
    a
    <BLANKLINE>
    """
    guarded = table.copy()
    for place, dtype in enumerate(table.dtypes):
        if dtype.kind not in "biufcmM":  # numbers and times
            guarded.isetitem(place, table.iloc[:, place].map(_guarded).array)
    return guarded.rename(columns=_guarded).to_csv(index=False)


def _guarded(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
