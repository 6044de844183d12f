"""What a CUDA device makes of training and scoring.

python benchmarks/gpu.py

Steps as one CUDA graph against eager ones and against a plain loop, in every arithmetic; their share of what the
convolutions of the critic reach by themselves; scoring against the bare forward pass; memory. Times within one row were
measured in turn.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import record
import torch
from plain_wgan_gp import PlainTrainer
from torch import Tensor, nn
from train_step import FOREVER, Flops, Ours, matmul_rate

from gan_probe.config import preset
from gan_probe.critics.critic import Critic
from gan_probe.device import arithmetic_of
from gan_probe.networks import build_critic, build_generator
from gan_probe.training.batches import batches
from gan_probe.training.step import both_updates
from synthetic import make_dataset

DEVICE = torch.device("cuda")
CASES = (
    ("article", 8, "fp32"), ("article", 8, "tf32"), ("article", 8, "bf16"),
    ("article", 256, "fp32"), ("article", 256, "tf32"), ("article", 256, "bf16"), ("article", 1024, "bf16"),
    ("residual", 8, "fp32"), ("residual", 256, "bf16"), ("compact", 16, "fp32"), ("compact", 16, "bf16"),
)  # fmt: skip
N_PAIRS, N_SCORED, N_TIMED = 5, 8192, 10


def seconds(action: Callable[[], Any], n: int = N_TIMED) -> float:
    """Return the mean time of ``n``, after three that do not count."""
    for _ in range(3):
        action()
    torch.cuda.synchronize()
    start = perf_counter()
    for _ in range(n):
        action()
    torch.cuda.synchronize()
    return (perf_counter() - start) / n


@contextmanager
def memory(found: dict[str, Any]) -> Iterator[None]:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    yield
    found["peak_memory_mib"] = round(torch.cuda.max_memory_allocated() / 2**20)


def steps(network: str, batch_size: int, precision: str) -> dict[str, Any]:
    """Return how one step of ``n_critic`` critic updates and one of the generator is taken."""
    images = make_dataset("article-train", per_class=300).images
    shape, said = images.shape[1:], list[str]()
    config = preset(network).updated({"batch_size": batch_size, "steps": FOREVER})
    found: dict[str, Any] = {}
    with memory(found):
        graph = Ours(config.updated({"acceleration": "graph"}), images, precision, DEVICE, said.append)
        graph.cycle()
    plain = PlainTrainer(
        build_critic(network, shape, seed=0).to(DEVICE),
        build_generator(network, shape, config.latent_dim, seed=0).to(DEVICE),
        images, batch_size, config.latent_dim, DEVICE,
    )  # fmt: skip
    eager = Ours(config.updated({"acceleration": "eager"}), images, precision, DEVICE)
    found["acceleration"] = "; ".join(said)
    cycle = partial(plain.cycle, config.n_critic)
    cycle_flops = flops(eager)
    found["eager_over_graph"] = record.spread(record.paired_ratios(eager.cycle, graph.cycle, N_PAIRS))
    if batch_size <= len(images):
        found["plain_over_graph"] = record.spread(record.paired_ratios(cycle, graph.cycle, N_PAIRS))
    taken = seconds(graph.cycle)
    reached, rate = cycle_flops / taken / 1e12, convolution_rate(network, batch_size, precision) / 1e12
    return found | {
        "ms_a_step": round(1e3 * taken, 3),
        "tflops": round(reached, 1),
        "convolutions_alone_tflops": round(rate, 1),
        "share_of_convolutions_alone": round(reached / rate, 3),
        "share_of_matmul": round(reached / (matmul_rate(precision, DEVICE) / 1e3), 3),
    }


def flops(ours: Ours) -> float:
    """Return the operations of convolutions and matrix products in one step."""
    batch = next(batches(ours.source, ours.config, first=1, sees_reals=False))
    with Flops() as counter:
        both_updates(ours.state, batch, ours.config, precision=ours.precision)
    return counter.total


def convolution_rate(network: str, batch_size: int, precision: str) -> float:
    """Return operations a second of the critic's convolutions alone, forward and backward, each in its best layout."""
    critic = build_critic(network, (64, 64, 3), seed=0).to(DEVICE)
    inputs: list[tuple[nn.Conv2d, Tensor]] = []
    hooks = [
        layer.register_forward_hook(lambda layer, given, _: inputs.append((layer, given[0])))
        for layer in critic.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    with torch.no_grad():
        critic(torch.randn(batch_size, 3, 64, 64, device=DEVICE))
    for hook in hooks:
        hook.remove()
    total, time = 0.0, 0.0
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    with arithmetic_of("tf32" if precision == "tf32" else "fp32", DEVICE):
        torch.backends.cudnn.benchmark = True
        for layer, x in inputs:
            x, w = (t.detach().to(dtype, memory_format=torch.channels_last) for t in (x, layer.weight))
            g = torch.conv2d(x, w, None, layer.stride, layer.padding)
            back = partial(
                torch.ops.aten.convolution_backward, g, x, w, None, layer.stride, layer.padding, [1, 1], False, [0, 0],
                1, [True, True, False],
            )  # fmt: skip
            with Flops() as counter:
                torch.conv2d(x, w, None, layer.stride, layer.padding)
                back()
            total += counter.total
            time += seconds(partial(torch.conv2d, x, w, None, layer.stride, layer.padding)) + seconds(back)
        torch.backends.cudnn.benchmark = False
    return total / time


def scoring(network: str) -> dict[str, Any]:
    """Return images a second of `Critic.score`, and that against the forward pass on images that are on the device."""
    critic = Critic.from_network(network, (64, 64, 3), device=DEVICE)
    images = np.random.default_rng(0).integers(0, 256, (N_SCORED, 64, 64, 3), dtype=np.uint8)
    resident = torch.rand(N_SCORED, 3, 64, 64, device=DEVICE)

    def bare() -> None:
        with torch.inference_mode(), arithmetic_of("fp32", DEVICE):
            for start in range(0, N_SCORED, 256):
                critic.module(resident[start : start + 256])
        torch.cuda.synchronize()

    ratios = record.paired_ratios(bare, lambda: critic.score(images), N_PAIRS)
    return {
        "bare_over_score": record.spread(ratios),
        "images_a_second": round(N_SCORED / seconds(lambda: critic.score(images), 3)),
    }


def main() -> None:
    if not torch.cuda.is_available():
        sys.exit("no CUDA device on this machine")
    torch.cuda.init()
    results: dict[str, Any] = {}
    for network, batch_size, precision in CASES:
        name = f"{network}, batch {batch_size}, {precision}"
        start = perf_counter()
        results[name] = steps(network, batch_size, precision)
        print(name, results[name], f"({perf_counter() - start:.0f} s)", file=sys.stderr, flush=True)
    results["scoring"] = {network: scoring(network) for network in ("article", "compact")}
    what = (
        "a step is n_critic critic updates and one of the generator, 64 px RGB; graph: as one CUDA graph; plain: a"
        " WGAN-GP loop as widely used scripts write it, in torch's default arithmetic, whose convolutions are rounded"
        " to TF32; share_of_convolutions_alone: of the operations a second that the critic's convolutions reach one by"
        " one, forward and backward"
    )
    record.save("gpu", {"what": what, **results})


if __name__ == "__main__":
    main()
