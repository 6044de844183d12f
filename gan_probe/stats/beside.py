"""A number of the critic beside the same number of its controls: the idea of the product, as a type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
U = TypeVar("U")

# How the controls of the same architecture go by in records (random_init.0, random_init.1, ...), and in words.
RANDOM_INIT, RANDOM_CRITICS = "random_init", "randomly initialised critics"
SPELLED = {"hog": "HOG", "pca": "PCA", "kmeans_patches": "k-means patches", "png_bytes": "PNG bytes",
           "pixels_pc1": "first component of the pixels", "imagenet": "ImageNet"}  # fmt: skip


def title_of(name: str) -> str:
    """Return the name of a control as sentences and pages have it.

    Examples
    --------
    >>> title_of("random_init"), title_of("high_frequency_power"), title_of("hog")
    ('randomly initialised critics', 'high frequency power', 'HOG')
    """
    kind, _, number = name.partition(".")
    if kind != RANDOM_INIT:
        return SPELLED.get(name, name.replace("_", " "))
    return f"randomly initialised critic {number}" if number else RANDOM_CRITICS


def numbered(n: int) -> list[str]:
    """Return the names of n randomly initialised critics."""
    return [f"{RANDOM_INIT}.{number}" for number in range(n)]


class Difference(NamedTuple):
    """How far one number is above another, with its 95 % interval.

    Examples
    --------
    >>> Difference(0.062, 0.031, 0.093).points(), Difference(0.062, 0.031, 0.093).verdict
    ('+6.2 points (+3.1 to +9.3)', 'ahead')
    >>> Difference(0.062, -0.01, 0.134).plain(), Difference(0.062, -0.01, 0.134).verdict
    ('+0.062 (-0.010 to +0.134)', 'not to be told apart')
    """

    value: float
    ci_low: float
    ci_high: float

    @property
    def verdict(self) -> str:
        """What the interval allows to say: "ahead", "behind" or "not to be told apart"."""
        return "ahead" if self.ci_low > 0 else "behind" if self.ci_high < 0 else "not to be told apart"

    def points(self) -> str:
        """Return it in points of a share, in words."""
        return f"{100 * self.value:+z.1f} points ({100 * self.ci_low:+z.1f} to {100 * self.ci_high:+z.1f})"

    def plain(self) -> str:
        """Return it in words, as a plain number."""
        return f"{self.value:+z.3f} ({self.ci_low:+z.3f} to {self.ci_high:+z.3f})"


@dataclass(frozen=True, kw_only=True)
class Beside(Generic[T]):
    """Something of the critic, of randomly initialised critics of its architecture, and of what needs no network.

    Attributes
    ----------
    critic : object
    random_init : tuple of object
        One a seed; empty where weights cannot be drawn anew.
    baselines : mapping of str to object
        Image statistics, pixels, HOG, ..., by name.

    Examples
    --------
    >>> pairs = Beside(critic=44, random_init=(40, 43), baselines={"brightness": 42})
    >>> pairs.best(), pairs.margin()
    (('brightness', 42.0), 2.0)
    >>> list(pairs.controls())
    ['random_init.0', 'random_init.1', 'brightness']
    """

    critic: T
    random_init: tuple[T, ...] = ()
    baselines: Mapping[str, T] = field(default_factory=dict)

    def controls(self) -> dict[str, T]:
        """Return every control by its name; randomly initialised critics are numbered."""
        return {**dict(zip(numbered(len(self.random_init)), self.random_init, strict=True)), **self.baselines}

    def grouped(self) -> dict[str, tuple[T, ...]]:
        """Return the controls with the seeds of randomly initialised critics as one; empty ones are left out."""
        together = {RANDOM_INIT: self.random_init} if self.random_init else {}
        return {**together, **{name: (value,) for name, value in self.baselines.items()}}

    def map(self, change: Callable[[T], U]) -> Beside[U]:
        """Return the same with ``change`` applied to each."""
        return Beside(
            critic=change(self.critic),
            random_init=tuple(change(value) for value in self.random_init),
            baselines={name: change(value) for name, value in self.baselines.items()},
        )

    def best(self, key: Callable[[T], float] = float) -> tuple[str, float]:  # type: ignore[assignment]
        """Return the name and the value of the control that has most of ``key``; ("", nan) without controls.

        Randomly initialised critics count as one, by their mean.
        """
        means = {name: sum(map(key, values)) / len(values) for name, values in self.grouped().items()}
        name = max(means, key=means.__getitem__, default="")
        return (name, means[name]) if name else ("", float("nan"))

    def margin(self, key: Callable[[T], float] = float) -> float:  # type: ignore[assignment]
        """Return how far the critic is above its best control; NaN without controls."""
        return key(self.critic) - self.best(key)[1]
