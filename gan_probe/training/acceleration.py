"""Faster ways to take the same step: compiled, or captured as a CUDA graph.

One is used only where it was seen, on the first batch, to do what eager does; otherwise the training goes on
eagerly and says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from gan_probe.config import TrainConfig
from gan_probe.device import arithmetic_of
from gan_probe.networks import NETWORKS
from gan_probe.training.batches import StepBatch, UpdateBatch
from gan_probe.training.ranks import ALONE, Ranks
from gan_probe.training.step import (
    CriticInputs,
    Gradients,
    State,
    both_updates,
    critic_gradients,
    critic_inputs,
    critic_objective,
    set_rates,
    train_step,
)

TOLERANCE = {"fp32": 1e-3, "tf32": 2e-2, "bf16": 5e-2}  # of the norm: rounding in another order, and no more
N_WARM_UP = 3  # steps before a capture, as torch's notes on CUDA graphs ask for

TakeStep = Callable[[StepBatch], dict[str, Tensor]]
Log = Callable[[str], None]


def accelerate(
    state: State, config: TrainConfig, precision: str, *, ranks: Ranks = ALONE, log: Log | None = None
) -> TakeStep:
    """Return the function that takes a step of this training; its first call tries the faster way.

    Parameters
    ----------
    state : State
    config : TrainConfig
        ``acceleration`` names the way.
    precision : str
        Resolved.
    ranks : Ranks
    log : callable, optional
        Told which way is used, and why not another.
    """
    say = log or (lambda _: None)
    device = next(state.critic.parameters()).device
    wanted = config.acceleration
    if wanted == "auto":
        wanted = "graph" if device.type == "cuda" and ranks.world == 1 else "eager"

    def eager(batch: StepBatch) -> dict[str, Tensor]:
        return train_step(state, batch, config, precision=precision, ranks=ranks)

    if wanted == "eager":
        return eager
    attempt = {"compiled": _compiled, "graph": _graph}[wanted]
    chosen: list[TakeStep] = []

    def take(batch: StepBatch) -> dict[str, Tensor]:
        if not chosen:
            faster, reason = attempt(state, batch, config, precision=precision, ranks=ranks)
            say(f"acceleration: {wanted}" if faster else f"acceleration: eager, not {wanted}: {reason}")
            chosen.append(faster or eager)
        return chosen[0](batch)

    return take


Attempt = tuple[TakeStep | None, str]  # the step, or None and why there is none


def relative_error(found: Iterable[Tensor], expected: Iterable[Tensor]) -> float:
    """Return the norm of the difference of two lists of tensors, in units of the norm of the second."""
    theirs = torch.cat([t.detach().float().flatten() for t in expected])
    ours = torch.cat([t.detach().float().flatten() for t in found])
    return float(torch.linalg.norm(ours - theirs) / torch.linalg.norm(theirs).clamp_min(1e-12))


# --- compiled ----------------------------------------------------------------------------------------------------


def _compiled(state: State, batch: StepBatch, config: TrainConfig, *, precision: str, ranks: Ranks) -> Attempt:
    """Return a step whose critic gradients come from one compiled function."""
    if config.tasks:
        return None, "auxiliary tasks have heads of their own."
    kept = state.critic.state_dict().keys()  # other buffers are constants
    if any(name in kept for name, _ in state.critic.named_buffers()) or NETWORKS[config.network].batch_dependent:
        return None, "the critic changes buffers as it runs (batch or spectral normalisation)."
    if config.semi_supervised:
        return None, "what labels add to the loss is not compiled."
    gradients = functional_gradients(state, config, precision, compiled=True)
    try:
        error = _gradient_error(state, batch.critic[0], config, precision=precision, gradients=gradients)
    except Exception as failure:  # noqa: BLE001 (whatever a compiler raises, eager still works)
        return None, f"torch.compile failed ({type(failure).__name__}: {str(failure).splitlines()[0][:200]})."
    if not error <= TOLERANCE[precision]:
        return None, f"its gradients differ from eager's by {error:.1e} of their norm."
    return lambda b: train_step(state, b, config, precision=precision, ranks=ranks, gradients=gradients), ""


def functional_gradients(state: State, config: TrainConfig, precision: str, *, compiled: bool) -> Gradients:
    """Return a stand-in for `critic_gradients` made of nested `torch.func.grad`, which torch can compile.

    torch.compile knows no double backward through autograd.grad; a gradient inside a gradient it does know.
    """
    critic = state.critic

    def loss(
        weights: Mapping[str, Tensor], inputs: CriticInputs, alpha: Tensor, labels: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        def score(x: Tensor) -> Tensor:
            inputs = (x,) if labels is None else (x, labels.repeat(len(x) // len(labels)))
            with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
                return torch.func.functional_call(critic, dict(weights), inputs).float()

        return critic_objective(score, inputs, alpha, config=config, gradient_at=_gradient_at)

    differentiate: Any = torch.func.grad(loss, has_aux=True)
    if compiled:
        differentiate = torch.compile(differentiate, fullgraph=True)

    def gradients(state: State, batch: UpdateBatch, _config: TrainConfig, _precision: str) -> dict[str, Tensor]:
        inputs = critic_inputs(state, batch, config, precision)
        weights = {name: weight.detach() for name, weight in critic.named_parameters()}
        with arithmetic_of("tf32" if precision == "tf32" else "fp32", inputs.real.device):  # autocast is inside
            found, metrics = differentiate(weights, inputs, batch.alpha, batch.labels)
        for name, weight in critic.named_parameters():
            weight.grad = found[name].detach().clone()
        return {name: value.detach().clone() for name, value in metrics.items()}

    return gradients


def _gradient_at(score: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return torch.func.grad(lambda t: score(t).sum())(x)


def _gradient_error(
    state: State, batch: UpdateBatch, config: TrainConfig, *, precision: str, gradients: Gradients
) -> float:
    """Return how far a stand-in's gradients are from eager's."""

    def taken(how: Gradients) -> list[Tensor]:
        how(state, batch, config, precision)
        return [p.grad.clone() for p in state.critic.parameters() if p.grad is not None]

    with put_back(state):  # the generator's statistics move
        return relative_error(taken(gradients), taken(critic_gradients))


# --- CUDA graph --------------------------------------------------------------------------------------------------


def _graph(state: State, batch: StepBatch, config: TrainConfig, *, precision: str, ranks: Ranks) -> Attempt:
    """Return a step that replays one captured graph of all updates."""
    if not batch.generator.z.is_cuda:
        return None, "CUDA graphs need a CUDA device."
    if ranks.world > 1:
        return None, "several processes exchange gradients within a step."
    still = config.updated({"learning_rate_critic": 0.0, "learning_rate_generator": 0.0})
    with put_back(state):
        train_step(state, batch, still, precision=precision)
        plain = _moments(state)
    _make_capturable(state)
    static = batch.map(torch.clone)
    try:
        with put_back(state):
            _warm_up(lambda: both_updates(state, static, config, precision=precision))
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                outputs = both_updates(state, static, config, precision=precision)
    except RuntimeError as failure:
        return None, f"the capture failed ({str(failure).splitlines()[0][:200]})."

    def replay(new: StepBatch, rates: TrainConfig = config) -> dict[str, Tensor]:
        state.step += 1
        set_rates(state, rates)
        for old, value in zip(_tensors(static), _tensors(new), strict=True):
            old.copy_(value)
        graph.replay()
        return {name: value.clone() for name, value in outputs.items()}

    with put_back(state):
        replay(batch, still)
        replayed = _moments(state)
    error = relative_error(replayed, plain)
    if not error <= TOLERANCE[precision]:
        return None, f"its gradients differ from eager's by {error:.1e} of their norm."
    return replay, ""


def _warm_up(action: Callable[[], Any]) -> None:
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(N_WARM_UP):
            action()
    torch.cuda.current_stream().wait_stream(stream)


def _make_capturable(state: State) -> None:
    """Let the optimizers read their learning rate and step from the device."""
    for optimizer in state.optimizers().values():
        device = optimizer.param_groups[0]["params"][0].device
        for group in optimizer.param_groups:
            group["capturable"] = True
            group["lr"] = torch.tensor(float(group["lr"]), device=device)


def _tensors(batch: StepBatch) -> list[Tensor]:
    found: list[Tensor] = []
    batch.map(lambda tensor: found.append(tensor) or tensor)  # type: ignore[func-returns-value]
    return found


def _moments(state: State) -> list[Tensor]:
    """Return Adam's moments of both networks: made of the gradients alone where the learning rates are zero.

    Weights would not do to compare by: Adam's first steps are the signs of gradients, rounding errors included.
    """
    optimizers = state.optimizers().values()
    values = [kept for optimizer in optimizers for kept in optimizer.state.values()]
    return [v["exp_avg"].clone() for v in values] + [v["exp_avg_sq"].sqrt() for v in values]


@contextmanager
def put_back(state: State) -> Any:
    """Run a block, then give the state the values that it had, in the same places of memory."""
    modules, optimizers = list(state.modules().values()), list(state.optimizers().values())
    kept = [{name: value.clone() for name, value in module.state_dict().items()} for module in modules]
    moments = [
        {p: {k: torch.as_tensor(v).clone() for k, v in values.items()} for p, values in optimizer.state.items()}
        for optimizer in optimizers
    ]
    step = state.step
    try:
        yield
    finally:
        state.step = step
        with torch.no_grad():
            for module, values in zip(modules, kept, strict=True):
                for name, value in module.state_dict().items():
                    value.copy_(values[name])
            for optimizer, before in zip(optimizers, moments, strict=True):
                for parameter, values in optimizer.state.items():
                    for name, value in values.items():
                        old = before.get(parameter, {}).get(name)
                        value.copy_(old) if old is not None else value.zero_()
