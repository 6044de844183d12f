"""A data set as data: which types of image there are, and the value or range of every factor of each."""

from __future__ import annotations

import itertools
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

from synthetic.errors import SpecError, unknown_name
from synthetic.shapes import SHAPES
from synthetic.surfaces import ARRANGEMENTS, BACKGROUNDS, NOISE_KINDS, TEXTURES


class Factor(NamedTuple):
    """What a factor accepts: a name from a table, or a number from ``low`` to ``high``."""

    default: Any
    low: float = -math.inf
    high: float = math.inf
    names: tuple[str, ...] = ()
    help: str = ""


# The order is part of the file format: the random number of a factor is its place in this table. Append only.
FACTORS: dict[str, Factor] = {
    "shape":            Factor("square", names=tuple(SHAPES), help="outline"),
    "base":             Factor(0.7,   0.0, 1.0, help="red level b; green is b+0.1s, blue b+0.2s, clipped to [0, 1]"),
    "sign":             Factor(1,    -1.0, 1.0, help="colour sign s: +1 or -1"),
    "noise":            Factor(0.03,  0.0, 1.0, help="standard deviation of Gaussian noise, per pixel and channel"),
    "size":             Factor(0.7,   0.02, 1.0, help="share of the image's side, see `sizing`"),
    "rotation_deg":     Factor(0.0,  -360.0, 360.0, help="degrees, counter-clockwise"),
    "x":                Factor(0.0,  -0.5, 0.5, help="centre, share of the side, to the right"),
    "y":                Factor(0.0,  -0.5, 0.5, help="centre, share of the side, downwards"),
    "background":       Factor("white", names=tuple(BACKGROUNDS), help="what lies behind the shape"),
    "texture":          Factor("plain", names=tuple(TEXTURES), help="pattern inside the shape"),
    "texture_contrast": Factor(0.1,   0.0, 1.0, help="amplitude of the pattern"),
    "noise_kind":       Factor("white", names=tuple(NOISE_KINDS), help="frequencies of the noise, at equal power"),
    "arrangement":      Factor("plain", names=tuple(ARRANGEMENTS), help="how two colours share the shape, half each"),
    "arrangement_contrast": Factor(0.1, -1.0, 1.0, help="added to one of the two colours, taken from the other"),
    "clutter":          Factor(0.0,   0.0, 1.0, help="amount of small shapes of random colours behind the shape"),
    "occlusion":        Factor(0.0,   0.0, 0.6, help="share of the shape that a grey bar hides"),
}  # fmt: skip

MAX_IMAGES = 10_000_000
OLD_KEYS = {"side_px": "size_px"}  # read until 0.3
SIZINGS = ("extent", "area")
OVERFLOWS = ("clip", "wrap")


@dataclass(frozen=True)
class Uniform:
    """A factor drawn anew for every image, evenly from ``low`` to ``high``."""

    low: float
    high: float


