"""Toy image data sets whose every factor is known: shape, colour, noise, size, rotation, position, background, texture.

>>> import synthetic
>>> data = synthetic.make_dataset("article-test", per_class=2, seed=0)
>>> data.images.shape, data.images.dtype
((20, 64, 64, 3), dtype('uint8'))
>>> data.table["factor.shape"].value_counts().to_dict()
{'circle': 8, 'square': 6, 'triangle': 6}
"""

from synthetic.dataset import Dataset, make_dataset, sample_id
from synthetic.errors import SpecError
from synthetic.presets import PRESETS
from synthetic.spec import Spec, load_spec
from synthetic.writer import contact_sheet, write_dataset

__all__ = [
    "PRESETS",
    "Dataset",
    "Spec",
    "SpecError",
    "contact_sheet",
    "load_spec",
    "make_dataset",
    "sample_id",
    "write_dataset",
]
