"""Unknown names are errors that suggest the nearest known one."""

from __future__ import annotations

from collections.abc import Iterable

from gan_probe.errors import ConfigError
from synthetic.errors import unknown_name


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