@dataclass(frozen=True)
class Choice:
    """A factor drawn anew for every image, each of ``values`` as likely as the others."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Type:
    """One class of images: its label and the factors that differ from the defaults."""

    label: str
    factors: Mapping[str, Any] = field(default_factory=dict)
    seen: bool = False

    def value(self, factor: str) -> Any:
        """Return the fixed value, `Uniform` or `Choice` of a factor."""
        return self.factors.get(factor, FACTORS[factor].default)


@dataclass(frozen=True)
class Spec:
    """A data set to be drawn.

    Parameters
    ----------
    name : str
        Also enters the random stream, so that two specs never share noise under one seed.
    types : tuple of Type
        The classes. Image ``i`` belongs to ``types[i % len(types)]``.
    per_class : int
        Images of each type.
    size_px : int
        Images are square, ``size_px`` pixels each way.
    sizing : {"extent", "area"}
        What ``size`` means. "extent": the shape's box has sides of ``size * size_px``. "area": every shape fills
        ``(size * size_px)**2`` pixels, so that shape and area are independent.
    overflow : {"clip", "wrap"}
        What a shape's levels above white or below black become. "clip": white or black. "wrap": what is left of them
        in 8 bits (1.05 is nearly black), as drawing code without clipping has it.
    split : str
        What the set is meant for; written to the ``split`` column.
    description : str
        One line for `gan-probe synth --list`.
    """

    name: str
    types: tuple[Type, ...]
    per_class: int = 40
    size_px: int = 64
    sizing: str = "extent"
    overflow: str = "clip"
    split: str = "test"
    description: str = ""

    def __post_init__(self) -> None:
        if not self.types:
            raise SpecError(f"data set {self.name!r} has no types. Give at least one [[type]] or a [grid].")
        if not is_integer(self.per_class) or self.per_class < 1:
            raise SpecError(f"per_class must be an integer of at least 1, got {self.per_class!r}.")
        if self.per_class * len(self.types) > MAX_IMAGES:
            raise SpecError(f"{self.per_class * len(self.types):,} images are more than {MAX_IMAGES:,}.")
        if not isinstance(self.split, str) or not isinstance(self.name, str):
            raise SpecError(f"name and split must be text, got {self.name!r} and {self.split!r}.")
        if not isinstance(self.size_px, int) or not 8 <= self.size_px <= 1024:
            raise SpecError(f"size_px must be an integer from 8 to 1024, got {self.size_px!r}.")
        if self.sizing not in SIZINGS:
            raise SpecError(unknown_name("sizing", self.sizing, SIZINGS))
        if self.overflow not in OVERFLOWS:
            raise SpecError(unknown_name("overflow", self.overflow, OVERFLOWS))
        _check_types(self.types)

    @property
    def n_images(self) -> int:
        """Images in all."""
        return self.per_class * len(self.types)

    def with_per_class(self, per_class: int | None) -> Spec:
        """Return the spec with another number of images per type; None changes nothing."""
        return self if per_class is None else replace(self, per_class=per_class)


def is_integer(value: object) -> bool:
    """Return whether a value is a whole number, numpy's included, and not a truth value."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def _check_types(types: Sequence[Type]) -> None:
    """Raise `SpecError` unless labels differ and can name folders, and every factor takes its value."""
    labels = [t.label for t in types]
    for label in labels:
        if labels.count(label) > 1:
            raise SpecError(f"two types share the label {label!r}. Labels must differ.")
        _check_label(label)
    for t in types:
        for name, value in t.factors.items():
            _check_value(t.label, name, value)


def _check_label(label: object) -> None:
    ok = isinstance(label, str) and label.strip(". ") and not set(label) & set('/\\:*?"<>|\0\n')
    if not ok or len(str(label)) > 100:
        raise SpecError(
            f"label {label!r} cannot name a folder. Use 1 to 100 characters, without / : * ? < > | or quotes."
        )


def _check_value(label: str, name: str, value: Any) -> None:
    """Raise `SpecError` unless ``value`` is one that factor ``name`` accepts."""
    if name not in FACTORS:
        raise SpecError(f"type {label!r}: {unknown_name('factor', name, FACTORS)}")
    where = f"type {label!r}, factor {name!r}"
    match value:
        case Uniform(low, high):
            if FACTORS[name].names or name == "sign":
                raise SpecError(f"{where}: takes one value or a list of values, not a range.")
            if low > high:
                raise SpecError(f"{where}: low {low} is above high {high}.")
            atoms: tuple[Any, ...] = (low, high)
        case Choice(values):
            if not values:
                raise SpecError(f"{where}: the list of values is empty.")
            atoms = values
        case _:
            atoms = (value,)
    for atom in atoms:
        check_one_value(where, name, atom)


def check_one_value(where: str, name: str, value: Any) -> None:
    """Raise `SpecError`, its message headed by ``where``, unless ``value`` is a single one that the factor accepts."""
    factor = FACTORS[name]
    if factor.names:
        if value not in factor.names:
            raise SpecError(f"{where}: {unknown_name(name, value, factor.names)}")
    elif isinstance(value, bool) or not isinstance(value, int | float) or not factor.low <= value <= factor.high:
        raise SpecError(f"{where}: must be a number from {factor.low:g} to {factor.high:g}, got {value!r}.")
    elif name == "sign" and value not in (-1, 1):
        raise SpecError(f"{where}: must be +1 or -1, got {value!r}.")


