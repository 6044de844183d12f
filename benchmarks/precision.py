"""One training step in float32 against bfloat16 autocast, paired in one run.

python benchmarks/precision.py
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import record
import torch

from gan_probe.config import preset
from gan_probe.training.batches import ImageSource, batches
from gan_probe.training.step import new_state, train_step
from synthetic import make_dataset


def main() -> None:
    images, cpu = make_dataset("article-train", per_class=50).images, torch.device("cpu")
    results = {}
    for name in ("compact", "residual"):
        config = replace(preset(name), batch_size=preset(name).batch_size)
        states = {p: new_state(config, (64, 64, 3), cpu) for p in ("fp32", "bf16")}
        batch = next(batches(ImageSource.of(images, cpu), config, first=1, sees_reals=False))

        def step(precision: str, config: Any = config, states: Any = states, batch: Any = batch) -> None:
            train_step(states[precision], batch, config, precision=precision)

        n = 9 if name == "compact" else 3
        ratios = record.paired_ratios(lambda: step("fp32"), lambda: step("bf16"), n)
        results[f"{name}, batch {config.batch_size}: fp32 / bf16"] = record.spread(ratios)
    record.save("precision", {"what": "time of one training step, ratio of float32 to bfloat16, paired", **results})


if __name__ == "__main__":
    main()
