"""One critic step and one full cycle against others' loops, and against the machine's own matrix multiplication.

python benchmarks/train_step.py [--device cuda]

Every ratio is of times measured in turn within one run. Ours counts metrics, moving averages and drawing the batch.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest.mock import patch

import numpy as np
import record
import torch
from plain_wgan_gp import PlainTrainer
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from gan_probe.config import TrainConfig, preset
from gan_probe.device import has_native_bf16
from gan_probe.networks import build_critic, build_generator, convolution, piecewise
from gan_probe.networks.blocks import SAME_PAD
from gan_probe.networks.convolution import PenaltyConv2d
from gan_probe.training.acceleration import Log, accelerate
from gan_probe.training.batches import ImageSource, batches
from gan_probe.training.step import critic_update, new_state
from synthetic import make_dataset

N_PAIRS, N_MATRIX = 5, 2048
FOREVER = 10_000_000
NETWORKS = ("article", "residual")
SMALL = preset("wgan-gp-32").updated({"batch_size": 16, "steps": FOREVER})


class Flops(TorchDispatchMode):
    """Counts operations of convolutions and matrix products; torch's own counter fails in autograd.grad."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        self.total += formula(*args, **(kwargs or {}), out_val=out) if formula else 0
        return out


class Ours:
    """Our step on its own batches."""

    def __init__(
        self, config: TrainConfig, images: np.ndarray, precision: str, device: torch.device, log: Log | None = None
    ) -> None:
        config = config.updated({"precision": precision})
        self.config, self.precision, self.device = config, precision, device
        self.state, self.source = new_state(config, images.shape[1:], device), ImageSource.of(images, device)
        self.batches = batches(self.source, config, first=1, sees_reals=False)
        self.take_step = accelerate(self.state, config, precision, log=log or partial(print, file=sys.stderr))

    def critic_step(self) -> None:
        critic_update(self.state, next(self.batches).critic[0], self.config, precision=self.precision)
        self._wait()

    def cycle(self) -> None:
        self.take_step(next(self.batches))
        self._wait()

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def flops(self) -> float:
        """Return the operations of a critic step with convolutions throughout, none by taps."""
        batch = next(self.batches).critic[0]
        with Flops() as counter, patch.object(convolution, "TAP_POSITIONS", 0):
            critic_update(self.state, batch, self.config, precision=self.precision)
        return counter.total


def matmul_rate(precision: str, device: torch.device) -> float:
    """Return the best rate of a square matrix product, in 10^9 operations a second."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    size = N_MATRIX if device.type == "cpu" else 4 * N_MATRIX
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best = np.inf
    for _ in range(8):
        start = perf_counter()
        c = a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, perf_counter() - start)
    assert c.shape == a.shape
    return 2 * size**3 / best / 1e9


def timed(action: Callable[[], Any], n: int = 5) -> float:
    """Return the median time of ``n``, after one that does not count."""
    action()
    times = []
    for _ in range(n):
        start = perf_counter()
        action()
        times.append(perf_counter() - start)
    return float(np.median(times))


class Sliced(nn.Conv2d):
    """A 1x1 convolution of the pixels that its stride meets; torch's own, strided, ends the process on a CPU."""

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        (down, across) = self.stride
        return nn.functional.conv2d(x[..., ::down, ::across], weight, bias)


class Padded(nn.Conv2d):
    """A 4x4 convolution that keeps the size, after a pass that pads: torch's own does the same, and warns of it."""

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return nn.functional.conv2d(nn.functional.pad(x, SAME_PAD), weight, bias)


def with_plain_layers(module: nn.Module) -> nn.Module:
    """Return the network with torch's own convolutions, rectifiers and pooling, as others have it."""
    for layer in module.modules():
        if isinstance(layer, PenaltyConv2d):
            own: type[nn.Conv2d] = Sliced if layer.kernel_size == (1, 1) else nn.Conv2d
            own = Padded if layer.padding == "same" else own
            object.__setattr__(layer, "__class__", own)
            layer.weight.data = layer.weight.data.contiguous()
    forward = module.forward

    def plain(x: Tensor) -> Tensor:
        ours, piecewise._is_plain = piecewise._is_plain, lambda: True
        try:
            return forward(x)
        finally:
            piecewise._is_plain = ours

    module.forward = plain
    return module


def forever(network: str, batch_size: int) -> TrainConfig:
    """Return the preset of a network, with the paper's norm, as the plain loop takes it."""
    return preset(network).updated({"penalty_norm": "paper", "steps": FOREVER, "batch_size": batch_size})


