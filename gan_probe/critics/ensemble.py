"""Several trainings as one critic: the mean of their aligned scores, and their spread as the uncertainty.

A loss leaves the shift, the scale and, on images that it never saw, the sign of a critic free. They are estimated once,
on a small frozen set of images (the panel), and kept as numbers: so a score does not depend on what else is scored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from gan_probe.config import AUTO, POOLING
from gan_probe.critics.critic import Critic, Forward, rebuild
from gan_probe.critics.features import Passed, is_over_labels, pool, resolve_pooling, watched
from gan_probe.critics.identity import CriticConfig, digest_of, hash_of, old_hash_of
from gan_probe.critics.loading import OPENERS, open_folder
from gan_probe.device import products_of
from gan_probe.errors import InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.images.readers.arrays import check_array
from gan_probe.names import check_name
from gan_probe.records import check_seal, read_array, read_record, seal
from gan_probe.stats.alignment import affine, shift
from gan_probe.types import Images, Progress, Scores
from synthetic.files import atomic_folder

SCHEMA, OLD_SCHEMA = "gan_probe.ensemble/2", "gan_probe.ensemble/1"
ENSEMBLE = "ensemble.json"
PANEL = "panel.npy"
MIN_PANEL, MAX_PANEL = 10, 256  # images; 256 fix a standard deviation to about 5 %
ROUNDING = 1e-6  # of the largest score: a spread below it is no spread
SHARED = ("data_fingerprint", "network", "step")  # what trainings of one kind have in common

# Straight lines only: they are two numbers a member, and keep the order of its scores.
ALIGNMENTS: dict[str, Callable[..., npt.NDArray[Any]]] = {"shift": shift, "affine": affine}


class AlignedMean(nn.Module):
    """The mean of several networks' scores, each as (score - shift) / scale. Maps (n, c, h, w) to (n,).

    Members map (n, c, h, w) to (n,), too.
    """

    shifts: Tensor  # (members,)
    scales: Tensor  # (members,); negative turns a member round
    norms: Tensor  # (members,); what a member's features are divided by

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("shifts", torch.zeros(len(members)))
        self.register_buffer("scales", torch.ones(len(members)))
        self.register_buffer("norms", torch.ones(len(members)))

    def aligned(self, x: Tensor) -> Tensor:
        """Return the aligned score of each image by each member, (members, n)."""
        return self._align(torch.stack([member(x).to(self.shifts.dtype) for member in self.members]))

    def _align(self, scores: Tensor) -> Tensor:
        return (scores - self.shifts[:, None]) / self.scales[:, None]

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean over the members, (n,)."""
        return self.aligned(x).mean(0)

    @property
    def own_pooling(self) -> str:
        """The pooling that "auto" stands for: the first member's."""
        return resolve_pooling(self.members[0], AUTO)

    def passed(self, batch: Tensor, layers: Sequence[str], pooling: str) -> Passed:
        """Return aligned scores (members, n), and of each layer the pooled activations of every member, side by side.

        Features of a member are divided by its norm.
        """
        scores, parts, how = [], [], resolve_pooling(self, pooling)
        for member, norm in zip(self.members, self.norms, strict=True):
            names = [getattr(member, "layer_prefix", "") + layer for layer in layers]
            with watched(member, names, mean=is_over_labels(member)) as caught:
                scores.append(member(batch).to(self.shifts.dtype))
            parts.append([pool(caught[name], how) / norm for name in names])
        found = [part for layer in zip(*parts, strict=True) for part in layer]
        return Passed(self._align(torch.stack(scores)), torch.cat(found, dim=1) if found else None)


