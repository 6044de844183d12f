"""What a discriminator returned, and which part of it is the score: found out from one forward pass, or asked.

An output is written ``KIND``, ``PART``, or ``PART:KIND``. A part is a place in tuples, lists and dicts, such as ``0``,
``1.0`` or ``logits``; several joined by ``+`` are averaged. A kind is a row of ``KINDS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gan_probe.errors import InputError
from gan_probe.names import check_name

KINDS = ("auto", "score", "probability")
ROUNDING = 1e-3  # by which a mean of probabilities may leave 0..1
MAX_LOGIT = 40.0  # where a float32 probability can no longer be told from 0 or 1

# torch's operators: what makes probabilities, and what leaves them probabilities. Any other makes something else.
TO_PROBABILITY = frozenset({"sigmoid", "sigmoid_", "softmax", "_softmax"})
KEEPS_PROBABILITY = frozenset(
    {
        "view", "_unsafe_view", "_reshape_alias", "reshape", "flatten", "squeeze", "squeeze_", "unsqueeze", "alias",
        "select", "slice", "split", "split_with_sizes", "chunk", "unbind", "narrow", "index", "index_select", "gather",
        "permute", "transpose", "t", "expand", "detach", "clone", "contiguous", "_to_copy", "to", "cat", "stack",
        "clamp", "clamp_", "clamp_min", "clamp_max", "mean", "amax", "amin",
        "avg_pool2d", "max_pool2d", "max_pool2d_with_indices", "adaptive_avg_pool2d", "_adaptive_avg_pool2d",
        "upsample_nearest2d", "upsample_bilinear2d",
    }
)  # fmt: skip

# What a forward calls to make a probability of one number, and to move it, or to keep it off 0 and 1.
SIGMOIDS = frozenset({"sigmoid", "special_expit", "expit"})
MOVES = frozenset(
    {
        "view", "reshape", "flatten", "squeeze", "unsqueeze", "__getitem__", "select", "permute", "transpose", "t",
        "expand", "detach", "clone", "contiguous", "to", "float", "double", "clamp", "clip", "clamp_min", "clamp_max",
    }
)  # fmt: skip
_LIMITS = frozenset({"clamp", "clip", "clamp_min", "clamp_max"})  # of a probability: none of what went in


class BeforeSigmoid(TorchFunctionMode):
    """While it is entered, remembers what went into each sigmoid whose result is only moved on the way out.

    A probability in float32 is 1 from a logit of 17 on: images above it tie. What went in is exact, and has gradients.
    Functions that TorchScript runs are not seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self._found: dict[int, tuple[Tensor, Tensor]] = {}  # the probability is held, so that no id is used again

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function; where it makes or moves a probability, do the same with the logit."""
        made = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in SIGMOIDS:
            self._found[id(made)] = made, args[0]
        elif name in MOVES and args and isinstance(made, Tensor):
            logit = self.of(args[0])
            if logit is not None:
                self._found[id(made)] = made, logit if name in _LIMITS else func(logit, *args[1:], **(kwargs or {}))
        return made

    def of(self, part: Any) -> Tensor | None:
        """Return the logit of a probability, or None where it is not known."""
        held = self._found.get(id(part))
        return None if held is None else held[1]


class Probabilities(TorchDispatchMode):
    """While it is entered, remembers which tensors are probabilities, whichever module or function made them.

    It follows operators, so it sees ``torch.sigmoid`` in a forward as well as a layer, and it tells a sigmoid that made
    the result from a gate on the way.
    """

    def __init__(self) -> None:
        super().__init__()
        self._found: dict[int, Tensor] = {}  # held, so that no id is used again

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operator, and mark what it gives."""
        made = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        given = [tensor for tensor in tree_leaves(args) if isinstance(tensor, Tensor) and tensor.is_floating_point()]
        kept = name in KEEPS_PROBABILITY and bool(given) and all(map(self.holds, given))
        opposite = name == "rsub" and tuple(args[1:]) == (1,) and self.holds(args[0])  # 1 - p
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                if name in TO_PROBABILITY or kept or opposite:
                    self._found[id(tensor)] = tensor
                else:
                    self._found.pop(id(tensor), None)  # changed in place
        return made

    def holds(self, tensor: Tensor) -> bool:
        """Return whether a tensor is a probability."""
        return id(tensor) in self._found


