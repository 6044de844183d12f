"""Toy image data sets whose every factor is known: shape, colour, noise, size, rotation, position, background, texture.

>>> import synthetic
>>> data = synthetic.make_dataset("article-test", per_class=2, seed=0)
>>> data.images.shape, data.images.dtype
((20, 64, 64, 3), dtype('uint8'))
>>> data.table["factor.shape"].value_counts().to_dict()
{'circle': 8, 'square': 6, 'triangle': 6}
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthetic.dataset import Dataset as Dataset
    from synthetic.dataset import make_dataset as make_dataset
    from synthetic.dataset import sample_id as sample_id
    from synthetic.errors import SpecError as SpecError
    from synthetic.presets import PRESETS as PRESETS
    from synthetic.spec import Spec as Spec
    from synthetic.spec import load_spec as load_spec
    from synthetic.sweeping import sweep as sweep
    from synthetic.writer import contact_sheet as contact_sheet
    from synthetic.writer import write_dataset as write_dataset
    from synthetic.writer import write_shards as write_shards

_PUBLIC = {
    "Dataset": "dataset",
    "PRESETS": "presets",
    "Spec": "spec",
    "SpecError": "errors",
    "contact_sheet": "writer",
    "load_spec": "spec",
    "make_dataset": "dataset",
    "sample_id": "dataset",
    "sweep": "sweeping",
    "write_dataset": "writer",
    "write_shards": "writer",
}
__all__ = [
    "PRESETS",
    "Dataset",
    "Spec",
    "SpecError",
    "contact_sheet",
    "load_spec",
    "make_dataset",
    "sample_id",
    "sweep",
    "write_dataset",
    "write_shards",
]


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used: a command line that only parses needs no arrays."""
    if name in _PUBLIC:
        return getattr(import_module(f"synthetic.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
