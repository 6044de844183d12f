"""How fast is it on this machine? Every part against what does the same the usual way, one thread, about ten minutes.

python benchmarks/bench.py [--quick] [--parts scoring analyses training]

Pairs are timed in turn; ratios are of the processor's time and of the clock. The record is ``bench-FEATURES.json``,
FEATURES being what the processor computes with; docs/measured.md shows the range over all such records.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import drawing
import embedder
import numpy as np
import record
import torch
from plain_wgan_gp import CarefulTrainer, PlainTrainer
from torch import Tensor, nn
from train_step import Flops, Ours, forever, mimicry_steps, timed, with_plain_layers

from gan_probe import Critic
from gan_probe.config import preset
from gan_probe.device import has_native_bf16
from gan_probe.images.image_set import from_synthetic
from gan_probe.networks import build_critic, build_generator
from gan_probe.networks.blocks import SAME_PAD
from gan_probe.scoring.score import score
from gan_probe.stats.similarity import similarities
from gan_probe.stats.splits import halves
from gan_probe.studies.separation.study import separation
from gan_probe.training.pace import measure_pace
from synthetic import make_dataset
from synthetic.dataset import resolve_spec
from synthetic.draw import draw_images

CPU = torch.device("cpu")
NETWORKS = ("residual", "article", "compact")
N_RUNS = 10

Row = tuple[str, dict[str, Any]]


def features() -> str:
    """Return what the processor computes with, as torch sees it: avx2, avx512, avx512-bf16, ..."""
    ask: Callable[[], dict[str, Any]] = getattr(torch.cpu, "get_capabilities", dict)
    more = [name for name in ("avx512_bf16", "amx_bf16") if ask().get(name)]
    return "-".join([torch.backends.cpu.get_cpu_capability().lower(), *(name.split("_")[-1] for name in more[:1])])


def convolution_seconds(critic: nn.Module, batch_size: int) -> tuple[float, float]:
    """Return (operations, seconds) of the critic's convolutions alone: forward and backward, channels last, float32.

    In one batch of reals and fakes. Their rate is what a step, whose operations are of these shapes, could attain.
    """
    inputs: list[tuple[nn.Conv2d, Tensor]] = []
    for layer in critic.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda layer, given, _: inputs.append((layer, given[0])))
    with torch.no_grad():
        critic(torch.randn(2 * batch_size, 3, 64, 64))
    total, seconds = 0.0, 0.0
    for layer, given in inputs:
        how: Any = (layer.stride, layer.padding)
        if layer.padding == "same":
            how, given = (layer.stride, (0, 0)), nn.functional.pad(given, SAME_PAD)
        if layer.kernel_size == (1, 1):  # see `train_step.Sliced`
            (down, across), how = layer.stride, ((1, 1), (0, 0))
            given = given[..., ::down, ::across]
        x, w = (t.detach().contiguous(memory_format=torch.channels_last) for t in (given, layer.weight))
        g = torch.conv2d(x, w, None, *how)
        back = partial(
            torch.ops.aten.convolution_backward, g, x, w, None, *how, [1, 1], False, [0, 0], 1, [True, True, False]
        )
        with Flops() as counter:
            torch.conv2d(x, w, None, *how)
            back()
        total += counter.total
        seconds += timed(partial(torch.conv2d, x, w, None, *how), 3) + timed(back, 3)
    return total, seconds


def training(n_pairs: int) -> Iterator[Row]:
    """Yield steps and cycles of each network against the loops of others, and their share of what is attainable."""
    images = make_dataset("article-train", per_class=100).images
    shape = images.shape[1:]
    for network in NETWORKS:
        config = forever(network, preset(network).batch_size)
        for precision in ("fp32", "bf16") if has_native_bf16(CPU) else ("fp32",):
            ours = Ours(config, images, precision, CPU)
            name = f"{network}, batch {config.batch_size}, {precision}"
            for loop, trainer in (("plain loop", PlainTrainer), ("careful loop", CarefulTrainer)):
                theirs = trainer(
                    with_plain_layers(build_critic(network, shape, seed=0)),
                    build_generator(network, shape, config.latent_dim, seed=0),
                    images, config.batch_size, config.latent_dim, CPU,
                )  # fmt: skip
                yield (
                    f"critic step, {name}: {loop} over ours",
                    record.paired(theirs.critic_step, ours.critic_step, n_pairs),
                )
                if loop == "plain loop":
                    cycle = partial(theirs.cycle, config.n_critic)
                    yield f"cycle, {name}: {loop} over ours", record.paired(cycle, ours.cycle, max(1, n_pairs // 2))
            if precision == "fp32":
                yield f"critic step, {name}: share of the rate of its convolutions alone", share(ours, network, n_pairs)
    steps = mimicry_steps("fp32", CPU)
    if steps:
        theirs_step, theirs_cycle, ours = steps
        name = f"torch-mimicry's networks, 32 px, batch {ours.config.batch_size}, fp32: torch-mimicry over ours"
        yield f"critic step, {name}", record.paired(theirs_step, ours.critic_step, n_pairs)
        yield f"cycle, {name}", record.paired(theirs_cycle, ours.cycle, max(1, n_pairs // 2))


def share(ours: Ours, network: str, n: int) -> dict[str, Any]:
    """Return a step's rate in units of the rate of its convolutions alone, measured in turn.

    Of both the operations are counted as convolutions have them, padding included, though ours leaves some out.
    """
    flops, found = ours.flops(), []
    for _ in range(n):
        operations, seconds = convolution_seconds(build_critic(network, (64, 64, 3), seed=0), ours.config.batch_size)
        found.append(flops / timed(ours.critic_step, 3) / (operations / seconds))
    return {"wall": record.spread(found)}


def scoring(n_pairs: int) -> Iterator[Row]:
    """Yield scoring and embedding against the bare forward pass, drawing against numpy, a start against torch's."""
    images = make_dataset("jitter-test", per_class=26).images[:256]
    tensors = torch.from_numpy(images).permute(0, 3, 1, 2).float().div(127.5).sub(1).split(32)
    critic = Critic.from_network("compact", images.shape[1:])

    def bare() -> None:
        with torch.inference_mode():
            for batch in tensors:
                critic.module(batch)

    yield "score, compact: ours over the bare forward pass", record.paired(lambda: critic.score(images), bare, n_pairs)
    with tempfile.TemporaryDirectory() as folder:
        found = embedder.ratios("compact", images, Path(folder))
    yield "CriticEmbedder in a pipeline, images/s over those of the forward pass", {"wall": found["against_tensors"]}
    spec = resolve_spec("article-train").with_per_class(200)
    draw = partial(draw_images, spec, range(400), 0)
    yield "drawing 400 images: a loop with numpy over ours", record.paired(drawing.vectorised_images, draw, n_pairs)
    yield "start of gan-probe score over that of torch", {"cpu": record.spread(starts(n_pairs))}


