"""``gan-probe doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.options import Device, Json, SizePx, TrustCode
from gan_probe.cli.session import Session

EXTRAS = {
    "umap": "umap",
    "onnx": "onnxruntime",
    "ray": "ray",
    "tensorboard": "tensorboard",
    "hf": "huggingface_hub",
}  # and the module that shows whether each is there


def doctor(
    data: Annotated[
        Path | None, typer.Argument(help="A data set; with CRITIC, how long scoring it takes is measured.")
    ] = None,
    critic: Annotated[Path | None, typer.Argument(help="A run folder, or a critic folder.")] = None,
    size: SizePx = None,
    trust_code: TrustCode = False,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Say what this machine has: versions, device, arithmetic, extras; and how long it takes to score a data set."""
    with Session("doctor", json) as session:
        import shutil
        from dataclasses import asdict
        from importlib.util import find_spec

        from gan_probe.device import environment, resolve_device, resolve_precision
        from gan_probe.errors import ConfigError
        from gan_probe.version import VERSION

        if data is not None and critic is None:
            raise ConfigError(f"to measure how long {data} takes, name a critic: gan-probe doctor {data} CRITIC.")
        found = resolve_device(device)
        facts = {
            "gan_probe": VERSION,
            **environment(),
            "device (auto)": str(found),
            "precision (auto)": resolve_precision("auto", found),
            "free disk here": f"{shutil.disk_usage('.').free / 1e9:.1f} GB",
        }
        facts |= {f"extra {name}": "installed" if find_spec(module) else f"missing: pip install 'gan-probe[{name}]'"
                  for name, module in EXTRAS.items()}  # fmt: skip
        session.metrics |= facts
        width = max(map(len, facts))
        session.say("\n".join(f"{name:<{width}}  {value}" for name, value in facts.items()))
        if data is not None and critic is not None:
            from gan_probe.critics.critic import Critic
            from gan_probe.scoring.estimate import estimate_cost

            estimate = estimate_cost(Critic.load(critic, found, trust_code=trust_code), [data], size_px=size)
            session.metrics["estimate"] = asdict(estimate)
            session.say(estimate.sentence())
