"""Every training setting, its default and the named recipes: the one place where a default is written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import Field, asdict, dataclass, field, fields, replace
from typing import Any, NamedTuple

from gan_probe.errors import ConfigError
from gan_probe.names import check_name

POOLING = AUTO = "auto"  # of embeddings, probes and classifiers: what the network asks for, see `PYRAMID`
PYRAMID = "pyramid"  # where it asks for nothing: the best on development data (benchmarks/poolings.py)
CHANNEL_POOLING = "mean"  # where channels are compared or read one by one: one number each
PRECISIONS = ("auto", "fp32", "bf16", "tf32")
ACCELERATIONS = ("auto", "eager", "compiled", "graph")
VARIED = ("all", "init", "order", "sample")  # what differs between several runs of one training
NORMS = ("paper", "article")  # of the slope in the gradient penalty
OBJECTIVES = ("wasserstein", "minimax", "non-saturating", "least-squares", "hinge", "relativistic")
PENALTIES = ("none", "gradient", "r1", "r2", "r1r2")
AUGMENTATIONS = ("diffaugment", "crop", "flip", "colour", "grey", "cutout", "translation")


class Task(NamedTuple):
    """An auxiliary task: its default weight, and what it needs of the other settings."""

    weight: float
    needs_augment: bool = False
    needs_generator: bool = False
    needs_labels: bool = False


# What a critic may learn beside the game: see `gan_probe.training.auxiliary`.
AUXILIARIES: dict[str, Task] = {
    "contrastive": Task(1.0, needs_augment=True),
    "rotation":    Task(1.0),
    "consistency": Task(10.0, needs_augment=True, needs_generator=True),
    "pseudo-labels": Task(1.0, needs_augment=True, needs_labels=True),
}  # fmt: skip


def _number(default: float, low: float, high: float, help: str) -> Any:
    """Return a field for a number from ``low`` to ``high``; a whole one where the default is whole."""
    return field(default=default, metadata={"low": low, "high": high, "help": help})


def _choice(default: str, choices: tuple[str, ...], help: str) -> Any:
    """Return a field for one of some names."""
    return field(default=default, metadata={"choices": choices, "help": help})


def _several(known: Iterable[str], help: str, *, weighted: bool = False) -> Any:
    """Return a field for any of some names, separated by commas, each with a weight or not; none by default."""
    return field(default="", metadata={"several": tuple(known), "weighted": weighted, "help": help})


def _switch(default: bool, help: str) -> Any:  # noqa: FBT001 - the default of a setting
    """Return a field for true or false."""
    return field(default=default, metadata={"choices": (False, True), "help": help})


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a critic is trained. A step is one generator update with its ``n_critic`` critic updates.

    Each setting is one row below: its default, what it accepts, what it means. `accepted` says the range in words;
    the same table stands in ``docs/commands.md``.

    Examples
    --------
    >>> TrainConfig(steps=100).penalty_weight, TrainConfig.accepted("steps")
    (10.0, '1 to 10000000')
    """

    # fmt: off
    network: str = field(default="compact", metadata={"help": "A row of `gan_probe.networks.NETWORKS`."})
    steps: int = _number(300, 1, 10_000_000, "Generator updates.")
    batch_size: int = _number(16, 1, 65_536, "Real images in each update.")
    n_critic: int = _number(2, 1, 1000,
        "Critic updates before each generator update (Gulrajani et al. 2017, algorithm 1).")
    learning_rate_critic: float = _number(1e-3, 0.0, 10.0, "Of Adam.")
    learning_rate_generator: float = _number(1e-3, 0.0, 10.0, "Of Adam.")
    beta1: float = _number(0.0, 0.0, 0.9999, "Of Adam.")
    beta2: float = _number(0.9, 0.0, 0.99999, "Of Adam.")
    objective: str = _choice("wasserstein", OBJECTIVES, "The two losses, see `gan_probe.training.objectives`.")
    penalty: str = _choice("gradient", PENALTIES,
        "On the critic's slope: towards 1 between reals and fakes (Gulrajani et al. 2017), or towards 0 at reals, at"
        " fakes, at both (Mescheder et al. 2018).")
    penalty_weight: float = _number(10.0, 0.0, 1e6,
        "Lambda of Gulrajani's equation 3; gamma of Mescheder's equations 9 and 10.")
    penalty_norm: str = _choice("paper", NORMS,
        "The slope's norm over all of a sample, or one norm per colour channel.")
    weight_clip: float = _number(0.0, 0.0, 1e3,
        "Bound on every weight of the critic (Arjovsky et al. 2017); 0 for none.")
    drift: float = _number(0.0, 0.0, 1e3, "Weight of E[D(real)^2] (Karras et al. 2018); 0 for none.")
    anchor: float = _number(0.0, 0.0, 1e3,
        "Weight of E[D(null)^2] over 64 images with nothing in them (`gan_probe.images.nulls`), the same in every run"
        " on the same data: scores of such images stay near 0, whatever the run; 0 for none.")
    spectral_norm: bool = _switch(False,
        "Divide every weight matrix of the critic by its largest singular value (Miyato et al. 2018).")
    conditional: bool = _switch(False,
        "Critic and generator know the labels: a projection critic (Miyato and Koyama 2018), a one-hot label beside"
        " the latent.")
    minibatch_kernels: int = _number(0, 0, 1000,
        "Kernels of minibatch discrimination (Salimans et al. 2016) in the critic's training; 0 for none.")
    augment: str = _several(AUGMENTATIONS,
        "What is done at random to reals and fakes alike before the critic sees them, in this order: see"
        " `gan_probe.training.augmentation`.")
    auxiliary: str = _several(AUXILIARIES,
        "What the critic learns beside the game, each with its weight: see `gan_probe.training.auxiliary`.",
        weighted=True)
    without_generator: bool = _switch(False,
        "Train the critic by its auxiliary tasks, or by labels, alone: the control of a training with them. Its score"
        " means nothing.")
    semi_supervised: bool = _switch(False,
        "The critic has one output a class, and learns from the labels that there are, few or all, beside the game:"
        " its score is the log odds of being of any class (Salimans et al. 2016, section 5).")
    label_weight: float = _number(1.0, 0.0, 1e3, "Weight of the labels' cross-entropy in a semi-supervised training.")
    feature_matching: bool = _switch(False,
        "The generator minimises the distance of mean features of fakes from those of reals, in place of the"
        " objective's loss (Salimans et al. 2016, section 3.1).")
    critic_average: float = _number(0.997, 0.0, 0.99999,
        "Decay of the moving average of the critic's weights, per critic update. The average is what is saved and"
        " scored; 0 saves the critic itself.")
    average_share: float = _number(0.0, 0.0, 1.0,
        "Share of the steps, at the end, over which the saved critic is the plain mean of the weights after each step"
        " (stochastic weight averaging, Izmailov et al. 2018) in place of the moving average; 0 for none.")
    generator_average: float = _number(0.99, 0.0, 0.99999, "`critic_average` for the generator, per step.")
    decay_share: float = _number(0.5, 0.0, 1.0,
        "Share of the steps, at the end, over which both learning rates fall linearly to zero.")
    latent_dim: int = _number(16, 1, 4096, "Length of the generator's input.")
    precision: str = _choice("auto", PRECISIONS,
        "auto: bf16 where the device multiplies it natively, else fp32. The penalty's norm is float32 always.")
    acceleration: str = _choice("auto", ACCELERATIONS,
        "compiled: the critic's gradients through torch.compile, after minutes of compiling. graph: the whole step as"
        " one CUDA graph. Each is used only where it does what eager does. auto: graph on CUDA, else eager.")
    n_snapshots: int = _number(10, 0, 1000,
        "Critics saved on the way, spread evenly on a logarithmic scale of steps.")
    late_snapshots: int = _number(0, 0, 1000,
        "Critics saved besides, spread evenly over the second half of the steps: members of a snapshot ensemble.")
    held_out: float = _number(0.1, 0.0, 0.9,
        "Share of the training images kept back; the critic's scores of them are its reference.")
    seed: int = _number(0, 0, 2**32 - 1,
        "Of every batch, of initialisation, and of which images are held out.")
    init_seed: int = _number(-1, -1, 2**32 - 1, "Of initialisation alone; -1: that of `seed`.")
    sample_seed: int = _number(-1, -1, 2**32 - 1,
        "Of which images are held out, so of which are trained on; -1: that of `seed`.")
    # fmt: on

    def __post_init__(self) -> None:
        for setting in fields(self):
            _check(setting, getattr(self, setting.name))
        if self.objective == "wasserstein" and self.penalty == "none" and not (self.weight_clip or self.spectral_norm):
            raise ConfigError(
                "objective 'wasserstein' needs a bound on the slope: a penalty, spectral_norm, or weight_clip above 0."
            )
        if self.penalty == "gradient" and self.weight_clip:
            raise ConfigError("weight_clip and penalty 'gradient' both bound the slope; set penalty to 'none'.")
        if self.weight_clip and self.spectral_norm:
            raise ConfigError("weight_clip and spectral_norm both bound the weights; choose one.")
        if self.semi_supervised and (self.conditional or self.minibatch_kernels):
            other = "conditional" if self.conditional else "minibatch_kernels"
            raise ConfigError(f"semi_supervised and {other} give the critic different outputs; choose one.")
        if self.minibatch_kernels and self.penalty != "none":
            raise ConfigError(
                f"penalty {self.penalty!r} is a slope at each image alone, and with minibatch_kernels a score"
                " depends on the batch. Set penalty to 'none' and choose another objective or spectral_norm."
            )

        for name in self.tasks:
            self._check_task(name)
        if self.without_generator:
            self._check_alone()

    def _check_alone(self) -> None:
        """Raise unless auxiliary tasks or labels can teach the critic without a game."""
        if not self.tasks and not self.semi_supervised:
            raise ConfigError(
                "without_generator leaves nothing to learn from without an auxiliary task. Give --auxiliary contrastive"
                " or rotation."
            )
        if self.conditional:
            raise ConfigError("without_generator and conditional do not fit: only the game knows the labels.")

    def _check_task(self, name: str) -> None:
        """Raise unless an auxiliary task fits the other settings."""
        task = AUXILIARIES[name]
        if task.needs_augment and not self.augment:
            raise ConfigError(
                f"auxiliary task {name!r} compares two augmented views of an image, and augment is empty, so they are"
                " the same. Give --augment crop,flip, for example."
            )
        if task.needs_labels and not self.semi_supervised:
            raise ConfigError(
                f"auxiliary task {name!r} is learned beside the labels of a semi-supervised training. Give --labels, or"
                " another task."
            )
        if task.needs_generator and self.without_generator:
            raise ConfigError(
                f"auxiliary task {name!r} is solved by equal scores of all images without a game. Without a generator"
                " use contrastive or rotation."
            )
        if name == "consistency" and self.minibatch_kernels:
            raise ConfigError(
                "auxiliary task 'consistency' compares scores of two batches, and with minibatch_kernels a score"
                " depends on its batch. Choose one."
            )
        if name == "contrastive" and self.weight_clip:
            raise ConfigError(
                "auxiliary task 'contrastive' alone teaches the features, and weight_clip bounds their weights for the"
                " sake of the game. Set weight_clip to 0 and choose a penalty or spectral_norm."
            )
        if name == "contrastive" and self.batch_size < 2:
            raise ConfigError(f"auxiliary task 'contrastive' needs a batch_size of 2 or more, got {self.batch_size}.")

    def steps_for(self, epochs: int, n_images: int) -> int:
        """Return the steps in which the critic sees ``epochs`` times as many images as it trains on.

        Each critic update takes one batch, so a step takes ``n_critic`` of them; held-out images do not count.

        Examples
        --------
        >>> TrainConfig(batch_size=8, n_critic=5, held_out=0.0).steps_for(200, 600)
        3000
        """
        n_training = n_images - round(self.held_out * n_images)
        return max(1, math.ceil(epochs * n_training / (self.batch_size * self.n_critic)))

    @property
    def augmentations(self) -> tuple[str, ...]:
        """The names in ``augment``."""
        return tuple(_weights(self.augment))

    @property
    def tasks(self) -> dict[str, float]:
        """The names in ``auxiliary`` with their weights."""
        found = _weights(self.auxiliary)
        return {name: AUXILIARIES[name].weight if weight is None else weight for name, weight in found.items()}

    @property
    def averages(self) -> bool:
        """Whether an average of the critic's weights is saved, and not the last ones."""
        return bool(self.critic_average or self.average_share)

    @property
    def start_seed(self) -> int:
        """The seed of the networks' first weights."""
        return self.seed if self.init_seed < 0 else self.init_seed

    @property
    def split_seed(self) -> int:
        """The seed of which images are held out."""
        return self.seed if self.sample_seed < 0 else self.sample_seed

    def varied(self, what: str, number: int) -> TrainConfig:
        """Return the same training for the ``number``-th time, with another seed of what differs.

        Parameters
        ----------
        what : {"all", "init", "order", "sample"}
            Everything; the first weights; the batches; which images are held out.
        number : int

        Examples
        --------
        >>> second = [TrainConfig().varied(what, 2) for what in VARIED]
        >>> [(c.seed, c.start_seed, c.split_seed) for c in second]
        [(2, 2, 2), (0, 2, 0), (2, 0, 0), (0, 0, 2)]
        """
        check_name("difference", what, VARIED)
        more = {name: number if what in ("all", name) else 0 for name in VARIED}
        follows = what == "all" and self.sample_seed < 0
        return replace(
            self,
            seed=self.seed + more["order"],
            init_seed=self.start_seed + more["init"],
            sample_seed=-1 if follows else self.split_seed + more["sample"],
        )

    def updated(self, changes: Mapping[str, Any]) -> TrainConfig:
        """Return the config with some settings changed.

        Raises
        ------
        ConfigError
            For an unknown setting (with the nearest known one) or a value out of range.
        """
        known = [f.name for f in fields(self)]
        for name in changes:
            check_name("setting", name, known)
        return replace(self, **changes)

    @classmethod
    def accepted(cls, name: str) -> str:
        """Return what a setting accepts, in words."""
        rule = next(f.metadata for f in fields(cls) if f.name == name)
        if "choices" in rule:
            return ", ".join(str(choice).lower() if isinstance(choice, bool) else choice for choice in rule["choices"])
        if "several" in rule:
            weights = ", each with :WEIGHT or not" if rule["weighted"] else ""
            return f"any of {', '.join(rule['several'])}, separated by commas{weights}"
        return f"{rule['low']:.10g} to {rule['high']:.10g}" if "low" in rule else "a name"

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        return asdict(self)


