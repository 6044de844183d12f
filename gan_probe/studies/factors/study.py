"""Which factors a critic's score and embedding follow, asked with images whose every factor is known.

The verb ``factors`` as a function. To sweep another factor: one row in `SWEEPS`, or its name in `NAMED`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gan_probe.config import CHANNEL_POOLING
from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import fit_channels, from_synthetic
from gan_probe.scoring.controls import random_inits, together
from gan_probe.scoring.engines import LOCAL, Engine
from gan_probe.scoring.score import score
from gan_probe.scoring.table import (
    BASELINE,
    CRITIC_SCORE,
    ScoreTable,
    Source,
    factor_columns,
)
from gan_probe.stats.margin import Margin, linear_probe, margins
from gan_probe.stats.regression import standardised
from gan_probe.stats.variance import Share, explained, varying
from gan_probe.studies.factors.disentanglement import Disentanglement, disentanglement
from gan_probe.studies.factors.responses import ALONE, AMONG, MIN_BASES, Response, respond
from gan_probe.studies.factors.result import (
    FactorsResult,
)
from gan_probe.types import Codes, Images, Labels, OnPart, Warn
from synthetic import Spec, make_dataset, sweep
from synthetic.dataset import resolve_spec
from synthetic.spec import FACTORS, Choice, Type, Uniform

N_PARTS = 4  # beside the sweeps: scores, shares, probes, disentanglement
PER_CLASS, MIN_PER_CLASS = 100, 10
N_BASES = 40
MIN_LEVEL = 5  # images of its rarest level that a factor needs to be probed: one a fold
MAX_DIMENSIONS = 1024  # of an embedding whose single dimensions are looked at


@dataclass(frozen=True)
class Sweep:
    """How one factor is swept.

    Attributes
    ----------
    factor : str
    steps : tuple of float
        Differences from the first value; those outside of the factor's range are left out.
    both : bool
        Downwards too.
    start : float, optional
        The first value. Default: the middle of the first class of the data set.
    changes : mapping
        Factors of the base images that differ from the data set's.
    """

    factor: str
    steps: tuple[float, ...]
    both: bool = False
    start: float | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)


SWEEPS = (
    Sweep("noise",            (0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.08), both=True),
    Sweep("base",             (0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.16, 0.2, 0.25), both=True),
    Sweep("size",             (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.13, 0.16), both=True),
    Sweep("texture_contrast", (0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.16, 0.2), start=0.0,
          changes={"texture": "stripes"}),
    Sweep("rotation_deg",     (1, 2, 4, 7, 10, 15, 20, 28, 36), start=0.0),  # 36 turns a pentagon or star farthest
    Sweep("x",                (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.13, 0.16), start=0.0),
    Sweep("y",                (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.13, 0.16), start=0.0),
    Sweep("clutter",          (0.03, 0.06, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0), start=0.0),
    Sweep("occlusion",        (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5), start=0.0),
)  # fmt: skip
NAMED = ("shape", "sign", "background", "texture", "noise_kind", "arrangement")


class Question(NamedTuple):
    """One sweep of one factor: in which setting, over which values, from which data set the base images come."""

    factor: str
    setting: str
    swept: list[Any]
    spec: Spec


def middle(value: Any) -> Any:
    """Return the value itself, the middle of a range, or the first of a list.

    Examples
    --------
    >>> middle(Uniform(0.2, 0.36)), middle(Choice((1, -1))), middle("square")
    (0.28, 1, 'square')
    """
    match value:
        case Uniform(low, high):
            return round((low + high) / 2, 10)
        case Choice(values):
            return values[0]
    return value


def frozen(spec: Spec) -> Spec:
    """Return a spec of the first class alone, each factor at its middle: images differ in their random noise only."""
    first = spec.types[0]
    return replace(spec, types=(Type(first.label, {name: middle(first.value(name)) for name in FACTORS}),))


def questions(spec: Spec) -> list[Question]:
    """Return every sweep, `ALONE` first; none of those where the first class has no noise, as its images are alike."""
    settings = {ALONE: frozen(spec), AMONG: spec}
    if settings[ALONE].types[0].value("noise") == 0:
        del settings[ALONE]
    found = []
    for setting, base in settings.items():
        for row in SWEEPS:
            changed = replace(base, types=tuple(replace(t, factors={**t.factors, **row.changes}) for t in base.types))
            found += [Question(row.factor, setting, values, changed) for values in _values(row, spec)]
        for name in NAMED:
            first = middle(spec.types[0].value(name))
            names = [1, -1] if name == "sign" else list(FACTORS[name].names)
            found.append(Question(name, setting, [first, *(n for n in names if n != first)], base))
    return found


def _values(row: Sweep, spec: Spec) -> Iterator[list[float]]:
    """Yield the values upwards and, where asked for, downwards; a way with no room is left out."""
    start = float(middle(spec.types[0].value(row.factor))) if row.start is None else row.start
    for sign in (1, -1) if row.both else (1,):
        values = [round(start + sign * step, 10) for step in row.steps]
        inside = [v for v in values if FACTORS[row.factor].low <= v <= FACTORS[row.factor].high]
        if inside:
            yield [start, *inside]


def fitted(spec: str | Spec, critic: Critic) -> Spec:
    """Return a spec, by name or as it is, whose images have the critic's size.

    Raises
    ------
    InputError
        For a critic of images that are not square.
    SpecError
        For an unknown preset, or images smaller than 8 px.
    """
    height, width, _ = critic.config.image_shape
    if height != width:
        raise InputError(f"images with known factors are square, and this critic takes {height}x{width} pixels.")
    return replace(resolve_spec(spec), size_px=height)


def factors(
    critic: Critic,
    *,
    spec: str | Spec = "factors",
    per_class: int = PER_CLASS,
    n_bases: int = N_BASES,
    controls: bool = True,
    layers: Sequence[str] | None = None,
    pooling: str = CHANNEL_POOLING,
    seed: int = 0,
    engine: Engine = LOCAL,
    on_step: OnPart = lambda name: None,
) -> FactorsResult:
    """Return which factors a critic's score and embedding follow, beside three randomly initialised critics.

    Parameters
    ----------
    critic : Critic
    spec : str or Spec
        A preset, or a spec: what images are drawn from. Disentanglement needs factors that vary independently.
    per_class : int
        Images of each class for shares, probes and disentanglement.
    n_bases : int
        Base images of each sweep.
    controls : bool
        Ask randomly initialised critics, pixels, HOG, k-means patches and image statistics the same.
    layers, pooling
        Of the embedding, as in `gan_probe.scoring.score.score`.
    seed : int
        Of the images, folds, forests and bootstraps.
    engine : Engine
        Who passes the images through the critics.
    on_step : callable, optional
        Called with the name of each part when it is done: one for each of `questions`, and `N_PARTS` more.

    Raises
    ------
    InputError
        When the critic's scores are not finite or all the same, or its images not square.
    ConfigError
        For too few images, or an unknown layer or pooling.
    SpecError
        For an unknown preset, or a critic of images smaller than 8 px.
    """
    if per_class < MIN_PER_CLASS or n_bases < MIN_BASES:
        raise ConfigError(
            f"per_class must be at least {MIN_PER_CLASS} and n_bases at least {MIN_BASES}, got {per_class} and"
            f" {n_bases}."
        )
    spec = fitted(spec, critic)
    data = from_synthetic(make_dataset(spec, per_class=per_class, seed=seed))
    scores = score(critic, data, controls=controls, layers=layers, pooling=pooling, engine=engine)
    warnings = list(scores.provenance["warnings"])
    if np.ptp(scores.table["critic_score"]) == 0:
        raise InputError(
            f"the critic gives all {len(data)} images the same score, {scores.table['critic_score'].iloc[0]:g}; it"
            " follows nothing. Is it saturated (a sigmoid), or was it never trained?"
        )
    on_step("scores")
    found = varying({name: scores.table[c] for name, c in factor_columns(scores.table).items()})
    labels = scores.table["label"].astype(str).to_numpy()
    shares = _shares(scores, found, labels, warn=warnings.append, seed=seed)
    on_step("shares")
    probes = _probes(scores, found, warnings.append, seed)
    on_step("probes")
    disentangled = _disentanglement(scores, found, warnings.append, seed)
    on_step("disentanglement")
    answers = responses(
        critic, spec, n_bases=n_bases, controls=controls, seed=seed, on_step=on_step, warn=warnings.append
    )
    provenance = {
        **{k: v for k, v in scores.provenance.items() if k not in ("warnings", "training_fingerprint")},
        "spec": spec.name,
        "per_class": per_class,
        "images": len(data),
        "n_bases": n_bases,
        "seed": seed,
    }
    return FactorsResult(
        shares=shares,
        probes=probes,
        disentanglement=disentangled,
        responses=answers,
        n_bases=n_bases,
        provenance=provenance,
        warnings=warnings,
    )


def _shares(
    scores: ScoreTable, found: Mapping[str, Codes], labels: Labels, *, warn: Warn, seed: int
) -> dict[Source, list[Share]]:
    """Return what each factor explains of the critic's score and embedding, and of those of random critics."""
    embeddings = scores.embeddings
    shares: dict[Source, list[Share]] = {}
    for source in sorted((s for s in scores.sources if s.of != BASELINE), key=lambda s: s.is_embedding):
        values = embeddings[source] if source.is_embedding else scores.table[source.column].to_numpy()
        try:
            shares[source] = explained(
                standardised(values), found, labels, interactions=source == CRITIC_SCORE, seed=seed
            )
        except InputError as error:
            warn(f"no shares of {source.column}: {error}")
            break
    return shares


