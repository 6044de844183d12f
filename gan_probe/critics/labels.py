"""In which form a conditional discriminator takes its labels: tried out, and asked where two forms both work.

To add a form: one function and one row in ``LABEL_FORMS``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gan_probe.critics.outputs import possible_scores
from gan_probe.critics.stored import StoredModule
from gan_probe.errors import ConfigError, InputError

# What a parameter for labels is called; where none of forward's is, it is the first after the images.
NAMES = frozenset({"y", "c", "label", "labels", "class_label", "class_labels", "classes", "class_idx", "cond"})


def _index(label: int, n_labels: int, x: Tensor) -> Tensor:
    return torch.full((len(x),), label, dtype=torch.long, device=x.device)


def _one_hot(label: int, n_labels: int, x: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(_index(label, n_labels, x), n_labels).to(x.dtype)


def _one_hot_map(label: int, n_labels: int, x: Tensor) -> Tensor:
    return _one_hot(label, n_labels, x)[:, :, None, None].expand(-1, -1, *x.shape[2:])


# (label, number of labels, images (n, c, h, w)) -> the label of each image.
LABEL_FORMS: dict[str, Callable[[int, int, Tensor], Tensor]] = {
    "index": _index,  # (n,) long
    "one-hot": _one_hot,  # (n, k) float
    "index-column": lambda label, k, x: _index(label, k, x)[:, None],  # (n, 1) long
    "one-hot-long": lambda label, k, x: _one_hot(label, k, x).long(),  # (n, k) long
    "float": lambda label, k, x: _index(label, k, x).to(x.dtype),  # (n,)
    "float-column": lambda label, k, x: _index(label, k, x).to(x.dtype)[:, None],  # (n, 1)
    "one-hot-map": _one_hot_map,  # (n, k, h, w) float: channels beside the image
}

USUAL = ("index", "one-hot")
RARE = tuple(form for form in LABEL_FORMS if form not in USUAL)  # tried where none of the usual works


def label_parameter(module: nn.Module) -> inspect.Parameter | None:
    """Return the parameter of ``forward`` that labels go to, or None where it takes images alone."""
    while isinstance(module, nn.DataParallel):
        module = module.module
    if isinstance(module, StoredModule):
        return module.label_parameter
    try:
        parameters = list(inspect.signature(module.forward).parameters.values())
    except (TypeError, ValueError):  # a program without a signature
        return None
    others = [p for p in parameters[1:] if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    named = [p for p in others if p.name.lower() in NAMES]
    required = [p for p in others if p.default is p.empty]
    return next(iter(named or required or others), None)


def check_labels(module: nn.Module, n_labels: int | None) -> None:
    """Raise `ConfigError` where labels are needed and their number is not known, or is none."""
    parameter = label_parameter(module)
    if n_labels is None and parameter is not None and parameter.default is parameter.empty:
        raise ConfigError(
            "this discriminator is called with labels too; say how many there are with n_labels (--n-labels). Its"
            f" forward takes {parameter.name!r}: where that is no label, wrap it in a module that is called with images"
            " alone."
        )
    if n_labels is not None and n_labels < 1:
        raise ConfigError(f"n_labels must be at least 1, got {n_labels!r}.")


def as_arguments(module: nn.Module, labels: Tensor) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    """Return what a discriminator is called with beside the images: by place, or by name where that is needed."""
    parameter = label_parameter(module)
    if parameter is None or isinstance(module, StoredModule) or parameter.kind is parameter.POSITIONAL_ONLY:
        return (labels,), {}
    return (), {parameter.name: labels}


def find_form(call: Callable[[Tensor], Any], n_labels: int, images: Tensor) -> str:
    """Return the form in which a discriminator takes labels.

    Parameters
    ----------
    call : callable
        The discriminator, of labels for ``images``; raises `InputError` where it does not take them.
    n_labels : int
    images : Tensor, shape (n, c, h, w)
        Not as many as there are labels: an index, (n,), could be taken for one-hot rows, (n, k).

    Raises
    ------
    InputError
        When it takes no known form, or several with different results.
    """
    failures: dict[str, InputError] = {}
    for forms in (USUAL, RARE):
        results: dict[str, list[Tensor]] = {}
        for form in forms:
            try:
                results[form] = _try(call, form, n_labels, images)
            except InputError as error:
                failures[form] = error
        first = next(iter(results), "")
        if not all(_agree(results[first], other) for other in results.values()):
            raise InputError(
                f"the discriminator takes labels as {' and as '.join(results)}, with different results. Choose one with"
                " --label-form (in Python: labels=)."
            )
        if results:
            return first
    index, one_hot = failures["index"], failures["one-hot"]
    if str(index.__cause__ or index) == str(one_hot.__cause__ or one_hot):  # so it has nothing to do with labels
        raise index
    raise InputError(
        f"the discriminator takes {n_labels} labels in none of the known forms ({', '.join(LABEL_FORMS)}). As an index:"
        f" {index} As one-hot rows: {one_hot} Is --n-labels (n_labels) right?"
    ) from one_hot


def _try(call: Callable[[Tensor], Any], form: str, n_labels: int, images: Tensor) -> list[Tensor]:
    """Return all that could be a score, with the first and with the last label."""
    found: list[Tensor] = []
    for label in sorted({0, n_labels - 1}):
        raw = call(LABEL_FORMS[form](label, n_labels, images))
        found += possible_scores(raw, len(images)).values()
    return found


def _agree(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(
        a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(one, other, strict=True)
    )