def _weights(text: str) -> dict[str, float | None]:
    """Return the names that stand between commas, each with the number after its colon or None."""
    parts = (part.partition(":") for part in text.split(",") if part.strip())
    return {name.strip(): float(weight) if colon else None for name, colon, weight in parts}


def _check_names(setting: Field[Any], text: Any) -> None:
    """Raise `ConfigError` unless a text lists known names, each once, with weights where they are taken."""
    known, weighted = setting.metadata["several"], setting.metadata["weighted"]
    if not isinstance(text, str):
        raise ConfigError(f"{setting.name} must be {TrainConfig.accepted(setting.name)}; got {text!r}.")
    parts = [part.partition(":") for part in text.split(",") if part.strip()]
    names = [name.strip() for name, _, _ in parts]
    for name, (_, colon, weight) in zip(names, parts, strict=True):
        check_name(setting.name, name, known)
        if names.count(name) > 1:
            raise ConfigError(f"{setting.name} names {name!r} {names.count(name)} times, got {text!r}. Name it once.")
        if colon and not weighted:
            raise ConfigError(f"{setting.name} takes names without weights, got {text!r}.")
        if colon and not _is_weight(weight):
            raise ConfigError(
                f"the weight of {setting.name} {name!r} must be above 0 and at most 1000, got {weight!r}."
            )


