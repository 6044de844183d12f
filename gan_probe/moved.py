"""Where the modules of 0.1.0 went: their names work for one release more, each use with a DeprecationWarning.

Remove this module, and its one line in ``gan_probe/__init__.py``, with 0.3.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# old module -> the modules that hold its names now, looked through in this order
MOVED: dict[str, tuple[str, ...]] = {
    "adapt": ("critics.foreign", "critics.weights", "critics.random_weights"),
    "attribution": ("critics.attribution",),
    "checks": ("studies.check.study", "moved"),
    "critic": ("critics.critic",),
    "data": ("images.image_set", "images.readers.reading", "images.readers.streaming", "scoring.table"),
    "data.images": ("images.image_set",),
    "data.masks": ("images.masks",),
    "data.nulls": ("images.nulls",),
    "data.reading": (
        "images.readers.reading", "images.readers.decode", "images.readers.table", "images.readers.folder",
        "images.readers.arrays", "images.readers.metadata", "images.readers.formats",
    ),
    "data.streaming": ("images.readers.streaming",),
    "data.tables": ("scoring.table",),
    "data.tensors": ("images.pixels",),
    "ensemble": ("critics.ensemble",),
    "explaining": ("studies.explain.study",),
    "features": ("critics.features",),
    "flagging": ("studies.outliers.study",),
    "following": ("studies.factors.study",),
    "generator": ("critics.generator",),
    "pipeline": (
        "scoring.score", "images.image_set", "studies.separation.study", "studies.probe.study",
        "studies.diagnose.study", "moved",
    ),
    "portable": ("critics.stored",),
    "sampling": ("critics.sampling", "studies.arithmetic.study"),
    "stabilities": ("studies.stability.study",),
    "trajectories": ("studies.trajectory.study",),
}  # fmt: skip


class _Old(ModuleType):
    """A module that looks its names up where they went."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        old = self.__name__.removeprefix("gan_probe.")
        for new in MOVED[old]:
            module = import_module(f"gan_probe.{new}")
            if hasattr(module, name):
                text = f"{self.__name__}.{name} is gan_probe.{new}.{name} now; the old name goes with 0.3."
                warnings.warn(text, DeprecationWarning, stacklevel=2)
                return getattr(module, name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


class _Finder:
    """Finds the old names when nothing else has them, and loads them."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        """Return a spec for an old name, and None for all else."""
        old = fullname.removeprefix("gan_probe.")
        if fullname == old or old not in MOVED:
            return None
        loader: Any = self  # importlib.abc, whose classes say so, takes longer to import than this to run
        return ModuleSpec(fullname, loader, is_package=any(name.startswith(f"{old}.") for name in MOVED))

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module that looks names up."""
        return _Old(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Put the new module in the place of the old one, where all names went to one."""
        new = MOVED[module.__name__.removeprefix("gan_probe.")]
        if len(new) == 1:
            warnings.warn(
                f"{module.__name__} is gan_probe.{new[0]} now; the old name goes with 0.3.", DeprecationWarning, 2
            )
            sys.modules[module.__name__] = import_module(f"gan_probe.{new[0]}")


def report(
    scores: Any, out: Any, *, title: str | None = None, command: str = "", **options: Any
) -> tuple[Any, list[str]]:
    """Analyse scores and write their page, as ``pipeline.report`` of 0.1.0 did; return result and findings."""
    from gan_probe.studies.separation.study import separation

    overwrite = options.pop("overwrite", False)
    found = separation(scores, **options)
    found.save(out, title=title or "", command=command, overwrite=overwrite)
    return found, found.findings()


def install() -> None:
    """Let the old names be found, after everything else."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


def __getattr__(name: str) -> Any:
    """Return a check by its name, a function of a subject, as ``checks`` of 0.1.0 held them."""
    from gan_probe.studies.check.study import CHECKS, Subject
    from gan_probe.verdicts import rule

    if name not in CHECKS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def check(subject: Subject) -> tuple[str, str, str]:
        return rule(CHECKS[name], subject)

    return check
