"""Is this critic fit to be used as a scorer? Each check looks at one thing that goes wrong in practice.

To add a check: what it measures, a property of `Subject`, and its rulings, one entry in ``CHECKS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan_probe.critics.critic import Critic
from gan_probe.critics.features import watched
from gan_probe.critics.foreign import AdaptedCritic
from gan_probe.critics.generator import Generator
from gan_probe.device import products_of
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import ImageSet, fit_channels
from gan_probe.images.nulls import null_images
from gan_probe.images.pixels import to_network
from gan_probe.images.readers.reading import as_images, read_images
from gan_probe.scoring.score import describe_origin
from gan_probe.stats.auroc import auroc
from gan_probe.stats.intervals import auroc_interval
from gan_probe.studies.base import quiet
from gan_probe.studies.check.result import FAIL, NOTE, PASS, CheckResult, Finding
from gan_probe.types import Images, Scores, SomeImages
from gan_probe.verdicts import Ruling, always, rule

N_IMAGES = 64
WHOLE = 256  # a batch that holds all images
MIN_IMAGES = 8
PLAINLY_NULL = ("blank", "noise", "shuffled")  # phase-scrambled images can look much like reals
TOLERANCE = 1e-3  # of the scores' own spread: differences below it are rounding
BETWEEN_DEVICES = 0.05  # of the same: CPU and GPU sum in other orders
CLEAR = 0.9  # AUROC of reals above an image with nothing in it from which a low score may mean unlike
APART = 0.1  # by which an AUROC is further from 0.5 than another, to be preferred
DEAD = 0.5  # share of constant channels beyond which a layer is called dead
RANGES = ((-1.0, 1.0), (0.0, 1.0), (0.0, 255.0))  # of pixels, black and white, that discriminators are trained on


@dataclass(frozen=True)
class Told:
    """AUROC of reals above fakes, with its 95 % interval."""

    auroc: float
    ci_low: float
    ci_high: float

    def __str__(self) -> str:
        return f"{self.auroc:.2f} ({self.ci_low:.2f} to {self.ci_high:.2f})"


@dataclass(frozen=True)
class Subject:
    """A critic, images of its training data, its scores of them, and, where there are some, fakes of its generator.

    What checks measure are its properties, in units of the spread of the scores where scores change. With a
    ``batch_size`` images come in such batches everywhere but where they come alone.
    """

    critic: Critic
    images: Images
    scores: Scores
    fakes: SomeImages | None = None
    batch_size: int | None = None

    def score(self, images: Images, *, batch_size: int = WHOLE) -> Scores:
        """Return scores, in the batches that were asked for, else in those that a check wants."""
        return self.critic.score(images, batch_size=self.batch_size or batch_size)

    def batches(self) -> Iterator[Tensor]:
        """Yield images as networks take them, in the batches that were asked for, else as one."""
        yield from to_network(self.images, self.critic.device).split(self.batch_size or self.n)

    # --- finite ---

    @property
    def n(self) -> int:
        """Images."""
        return len(self.scores)

    @property
    def n_bad(self) -> int:
        """Scores that are no numbers."""
        return int((~np.isfinite(self.scores)).sum())

    @property
    def lowest(self) -> float:
        """The lowest score."""
        return float(self.scores.min())

    @property
    def highest(self) -> float:
        """The highest score."""
        return float(self.scores.max())

    @property
    def in_unit(self) -> bool:
        """Whether scores of a discriminator from elsewhere lie in 0..1 and are not taken as probabilities."""
        taken = any(not module.output.endswith("probability") for module in self.foreign.values())
        return taken and self.lowest >= 0 and self.highest <= 1

    # --- output ---

    @property
    def foreign(self) -> dict[str, AdaptedCritic]:
        """The discriminators from elsewhere, by member; one by itself has the name ""."""
        members = self.critic.members
        named = {f"{number:02d}" if len(members) > 1 else "": m.module for number, m in enumerate(members)}
        return {name: module for name, module in named.items() if isinstance(module, AdaptedCritic)}

    @cached_property
    def returned(self) -> str:
        """What discriminators from elsewhere return, and what of it is taken."""
        batch = next(self.batches())
        told = {name: module.describe(batch) for name, module in self.foreign.items()}
        return " | ".join(f"{name}: {words}".removeprefix(": ") for name, words in told.items())

    # --- repeats, company, mode, devices: by how much scores move ---

    @property
    def spread(self) -> float:
        """The scores' standard deviation: the unit in which differences count."""
        return float(self.scores.std()) or 1.0

    def _off(self, other: Scores) -> float:
        """Return the largest change of a score; infinite where one is no number."""
        largest = float(np.abs(other - self.scores).max()) / self.spread
        return float("inf") if np.isnan(largest) else largest

    @cached_property
    def unrest(self) -> float:
        """The largest change of a score when the same batch is scored again."""
        return self._off(self.score(self.images))

    @cached_property
    def by_company(self) -> float:
        """The same when images are scored alone, or among noise."""
        alone = self.critic.score(self.images, batch_size=1)
        nulls = np.random.default_rng(0).integers(0, 256, self.images.shape, dtype=np.uint8)
        mixed = np.empty((2 * len(self.images), *self.images.shape[1:]), dtype=np.uint8)
        mixed[::2], mixed[1::2] = self.images, nulls
        return max(self._off(alone), self._off(self.score(mixed, batch_size=16)[::2]))

    @cached_property
    def in_training(self) -> tuple[float, str]:
        """The same in train mode, and why it does not run there; gan-probe always scores in eval mode."""
        module = self.critic.module
        kept = {name: value.clone() for name, value in module.state_dict().items()}
        module.train()
        try:
            with torch.random.fork_rng(devices=[]):  # dropout and noise are the same in every check
                torch.manual_seed(0)
                return self._off(self.score(self.images, batch_size=16)), ""
        except InputError as error:  # foreign code may need more than images in training
            return 0.0, str(error)
        finally:
            module.load_state_dict(kept)
            module.eval()

    @property
    def by_training(self) -> float:
        """By how much scores move in train mode."""
        return self.in_training[0]

    @property
    def refusal(self) -> str:
        """Why it does not run in train mode; empty where it does."""
        return self.in_training[1]

    @cached_property
    def by_device(self) -> float:
        """The largest change of a score on the other kind of device."""
        home = self.critic.device
        other = "cpu" if home.type == "cuda" else "cuda"
        try:
            self.critic.device = torch.device(other)
            self.critic.module.to(other)
            return self._off(self.score(self.images))
        finally:
            self.critic.device = home
            self.critic.module.to(home)

    # --- direction, value range: reals beside fakes ---

    @property
    def has_fakes(self) -> bool:
        """Whether fakes of its generator are at hand."""
        return self.fakes is not None

    @property
    def stated(self) -> tuple[float, float]:
        """Its black and white, as said when it was adapted."""
        return next((module.value_range for module in self.foreign.values()), RANGES[0])

    @cached_property
    def by_range(self) -> dict[tuple[float, float], Told]:
        """How reals stand above fakes under the stated range and under the usual others; no others for our networks."""
        assert self.fakes is not None
        found = {}
        low, high = self.stated
        for black, white in dict.fromkeys((self.stated, *(RANGES if self.foreign else ()))):

            def pixels(images: Images, black: float = black, white: float = white) -> Tensor:
                wanted = (to_network(images, self.critic.device) + 1) * ((white - black) / 2) + black
                return (wanted - low) * (2 / (high - low)) - 1  # what the critic maps to the wanted values

            both = torch.cat([pixels(self.images), pixels(self.fakes)])  # one batch: what hangs on it is the same
            try:
                with torch.inference_mode(), products_of("fp32"):
                    parts = [self.critic.module(part) for part in both.split(self.batch_size or len(both))]
                values = torch.cat(parts).float().cpu().numpy()
            except InputError:  # it refuses pixels outside of its range, so it was not meant
                if (black, white) == self.stated:
                    raise
                continue
            real, fake = values[: len(self.images)], values[len(self.images) :]
            if np.isfinite(real).all() and np.isfinite(fake).all():
                value = auroc(real, fake)
                found[black, white] = Told(value, *auroc_interval(value, len(real), len(fake)))
        return found

    @property
    def plausible(self) -> dict[tuple[float, float], Told]:
        """The ranges under which reals and fakes are as far apart as under any other, either way."""
        most = max(abs(told.auroc - 0.5) for told in self.by_range.values())
        return {r: told for r, told in self.by_range.items() if abs(told.auroc - 0.5) >= most - APART}

    @property
    def direction(self) -> str:
        """Which way it points: "up", "down", or "" where plausible ranges disagree or none is sure."""
        if not self.has_fakes:
            return ""
        told = self.plausible.values()
        return "up" if all(t.ci_low > 0.5 for t in told) else "down" if all(t.ci_high < 0.5 for t in told) else ""

    @property
    def told(self) -> str:
        """AUROC of reals above fakes under the stated range, or the plausible one, in words."""
        if self.stated in self.plausible:
            return str(self.by_range[self.stated])
        best = max(self.plausible, key=lambda r: abs(self.plausible[r].auroc - 0.5))
        return f"{self.by_range[best]} with --value-range {_range(best)}"

    @property
    def ranges(self) -> str:
        """AUROC of reals above fakes under every range, in words."""
        return ", ".join(f"{_range(r)} {told.auroc:.2f}" for r, told in self.by_range.items())

    @property
    def candidates(self) -> str:
        """The plausible ranges in words, as ``--value-range`` takes them."""
        return " or ".join(map(_range, self.plausible))

    # --- novelty: reals beside images with nothing in them ---

    @cached_property
    def above_nulls(self) -> dict[str, float]:
        """AUROC of reals above images with nothing in them, by kind."""
        found = null_images(self.images) | {"blank": np.full_like(self.images, int(self.images.mean()))}
        return {name: auroc(self.scores, self.score(found[name])) for name in PLAINLY_NULL}

    @property
    def nulls(self) -> str:
        """The same in words."""
        return ", ".join(f"{name} {value:.2f}" for name, value in self.above_nulls.items())

    # --- dead layers ---

    @cached_property
    def still(self) -> dict[str, float]:
        """The share of constant channels of each layer."""
        found: dict[str, float] = {}
        for number, member in enumerate(self.critic.members):
            prefix = getattr(member.module, "layer_prefix", "")
            names = [prefix + name for name in member.config.layers]
            shown = f"{number:02d}." if len(self.critic.members) > 1 else ""
            parts: dict[str, list[Tensor]] = {name: [] for name in names}
            with watched(member.module, names) as caught, torch.inference_mode(), products_of("fp32"):
                for batch in self.batches():
                    member.module(batch)
                    for name in names:
                        parts[name].append(caught[name])
            found |= {shown + name.removeprefix(prefix): _constant_share(torch.cat(parts[name])) for name in names}
        return found

    @property
    def n_layers(self) -> int:
        """Layers that were looked at."""
        return len(self.still)

    @property
    def dead(self) -> str:
        """The dead layers in words; empty where there are none."""
        return ", ".join(f"{name} ({share:.0%})" for name, share in self.still.items() if share > DEAD)


