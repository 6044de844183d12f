"""Is this critic fit to be used as a scorer? Each check looks at one thing that goes wrong in practice.

To add a check: one function of `Subject` and one row in ``CHECKS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from gan_probe.critics.critic import Critic
from gan_probe.critics.features import watched
from gan_probe.critics.foreign import AdaptedCritic
from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.images.nulls import null_images
from gan_probe.images.pixels import to_network
from gan_probe.scoring.score import describe_origin
from gan_probe.stats.auroc import auroc
from gan_probe.studies.check.result import FAIL, NOTE, PASS, CheckResult, Finding
from gan_probe.types import Images

N_IMAGES = 64
PLAINLY_NULL = ("blank", "noise", "shuffled")  # phase-scrambled images can look much like reals
TOLERANCE = 1e-3  # of the scores' own spread: differences below it are rounding


@dataclass(frozen=True)
class Subject:
    """A critic, some images of its training data, and its scores of them."""

    critic: Critic
    images: Images
    scores: npt.NDArray[np.float32]

    @property
    def spread(self) -> float:
        """The scores' standard deviation: the unit in which differences count."""
        return float(self.scores.std()) or 1.0

    @cached_property
    def unrest(self) -> float:
        """The largest change of a score when the same batch is scored again, in units of the scores' spread."""
        return _off(self, self.critic.score(self.images))

    @property
    def foreign(self) -> dict[str, AdaptedCritic]:
        """The discriminators from elsewhere, by member; one by itself has the name ""."""
        members = self.critic.members
        named = {f"{number:02d}" if len(members) > 1 else "": m.module for number, m in enumerate(members)}
        return {name: module for name, module in named.items() if isinstance(module, AdaptedCritic)}


def _off(subject: Subject, other: npt.NDArray[np.float32]) -> float:
    """Return the largest change of a score, in units of the scores' spread; infinite where one is no number."""
    largest = float(np.abs(other - subject.scores).max()) / subject.spread
    return float("inf") if np.isnan(largest) else largest


def finite(s: Subject) -> tuple[str, str, str]:
    """Scores are numbers, and not all the same."""
    n_bad = int((~np.isfinite(s.scores)).sum())
    if n_bad:
        return (
            FAIL,
            f"{n_bad} of {len(s.scores)} scores are not finite",
            "The training diverged; use an earlier snapshot.",
        )
    if s.scores.std() == 0:
        return FAIL, f"every image scores {s.scores[0]:g}", "The critic ignores its input; its training collapsed."
    found = f"from {s.scores.min():.3g} to {s.scores.max():.3g}"
    taken_as_scores = any(not module.output.endswith("probability") for module in s.foreign.values())
    if taken_as_scores and s.scores.min() >= 0 and s.scores.max() <= 1:
        advice = "If it returns probabilities, adapt it with --output probability: it ranks the same, unbounded."
        return NOTE, f"{found}, all in 0..1 as probabilities are, and taken as scores", advice
    return PASS, found, ""


def output(s: Subject) -> tuple[str, str, str]:
    """What a discriminator from elsewhere returns, and what of it is taken as the score."""
    if not s.foreign:
        return PASS, "a network of gan-probe: one score an image", ""
    batch = to_network(s.images, s.critic.device)
    told = {name: module.describe(batch) for name, module in s.foreign.items()}
    found = " | ".join(f"{name}: {words}".removeprefix(": ") for name, words in told.items())
    if "called without" in found:
        return NOTE, found, "Its scores lack what labels add: adapt it with --n-labels."
    return PASS, found, ""


def repeats(s: Subject) -> tuple[str, str, str]:
    """The same batch scored again gives the same scores."""
    if s.unrest > TOLERANCE:
        advice = "Noise, dropout or a count in its forward, also when it evaluates: take it out. No score of it holds."
        return FAIL, f"{_restless(s)}: they do not repeat", advice
    return PASS, f"scored again, scores move by {s.unrest:.1g} of their spread", ""


def _restless(s: Subject) -> str:
    return f"scores move by {s.unrest:.2g} of their spread when the same batch is scored again"


def company(s: Subject) -> tuple[str, str, str]:
    """A score does not depend on the other images of its batch."""
    if s.unrest > TOLERANCE:
        return NOTE, f"cannot be told, as {_restless(s)}", "Look at whether scores repeat first."
    alone = s.critic.score(s.images, batch_size=1)
    nulls = np.random.default_rng(0).integers(0, 256, s.images.shape, dtype=np.uint8)
    mixed = np.empty((2 * len(s.images), *s.images.shape[1:]), dtype=np.uint8)
    mixed[::2], mixed[1::2] = s.images, nulls
    change = max(_off(s, alone), _off(s, s.critic.score(mixed, batch_size=16)[::2]))
    if change > TOLERANCE:
        advice = "Minibatch statistics (stddev, discrimination) or batch normalisation: take that layer out."
        return FAIL, f"scores move by {change:.2g} of their spread with the batch", advice
    return PASS, f"scores move by {change:.1g} of their spread", ""


def mode(s: Subject) -> tuple[str, str, str]:
    """Whether train and eval mode differ; gan-probe always scores in eval mode."""
    if s.unrest > TOLERANCE:
        return NOTE, f"cannot be told, as {_restless(s)}", "Look at whether scores repeat first."
    critic = s.critic
    kept = {name: value.clone() for name, value in critic.module.state_dict().items()}
    critic.module.train()
    try:
        change = _off(s, critic.score(s.images, batch_size=16))
    except InputError as error:  # foreign code may need more than images in training
        return NOTE, f"does not run in train mode: {error}", "Always call .eval() before you use it elsewhere."
    finally:
        critic.module.load_state_dict(kept)
        critic.module.eval()
    if change > TOLERANCE:
        advice = "Batch or spectral normalisation, or dropout. Always call .eval() before you use it elsewhere."
        return NOTE, f"in train mode scores move by {change:.2g} of their spread", advice
    return PASS, "train and eval mode agree", ""


