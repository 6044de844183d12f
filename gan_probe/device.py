"""Which device and which arithmetic: "auto" resolved to what the machine has."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import torch

from gan_probe.errors import ConfigError, MissingError

ON_CPU, ON_CUDA = 32, 256  # images at a time: a CPU's caches hold the maps of so many, a GPU wants more work at once


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device for "auto" (CUDA when there is one), "cpu", "cuda" or "cuda:N".

    Under torchrun "auto" and "cuda" are the device of this process: the one with its local rank.

    Raises
    ------
    ConfigError
        For another name.
    MissingError
        When the named device is not there.
    """
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    local_rank = os.environ.get("LOCAL_RANK", "")
    if name in ("auto", "cuda"):
        name = f"cuda:{local_rank}" if local_rank else "cuda"
    kind, _, number = name.partition(":")
    if kind != "cuda" or (number and not number.isdigit()):
        untested = " Arithmetic on mps was not checked against the CPU, so it is not taken." if kind == "mps" else ""
        raise ConfigError(f"unknown device {name!r}. Known: auto, cpu, cuda, cuda:N.{untested}")
    if not torch.cuda.is_available() or int(number or 0) >= torch.cuda.device_count():
        raise MissingError(f"device {name!r} is not there: {torch.cuda.device_count()} CUDA devices. Use --device cpu.")
    return torch.device(name)


def has_native_bf16(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 in hardware (elsewhere bf16 is slower than float32)."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    ask = getattr(torch.cpu, "get_capabilities", None)  # torch 2.13; older ones use float32
    capabilities = ask() if ask else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def resolve_precision(name: str, device: torch.device) -> str:
    """Return "fp32", "bf16" or "tf32" for a precision setting on a device.

    Raises
    ------
    ConfigError
        For "tf32" on a CPU, which has none.
    """
    if name == "auto":
        return "bf16" if has_native_bf16(device) else "fp32"
    if name == "tf32" and device.type != "cuda":
        raise ConfigError("precision 'tf32' exists on CUDA devices only. Use fp32 or bf16.")
    return name


@contextmanager
def products_of(precision: str) -> Iterator[None]:
    """Run a block with float32 products and convolutions rounded to TF32 for "tf32" only.

    On CUDA torch rounds convolutions so by default. A backward pass goes by what is set while it runs, so it belongs in
    the block. The settings are put back afterwards.
    """
    previous, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    try:
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        yield
    finally:
        torch.set_float32_matmul_precision(previous)
        torch.backends.cudnn.allow_tf32 = convolutions


@contextmanager
def arithmetic_of(precision: str, device: torch.device) -> Iterator[None]:
    """Run a forward pass in a resolved precision; torch's global settings are put back afterwards."""
    autocast = torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()
    with products_of(precision), autocast:
        yield


def batch_size_for(device: torch.device) -> int:
    """Return how many images go through a critic at a time, where nobody says."""
    return ON_CUDA if device.type == "cuda" else ON_CPU


def cpu_count() -> int:
    """Return how many cores this process may use."""
    import joblib  # late: scoring in this process starts without it

    return int(joblib.cpu_count())


def memory_bytes() -> int:
    """Return how much memory the machine, or the container, has; where the system does not say (Windows), 8 GiB."""
    if not hasattr(os, "sysconf"):
        return 8 * 2**30
    return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *_limits()])


def _limits() -> Iterator[int]:
    """Yield the limit of a container (cgroup v2, then v1), where there is one."""
    for limit in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        with suppress(OSError, ValueError):
            yield int(limit.read_text(encoding="ascii"))


def environment() -> dict[str, Any]:
    """Return the versions and the machine that a result depends on."""
    import numpy
    import sklearn

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "scikit_learn": sklearn.__version__,
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": cpu_count(),
        "computes_with": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