def parse_output(text: str) -> tuple[tuple[str, ...], str]:
    """Return the parts that an output names, none for the one that is plain, and its kind.

    Examples
    --------
    >>> parse_output("probability"), parse_output("1"), parse_output("0+1:score")
    (((), 'probability'), (('1',), 'auto'), (('0', '1'), 'score'))
    """
    if text in KINDS:
        return (), text
    head, colon, kind = text.rpartition(":")
    if colon and kind in KINDS:
        return tuple(head.split("+")), kind
    return tuple(text.split("+")), "auto"


def leaves(raw: Any, path: str = "") -> dict[str, Tensor]:
    """Return the tensors in tuples, lists and dicts, by place; a tensor by itself has the place "".

    What is no tensor (None, a number) is no score and is left out.
    """
    if isinstance(raw, Tensor):
        return {path: raw}
    items = raw.items() if isinstance(raw, Mapping) else enumerate(raw) if isinstance(raw, list | tuple) else ()
    found: dict[str, Tensor] = {}
    for name, part in items:
        found |= leaves(part, f"{path}.{name}" if path else str(name))
    return found


def shape_of(raw: Any) -> str:
    """Return what a discriminator returned in words: "a tensor (2, 1)", "a tuple of ..."."""
    if isinstance(raw, Tensor):
        kind = "" if raw.is_floating_point() else f" of {str(raw.dtype).removeprefix('torch.')}"
        return f"a tensor {tuple(raw.shape)}{kind}"
    if isinstance(raw, Mapping):
        return f"a {type(raw).__name__} of {', '.join(f'{name}: {shape_of(part)}' for name, part in raw.items())}"
    if isinstance(raw, list | tuple):
        return f"a {type(raw).__name__} of {', '.join(map(shape_of, raw))}"
    return type(raw).__name__


def possible_scores(raw: Any, n: int) -> dict[str, Tensor]:
    """Return what could be the score among what was returned for ``n`` images, by place.

    These are floats, one an image or a map of patches an image.

    Raises
    ------
    InputError
        When nothing could.
    """
    found = leaves(raw)
    if not found:
        raise InputError(
            f"the discriminator returned {shape_of(raw)}; tensors, or tuples, lists and dicts of tensors, are known."
        )
    if n == 1:  # squeezed too far
        found = {place: part if part.ndim and len(part) == 1 else part[None] for place, part in found.items()}
    possible = {
        place: part
        for place, part in found.items()
        if part.is_floating_point() and part.ndim and len(part) == n
        if part.ndim in (1, 3) or (part.ndim in (2, 4) and part.shape[1] == 1)
    }
    if not possible:
        raise InputError(
            f"the discriminator returned {shape_of(raw)} for {n} images; one number for each, or a map of patches, is"
            " needed. Wrap it in a module that picks the score."
        )
    return possible


def _is_number(part: Tensor, n: int) -> bool:
    return part.numel() == n


def _what(part: Tensor, n: int) -> str:
    return "the number of each image" if _is_number(part, n) else "the mean of a map of patches"


def find_parts(raw: Any, n: int, output: str) -> dict[str, Tensor]:
    """Return the parts that make up the score, by place: those that ``output`` names, or the only possible reading.

    Raises
    ------
    ConfigError
        For a part that is not there, with the nearest.
    InputError
        When nothing returned could be a score, or several things could.
    """
    possible = possible_scores(raw, n)
    named, _ = parse_output(output)
    if isinstance(raw, Mapping):  # by number, too: outputs of ONNX graphs had no names before
        named = tuple(list(raw)[int(p)] if p.isdigit() and p not in raw and int(p) < len(raw) else p for p in named)
    for place in named:
        check_name("output", place, [*KINDS, *(place for place in possible if place)])
    if named:
        return {place: possible[place] for place in named}
    if len(possible) > 1 and not _are_scales(raw, possible, n):
        raise InputError(_question(raw, possible, n))
    return possible


