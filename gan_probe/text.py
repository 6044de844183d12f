"""Text that leaves: what a terminal, a page, a card or a spreadsheet would obey is shown in place of obeyed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


_PLACE = re.compile(r"""(?<![\w.~/\\<])(?:~[\w.-]*/|/|[A-Za-z]:[\\/])(?:[^\s/\\'",;:<>]+[/\\])+([^\s/\\'",;:<>]*)""")


def without_known(text: str, known: Iterable[Any]) -> str:
    """Return a text in which those of some values that are whole paths are names."""
    for path in sorted((p for p in known if _is_whole(p)), key=len, reverse=True):
        text = text.replace(path, _last(path))
    return text


def without_place(text: str) -> str:
    """Return a text in which whole paths are names: a page that is passed on tells of no machine.

    Paths with spaces in them cannot be seen, but for those below the folder of work and the home folder; what a text
    says of classes is not for this, as a class may be named like a path.

    Examples
    --------
    >>> without_place("not found at /home/ann/data, so none"), without_place("runs/a 1/2 and/or")
    ('not found at data, so none', 'runs/a 1/2 and/or')
    """
    for place, name in ((Path.cwd(), ""), (Path.home(), "~/")):
        text = text.replace(f"{place}/", name) if len(place.parts) > 1 else text
    return _PLACE.sub(lambda found: found[1] or _last(found[0]), text)


def without_places_in(command: str) -> str:
    """Return a command line in which whole paths are names.

    Examples
    --------
    >>> without_places_in("gan-probe report '/home/ann/my scores.parquet' --out=/tmp/r")
    "gan-probe report 'my scores.parquet' --out=r"
    """
    words = [word.partition("=") if word.startswith("-") else ("", "", word) for word in shlex.split(command)]
    return shlex.join(f"{name}{sign}{_last(value) if _is_whole(value) else value}" for name, sign, value in words)


def placeless(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record in which values that are whole paths are names: see `without_place`.

    Examples
    --------
    >>> placeless({"data_source": "/home/ann/my data", "network": "compact"})
    {'data_source': 'my data', 'network': 'compact'}
    """

    def named(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [named(one) for one in value]
        return _last(value) if _is_whole(value) else value

    return {k: named(v) for k, v in record.items()}


def without_places(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose columns ``path`` and ``source`` have names in place of whole paths."""
    with_places = [name for name in ("path", "source") if name in table and table[name].map(_is_whole).any()]
    return table.assign(**{name: [_last(p) if _is_whole(p) else p for p in table[name]] for name in with_places})


def _is_whole(path: Any) -> bool:
    return isinstance(path, str) and (PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute())


def _last(path: str) -> str:
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]


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