def _range(ends: tuple[float, float]) -> str:
    return f"{ends[0]:g},{ends[1]:g}"


def _constant_share(activation: Tensor) -> float:
    """Return the share of channels that say the same everywhere of every image."""
    values = activation.flatten(2).transpose(1, 2).flatten(0, 1) if activation.ndim == 4 else activation
    return float(values.std(0).eq(0).float().mean())


# What each check may find: of its rows the first that holds.
CHECKS: Mapping[str, tuple[Ruling[Subject], ...]] = {
    "finite": (
        Ruling(
            name="not finite",
            when="a score is no finite number",
            holds=lambda s: s.n_bad > 0,
            ruling=FAIL,
            says="{n_bad} of {n} scores are not finite",
            advice="The training diverged; use an earlier snapshot.",
        ),
        Ruling(
            name="constant",
            when="all scores are the same",
            holds=lambda s: bool(s.scores.std() == 0),
            ruling=FAIL,
            says="every image scores {lowest:g}",
            advice="The critic ignores its input; its training collapsed.",
        ),
        Ruling(
            name="like probabilities",
            when="all scores of a discriminator from elsewhere lie in 0..1, and it is not adapted as a probability",
            holds=lambda s: s.in_unit,
            ruling=NOTE,
            says="from {lowest:.3g} to {highest:.3g}, all in 0..1 as probabilities are, and taken as scores",
            advice="If it returns probabilities, adapt it with --output probability: it ranks the same, unbounded.",
        ),
        Ruling(name="finite", when="else", holds=always, ruling=PASS, says="from {lowest:.3g} to {highest:.3g}"),
    ),
    "output": (
        Ruling(
            name="ours",
            when="it is a network of gan-probe",
            holds=lambda s: not s.foreign,
            ruling=PASS,
            says="a network of gan-probe: one score an image",
        ),
        Ruling(
            name="without labels",
            when="it takes labels and was adapted without",
            holds=lambda s: "called without" in s.returned,
            ruling=NOTE,
            says="{returned}",
            advice="Its scores lack what labels add: adapt it with --n-labels.",
        ),
        Ruling(name="taken", when="else", holds=always, ruling=PASS, says="{returned}"),
    ),
    "repeats": (
        Ruling(
            name="does not repeat",
            when=f"a score moves by more than {TOLERANCE:g} of the spread when the same batch is scored again",
            holds=lambda s: s.unrest > TOLERANCE,
            ruling=FAIL,
            says="scores move by {unrest:.2g} of their spread when the same batch is scored again: they do not repeat",
            advice="Noise, dropout or a count in its forward, also when it evaluates: take it out. No score of it"
            " holds.",
        ),
        Ruling(
            name="repeats",
            when="else",
            holds=always,
            ruling=PASS,
            says="scored again, scores move by {unrest:.1g} of their spread",
        ),
    ),
    "company": (
        Ruling(
            name="company unknown",
            when="scores do not repeat",
            holds=lambda s: s.unrest > TOLERANCE,
            ruling=NOTE,
            says="cannot be told, as scores move by {unrest:.2g} of their spread when the same batch is scored again",
            advice="Look at whether scores repeat first.",
        ),
        Ruling(
            name="depends on its batch",
            when=f"a score moves by more than {TOLERANCE:g} of the spread, alone or among noise",
            holds=lambda s: s.by_company > TOLERANCE,
            ruling=FAIL,
            says="scores move by {by_company:.2g} of their spread with the batch",
            advice="Minibatch statistics (stddev, discrimination) or batch normalisation: take that layer out.",
        ),
        Ruling(
            name="alone as in company",
            when="else",
            holds=always,
            ruling=PASS,
            says="scores move by {by_company:.1g} of their spread",
        ),
    ),
    "mode": (
        Ruling(
            name="mode unknown",
            when="scores do not repeat",
            holds=lambda s: s.unrest > TOLERANCE,
            ruling=NOTE,
            says="cannot be told, as scores move by {unrest:.2g} of their spread when the same batch is scored again",
            advice="Look at whether scores repeat first.",
        ),
        Ruling(
            name="does not run in train mode",
            when="it raises an error there",
            holds=lambda s: bool(s.refusal),
            ruling=NOTE,
            says="does not run in train mode: {refusal}",
            advice="Always call .eval() before you use it elsewhere.",
        ),
        Ruling(
            name="modes differ",
            when=f"a score moves by more than {TOLERANCE:g} of the spread in train mode",
            holds=lambda s: s.by_training > TOLERANCE,
            ruling=NOTE,
            says="in train mode scores move by {by_training:.2g} of their spread",
            advice="Batch or spectral normalisation, or dropout. Always call .eval() before you use it elsewhere.",
        ),
        Ruling(name="modes agree", when="else", holds=always, ruling=PASS, says="train and eval mode agree"),
    ),
    "direction": (
        Ruling(
            name="direction unknown, below nulls",
            when="there are no fakes, and reals score below blank, noise and shuffled images",
            holds=lambda s: not s.has_fakes and max(s.above_nulls.values()) < 0.5,
            ruling=NOTE,
            says="cannot be told without fakes. AUROC of reals above images with nothing in them: {nulls}. Either its"
            " sign is turned, or it likes strange images, as many critics do",
            advice="Give fakes of its generator: --fakes DIR, or a run folder. Turn its sign on no other ground.",
        ),
        Ruling(
            name="direction unknown",
            when="there are no fakes, and they do not",
            holds=lambda s: not s.has_fakes,
            ruling=NOTE,
            says="cannot be told without fakes. AUROC of reals above images with nothing in them: {nulls}",
            advice="Give fakes of its generator: --fakes DIR, or a run folder.",
        ),
        Ruling(
            name="points up",
            when="the interval of the AUROC of reals above fakes lies above 0.5, under every plausible value range",
            holds=lambda s: s.direction == "up",
            ruling=PASS,
            says="AUROC of reals above fakes: {told}",
        ),
        Ruling(
            name="points down",
            when="it lies below 0.5, under every plausible value range",
            holds=lambda s: s.direction == "down",
            ruling=FAIL,
            says="AUROC of reals above fakes: {told}",
            advice="It points the other way: adapt it with --reverse (sign=-1), or without where that was given.",
        ),
        Ruling(
            name="direction hangs on the range",
            when="plausible value ranges disagree, each with its interval on one side",
            holds=lambda s: (
                len(s.plausible) > 1 and all(t.ci_low > 0.5 or t.ci_high < 0.5 for t in s.plausible.values())
            ),
            ruling=NOTE,
            says="depends on the value range. AUROC of reals above fakes: {ranges}",
            advice="Find out its value range from its preprocessing first.",
        ),
        Ruling(
            name="direction not shown",
            when="else: an interval holds 0.5",
            holds=always,
            ruling=NOTE,
            says="reals and fakes are not told apart. AUROC of reals above fakes: {told}",
            advice="At the end of a training that is well so; give fakes of an earlier snapshot.",
        ),
    ),
    "value range": (
        Ruling(
            name="range of ours",
            when="it is a network of gan-probe",
            holds=lambda s: not s.foreign,
            ruling=PASS,
            says="-1,1, as gan-probe trains",
        ),
        Ruling(
            name="range waits",
            when="the direction is not settled, and no other range is alone plausible",
            holds=lambda s: not s.has_fakes or (not s.direction and s.stated in s.plausible),
            ruling=NOTE,
            says="cannot be told while its direction is not settled",
            advice="Compare {stated[0]:g},{stated[1]:g} with its preprocessing.",
        ),
        Ruling(
            name="another range",
            when=f"under another range the AUROC of reals above fakes is {APART:g} further from 0.5",
            holds=lambda s: s.stated not in s.plausible,
            ruling=NOTE,
            says="AUROC of reals above fakes: {ranges}",
            advice="It may expect {candidates}: check its preprocessing and adapt it with --value-range.",
        ),
        Ruling(
            name="range not shown",
            when="under another it is as far, within that",
            holds=lambda s: len(s.plausible) > 1,
            ruling=NOTE,
            says="cannot be told: {candidates} do alike. AUROC of reals above fakes: {ranges}",
            advice="Compare {stated[0]:g},{stated[1]:g} with its preprocessing.",
        ),
        Ruling(
            name="range shown",
            when="under every other it is nearer to 0.5",
            holds=always,
            ruling=PASS,
            says="AUROC of reals above fakes: {ranges}",
        ),
    ),
    "novelty": (
        Ruling(
            name="no sign of novelty",
            when=f"the AUROC of reals above blank, noise or shuffled images is below {CLEAR:g}",
            holds=lambda s: min(s.above_nulls.values()) < CLEAR,
            ruling=NOTE,
            says="AUROC of reals above images with nothing in them: {nulls}",
            advice="Do not use a low score as a sign of novelty without a test.",
        ),
        Ruling(
            name="low for nothing",
            when="else",
            holds=always,
            ruling=PASS,
            says="AUROC of reals above images with nothing in them: {nulls}",
        ),
    ),
    "dead layers": (
        Ruling(
            name="dead",
            when=f"more than {DEAD:.0%} of a layer's channels say the same everywhere of every image",
            holds=lambda s: bool(s.dead),
            ruling=NOTE,
            says="mostly constant: {dead}",
            advice="Leave these layers out of embeddings.",
        ),
        Ruling(name="alive", when="else", holds=always, ruling=PASS, says="no dead layer among {n_layers}"),
    ),
    "devices": (
        Ruling(
            name="no GPU",
            when="there is no CUDA device",
            holds=lambda s: not torch.cuda.is_available(),
            ruling=NOTE,
            says="no CUDA device here",
        ),
        Ruling(
            name="devices differ",
            when=f"a score moves by more than {BETWEEN_DEVICES:g} of the spread on the other kind of device",
            holds=lambda s: s.by_device > BETWEEN_DEVICES,
            ruling=FAIL,
            says="scores differ by {by_device:.2g} of their spread",
            advice="Score on one kind of device only.",
        ),
        Ruling(
            name="devices agree",
            when="else",
            holds=always,
            ruling=PASS,
            says="scores differ by {by_device:.1g} of their spread",
        ),
    ),
}