@dataclass(frozen=True, kw_only=True)
class EnsembleConfig(CriticConfig):
    """What is needed to rebuild an ensemble and to know where it comes from.

    Attributes
    ----------
    network, image_shape, ...
        As of `CriticConfig`, for the whole.
    names : tuple of str
        Of the members.
    parts : tuple of CriticConfig
        Of the members.
    alignment : str
        A row of `ALIGNMENTS`.
    panel_fingerprint, panel_source : str
        Of the images on which the members were aligned.
    """

    names: tuple[str, ...] = ()
    parts: tuple[CriticConfig, ...] = ()
    alignment: str = "affine"
    panel_fingerprint: str = ""
    panel_source: str = ""


@rebuild.register
def _rebuild(config: EnsembleConfig) -> nn.Module:
    return AlignedMean([rebuild(part) for part in config.parts])


class EnsembleCritic(Critic):
    """Several trainings as one critic; made by `fit`, opened by `Critic.load`.

    ``score`` is the mean of the members' aligned scores, ``embed`` their features side by side, layer by layer. Each
    member's features are divided by one number: the mean length of the rows of its whole embedding (pooling "mean") on
    the panel. Members that have not all the same layers are scored with and not embedded with.

    Parameters
    ----------
    module : AlignedMean
    config : EnsembleConfig
    device : str or torch.device
    panel : ndarray of uint8, shape (n, h, w, c)
        The images on which the members were aligned, to align randomly initialised controls on.
    """

    module: AlignedMean
    config: EnsembleConfig

    def __init__(
        self,
        module: AlignedMean,
        config: EnsembleConfig,
        device: torch.device | str = "cpu",
        *,
        panel: Images,
        source: str | Path | None = None,
    ) -> None:
        super().__init__(module, config, device, source=source)
        self.panel = panel

    @classmethod
    def fit(
        cls, critics: Mapping[str, Critic], panel: ImageSet, *, alignment: str = "affine", seed: int = 0
    ) -> EnsembleCritic:
        """Return critics as one, aligned on a panel of images.

        Parameters
        ----------
        critics : mapping of str to Critic
            By name, at least two, of one image shape.
        panel : ImageSet
            Real images that no member was trained on. Of more than 256 that many are drawn.
        alignment : str
            "affine": on the panel each member has mean 0, standard deviation 1 and the sign in which it agrees with the
            others, as in `gan_probe.stats.alignment.affine`: most members keep theirs, and where half would, the
            first one does. "shift": mean 0 only; scale and sign are taken at their word.
        seed : int
            Of the draw.

        Raises
        ------
        ConfigError
            For an unknown alignment.
        InputError
            For fewer than two critics, the same twice, different image shapes, ensembles among them, fewer than ten
            images, images that do not fit, or a critic whose scores of them are not finite or all the same.

        Examples
        --------
        >>> from gan_probe import from_synthetic
        >>> from synthetic import make_dataset
        >>> panel = from_synthetic(make_dataset("article-dev", per_class=2))
        >>> critics = {str(seed): Critic.from_network("compact", (64, 64, 3), seed=seed) for seed in range(3)}
        >>> mean, sd = EnsembleCritic.fit(critics, panel).score_with_uncertainty(panel.images)
        >>> bool(abs(mean.mean()) < 1e-5), bool((sd >= 0).all())
        (True, True)
        """
        check_name("alignment", alignment, ALIGNMENTS)
        shape = _check_members(critics)
        if len(panel) < MIN_PANEL:
            raise InputError(f"a panel needs at least {MIN_PANEL} images, got {len(panel)} in {panel.source}.")
        if len(panel) > MAX_PANEL:
            panel = panel.take(np.sort(np.random.default_rng(seed).permutation(len(panel))[:MAX_PANEL]))
        images = np.asarray(panel.with_channels(shape[2]).images[:])
        return cls._align(critics, images, (alignment, panel.fingerprint, str(panel.source)))

    @classmethod
    def _align(cls, critics: Mapping[str, Critic], images: Images, origin: tuple[str, str, str]) -> EnsembleCritic:
        """Return critics as one, aligned on all of ``images``; ``origin`` is alignment, fingerprint, source."""
        members = list(critics.values())
        config = _describe(critics, origin)
        shifts, scales = _read_off(_panel_scores(critics, images), origin[0])
        module = AlignedMean([member.module for member in members])
        module.shifts.copy_(torch.from_numpy(shifts))
        module.scales.copy_(torch.from_numpy(scales))
        if config.layers:
            lengths = [float(np.linalg.norm(member.embed(images, pooling="mean"), axis=1).mean()) for member in members]
            module.norms.copy_(torch.tensor([length or 1.0 for length in lengths]))
        return cls(module, config, members[0].device, panel=images)

    def random_init(self, seed: int) -> EnsembleCritic:
        """Return as many randomly initialised critics of the same architectures, aligned on the same panel.

        Raises
        ------
        InputError
            When weights from elsewhere cannot be drawn anew without a factory.
        """
        config = self.config
        inits = [
            member.random_init(int(np.random.SeedSequence((seed, number)).generate_state(1)[0]))
            for number, member in enumerate(self.members)
        ]
        origin = (config.alignment, config.panel_fingerprint, config.panel_source)
        return self._align(dict(zip(config.names, inits, strict=True)), self.panel, origin)

    @classmethod
    def load(cls, path: str | Path, device: torch.device | str = "cpu", *, trust_code: bool = False) -> EnsembleCritic:
        """Return the ensemble in a folder that `save` wrote.

        Raises
        ------
        InputError
            When there is none, a part is missing or was changed, or a member needs code and ``trust_code`` is not set.
        """
        folder = Path(path)
        if not (folder / ENSEMBLE).is_file():
            raise InputError(
                f"{folder} holds no {ENSEMBLE}. Make one with: gan-probe ensemble RUN RUN ... --data DATA --out DIR"
            )
        found = open_folder(folder, device, trust_code=trust_code)
        assert isinstance(found, EnsembleCritic)
        return found

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write ``ensemble.json``, ``panel.npy`` and ``members/``; the folder appears whole or not at all."""
        with atomic_folder(folder, marker=ENSEMBLE, overwrite=overwrite) as temporary:
            self.write_into(temporary)

    def write_into(self, folder: Path) -> None:
        """Write the files into a folder that exists; each member is a critic folder of its own.

        Raises
        ------
        InputError
            For a member from elsewhere without a factory: nothing could build it again.
        """
        for number, member in enumerate(self.members):
            _member_folder(folder, number).mkdir(parents=True)
            member.write_into(_member_folder(folder, number))
        np.save(folder / PANEL, self.panel, allow_pickle=False)
        numbers = zip(*(b.tolist() for b in (self.module.shifts, self.module.scales, self.module.norms)), strict=True)
        rows = [
            {"name": name, "run_id": member.config.run_id, "hash": member.hash}
            | {"shift": shift, "scale": scale, "norm": norm}
            for name, member, (shift, scale, norm) in zip(self.config.names, self.members, numbers, strict=True)
        ]  # fmt: skip
        record = {
            "schema": SCHEMA,
            "gauge": self.gauge,
            "panel": {"source": self.config.panel_source, "n_images": len(self.panel), "hash": _hash(self.panel)},
            "members": rows,
            "hash": hash_of(self.config, self.module.state_dict()),
        }
        (folder / ENSEMBLE).write_text(json.dumps(seal(record), indent=2) + "\n", encoding="utf-8")

    @property
    def gauge(self) -> dict[str, str]:
        """In what units its scores are: how the members were aligned, and the fingerprint of the panel."""
        return {"alignment": self.config.alignment, "panel": self.config.panel_fingerprint}

    @property
    def members(self) -> tuple[Critic, ...]:
        """The critics that make it up, in their own units."""
        parts = zip(self.module.members, self.config.parts, strict=True)
        return tuple(Critic(module, config, self.device) for module, config in parts)

    @property
    def turned(self) -> tuple[str, ...]:
        """Names of the members whose sign was changed."""
        return tuple(name for name, scale in zip(self.config.names, self.module.scales, strict=True) if scale < 0)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the scores must know about how they come about."""
        notes = list(dict.fromkeys(note for member in self.members for note in member.notes))
        differing = [w for w in SHARED if len({getattr(part, w) for part in self.config.parts}) > 1]
        if differing:
            notes.append(f"put together from trainings that differ in {', '.join(differing)}.")
        if 2 * len(self.turned) == len(self.config.names):
            notes.append(
                "put together from members of which half point the other way on the panel, so which way is up rests on"
                f" {self.config.names[0]} alone."
            )
        return tuple(notes)

    def score_with_uncertainty(
        self, images: Images, *, batch_size: int | None = None, progress: Progress = iter
    ) -> tuple[Scores, Scores]:
        """Return the critic_score of each image and the standard deviation over members (n - 1), both (n,).

        With the alignment "affine" the unit of both is one standard deviation of a member's scores on the panel.
        Parameters and errors are those of `score`.
        """
        found = self.forward(images, batch_size=batch_size, progress=progress)
        return found.scores, np.empty(0, np.float32) if found.spread is None else found.spread

    def forward_batch(self, batch: Tensor, layers: Sequence[str] = (), pooling: str = POOLING) -> Forward:
        """Return scores, features and the spread over members of one batch (n, c, h, w) in [-1, 1]."""
        with products_of("fp32"):
            aligned, found = self.module.passed(batch, layers, pooling)
        scores, spread = aligned.mean(0).cpu().numpy(), aligned.std(0).cpu().numpy()
        return Forward(scores, None if found is None else found.cpu().numpy(), spread)

    def member_scores(self, images: Images, *, batch_size: int | None = None) -> Scores:
        """Return the aligned score of each image by each member, (members, n)."""
        with torch.inference_mode(), products_of("fp32"):
            aligned = [self.module.aligned(batch).cpu().numpy() for batch in self._batches(images, batch_size, iter)]
        return np.concatenate(aligned, axis=1) if aligned else np.empty((len(self.config.names), 0), np.float32)

    def correlations(self) -> npt.NDArray[np.float64]:
        """Return how the members' scores correlate on the panel, (members, members): 1 = they say the same."""
        return np.atleast_2d(np.corrcoef(self.member_scores(self.panel).astype(np.float64)))


