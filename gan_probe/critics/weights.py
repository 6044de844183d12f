"""Weights from files as people have them: one network of a checkpoint, under the names that its wrappers gave it."""

from __future__ import annotations

import copy
import pickle
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from gan_probe.critics.boundary import foreign_code, told
from gan_probe.errors import InputError
from gan_probe.records import regular

# What DataParallel, torch.compile, FSDP and checkpointing put into names, at the front and inside.
WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
COUNTERS = frozenset({"n_averaged"})  # what AveragedModel adds of its own
EXTRA = "_extra_state"
N_LISTED = 4

State = Mapping[str, Any]


def load_weights(module: nn.Module, path: str | Path, *, key: str | None = None) -> str:
    """Load the weights of a module as torch's strict loading does; return what is to be said of the choice, or "".

    Parameters
    ----------
    module : nn.Module
    path : path
        ``.safetensors``, or what torch reads with ``weights_only=True``: a state dict, or dicts and lists of several.
        Names that wrappers put in front or between (``module.``, ``_orig_mod.``) are no difference.
    key : str, optional
        Of several networks in the file the one to load, such as "netD" or "state_dict.discriminator". None: the only
        one that fits.

    Raises
    ------
    InputError
        For a pickled module, a file that is no file of weights, weights that do not match, or several that do.
    """
    path = Path(path)
    content = _read(path)
    states = _find_states(content)
    if not states:
        raise InputError(f"{path} holds {type(content).__name__}, not a state dict of tensors.")
    networks = {place: part for name, state in states.items() for place, part in _networks(name, state, module).items()}
    related = {place: part for place, part in networks.items() if part.keys() & module.state_dict().keys()}
    chosen = _choose(networks, key, path) if key is not None else related or networks
    if len(chosen) > 1:
        chosen = _only_fitting(module, chosen, path)
    place, part = next(iter(chosen.items()))
    problem = _load(module, part)
    if problem:
        where = f" {place}" if place else ""
        raise InputError(f"the weights{where} in {path} do not match: {problem}.")
    others = [other for other in networks if other and other != place]
    if others and key is None:
        return f"of the networks in {path} ({_listed([place, *others])}) {place!r} was loaded: the only one that fits."
    return ""


def check_state(module: nn.Module) -> None:
    """Raise `InputError` where the state of a module holds what no file of weights can."""
    with foreign_code("the discriminator's state cannot be read"):
        state = module.state_dict()
    for name, value in state.items():
        if not isinstance(value, Tensor) or value.is_sparse or value.is_quantized:
            raise InputError(
                f"the discriminator keeps {name} in its state, of type {type(value).__name__}; plain tensors are known."
            )


def _read(path: Path) -> Any:
    """Return what a file holds. Nothing is unpickled but tensors and plain containers."""
    try:
        with regular(path).open("rb") as file:
            head = file.read(16)
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < size:  # safetensors: length of the header, header
        with foreign_code(f"{path} cannot be read"):
            return load_file(path)
    if not head.startswith((b"PK\x03\x04", b"\x80")):  # a zip, or a pickle: as torch.save writes now, and wrote once
        raise InputError(
            f"{path} is no file of weights: it begins with {head!r}. Such files are written by torch.save, or by"
            " safetensors.torch.save_file; a download that failed is none."
        )
    with foreign_code(f"{path} cannot be read", advice="Is it whole?"), path.open("rb") as file:
        if zipfile.is_zipfile(file):
            _check_zip(zipfile.ZipFile(file), path)
        file.seek(0)
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise InputError(
                f"{path} is not a plain state dict, so it is not loaded: unpickling runs code. Where you trust it, save"
                " module.state_dict() with safetensors.torch.save_file and give that file."
            ) from error


def _check_zip(file: zipfile.ZipFile, path: Path) -> None:
    """Raise `InputError` for a program, and for a file that was changed: torch does not look at the check sums."""
    if any(name.endswith("/constants.pkl") for name in file.namelist()):
        raise InputError(
            f"{path} is a TorchScript program, not weights. Give it in place of the factory (in Python:"
            " Critic.from_file)."
        )
    if file.testzip():
        raise InputError(f"{path} is damaged: what it holds does not fit its check sums. Fetch or save it again.")


def _find_states(content: Any, place: str = "") -> dict[str, State]:
    """Return every state dict in nested dicts and lists, by place."""
    if isinstance(content, list | tuple):
        content = {str(number): part for number, part in enumerate(content)}
    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content):
        return {}  # an optimizer's state has numbers for names
    found: dict[str, State] = {}
    if any(isinstance(value, Tensor) for value in content.values()):
        found[place] = content
    for name, value in content.items():
        if not name.endswith(EXTRA):
            found |= _find_states(value, f"{place}.{name}" if place else name)
    return found


