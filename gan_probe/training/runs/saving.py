"""What a training leaves behind: snapshots, sample sheets, and the finished critic with its model card."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from string import Template

import pandas as pd
import torch

from gan_probe.config import TrainConfig
from gan_probe.critics.critic import Critic
from gan_probe.critics.generator import Generator, GeneratorConfig, calibrate
from gan_probe.critics.identity import MARKER
from gan_probe.images.image_set import NO_LABEL, ImageSet, sheet
from gan_probe.networks import build_generator
from gan_probe.scoring.engines import LOCAL
from gan_probe.text import as_markdown
from gan_probe.training.runs.folder import RunFolder
from gan_probe.training.runs.health import Examiner
from gan_probe.training.step import State, effective_weights
from synthetic.files import atomic_folder, atomic_path

N_SAMPLES = 24
N_LATENTS = 128  # that a snapshot's generator is calibrated on: an eighth of the finished one's, since it is not kept


def run_id(config: TrainConfig, fingerprint: str) -> str:
    """Return 12 hexadecimal digits that name a training: they follow from its settings and its data."""
    return hashlib.sha256(f"{json.dumps(config.as_dict(), sort_keys=True)} {fingerprint}".encode()).hexdigest()[:12]


def training_classes(data: ImageSet, *, only_known: bool = False) -> tuple[str, ...]:
    """Return the labels of a data set, sorted; none where it has no labels. ``only_known`` leaves out `NO_LABEL`."""
    found = set(map(str, data.table["label"])) if "label" in data.table else set()
    return tuple(sorted(found - {NO_LABEL} if only_known else found))


@dataclass(frozen=True)
class Saver:
    """Writes the critics of one training."""

    run: RunFolder
    config: TrainConfig
    data: ImageSet
    device: torch.device

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the data, in the order of the critic's outputs where it has some."""
        return training_classes(self.data, only_known=self.config.semi_supervised)

    def critic(self, state: State) -> Critic:
        """Return the critic of this moment, with weights of its own, as they act."""
        source = state.average if self.config.averages else state.critic
        heads = {"n_classes": state.n_classes, "n_kernels": self.config.minibatch_kernels}
        if state.n_outputs:
            heads = {"n_outputs": state.n_outputs}
        critic = Critic.from_network(
            self.config.network, self.data.image_shape, device=self.device, heads=heads if any(heads.values()) else None
        )
        critic.module.load_state_dict(effective_weights(source))
        critic.config = replace(
            critic.config,
            training_classes=self.classes,
            run_id=run_id(self.config, self.data.fingerprint),
            step=state.step,
            data_fingerprint=self.data.fingerprint,
            images_fingerprint=self.data.images_fingerprint,
            auxiliary=self.config.auxiliary,
            without_generator=self.config.without_generator,
        )
        return critic

    def generator(self, state: State, *, is_kept: bool = True) -> Generator:
        """Return the generator of this moment, with weights and statistics of its own.

        One that is not kept is made the quicker way: its statistics are those of fewer latents, and its convolutions
        round otherwise.
        """
        source = state.generator_average if self.config.generator_average else state.generator
        assert source is not None
        shape, latent_dim = self.data.image_shape, self.config.latent_dim
        module = build_generator(self.config.network, shape, latent_dim, seed=0, n_classes=state.n_classes)
        module.load_state_dict(source.state_dict())
        module.to(self.device)
        if not is_kept:
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        n_latents = None if is_kept else N_LATENTS
        calibrate(module, latent_dim, n_classes=state.n_classes, device=self.device, n_latents=n_latents)
        config = GeneratorConfig(
            self.config.network,
            shape,
            latent_dim,
            classes=self.classes if state.n_classes else (),
            run_id=run_id(self.config, self.data.fingerprint),
            step=state.step,
            data_fingerprint=self.data.fingerprint,
        )
        return Generator(module, config, self.device)

    def save_snapshot(self, state: State, examiner: Examiner | None) -> None:
        """Write ``snapshots/step-*``; with a generator ``samples/step-*.png`` too, and a line to ``health.jsonl``."""
        critic = self.critic(state)
        critic.save(self.run.snapshot(state.step), overwrite=True)
        if examiner is None:
            return
        is_last = state.step == self.config.steps
        generator = self.generator(state, is_kept=is_last)
        with atomic_path(self.run.sample_sheet(state.step)) as temporary:
            sheet(generator.sample(N_SAMPLES, seed=self.config.seed)).save(temporary)
        self.run.append_health({"step": state.step, **examiner.examine(critic, generator, is_last=is_last)})

    def save_generator(self, state: State) -> None:
        """Write ``generator/``."""
        self.generator(state).save(self.run.generator, overwrite=True)

    def save_critic(self, state: State, *, n_training: int, held_out: ImageSet) -> Critic:
        """Write ``critic/`` with the scores of held-out reals and a model card; return the critic."""
        critic = self.critic(state)
        with atomic_folder(self.run.critic, marker=MARKER, overwrite=True) as folder:
            critic.write_into(folder)
            reference = pd.DataFrame({"sample_id": held_out.table["sample_id"]})
            reference["critic_score"] = LOCAL.run([critic], held_out.images)[0].scores
            reference.attrs["critic_hash"] = critic.hash  # whose scores these are, kept in the file
            reference.to_parquet(folder / "reference.parquet", index=False, write_page_checksum=True)
            (folder / "README.md").write_text(
                self._model_card(critic, n_training, reference["critic_score"]), encoding="utf-8"
            )
        critic.source = str(self.run.path)
        return critic

    def _model_card(self, critic: Critic, n_training: int, reference: pd.Series) -> str:
        held_out = (
            f"{len(reference)} held-out training images score {reference.mean():.3f} +- {reference.std():.3f}"
            if len(reference) > 1
            else "no training images were held out"
        )
        return MODEL_CARD.substitute(
            network=critic.config.network,
            step=critic.config.step,
            objective=describe_objective(self.config),
            n=n_training,
            classes=as_markdown(", ".join(critic.config.training_classes)) or "(no labels)",
            fingerprint=self.data.fingerprint,
            run_id=critic.config.run_id,
            hash=critic.hash,
            held_out=held_out,
            notes="".join(
                f"\n\n**Note.** {as_markdown(note)}"  # some name classes
                for note in (*self._settled(), *critic.notes, *self.run.diagnosis())
            ),
            height=critic.config.image_shape[0],
            width=critic.config.image_shape[1],
            channels=critic.config.image_shape[2],
        )

    def _settled(self) -> list[str]:
        facts = self.run.read_config()[1].get("settled")
        if facts is None:
            return []
        fakes = f"{facts['n_bank']} fakes (hash {facts['bank']})"
        return [
            f"After {facts['steps']} steps it was trained on, {self.config.steps} updates against {fakes}; its scores"
            " agree best with those of critics settled on the same fakes."
        ]