def _are_scales(raw: Any, possible: Mapping[str, Tensor], n: int) -> bool:
    """Return whether a list holds one score a scale: all parts possible, and of one kind. A tuple is no such list."""
    if not isinstance(raw, list) or len(leaves(raw)) != len(raw) or len(possible) != len(raw):
        return False
    return len({(part.ndim, _is_number(part, n)) for part in possible.values()}) == 1


def _question(raw: Any, possible: Mapping[str, Tensor], n: int) -> str:
    """Return the readings of what was returned, and how to choose each."""
    readings = [f"{_quoted(place)} for {_what(part, n)}, {tuple(part.shape)}" for place, part in possible.items()]
    return (
        f"the discriminator returned {shape_of(raw)} for {n} images, which can be read in more than one way. Choose"
        f" with --output (in Python: output=): {'; '.join(readings)}; {_quoted('+'.join(possible))} for the mean of"
        " them."
    )


def _quoted(place: str) -> str:
    return f"{place!r}" if place not in KINDS else f"'{place}:auto'"


def resolve_output(raw: Any, images: Tensor, output: str, is_probability: Callable[[Tensor], bool]) -> str:
    """Return the output with nothing left open: its parts, where there are several, and whether they are probabilities.

    Parameters
    ----------
    raw : Any
        What a discriminator returned for ``images``.
    images : Tensor, shape (n, c, h, w)
    output : str
        What is known of it.
    is_probability : callable
        Tells a probability among the tensors of ``raw``.

    Raises
    ------
    ConfigError, InputError
        As `find_parts`; for an image returned for each image; for parts of which some are probabilities.
    """
    named, kind = parse_output(output)
    parts = find_parts(raw, len(images), output)
    pictures = [part for part in parts.values() if part.shape == images.shape and not _is_number(part, len(images))]
    if pictures and not named and kind == "auto":
        raise InputError(
            f"the discriminator returned {shape_of(raw)}, an image for each image: a map of scores, or a"
            " reconstruction. If its mean is the score, say --output score (in Python: output='score'); otherwise wrap"
            " it in a module that returns the score."
        )
    if kind == "auto":
        flags = [is_probability(part) for part in parts.values()]
        if len(set(flags)) > 1:
            raise InputError(
                f"the discriminator returned {shape_of(raw)}, of which some parts are probabilities and some are not."
                f" Choose with --output (in Python: output=) one of {', '.join(map(_quoted, parts))}."
            )
        kind = "probability" if flags[0] else "score"
    elif not named:
        return output
    return kind if set(parts) == {""} else f"{'+'.join(parts)}:{kind}"


def score_of(call: Callable[[], Any], n: int, output: str) -> Tensor:
    """Return one number an image, (n,), from what a discriminator returns for ``n`` images when it is called.

    A probability becomes its logit: what went into the sigmoid where that is known, else computed.

    Raises
    ------
    ConfigError, InputError
        As `find_parts`; for "probabilities" outside of 0..1.
    """
    before = BeforeSigmoid()
    if parse_output(output)[1] == "probability":
        with before:
            parts = [_logit(part, before) for part in find_parts(call(), n, output).values()]
    else:
        parts = list(find_parts(call(), n, output).values())
    parts = [part if part.dtype.itemsize >= 4 else part.float() for part in parts]
    return torch.stack([part.reshape(n, -1).mean(1) for part in parts]).mean(0)


def _logit(part: Tensor, before: BeforeSigmoid) -> Tensor:
    known = before.of(part)
    if known is not None:
        return known
    low, high = part.aminmax()
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise InputError(
            f"the discriminator is said to return probabilities, and it returned {low:.3g} to {high:.3g}: these are"
            " scores. Adapt it with --output score (in Python: output='score')."
        )
    return torch.logit(part.float().clamp(0, 1)).clamp(-MAX_LOGIT, MAX_LOGIT)


def describe_output(raw: Any, n: int, output: str) -> str:
    """Return what was returned and what of it is taken, in words."""
    parts, (_, kind) = find_parts(raw, n, output), parse_output(output)
    taken = " and ".join(f"{place!r}, {_what(part, n)}".removeprefix("'', ") for place, part in parts.items())
    taken = f"the mean of {taken}" if len(parts) > 1 else taken
    return f"it returns {shape_of(raw)}; taken: {taken}{' (a probability), as its logit' if kind != 'score' else ''}"
