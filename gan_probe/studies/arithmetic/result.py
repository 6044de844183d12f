"""Walks and sums in a generator's latent space: arrays in, arrays and numbers out.

The callers decode latents and classify images; here is what is combined with what, and how to measure what comes out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from gan_probe.errors import ConfigError, InputError
from gan_probe.stats.beside import Difference
from gan_probe.stats.intervals import difference_interval
from gan_probe.studies.arithmetic.metrics import ArithmeticMetrics
from gan_probe.studies.base import StudyResult, plain
from gan_probe.studies.judgement import Judged, Judgement, Opening, sources, use_of
from gan_probe.types import Rows, SomeImages, Values, Walks

N_MEAN = 3  # latents that a concept is the mean of, as in DCGAN's figures
RESULT = "a - b + c"
CONTROLS = ("c alone", "a alone", "c + a random step")


def largest_jump(features: Rows) -> float:
    """Return the largest step's share of a path (n, d): 1 / (n - 1) where it is even, 1 where all happens at once.

    Examples
    --------
    >>> largest_jump(np.array([[0.0], [1.0], [2.0]])), largest_jump(np.array([[0.0], [0.0], [2.0]]))
    (0.5, 1.0)
    """
    steps = np.linalg.norm(np.diff(features, axis=0), axis=1)
    return float(steps.max() / max(float(steps.sum()), 1e-12))


@dataclass(frozen=True)
class Equation:
    """``a - b + c = d`` over classes."""

    a: str
    b: str
    c: str
    expected: str

    @classmethod
    def parse(cls, text: str, classes: Sequence[str]) -> Equation:
        """Return the equation written in ``text``.

        Raises
        ------
        ConfigError
            When it is not ``A - B + C = D`` with classes of ``classes``.

        Examples
        --------
        >>> Equation.parse("thick 1 - thin 1 + thin 7 = thick 7", ["thick 1", "thin 1", "thick 7", "thin 7"])
        Equation(a='thick 1', b='thin 1', c='thin 7', expected='thick 7')
        """
        names = "|".join(re.escape(name) for name in sorted(classes, key=len, reverse=True))
        found = re.fullmatch(rf"\s*({names})\s*-\s*({names})\s*\+\s*({names})\s*=\s*({names})\s*", text)
        if not found:
            shown = ", ".join(list(classes)[:12]) + (", ..." if len(classes) > 12 else "")
            raise ConfigError(
                f"an equation is written 'A - B + C = D' with classes of the data, got {text!r}. Classes: {shown}."
            )
        return cls(*found.groups())


@dataclass(frozen=True)
class DrawShare:
    """How often images are called the expected class.

    Attributes
    ----------
    name : str
        `RESULT` or one of `CONTROLS`.
    share, ci_low, ci_high : float
        With Wilson's 95 % interval over the draws.
    called : dict
        How often each class was named.
    """

    name: str
    share: float
    ci_low: float
    ci_high: float
    called: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class ArithmeticResult(StudyResult):
    """What ``a - b + c`` gave.

    Attributes
    ----------
    equation : Equation
    shares : list of Share
        Of the result and its controls.
    pictures : dict of str to ndarray
        Images of "a", "b", "c" and the result in each draw, (n_draws, h, w, c) uint8.
    called : list of str
        What the classifier calls the result in each draw.
    walks : ndarray of uint8, shape (6, 9, h, w, c)
    jumps : list of float
        Of each walk, in the critic's features: see `largest_jump`.
    classifier_accuracy : float
        On labelled images that it was not fitted on.
    sizes, provenance : dict
    warnings : list of str
    """

    study: ClassVar = "arithmetic"

    equation: Equation
    shares: list[DrawShare]
    pictures: dict[str, SomeImages]
    called: list[str]
    walks: Walks
    jumps: list[float]
    classifier_accuracy: float
    sizes: dict[str, int]
    provenance: dict[str, Any]
    warnings: list[str] = field(default_factory=list)

    def findings(self) -> list[str]:
        """Return what was found, in plain words."""
        return _sentences(self)

    def metrics(self) -> ArithmeticMetrics:
        """Return the numbers that the command prints."""
        shares = {share.name: share.share for share in self.shares}
        numbers = self._judgement().numbers()
        return ArithmeticMetrics(shares=shares, classifier_accuracy=self.classifier_accuracy, **numbers)

    def opening(self) -> Opening:
        """Return whether the sum does what no control does."""
        about = (*sources(self.provenance), f"{self.sizes['draws']} draws")
        return Opening(judgement=self._judgement(), about=about)

    def _judgement(self) -> Judgement:
        """Return the verdict by the difference of two shares, whose draws are taken as independent."""
        total, *controls = self.shares
        best = max(controls, key=lambda share: share.share)
        own, other = (np.array([[share.share], [share.ci_low], [share.ci_high]]) for share in (total, best))
        low, high = difference_interval(
            own[0], (own[1], own[2]), other[0], b_interval=(other[1], other[2]), correlation=np.zeros(1)
        )
        ahead = Difference(total.share - best.share, float(low[0]), float(high[0]))
        judged = Judged(level=use_of(ahead), measure="The sum", difference=ahead, control=best.name)
        return Judgement(useful=judged)

    def record(self) -> dict[str, Any]:
        """Return every number of the page."""
        return {
            "equation": asdict(self.equation),
            "shares": [plain(asdict(share)) for share in self.shares],
            "jumps": list(self.jumps),
            "classifier_accuracy": self.classifier_accuracy,
            "sizes": self.sizes,
        }


def combine(latents: Rows, called: Sequence[str], equation: Equation, *, n_draws: int, seed: int) -> dict[str, Values]:
    """Return the latents of ``a - b + c`` and of its controls, (n_draws, d) each.

    In each draw every concept is the mean of `N_MEAN` latents whose images are called by its name.

    Parameters
    ----------
    latents : ndarray, shape (n, d)
    called : sequence of str
        What the classifier calls the image of each latent.
    equation : Equation
    n_draws, seed : int

    Returns
    -------
    dict
        "a", "b", "c", `RESULT`, and the `CONTROLS`: c and a alone, and c moved by the difference of two means of
        latents taken at random, which is as long a step as a - b and means nothing.

    Raises
    ------
    InputError
        When the generator made too few images of a concept.
    """
    names = np.asarray(called)
    members = {concept: np.flatnonzero(names == concept) for concept in (equation.a, equation.b, equation.c)}
    for concept, rows in members.items():
        if len(rows) < 2 * N_MEAN:
            raise InputError(
                f"of {len(names)} samples only {len(rows)} look like {concept!r}, at least {2 * N_MEAN} are needed. The"
                " generator hardly makes it; train longer, or choose another class."
            )
    rng = np.random.default_rng(seed)

    def mean(rows: npt.NDArray[np.intp]) -> Rows:
        return np.stack([latents[rng.choice(rows, N_MEAN, replace=False)].mean(0) for _ in range(n_draws)])

    a, b, c = (mean(members[concept]) for concept in (equation.a, equation.b, equation.c))
    anything = np.arange(len(latents))
    return {
        "a": a,
        "b": b,
        "c": c,
        RESULT: a - b + c,
        "c alone": c,
        "a alone": a,
        "c + a random step": c + mean(anything) - mean(anything),
    }


def n_disjoint(called: Sequence[str], equation: Equation) -> int:
    """Return how many draws of the concepts share no latent with each other; more say no more of new latents."""
    names = np.asarray(called)
    return min(int((names == concept).sum()) for concept in (equation.a, equation.b, equation.c)) // N_MEAN


def draw_shares(called: Mapping[str, Sequence[str]], expected: str, n_apart: int | None = None) -> list[DrawShare]:
    """Return how often each kind of image is called ``expected``.

    The interval is Wilson's over new latents: of as many draws as there are, but no more than ``n_apart``.

    Parameters
    ----------
    called : mapping
        For `RESULT` and each of `CONTROLS` what the classifier called the images.
    expected : str
    n_apart : int, optional
        See `n_disjoint`.
    """
    found = []
    for name in (RESULT, *CONTROLS):
        names = list(called[name])
        share, n = names.count(expected) / len(names), min(len(names), n_apart or len(names))
        test = binomtest(round(share * n), n).proportion_ci(0.95, method="wilson")
        low, high = min(test.low, share), max(test.high, share)
        found.append(DrawShare(name, share, low, high, dict(Counter(names).most_common())))
    return found


COMES_OUT = {
    "better": "The sum does what no control does.",
    "as good": "The sum does no better than its best control.",
    "worse": "The sum does worse than its best control.",
    "unknown": "Whether the sum does better than its best control cannot be told from so few draws.",
}


def _sentences(result: ArithmeticResult) -> list[str]:
    """Return what came out, in plain words."""
    equation, (total, *controls) = result.equation, result.shares
    best = max(controls, key=lambda share: share.share)
    lines = [
        f"{equation.a} - {equation.b} + {equation.c}: {total.share:.0%} of {result.sizes['draws']} draws are called"
        f" {equation.expected} (95 % interval over new latents {total.ci_low:.0%} to {total.ci_high:.0%}); best"
        f" control, {best.name}: {best.share:.0%} ({best.ci_low:.0%} to {best.ci_high:.0%}).",
        COMES_OUT[result.opening().judgement.tone],
        f"Names are given by a linear classifier on the critic's own features, right on"
        f" {result.classifier_accuracy:.1%} of {result.sizes['tested on']} labelled images that it did not see.",
        f"On walks between samples the largest of {result.walks.shape[1] - 1} steps is"
        f" {np.median(result.jumps):.0%} of the way, in the critic's features (median of {len(result.jumps)} walks;"
        f" even steps would be {1 / (result.walks.shape[1] - 1):.0%}).",
    ]
    return lines