def starts(n: int) -> list[float]:
    """Return the processor's time until score has read its critic and images, over that of ``import torch``."""
    with tempfile.TemporaryDirectory() as name:
        folder, found = Path(name), []
        Critic.from_network("compact", (32, 32, 3)).save(folder / "critic")
        np.save(
            folder / "images.npy",
            np.zeros((2, 32, 32, 3), np.uint8) + np.arange(2, dtype=np.uint8)[:, None, None, None],
        )
        words = ["-m", "gan_probe", "score", str(folder / "critic"), str(folder / "images.npy"), "--dry-run"]
        for _ in range(n + 1):
            found.append(_child_s(words) / _child_s(["-c", "import torch"]))
    return found[1:]


def _child_s(words: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def analyses(n: int) -> Iterator[Row]:
    """Yield the seconds of a report and of the comparison of ten runs, and what snapshots take of a training."""
    data = from_synthetic(make_dataset("article-test"))
    table = score(Critic.from_network("compact", data.image_shape), data)
    with tempfile.TemporaryDirectory() as name:
        page = Path(name) / "page"
        result = separation([table])
        yield "report of 400 images: analysis, seconds", seconds(lambda: separation([table]), n)
        yield "report of 400 images: page, seconds", seconds(lambda: result.save(page, overwrite=True), n)
    labels = data.table["label"].astype(str).to_numpy()
    rng, codes = np.random.default_rng(0), np.unique(labels, return_inverse=True)[1]
    centres = rng.normal(size=(codes.max() + 1, 30))
    latents = [2 * centres[codes] + rng.normal(size=(len(codes), 30)) for _ in range(N_RUNS)]
    embeddings = [np.maximum(rows @ rng.normal(size=(30, 400)), 0).astype(np.float32) for rows in latents]
    scores, fit = np.stack([rows[:, 0] for rows in latents]), halves(labels, seed=0)
    yield (
        f"stability, {N_RUNS} runs of 400 images: similarities and clusters, seconds",
        seconds(lambda: similarities(scores, embeddings, labels, fit), 1),
    )
    pace, config = measure_pace(data, preset("compact").updated({"precision": "fp32"}), device=CPU), preset("compact")
    alone = config.steps * pace.step_s
    yield "snapshots, share of a training of compact", {"wall": record.spread([1 - alone / pace.seconds(config)])}


def seconds(action: Callable[[], Any], n: int) -> dict[str, Any]:
    """Return the seconds of ``n`` calls, by the processor's time and by the clock."""
    found: dict[str, list[float]] = {"cpu": [], "wall": []}
    for _ in range(n):
        cpu, wall = process_time(), perf_counter()
        action()
        found["cpu"].append(process_time() - cpu)
        found["wall"].append(perf_counter() - wall)
    return {name: record.spread(values) for name, values in found.items()}


PARTS: dict[str, Callable[[int], Iterator[Row]]] = {"scoring": scoring, "analyses": analyses, "training": training}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two pairs of each in place of five")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="others keep what is recorded")
    given = parser.parse_args()
    torch.set_num_threads(1)
    what = (
        "medians and ranges of pairs timed in turn on one thread, 64 px RGB where nothing else is said; cpu: by the"
        " processor's time, wall: by the clock; a cycle is n_critic critic steps and one of the generator"
    )
    name = f"bench-{features()}"
    file = record.RECORDS / f"{name}.json"
    rows = json.loads(file.read_text())["rows"] if file.is_file() and set(given.parts) < set(PARTS) else {}
    for part in given.parts:
        for title, found in PARTS[part](2 if given.quick else 5):
            rows[title] = found
            facts = {"what": what, "features": features(), "load": round(os.getloadavg()[0], 1), "rows": rows}
            record.save(name, facts, shown=False)  # what is measured is kept, whatever comes
            medians = {kind: round(values["median"], 3) for kind, values in found.items()}
            print(title, medians, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
