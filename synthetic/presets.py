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

# A type that the article's text names once, and that is not among the ten; perhaps a slip for (0.85, -1).
NAMED_ONCE = (("circle", 0.85, +1, 0.03),)

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

# The harder sets. What does not make the class varies alike in every class: place, size, turn, colour, amount of noise.
# Areas are equal across shapes, shapes stay whole, and colours stay clear of black and white but for rare noise.
VARIED: Mapping[str, Any] = {
    "size": Uniform(0.26, 0.36),
    "rotation_deg": Uniform(0.0, 360.0),
    "x": Uniform(-0.13, 0.13),
    "y": Uniform(-0.13, 0.13),
    "base": Uniform(0.4, 0.6),
    "sign": Choice((1, -1)),
    "noise": Uniform(0.01, 0.08),
}

# Every factor on its own, for measures of disentanglement. A turn would mean another thing for each shape: none.
FREE: Mapping[str, Any] = {
    "size": Uniform(0.2, 0.36),
    "x": Uniform(-0.13, 0.13),
    "y": Uniform(-0.13, 0.13),
    "base": Uniform(0.3, 0.7),
    "sign": Choice((1, -1)),
    "noise": Uniform(0.0, 0.08),
}

OUTLINES = ("square", "circle", "triangle", "pentagon", "cross", "star")
COMPACT = Choice(OUTLINES[:4])  # room inside for an arrangement or a kind of noise
KINDS = ("white", "smooth", "fine", "rows", "columns")
TWO_COLOURS = ("core", "quarters", "halves", "bands", "sectors")
EITHER_WAY = Choice((-0.1, 0.1))  # neither colour has a place of its own

# The seen classes, first, differ in both cues; the next two contradict them. Contrasts give every texture equal power.
CUES = (
    ("square", "stripes"), ("circle", "checks"), ("square", "checks"), ("circle", "stripes"), ("square", "dots"),
    ("circle", "dots"), ("triangle", "stripes"), ("triangle", "checks"), ("triangle", "dots"),
)  # fmt: skip
CONTRAST = {"stripes": Uniform(0.042, 0.127), "checks": Uniform(0.03, 0.09), "dots": Uniform(0.06, 0.18)}


def _pair(name: str, classes: Mapping[str, Mapping[str, Any]], description: str) -> tuple[Spec, Spec]:
    """Return the training set of the first two classes and the test set of all, varied as `VARIED` says."""
    types = tuple(Type(label, {**VARIED, **own}, seen=i < 2) for i, (label, own) in enumerate(classes.items()))
    what = f"the two seen classes of {name}-test, 300 images each"
    return (
        Spec(f"{name}-train", types[:2], per_class=300, split="train", sizing="area", description=what),
        Spec(f"{name}-test", types, per_class=40, sizing="area", description=description),
    )


_ROWS = (
    Spec("article-train", _types(ARTICLE[:2], 2), per_class=300, split="train",
         description="the article's two training types, 300 images each"),
    Spec("article-test", _types(ARTICLE, 2), per_class=40,
         description="the article's ten test types, 40 images each"),
    Spec("article-circle", _types(NAMED_ONCE, 0), per_class=40,
         description="a light circle that the article names once and article-test lacks"),
    Spec("article-wrapped", _types(ARTICLE + NAMED_ONCE, 2), per_class=40, overflow="wrap",
         description="article-test and article-circle as the article's code draws them: levels above white wrap"),
    Spec("article-dev", _types(DEVELOPMENT, 2), per_class=40, split="validation",
         description="ten other types, for choosing settings without touching article-test"),
    Spec("jitter-train", _types(ARTICLE[:2], 2, **JITTER), per_class=300, split="train", sizing="area",
         description="as article-train, but position, size and rotation vary and areas are equal across shapes"),
    Spec("jitter-test", _types(ARTICLE, 2, **JITTER), per_class=40, sizing="area",
         description="as article-test, but position, size and rotation vary and areas are equal across shapes"),
    Spec("jitter-dev", _types(DEVELOPMENT, 2, **JITTER), per_class=40, split="validation", sizing="area",
         description="as article-dev, but position, size and rotation vary and areas are equal across shapes"),
    Spec("shapes", tuple(Type(s, {"shape": s, **JITTER}) for s in SHAPES), per_class=100, sizing="area",
         description="all shapes, one colour, jittered, equal areas"),
    Spec("textures", tuple(Type(t, {"texture": t, "shape": Choice(tuple(SHAPES)), **JITTER}) for t in TEXTURES),
         per_class=100, sizing="area", description="all textures on every shape: texture is the class, shape is not"),
    *_pair("equal-area", {s: {"shape": s} for s in OUTLINES},
           "shape is the class; area, colour and noise vary alike"),
    *_pair("equal-colour",
           {a: {"arrangement": a, "arrangement_contrast": EITHER_WAY, "shape": COMPACT} for a in TWO_COLOURS},
           "how two colours share the shape is the class; their mean, outline and noise vary alike"),
    *_pair("equal-noise", {k: {"noise_kind": k, "shape": COMPACT} for k in KINDS},
           "the kind of noise is the class; its power, colour and outline vary alike"),
    *_pair("texture-shape",
           {f"{s}_{t}": {"shape": s, "texture": t, "texture_contrast": CONTRAST[t]} for s, t in CUES},
           "three shapes times three textures of equal power: which of the two does a critic follow?"),
    *_pair("occluded", {s: {"shape": s, "occlusion": Uniform(0.2, 0.5)} for s in OUTLINES},
           "as equal-area, behind a grey bar that hides 0.2 to 0.5 of the shape"),
    *_pair("cluttered", {s: {"shape": s, "clutter": Uniform(0.3, 1.0)} for s in OUTLINES},
           "as equal-area, in front of small shapes of random colours"),
    Spec("factors", tuple(Type(s, {"shape": s, **FREE}) for s in OUTLINES), per_class=200, sizing="area",
         description="shape, colour, colour sign, noise, size and position drawn independently, not turned"),
)  # fmt: skip

PRESETS: dict[str, Spec] = {spec.name: spec for spec in _ROWS}
