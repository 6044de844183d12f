"""Names: unknown ones are errors that suggest the nearest known one; splits have several for one role."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gan_probe.errors import ConfigError
from synthetic.errors import unknown_name

if TYPE_CHECKING:
    import pandas as pd

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLIT_ROLES = {
    "train": TRAIN, "training": TRAIN,
    "validation": VALIDATION, "val": VALIDATION, "valid": VALIDATION, "dev": VALIDATION,
    "test": TEST, "testing": TEST,
}  # fmt: skip


def split_role(name: str) -> str:
    """Return what a split of this name, in letters of any case, is for: a row of `SPLIT_ROLES`; "" where none is meant.

    Examples
    --------
    >>> split_role("Testing"), split_role("fold-1")
    ('test', '')
    """
    return SPLIT_ROLES.get(name.strip().lower(), "")


def set_aside(table: pd.DataFrame, names: Iterable[object]) -> pd.DataFrame:
    """Return a table whose columns of these names, which are wanted for others, are called ``own.NAME``.

    Examples
    --------
    >>> import pandas as pd
    >>> list(set_aside(pd.DataFrame(columns=["source", "label"]), ["source", "path"]))
    ['own.source', 'label']
    """
    renamed = {}
    for name in names:
        aside = f"own.{name}"
        while aside in table:
            aside = f"own.{aside}"
        renamed[name] = aside
    return table.rename(columns=renamed)


def check_name(kind: str, name: str, known: Iterable[str]) -> None:
    """Raise `ConfigError` unless ``name`` is one of ``known``.

    Examples
    --------
    >>> check_name("network", "compat", ["compact", "article"])
    Traceback (most recent call last):
    gan_probe.errors.ConfigError: unknown network 'compat'. Did you mean 'compact'? Known: compact, article.
    """
    known = list(known)
    if name not in known:
        raise ConfigError(unknown_name(kind, name, known))
