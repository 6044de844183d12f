"""Random weights in a network from elsewhere: the control that a trained one must beat."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.spectral_norm import SpectralNorm

from gan_probe.critics.boundary import foreign_code
from gan_probe.errors import InputError

POWER_ITERATIONS = 200  # a random matrix's two largest singular values lie close together


def reinitialised(module: nn.Module, seed: int) -> nn.Module:
    """Return a copy with weights drawn anew by each layer's own rule.

    Raises
    ------
    InputError
        When a layer with weights has no rule (``reset_parameters``).
    """
    with torch.random.fork_rng(devices=[]), foreign_code("its weights cannot be drawn anew"):
        fresh = copy.deepcopy(module)
        torch.manual_seed(seed)
        for name, layer in fresh.named_modules():
            if not list(layer.parameters(recurse=False)):
                continue
            reset = getattr(layer, "reset_parameters", None)
            if reset is None:
                raise InputError(
                    f"layer {name or type(layer).__name__} has no reset_parameters; controls need a factory."
                )
            reset()
    kept = [n for (n, new), old in zip(fresh.named_parameters(), module.parameters(), strict=True)
            if old.ndim > 1 and torch.equal(new, old)]  # fmt: skip
    if kept:
        raise InputError(
            f"the weights {', '.join(kept[:4])} cannot be drawn anew (spectral norm?); controls need a factory."
        )
    return fresh


def settle_spectral_norms(module: nn.Module) -> None:
    """Let the power iteration of every spectrally normalised weight converge, so that its spectral norm is 1.

    As torch builds such a layer, its singular vectors are random or belong to other weights, and they are improved in
    training only: a network that was never trained is not normalised.

    References
    ----------
    Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks", algorithm 1.
    """
    with torch.no_grad(), torch.random.fork_rng(devices=[]), foreign_code("its spectral norms cannot be computed"):
        for layer in list(module.modules()):
            for hook in layer._forward_pre_hooks.values():
                if isinstance(hook, SpectralNorm):
                    for _ in range(POWER_ITERATIONS):
                        weight = hook.compute_weight(layer, do_power_iteration=True)
                    setattr(layer, hook.name, weight)
            chains: Any = layer.parametrizations if parametrize.is_parametrized(layer) else {}
            for name, chain in chains.items():
                for part in (part for part in chain if isinstance(part, _SpectralNorm)):
                    part.train()
                    for _ in range(POWER_ITERATIONS):
                        getattr(layer, name)
                    part.eval()


def are_same(weights: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> bool:
    """Return whether two networks have the same weights; False where neither has any that could be drawn."""
    drawn = [name for name, weight in weights.items() if weight.ndim > 1]
    return bool(drawn) and all(torch.equal(weights[name], others[name]) for name in drawn)