def read_fakes(path: Path, n: int = N_IMAGES) -> Images:
    """Return images that a generator made: of the generator in a run folder, else the images in a folder or file.

    Raises
    ------
    InputError
        When there are neither.
    """
    if find_generator(path):
        return Generator.load(path).sample(n)
    images = read_images(path).images[:]
    return images[np.linspace(0, len(images) - 1, min(n, len(images))).astype(int)]


def find_generator(path: str | Path) -> bool:
    """Return whether a folder is that of a generator, or of a run that kept one."""
    return any((Path(path) / part / "generator.safetensors").is_file() for part in ("", "generator"))


def _in_batches(n: int, batch_size: int | None) -> int:
    """Return how many of n images fill batches of this size; all where they fill none."""
    return n - n % batch_size if batch_size is not None and batch_size <= n else n


def _ruled(subject: Subject, rulings: tuple[Ruling[Subject], ...]) -> tuple[str, str, str]:
    """Return what a check found; a discriminator that fails under it fails the check."""
    try:
        return rule(rulings, subject)
    except InputError as error:
        return FAIL, str(error), "It runs in other batches only: keep to one --batch-size, or mend its forward."


def check_critic(
    critic: Critic,
    data: ImageSet | str | Path | Images,
    fakes: Images | None = None,
    *,
    batch_size: int | None = None,
    on_step: Callable[[str], None] = quiet,
) -> CheckResult:
    """Return what each check found on up to 64 images of the critic's training data.

    Parameters
    ----------
    critic : Critic
    data : ImageSet, path or ndarray
    fakes : ndarray of uint8, shape (n, h, w, c), optional
        Images that its generator made, at least eight: they tell which way the critic points, and its value range.
        Default: of the generator that lies beside it, where there is one.
    batch_size : int, optional
        Images at a time, for a discriminator that takes batches of one size only, or large images: of more images than
        that, as many as fill such batches are looked at. Default: as many as each check wants, up to 128.
    on_step : callable, optional
        Called with the name of each check that is done.

    Raises
    ------
    InputError
        For fewer than eight images, or images that do not fit the critic.
    """
    channels = critic.config.image_shape[2]
    data = as_images(data, image_shape=critic.config.image_shape).with_channels(channels)
    if len(data) < MIN_IMAGES:
        raise InputError(f"the checks need at least eight images, got {len(data)}.")
    warnings = list(data.warnings)
    if fakes is None and critic.source and find_generator(critic.source):
        try:
            fakes = read_fakes(Path(critic.source))
        except InputError as error:
            warnings.append(f"the generator beside the critic was not asked: {error}")
    if fakes is not None and (len(fakes) < MIN_IMAGES or fakes.shape[1:3] != critic.config.image_shape[:2]):
        height, width, _ = critic.config.image_shape
        raise InputError(
            f"the fakes must be at least eight images of {height}x{width} pixels, as the critic takes; got"
            f" {len(fakes)} of {fakes.shape[1]}x{fakes.shape[2]}. Give more, or those of its own generator."
        )
    if batch_size is not None and batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1, got {batch_size!r}.")
    rows = np.linspace(0, len(data) - 1, _in_batches(min(N_IMAGES, len(data)), batch_size)).astype(int)
    images = data.images[rows]
    made = None if fakes is None else fit_channels(fakes, channels)[: _in_batches(len(fakes), batch_size)]
    scores = critic.score(images, batch_size=batch_size or WHOLE)
    subject = Subject(critic, images, scores, made, batch_size)
    found: list[Finding] = []
    for name, rulings in CHECKS.items():
        if name != "finite" and found[0].verdict == FAIL:
            break  # nothing can be compared with scores that are not numbers
        found.append(Finding(name, *_ruled(subject, rulings)))
        on_step(name)
    return CheckResult(checks=found, provenance=describe_origin(critic, data), warnings=warnings)
