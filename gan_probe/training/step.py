"""The two updates of a GAN, as functions of one state and one batch. No random numbers are drawn here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.nn.utils.parametrizations import spectral_norm

from gan_probe.config import TrainConfig
from gan_probe.device import arithmetic_of, products_of, resolve_precision
from gan_probe.images.pixels import to_network
from gan_probe.networks import NETWORKS, build_critic, build_generator
from gan_probe.networks.heads import with_labels
from gan_probe.training import objectives, semi_supervised
from gan_probe.training.adam import AdamInMemoryOrder
from gan_probe.training.augmentation import augmented
from gan_probe.training.auxiliary import Sight, build_heads, critic_tasks, generator_tasks, stops_gradient
from gan_probe.training.batches import CHOICE, FAKE, FAKE_AGAIN, LABELLED, REAL, REAL_AGAIN, StepBatch, UpdateBatch
from gan_probe.training.ranks import ALONE, Ranks
from gan_probe.types import ImageShape

N_LOOKS = 5  # power iterations for the weights that are saved

Gradients = Callable[["State", UpdateBatch, TrainConfig, str], dict[str, Tensor]]


@dataclass
class State:
    """Everything that a training changes.

    Attributes
    ----------
    critic, generator : nn.Module
        What is trained; in training mode. A training by auxiliary tasks alone has no generator, and nothing of one.
    average, generator_average : nn.Module
        Moving averages of their weights: what is saved, scored with and sampled from.
    critic_optimizer, generator_optimizer : Adam
    heads : ModuleDict
        Of auxiliary tasks; trained with the critic, and no part of it. Empty without such tasks.
    untouched : frozenset of str
        Weights of the critic that the game does not train, as a task stops its gradient before them.
    n_classes : int
        Above zero in a conditional training.
    n_outputs : int
        Above zero in a semi-supervised one.
    step : int
        Steps done.
    share : Tensor
        What the newest weights count for in a plain average; on the device, where a captured graph reads it.
    """

    critic: nn.Module
    generator: nn.Module | None
    average: nn.Module
    generator_average: nn.Module | None
    critic_optimizer: torch.optim.Adam
    generator_optimizer: torch.optim.Adam | None
    n_classes: int = 0
    step: int = 0
    share: Tensor = field(default_factory=lambda: torch.ones(()))
    n_outputs: int = 0
    heads: nn.ModuleDict = field(default_factory=nn.ModuleDict)
    untouched: frozenset[str] = frozenset()

    def modules(self) -> dict[str, nn.Module]:
        """Return what has weights, by name."""
        found = {name: getattr(self, name) for name in ("critic", "generator", "average", "generator_average", "heads")}
        return {name: module for name, module in found.items() if module is not None}

    def optimizers(self) -> dict[str, torch.optim.Adam]:
        """Return what updates them, by name."""
        found = {name: getattr(self, name) for name in ("critic_optimizer", "generator_optimizer")}
        return {name: optimizer for name, optimizer in found.items() if optimizer is not None}

    def critic_weights(self) -> list[nn.Parameter]:
        """Return what a critic update trains: the critic, then the heads."""
        return [*self.critic.parameters(), *self.heads.parameters()]


def new_state(
    config: TrainConfig,
    image_shape: ImageShape,
    device: torch.device,
    *,
    n_classes: int = 0,
    ranks: Ranks = ALONE,
) -> State:
    """Return the state before the first step; it follows from ``config.start_seed``.

    Parameters
    ----------
    config : TrainConfig
    image_shape : tuple of int
        Height, width, channels.
    device : torch.device
    n_classes : int
        Of the training data; used where the training is conditional or semi-supervised.
    ranks : Ranks
    """
    n_outputs = n_classes if config.semi_supervised else 0
    n_classes = n_classes if config.conditional else 0

    def critic() -> nn.Module:
        heads = {"n_classes": n_classes, "n_kernels": config.minibatch_kernels, "n_outputs": n_outputs}
        return build_critic(config.network, image_shape, seed=config.start_seed, **heads).to(device)

    def generator() -> nn.Module:
        seed = config.start_seed
        return build_generator(config.network, image_shape, config.latent_dim, seed=seed, n_classes=n_classes).to(
            device
        )

    trained, average = critic(), critic().requires_grad_(False)
    if config.spectral_norm:
        normalise_spectrum(trained, seed=config.start_seed)
        average.load_state_dict(effective_weights(trained))
    trained = ranks.share_statistics(trained)
    made = None if config.without_generator else ranks.share_statistics(generator())
    heads = build_heads(config, trained.n_features).to(device)  # type: ignore[arg-type]
    if device.type == "cuda":  # where tensor cores multiply; on a CPU the double backward of others is slow or fails
        full = resolve_precision(config.precision, device) == "fp32"
        layout = torch.contiguous_format if full else torch.channels_last
        for module in (trained, made) if made else (trained,):
            module.to(memory_format=layout)  # type: ignore
    betas = (config.beta1, config.beta2)
    learned = [*trained.parameters(), *heads.parameters()]
    adam = partial(AdamInMemoryOrder, betas=betas)
    return State(
        trained,
        made,
        average,
        generator().requires_grad_(False) if made else None,
        adam(learned, lr=config.learning_rate_critic),
        adam(made.parameters(), lr=config.learning_rate_generator) if made else None,
        n_classes,
        share=torch.ones((), device=device),
        heads=heads,
        untouched=behind_features(trained, image_shape) if stops_gradient(config.tasks) else frozenset(),
        n_outputs=n_outputs,
    )


def behind_features(critic: nn.Module, image_shape: ImageShape) -> frozenset[str]:
    """Return the names of the weights that a critic's features are made by; the others make only its score."""
    height, width, channels = image_shape
    weights = dict(critic.named_parameters())
    image = torch.zeros(1, channels, height, width, device=next(iter(weights.values())).device)
    critic.eval()  # statistics and power iterations stay as they are
    features = critic.score_and_features(image)[1]  # type: ignore[operator]
    critic.train()
    found = torch.autograd.grad(features.sum(), list(weights.values()), allow_unused=True)
    return frozenset(name for name, gradient in zip(weights, found, strict=True) if gradient is not None)