def residual(network: str, batch_size: int, precision: str, device: torch.device) -> dict[str, Any]:
    images = make_dataset("article-train", per_class=100).images
    config = forever(network, batch_size)
    shape = images.shape[1:]
    plain = PlainTrainer(
        with_plain_layers(build_critic(network, shape, seed=0)).to(device),
        build_generator(network, shape, 128, seed=0).to(device), images, batch_size, 128, device,
    )  # fmt: skip
    ours = Ours(config, images, precision, device)
    clipped = Ours(config.updated({"penalty": "none", "weight_clip": 0.05}), images, precision, device)
    rate, flops = matmul_rate(precision, device), ours.flops()
    return {
        "plain_over_ours_critic_step": record.spread(
            record.paired_ratios(plain.critic_step, ours.critic_step, N_PAIRS)
        ),
        "plain_over_ours_cycle": record.spread(
            record.paired_ratios(partial(plain.cycle, config.n_critic), ours.cycle, 3)
        ),
        "penalty_over_clip_cycle": record.spread(record.paired_ratios(ours.cycle, clipped.cycle, 3)),
        "share_of_matmul_rate_critic_step": round(flops / timed(ours.critic_step) / 1e9 / rate, 3),
    }


Action = Callable[[], None]


def mimicry_steps(precision: str, device: torch.device) -> tuple[Action, Action, Ours] | None:
    """Return torch-mimicry's own critic step and cycle on its own 32 px networks, and ours on the same; or None."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.packages import open_package

    if not open_package("torch_mimicry"):
        return None
    nets = importlib.import_module("torch_mimicry.nets.wgan_gp.wgan_gp_32")
    generator, critic = nets.WGANGPGenerator32().to(device), nets.WGANGPDiscriminator32().to(device)
    optimizers = [torch.optim.Adam(m.parameters(), 1e-4, betas=(0.0, 0.9)) for m in (critic, generator)]
    images = np.random.default_rng(0).integers(0, 256, (200, 32, 32, 3), dtype=np.uint8)
    real = torch.from_numpy(images[: SMALL.batch_size]).permute(0, 3, 1, 2).float().div(127.5).sub(1.0).to(device)

    class Log:
        def add_metric(self, name: str, value: Any, **_: Any) -> None:
            float(value)

    def critic_step() -> None:
        critic.train_step((real, None), generator, optimizers[0], Log(), device)

    def cycle() -> None:
        for _ in range(SMALL.n_critic):
            critic_step()
        generator.train_step((real, None), critic, optimizers[1], Log(), device)

    return critic_step, cycle, Ours(SMALL, images, precision, device)


def mimicry(precision: str, device: torch.device) -> dict[str, Any] | str:
    """Return the ratio to torch-mimicry's own train_step on its own 32 px networks, ours on the same networks."""
    steps = mimicry_steps(precision, device)
    if steps is None:
        return "not measured: torch-mimicry is not installed"
    critic_step, cycle, ours = steps
    return {
        "mimicry_over_ours_critic_step": record.spread(record.paired_ratios(critic_step, ours.critic_step, N_PAIRS)),
        "mimicry_over_ours_cycle": record.spread(record.paired_ratios(cycle, ours.cycle, 3)),
    }


def memory() -> dict[str, Any]:
    """Return how far two steps and twenty of the article preset in float32 raise the resident memory, in MiB.

    Two, because the first makes the optimizers' state.
    """
    found = {}
    for n in (2, 20):
        done = subprocess.run(
            [sys.executable, __file__, "--memory", str(n)], capture_output=True, text=True, check=True
        )
        found[n] = json.loads(done.stdout)
    return {
        "resident_images": found[20]["images"],
        "two_steps": found[2]["peak"],
        "twenty_steps": found[20]["peak"],
        "twenty_over_two": round(found[20]["peak"] / found[2]["peak"], 3),
    }


def measure_memory(n_steps: int) -> None:
    """Print how far the resident memory rose in so many steps; Linux only."""
    images = make_dataset("article-train").images
    ours = Ours(forever("article", 8), images, "fp32", torch.device("cpu"))
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    start = _status_mib("VmRSS")
    for _ in range(n_steps):
        ours.cycle()
    print(json.dumps({"peak": _status_mib("VmHWM") - start, "images": images.nbytes // 2**20}))


def _status_mib(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name))) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory:
        measure_memory(given.memory)
        return
    device = torch.device(given.device)
    precisions = ("fp32", "bf16") if has_native_bf16(device) else ("fp32",)
    sizes = (8, 32) if device.type == "cpu" else (8, 32, 256)
    results: dict[str, Any] = {
        f"{network} networks, 64 px, batch {n}, {p}": residual(network, n, p, device)
        for network in NETWORKS
        for n in sizes
        for p in precisions
    }
    results |= {f"mimicry's networks, 32 px, batch {SMALL.batch_size}, {p}": mimicry(p, device) for p in precisions}
    if device.type == "cpu":
        results["memory_mib"] = memory()
        results["gpu"] = "not measured: no CUDA device"
    what = (
        "ratios of times, paired in one run: a plain float32 WGAN-GP loop, and torch-mimicry's, over ours; a cycle is"
        " five critic steps and one of the generator"
    )
    record.save("train_step" if device.type == "cpu" else "train_step_gpu", {"what": what, **results})


if __name__ == "__main__":
    main()