def _is_weight(text: str) -> bool:
    try:
        return 0 < float(text) <= 1000
    except ValueError:
        return False


def _check(setting: Field[Any], value: Any) -> None:
    """Raise `ConfigError` unless a setting accepts a value."""
    choices, name = setting.metadata.get("choices"), setting.name
    if choices == (False, True):
        if not isinstance(value, bool):
            raise ConfigError(f"{name} must be true or false, got {value!r}.")
    elif choices:
        check_name(name, value, choices)
    elif "several" in setting.metadata:
        _check_names(setting, value)
    elif "low" in setting.metadata:
        low, high = setting.metadata["low"], setting.metadata["high"]
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ConfigError(f"{name} must be from {low:g} to {high:g}, got {value!r}.")
        if isinstance(setting.default, int) and not isinstance(value, int):
            raise ConfigError(f"{name} must be a whole number, got {value!r}.")


# One row a recipe: what differs from the defaults above. wgan to r3gan are the objectives of other papers on compact's
# networks, not those papers' whole recipes. The article's is what it gives (networks, penalty, batches of 8, 200 epochs
# of 600 images, which are 15,000 critic updates) and, where it says nothing, algorithm 1 of the WGAN-GP paper.
PRESETS: dict[str, TrainConfig] = {
    "compact": TrainConfig(network="compact", steps=300,  batch_size=16, n_critic=2, latent_dim=16,
                           learning_rate_critic=1e-3, learning_rate_generator=1e-3),
    "article": TrainConfig(network="article", steps=3000, batch_size=8,  n_critic=5, latent_dim=128,
                           learning_rate_critic=1e-4, learning_rate_generator=1e-4, penalty_norm="article",
                           decay_share=0.0, critic_average=0.0, generator_average=0.0, held_out=0.0, precision="fp32"),
    "residual": TrainConfig(network="residual", steps=3000, batch_size=8,  n_critic=5, latent_dim=128,
                           learning_rate_critic=1e-4, learning_rate_generator=1e-4,
                           decay_share=0.0, critic_average=0.0),
    "wgan":    TrainConfig(penalty="none", weight_clip=0.05),
    "gan":     TrainConfig(objective="non-saturating", penalty="r1", penalty_weight=1.0),
    "hinge":   TrainConfig(objective="hinge", penalty="r1", penalty_weight=1.0),
    "lsgan":   TrainConfig(objective="least-squares", penalty="r1", penalty_weight=1.0),
    "r3gan":   TrainConfig(objective="relativistic", penalty="r1r2", penalty_weight=1.0),
    "mlp-2014": TrainConfig(network="mlp-deep", objective="non-saturating", penalty="none", steps=6000, batch_size=100,
                           n_critic=1, latent_dim=100, learning_rate_critic=2e-4, learning_rate_generator=2e-4,
                           beta1=0.5, beta2=0.999, decay_share=0.0, critic_average=0.0, generator_average=0.999),
    "dcgan":   TrainConfig(network="dcgan", objective="non-saturating", penalty="none", steps=2000, batch_size=128,
                           n_critic=1, latent_dim=100, learning_rate_critic=2e-4, learning_rate_generator=2e-4,
                           beta1=0.5, beta2=0.999, decay_share=0.0, critic_average=0.0, generator_average=0.995),
    "sngan":   TrainConfig(network="sngan", objective="hinge", penalty="none", spectral_norm=True, steps=50_000,
                           batch_size=64, n_critic=5, latent_dim=128, learning_rate_critic=2e-4,
                           learning_rate_generator=2e-4, beta1=0.0, beta2=0.9, decay_share=1.0, critic_average=0.0),
    "semi-supervised": TrainConfig(network="dcgan-half", semi_supervised=True, feature_matching=True,
                           objective="non-saturating", penalty="none", steps=3000, batch_size=32, n_critic=1,
                           latent_dim=64, beta1=0.5, beta2=0.99, learning_rate_critic=3e-4,
                           learning_rate_generator=3e-4, augment="translation", auxiliary="pseudo-labels"),
    "wgan-gp-32": TrainConfig(network="sngan", steps=100_000, batch_size=64, n_critic=5, latent_dim=128,
                           learning_rate_critic=1e-4, learning_rate_generator=1e-4, decay_share=1.0,
                           critic_average=0.0),
    "photos":  TrainConfig(network="oriented", objective="hinge", penalty="none", steps=600, batch_size=64,
                           n_critic=2, latent_dim=64, beta1=0.5, beta2=0.999, learning_rate_generator=2e-4,
                           augment="crop,colour,grey,cutout", auxiliary="contrastive"),
}  # fmt: skip


def preset(name: str) -> TrainConfig:
    """Return a named recipe.

    Raises
    ------
    ConfigError
        For an unknown name, with the nearest one.
    """
    check_name("training preset", name, PRESETS)
    return PRESETS[name]