def normalise_spectrum(critic: nn.Module, *, seed: int) -> None:
    """Divide every convolution and linear map by its largest singular value, from now on; in place.

    References
    ----------
    Miyato et al. 2018, algorithm 1: one power iteration at each look at the weights.
    """
    layers = [m for m in critic.modules() if isinstance(m, nn.Conv2d | nn.Linear | nn.Embedding)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in layers:
            spectral_norm(layer)


def effective_weights(module: nn.Module) -> dict[str, Tensor]:
    """Return a state dict of the weights as they act, under the names of the network without spectral norm.

    Each look at a normalised weight takes a power iteration; a few are taken here, and taken back afterwards, or a
    snapshot, which one process of several takes, would change the training.
    """
    state = {}
    with torch.no_grad():
        vectors = {name: b.clone() for name, b in module.named_buffers() if "parametrizations." in name}
        for name, value in module.state_dict().items():
            before, found, after = name.partition("parametrizations.")
            if not found:
                state[name] = value
            elif after.endswith(".original"):
                plain = before + after.removesuffix(".original")
                for _ in range(N_LOOKS):
                    state[plain] = attrgetter(plain)(module)
        for name, vector in vectors.items():
            module.get_buffer(name).copy_(vector)
    return state


def decayed(step: int, config: TrainConfig) -> float:
    """Return the factor on both learning rates: 1, then linear to 0 over the last ``decay_share`` of the steps."""
    left = (config.steps - step + 1) / config.steps
    return min(1.0, left / config.decay_share) if config.decay_share else 1.0


def generator_looks(config: TrainConfig) -> bool:
    """Return whether the generator's loss looks at reals."""
    return config.feature_matching or objectives.OBJECTIVES[config.objective].generator_sees_reals


def set_rates(state: State, config: TrainConfig) -> None:
    """Give both optimizers the learning rates of the step, and a plain average the weight of the step."""
    factor = decayed(state.step, config)
    state.share.fill_(1 / max(1, state.step - round((1 - config.average_share) * config.steps)))
    rates = {
        "critic_optimizer": config.learning_rate_critic,
        "generator_optimizer": config.learning_rate_generator,
    }
    for name, optimizer in state.optimizers().items():
        current, rate = optimizer.param_groups[0]["lr"], rates[name]
        if isinstance(current, Tensor):  # a captured graph reads it from the device
            current.fill_(rate * factor)
        else:
            optimizer.param_groups[0]["lr"] = rate * factor


def train_step(
    state: State,
    batch: StepBatch,
    config: TrainConfig,
    *,
    precision: str,
    ranks: Ranks = ALONE,
    gradients: Gradients | None = None,
) -> dict[str, Tensor]:
    """Update the critic ``n_critic`` times, then the generator once; return the step's metrics, still on the device.

    Parameters
    ----------
    state : State
        Changed in place; ``state.step`` counts up.
    batch : StepBatch
        On the device.
    config : TrainConfig
    precision : str
        Resolved: "fp32", "bf16" or "tf32".
    ranks : Ranks
    gradients : callable, optional
        In place of `critic_gradients`.

    Returns
    -------
    dict of scalar Tensor
        See `critic_update` (of the last critic update) and `generator_update`.
    """
    state.step += 1
    set_rates(state, config)
    return both_updates(state, batch, config, precision=precision, ranks=ranks, gradients=gradients)


def both_updates(
    state: State,
    batch: StepBatch,
    config: TrainConfig,
    *,
    precision: str,
    ranks: Ranks = ALONE,
    gradients: Gradients | None = None,
) -> dict[str, Tensor]:
    """Do what `train_step` does on the device, without counting or setting rates: what a graph can capture."""
    for update in batch.critic:
        metrics = critic_update(state, update, config, precision=precision, ranks=ranks, gradients=gradients)
    if config.average_share:
        update_average(state.average, state.critic, state.share)
    if state.generator is None:
        return metrics
    return metrics | generator_update(state, batch.generator, config, precision=precision, ranks=ranks)


def critic_update(
    state: State,
    batch: UpdateBatch,
    config: TrainConfig,
    *,
    precision: str,
    ranks: Ranks = ALONE,
    gradients: Gradients | None = None,
) -> dict[str, Tensor]:
    """Take one descent step on the objective and its penalty, and move the average critic along.

    Returns
    -------
    dict of scalar Tensor
        ``w_distance``: E[D(real)] - E[D(fake)], an estimate of that distance with the Wasserstein objective only.
        ``penalty``: unweighted. ``critic_loss``: without penalties. ``critic_accuracy``: share of the pairs of a real
        and a fake in which the real scores higher; 0.5 in equilibrium. ``critic_gradient``: norm over all weights.
        ``auxiliary_loss``: the weighted sum of auxiliary tasks, where there are any; without a generator there is none
        of the others but the gradient's norm.
    """
    with products_of(precision):
        metrics = (gradients or critic_gradients)(state, batch, config, precision)
    weights = state.critic_weights()
    ranks.average_gradients(weights)
    metrics["critic_gradient"] = _norm(weights)
    state.critic_optimizer.step()
    state.critic_optimizer.zero_grad(set_to_none=True)  # their memory is free for what comes next
    if config.weight_clip:
        objectives.clip_weights(state.critic, config.weight_clip)
    if config.critic_average and not config.average_share:
        update_average(state.average, state.critic, 1 - config.critic_average)
    return metrics


def critic_gradients(state: State, batch: UpdateBatch, config: TrainConfig, precision: str) -> dict[str, Tensor]:
    """Leave the gradients of the critic's loss in its weights; return the metrics of `critic_update` but one."""
    inputs = critic_inputs(state, batch, config, precision)
    score = scorer(state.critic, batch.labels, precision, inputs.real.device, untouched=state.untouched)
    losses, metrics = [], dict[str, Tensor]()
    if state.generator is not None:
        loss, metrics = critic_objective(score, inputs, batch.alpha, config=config)
        losses.append(loss)
    if config.tasks:
        losses.append(critic_tasks(sight(state, score, batch, precision, **inputs._asdict()), config.tasks))
        metrics["auxiliary_loss"] = losses[-1].detach()
    if batch.labelled is not None:
        assert batch.targets is not None
        labelled = view(to_network(batch.labelled, batch.labelled.device), batch, LABELLED, config)
        of_labels, more = semi_supervised.supervised_part(
            state.critic, labelled, batch.targets, weight=config.label_weight, precision=precision
        )
        losses.append(of_labels)
        metrics |= more
    state.critic_optimizer.zero_grad(set_to_none=True)
    torch.stack(losses).sum().backward()
    return metrics


class CriticInputs(NamedTuple):
    """What the critic looks at, each (n, c, h, w) in [-1, 1].

    Attributes
    ----------
    real : Tensor
    fake : Tensor or None
        None without a generator.
    nulls : Tensor or None
        Where scores are anchored.
    real_again, fake_again : Tensor or None
        Augmented by other random numbers, for auxiliary tasks.
    """

    real: Tensor
    fake: Tensor | None
    nulls: Tensor | None = None
    real_again: Tensor | None = None
    fake_again: Tensor | None = None


def critic_inputs(state: State, batch: UpdateBatch, config: TrainConfig, precision: str) -> CriticInputs:
    """Return what the critic looks at; reals and fakes augmented alike."""
    assert batch.real is not None
    device = batch.real.device
    nulls = None if batch.nulls is None else to_network(batch.nulls, device)
    real, fake = to_network(batch.real, device), None
    if batch.fake is not None:
        fake = to_network(batch.fake, device)
    elif state.generator is not None:
        with torch.no_grad(), arithmetic_of(precision, device):
            fake = state.generator(with_labels(batch.z, batch.labels, state.n_classes)).float()
    shown = [(real, REAL), (fake, FAKE), *([(real, REAL_AGAIN), (fake, FAKE_AGAIN)] if config.tasks else [])]
    seen = [None if images is None else view(images, batch, which, config) for images, which in shown]
    return CriticInputs(seen[0], seen[1], nulls, *seen[2:])  # type: ignore[arg-type]


def view(images: Tensor, batch: UpdateBatch, which: int, config: TrainConfig) -> Tensor:
    """Return images (n, c, h, w) as one of a batch's sets of random numbers augments them."""
    if batch.views is None:
        return images
    return augmented(images.float(), batch.views[:, which], config.augmentations)


def sight(state: State, score: objectives.Score, batch: UpdateBatch, precision: str, **images: Tensor | None) -> Sight:
    """Return what auxiliary tasks look at: images of `CriticInputs` by name, beside the critic that they are shown."""
    assert batch.views is not None

    def features(x: Tensor) -> Tensor:
        with arithmetic_of(precision, x.device):
            return state.critic.score_and_features(x)[1].float()  # type: ignore[operator]

    images.pop("nulls", None)
    return Sight(
        features=features,
        score=score,
        heads=state.heads,
        class_scores=partial(semi_supervised.outputs_of, state.critic, precision) if state.n_outputs else None,
        choice=batch.views[:, CHOICE, 0],
        **images,
    )


def critic_objective(
    score: objectives.Score,
    inputs: CriticInputs,
    alpha: Tensor | None,
    *,
    config: TrainConfig,
    gradient_at: objectives.GradientAt = objectives.gradient_at,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return what the critic minimises, and the metrics of `critic_update` but one."""
    real, fake, nulls = inputs.real, inputs.fake, inputs.nulls
    assert fake is not None
    if NETWORKS[config.network].batch_dependent or config.minibatch_kernels:
        real_score, fake_score = score(real), score(fake)  # each batch with statistics of its own
    else:
        real_score, fake_score = score(torch.cat([real, fake])).chunk(2)
    loss = objectives.OBJECTIVES[config.objective].critic_loss(real_score, fake_score)
    penalty = penalty_of(score, real, fake, alpha=alpha, config=config, gradient_at=gradient_at)
    drift = config.drift * objectives.drift_penalty(real_score) if config.drift else 0.0
    anchor = 0.0 if nulls is None else config.anchor * objectives.drift_penalty(score(nulls))
    total = loss + config.penalty_weight * penalty + drift + anchor
    real_score, fake_score = real_score.detach(), fake_score.detach()
    return total, {
        "w_distance": real_score.mean() - fake_score.mean(),
        "penalty": penalty.detach(),
        "critic_loss": loss.detach(),
        "critic_accuracy": (real_score[:, None] - fake_score).sign().add(1).mean() / 2,  # a tie is half a pair
    }


def scorer(
    critic: nn.Module,
    labels: Tensor | None,
    precision: str,
    device: torch.device,
    *,
    untouched: frozenset[str] = frozenset(),
) -> objectives.Score:
    """Return the critic as a function of images, (n, ...) or twice as many, that returns float32.

    No gradient comes to weights that are ``untouched``; to the images it does.
    """
    fixed = {name: weight.detach() for name, weight in critic.named_parameters() if name in untouched}

    def score(x: Tensor) -> Tensor:
        inputs = (x,) if labels is None else (x, labels.repeat(len(x) // len(labels)))
        with arithmetic_of(precision, device):
            return (torch.func.functional_call(critic, fixed, inputs) if fixed else critic(*inputs)).float()

    return score


def penalty_of(
    score: objectives.Score,
    real: Tensor,
    fake: Tensor,
    *,
    alpha: Tensor | None,
    config: TrainConfig,
    gradient_at: objectives.GradientAt,
) -> Tensor:
    """Return the penalty on the critic's slope that the config names, unweighted; zero for none."""
    zero_centred = partial(objectives.zero_centred_penalty, score, gradient_at=gradient_at)
    match config.penalty:
        case "gradient":
            assert alpha is not None
            norm = config.penalty_norm
            return objectives.gradient_penalty(score, real, fake, alpha, norm=norm, gradient_at=gradient_at)
        case "r1":
            return zero_centred(real)
        case "r2":
            return zero_centred(fake)
        case "r1r2":
            return zero_centred(real) + zero_centred(fake)
    return torch.zeros((), device=real.device)


def generator_update(
    state: State, batch: UpdateBatch, config: TrainConfig, *, precision: str, ranks: Ranks = ALONE
) -> dict[str, Tensor]:
    """Take one descent step on the generator's loss; return it and the gradient's norm over all weights."""
    device, objective = batch.z.device, objectives.OBJECTIVES[config.objective]
    assert state.generator is not None
    assert state.generator_optimizer is not None
    assert state.generator_average is not None
    state.critic.requires_grad_(False)
    score = scorer(state.critic, batch.labels, precision, device)
    with arithmetic_of(precision, device):
        fake = state.generator(with_labels(batch.z, batch.labels, state.n_classes))
    fake = view(fake, batch, FAKE, config)
    seen = None if batch.real is None else view(to_network(batch.real, device), batch, REAL, config)
    if config.feature_matching:
        assert seen is not None
        loss = semi_supervised.generator_part(state.critic, fake, seen, precision)
    else:
        fake_score = score(fake)
        if objective.generator_sees_reals:
            assert seen is not None
            real_score = score(seen)
        else:
            real_score = torch.zeros_like(fake_score)
        loss = objective.generator_loss(real_score, fake_score)
    if config.tasks:
        loss = loss + generator_tasks(sight(state, score, batch, precision, fake=fake), config.tasks)
    with products_of(precision):
        loss.backward()
    weights = list(state.generator.parameters())
    ranks.average_gradients(weights)
    metrics = {"generator_loss": loss.detach(), "generator_gradient": _norm(weights)}
    state.generator_optimizer.step()
    state.generator_optimizer.zero_grad(set_to_none=True)
    state.critic.requires_grad_(True)
    if config.generator_average:
        update_average(state.generator_average, state.generator, 1 - config.generator_average)
    return metrics


def _norm(weights: list[nn.Parameter]) -> Tensor:
    return get_total_norm([p.grad for p in weights if p.grad is not None])


def update_average(average: nn.Module, trained: nn.Module, share: float | Tensor) -> None:
    """Move the averaged weights: ``average = (1 - share) * average + share * trained``; buffers are copied."""
    slow = average.state_dict()
    learned = {name for name, _ in average.named_parameters()}
    with torch.no_grad():
        for name, fast in effective_weights(trained).items():
            if name in learned:
                slow[name].lerp_(fast, share)
            else:
                slow[name].copy_(fast)