def direction(s: Subject) -> tuple[str, str, str]:
    """Real images score above blank, noise and pixel-shuffled ones."""
    nulls = null_images(s.images) | {"blank": np.full_like(s.images, int(s.images.mean()))}
    values = {name: auroc(s.scores, s.critic.score(nulls[name])) for name in PLAINLY_NULL}
    found = ", ".join(f"{name} {value:.2f}" for name, value in values.items())
    if max(values.values()) < 0.5:
        return (
            FAIL,
            f"AUROC of reals above nulls: {found}",
            "It points the other way: adapt it with --reverse (sign=-1).",
        )
    if min(values.values()) < 0.9:
        return (
            NOTE,
            f"AUROC of reals above nulls: {found}",
            "Do not use a low score as a sign of novelty without a test.",
        )
    return PASS, f"AUROC of reals above nulls: {found}", ""


def value_range(s: Subject) -> tuple[str, str, str]:
    """Reals stand out from shuffles more under the stated pixel range than under the usual wrong ones."""
    shuffled = null_images(s.images)["shuffled"]
    x, nulls = to_network(s.images, s.critic.device), to_network(shuffled, s.critic.device)
    wrong: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "stated": lambda t: t,
        "0..1": lambda t: (t + 1) / 2,
        "0..255": lambda t: (t + 1) * 127.5,
        "inverted": lambda t: -t,
    }
    margins = {}
    with torch.inference_mode():
        for name, change in wrong.items():
            try:
                real, null = (s.critic.module(change(t)).float().cpu().numpy() for t in (x, nulls))
            except InputError:  # it refuses pixels outside of its range, so it was not meant
                if name == "stated":
                    raise
                continue
            margins[name] = auroc(real, null)
    found = ", ".join(f"{name} {value:.2f}" for name, value in margins.items())
    better = [name for name, value in margins.items() if value > margins["stated"] + 0.1]
    if better:
        advice = (
            f"It may expect {' or '.join(better)}: check its preprocessing and adapt it with another --value-range."
        )
        return NOTE, f"AUROC of reals above shuffles: {found}", advice
    return PASS, f"AUROC of reals above shuffles: {found}", ""


def dead_layers(s: Subject) -> tuple[str, str, str]:
    """Layers whose channels all say the same of every image."""
    still: dict[str, float] = {}
    for number, member in enumerate(s.critic.members):
        prefix = getattr(member.module, "layer_prefix", "")
        names = [prefix + name for name in member.config.layers]
        shown = f"{number:02d}." if len(s.critic.members) > 1 else ""
        with watched(member.module, names) as caught, torch.inference_mode():
            member.module(to_network(s.images, member.device))
            still |= {shown + name.removeprefix(prefix): _constant_share(caught[name]) for name in names}
    dead = [f"{name} ({share:.0%})" for name, share in still.items() if share > 0.5]
    if dead:
        return NOTE, f"mostly constant: {', '.join(dead)}", "Leave these layers out of embeddings."
    return PASS, f"no dead layer among {len(still)}", ""


def _constant_share(activation: torch.Tensor) -> float:
    """Return the share of channels that say the same everywhere of every image."""
    values = activation.flatten(2).transpose(1, 2).flatten(0, 1) if activation.ndim == 4 else activation
    return float(values.std(0).eq(0).float().mean())


def devices(s: Subject) -> tuple[str, str, str]:
    """CPU and GPU agree."""
    if not torch.cuda.is_available():
        return NOTE, "no CUDA device here", ""
    other = "cpu" if s.critic.device.type == "cuda" else "cuda"
    home = s.critic.device
    try:
        s.critic.device = torch.device(other)
        s.critic.module.to(other)
        change = _off(s, s.critic.score(s.images))
    finally:
        s.critic.device = home
        s.critic.module.to(home)
    if change > 0.05:
        return FAIL, f"scores differ by {change:.2g} of their spread", "Score on one kind of device only."
    return PASS, f"scores differ by {change:.1g} of their spread", ""


CHECKS: dict[str, Callable[[Subject], tuple[str, str, str]]] = {
    "finite": finite,
    "output": output,
    "repeats": repeats,
    "company": company,
    "mode": mode,
    "direction": direction,
    "value range": value_range,
    "dead layers": dead_layers,
    "devices": devices,
}


def _run(check: Callable[[Subject], tuple[str, str, str]], subject: Subject) -> tuple[str, str, str]:
    """Return what a check found; a discriminator that fails under it fails the check."""
    try:
        return check(subject)
    except InputError as error:
        return FAIL, str(error), "It runs in other batches only: keep to one --batch-size, or mend its forward."


def check_critic(critic: Critic, data: ImageSet) -> CheckResult:
    """Return what each check found on up to 64 images of the critic's training data.

    Raises
    ------
    InputError
        For fewer than eight images, or images that do not fit the critic.
    """
    if len(data) < 8:
        raise InputError(f"the checks need at least eight images, got {len(data)}.")
    data = data.with_channels(critic.config.image_shape[2])
    rows = np.linspace(0, len(data) - 1, min(N_IMAGES, len(data))).astype(int)
    images = data.images[rows]
    subject = Subject(critic, images, critic.score(images))
    found: list[Finding] = []
    for name, check in CHECKS.items():
        if name != "finite" and found[0].verdict == FAIL:
            break  # nothing can be compared with scores that are not numbers
        found.append(Finding(name, *_run(check, subject)))
    return CheckResult(checks=found, provenance=describe_origin(critic, data), warnings=data.warnings)