def _bare(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _by_bare_name(names: Any) -> dict[str, str]:
    """Return names by what remains without wrappers; as they are where that would mix two up."""
    found = {_bare(name): name for name in names}
    return found if len(found) == len(names) else {name: name for name in names}


def _networks(place: str, state: State, module: nn.Module) -> dict[str, State]:
    """Return the networks in one state dict, by place and prefix, their names as the module has them.

    A file of several networks may be one state dict in which each has a prefix. A prefix counts when at least half of
    the module's names stand behind it.
    """
    wanted = _by_bare_name(module.state_dict())
    names = _by_bare_name([n for n, v in state.items() if isinstance(v, Tensor) or n.endswith(EXTRA)])
    names = {bare: name for bare, name in names.items() if bare in wanted or bare not in COUNTERS}
    count = Counter(bare[: len(bare) - len(end)] for bare in names for end in _ends(bare) if end in wanted)
    prefixes = sorted((p for p, n in count.items() if 2 * n >= len(wanted)), key=len, reverse=True) or [""]
    found: dict[str, State] = {}
    left = dict(names)
    for prefix in prefixes:  # the longest first, so that "" does not take what belongs to another
        mine = {bare: left.pop(bare) for bare in list(left) if bare.startswith(prefix)}
        part = OrderedDict(
            (wanted.get(b.removeprefix(prefix), b.removeprefix(prefix)), state[n]) for b, n in mine.items()
        )
        part._metadata = _metadata(state, prefix, module)  # type: ignore[attr-defined]
        found[".".join(filter(None, [place, prefix.rstrip(".")]))] = part
    return dict(reversed(found.items()))


def _ends(name: str) -> list[str]:
    """Return the name, and what remains of it when parts are taken from its front."""
    parts = name.split(".")
    return [".".join(parts[k:]) for k in range(len(parts))]


def _metadata(state: State, prefix: str, module: nn.Module) -> dict[str, Any]:
    """Return the versions of the layers as torch saved them, by the module's own names; older files have none."""
    known = {_bare(name): version for name, version in getattr(state, "_metadata", {}).items()}
    paths = {path: f"{prefix}{_bare(path)}".rstrip(".") for path, _ in module.named_modules()}
    return {path: known[bare] for path, bare in paths.items() if bare in known}


def _choose(networks: Mapping[str, State], key: str, path: Path) -> dict[str, State]:
    """Return the network that a key names: whole, or by its last names."""
    exact = [place for place in networks if place == key]
    for places in (
        exact,
        [p for p in networks if p.endswith(f".{key}")],
        [p for p in networks if p.startswith(f"{key}.")],
    ):
        if places:
            return {place: networks[place] for place in places}
    raise InputError(
        f"{path} holds no network {key!r}; it holds {_sizes(networks)}. Choose one of them with --key (key=)."
    )


def _only_fitting(module: nn.Module, networks: Mapping[str, State], path: Path) -> dict[str, State]:
    """Return the one network that fits, tried on copies."""
    with foreign_code("the discriminator cannot be copied"):
        problems = {place: _load(copy.deepcopy(module), part) for place, part in networks.items()}
    fitting = {place: networks[place] for place, problem in problems.items() if not problem}
    if len(fitting) == 1:
        return fitting
    if fitting:
        raise InputError(
            f"{path} holds several networks that fit: {_sizes(fitting)}. Choose with --key (in Python: key=)."
        )
    each = "; ".join(f"{place or 'the rest'}: {problem}" for place, problem in problems.items())
    raise InputError(f"the weights in {path} do not match, whichever of its networks is taken. {each}.")


def _load(module: nn.Module, part: State) -> str:
    """Load a state strictly; return what does not match, in words, or ""."""
    try:
        with foreign_code("it is not loaded"):
            module.load_state_dict(part)
    except InputError as error:
        known = module.state_dict().keys()
        differing = {"missing": sorted(known - part.keys()), "unexpected": sorted(part.keys() - known)}
        words = [f"{len(names)} {kind} ({_listed(names)})" for kind, names in differing.items() if names]
        return " ".join(words) or told(error.__cause__ or error)
    return ""


def _sizes(networks: Mapping[str, State]) -> str:
    return ", ".join(f"{place or '(no name)'} ({len(part)} tensors)" for place, part in networks.items())


def _listed(names: list[str]) -> str:
    return ", ".join(names[:N_LISTED]) + (", ..." if len(names) > N_LISTED else "")