def _open(folder: Path, device: torch.device | str, *, trust_code: bool) -> EnsembleCritic:
    """Return the ensemble in a folder that `EnsembleCritic.write_into` wrote, whole and unchanged."""
    try:
        record = read_record(folder / ENSEMBLE)
        if record["schema"] not in (SCHEMA, OLD_SCHEMA):
            raise InputError(f"{folder / ENSEMBLE} is not of schema {SCHEMA!r}; it was written by another version.")
        check_seal(record, folder / ENSEMBLE)
        rows = record["members"]
        members = {
            row["name"]: Critic.load(_member_folder(folder, number), device, trust_code=trust_code)
            for number, row in enumerate(rows)
        }
        gauge = record["gauge"]
        config = _describe(members, (gauge["alignment"], gauge["panel"], record["panel"]["source"]))
        module = AlignedMean([member.module for member in members.values()])
        for name, buffer in (("shift", module.shifts), ("scale", module.scales), ("norm", module.norms)):
            buffer.copy_(torch.tensor([row[name] for row in rows]))
        panel = check_array(read_array(folder / PANEL), folder / PANEL)
        ensemble = EnsembleCritic(module, config, device, panel=panel)
        saved = record["hash"]
    except (OSError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{folder} does not hold a whole ensemble: {error}.") from error
    known = old_hash_of(config, module.state_dict()) if record["schema"] == OLD_SCHEMA else ensemble.hash
    if (known, record["panel"].get("hash", _hash(panel))) != (saved, _hash(panel)):
        changed = "was changed since it was saved, so its members may no longer be aligned"
        raise InputError(f"{folder} {changed}. Make it again: gan-probe ensemble")
    return ensemble


OPENERS[ENSEMBLE] = _open


def _hash(panel: Images) -> str:
    """Return 16 hexadecimal digits that follow from the images of a panel."""
    return digest_of({}, {"panel": torch.from_numpy(panel)})


def _member_folder(folder: Path, number: int) -> Path:
    return folder / "members" / f"{number:02d}"


def _check_members(critics: Mapping[str, Critic]) -> tuple[int, int, int]:
    """Return the image shape of critics that can be put together, or raise `InputError`."""
    if len(critics) < 2:
        raise InputError(f"an ensemble needs at least two critics, got {len(critics)}. Train more, with other seeds.")
    names: dict[str, str] = {}
    for name, critic in critics.items():
        if isinstance(critic, EnsembleCritic):
            raise InputError(f"{name} is an ensemble already; give its members (they lie in its folder members/).")
        if critic.hash in names:
            raise InputError(f"{names[critic.hash]} and {name} are the same critic; their agreement says nothing.")
        names[critic.hash] = name
    shapes = {name: "x".join(map(str, critic.config.image_shape)) for name, critic in critics.items()}
    if len(set(shapes.values())) > 1:
        listed = "; ".join(f"{name}: {shape}" for name, shape in shapes.items())
        raise InputError(f"the critics take images of different shapes ({listed}); an ensemble needs one.")
    return next(iter(critics.values())).config.image_shape


def _panel_scores(critics: Mapping[str, Critic], images: Images) -> npt.NDArray[np.float64]:
    """Return the scores of the panel, (members, n), none of them constant or not finite."""
    rows = []
    for name, critic in critics.items():
        scores = critic.score(images).astype(np.float64)
        if not np.isfinite(scores).all():
            raise InputError(f"{name} gives the panel scores that are not finite numbers; leave it out.")
        if np.ptp(scores) <= ROUNDING * np.abs(scores).max():
            raise InputError(
                f"{name} gives every image of the panel the score {scores[0]:g}, so it has no scale; leave it out, or"
                " choose a panel that differs more."
            )
        rows.append(scores)
    return np.stack(rows)


def _read_off(scores: npt.NDArray[np.float64], alignment: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return shifts and scales, both (members,): an alignment's straight lines are (score - shift) / scale."""
    aligned = ALIGNMENTS[alignment](scores, np.ones(scores.shape[1], dtype=bool))
    shifts = scores.mean(1)
    centred = scores - shifts[:, None]
    scales = (centred**2).sum(1) / (centred * aligned).sum(1)
    if scales[0] < 0 and 2 * int((scales < 0).sum()) == len(scales):
        scales = -scales  # a draw; any rule will do, and this one does not depend on rounding
    return shifts, scales


def _describe(critics: Mapping[str, Critic], origin: tuple[str, str, str]) -> EnsembleConfig:
    """Return the config of critics put together; ``origin`` is alignment, fingerprint and source of the panel."""
    parts = tuple(critic.config for critic in critics.values())
    has_layers = len({(part.network, part.layers, part.layer_sizes) for part in parts}) == 1
    kinds = list(dict.fromkeys(part.network for part in parts))
    fingerprints = {part.data_fingerprint for part in parts}
    return EnsembleConfig(
        network=f"ensemble of {len(parts)} {' and '.join(kinds)}",
        image_shape=parts[0].image_shape,
        layers=parts[0].layers if has_layers else (),
        layer_sizes=tuple(len(parts) * size for size in parts[0].layer_sizes) if has_layers else (),
        training_classes=tuple(dict.fromkeys(label for part in parts for label in part.training_classes)),
        run_id="+".join(dict.fromkeys(part.run_id for part in parts)),
        step=max(part.step for part in parts),
        data_fingerprint=fingerprints.pop() if len(fingerprints) == 1 else "",
        names=tuple(critics),
        parts=parts,
        alignment=origin[0],
        panel_fingerprint=origin[1],
        panel_source=origin[2],
    )
