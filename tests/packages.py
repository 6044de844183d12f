"""Lets `test_packages` import networks out of GAN packages without what those packages need for other things.

``torch_mimicry`` imports torchvision and tensorflow as soon as it is imported; the modules with its networks do not
need them. So the package objects are made by hand, empty, and only the modules asked for are run.
"""

from __future__ import annotations

import importlib.machinery
import sys
import types
from pathlib import Path


def open_package(name: str) -> bool:
    """Make ``name`` and ``name.nets`` importable without running their ``__init__``; return whether it is installed."""
    spec = importlib.machinery.PathFinder.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return False
    root = Path(next(iter(spec.submodule_search_locations)))
    for package, folder in ((name, root), (f"{name}.nets", root / "nets")):
        module = types.ModuleType(package)
        module.__path__ = [str(folder)]
        sys.modules.setdefault(package, module)
    return True