def _probes(scores: ScoreTable, found: Mapping[str, Codes], warn: Warn, seed: int) -> list[Margin]:
    """Return how well the level of each factor is read from the embedding, beside all controls."""
    rows = scores.embeddings_beside()
    if rows is None:
        return []
    every, scalars = rows.grouped(), together(scores.scores_beside().baselines)
    if scalars is not None:
        every["image statistics"] = (scalars,)
    probes = []
    for name, codes in found.items():
        rarest = int(np.unique(codes, return_counts=True)[1].min())
        if rarest < MIN_LEVEL:
            warn(f"{name} is not probed: its rarest level has {rarest} images, {MIN_LEVEL} are needed.")
            continue
        probes += margins({name: linear_probe}, [rows.critic], every, codes.astype(str), seed=seed)
    return probes


def _disentanglement(
    scores: ScoreTable, found: Mapping[str, Codes], warn: Warn, seed: int
) -> dict[str, Disentanglement]:
    """Return DCI and MIG of the critic's embedding and those of random critics; empty, with a warning, if none."""
    measured: dict[str, Disentanglement] = {}
    for source, rows in scores.embeddings.items():
        if source.of == BASELINE:
            continue
        if rows.shape[1] > MAX_DIMENSIONS:
            warn(
                f"no disentanglement: it looks at single dimensions, at most {MAX_DIMENSIONS}, and this embedding has"
                f" {rows.shape[1]}. Choose fewer layers, or another pooling."
            )
            return {}
        try:
            measured[source.short] = disentanglement(rows, found, seed=seed)
        except InputError as error:
            warn(f"no disentanglement: {error}")
            return {}
    return measured


