"""The data sets that have a name. To add one: one row in ``PRESETS``.

The article's notation: ``square(0.7,+1)`` with noise 0.03 is a square whose channels are 0.7, 0.8 and 0.9 on white.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synthetic.shapes import SHAPES
from synthetic.spec import Choice, Spec, Type, Uniform
from synthetic.surfaces import TEXTURES


def _type(shape: str, base: float, sign: int, noise: float, *, seen: bool = False, **more: Any) -> Type:
    """Return a type labelled in the article's manner, such as ``square_0.7+_n0.03``."""
    label = f"{shape}_{base:g}{'+' if sign > 0 else '-'}_n{noise:g}"
    return Type(label, {"shape": shape, "base": base, "sign": sign, "noise": noise, **more}, seen)


def _types(rows: tuple[tuple[str, float, int, float], ...], n_seen: int, **more: Any) -> tuple[Type, ...]:
    return tuple(_type(*row, seen=i < n_seen, **more) for i, row in enumerate(rows))


# The ten types of the article; the first two are the ones it trains on.
ARTICLE = (
    ("square",   0.7,  +1, 0.03),
    ("circle",   0.85, -1, 0.03),
    ("square",   0.7,  +1, 0.01),
    ("square",   0.85, -1, 0.03),
    ("circle",   0.85, -1, 0.01),
    ("circle",   0.7,  +1, 0.03),
    ("circle",   0.7,  -1, 0.03),
    ("triangle", 0.7,  -1, 0.01),
    ("triangle", 0.7,  -1, 0.03),
    ("triangle", 0.85, +1, 0.03),
)  # fmt: skip

# Ten other types, for choosing training settings without looking at the article's test types.
DEVELOPMENT = (
    ("square",   0.7,  +1, 0.03),
    ("circle",   0.85, -1, 0.03),
    ("pentagon", 0.8,  +1, 0.03),
    ("pentagon", 0.8,  +1, 0.01),
    ("star",     0.6,  -1, 0.03),
    ("star",     0.6,  -1, 0.01),
    ("cross",    0.75, +1, 0.03),
    ("cross",    0.75, -1, 0.03),
    ("ring",     0.9,  -1, 0.01),
    ("ring",     0.9,  -1, 0.03),
)  # fmt: skip

JITTER: Mapping[str, Any] = {
    "size": Uniform(0.32, 0.42),
    "rotation_deg": Uniform(0.0, 360.0),
    "x": Uniform(-0.08, 0.08),
    "y": Uniform(-0.08, 0.08),
}

_ROWS = (
    Spec("article-train", _types(ARTICLE[:2], 2), per_class=300, split="train",
         description="the article's two training types, 300 images each"),
    Spec("article-test", _types(ARTICLE, 2), per_class=40,
         description="the article's ten test types, 40 images each"),
    Spec("article-dev", _types(DEVELOPMENT, 2), per_class=40, split="validation",
         description="ten other types, for choosing settings without touching article-test"),
    Spec("jitter-train", _types(ARTICLE[:2], 2, **JITTER), per_class=300, split="train", sizing="area",
         description="as article-train, but position, size and rotation vary and areas are equal across shapes"),
    Spec("jitter-test", _types(ARTICLE, 2, **JITTER), per_class=40, sizing="area",
         description="as article-test, but position, size and rotation vary and areas are equal across shapes"),
    Spec("shapes", tuple(Type(s, {"shape": s, **JITTER}) for s in SHAPES), per_class=100, sizing="area",
         description="all shapes, one colour, jittered, equal areas"),
    Spec("textures", tuple(Type(t, {"texture": t, "shape": Choice(tuple(SHAPES)), **JITTER}) for t in TEXTURES),
         per_class=100, sizing="area", description="all textures on every shape: texture is the class, shape is not"),
)  # fmt: skip

PRESETS: dict[str, Spec] = {spec.name: spec for spec in _ROWS}