def describe_objective(config: TrainConfig) -> str:
    """Return the losses and what bounds the critic's slope, in words."""
    bounds = {
        "gradient": "gradient penalty towards 1",
        "none": "no penalty",
        "r1r2": "R1 and R2 penalties",
    }
    if config.without_generator:
        taught = ["labels"] * config.semi_supervised + [config.auxiliary] * bool(config.auxiliary)
        return f"{', '.join(taught)}, without a generator"
    parts = [config.objective, bounds.get(config.penalty, f"{config.penalty.upper()} penalty")]
    if config.weight_clip:
        parts.append(f"weights clipped at {config.weight_clip:g}")
    if config.spectral_norm:
        parts.append("spectral norm")
    if config.auxiliary:
        parts.append(f"beside it {config.auxiliary}")
    if config.augment:
        parts.append(f"images augmented: {config.augment}")
    return ", ".join(parts)


MODEL_CARD = Template("""\
# A critic trained by gan-probe

| | |
|---|---|
| network | $network, $step generator steps |
| objective | $objective |
| images | uint8, $height x $width x $channels; networks see float32 in [-1, 1] |
| trained on | $n images; classes: $classes |
| data fingerprint | $fingerprint |
| run | $run_id |
| hash of the weights | $hash |

**Score.** Higher = more like the training data. Unbounded; the loss leaves shift and scale free, so scores of two
trainings must not be compared as they are. Here $held_out.$notes

**Use.** `gan-probe score THIS_FOLDER DATA --out scores.parquet`, or
`gan_probe.Critic.load("THIS_FOLDER").score(images)`.

**Limits.** Nothing in the training fixes scores of classes that it never saw. Compare every separation with the
controls that `gan-probe report` shows beside it.
""")