def _parse_value(where: str, value: Any) -> Any:
    if isinstance(value, list):
        return Choice(tuple(value))
    if isinstance(value, dict):
        if set(value) != {"low", "high"}:
            raise SpecError(f"{where}: a range needs exactly the keys low and high, got {sorted(value)}.")
        return Uniform(value["low"], value["high"])
    return value


def _grid_types(grid: Mapping[str, Any], base: Mapping[str, Any]) -> list[Type]:
    """Return one type for every combination of the grid's values, labelled by the factors that vary."""
    axes = {name: values if isinstance(values, list) else [values] for name, values in grid.items()}
    for name, values in axes.items():
        if not values:
            raise SpecError(f"[grid]: {name!r} has no values.")
    varying = [name for name, values in axes.items() if len(values) > 1] or list(axes)
    types = []
    for combination in itertools.product(*axes.values()):
        factors = dict(zip(axes, combination, strict=True))
        types.append(Type("_".join(f"{name}-{factors[name]}" for name in varying), {**base, **factors}))
    return types


def spec_from_dict(raw: Mapping[str, Any], name: str) -> Spec:
    """Return the `Spec` that a parsed TOML document describes.

    Parameters
    ----------
    raw : mapping
        Top-level keys ``per_class``, ``size_px``, ``sizing``, ``overflow``, ``split``, ``description``, ``name``;
        tables ``[defaults]`` (factors of every type), ``[grid]`` (lists, every combination a type) and ``[[type]]``
        (``label``, optional ``seen``, factors).
    name : str
        Used when ``raw`` has no ``name``.

    Raises
    ------
    SpecError
        For an unknown key, an unknown factor or a value out of range.
    """
    raw = _renamed(raw)
    plain_keys = ("per_class", "size_px", "sizing", "overflow", "split", "description")
    known = ("name", *plain_keys, "defaults", "grid", "type", "seen")
    for key in raw:
        if key not in known:
            raise SpecError(unknown_name("key", key, known))
    for table in ("defaults", "grid"):
        if not isinstance(raw.get(table, {}), dict):
            raise SpecError(f"{table!r} must be a table, written [{table}].")
    if not isinstance(raw.get("type", []), list):
        raise SpecError("'type' must be a list of tables, each written [[type]].")
    defaults = {k: _parse_value(f"[defaults] {k}", v) for k, v in raw.get("defaults", {}).items()}
    types = _grid_types(raw["grid"], defaults) if raw.get("grid") else []
    for number, entry in enumerate(raw.get("type", []), start=1):
        entry = dict(entry)
        label = entry.pop("label", f"type{number}")
        seen = entry.pop("seen", False)
        if not isinstance(seen, bool):
            raise SpecError(f"type {label!r}: seen must be true or false, without quotes, got {seen!r}.")
        factors = {k: _parse_value(f"type {label!r}, factor {k!r}", v) for k, v in entry.items()}
        types.append(Type(label, {**defaults, **factors}, seen))
    seen_labels = raw.get("seen", [])
    for label in seen_labels:
        if label not in [t.label for t in types]:
            raise SpecError(unknown_name("label in 'seen'", label, [t.label for t in types]))
    types = [replace(t, seen=True) if t.label in seen_labels else t for t in types]
    plain = {k: raw[k] for k in plain_keys if k in raw}
    return Spec(name=str(raw.get("name", name)), types=tuple(types), **plain)


def _renamed(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with old keys by their new names."""
    for old, new in OLD_KEYS.items():
        if old in raw and new in raw:
            raise SpecError(f"{new} is given twice, once by its old name {old}; leave one of them out.")
    return {OLD_KEYS.get(key, key): value for key, value in raw.items()}


def load_spec(path: str | Path) -> Spec:
    """Return the `Spec` in a TOML file; see `spec_from_dict` for the keys.

    Raises
    ------
    SpecError
        When the file cannot be read, is not TOML, or does not describe a data set.
    """
    path = Path(path)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"cannot read the spec {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} is not a TOML file: {error}.") from error
    try:
        return spec_from_dict(raw, name=path.stem)
    except (TypeError, AttributeError, ValueError) as error:
        if isinstance(error, SpecError):
            raise
        raise SpecError(
            f"{path} has a value of the wrong kind: {error}. See docs/synthetic.md for an example."
        ) from error