def responses(
    critic: Critic,
    spec: Spec,
    *,
    n_bases: int = N_BASES,
    controls: bool = True,
    only: Sequence[str] | None = None,
    seed: int = 0,
    warn: Warn = lambda text: None,
    on_step: OnPart = lambda name: None,
) -> list[Response]:
    """Return how the scores of a critic, and of randomly initialised ones, answer to each factor.

    Parameters
    ----------
    critic : Critic
    spec : Spec
        Of the critic's image size; see `fitted`.
    n_bases : int
    controls : bool
        Ask three randomly initialised critics too.
    only : sequence of str, optional
        Factors to ask for.
    seed : int
    warn : callable, optional
        Told what could not be asked.
    on_step : callable, optional

    Raises
    ------
    InputError
        When scores are not finite.
    """
    others, _ = random_inits(critic) if controls else ([], ())  # what is to be said of them, the scores have said
    asked = questions(spec)
    if not any(q.setting == ALONE for q in asked):
        warn("nothing was swept with all else fixed: the first class has no noise, so its images are all alike.")
    found, flat = [], []
    for question in asked:
        if only is None or question.factor in only:
            images = sweep(question.factor, question.swept, n=n_bases, spec=question.spec, seed=seed).images
            images = fit_channels(images, critic.config.image_shape[2])
            own, *beside = _scores([critic, *others], images, len(question.swept))
            names = [f"{v:+d}" for v in question.swept] if question.factor == "sign" else question.swept
            found.append(respond(question.factor, question.setting, names, scores=own, random_init=beside, seed=seed))
            if np.ptp(own[0]) == 0:
                flat.append(f"{found[-1].name} ({question.setting})")
        on_step(question.factor)
    if flat:
        warn(
            f"the scores of all base images are the same in the sweeps of {', '.join(flat)}: any change is told, and"
            " there is no spread to measure it by."
        )
    return found


def _scores(critics: Sequence[Critic], images: Images, n_values: int) -> list[npt.NDArray[np.float64]]:
    """Return the scores of each critic, (values, bases)."""
    found = [forward.scores for forward in LOCAL.run(critics, images)]
    if not all(np.isfinite(scores).all() for scores in found):
        raise InputError(
            "the critic returns scores that are not finite numbers on images with one factor changed; its training"
            " diverged."
        )
    return [scores.reshape(n_values, -1).astype(np.float64) for scores in found]
